// stream.hpp: an order of work on a device: what the API and the copies ask of one, whatever does the work.
// It knows points, pieces of work and plans by name; not where the work is done, nor what it does.
#pragma once

#include "arenakv/stream.h"
#include "base/error.hpp"
#include "base/object_table.hpp"

#include <cstddef>
#include <cstdint>

namespace akv {

// What a piece of work does, as a table that lives for ever. work.hpp makes them.
struct WorkKind {
  // Do part `part` of `parts`, which may run at the same time on several workers. False: a copy differs from its
  // source.
  bool (*run)(void *work, std::uint32_t part, std::uint32_t parts) noexcept;
  // Once, when all parts are done and before the next piece starts: count, and let go of all that the work holds.
  void (*finish)(void *work, bool failed) noexcept;
};

// The plan that a piece of work runs, if akv_stream_poll() is to end it.
struct PlanEnd {
  akv_cache *cache = nullptr;
  akv_plan plan = AKV_NONE;
};

class Stream;
using Streams = ObjectTable<Stream, akv_stream>;

class Stream {
 public:
  static constexpr ObjectType kType = ObjectType::stream;
  static constexpr const char *kName = "stream";

  Stream() = default;
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  virtual ~Stream() = default;

  // 0: work is done inside the calls that ask for it, and nothing is ever queued.
  virtual std::uint32_t num_workers() const noexcept = 0;
  // Room for the arguments of pieces that are queued; what one may take at most.
  virtual std::uint64_t queue_bytes() const noexcept = 0;

  // -- queueing one piece: work.hpp does it --
  // After begin_piece() nobody else queues anything here until queue_piece() or drop_piece(), so a thread begins one
  // piece at a time. Only where there are workers.
  virtual Status begin_piece(std::size_t bytes, const PlanEnd &end, std::byte *&out_room) noexcept = 0;
  virtual std::uint64_t queue_piece(const WorkKind &kind, void *work, std::uint32_t parts) noexcept = 0;
  virtual void drop_piece() noexcept = 0;
  // Without workers: a piece was done in its caller's thread. Returns the point behind it.
  virtual std::uint64_t note_done() noexcept = 0;

  // -- the calls of stream.h --
  virtual std::uint64_t record() noexcept = 0;
  virtual Status read(std::uint64_t point, bool &out_passed) noexcept = 0;
  virtual Status follow(Streams::Ref other, std::uint64_t point) noexcept = 0;
  virtual Status call(akv_stream_function function, void *context) noexcept = 0;
  virtual Status read_fd(std::int32_t &out_fd) noexcept = 0;
  virtual Status record_ticket(akv_cache *cache, akv_ticket ticket) noexcept = 0;
  virtual Status poll(std::uint32_t &out_done) noexcept = 0;
  virtual Status wait(std::uint64_t point, std::uint64_t timeout_ns) noexcept = 0;
  virtual Status may_end() noexcept = 0;

  // Block until the point has been passed: for a stream that follows this one, in a worker of its own.
  virtual void wait_until_passed(std::uint64_t point) noexcept = 0;
};

}  // namespace akv
