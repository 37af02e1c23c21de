// delayed.hpp: a stream for one test, whose work can be held up: delayed completion without a clock.
// It knows the public API only.
#pragma once

#include "fixture.hpp"

#include <condition_variable>
#include <mutex>

namespace akv::test {

// A minute: reached only where something has gone wrong.
inline constexpr std::uint64_t kLong = 60'000'000'000;

struct Stream {
  explicit Stream(std::uint32_t workers = 0, void (*change)(akv_stream_config &) = nullptr) {
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = workers;
    if (change != nullptr) change(config);
    OK(akv_stream_create(&config, &handle));
  }
  ~Stream() {
    if (handle == nullptr) return;
    release(1000);
    CHECK(akv_stream_wait(handle, AKV_POINT_ALL, kLong) == AKV_OK);
    CHECK(akv_stream_destroy(handle) == AKV_OK);
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  operator akv_stream *() const { return handle; }

  std::uint64_t record() const {
    std::uint64_t point = 0;
    OK(akv_stream_record(handle, &point));
    return point;
  }
  bool passed(std::uint64_t point) const {
    std::uint32_t answer = 2;
    OK(akv_stream_read(handle, point, &answer));
    CHECK(answer <= 1);
    return answer != 0;
  }
  void wait(std::uint64_t point = AKV_POINT_ALL) const { OK(akv_stream_wait(handle, point, kLong)); }
  // It can't be passed, so a wait of some milliseconds ends with its deadline.
  void stands(std::uint64_t point = AKV_POINT_ALL) const {
    CHECK(akv_stream_wait(handle, point, 5'000'000) == AKV_ERROR_TIMEOUT);
  }
  void call(akv_stream_function function, void *context) const { OK(akv_stream_call(handle, function, context)); }
  void follow(akv_stream *other, std::uint64_t point) const { OK(akv_stream_follow(handle, other, point)); }
  std::uint32_t poll() const {
    std::uint32_t done = 12345;
    OK(akv_stream_poll(handle, &done));
    return done;
  }
  int fd() const {
    std::int32_t number = -1;
    OK(akv_stream_read_fd(handle, &number));
    return number;
  }
  void destroy() {
    OK(akv_stream_destroy(handle));
    handle = nullptr;
  }

  // Queue work that lasts until it is released: what is queued behind it waits.
  void hold() { call(&stop, this); }
  // Let one stop go, the first first, or several.
  void release(int count = 1) {
    const std::lock_guard<std::mutex> lock(mutex_);
    released_ += count;
    changed_.notify_all();
  }
  // Block until the stream has come to a stop.
  void await_stop() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return reached_ > released_; });
  }

  akv_stream *handle = nullptr;

 private:
  static void stop(void *context) {
    auto *self = static_cast<Stream *>(context);
    std::unique_lock<std::mutex> lock(self->mutex_);
    const int number = ++self->reached_;
    self->changed_.notify_all();
    self->changed_.wait(lock, [self, number] { return self->released_ >= number; });
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int reached_ = 0, released_ = 0;
};

}  // namespace akv::test
