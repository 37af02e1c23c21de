// eviction_order.hpp: which cached run leaves first: the least recently used leaf, in a heap by time of last use.
// It knows stamps and numbers of runs; not what a run is or how many blocks it has.
//
// Stamps only grow, so a run that is let go goes to the heap's end in O(1); taking the oldest costs O(log n). A parent
// that becomes a leaf takes its place by its own stamp.
#pragma once

#include "mem/reservation.hpp"

#include <cstdint>

namespace akv {

struct EvictionEntry {
  std::uint64_t stamp;
  std::uint32_t run;
};

class EvictionOrder {
 public:
  static constexpr std::uint32_t kAbsent = 0;  // positions start at 1

  static void plan(Reservation &memory, std::size_t max_runs) noexcept {
    memory.plan<EvictionEntry>(max_runs + 1);
    memory.plan<std::uint32_t>(max_runs + 1);
  }
  void take_memory(Reservation &memory, std::size_t max_runs) noexcept {
    heap_ = memory.take<EvictionEntry>(max_runs + 1);
    position_ = memory.take<std::uint32_t>(max_runs + 1);
  }

  bool empty() const noexcept { return size_ == 0; }
  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t oldest() const noexcept { return heap_[1].run; }
  bool contains(std::uint32_t run) const noexcept { return position_[run] != kAbsent; }

  void add(std::uint32_t run, std::uint64_t stamp) noexcept {
    rise(++size_, {stamp, run});
    most_ = size_ > most_ ? size_ : most_;
  }

  void remove(std::uint32_t run) noexcept {
    const std::uint32_t hole = position_[run];
    position_[run] = kAbsent;
    const EvictionEntry last = heap_[size_--];
    if (hole > size_) return;  // it was the last entry
    if (hole > 1 && last.stamp < heap_[hole / 2].stamp) rise(hole, last);
    else sink(hole, last);
  }

  std::uint64_t used_bytes() const noexcept {
    return std::uint64_t{most_} * (sizeof(EvictionEntry) + sizeof(std::uint32_t));
  }

 private:
  void place(std::uint32_t at, const EvictionEntry &entry) noexcept {
    heap_[at] = entry;
    position_[entry.run] = at;
  }
  void rise(std::uint32_t at, EvictionEntry entry) noexcept {
    for (; at > 1 && entry.stamp < heap_[at / 2].stamp; at /= 2) place(at, heap_[at / 2]);
    place(at, entry);
  }
  void sink(std::uint32_t at, EvictionEntry entry) noexcept {
    for (std::uint32_t child; (child = at * 2) <= size_; at = child) {
      if (child < size_ && heap_[child + 1].stamp < heap_[child].stamp) ++child;
      if (entry.stamp <= heap_[child].stamp) break;
      place(at, heap_[child]);
    }
    place(at, entry);
  }

  Array<EvictionEntry> heap_;
  Array<std::uint32_t> position_;  // [run]
  std::uint32_t size_ = 0;
  std::uint32_t most_ = 0;
};

}  // namespace akv
