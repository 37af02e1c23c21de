// tensor_entry.hpp: the 16 bytes that a tensor costs: where it lies in its page, how much it may hold, and how much it
// holds, which grows by one atomic update; and what of an arena its tensors live by. It knows numbers; not pages or
// bytes.
//
// A tensor has no generation of its own: it lives as long as its arena, whose generation is unique in the pool, so one
// store ends all tensors of an arena. The low bits of that generation stand beside the length: whoever grows a tensor
// that was dropped, and whose entry is another's by now, meets another word.
#pragma once

#include <atomic>
#include <cstdint>

namespace akv {

enum class Extended { done, stale, full };

// Whether an arena lives, as which generation, and whose it is.
template <class Atomics>
class ArenaLife {
 public:
  void begin(std::uint32_t generation, std::uint64_t owner) noexcept {
    owner_.store(owner, std::memory_order_release);  // release: who sees it sees that the one before has ended
    generation_.store(generation, std::memory_order_release);
  }
  void end() noexcept { generation_.store(0, std::memory_order_release); }

  std::uint32_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }  // 0: it is gone
  // Right if generation() is what it was, asked afterwards.
  std::uint64_t owner() const noexcept { return owner_.load(std::memory_order_acquire); }

 private:
  typename Atomics::template Atomic<std::uint32_t> generation_{0};
  typename Atomics::template Atomic<std::uint64_t> owner_{0};
};

template <class Atomics>
class TensorEntry {
 public:
  static constexpr std::uint32_t kUnit = 256;  // bytes; offsets and capacities are counted in them
  static constexpr std::uint32_t kLengthBits = 40;
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << kLengthBits;  // of a page

  // The entry becomes a tensor of this generation, with nothing in it. The caller has the page for itself, and the
  // arena that had the entry before is gone: Release says so to whoever reads what is written here.
  void begin(std::uint32_t generation, std::uint32_t offset, std::uint32_t capacity) noexcept {
    offset_.store(offset, std::memory_order_release);
    capacity_.store(capacity, std::memory_order_release);
    length_.store(tag(generation) << kLengthBits, std::memory_order_release);
  }

  // Grow by `bytes`; `before` is the length until then: what is from there on is the caller's.
  Extended extend(const ArenaLife<Atomics> &arena, std::uint32_t generation, std::uint64_t bytes, std::uint64_t &before,
                  std::uint64_t &capacity) noexcept {
    // In this order: if the entry is another's by now, then the arena is seen to be gone.
    capacity = std::uint64_t{capacity_.load(std::memory_order_acquire)} * kUnit;
    if (arena.generation() != generation) return Extended::stale;
    std::uint64_t word = length_.load(std::memory_order_relaxed);
    do {
      if (word >> kLengthBits != tag(generation)) return Extended::stale;
      before = word & kLengthMask;
      if (bytes > capacity - before) return Extended::full;
      // Release: who reads the new length sees what was written before it grew.
    } while (!length_.compare_exchange_weak(word, word + bytes, std::memory_order_release, std::memory_order_relaxed));
    return Extended::done;
  }

  struct View {
    std::uint64_t offset, capacity, length;  // bytes
    std::uint64_t owner;                     // of the arena
  };
  // False: it is no tensor of this generation.
  [[nodiscard]] bool read(const ArenaLife<Atomics> &arena, std::uint32_t generation, View &out) const noexcept {
    const std::uint64_t word = length_.load(std::memory_order_acquire);
    out = {std::uint64_t{offset_.load(std::memory_order_acquire)} * kUnit,
           std::uint64_t{capacity_.load(std::memory_order_acquire)} * kUnit, word & kLengthMask, arena.owner()};
    return arena.generation() == generation && word >> kLengthBits == tag(generation);
  }

 private:
  static constexpr std::uint64_t kLengthMask = kMaxBytes - 1;
  static constexpr std::uint64_t tag(std::uint32_t generation) noexcept { return generation & 0xffffffu; }

  typename Atomics::template Atomic<std::uint64_t> length_{0};  // generation's low bits 24 | bytes 40
  typename Atomics::template Atomic<std::uint32_t> offset_{0};
  typename Atomics::template Atomic<std::uint32_t> capacity_{0};
};

}  // namespace akv
