// host.cpp: thunks of host.h.
#include "api/thunk.hpp"

using namespace akv;

extern "C" {

akv_status akv_set_log(akv_log_function function, void *context, uint32_t max_level) noexcept {
  const KeepErrno keep;
  return set_log(function, context, max_level);
}

int32_t akv_has(uint32_t feature) noexcept {
  return feature == AKV_FEATURE_PREFIX_INDEX || feature == AKV_FEATURE_PARTIAL_HITS || feature == AKV_FEATURE_BUDDY ||
         feature == AKV_FEATURE_STORES;
}

}  // extern "C"
