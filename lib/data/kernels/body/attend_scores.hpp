// attend_scores.hpp: the products of a tile's keys with the query rows of a pass.
// It knows addresses and numbers.
//
// A step takes R rows and as many tokens as there are registers for their sums, so that a chunk of keys is decoded once
// for R rows and a chunk of the query is loaded once for several tokens.
#pragma once

#include "data/kernels/body/attend_elements.hpp"

namespace akv {
namespace {
namespace attention {

struct ScoreWork {
  const unsigned char *const *keys;
  const unsigned char *query;  // of the first row
  std::uint64_t query_stride;  // bytes
  float *scores;               // of the first row, [row][kTileStride]
  std::uint32_t first, end;    // tokens of the tile
  Extent extent;
  Coming *coming;
  std::uint32_t lines;  // to fetch of it
};

using ScoreFunction = void (*)(const ScoreWork &);

template <class Keys, std::uint32_t R, std::uint32_t T>
inline void add_scores(const ScoreWork &w, const unsigned char *const (&rows)[T], std::uint32_t chunk,
                       Floats (&sums)[R * T]) {
  const std::uint32_t element = w.extent.start(chunk), slot = chunk * kChunk;
  if constexpr (T <= R) {
    typename Keys::Chunk keys[T];
    AKV_UNROLL for (std::uint32_t t = 0; t < T; ++t) keys[t] = Keys::load(rows[t], element);
    AKV_UNROLL for (std::uint32_t r = 0; r < R; ++r) {
      const auto query = Keys::query(w.query + r * w.query_stride, slot);
      AKV_UNROLL for (std::uint32_t t = 0; t < T; ++t) sums[r * T + t] =
          Keys::multiply_add(query, keys[t], sums[r * T + t]);
    }
  } else {
    typename Keys::Chunk query[R];
    AKV_UNROLL for (std::uint32_t r = 0; r < R; ++r) query[r] = Keys::query(w.query + r * w.query_stride, slot);
    AKV_UNROLL for (std::uint32_t t = 0; t < T; ++t) {
      const auto keys = Keys::load(rows[t], element);
      AKV_UNROLL for (std::uint32_t r = 0; r < R; ++r) sums[r * T + t] =
          Keys::multiply_add(query[r], keys, sums[r * T + t]);
    }
  }
}

template <class Keys, std::uint32_t R>
void score_rows(const ScoreWork &w) {
  constexpr std::uint32_t T = kScoreSums / R;
  const std::uint32_t lines = (w.lines * T + w.end - w.first - 1) / (w.end - w.first);
  for (std::uint32_t t = w.first; t < w.end; t += T) {
    const unsigned char *rows[T];
    AKV_UNROLL for (std::uint32_t i = 0; i < T; ++i) rows[i] = w.keys[t + i < w.end ? t + i : w.end - 1];
    if (lines != 0) w.coming->fetch(lines);
    Floats sums[R * T];
    AKV_UNROLL for (std::uint32_t i = 0; i < R * T; ++i) sums[i] = zeroes();
    for (std::uint32_t c = 0; c < w.extent.chunks; ++c) add_scores<Keys, R, T>(w, rows, c, sums);
    float scores[R * T];
    AKV_UNROLL for (std::uint32_t i = 0; i < R * T; i += kLanes) store(scores + i, sums_of(sums + i));
    AKV_UNROLL for (std::uint32_t r = 0; r < R; ++r)
        __builtin_memcpy(w.scores + r * kTileStride + t, scores + r * T, sizeof(float) * T);
  }
}

// By the logarithm of the number of rows.
template <class Keys>
constexpr ScoreFunction kScores[4] = {&score_rows<Keys, 1>, &score_rows<Keys, 2>, &score_rows<Keys, 4>,
                                      &score_rows<Keys, 8>};

void score(const ScoreFunction *functions, ScoreWork work, std::uint32_t rows) {
  for (std::uint32_t row = 0; row < rows;) {
    const std::uint32_t together = rows_together(rows - row, 8);
    functions[__builtin_ctz(together)](work);
    work.query += together * work.query_stride;
    work.scores += together * kTileStride;
    work.lines = 0;
    row += together;
  }
}

// -- keys of 4 bits with a scale for each element: the scales are taken into the query, once for a group of tokens --

// {scale, lowest} of each element, out of the shares that the rows of a group have of them.
void read_channel_scales(unsigned char *to, const unsigned char *rows, std::int64_t stride, std::uint32_t tokens,
                         std::uint32_t share) {
  for (std::uint32_t t = 0; t < tokens; ++t, to += share, rows += stride) {
    std::uint32_t at = 0;
    for (; at + 16 <= share; at += 16) __builtin_memcpy(to + at, rows + at, 16);
    for (; at < share; ++at) to[at] = rows[at];
  }
}

// The query times the scales; returns the part of the score that all tokens of the group have.
float take_scales(float *to, const float *query, const unsigned char *scales, Extent extent) {
  Floats base = zeroes();
  for (std::uint32_t c = 0; c < extent.chunks; ++c) {
    const unsigned char *at = scales + std::uint64_t{extent.start(c)} * 4;
    const Pair low = split_bf16(at), high = split_bf16(at + kChunk * 2);
    const Pair scale = evens_and_odds({low.first, high.first}), lowest = evens_and_odds({low.second, high.second});
    const Pair q = load_pair(query + c * kChunk);
    store(to + c * kChunk, multiply(q.first, scale.first));
    store(to + c * kChunk + kLanes, multiply(q.second, scale.second));
    base = multiply_add(q.second, lowest.second, multiply_add(q.first, lowest.first, base));
  }
  return sum_of(base);
}

}  // namespace attention
}  // namespace
}  // namespace akv
