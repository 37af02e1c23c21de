// work.hpp: one piece of work, from its arguments to the point behind it: queued on a stream that has workers, and else
// done before submit() returns. Nothing is allocated either way.
// It knows streams by their interface; not what the work does.
#pragma once

#include "data/device/stream.hpp"

#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace akv {

// Bytes that `count` elements take behind a piece's arguments.
template <class T>
constexpr std::size_t kept_bytes(std::size_t count) noexcept {
  return (count * sizeof(T) + 15) & ~std::size_t{15};
}

// A piece of work being made. `Work` is a struct that is default-constructed in place and filled by the caller; it may
// hold Refs, and has
//
//   bool run(std::uint32_t part, std::uint32_t parts) noexcept     as in WorkKind
//   void finish(bool failed) noexcept                              and is destroyed behind it
//
//   Submission<Zero> zero(stream, kept_bytes<std::int32_t>(count));   // stream: NULL where the call has none
//   AKV_TRY(zero.status());                                           // QUEUE_FULL
//   zero->blocks = zero.keep(blocks, count);
//   zero.submit(parts);                                               // else nothing was queued
//
// The stream's queue is held from here to submit(): no callback, and no second piece on any stream, in between.
template <class Work>
class Submission {
  static_assert(alignof(Work) <= 16);

 public:
  // `array_bytes`: the sum of kept_bytes() of what will be kept. `end`: akv_stream_poll() is to end this plan, finished
  // or, where a part has failed, abandoned; without workers that is the caller's to do (failed(), end_plan()).
  explicit Submission(Stream *stream, std::size_t array_bytes = 0, const PlanEnd &end = {}) noexcept
      : stream_(stream), queued_(stream != nullptr && stream->num_workers() != 0) {
    std::byte *room = here_;
    if (queued_) status_ = stream->begin_piece(kWorkBytes + array_bytes, end, room);
    if (status_ != AKV_OK) return;
    work_ = new (room) Work{};
    next_ = room + kWorkBytes;
  }
  ~Submission() {
    if (work_ == nullptr) return;
    work_->~Work();
    if (queued_) stream_->drop_piece();
  }
  Submission(const Submission &) = delete;
  Submission &operator=(const Submission &) = delete;

  Status status() const noexcept { return status_; }
  bool queued() const noexcept { return queued_; }  // or done before submit() returns
  Work *operator->() noexcept { return work_; }

  // Room in the queue for an array. Only where the work is queued().
  template <class T>
  T *room(std::size_t count) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 16);
    auto *array = reinterpret_cast<T *>(next_);
    next_ += kept_bytes<T>(count);
    return array;
  }
  // An array as it is now, for as long as the work takes.
  template <class T>
  const T *keep(const T *array, std::size_t count) noexcept {
    if (!queued_ || count == 0) return array;
    T *kept = room<T>(count);
    std::memcpy(kept, array, count * sizeof(T));
    return kept;
  }

  // Returns the point behind the work (0 where there is no stream).
  std::uint64_t submit(std::uint32_t parts = 1) noexcept {
    Work *work = std::exchange(work_, nullptr);
    if (queued_) return stream_->queue_piece(kKind, work, parts);
    failed_ = !run(work, 0, 1);
    finish(work, failed_);
    return stream_ != nullptr ? stream_->note_done() : 0;
  }
  // Where it was not queued, and submit() has returned: does a copy differ from its source?
  bool failed() const noexcept { return failed_; }

 private:
  static constexpr std::size_t kWorkBytes = (sizeof(Work) + 15) & ~std::size_t{15};

  static bool run(void *work, std::uint32_t part, std::uint32_t parts) noexcept {
    return static_cast<Work *>(work)->run(part, parts);
  }
  static void finish(void *work, bool failed) noexcept {
    static_cast<Work *>(work)->finish(failed);
    static_cast<Work *>(work)->~Work();
  }
  static constexpr WorkKind kKind{&run, &finish};

  Stream *const stream_;
  const bool queued_;
  bool failed_ = false;
  Status status_ = AKV_OK;
  Work *work_ = nullptr;
  std::byte *next_ = nullptr;
  alignas(16) std::byte here_[kWorkBytes];
};

}  // namespace akv
