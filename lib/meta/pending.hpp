// pending.hpp: sequences that have something to publish, in a list per thread, until somebody takes the cache's lock.
// It knows slots; not what publishing is.
//
// Nobody can look into the prefix index without the lock, so content need not be in it before the lock is taken next:
// a growing sequence leaves its slot here, and the next one that looks publishes first. That takes the lock out of the
// decode step, and publishes many blocks at a time.
#pragma once

#include "base/shared_value.hpp"
#include "base/try_lock.hpp"
#include "mem/reservation.hpp"

#include <mutex>

namespace akv {

class Pending {
 public:
  static constexpr std::uint32_t kLists = 16;

  // A sequence is in one list at most, and once: no list can overflow.
  static void plan(Reservation &memory, std::uint32_t max_sequences) noexcept {
    for (std::uint32_t i = 0; i < 2 * kLists; ++i) memory.plan<std::uint32_t>(max_sequences);
  }
  void take_memory(Reservation &memory, std::uint32_t max_sequences) noexcept {
    for (List &list : lists_)
      for (Array<std::uint32_t> &slots : list.slots) slots = memory.take<std::uint32_t>(max_sequences);
  }

  // Without the cache's lock.
  void add(std::uint32_t slot) noexcept {
    const std::uint32_t which = thread_index() % kLists;
    List &list = lists_[which];
    const std::lock_guard<TryLock> open(list.lock);
    list.slots[list.filling][list.count] = slot;
    if (list.count++ == 0) used_.fetch_or(1u << which, std::memory_order_relaxed);
  }

  // With the cache's lock: hand every slot to `publish(slot)` and forget it. Threads may go on adding.
  template <class Publish>
  void drain(Publish publish) noexcept {
    if (used_.load(std::memory_order_relaxed) == 0) return;
    std::uint32_t used = used_.exchange(0, std::memory_order_relaxed);
    for (std::uint32_t which = 0; used != 0; ++which, used >>= 1) {
      if ((used & 1) == 0) continue;
      List &list = lists_[which];
      std::uint32_t count, full;
      {
        const std::lock_guard<TryLock> open(list.lock);  // its thread does not wait for the publishing
        count = list.count;
        full = list.filling;
        list.count = 0;
        list.filling = full ^ 1;
      }
      for (std::uint32_t i = 0; i < count; ++i) publish(list.slots[full][i]);
    }
  }

 private:
  struct alignas(64) List {
    TryLock lock;
    std::uint32_t count = 0;
    std::uint32_t filling = 0;  // which of the two; the other one is empty, or being published
    Array<std::uint32_t> slots[2];
  };

  List lists_[kLists];
  alignas(64) std::atomic<std::uint32_t> used_{0};  // a bit for each list that is not empty
};

}  // namespace akv
