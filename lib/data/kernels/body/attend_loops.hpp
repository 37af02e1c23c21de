// attend_loops.hpp: which loops of scores and of values go with which format.
// It knows formats.
#pragma once

#include "data/kernels/body/attend_decode.hpp"
#include "data/kernels/body/attend_scores.hpp"
#include "data/kernels/body/attend_values.hpp"

namespace akv {
namespace {
namespace attention {

// The other half of a pair of tokens that is one: zeroes in every format that goes by pairs.
alignas(64) constexpr unsigned char kZeroRow[2 * kMostAttendDim] = {};

// How a part's keys and values are read.
struct PartLoops {
  const ScoreFunction *scores;
  const ValueFunction *values;
  Order order;
  float key_unit, value_unit;
  bool decode_keys, decode_values;
  bool halves;  // weights are bfloat16
};

template <class Keys>
void use_keys(PartLoops &loops, float unit = 1.0f) {
  loops.scores = kScores<Keys>;
  loops.order = Keys::kOrder;
  loops.key_unit = unit;
}

template <class Values>
void use_values(PartLoops &loops, float unit = 1.0f) {
  loops.values = kValues<Values>;
  loops.halves = Values::kTokens == 2;
  loops.value_unit = unit;
}

void choose_keys(PartLoops &loops, const RowFormat &format, std::uint32_t dim) {
  const bool codes = format.dtype == AKV_DTYPE_I4;
  loops.decode_keys = dim < kChunk || (codes && format.scaling != AKV_SCALING_CHANNEL);
  if (loops.decode_keys) return use_keys<F32Elements>(loops);
  switch (format.dtype) {
    case AKV_DTYPE_F32: return use_keys<F32Elements>(loops);
    case AKV_DTYPE_F16: return use_keys<F16Elements>(loops);
    case AKV_DTYPE_BF16: return use_keys<Bf16Elements>(loops);
    case AKV_DTYPE_F8_E4M3: return use_keys<E4m3Elements>(loops, kE4m3Unit);
    case AKV_DTYPE_I8: return use_keys<I8Elements>(loops);
    default: return use_keys<I4Elements>(loops);
  }
}

void choose_values(PartLoops &loops, const RowFormat &format, std::uint32_t dim) {
  const bool codes = format.dtype == AKV_DTYPE_I4;
  loops.decode_values = dim < kChunk || (codes && (format.scaling != AKV_SCALING_TOKEN_GROUP || dim % kChunk != 0));
  if (loops.decode_values) return use_values<F32Elements>(loops);
  switch (format.dtype) {
    case AKV_DTYPE_F32: return use_values<F32Elements>(loops);
    case AKV_DTYPE_F16: return use_values<F16Elements>(loops);
    case AKV_DTYPE_BF16: return use_values<Bf16Elements>(loops);
    case AKV_DTYPE_F8_E4M3: return use_values<E4m3Elements>(loops, kE4m3Unit);
    case AKV_DTYPE_I8: return use_values<I8Elements>(loops);
    default: return use_values<I4Elements>(loops);
  }
}

// Products of pairs: of queries that are bfloat16 without being rounded; of weights that are rounded to it, for results
// that are rounded as well. Decoding codes to bfloat16 pays from a few rows on.
void choose_products([[maybe_unused]] PartLoops &loops, [[maybe_unused]] const AttendPart &part,
                     [[maybe_unused]] const AttendArguments &a, [[maybe_unused]] std::uint32_t rows) {
#if defined(AKV_BF16_PRODUCTS)
  if (a.query_dtype == AKV_DTYPE_BF16 && !loops.decode_keys) {
    if (part.keys.format.dtype == AKV_DTYPE_BF16) use_keys<Bf16Products>(loops);
    if (part.keys.format.dtype == AKV_DTYPE_F8_E4M3 && rows >= 2) use_keys<E4m3Products>(loops);
    if (part.keys.format.dtype == AKV_DTYPE_I8 && rows >= 4) use_keys<I8Products>(loops);
  }
  if (a.out_dtype != AKV_DTYPE_F32 && !loops.decode_values) {
    if (part.values.format.dtype == AKV_DTYPE_BF16) use_values<Bf16Products>(loops);
    if (part.values.format.dtype == AKV_DTYPE_F8_E4M3 && rows >= 2) use_values<E4m3Products>(loops);
    if (part.values.format.dtype == AKV_DTYPE_I8 && rows >= 4) use_values<I8Products>(loops);
  }
#endif
}

PartLoops choose_loops(const AttendPart &part, const AttendArguments &a, std::uint32_t rows) {
  PartLoops loops = {};
  choose_keys(loops, part.keys.format, a.key_dim);
  choose_values(loops, part.values.format, a.value_dim);
  choose_products(loops, part, a, rows);
  return loops;
}

}  // namespace attention
}  // namespace
}  // namespace akv
