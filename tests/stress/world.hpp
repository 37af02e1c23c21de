// world.hpp: what all threads of the stress test share: one cache, the K/V behind it, handles left lying around for the
// thread that abuses them, and how a broken promise is told.
// It knows no operation.
#pragma once

#include "arenakv.h"

#include "shadow.hpp"

#include <array>

namespace akv::stress {

struct Shape {
  std::uint32_t num_blocks, block_tokens, max_sequences, sequences_per_worker, magazine_blocks, max_open_tickets,
      block_allocator, scrub;
  std::uint32_t num_swap_blocks;
  std::uint32_t times_threads;  // so many times the workers that were asked for
};

// Handles that other threads pick up: living ones to look at, dead ones to misuse.
class Board {
 public:
  void put(std::uint64_t handle, Random &random) {
    places_[random.below(kPlaces)].store(handle, std::memory_order_relaxed);
  }
  std::uint64_t take(Random &random) const { return places_[random.below(kPlaces)].load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kPlaces = 64;
  std::array<std::atomic<std::uint64_t>, kPlaces> places_{};
};

// Content leaves the index otherwise than by eviction: a domain is cleared, a ticket abandoned. Between two equal
// answers of quiet_since() nothing of that kind has begun.
class Breaks {
 public:
  static constexpr std::uint64_t kBreaking = ~std::uint64_t{0};
  void begin() { begun_.fetch_add(1); }
  void end() { ended_.fetch_add(1); }
  std::uint64_t quiet_since() const {
    const std::uint64_t ended = ended_.load();
    return begun_.load() == ended ? ended : kBreaking;
  }

 private:
  std::atomic<std::uint64_t> begun_{0}, ended_{0};
};

struct World {
  World(const Shape &wanted, std::uint64_t seed);
  ~World();
  World(const World &) = delete;
  World &operator=(const World &) = delete;

  const Shape shape;
  const std::uint64_t seed;
  akv_cache *cache = nullptr;
  Shadow shadow;
  Board live_sequences, dead_sequences, dead_plans, dead_pins, dead_leases;
  Breaks breaks;
  std::atomic<std::uint64_t> checked_prints{0}, hit_tokens{0}, waits{0}, lost{0}, abandoned{0}, busy{0}, swapped_out{0},
      swapped_in{0};
  std::atomic<bool> workers_done{false};

  // How many sequences are alive, and the most that ever were.
  void born() {
    const std::uint32_t now = alive_.fetch_add(1, std::memory_order_relaxed) + 1;
    std::uint32_t most = most_alive_.load(std::memory_order_relaxed);
    while (most < now && !most_alive_.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
  }
  void died() { alive_.fetch_sub(1, std::memory_order_relaxed); }
  std::uint32_t most_alive() const { return most_alive_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> alive_{0}, most_alive_{0};
};

// A promise was broken: say which, with the last error of this thread, and end with 1.
[[noreturn, gnu::format(printf, 2, 3)]] void broken(const World &world, const char *format, ...);

// The call must have answered OK.
void ok(const World &world, akv_status status, const char *what);

}  // namespace akv::stress
