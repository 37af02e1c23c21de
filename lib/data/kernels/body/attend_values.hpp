// attend_values.hpp: a tile's values, weighed and added to the running sums of a pass.
// It knows addresses and numbers.
//
// A step takes R rows and C chunks, whose sums stay in registers over all tokens of the tile and are added to those of
// the tiles before at its end: also what keeps the error of 100,000 summands small.
#pragma once

#include "data/kernels/body/attend_elements.hpp"

namespace akv {
namespace {
namespace attention {

struct ValueWork {
  const unsigned char *const *values;  // with products of pairs: one more than count, where that is odd
  const float *weights;                // of the first row, [row][kTileStride]
  float *sums;                         // of the first row, [row][slots]
  const float *rescale;                // of what is in sums
  const float *base;                   // for each row: added to each of its elements
  std::uint32_t count;
  std::uint32_t first_chunk, end_chunk;
  Extent extent;
  Coming *coming;
  std::uint32_t lines;  // to fetch of it
};

using ValueFunction = void (*)(const ValueWork &);

template <class Values, std::uint32_t R, std::uint32_t C>
inline void finish_chunks(const ValueWork &w, std::uint32_t chunk, const Pair (&sums)[R * C]) {
  AKV_UNROLL for (std::uint32_t r = 0; r < R; ++r) {
    const Floats rescale = splat(w.rescale[r]), base = splat(w.base[r]);
    AKV_UNROLL for (std::uint32_t c = 0; c < C; ++c) {
      float *at = w.sums + r * w.extent.slots() + (chunk + c) * kChunk;
      const Pair before = load_pair(at), now = Values::ordered(sums[r * C + c]);
      store(at, multiply_add(before.first, rescale, add(now.first, base)));
      store(at + kLanes, multiply_add(before.second, rescale, add(now.second, base)));
    }
  }
}

template <class Values, std::uint32_t R, std::uint32_t C>
inline void add_chunks(const ValueWork &w, std::uint32_t chunk) {
  Pair sums[R * C];
  AKV_UNROLL for (std::uint32_t i = 0; i < R * C; ++i) sums[i] = {zeroes(), zeroes()};
  std::uint32_t elements[C];
  AKV_UNROLL for (std::uint32_t c = 0; c < C; ++c) elements[c] = w.extent.start(chunk + c);
  constexpr std::uint32_t kBetween = 8;  // tokens between two times that something is fetched
  const std::uint32_t lines = (w.lines * C * kBetween + w.extent.chunks * w.count - 1) / (w.extent.chunks * w.count);
  for (std::uint32_t t = 0; t < w.count;) {
    if (lines != 0) w.coming->fetch(lines);
    const std::uint32_t end = w.count - t < kBetween ? w.count : t + kBetween;
    for (; t < end; t += Values::kTokens) AKV_UNROLL for (std::uint32_t c = 0; c < C; ++c) {
        const auto values = Values::load(w.values + t, elements[c]);
        AKV_UNROLL for (std::uint32_t r = 0; r < R; ++r)
            Values::add(sums[r * C + c], Values::weight(w.weights + r * kTileStride, t), values);
      }
  }
  finish_chunks<Values, R, C>(w, chunk, sums);
}

template <class Values, std::uint32_t R>
void add_rows(const ValueWork &w) {
  constexpr std::uint32_t kWhole = 128 / kChunk;  // a common row is one step, or several
  constexpr std::uint32_t C = kMostValueRows / R < kWhole ? kMostValueRows / R : kWhole;
  std::uint32_t chunk = w.first_chunk;
  if constexpr (C > 1)
    for (; chunk + C <= w.end_chunk; chunk += C) add_chunks<Values, R, C>(w, chunk);
  for (; chunk < w.end_chunk; ++chunk) add_chunks<Values, R, 1>(w, chunk);
}

// By the logarithm of the number of rows.
template <class Values>
constexpr ValueFunction kValues[4] = {&add_rows<Values, 1>, &add_rows<Values, 2>, &add_rows<Values, 4>,
                                      &add_rows<Values, kMostValueRows>};

void add_values(const ValueFunction *functions, ValueWork work, std::uint32_t rows) {
  for (std::uint32_t row = 0; row < rows;) {
    const std::uint32_t together = rows_together(rows - row, kMostValueRows);
    functions[__builtin_ctz(together)](work);
    work.weights += together * kTileStride;
    work.sums += together * work.extent.slots();
    work.rescale += together;
    work.base += together;
    work.lines = 0;
    row += together;
  }
}

// -- values of 4 bits with a scale for each 32 elements: taken into the weights, once for those elements --

// Weights for the group, and for each row what its tokens' lowest elements come to.
void weigh_group(Pass &pass, std::uint32_t group, std::uint32_t padded) {
  const float *scales = pass.group_scales + std::uint64_t{group} * 2 * kTile, *lowest = scales + kTile;
  for (std::uint32_t row = 0; row < pass.rows; ++row) {
    const float *from = pass.scores + row * kTileStride;
    float *to = pass.weights + row * kTileStride;
    Floats base = zeroes();
    for (std::uint32_t t = 0; t < padded; t += kLanes) {
      const Floats weight = load(from + t);
      store(to + t, multiply(weight, load(scales + t)));
      base = multiply_add(weight, load(lowest + t), base);
    }
    pass.base[row] = sum_of(base);
  }
}

// [group][token] out of [token][group].
void read_group_scales(float *to, const unsigned char *const *rows, std::uint32_t count, std::uint32_t padded,
                       std::uint32_t groups) {
  for (std::uint32_t t = 0; t < padded; ++t)
    for (std::uint32_t g = 0; g < groups; ++g) {
      const std::uint32_t both = t < count ? element_at<std::uint32_t>(rows[t], g) : 0;
      to[g * 2 * kTile + t] = scale_in(both);
      to[g * 2 * kTile + kTile + t] = lowest_in(both);
    }
}

}  // namespace attention
}  // namespace
}  // namespace akv
