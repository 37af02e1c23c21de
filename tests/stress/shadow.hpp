// shadow.hpp: what the K/V memory behind a cache would hold: one number for each slot, a *print* of the token there and
// of all tokens before it, with its domain in the highest byte. So a block of another prefix, another domain or another
// position is told apart.
// It knows slots; not sequences, and it never calls the library.
//
// Relaxed atomics: a wrong reader sees a wrong print, which is what is looked for, and ThreadSanitizer is left to look
// for races of the library.
#pragma once

#include "random.hpp"

#include <atomic>
#include <memory>

namespace akv::stress {

using Print = std::uint64_t;

constexpr std::uint32_t kDomainShift = 56;
constexpr Print kPoison = Print{0xEE} << kDomainShift;  // what work that was given up may have left behind

inline Print first_print(std::uint64_t domain) { return (domain + 1) << kDomainShift; }
inline Print next_print(Print before, std::int32_t token) {
  const std::uint64_t mixed = mix(before * 31 + static_cast<std::uint32_t>(token) + 1);
  return (before >> kDomainShift) << kDomainShift | mixed >> (64 - kDomainShift);
}
inline std::uint64_t domain_of(Print print) { return (print >> kDomainShift) - 1; }

class Shadow {
 public:
  // Fresh memory is zero; the null block has a place as well. Swap blocks count as blocks behind the others.
  Shadow(std::uint32_t num_blocks, std::uint32_t block_tokens)
      : slots_(new std::atomic<Print>[(std::size_t{num_blocks} + 1) * block_tokens]()) {}

  Print read(std::int64_t slot) const { return slots_[static_cast<std::size_t>(slot)].load(std::memory_order_relaxed); }
  void write(std::int64_t slot, Print print) {
    slots_[static_cast<std::size_t>(slot)].store(print, std::memory_order_relaxed);
  }

 private:
  std::unique_ptr<std::atomic<Print>[]> slots_;
};

}  // namespace akv::stress
