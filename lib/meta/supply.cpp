// supply.cpp: taking blocks from magazines, from the pool, and by eviction.
// It knows who has blocks to give; not who takes them.
#include "meta/supply.hpp"

#include <sched.h>

#include <algorithm>

namespace akv {
namespace {

constinit std::atomic<std::uint32_t> next_thread{0};
thread_local constinit std::uint32_t this_thread = ~0u;

// Waits for a thread that is inside its magazine at this moment: some twenty instructions, unless it lost its core.
struct Opened {
  explicit Opened(Magazine &it) noexcept : magazine(it) {
    for (std::uint32_t tries = 0; magazine.busy.exchange(1, std::memory_order_acquire) != 0; ++tries)
      if (tries > 100) sched_yield();
  }
  ~Opened() { magazine.busy.store(0, std::memory_order_release); }
  Opened(const Opened &) = delete;
  Opened &operator=(const Opened &) = delete;
  Magazine &magazine;
};

}  // namespace

Magazine &Supply::mine() noexcept {
  if (this_thread == ~0u) this_thread = next_thread.fetch_add(1, std::memory_order_relaxed);
  return magazines_[this_thread % kMagazines];
}

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

void Supply::drain() noexcept {
  for (Magazine &magazine : magazines_) {
    if (magazine.count == 0) continue;
    const Opened opened(magazine);
    pool_.give_back_settled(magazine.ids, magazine.count);
    magazine.count = 0;
  }
}

// What other threads took ahead comes last: taking it back costs them a refill.
bool Supply::secure(std::uint32_t count) noexcept {
  if (secured() < count) drain();
  return secured() >= count;
}

void Supply::refill() noexcept {
  Magazine &magazine = mine();
  if (magazine.count != 0) return;  // it only grows here, under the lock
  gather(magazine_blocks_);
  if (pool_.free() == 0) drain();
  const std::uint32_t count = std::min(pool_.free(), magazine_blocks_);
  if (count == 0) return;
  const Opened opened(magazine);
  pool_.take(count, magazine.ids);
  magazine.count = count;
  ++refills_;
}

void Supply::mark(std::uint8_t *map, std::uint8_t code) noexcept {
  for (Magazine &magazine : magazines_) {
    const Opened opened(magazine);
    for (std::uint32_t i = 0; i < magazine.count; ++i) map[magazine.ids[i]] = code;
  }
}

}  // namespace akv
