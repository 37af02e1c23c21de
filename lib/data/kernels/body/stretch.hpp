// stretch.hpp: tokens that follow each other in one block, and the same tokens in memory as numbers: one function for
// each format of a pool and each dtype of numbers, either way.
// It knows blocks' memory; no table of blocks, no slots.
#pragma once

#include "arenakv/geometry.h"
#include "data/kernels/body/channel.hpp"
#include "data/kernels/formats.hpp"

namespace akv {
namespace {

struct Stretch {
  PoolElements pool;          // heads from its first on
  unsigned char *codes;       // of the first token
  unsigned char *scale_rows;  // of the block
  unsigned char *elements;
  std::int64_t token_stride, head_stride;  // of elements
  std::uint32_t head_dim, num_heads, block_tokens;
  std::uint32_t first_token, num_tokens;
  std::uint32_t first_element, num_elements;  // the first is a multiple of 32
  std::uint32_t largest;                      // see Row
  bool stream;
};

using StretchFunction = void (*)(const Stretch &) noexcept;

template <class Rows, class E, bool kWrite>
void move_rows(const Stretch &s) noexcept {
  const std::uint64_t skipped = s.first_element;
  const auto move = [&s, skipped](std::int64_t token, std::int64_t head) noexcept {
    unsigned char *scales = s.scale_rows + (token + s.first_token) * s.pool.scales.token_stride +
                            head * s.pool.scales.head_stride + skipped / kUnit * Rows::kGroupBytes;
    const Row row{
        s.codes + token * s.pool.rows.token_stride + head * s.pool.rows.head_stride + skipped * Rows::kBits / 8,
        scales,
        s.elements + token * s.token_stride + head * s.head_stride,
        s.num_elements,
        s.largest,
        s.pool.head_scales == nullptr ? 1.0f : s.pool.head_scales[head],
        s.stream};
    if constexpr (kWrite) Rows::template write<E>(row);
    else Rows::template read<E>(row);
  };
  const std::int64_t tokens = s.num_tokens, heads = s.num_heads;
  if (s.pool.rows.head_stride <= s.pool.rows.token_stride) {
    for (std::int64_t token = 0; token < tokens; ++token)
      for (std::int64_t head = 0; head < heads; ++head) move(token, head);
  } else {
    for (std::int64_t head = 0; head < heads; ++head)
      for (std::int64_t token = 0; token < tokens; ++token) move(token, head);
  }
}

template <class E, bool kWrite>
void move_channels(const Stretch &s) noexcept {
  const std::uint32_t group_tokens = s.block_tokens < kMostGroupTokens ? s.block_tokens : kMostGroupTokens;
  for (std::uint32_t done = 0; done < s.num_tokens;) {
    const std::uint32_t at = s.first_token + done, left = s.num_tokens - done, room = group_tokens - at % group_tokens;
    const std::uint32_t tokens = left < room ? left : room;
    const std::uint64_t offset = (std::uint64_t{at / group_tokens} * s.head_dim + s.first_element) * 4;
    for (std::int64_t head = 0; head < s.num_heads; ++head) {
      const GroupTokens group{
          s.codes + done * s.pool.rows.token_stride + head * s.pool.rows.head_stride + s.first_element / 2,
          s.elements + done * s.token_stride + head * s.head_stride,
          s.pool.rows.token_stride,
          s.token_stride,
          tokens,
          s.num_elements,
          s.stream};
      const std::int64_t share = s.pool.scales.head_stride;
      const Share scales{s.scale_rows + head * share, s.pool.scales.token_stride, static_cast<std::uint64_t>(share)};
      if constexpr (kWrite) write_channels<E>(group, scales, offset);
      else read_channels<E>(group, scales, offset);
    }
    done += tokens;
  }
}

template <class E, bool kWrite>
StretchFunction function_for(const RowFormat &format) {
  const bool each = format.scaling == AKV_SCALING_TOKEN_HEAD;
  switch (format.dtype) {
    case AKV_DTYPE_F32: return &move_rows<PlainRows<F32>, E, kWrite>;
    case AKV_DTYPE_F16: return &move_rows<PlainRows<F16>, E, kWrite>;
    case AKV_DTYPE_BF16: return &move_rows<PlainRows<BF16>, E, kWrite>;
    case AKV_DTYPE_F8_E4M3:
      return each ? &move_rows<TokenHeadRows<E4M3>, E, kWrite> : &move_rows<HeadRows<E4M3>, E, kWrite>;
    case AKV_DTYPE_I8: return each ? &move_rows<TokenHeadRows<I8>, E, kWrite> : &move_rows<HeadRows<I8>, E, kWrite>;
    default:
      return format.scaling == AKV_SCALING_CHANNEL ? &move_channels<E, kWrite> : &move_rows<TokenGroupRows, E, kWrite>;
  }
}

template <bool kWrite>
StretchFunction stretch_function(const RowFormat &format, std::uint32_t dtype) {
  switch (dtype) {
    case AKV_DTYPE_F16: return function_for<F16, kWrite>(format);
    case AKV_DTYPE_BF16: return function_for<BF16, kWrite>(format);
    default: return function_for<F32, kWrite>(format);
  }
}

constexpr std::uint32_t bits_of(std::uint32_t dtype) {
  constexpr std::uint32_t bits[] = {0, 32, 16, 16, 8, 8, 4};
  return bits[dtype];
}

constexpr bool is_number(std::uint32_t dtype) { return dtype <= AKV_DTYPE_BF16; }

// What is larger than caches goes past them: a line that is written whole need not be read. Only where each unit of 32
// elements is aligned as its vectors are.
constexpr std::uint64_t kStreamedBytes = std::uint64_t{8} << 20;

inline bool streams(const PoolRows &rows, std::uint32_t bits, const ElementShape &shape,
                    std::uint64_t tokens) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(rows.data);
  const auto strides = static_cast<std::uint64_t>(rows.block_stride | rows.token_stride | rows.head_stride);
  return shape.head_dim % kUnit == 0 && (address | strides) % 64 == 0 &&
         tokens * shape.num_heads * shape.head_dim * bits / 8 >= kStreamedBytes;
}
inline bool streams(const TokenElements &tokens, const ElementShape &shape, std::uint64_t num_tokens) noexcept {
  return streams(PoolRows{tokens.rows.data, 0, tokens.rows.token_stride, tokens.rows.head_stride},
                 bits_of(tokens.dtype), shape, num_tokens);
}

// Tokens of one block of a pool. Where the numbers are is for the caller to say.
inline Stretch stretch_of(const PoolElements &pool, const ElementShape &shape, std::int64_t block, std::uint32_t first,
                          std::uint32_t count) noexcept {
  Stretch s = {};
  s.pool = pool;
  s.codes = pool.rows.data + block * pool.rows.block_stride + std::int64_t{first} * pool.rows.token_stride;
  s.scale_rows = pool.scales.data == nullptr ? nullptr : pool.scales.data + block * pool.scales.block_stride;
  s.head_dim = s.num_elements = shape.head_dim;
  s.num_heads = shape.num_heads;
  s.block_tokens = shape.block_tokens;
  s.first_token = first;
  s.num_tokens = count;
  s.largest = kUnknown;
  return s;
}

}  // namespace
}  // namespace akv
