// attend.hpp: attention of new queries over the paged K/V of their sequences: units of work, and the tokens that are
// seen. It knows addresses, strides and numbers.
#pragma once

#include "data/kernels/body/attend_passes.hpp"

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

// Where the tokens of a part begin, or, behind the last part, where they end.
std::uint64_t position_of(const AttendArguments &a, std::uint32_t part, std::uint64_t sequence) {
  std::uint64_t position = 0;
  for (std::uint32_t p = 0;; ++p) {
    if (p < a.num_parts && a.parts[p].first_positions != nullptr && a.parts[p].num_tokens[sequence] != 0)
      position = a.parts[p].first_positions[sequence];
    if (p == part) return position;
    position += a.parts[p].num_tokens[sequence];
  }
}

Seen seen_tokens(const AttendArguments &a, std::uint32_t part, std::uint64_t sequence) {
  const std::uint64_t count = a.parts[part].num_tokens[sequence];
  if (a.window == 0) return {{{0, count}, {count, count}}};
  const std::uint64_t first_position = position_of(a, part, sequence);
  const std::uint64_t end_position =
      a.positions == nullptr ? position_of(a, a.num_parts, sequence) : std::uint64_t{a.positions[sequence]} + 1;
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
    for (const Stretch &stretch : seen_tokens(a, p, sequence).stretches) count += stretch.end - stretch.first;
  return count;
}

// Tokens share.first .. share.end - 1 of those that are seen, counted over all parts.
void attend_share(const Passes &passes, const Stretch &share) {
  const AttendArguments &a = *passes.first->arguments;
  std::uint64_t before = 0;
  for (std::uint32_t p = 0; p < a.num_parts; ++p) {
    PartWork work = {};
    for (const Stretch &seen : seen_tokens(a, p, passes.first->sequence).stretches) {
      const std::uint64_t count = seen.end - seen.first;
      const std::uint64_t first = share.first < before ? 0 : share.first - before;
      const std::uint64_t end = share.end < before ? 0 : share.end - before < count ? share.end - before : count;
      before += count;
      if (first >= end) continue;
      if (work.part == nullptr) work = begin_part(passes, a.parts[p]);
      attend_stretch(passes, work, seen.first + first, seen.first + end);
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

void end_pass(const Pass &pass, std::uint64_t split) {
  const AttendArguments &a = *pass.arguments;
  float sums[kMostAttendDim];
  for (std::uint32_t r = 0; r < pass.rows; ++r) {
    const std::uint32_t row = pass.first_row + r;
    if (a.num_splits > 1) {
      float *partial = partial_of(a, pass.sequence, split, pass.head, row);
      partial[0] = pass.largest[r];
      partial[1] = pass.sum[r];
      order_sums(partial + 2, pass, r, a.value_dim);
      continue;
    }
    order_sums(sums, pass, r, a.value_dim);
    finish_row(a, place_of(a, pass.sequence, pass.head, row), pass.largest[r], pass.sum[r], sums);
  }
}

// One split of heads that follow each other. `passes` and what they have of the stack are laid out.
void attend_heads(const Passes &passes, std::uint64_t split, std::uint32_t together) {
  const AttendArguments &a = *passes.first->arguments;
  const std::uint32_t rows = a.num_queries * a.group;
  const std::uint64_t seen = count_seen(a, passes.first->sequence), share = (seen + a.num_splits - 1) / a.num_splits;
  const std::uint64_t first = share * split < seen ? share * split : seen;
  const std::uint64_t end = seen - first < share ? seen : first + share;
  for (std::uint32_t row = 0; row < rows; row += together) {
    for (Pass *pass = passes.first; pass != passes.first + passes.count; ++pass) {
      pass->first_row = row;
      pass->rows = rows - row < together ? rows - row : together;
      clear_pass(*pass);
    }
    attend_share(passes, {first, end});
    for (std::uint32_t i = 0; i < passes.count; ++i) end_pass(passes.first[i], split);
  }
}

void attend_units(const AttendArguments &a, std::uint64_t first_unit, std::uint64_t end_unit) noexcept {
  Stack stack;
  Pass passes[kMostPasses];
  Space space = lay_out(passes[0], a, needs_of(a), stack.floats);
  const Together together = rows_that_fit(passes[0], space, kSpaceFloats, a.num_queries * a.group);
  if (passes[0].channel_query != nullptr) space.take((together.rows + 1) * passes[0].keys.slots());
  passes[0].arguments = &a;
  for (std::uint32_t i = 0; i < together.passes; ++i) {
    passes[i] = passes[0];
    passes[i].query = reinterpret_cast<unsigned char *>(space.take((together.rows + 1) * passes[0].keys.slots()));
    passes[i].sums = space.take((together.rows + 1) * passes[0].values.slots());
  }
  for (std::uint64_t unit = first_unit; unit < end_unit;) {
    const auto head = static_cast<std::uint32_t>(unit % a.num_heads);
    const std::uint64_t split = unit / a.num_heads % a.num_splits, left = end_unit - unit;
    std::uint32_t count = a.num_heads - head < left ? a.num_heads - head : static_cast<std::uint32_t>(left);
    count = count < together.passes ? count : together.passes;
    for (std::uint32_t i = 0; i < count; ++i) {
      passes[i].sequence = unit / a.num_heads / a.num_splits;
      passes[i].head = head + i;
    }
    attend_heads({passes, count}, split, together.rows);
    unit += count;
  }
}

constexpr AttendKernels kAttendKernels = {&attend_units, &merge_splits, &merge_results};

}  // namespace attention
}  // namespace
}  // namespace akv
