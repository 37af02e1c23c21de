// token_chain.hpp: a number for "these tokens and everything before them". It knows tokens only.
//
// The library names nothing by hashes; the checkers may, because they only compare: a collision (2^-64 for a pair)
// could make them miss a wrong answer, never invent one in a map that also compares the block's own tokens.
#pragma once

#include "workload/request.hpp"

#include <cstdint>
#include <span>

namespace replay {

constexpr std::uint64_t kChainStart = 0;

inline std::uint64_t chain(std::uint64_t before, std::int32_t token) noexcept {
  return splitmix64(before ^ splitmix64(static_cast<std::uint32_t>(token)));
}

inline std::uint64_t chain(std::uint64_t before, std::span<const std::int32_t> tokens) noexcept {
  for (const std::int32_t token : tokens) before = chain(before, token);
  return before;
}

}  // namespace replay
