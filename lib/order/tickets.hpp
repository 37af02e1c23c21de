// tickets.hpp: the numbers that stand for device work: which are open, and from where on everything may be reused.
// It knows numbers only. No lock: the cache's lock is held.
//
// Epochs (as in epoch-based reclamation, Fraser 2004): a number given at time t is *settled* when every ticket opened
// up to t has ended, in whatever order. One comparison tells.
#pragma once

#include "mem/reservation.hpp"

#include <cstdint>

namespace akv {

class Tickets {
 public:
  static void plan(Reservation &memory, std::uint32_t max_open) noexcept { memory.plan<std::uint8_t>(max_open); }
  void take_memory(Reservation &memory, std::uint32_t max_open) noexcept {
    open_ = memory.take<std::uint8_t>(max_open);
    mask_ = max_open - 1;
  }

  std::uint64_t newest() const noexcept { return newest_; }
  std::uint64_t oldest_open() const noexcept { return oldest_open_; }  // newest() + 1 when none is open
  std::uint32_t num_open() const noexcept { return num_open_; }

  bool settled(std::uint64_t number) const noexcept { return number < oldest_open_; }
  bool issued(std::uint64_t ticket) const noexcept { return ticket != 0 && ticket <= newest_; }
  bool open(std::uint64_t ticket) const noexcept {
    return ticket >= oldest_open_ && ticket <= newest_ && open_[ticket & mask_] != 0;
  }

  bool can_issue() const noexcept { return newest_ + 1 - oldest_open_ < open_.count; }
  std::uint64_t issue() noexcept {
    ++newest_;
    ++num_open_;
    open_[newest_ & mask_] = 1;
    return newest_;
  }

  // End an open ticket. oldest_open() may move on; the caller then looks after what that settles.
  void end(std::uint64_t ticket) noexcept {
    open_[ticket & mask_] = 0;
    --num_open_;
    while (oldest_open_ <= newest_ && open_[oldest_open_ & mask_] == 0) ++oldest_open_;
  }

 private:
  Array<std::uint8_t> open_;  // [ticket & mask]
  std::uint64_t mask_ = 0;
  std::uint64_t newest_ = 0;
  std::uint64_t oldest_open_ = 1;
  std::uint32_t num_open_ = 0;
};

}  // namespace akv
