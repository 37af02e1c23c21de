// endings.hpp: what is to be ended when a stream has passed a point: tickets, and the plans that its work has run.
// It knows caches and points; no worker and no device. No lock: the stream's is held, but for at().
#pragma once

#include "data/device/stream.hpp"
#include "mem/reservation.hpp"

namespace akv {

// Finish a plan whose records have run, with ticket 0; abandon it when a copy has failed, and when it can't be finished
// because its content was lost in the meantime: then CONTENT_LOST. BUSY and NOT_READY: try again. No lock of a stream
// may be held.
[[nodiscard]] Status end_plan(const PlanEnd &end, bool failed) noexcept;

enum class EndingKind : std::uint32_t { ticket, plan };
// How an ending went.
enum class Ended : std::uint32_t {
  later,  // something is inside it: at the next poll
  done,
  passed_over  // it had ended otherwise, or its cache is gone
};

struct Ending {
  std::uint64_t point;  // when it is due
  akv_cache *cache;
  std::uint64_t handle;  // of a ticket or a plan
  EndingKind kind;
  bool failed;  // of a plan: a copy differs from its source
  bool ended;

  Ended end() const noexcept;
};

// In the order of their points, which is the order they were added in: a ring whose size never changes.
class Endings {
 public:
  static void plan(Reservation &memory, std::uint32_t capacity) noexcept { memory.plan<Ending>(capacity); }
  void take_memory(Reservation &memory, std::uint32_t capacity) noexcept { ring_ = memory.take<Ending>(capacity); }

  std::uint64_t count() const noexcept { return tail_ - head_; }
  std::size_t capacity() const noexcept { return ring_.count; }
  bool full() const noexcept { return count() == ring_.count; }

  // Returns its number, which holds until it is due.
  std::uint64_t add(const Ending &ending) noexcept {
    place(tail_) = ending;
    return tail_++;
  }
  void fail(std::uint64_t number) noexcept { place(number).failed = true; }

  // How many are due when `passed` has been passed. They stay where they are until remove_ended(), so who is the only
  // one to end them may look at them without the lock.
  std::uint64_t due(std::uint64_t passed) const noexcept {
    std::uint64_t number = head_;
    while (number != tail_ && ring_[number % ring_.count].point <= passed) ++number;
    return number - head_;
  }
  Ending &at(std::uint64_t index) noexcept { return place(head_ + index); }
  // Of the first `due`, keep those that have not ended, in their order.
  void remove_ended(std::uint64_t due) noexcept;

 private:
  Ending &place(std::uint64_t number) noexcept { return ring_[number % ring_.count]; }

  Array<Ending> ring_;
  std::uint64_t head_ = 0;  // numbers of endings since the beginning
  std::uint64_t tail_ = 0;
};

}  // namespace akv
