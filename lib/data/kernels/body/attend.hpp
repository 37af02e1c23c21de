// attend.hpp: attention of new queries over the paged K/V of their sequences: units of work, the tokens that are seen,
// passes of query rows. It knows addresses, strides and numbers.
#pragma once

#include "data/kernels/body/attend_merge.hpp"
#include "data/kernels/body/attend_tiles.hpp"

namespace akv {
namespace {
namespace attention {

struct Stretch {
  std::uint64_t first, end;
};

// The tokens of a part that a sequence's queries see: its sinks, and those in the window.
struct Seen {
  Stretch stretches[2];
};

Seen seen_tokens(const AttendArguments &a, const AttendPart &part, std::uint64_t sequence) {
  const std::uint64_t count = part.num_tokens[sequence];
  if (a.window == 0 || a.positions == nullptr) return {{{0, count}, {count, count}}};
  const std::uint64_t first_position = part.first_positions == nullptr ? 0 : part.first_positions[sequence];
  const std::uint64_t end_position = std::uint64_t{a.positions[sequence]} + 1;
  const auto index_of = [&](std::uint64_t position) {
    const std::uint64_t index = position < first_position ? 0 : position - first_position;
    return index < count ? index : count;
  };
  const std::uint64_t sinks = index_of(a.sink_tokens);
  const std::uint64_t window = index_of(end_position < a.window ? 0 : end_position - a.window);
  if (sinks >= window) return {{{0, count}, {count, count}}};
  return {{{0, sinks}, {window, count}}};
}

std::uint64_t count_seen(const AttendArguments &a, std::uint64_t sequence) {
  std::uint64_t count = 0;
  for (std::uint32_t p = 0; p < a.num_parts; ++p)
    for (const Stretch &stretch : seen_tokens(a, a.parts[p], sequence).stretches) count += stretch.end - stretch.first;
  return count;
}

// -- passes --

// What passes of these arguments need of the stack besides rows.
struct Needs {
  bool decoded, channels, groups;
};

Needs needs_of(const AttendArguments &a) {
  Needs needs = {};
  for (std::uint32_t p = 0; p < a.num_parts; ++p) {
    const PartLoops loops = choose_loops(a.parts[p], a, 1);
    needs.decoded |= loops.decode_keys || loops.decode_values;
    needs.channels |= a.parts[p].keys.format.scaling == kChannel;
    needs.groups |= a.parts[p].values.format.scaling == kTokenGroup;
  }
  return needs;
}

// Takes the space and tells how many rows a pass has.
std::uint32_t lay_out(Pass &pass, const AttendArguments &a, float *floats) {
  const Needs needs = needs_of(a);
  pass.keys = extent_of(a.key_dim);
  pass.values = extent_of(a.value_dim);
  Space space = {floats};
  pass.scores = space.take((kPassRows + 1) * kTileStride);
  pass.weights = space.take((kPassRows + 1) * kTileStride);
  if (needs.decoded) pass.decoded = space.take(kDecodedFloats);
  if (needs.channels) pass.channel_scales = space.take(pass.keys.elements);
  if (needs.groups) pass.group_scales = space.take((pass.values.elements + kGroup - 1) / kGroup * 2 * kTile);
  const std::uint32_t key_slots = pass.keys.slots(), value_slots = pass.values.slots();
  const auto left = static_cast<std::uint32_t>(floats + kSpaceFloats - space.at) - 64;
  const std::uint32_t fit = left / (key_slots * (needs.channels ? 2 : 1) + value_slots) - 1;
  const std::uint32_t rows = fit >= kPassRows ? kPassRows : fit >= 8 ? 8 : fit;
  pass.query = reinterpret_cast<unsigned char *>(space.take((rows + 1) * key_slots));
  if (needs.channels) pass.channel_query = space.take((rows + 1) * key_slots);
  pass.sums = space.take((rows + 1) * value_slots);
  return rows;
}

void clear_pass(Pass &pass) {
  const std::uint32_t value_slots = pass.values.slots();
  for (std::uint32_t r = 0; r <= pass.rows; ++r) {
    pass.largest[r] = kLowest;
    pass.sum[r] = pass.applied[r] = pass.base[r] = 0.0f;
    pass.rescale[r] = 1.0f;
    for (std::uint32_t i = 0; i < value_slots; ++i) pass.sums[r * value_slots + i] = 0.0f;
  }
  // One row more may be computed than there is: of zeroes, rather than of what lay there.
  for (std::uint32_t i = 0; i < kTileStride; ++i)
    pass.weights[pass.rows * kTileStride + i] = pass.scores[pass.rows * kTileStride + i] = 0.0f;
  for (std::uint32_t i = 0; i < pass.keys.slots(); ++i) {
    if (pass.channel_query != nullptr) pass.channel_query[pass.rows * pass.keys.slots() + i] = 0.0f;
  }
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

PartWork work_of(const Pass &pass, const AttendPart &part) {
  const AttendArguments &a = *pass.arguments;
  const auto factor = [&](const PoolElements &plane, float unit) {
    return plane.format.scaling == kHead && plane.head_scales != nullptr ? unit * plane.head_scales[pass.head] : unit;
  };
  const PartLoops loops = choose_loops(part, a, pass.rows);
  return {&part,
          loops,
          {part.keys.format, a.key_dim, channel_scales(part.keys, a.key_dim, part.block_tokens)},
          {part.values.format, a.value_dim, channel_scales(part.values, part.value_row_dim, part.block_tokens)},
          a.key_dim * bits_of(part.keys.format.dtype) / 8,
          a.value_dim * bits_of(part.values.format.dtype) / 8,
          factor(part.keys, loops.key_unit),
          factor(part.values, loops.value_unit)};
}

// Tokens share.first .. share.end - 1 of those that are seen, counted over all parts.
void attend_share(Pass &pass, const Stretch &share) {
  const AttendArguments &a = *pass.arguments;
  std::uint64_t before = 0;
  for (std::uint32_t p = 0; p < a.num_parts; ++p) {
    bool prepared = false;
    PartWork work = {};
    for (const Stretch &seen : seen_tokens(a, a.parts[p], pass.sequence).stretches) {
      const std::uint64_t count = seen.end - seen.first;
      const std::uint64_t first = share.first < before ? 0 : share.first - before;
      const std::uint64_t end = share.end < before ? 0 : share.end - before < count ? share.end - before : count;
      before += count;
      if (first >= end) continue;
      if (!prepared) {
        work = work_of(pass, a.parts[p]);
        prepare_queries(pass, work.loops.order);
        prepared = true;
      }
      attend_stretch(pass, work, seen.first + first, seen.first + end);
    }
  }
}

// -- units --

// A row's sums in order, as if no weight had been rounded.
void order_sums(float *to, const Pass &pass, std::uint32_t row, std::uint32_t dim) {
  const float *from = pass.sums + row * pass.values.slots();
  const float factor = pass.applied[row] == pass.sum[row] ? 1.0f : pass.sum[row] / pass.applied[row];
  if (dim < kChunk) {
    for (std::uint32_t e = 0; e < dim; ++e) to[e] = from[e] * factor;
    return;
  }
  for (std::uint32_t c = 0; c < pass.values.chunks; ++c) {
    const Pair chunk = load_pair(from + c * kChunk);
    store(to + pass.values.start(c), multiply(chunk.first, splat(factor)));
    store(to + pass.values.start(c) + kLanes, multiply(chunk.second, splat(factor)));
  }
}

void end_pass(const Pass &pass, std::uint64_t unit) {
  const AttendArguments &a = *pass.arguments;
  float sums[kMostAttendDim];
  for (std::uint32_t r = 0; r < pass.rows; ++r) {
    const std::uint32_t row = pass.first_row + r;
    if (a.num_splits > 1) {
      float *partial = partial_of(a, unit, row);
      partial[0] = pass.largest[r];
      partial[1] = pass.sum[r];
      order_sums(partial + 2, pass, r, a.value_dim);
      continue;
    }
    order_sums(sums, pass, r, a.value_dim);
    finish_row(a, place_of(a, pass.sequence, pass.head, row), pass.largest[r], pass.sum[r], sums);
  }
}

void attend_unit(const AttendArguments &a, std::uint64_t unit) {
  Stack stack;
  Pass pass;
  pass.channel_query = nullptr;
  const std::uint64_t pair = unit / a.num_splits, split = unit % a.num_splits;
  pass.arguments = &a;
  pass.sequence = pair / a.num_heads;
  pass.head = static_cast<std::uint32_t>(pair % a.num_heads);
  const std::uint32_t together = lay_out(pass, a, stack.floats), rows = a.num_queries * a.group;
  const std::uint64_t seen = count_seen(a, pass.sequence), share = (seen + a.num_splits - 1) / a.num_splits;
  const std::uint64_t first = share * split < seen ? share * split : seen;
  const std::uint64_t end = seen - first < share ? seen : first + share;
  for (pass.first_row = 0; pass.first_row < rows; pass.first_row += together) {
    pass.rows = rows - pass.first_row < together ? rows - pass.first_row : together;
    clear_pass(pass);
    attend_share(pass, {first, end});
    end_pass(pass, unit);
  }
}

void attend_units(const AttendArguments &a, std::uint64_t first_unit, std::uint64_t end_unit) noexcept {
  for (std::uint64_t unit = first_unit; unit < end_unit; ++unit) attend_unit(a, unit);
}

constexpr AttendKernels kAttendKernels = {&attend_units, &merge_splits, &merge_results};

}  // namespace attention
}  // namespace
}  // namespace akv
