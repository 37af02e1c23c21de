// page_stack.hpp: pages as a lock-free stack, and those that were never handed out beside it.
// It knows numbers of pages and their links; not their bytes, nor who has them.
//
// Treiber's stack (IBM RJ 5118, 1986) over indices. The head is one word, the index of the top page and a tag; the tag
// counts the pages that were popped, so a head that was seen before is never mistaken for the same stack (ABA): a
// link changes only after its page was popped. Links lie beside the pages, which are never touched. Whoever holds
// pages may use their links for a list of his own, and give all of it back with one exchange.
#pragma once

#include "base/atomics.hpp"

#include <cstdint>

namespace akv {

// Pages are 1 .. max; 0 is none.
template <class Atomics>
class PageStack {
 public:
  using Link = typename Atomics::template Atomic<std::uint32_t>;
  static constexpr std::uint32_t kIndexBits = 20;
  static constexpr std::uint32_t kMaxPages = (1u << kIndexBits) - 1;

  // `popped`: as if so many pages had been popped before.
  explicit PageStack(Link *links, std::uint64_t popped = 0) noexcept : head_(popped << kIndexBits), links_(links) {}

  // Take up to `count` pages from the top, with one exchange; returns how many there were.
  [[nodiscard]] std::uint32_t pop(std::uint32_t count, std::uint32_t *out) noexcept {
    std::uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      // What is read here may be another's links by now: then the tag has grown, and the exchange fails.
      std::uint32_t found = 0, below = index_of(head);
      while (found < count && below != 0) {
        out[found++] = below;
        below = next(below);
      }
      if (found == 0) return 0;
      const std::uint64_t popped = ((head >> kIndexBits) + found) << kIndexBits | below;
      // Acquire: the links below, and what the last users did to the pages, are seen.
      if (head_.compare_exchange_weak(head, popped, std::memory_order_acquire, std::memory_order_acquire)) return found;
      Atomics::pause();
    }
  }

  // Give back pages that are linked from `first` to `last`, with one exchange however many they are.
  void push(std::uint32_t first, std::uint32_t last) noexcept {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      set_next(last, index_of(head));
      // Release: who pops one of them sees its link, and what was done to it. Nothing was popped: the tag may stay.
      if (head_.compare_exchange_weak(head, (head & ~kIndexMask) | first, std::memory_order_release,
                                      std::memory_order_relaxed))
        return;
      Atomics::pause();
    }
  }

  // Take `count` pages that were never handed out, all or none.
  [[nodiscard]] bool take_fresh(std::uint32_t count, std::uint32_t *out) noexcept {
    std::uint32_t used = fresh_used_.load(std::memory_order_relaxed);
    do {
      // (An old `reserved` may be less than `used`.)
      if (std::uint64_t{used} + count > reserved_.load(std::memory_order_acquire)) return false;
    } while (
        !fresh_used_.compare_exchange_weak(used, used + count, std::memory_order_relaxed, std::memory_order_relaxed));
    for (std::uint32_t i = 0; i < count; ++i) out[i] = used + 1 + i;
    return true;
  }

  // `count` pages more exist. Release: who takes one sees that its memory is there. One caller at a time.
  void add(std::uint32_t count) noexcept {
    reserved_.store(reserved_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

  // Links of pages that the caller holds.
  std::uint32_t next(std::uint32_t page) const noexcept { return links_[page].load(std::memory_order_relaxed); }
  void set_next(std::uint32_t page, std::uint32_t next) noexcept {
    links_[page].store(next, std::memory_order_relaxed);
  }

  std::uint32_t reserved() const noexcept { return reserved_.load(std::memory_order_acquire); }
  // Pages 1 .. fresh_used() were handed out at least once.
  std::uint32_t fresh_used() const noexcept { return fresh_used_.load(std::memory_order_relaxed); }
  // Of `reserved` pages, those that were not handed out yet.
  std::uint32_t fresh_left(std::uint32_t reserved) const noexcept {
    const std::uint32_t used = fresh_used_.load(std::memory_order_acquire);
    return used < reserved ? reserved - used : 0;
  }
  // How many pages were popped so far, modulo 2^44.
  std::uint64_t popped() const noexcept { return head_.load(std::memory_order_relaxed) >> kIndexBits; }
  // The top page, from where next() leads on while nobody else uses the stack.
  std::uint32_t top() const noexcept { return index_of(head_.load(std::memory_order_acquire)); }

 private:
  static constexpr std::uint64_t kIndexMask = kMaxPages;
  static std::uint32_t index_of(std::uint64_t head) noexcept { return static_cast<std::uint32_t>(head & kIndexMask); }

  alignas(64) typename Atomics::template Atomic<std::uint64_t> head_;  // tag 44 | index 20
  alignas(64) typename Atomics::template Atomic<std::uint32_t> fresh_used_{0};
  typename Atomics::template Atomic<std::uint32_t> reserved_{0};
  Link *const links_;
};

}  // namespace akv
