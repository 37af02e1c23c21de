// scrubber.hpp: which blocks must be zeroed before their next user writes to them.
// It knows blocks and domains; it moves no byte: the answer becomes a record of a plan.
//
// A cache with one domain pays nothing: blocks are looked at one by one only from the second domain on (or when every
// reuse is to be scrubbed, or work was abandoned).
#pragma once

#include "arenakv/cache.h"
#include "mem/reservation.hpp"

#include <atomic>
#include <cstdint>

namespace akv {

class Scrubber {
 public:
  static void plan(Reservation &memory, std::uint32_t num_blocks, std::uint32_t mode) noexcept {
    if (mode == AKV_SCRUB_NONE) return;
    memory.plan<std::uint64_t>(std::size_t{num_blocks} + 1);
    memory.plan<std::uint8_t>(std::size_t{num_blocks} + 1);
  }
  void take_memory(Reservation &memory, std::uint32_t num_blocks, std::uint32_t mode) noexcept {
    mode_ = mode;
    looking_.store(mode == AKV_SCRUB_ALWAYS, std::memory_order_relaxed);
    if (mode == AKV_SCRUB_NONE) return;
    domains_ = memory.take<std::uint64_t>(std::size_t{num_blocks} + 1);
    states_ = memory.take<std::uint8_t>(std::size_t{num_blocks} + 1);
  }

  // From now on blocks go to `domain` too. True when the per-block look begins with it: the caller then reports every
  // block that was ever used with remember(), and calls start_looking().
  [[nodiscard]] bool meet(std::uint64_t domain) noexcept {
    if (mode_ != AKV_SCRUB_DOMAIN || looking()) return false;
    if (!any_domain_) {
      any_domain_ = true;
      first_domain_ = domain;
      return false;
    }
    return domain != first_domain_;
  }
  // Will blocks be looked at once `domain` has been met?
  bool would_look(std::uint64_t domain) const noexcept {
    return looking() || (mode_ == AKV_SCRUB_DOMAIN && any_domain_ && domain != first_domain_);
  }
  void start_looking() noexcept { looking_.store(true, std::memory_order_release); }
  void remember(std::int32_t block) noexcept {
    domains_[index(block)] = first_domain_;
    states_[index(block)] |= kUsed;
  }

  // Does handing out a block take a look at it? Read without the lock by growing sequences.
  bool looking() const noexcept { return looking_.load(std::memory_order_acquire); }
  bool can_look() const noexcept { return mode_ != AKV_SCRUB_NONE; }

  bool needs_zero(std::int32_t block, std::uint64_t domain) const noexcept {
    const std::uint8_t state = states_[index(block)];
    if ((state & kUsed) == 0) return false;
    return mode_ == AKV_SCRUB_ALWAYS || (state & kCondemned) != 0 || domains_[index(block)] != domain;
  }
  void assign(std::int32_t block, std::uint64_t domain) noexcept {
    domains_[index(block)] = domain;
    states_[index(block)] = kUsed;
  }

  // What is in the block can't be trusted to be numbers: zero it whoever comes next.
  void condemn(std::int32_t block) noexcept { states_[index(block)] |= kUsed | kCondemned; }

 private:
  static constexpr std::uint8_t kUsed = 1;
  static constexpr std::uint8_t kCondemned = 2;
  static std::size_t index(std::int32_t block) noexcept { return static_cast<std::size_t>(block); }

  std::uint32_t mode_ = AKV_SCRUB_NONE;
  std::atomic<bool> looking_{false};
  bool any_domain_ = false;
  std::uint64_t first_domain_ = 0;
  Array<std::uint64_t> domains_;  // [block] who used it last
  Array<std::uint8_t> states_;    // [block]
};

}  // namespace akv
