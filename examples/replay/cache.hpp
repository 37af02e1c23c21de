// cache.hpp: a cache that destroys itself, and library answers as exceptions. It knows nothing of a replay.
#pragma once

#include "arenakv.h"

#include <string>

namespace replay {

// What the library says about the last call of this thread that failed.
std::string library_error();

// Throw a Failure that says what `call` answered and why, in the library's words.
[[noreturn]] void fail_with_library_error(const char *call, akv_status status);

inline void check(akv_status status, const char *call) {
  if (status != AKV_OK) [[unlikely]]
    fail_with_library_error(call, status);
}

class Cache {
 public:
  explicit Cache(const akv_cache_config &config) { check(akv_cache_create(&config, &cache_), "akv_cache_create"); }
  ~Cache();
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;

  akv_cache *get() const { return cache_; }
  akv_cache_state read_state() const;

 private:
  akv_cache *cache_ = nullptr;
};

}  // namespace replay
