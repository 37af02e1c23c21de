// supply.hpp: where new blocks come from: a thread's magazine, the pool, or the prefix that was used longest ago.
// It knows who has blocks to give; not who takes them.
//
// In a prefix cache the pool is always full of cached blocks, so a new block means an eviction. A magazine makes that
// rare: one lock and one eviction fill it for a whole number of blocks (the idea of Bonwick's magazines, 2001).
#pragma once

#include "base/shared_value.hpp"
#include "base/try_lock.hpp"
#include "meta/block_pool.hpp"
#include "meta/prefix/run_tree.hpp"

#include <algorithm>
#include <mutex>

namespace akv {

// Blocks that a thread has taken ahead. Threads share one where there are more threads than magazines.
struct alignas(64) Magazine {
  static constexpr std::uint32_t kCapacity = 60;
  TryLock lock;
  Relaxed<std::uint32_t> count{0};
  Relaxed<std::uint64_t> popped{0};  // ever, without the cache's lock: the books are balanced with it
  std::int32_t ids[kCapacity];
};

class Supply {
 public:
  static constexpr std::uint32_t kMagazines = 16;

  Supply(BlockPool &pool, RunTree &tree) noexcept : pool_(pool), tree_(tree) {}
  void set_magazine_blocks(std::uint32_t blocks) noexcept { magazine_blocks_ = blocks; }

  // Without the lock: pop one block of this thread's magazine if it is there and `suits(block)`; 0 if not.
  template <class Suits>
  [[nodiscard]] std::int32_t pop(Suits suits) noexcept {
    Magazine &magazine = mine();
    if (!magazine.lock.try_lock()) return 0;
    std::int32_t block = 0;
    if (const std::uint32_t count = magazine.count; count != 0 && suits(magazine.ids[count - 1])) {
      block = magazine.ids[count - 1];
      magazine.count = count - 1;
      magazine.popped += 1;
    }
    magazine.lock.unlock();
    return block;
  }
  // Without the lock: pop `count` blocks, or none and false.
  [[nodiscard]] bool pop(std::uint32_t count, std::int32_t *out) noexcept {
    Magazine &magazine = mine();
    if (magazine.count < count || !magazine.lock.try_lock()) return false;
    const std::uint32_t there = magazine.count;
    const bool enough = there >= count;
    if (enough) {
      std::copy_n(magazine.ids + (there - count), count, out);
      magazine.count = there - count;
      magazine.popped += count;
    }
    magazine.lock.unlock();
    return enough;
  }

  // With the lock. Blocks that take() could hand out.
  std::uint32_t available() const noexcept { return pool_.free() + in_magazines() + tree_.evictable(); }
  std::uint32_t in_magazines() const noexcept;
  std::uint64_t popped() const noexcept;  // by all magazines, ever
  // What threads took ahead and what they have used of that, ever: of one moment, so that the two add up.
  struct Ahead {
    std::uint32_t blocks;
    std::uint64_t popped;
  };
  Ahead ahead() noexcept;

  // With the lock: make sure that `count` blocks are in the pool or can be evicted into it, calling back what threads
  // took ahead if need be. False when there are not so many; nothing is evicted.
  [[nodiscard]] bool secure(std::uint32_t count) noexcept;
  std::uint32_t secured() const noexcept { return pool_.free() + tree_.evictable(); }

  // With the lock: evict so much that `count` blocks, secured before, are in the pool: one eviction for a whole batch.
  void gather(std::uint32_t count) noexcept {
    if (pool_.free() < count) tree_.evict(count - pool_.free());
  }

  // With the lock: take blocks that were secured, evicting what is needed.
  void take(std::uint32_t count, std::int32_t *out) noexcept {
    gather(count);
    pool_.take(count, out);
  }

  // With the lock: take `count` neighbouring blocks, evicting until there are such; false when there is nothing left to
  // evict.
  [[nodiscard]] bool take_extent(std::uint32_t count, std::int32_t &first) noexcept;
  // With the lock: call back what threads took ahead.
  void drain() noexcept;

  // With the lock: fill this thread's magazine, as far as there is anything to fill it with.
  void refill() noexcept;

  std::uint64_t refills() const noexcept { return refills_; }
  void mark(std::uint8_t *map, std::uint8_t code) noexcept;

 private:
  Magazine &mine() noexcept { return magazines_[thread_index() % kMagazines]; }

  BlockPool &pool_;
  RunTree &tree_;
  std::uint32_t magazine_blocks_ = 1;
  std::uint64_t refills_ = 0;
  Magazine magazines_[kMagazines];
};

}  // namespace akv
