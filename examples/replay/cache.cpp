// cache.cpp: see cache.hpp.
#include "cache.hpp"

#include "error.hpp"

#include <cstdio>

namespace replay {

std::string library_error() {
  char text[512];
  akv_last_error(text, sizeof text);
  return text;
}

void fail_with_library_error(const char *call, akv_status status) {
  throw Failure(std::string(call) + "() answered " + akv_status_name(status) + ": " + library_error());
}

Cache::~Cache() {
  const akv_status status = akv_cache_destroy(cache_);
  if (status != AKV_OK) std::fprintf(stderr, "arenakv: akv_cache_destroy() answered %s\n", akv_status_name(status));
}

akv_cache_state Cache::read_state() const {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  check(akv_cache_read_state(cache_, &state), "akv_cache_read_state");
  return state;
}

}  // namespace replay
