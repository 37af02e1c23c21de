// attend_merge.hpp: what a softmax ends with: sinks, results, logarithms of sums; splits of the same tokens joined, and
// finished results (Dao et al., FlashDecoding 2023).
// It knows addresses and numbers.
#pragma once

#include "data/kernels/body/attend_elements.hpp"
#include "data/kernels/body/attend_softmax.hpp"

namespace akv {
namespace {
namespace attention {

// One query row of a sequence.
struct RowPlace {
  std::uint64_t sequence, query;
  std::uint32_t query_head;
};

inline RowPlace place_of(const AttendArguments &a, std::uint64_t sequence, std::uint32_t head, std::uint32_t row) {
  return {sequence, row / a.group, head * a.group + row % a.group};
}

inline std::int64_t offset_of(const std::int64_t (&strides)[3], const RowPlace &place) {
  return static_cast<std::int64_t>(place.sequence) * strides[0] + static_cast<std::int64_t>(place.query) * strides[1] +
         std::int64_t{place.query_head} * strides[2];
}

void put_row(unsigned char *to, std::uint32_t dtype, const float *from, std::uint32_t dim) {
  std::uint32_t e = 0;
  for (; e + kChunk <= dim; e += kChunk) put_chunk(to, dtype, e, load_pair(from + e));
  for (; e < dim; ++e) put_number(to, dtype, e, from[e]);
}

// Natural logarithm of the sum of exponentials, out of powers of two.
inline float log_sum(float largest, float sum) {
  if (sum == 0.0f) return -__builtin_inff();
  return (largest + log2_of_one(sum)) * kLn2;
}

// The sums of a row, in order, become its result: once for each row.
void finish_row(const AttendArguments &a, const RowPlace &place, float largest, float sum, float *sums) {
  float factor = 1.0f;
  if (a.sink_logits != nullptr) {
    const float sink = a.sink_logits[place.query_head] * kLog2E;
    const float most = sink > largest ? sink : largest;
    factor = exp2_of_one(largest - most);
    sum = sum * factor + exp2_of_one(sink - most);
    largest = most;
  }
  const float scale = sum == 0.0f ? 0.0f : factor / sum;
  for (std::uint32_t e = 0; e < a.value_dim; ++e) sums[e] *= scale;
  put_row(a.out + offset_of(a.out_strides, place), a.out_dtype, sums, a.value_dim);
  if (a.log_sums == nullptr) return;
  const std::uint64_t row = place.sequence * a.num_queries + place.query;
  a.log_sums[row * a.num_heads * a.group + place.query_head] = log_sum(largest, sum);
}

inline float *partial_of(const AttendArguments &a, std::uint64_t sequence, std::uint64_t split, std::uint32_t head,
                         std::uint32_t row) {
  const std::uint64_t unit = (sequence * a.num_splits + split) * a.num_heads + head;
  const std::uint64_t rows = std::uint64_t{a.num_queries} * a.group;
  return a.partials + (unit * rows + row) * (2 + std::uint64_t{a.value_dim});
}

void merge_row(const AttendArguments &a, std::uint64_t sequence, std::uint32_t head, std::uint32_t row) {
  float sums[kMostAttendDim];
  float largest = kLowest, sum = 0.0f;
  for (std::uint64_t split = 0; split < a.num_splits; ++split) {
    const float *partial = partial_of(a, sequence, split, head, row);
    if (partial[0] > largest) largest = partial[0];
  }
  for (std::uint32_t e = 0; e < a.value_dim; ++e) sums[e] = 0.0f;
  for (std::uint64_t split = 0; split < a.num_splits; ++split) {
    const float *partial = partial_of(a, sequence, split, head, row);
    if (partial[1] == 0.0f) continue;
    const float weight = exp2_of_one(partial[0] - largest);
    sum += partial[1] * weight;
    for (std::uint32_t e = 0; e < a.value_dim; ++e) sums[e] += partial[2 + e] * weight;
  }
  finish_row(a, place_of(a, sequence, head, row), largest, sum, sums);
}

void merge_splits(const AttendArguments &a, std::uint64_t first, std::uint64_t end) noexcept {
  for (std::uint64_t pair = first; pair < end; ++pair)
    for (std::uint32_t row = 0; row < a.num_queries * a.group; ++row)
      merge_row(a, pair / a.num_heads, static_cast<std::uint32_t>(pair % a.num_heads), row);
}

// Two results of one row. One without tokens has no say, whatever lies there.
void merge_two(const MergeArguments &m, std::uint64_t row) {
  const float none = -__builtin_inff(), a_sum = m.a_log_sums[row], b_sum = m.b_log_sums[row];
  const float most = a_sum > b_sum ? a_sum : b_sum;
  const float a_share = a_sum == none ? 0.0f : exp2_of_one((a_sum - most) * kLog2E);
  const float b_share = b_sum == none ? 0.0f : exp2_of_one((b_sum - most) * kLog2E);
  const float sum = a_share + b_share, scale = sum == 0.0f ? 0.0f : 1.0f / sum;
  const std::uint64_t offset = row * m.dim * bits_of(m.dtype) / 8;
  const unsigned char *a = m.a + offset, *b = m.b + offset;
  const Floats a_weight = splat(a_share * scale), b_weight = splat(b_share * scale);
  const auto weighed = [](bool any, Floats x, Floats weight) { return any ? multiply(x, weight) : zeroes(); };
  const bool any_a = a_sum != none, any_b = b_sum != none;
  std::uint32_t e = 0;
  for (; e + kChunk <= m.dim; e += kChunk) {
    const Pair x = chunk_at(a, m.dtype, e), y = chunk_at(b, m.dtype, e);
    put_chunk(m.out + offset, m.dtype, e,
              {add(weighed(any_a, x.first, a_weight), weighed(any_b, y.first, b_weight)),
               add(weighed(any_a, x.second, a_weight), weighed(any_b, y.second, b_weight))});
  }
  for (; e < m.dim; ++e) {
    const float x = any_a ? number_at(a, m.dtype, e) * (a_share * scale) : 0.0f;
    const float y = any_b ? number_at(b, m.dtype, e) * (b_share * scale) : 0.0f;
    put_number(m.out + offset, m.dtype, e, x + y);
  }
  if (m.out_log_sums != nullptr) m.out_log_sums[row] = sum == 0.0f ? none : most + log2_of_one(sum) * kLn2;
}

void merge_results(const MergeArguments &m, std::uint64_t first_row, std::uint64_t end_row) noexcept {
  for (std::uint64_t row = first_row; row < end_row; ++row) merge_two(m, row);
}

}  // namespace attention
}  // namespace
}  // namespace akv
