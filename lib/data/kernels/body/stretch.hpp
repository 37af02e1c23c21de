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

// Tokens or heads, and the distance from one to the next on each side.
struct Walk {
  std::int64_t count, codes, scales, elements, head;
};

// From one row to the next of an inner walk.
inline void step(Row &row, const Walk &walk) noexcept {
  row.codes += walk.codes;
  row.scales += walk.scales;
  row.elements += walk.elements;
}

// Rows are measured some at a time and then written: a scale takes long to divide out, and others need not wait for it.
template <class Rows, class E>
[[gnu::always_inline]] inline void write_walk(Row row, const Walk &walk, const float *head_scales) noexcept {
  constexpr std::int64_t kTogether = 8;
  const bool many = head_scales != nullptr && walk.head != 0;
  if (head_scales != nullptr) row.head_scale = head_scales[0];
  for (std::int64_t done = 0; done < walk.count; done += kTogether) {
    const std::int64_t count = walk.count - done < kTogether ? walk.count - done : kTogether;
    Measure measures[kTogether];
    Row ahead = row;
    for (std::int64_t i = 0; i < count; ++i) {
      if (many) ahead.head_scale = head_scales[done + i];
      measures[i] = Rows::template measure<E>(ahead);
      step(ahead, walk);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      Rows::template write<E>(row, measures[i]);
      step(row, walk);
    }
  }
}

template <class Rows, class E>
[[gnu::always_inline]] inline void read_walk(Row row, const Walk &walk, const float *head_scales) noexcept {
  if (head_scales != nullptr) row.head_scale = head_scales[0];
  for (std::int64_t i = 0; i < walk.count; ++i) {
    if (head_scales != nullptr) row.head_scale = head_scales[i * walk.head];
    Rows::template read<E>(row);
    step(row, walk);
  }
}

template <class Rows, class E, bool kWrite>
void move_rows(const Stretch &s) noexcept {
  const bool scaled = s.scale_rows != nullptr;
  Walk outer{s.num_tokens, s.pool.rows.token_stride, scaled ? s.pool.scales.token_stride : 0, s.token_stride, 0};
  Walk inner{s.num_heads, s.pool.rows.head_stride, scaled ? s.pool.scales.head_stride : 0, s.head_stride, 1};
  const std::uint64_t skipped = s.first_element;
  Row row{s.codes + skipped * Rows::kBits / 8,
          scaled ? s.scale_rows + s.first_token * s.pool.scales.token_stride + skipped / kUnit * Rows::kGroupBytes
                 : nullptr,
          s.elements,
          s.num_elements,
          s.largest,
          1.0f,
          s.stream};
  if (inner.codes > outer.codes) {
    const Walk heads = inner;
    inner = outer;
    outer = heads;
  }
  const float *head_scales = s.pool.head_scales;
  for (std::int64_t i = 0; i < outer.count; ++i) {
    if constexpr (kWrite) write_walk<Rows, E>(row, inner, head_scales);
    else read_walk<Rows, E>(row, inner, head_scales);
    step(row, outer);
    if (head_scales != nullptr) head_scales += outer.head;
  }
}

// Tokens of one group, of some heads.
template <class E, bool kWrite>
void move_group(const Stretch &s, std::uint32_t done, std::uint32_t tokens, std::uint64_t offset) noexcept {
  const std::int64_t share = s.pool.scales.head_stride;
  const Share scales{s.scale_rows, s.pool.scales.token_stride, static_cast<std::uint64_t>(share)};
  const GroupTokens group{s.codes + done * s.pool.rows.token_stride + s.first_element / 2,
                          s.elements + done * s.token_stride,
                          s.pool.rows.token_stride,
                          s.token_stride,
                          tokens,
                          s.num_elements,
                          s.stream};
  const Heads heads{s.num_heads, s.pool.rows.head_stride, s.head_stride, share};
  if constexpr (kWrite) write_channels<E>(group, heads, scales, offset);
  else read_channels<E>(group, heads, scales, offset);
}

template <class E, bool kWrite>
void move_channels(const Stretch &s) noexcept {
  const std::uint32_t group_tokens = channel_tokens_of(s.block_tokens);
  for (std::uint32_t done = 0; done < s.num_tokens;) {
    const std::uint32_t at = s.first_token + done, left = s.num_tokens - done, room = group_tokens - at % group_tokens;
    const std::uint32_t tokens = left < room ? left : room;
    move_group<E, kWrite>(s, done, tokens, (std::uint64_t{at / group_tokens} * s.head_dim + s.first_element) * 4);
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

constexpr bool is_number(std::uint32_t dtype) { return dtype <= AKV_DTYPE_BF16; }

// Past the caches, where each unit of 32 elements is aligned as its vectors are.
inline bool streams(const ElementShape &shape, const unsigned char *data, std::int64_t strides) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(data) | static_cast<std::uintptr_t>(strides);
  return shape.past_caches != 0 && shape.head_dim % kUnit == 0 && address % 64 == 0;
}
inline bool streams(const ElementShape &shape, const PoolRows &rows) noexcept {
  return streams(shape, rows.data, rows.block_stride | rows.token_stride | rows.head_stride);
}
inline bool streams(const ElementShape &shape, const TokenRows &rows) noexcept {
  return streams(shape, rows.data, rows.token_stride | rows.head_stride);
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
