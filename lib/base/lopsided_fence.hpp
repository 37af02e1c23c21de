// lopsided_fence.hpp: "first write, then read" between two sides of which one runs all the time and the other hardly
// ever: the rare side pays for both. It knows memory order; not what is written or read.
//
// Where each of two threads writes its own word and then reads the other's, a full fence on both sides keeps both from
// reading the old value. Linux can put that fence into all threads of a process at the rare side's wish, membarrier(2),
// and the frequent side needs none (the way of liburcu, Desnoyers and others 2012). Where the kernel can't, both pay.
#pragma once

#include <atomic>
#include <cstdint>

namespace akv {

// Ask the kernel whether it can. To be called before the first word is shared; again does no harm.
void prepare_lopsided_fence() noexcept;

extern std::atomic<bool> rare_side_fences;

// The frequent side's write; its read comes next, seq_cst.
inline void write_before_read(std::atomic<std::uint64_t> &word, std::uint64_t value) noexcept {
  if (rare_side_fences.load(std::memory_order_relaxed)) [[likely]] {
    word.store(value, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // for the compiler
  } else {
    word.store(value, std::memory_order_seq_cst);
  }
}

// The rare side, between its write and its read, both seq_cst. False: the kernel refuses what it had promised (a
// sandbox was shut in between), and nothing is known about the frequent side.
[[nodiscard]] bool fence_on_rare_side() noexcept;

}  // namespace akv
