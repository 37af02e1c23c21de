// handles.hpp: stores and streams that destroy themselves. They know nothing of a replay.
#pragma once

#include "cache.hpp"

#include <cstdio>

namespace replay {

template <class Object, akv_status (*kDestroy)(Object *) AKV_NOEXCEPT>
class Handle {
 public:
  Handle() = default;
  ~Handle() {
    const akv_status status = kDestroy(object_);
    if (status != AKV_OK) std::fprintf(stderr, "arenakv: a store or stream answered %s\n", akv_status_name(status));
  }
  Handle(const Handle &) = delete;
  Handle &operator=(const Handle &) = delete;

  Object *get() const { return object_; }
  Object **place() { return &object_; }  // for a create function, once

 private:
  Object *object_ = nullptr;
};

class Store : public Handle<akv_store, akv_store_destroy> {
 public:
  void create(akv_cache *cache, std::uint32_t columns) {
    akv_store_config config = AKV_STORE_CONFIG_INIT;
    config.columns = columns;
    check(akv_store_create(cache, &config, place()), "akv_store_create");
  }
};

class Stream : public Handle<akv_stream, akv_stream_destroy> {
 public:
  Stream() = default;
  ~Stream() {
    if (get() == nullptr) return;
    const akv_status status =
        akv_stream_wait(get(), AKV_POINT_ALL, kTenMinutes);  // after a failure: what is queued yet
    if (status != AKV_OK) std::fprintf(stderr, "arenakv: akv_stream_wait() answered %s\n", akv_status_name(status));
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  void create(std::uint32_t workers) {
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = workers;
    check(akv_stream_create(&config, place()), "akv_stream_create");
  }
  // Until all that was queued is done, and what waited for it.
  void wait() const { check(akv_stream_wait(get(), AKV_POINT_ALL, kTenMinutes), "akv_stream_wait"); }

 private:
  static constexpr std::uint64_t kTenMinutes = 600'000'000'000u;
};

}  // namespace replay
