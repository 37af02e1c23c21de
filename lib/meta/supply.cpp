// supply.cpp: taking blocks from magazines, from the pool, and by eviction.
// It knows who has blocks to give; not who takes them.
#include "meta/supply.hpp"

namespace akv {

std::uint32_t Supply::in_magazines() const noexcept {
  std::uint32_t count = 0;
  for (const Magazine &magazine : magazines_) count += magazine.count;
  return count;
}

std::uint64_t Supply::popped() const noexcept {
  std::uint64_t count = 0;
  for (const Magazine &magazine : magazines_) count += magazine.popped;
  return count;
}

Supply::Ahead Supply::ahead() noexcept {
  Ahead all{};
  for (Magazine &magazine : magazines_) {
    const std::lock_guard<TryLock> open(magazine.lock);
    all.blocks += magazine.count;
    all.popped += magazine.popped;
  }
  return all;
}

void Supply::drain() noexcept {
  for (Magazine &magazine : magazines_) {
    if (magazine.count == 0) continue;
    const std::lock_guard<TryLock> open(magazine.lock);
    pool_.give_back_settled(magazine.ids, magazine.count);
    magazine.count = 0;
  }
}

// What other threads took ahead comes last: taking it back costs them a refill.
bool Supply::secure(std::uint32_t count) noexcept {
  if (secured() < count) drain();
  return secured() >= count;
}

// The oldest go until neighbours have come together. Each look at the ids costs O(blocks), so there are few of them.
bool Supply::take_extent(std::uint32_t count, std::int32_t &first) noexcept {
  const std::uint32_t at_once = std::max({1u, count / 4, tree_.evictable() / 16});
  while (!pool_.take_extent(count, first))
    if (tree_.evict(at_once) == 0) return false;
  return true;
}

void Supply::refill() noexcept {
  Magazine &magazine = mine();
  const std::uint32_t there = magazine.count;  // it only grows here, under the lock
  if (there >= magazine_blocks_) return;
  gather(magazine_blocks_ - there);
  if (pool_.free() == 0 && there == 0) drain();
  const std::lock_guard<TryLock> open(magazine.lock);
  const std::uint32_t now = magazine.count, more = std::min(pool_.free(), magazine_blocks_ - there);
  if (more == 0) return;
  pool_.take(more, magazine.ids + now);
  magazine.count = now + more;
  ++refills_;
}

void Supply::mark(std::uint8_t *map, std::uint8_t code) noexcept {
  for (Magazine &magazine : magazines_) {
    const std::lock_guard<TryLock> open(magazine.lock);
    for (std::uint32_t i = 0; i < magazine.count; ++i) map[magazine.ids[i]] = code;
  }
}

}  // namespace akv
