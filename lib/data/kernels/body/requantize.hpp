// requantize.hpp: blocks between two pools that both keep codes: as they are where both mean the same, or else through
// floats.
// It knows blocks' memory; no table of blocks.
#pragma once

#include "data/kernels/body/stretch.hpp"

namespace akv {
namespace {

constexpr std::uint32_t kTile = 4096;            // floats on the stack
constexpr std::uint32_t kChannelElements = 128;  // of 32 tokens: a tile

// The same codes for the same numbers? Then they are copied: made again, a scale could change in its last bit.
inline bool mean_the_same(const PoolElements &a, const PoolElements &b) noexcept {
  return a.format.dtype == b.format.dtype && a.format.scaling == b.format.scaling &&
         (a.format.scaling != AKV_SCALING_HEAD || a.head_scales == b.head_scales);
}

// Scales of one head of these tokens; CHANNEL: of the whole block.
inline void copy_scales(const Stretch &from, const Stretch &to, std::uint64_t row_bytes) noexcept {
  if (row_bytes == 0) return;
  if (to.pool.format.scaling != AKV_SCALING_CHANNEL) {
    for (std::int64_t t = to.first_token; t < std::int64_t{to.first_token} + to.num_tokens; ++t)
      __builtin_memcpy(to.scale_rows + t * to.pool.scales.token_stride,
                       from.scale_rows + t * from.pool.scales.token_stride, row_bytes);
    return;
  }
  const auto share = [](const Stretch &s) {
    return Share{s.scale_rows, s.pool.scales.token_stride, static_cast<std::uint64_t>(s.pool.scales.head_stride)};
  };
  std::uint32_t groups[kMostGroups];
  const std::uint64_t all = row_bytes * to.block_tokens;
  for (std::uint64_t done = 0; done < all; done += sizeof groups) {
    const std::uint64_t piece = all - done < sizeof groups ? all - done : sizeof groups;
    move_share<false>(share(from), done, piece, groups);
    move_share<true>(share(to), done, piece, groups);
  }
}

inline std::uint64_t scale_row_bytes(const PoolElements &pool, const Stretch &s) noexcept {
  switch (pool.format.scaling) {
    case AKV_SCALING_TOKEN_HEAD: return 4;
    case AKV_SCALING_TOKEN_GROUP: return (s.head_dim + kUnit - 1) / kUnit * 4;
    case AKV_SCALING_CHANNEL: return static_cast<std::uint64_t>(pool.scales.head_stride);
    default: return 0;
  }
}

// One head.
inline void copy_codes(const Stretch &from, const Stretch &to) noexcept {
  const std::uint64_t bytes = std::uint64_t{to.head_dim} * bits_of(to.pool.format.dtype) / 8;
  for (std::int64_t t = 0; t < to.num_tokens; ++t)
    __builtin_memcpy(to.codes + t * to.pool.rows.token_stride, from.codes + t * from.pool.rows.token_stride, bytes);
  copy_scales(from, to, scale_row_bytes(to.pool, to));
}

struct Tile {
  float numbers[kTile];
  StretchFunction read, write;
};

inline void let_see(Stretch &s, Tile &tile, std::uint32_t first, std::uint32_t count) noexcept {
  s.elements = reinterpret_cast<unsigned char *>(tile.numbers);
  s.first_element = first;
  s.num_elements = count;
  s.token_stride = std::int64_t{count} * 4;
}

// A head of one token longer than a tile: its largest element is looked for first.
inline std::uint32_t largest_of_head(Stretch from, Tile &tile) noexcept {
  std::uint32_t largest = 0;
  for (std::uint32_t at = 0; at < from.head_dim; at += kTile) {
    const std::uint32_t size = from.head_dim - at < kTile ? from.head_dim - at : kTile;
    let_see(from, tile, at, size);
    tile.read(from);
    const std::uint32_t found = largest_finite_in<F32>(from.elements, size);
    largest = found > largest ? found : largest;
  }
  return largest;
}

// One head of as many tokens as a tile has room for, or as one group has.
inline void requantize(Stretch from, Stretch to, Tile &tile) noexcept {
  const std::uint32_t most = to.pool.format.scaling == AKV_SCALING_CHANNEL ? kChannelElements : kTile;
  if (to.pool.format.scaling == AKV_SCALING_TOKEN_HEAD && to.head_dim > most) to.largest = largest_of_head(from, tile);
  for (std::uint32_t at = 0; at < to.head_dim; at += most) {
    const std::uint32_t size = to.head_dim - at < most ? to.head_dim - at : most;
    let_see(from, tile, at, size);
    let_see(to, tile, at, size);
    tile.read(from);
    tile.write(to);
  }
}

// Of one head, what both pools have.
inline Stretch head_of(const PoolElements &pool, const ElementShape &shape, std::int64_t block, std::int64_t head,
                       std::uint32_t first, std::uint32_t count) noexcept {
  PoolElements one = pool;
  one.rows.data += head * pool.rows.head_stride;
  if (one.scales.data != nullptr) one.scales.data += head * pool.scales.head_stride;
  if (one.head_scales != nullptr) one.head_scales += head;
  return stretch_of(one, {shape.head_dim, 1, shape.block_tokens, 0}, block, first, count);
}

void requantize_blocks(const ConvertBlockArguments &a) noexcept {
  const bool same = mean_the_same(a.from, a.to);
  Tile tile;
  tile.read = stretch_function<false>(a.from.format, AKV_DTYPE_F32);
  tile.write = stretch_function<true>(a.to.format, AKV_DTYPE_F32);
  const std::uint32_t room = a.shape.head_dim < kTile ? kTile / a.shape.head_dim : 1;
  const std::uint32_t step = same                                         ? a.shape.block_tokens
                             : a.to.format.scaling == AKV_SCALING_CHANNEL ? kMostGroupTokens
                                                                          : room;
  for (std::uint64_t i = 0; i < a.num_copies; ++i) {
    const BlockCopy &copy = a.copies[i];
    const std::uint32_t end = std::uint32_t{copy.first_token} + copy.num_tokens;
    for (std::int64_t head = 0; head < a.shape.num_heads; ++head)
      for (std::uint32_t first = copy.first_token; first < end; first += step) {
        const std::uint32_t count = end - first < step ? end - first : step;
        const Stretch from = head_of(a.from, a.shape, copy.from, head, first, count);
        const Stretch to = head_of(a.to, a.shape, copy.to, head, first, count);
        if (same) copy_codes(from, to);
        else requantize(from, to, tile);
      }
  }
}

}  // namespace
}  // namespace akv
