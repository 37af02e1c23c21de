// token_store.hpp: the token ids of every block, once, at a fixed place: block b's are at b x block_tokens.
// It knows ids and positions inside blocks; not sequences, runs or locks.
//
// The place of a block's tokens never moves, so runs are split, joined, cut and evicted without touching a token.
#pragma once

#include "mem/reservation.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace akv {

class TokenStore {
 public:
  static void plan(Reservation &memory, std::uint32_t num_blocks, std::uint32_t block_tokens) noexcept {
    memory.plan<std::int32_t>((std::size_t{num_blocks} + 1) * block_tokens);
  }
  void take_memory(Reservation &memory, std::uint32_t num_blocks, std::uint32_t block_tokens) noexcept {
    tokens_ = memory.take<std::int32_t>((std::size_t{num_blocks} + 1) * block_tokens);
    block_tokens_ = block_tokens;
  }

  std::uint32_t block_tokens() const noexcept { return block_tokens_; }
  std::int32_t *of(std::int32_t block) noexcept {
    return tokens_.data + static_cast<std::size_t>(block) * block_tokens_;
  }
  const std::int32_t *of(std::int32_t block) const noexcept {
    return tokens_.data + static_cast<std::size_t>(block) * block_tokens_;
  }

  bool equal(std::int32_t block, const std::int32_t *tokens) const noexcept {
    return std::memcmp(of(block), tokens, block_tokens_ * sizeof(std::int32_t)) == 0;
  }

  // How many of the first `count` tokens (at most a block) are equal.
  std::uint32_t common_prefix(std::int32_t block, const std::int32_t *tokens, std::uint32_t count) const noexcept {
    const std::int32_t *mine = of(block);
    return static_cast<std::uint32_t>(std::mismatch(mine, mine + count, tokens).first - mine);
  }

 private:
  Array<std::int32_t> tokens_;
  std::uint32_t block_tokens_ = 0;
};

}  // namespace akv
