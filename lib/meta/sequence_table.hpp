// sequence_table.hpp: the sequences of one cache by slot, and the gates that make a stale or doubled call an answer.
// It knows generations and states; not blocks.
//
// A call takes a sequence through its gate: one compare-and-swap checks the generation and shuts the gate. Whoever
// comes second finds it shut. The gates' memory is never unmapped, not even with the cache: a thread that comes too
// late with an old handle must find a generation that tells it so. The next cache in the same place uses it again.
#pragma once

#include "base/annotations.hpp"
#include "base/error.hpp"
#include "meta/sequence.hpp"

#include <algorithm>
#include <bit>

namespace akv {

enum class Entry { entered, stale, busy };

class SequenceTable {
 public:
  // Make room for `count` sequences: kept if there is enough from an earlier cache.
  [[nodiscard]] Status reserve(std::uint32_t count) noexcept;
  static std::uint64_t bytes_for(std::uint32_t count) noexcept {
    return std::uint64_t{room_for(count)} * sizeof(Sequence);
  }

  Sequence *data() noexcept { return slots_.load(std::memory_order_relaxed); }
  const Sequence *data() const noexcept { return slots_.load(std::memory_order_relaxed); }
  Sequence &operator[](std::uint32_t slot) noexcept { return slots_.load(std::memory_order_relaxed)[slot]; }
  const Sequence &operator[](std::uint32_t slot) const noexcept { return slots_.load(std::memory_order_relaxed)[slot]; }
  // Read it before data(): the memory is at least as large as what was read.
  std::uint32_t capacity() const noexcept { return capacity_.load(std::memory_order_acquire); }

  // Shut the gate of a live sequence, if its generation is this one.
  [[nodiscard]] static Entry enter(Sequence &sequence, std::uint32_t generation) noexcept {
    std::uint64_t expected = std::uint64_t{generation} << 32 | kGateLive;
    if (AKV_LIKELY(sequence.gate.compare_exchange_strong(expected, expected | kGateBusy, std::memory_order_acquire,
                                                         std::memory_order_relaxed)))
      return Entry::entered;
    return expected >> 32 == generation && (expected & kGateLive) != 0 ? Entry::busy : Entry::stale;
  }
  [[nodiscard]] Entry enter(std::uint32_t slot, std::uint32_t generation) noexcept {
    return enter((*this)[slot], generation);
  }
  static void leave(Sequence &sequence, std::uint32_t generation) noexcept {
    sequence.gate.store(std::uint64_t{generation} << 32 | kGateLive, std::memory_order_release);
  }
  void leave(std::uint32_t slot) noexcept { leave((*this)[slot], generation(slot)); }

  // Birth and death, under the cache's lock. A born sequence is busy until leave().
  std::uint32_t bear(std::uint32_t slot) noexcept;  // returns the generation
  void bury(std::uint32_t slot) noexcept;           // from busy
  bool live(std::uint32_t slot) const noexcept {
    return ((*this)[slot].gate.load(std::memory_order_relaxed) & kGateLive) != 0;
  }
  std::uint32_t generation(std::uint32_t slot) const noexcept {
    return static_cast<std::uint32_t>((*this)[slot].gate.load(std::memory_order_relaxed) >> 32);
  }
  // Generations end: a slot that has used all of them is not used again.
  bool worn_out(std::uint32_t slot) const noexcept { return generation(slot) == ~0u; }

 private:
  // In powers of two, so that caches that grow from one to the next leave behind at most as much as they use.
  static std::uint32_t room_for(std::uint32_t count) noexcept { return std::bit_ceil(std::max(count, 64u)); }

  // Read without a lock by late calls, hence atomic; it only grows, and old memory stays mapped.
  std::atomic<Sequence *> slots_{nullptr};
  std::atomic<std::uint32_t> capacity_{0};
};

}  // namespace akv
