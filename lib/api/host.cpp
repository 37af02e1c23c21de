// host.cpp: thunks of host.h.
#include "api/thunk.hpp"
#include "data/kernels/isa.hpp"

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

akv_status akv_isa_choose(uint32_t isa) noexcept {
  const KeepErrno keep;
  return choose_isa(isa);
}

uint32_t akv_isa_in_use(void) noexcept { return isa_in_use(); }

const char *akv_isa_name(uint32_t isa) noexcept { return isa_name(isa); }

}  // extern "C"
