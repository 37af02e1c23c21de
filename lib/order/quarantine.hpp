// quarantine.hpp: blocks that were given back while device work might still touch them, by the epoch of their return.
// It knows epochs and ids; not tickets, nor who had the blocks. No lock: the cache's lock is held.
//
// At most max_open_tickets epochs are unsettled at any time, so an epoch's slot is its number modulo that.
#pragma once

#include "mem/block_ids.hpp"
#include "mem/id_list.hpp"

#include <cstdint>

namespace akv {

class Quarantine {
 public:
  static void plan(Reservation &memory, std::uint32_t max_epochs) noexcept { memory.plan<IdList>(max_epochs); }
  void take_memory(Reservation &memory, std::uint32_t max_epochs) noexcept {
    lists_ = memory.take<IdList>(max_epochs);
    mask_ = max_epochs - 1;
  }

  void add(IdLists &lists, std::uint64_t epoch, const std::int32_t *ids, std::uint32_t count) noexcept;

  // Give back to `blocks` what was added in epochs first .. last - 1.
  void release(IdLists &lists, std::uint64_t first, std::uint64_t last, BlockIds &blocks) noexcept;

  // `what(ids, count)` for what was added in an unsettled epoch.
  template <class What>
  void for_each(const IdLists &lists, std::uint64_t epoch, What what) const noexcept {
    for (std::uint32_t index = lists_[epoch & mask_].first; index != 0; index = lists.chunk(index).next)
      what(lists.chunk(index).ids, lists.chunk(index).count);
  }

  std::uint32_t count() const noexcept { return count_; }
  void mark(const IdLists &lists, std::uint8_t *map, std::uint8_t code) const noexcept;

 private:
  Array<IdList> lists_;
  std::uint64_t mask_ = 0;
  std::uint32_t count_ = 0;
};

// How many evictable blocks still wait for each epoch to settle: the same slots, with a number instead of a list.
class EpochCounts {
 public:
  static void plan(Reservation &memory, std::uint32_t max_epochs) noexcept { memory.plan<std::uint32_t>(max_epochs); }
  void take_memory(Reservation &memory, std::uint32_t max_epochs) noexcept {
    counts_ = memory.take<std::uint32_t>(max_epochs);
    mask_ = max_epochs - 1;
  }

  void add(std::uint64_t epoch, std::uint32_t count) noexcept {
    counts_[epoch & mask_] += count;
    total_ += count;
  }
  void remove(std::uint64_t epoch, std::uint32_t count) noexcept {
    counts_[epoch & mask_] -= count;
    total_ -= count;
  }
  void settle(std::uint64_t first, std::uint64_t last) noexcept {
    for (std::uint64_t epoch = first; epoch < last; ++epoch) {
      total_ -= counts_[epoch & mask_];
      counts_[epoch & mask_] = 0;
    }
  }
  std::uint32_t total() const noexcept { return total_; }

 private:
  Array<std::uint32_t> counts_;
  std::uint64_t mask_ = 0;
  std::uint32_t total_ = 0;
};

}  // namespace akv
