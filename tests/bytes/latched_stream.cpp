// latched_stream.cpp: latches, and how far a stream can have come.
// It knows the public API only.
#include "latched_stream.hpp"

#include <cstdio>
#include <cstdlib>

namespace bytes_test {
namespace {

constexpr std::uint64_t kLong = 120'000'000'000;  // reached only where something hangs

void must(akv_status status, const char *what) {
  if (status == AKV_OK) return;
  char text[400];
  akv_last_error(text, sizeof text);
  std::printf("%s: %s: %s\n", what, akv_status_name(status), text);
  std::fflush(stdout);
  std::_Exit(1);
}

}  // namespace

void LatchedStream::Latch::wait() {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [this] { return open; });
}

void LatchedStream::Latch::release() {
  const std::lock_guard<std::mutex> lock(mutex);
  open = true;
  changed.notify_all();
}

void LatchedStream::run_latch(void *latch) { static_cast<Latch *>(latch)->wait(); }

LatchedStream::LatchedStream(bool exists, std::uint32_t workers) : workers_(exists ? workers : 0) {
  if (!exists) return;
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  config.num_workers = workers;
  config.queue_items = 4096;
  must(akv_stream_create(&config, &handle_), "stream_create");
}

LatchedStream::~LatchedStream() {
  open_all();
  settle();
  must(akv_stream_destroy(handle_), "stream_destroy");
}

std::uint64_t LatchedStream::record() const {
  std::uint64_t point = 0;
  if (handle_ != nullptr) must(akv_stream_record(handle_, &point), "stream_record");
  return point;
}

bool LatchedStream::can_pass(std::uint64_t point) const {
  for (const Block &block : blocks_) {
    if (block.before >= point) break;
    if (block.stands()) return false;
  }
  return true;
}

void LatchedStream::hold() {
  if (!queues()) return;
  latches_.push_back(std::make_unique<Latch>());
  closed_.push_back(latches_.back().get());
  blocks_.push_back({record(), closed_.back(), nullptr, 0});
  must(akv_stream_call(handle_, run_latch, closed_.back()), "stream_call");
}

bool LatchedStream::open_one() {
  if (closed_.empty()) return false;
  closed_.front()->release();
  closed_.pop_front();
  return true;
}

void LatchedStream::open_all() {
  while (open_one()) {
  }
}

void LatchedStream::follow(const LatchedStream &other, std::uint64_t point) {
  if (!other.queues() || point <= other.settled_) return;
  blocks_.push_back({record(), nullptr, &other, point});
  must(akv_stream_follow(handle_, other.handle_, point), "stream_follow");
}

void LatchedStream::settle() {
  if (handle_ == nullptr) return;
  while (!blocks_.empty() && !blocks_.front().stands()) blocks_.pop_front();
  const std::uint64_t reach = blocks_.empty() ? record() : blocks_.front().before;
  must(akv_stream_wait(handle_, reach, kLong), "stream_wait");
  settled_ = reach;
  if (blocks_.empty() && closed_.empty() && record() == reach) latches_.clear();
}

}  // namespace bytes_test
