// host_stream.hpp: a stream of the host: work is done by threads of its own, or, without any, by its callers.
// It knows pieces of work and who does them; not what they do, and no store.
//
// Pieces lie in a ring, their arguments in another; both are as large as the stream was made. All workers share the
// parts of the piece at the head, the next one starts when it is finished. A point is the number of pieces in front of
// it. Locks, outermost first: polling_ and queueing_ (one caller each), then mutex_, for a few instructions.
// Caches are locked under polling_ alone.
#pragma once

#include "base/condition.hpp"
#include "data/device/byte_ring.hpp"
#include "data/device/endings.hpp"
#include "data/device/stream.hpp"

#include <pthread.h>

#include <memory>
#include <mutex>

namespace akv {

struct HostStreamConfig {
  std::uint32_t num_workers = 0;
  std::uint32_t queue_items = 0;
  std::uint64_t queue_bytes = 0;
};

class HostStream final : public Stream {
 public:
  static constexpr std::uint32_t kMaxWorkers = 64;

  [[nodiscard]] static Status create(const HostStreamConfig &config, std::unique_ptr<Stream> &out) noexcept;
  ~HostStream() override;

  std::uint32_t num_workers() const noexcept override { return config_.num_workers; }
  std::uint64_t queue_bytes() const noexcept override { return bytes_.capacity(); }

  Status begin_piece(std::size_t bytes, const PlanEnd &end, std::byte *&out_room) noexcept override;
  std::uint64_t queue_piece(const WorkKind &kind, void *work, std::uint32_t parts) noexcept override;
  void drop_piece() noexcept override;
  std::uint64_t note_done() noexcept override;

  std::uint64_t record() noexcept override;
  Status read(std::uint64_t point, bool &out_passed) noexcept override;
  Status follow(Streams::Ref other, std::uint64_t point) noexcept override;
  Status call(akv_stream_function function, void *context) noexcept override;
  Status read_fd(std::int32_t &out_fd) noexcept override;
  Status record_ticket(akv_cache *cache, akv_ticket ticket) noexcept override;
  Status poll(std::uint32_t &out_done) noexcept override;
  Status wait(std::uint64_t point, std::uint64_t timeout_ns) noexcept override;
  Status may_end() noexcept override;
  void wait_until_passed(std::uint64_t point) noexcept override;

 private:
  static constexpr std::uint64_t kNoEnding = ~std::uint64_t{0};

  struct Piece {
    const WorkKind *kind;
    void *work;
    std::uint64_t bytes_end;  // of its arguments in bytes_
    std::uint64_t ending;     // the number of what ends with it
    std::uint32_t parts;
  };

  explicit HostStream(const HostStreamConfig &config) noexcept : config_(config) {}
  Status allocate() noexcept;
  Status start_workers() noexcept;

  // worker threads
  static void *worker(void *stream) noexcept;
  void work() noexcept;
  void do_part(std::unique_lock<Mutex> &lock) noexcept;
  void pass_head(std::unique_lock<Mutex> &lock) noexcept;

  Piece &head_locked() noexcept { return pieces_[passed_ % config_.queue_items]; }
  bool part_waits_locked() noexcept { return passed_ != queued_ && next_part_ < head_locked().parts; }
  Status check_room_locked(std::size_t bytes, const PlanEnd &end, std::byte *&out_room) noexcept;
  Status check_point_locked(std::uint64_t point) noexcept;
  void tell_progress(std::unique_lock<Mutex> &lock) noexcept;

  const HostStreamConfig config_;
  Reservation memory_;

  Mutex polling_;   // who ends what is due
  Mutex queueing_;  // who makes a piece
  PlanEnd plan_;    // of the piece being made

  Mutex mutex_;  // all below
  Condition work_waits_;
  Condition progress_;
  Array<Piece> pieces_;  // [number % queue_items]
  ByteRing bytes_;
  Endings endings_;
  std::uint32_t endings_promised_ = 0;  // to the piece being made
  std::uint64_t queued_ = 0;            // pieces since the beginning
  std::uint64_t passed_ = 0;            // of these, done
  std::uint32_t next_part_ = 0;         // of the head
  std::uint32_t parts_done_ = 0;
  bool head_failed_ = false;
  bool copy_failed_ = false;  // of a piece without a plan, and no poll has told it yet
  bool stopping_ = false;
  std::int32_t fd_ = -1;

  std::uint32_t threads_ = 0;  // that run
  pthread_t thread_[kMaxWorkers];
};

}  // namespace akv
