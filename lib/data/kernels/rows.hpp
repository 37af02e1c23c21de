// rows.hpp: the arguments of kernels that move K/V as they are. It knows addresses, strides and numbers; no store, no
// stream.
//
// Strides are in bytes and of 64 bits; a row is one head of one token. Pool rows are found by block, token and head;
// the other side, where there is one, by token and head.
#pragma once

#include <cstdint>
#include <type_traits>

namespace akv {

// Rows of all blocks: one plane of one layer. Scales are such rows too: one head of scale_bytes.
struct PoolRows {
  unsigned char *data;
  std::int64_t block_stride;
  std::int64_t token_stride;
  std::int64_t head_stride;
};

// Rows of tokens in order, in the caller's memory.
struct TokenRows {
  unsigned char *data;
  std::int64_t token_stride;
  std::int64_t head_stride;
};

struct RowShape {
  std::uint64_t row_bytes;
  std::uint32_t num_heads;
  std::uint32_t block_tokens;
};

// Token i of `tokens` to or from slots[i] of `pool`; a negative slot is skipped.
struct SlotArguments {
  PoolRows pool;
  TokenRows tokens;
  RowShape shape;
  const std::int64_t *slots;
  std::uint64_t num_tokens;
  std::uint32_t past_caches = 0;  // 1: the work that this is a part of moves more than the caches hold
  std::uint32_t unused = 0;
};

// Tokens first_token .. of these blocks to or from `tokens`, which starts with the first of them.
struct SpanArguments {
  PoolRows pool;
  TokenRows tokens;
  RowShape shape;
  const std::int32_t *blocks;
  std::uint64_t first_token;
  std::uint64_t num_tokens;
  std::uint32_t past_caches = 0;
  std::uint32_t unused = 0;
};

struct BlockCopy {
  std::int32_t from;  // negative: zeroes
  std::int32_t to;
  std::uint16_t first_token;
  std::uint16_t num_tokens;
  std::uint16_t from_store;  // for whoever makes the list; not looked at
  std::uint16_t to_store;
};

// Tokens of blocks to the same tokens of other blocks, in the order of the list.
struct BlockArguments {
  PoolRows from;
  PoolRows to;
  RowShape shape;
  const BlockCopy *copies;
  std::uint64_t num_copies;
  std::uint32_t past_caches = 0;
  std::uint32_t unused = 0;
};

// Frozen: what is compiled for a device takes them as they are.
static_assert(std::is_trivially_copyable_v<SlotArguments> && sizeof(SlotArguments) == 96);
static_assert(std::is_trivially_copyable_v<SpanArguments> && sizeof(SpanArguments) == 104);
static_assert(std::is_trivially_copyable_v<BlockArguments> && sizeof(BlockArguments) == 104 && sizeof(BlockCopy) == 16);

struct CopyKernels {
  void (*write_slots)(const SlotArguments &) noexcept;
  void (*read_slots)(const SlotArguments &) noexcept;
  void (*gather)(const SpanArguments &) noexcept;
  void (*scatter)(const SpanArguments &) noexcept;
  void (*copy_blocks)(const BlockArguments &) noexcept;
  bool (*same_blocks)(const BlockArguments &) noexcept;  // are the copies what they were made of?
};

}  // namespace akv
