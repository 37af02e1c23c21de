// attend_work.hpp: how attention's loops cut up their work: rows of queries into passes, tokens into tiles, elements
// into chunks; what is kept between two tiles, and the stack it is kept on.
// It knows addresses and numbers.
//
// A pass is up to 16 query rows of one KV head against a stretch of tokens, tile by tile: the scores of a tile, its
// part of the running softmax (Milakov and Gimelshein 2018), its values. While one half of a tile is computed, the
// other half is fetched: blocks lie anywhere, and no processor guesses where the next one is.
#pragma once

#include "arenakv/geometry.h"
#include "data/kernels/attend.hpp"
#include "data/kernels/vec/codes.hpp"

#if defined(__clang__)
#define AKV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define AKV_UNROLL _Pragma("GCC unroll 16")
#endif

namespace akv {
namespace {
namespace attention {

constexpr std::uint32_t kChunk = 2 * kLanes;
constexpr std::uint32_t kTile = 64;                 // tokens
constexpr std::uint32_t kTileStride = kTile + 16;   // from one row's scores to the next: a step may write more
constexpr std::uint32_t kTileBytes = 256 * 1024;    // ... of all heads that are attended together
constexpr std::uint32_t kPassRows = 16;             // query rows
constexpr std::uint32_t kSpaceFloats = 23 * 1024;   // 92 KiB, of which the most is touched by large heads only
constexpr std::uint32_t kDecodedFloats = 8 * 1024;  // a tile of elements that no loop reads as they are
constexpr std::uint32_t kGroup = 32;                // elements of a TOKEN_GROUP, tokens of a CHANNEL
constexpr float kLowest = -3.402823466e38f;         // largest score so far, where there is none
constexpr float kLog2E = 1.44269504088896340736f, kLn2 = 0.693147180559945309417f;
static_assert(kTile % kChunk == 0 || kChunk > kTile);

// A row as chunks: chunk c starts at element c x kChunk, but the last, which ends with the row and overlaps the one
// before it. A row shorter than a chunk is decoded into one that is as long.
struct Extent {
  std::uint32_t elements, chunks, last;
  std::uint32_t start(std::uint32_t chunk) const { return chunk + 1 == chunks ? last : chunk * kChunk; }
  std::uint32_t slots() const { return chunks * kChunk; }
};

Extent extent_of(std::uint32_t dim) {
  const std::uint32_t elements = dim < kChunk ? kChunk : dim;
  return {elements, (elements + kChunk - 1) / kChunk, elements - kChunk};
}

// Rows to fetch while others are computed, line by line. Into the second-level cache: the first has too few lines on
// their way at a time to make use of memory's speed.
struct Coming {
  const unsigned char *const *rows;
  const unsigned char *const *end;
  std::int64_t offset;  // into each row
  std::uint32_t bytes, at;

  std::uint32_t lines() const { return static_cast<std::uint32_t>(end - rows) * ((bytes + 63) / 64); }
  void fetch(std::uint32_t count) {
    for (; count != 0 && rows != end; --count) {
      __builtin_prefetch(*rows + offset + at, 0, 2);
      at += 64;
      if (at < bytes) continue;
      at = 0;
      ++rows;
    }
  }
};

// One tile of one part.
struct Tile {
  std::uint32_t count;
  std::uint32_t first_in_block;  // of the first token
  const unsigned char *keys[kTile];
  const unsigned char *values[kTile];
  const unsigned char *key_scales[kTile];
  const unsigned char *value_scales[kTile];
};

struct Stack {
  alignas(64) float floats[kSpaceFloats];
};

struct Space {
  float *at;
  float *take(std::uint32_t floats) {
    float *taken = at;
    at += (floats + 15) & ~15u;
    return taken;
  }
};

// What a pass keeps. Rows of `sums` are in slots of the values' extent; largest is in powers of two.
struct Pass {
  const AttendArguments *arguments;
  std::uint64_t sequence;
  std::uint32_t head;
  std::uint32_t first_row, rows;  // of num_queries x group
  Extent keys, values;
  float key_factor, value_factor;  // what elements of the part at hand are multiplied by, all tokens alike
  unsigned char *query;            // prepared for the format of the part at hand
  float *sums;
  float *channel_query;   // ... multiplied by a group's scales
  float *channel_scales;  // {scale, lowest} of each element of a group, in bfloat16
  float *group_scales;    // [group of elements][token]: scales, then lowest
  float *scores;          // [row][kTileStride]: then the weights
  float *weights;         // [row][kTileStride]: for one group, or as pairs of bfloat16
  float *decoded;
  float largest[kPassRows + 1], sum[kPassRows + 1], rescale[kPassRows + 1], base[kPassRows + 1];
  float applied[kPassRows + 1];  // the sum of the weights as they were rounded: those of what is in sums
};

// Passes of KV heads beside each other, tile by tile together: in most layouts a token's heads follow each other in
// memory, and one of them alone is a few lines here and there.
struct Passes {
  Pass *first;
  std::uint32_t count;
};

// Rows are taken by eights, fours, twos, and one by one: one row too many is computed rather than three steps made.
constexpr std::uint32_t rows_together(std::uint32_t left, std::uint32_t most) {
  std::uint32_t rows = most;
  while (rows > 1 && rows > left + (rows >= 4 ? 1 : 0)) rows /= 2;
  return rows;
}

}  // namespace attention
}  // namespace
}  // namespace akv
