// formats.hpp: the arguments of kernels that change what elements are made of: written with quantization, read back,
// moved between stores of other dtypes. It knows addresses, strides and numbers; no store, no stream.
//
// A plane of a pool is rows of codes, and, where its scaling says so, rows of scales beside them, one for each token:
//
//   NONE         numbers as they are: F32, F16, BF16
//   HEAD         F8_E4M3 or I8; one float for each head, the caller's, for the whole call
//   TOKEN_HEAD   F8_E4M3 or I8; a token's scales are a float for each head
//   TOKEN_GROUP  I4; a token's scales are, for each head, {scale, lowest} in bfloat16 of each 32 elements
//   CHANNEL      I4; {scale, lowest} in bfloat16 of each element of a head over `group` tokens of a block. A head's
//                share of the block's scale rows, one row after the other, is [group][element]{scale, lowest}
//
// A number is code x scale, or lowest + code x scale, where codes of 4 bits run from 0 to 15; the even element has the
// lower half of a byte. vec/codes.hpp has it line by line; the bits are the same on every instruction set, for tokens
// one by one and many at once. Nothing is fused, and what is divided is divided as IEEE says.
//
//   scales    the caller's: at least 2^-126. A token's own: largest finite magnitude / 127 or / 448. A group's: lowest
//             rounded down, (highest - lowest) / 15 rounded up. At least 2^-126, unless all is the same: then 0
//   codes     the nearest of x * (1 / scale), or (x - lowest) * (1 / scale); of two the even one; I8 from -127 to 127,
//             E4M3 from -448 to 448, subnormals too. So |x - x^| <= scale / 2 for integers, but for 2^-7 of it
//   infinity  the code that is largest, or lowest. In 4 bits all beyond 2^126 is infinite. No scale is made of it
//   NaN       E4M3 0x7f (0xff reads as NaN too), I8 0, I4 0: the lowest; where a group has nothing finite that is 0
//   zeroes    codes 0; in E4M3 -0 keeps its sign
//
// Between numbers all is rounded once and NaN stays NaN; the same dtype, and the same codes (HEAD: under the same
// pointer to scales), are copied.
#pragma once

#include "data/kernels/rows.hpp"

namespace akv {

// What the elements of a row are. The values are those of geometry.h.
struct RowFormat {
  std::uint32_t dtype;
  std::uint32_t scaling;
};

// Tokens of a block that share {scale, lowest} of each element, with CHANNEL.
constexpr std::uint32_t channel_tokens_of(std::uint32_t block_tokens) { return block_tokens < 32 ? block_tokens : 32; }

// One plane of one layer of a pool.
struct PoolElements {
  PoolRows rows;
  PoolRows scales;           // head_stride: bytes of one head's scales in a token's row; data nullptr: none
  const float *head_scales;  // HEAD: one for each head of this pool; nullptr: all are 1
  RowFormat format;
};

// Tokens in the caller's memory: F32, F16 or BF16.
struct TokenElements {
  TokenRows rows;
  std::uint32_t dtype;
  std::uint32_t unused;
};

struct ElementShape {
  std::uint32_t head_dim;  // even where elements have 4 bits
  std::uint32_t num_heads;
  std::uint32_t block_tokens;
  std::uint32_t past_caches;  // see rows.hpp
};

// Token i of `tokens` to or from slots[i] of `pool`; a negative slot is skipped. Not CHANNEL: tokens alone have no
// scale.
struct ConvertSlotArguments {
  PoolElements pool;
  TokenElements tokens;
  ElementShape shape;
  const std::int64_t *slots;
  std::uint64_t num_tokens;
};

// Tokens first_token .. of these blocks to or from `tokens`. To CHANNEL: whole blocks only.
struct ConvertSpanArguments {
  PoolElements pool;
  TokenElements tokens;
  ElementShape shape;
  const std::int32_t *blocks;
  std::uint64_t first_token;
  std::uint64_t num_tokens;
};

// Tokens of blocks to the same tokens of other blocks, in the order of the list; no zeroes. To CHANNEL: whole blocks
// only, of another pool.
struct ConvertBlockArguments {
  PoolElements from;
  PoolElements to;
  ElementShape shape;
  const BlockCopy *copies;
  std::uint64_t num_copies;
};

static_assert(std::is_trivially_copyable_v<PoolElements> && sizeof(PoolElements) == 80);
static_assert(std::is_trivially_copyable_v<ConvertSlotArguments> && sizeof(ConvertSlotArguments) == 144);
static_assert(std::is_trivially_copyable_v<ConvertSpanArguments> && sizeof(ConvertSpanArguments) == 152);
static_assert(std::is_trivially_copyable_v<ConvertBlockArguments> && sizeof(ConvertBlockArguments) == 192);

struct FormatKernels {
  void (*write_slots)(const ConvertSlotArguments &) noexcept;
  void (*read_slots)(const ConvertSlotArguments &) noexcept;
  void (*gather)(const ConvertSpanArguments &) noexcept;
  void (*scatter)(const ConvertSpanArguments &) noexcept;
  void (*convert_blocks)(const ConvertBlockArguments &) noexcept;
};

}  // namespace akv
