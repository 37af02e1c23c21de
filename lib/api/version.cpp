// version.cpp: thunks of version.h.
#include "arenakv/version.h"

#define AKV_TEXT(value) AKV_TEXT_(value)
#define AKV_TEXT_(value) #value

extern "C" {

uint32_t akv_version(void) noexcept { return AKV_VERSION; }

const char *akv_version_string(void) noexcept {
  return AKV_TEXT(AKV_VERSION_MAJOR) "." AKV_TEXT(AKV_VERSION_MINOR) "." AKV_TEXT(AKV_VERSION_PATCH);
}

}  // extern "C"
