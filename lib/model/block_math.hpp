// block_math.hpp: tokens to blocks and back, for any block size, with shifts where it is a power of two.
// Numbers only: it knows no cache.
#pragma once

#include <bit>
#include <cstdint>

namespace akv {

class BlockMath {
 public:
  explicit BlockMath(std::uint32_t block_tokens) noexcept
      : block_tokens_(block_tokens),
        shift_(std::has_single_bit(block_tokens) ? static_cast<std::uint32_t>(std::countr_zero(block_tokens)) : kNone) {
  }

  std::uint32_t block_tokens() const noexcept { return block_tokens_; }
  // Blocks that so many tokens take.
  std::uint32_t blocks(std::uint32_t tokens) const noexcept { return whole_blocks(tokens) + (offset(tokens) != 0); }
  // Blocks that so many tokens fill; also the block of a position.
  std::uint32_t whole_blocks(std::uint32_t tokens) const noexcept {
    return shift_ != kNone ? tokens >> shift_ : tokens / block_tokens_;
  }
  // Place of a position in its block.
  std::uint32_t offset(std::uint32_t position) const noexcept {
    return shift_ != kNone ? position & (block_tokens_ - 1) : position % block_tokens_;
  }

 private:
  static constexpr std::uint32_t kNone = ~0u;
  std::uint32_t block_tokens_;
  std::uint32_t shift_;
};

}  // namespace akv
