// attend_passes.hpp: passes of query rows: how many go together, what they have of the stack, and what they begin with.
// It knows addresses, strides and numbers.
#pragma once

#include "data/kernels/body/attend_merge.hpp"
#include "data/kernels/body/attend_tiles.hpp"

namespace akv {
namespace {
namespace attention {

// What passes of these arguments need of the stack besides rows.
struct Needs {
  bool decoded, channels, groups;
};

Needs needs_of(const AttendArguments &a) {
  Needs needs = {};
  for (std::uint32_t p = 0; p < a.num_parts; ++p) {
    const PartLoops loops = choose_loops(a.parts[p], a, 1);
    needs.decoded |= loops.decode_keys || loops.decode_values;
    needs.channels |= a.parts[p].keys.format.scaling == AKV_SCALING_CHANNEL;
    needs.groups |= a.parts[p].values.format.scaling == AKV_SCALING_TOKEN_GROUP;
  }
  return needs;
}

constexpr std::uint32_t kMostPasses = 16;

// What passes share of the stack; returns what is left.
Space lay_out(Pass &pass, const AttendArguments &a, const Needs &needs, float *floats) {
  pass.keys = extent_of(a.key_dim);
  pass.values = extent_of(a.value_dim);
  Space space = {floats};
  pass.scores = space.take((kPassRows + 1) * kTileStride);
  pass.weights = space.take((kPassRows + 1) * kTileStride);
  pass.decoded = needs.decoded ? space.take(kDecodedFloats) : nullptr;
  pass.channel_scales = needs.channels ? space.take(pass.keys.elements) : nullptr;
  pass.group_scales = needs.groups ? space.take((pass.values.elements + kGroup - 1) / kGroup * 2 * kTile) : nullptr;
  pass.channel_query = needs.channels ? space.at : nullptr;
  return space;
}

// Rows of a pass, and passes beside each other: what there is space for.
struct Together {
  std::uint32_t rows, passes;
};

Together rows_that_fit(const Pass &pass, const Space &space, std::uint32_t floats_left, std::uint32_t rows) {
  const std::uint32_t slots = pass.keys.slots() + pass.values.slots();
  const std::uint32_t query = pass.channel_query == nullptr ? 0 : pass.keys.slots();
  const std::uint32_t left = floats_left - static_cast<std::uint32_t>(space.at - pass.scores) - 64 * kMostPasses;
  const std::uint32_t fit = left / (slots + query) - 1;
  const std::uint32_t most = fit >= kPassRows ? kPassRows : fit >= 8 ? 8 : fit;
  if (rows > most || rows > kPassRows / 2) return {most, 1};
  const std::uint32_t passes = (left - (rows + 1) * query) / ((rows + 1) * slots);
  return {rows, passes < kMostPasses ? passes : kMostPasses};
}

void clear_pass(Pass &pass) {
  const std::uint32_t value_slots = pass.values.slots();
  for (std::uint32_t r = 0; r <= pass.rows; ++r) {
    pass.largest[r] = kLowest;
    pass.sum[r] = pass.applied[r] = pass.base[r] = 0.0f;
    pass.rescale[r] = 1.0f;
    for (std::uint32_t i = 0; i < value_slots; i += kLanes) store(pass.sums + r * value_slots + i, zeroes());
  }
  // One row more may be computed than there is: of zeroes, rather than of what lay there.
  for (std::uint32_t i = 0; i < kTileStride; ++i)
    pass.weights[pass.rows * kTileStride + i] = pass.scores[pass.rows * kTileStride + i] = 0.0f;
  for (std::uint32_t i = 0; pass.channel_query != nullptr && i < pass.keys.slots(); ++i)
    pass.channel_query[pass.rows * pass.keys.slots() + i] = 0.0f;
}

void prepare_queries(Pass &pass, Order order) {
  const AttendArguments &a = *pass.arguments;
  const std::uint64_t bytes = std::uint64_t{pass.keys.slots()} * (order == Order::kBf16 ? 2 : 4);
  for (std::uint32_t r = 0; r < pass.rows; ++r) {
    const RowPlace place = place_of(a, pass.sequence, pass.head, pass.first_row + r);
    prepare_query(pass.query + r * bytes, a.query + offset_of(a.query_strides, place), a.query_dtype, a.key_dim,
                  pass.keys, order);
  }
  __builtin_memset(pass.query + pass.rows * bytes, 0, bytes);
}

PartWork work_of(const AttendArguments &a, const AttendPart &part, std::uint32_t rows) {
  return {&part,
          choose_loops(part, a, rows),
          {part.keys.format, a.key_dim, channel_place(part.keys, part.block_tokens)},
          {part.values.format, a.value_dim, channel_place(part.values, part.block_tokens)},
          a.key_dim * bits_of(part.keys.format.dtype) / 8,
          a.value_dim * bits_of(part.values.format.dtype) / 8};
}

PartWork begin_part(const Passes &passes, const AttendPart &part) {
  const PartWork work = work_of(*passes.first->arguments, part, passes.first->rows);
  for (Pass *pass = passes.first; pass != passes.first + passes.count; ++pass) {
    const auto factor = [&](const PoolElements &plane, float unit) {
      return plane.format.scaling == AKV_SCALING_HEAD && plane.head_scales != nullptr
                 ? unit * plane.head_scales[pass->head]
                 : unit;
    };
    pass->key_factor = factor(part.keys, work.loops.key_unit);
    pass->value_factor = factor(part.values, work.loops.value_unit);
    prepare_queries(*pass, work.loops.order);
  }
  return work;
}

}  // namespace attention
}  // namespace
}  // namespace akv
