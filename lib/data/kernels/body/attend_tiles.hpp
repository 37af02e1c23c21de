// attend_tiles.hpp: a pass of query rows against a stretch of one part's tokens, tile by tile.
// It knows addresses and numbers.
#pragma once

#include "data/kernels/body/attend_loops.hpp"
#include "data/kernels/body/attend_softmax.hpp"

namespace akv {
namespace {
namespace attention {

// -- where a tile's rows are --

void find_rows(const PoolRows &pool, const std::int32_t *blocks, std::uint32_t block_tokens, std::uint32_t head,
               std::uint64_t first, std::uint32_t count, const unsigned char **rows) {
  std::uint64_t block = first / block_tokens;
  auto at = static_cast<std::uint32_t>(first % block_tokens);
  for (std::uint32_t t = 0; t < count; ++block, at = 0) {
    const unsigned char *row = pool.data + blocks[block] * pool.block_stride + at * pool.token_stride +
                               static_cast<std::int64_t>(head) * pool.head_stride;
    const std::uint32_t end = count - t < block_tokens - at ? count : t + (block_tokens - at);
    for (; t < end; ++t, row += pool.token_stride) rows[t] = row;
  }
}

void find_tile(Tile &tile, const Pass &pass, const AttendPart &part, std::uint64_t first, std::uint32_t count) {
  const std::int32_t *blocks = part.block_table + static_cast<std::int64_t>(pass.sequence) * part.table_stride;
  const auto find = [&](const PoolRows &pool, const unsigned char **rows) {
    find_rows(pool, blocks, part.block_tokens, pass.head, first, count, rows);
  };
  tile.count = count;
  tile.first_in_block = static_cast<std::uint32_t>(first % part.block_tokens);
  find(part.keys.rows, tile.keys);
  find(part.values.rows, tile.values);
  if (part.keys.scales.data != nullptr) find(part.keys.scales, tile.key_scales);
  if (part.values.scales.data != nullptr) find(part.values.scales, tile.value_scales);
  for (std::uint32_t t = count; t < kTile; ++t) {
    tile.keys[t] = tile.keys[count - 1];
    tile.values[t] = kZeroRow;
  }
}

// -- one tile --

struct PartWork {
  const AttendPart *part;
  PartLoops loops;
  RowCode key_code, value_code;
  std::uint32_t key_bytes, value_bytes;
};

const unsigned char *const *decode_rows(DecodedRows &to, const Pass &pass, const Tile &tile, const RowCode &code,
                                        const unsigned char *const *rows, const unsigned char *const *scales,
                                        const Extent &extent) {
  for (std::uint32_t t = 0; t < tile.count; ++t) {
    float *row = pass.decoded + std::uint64_t{t} * extent.elements;
    const std::uint32_t group_token = (tile.first_in_block + t) % code.channel.tokens;
    decode_row(row, rows[t], scales[t], group_token, code);
    to.rows[t] = reinterpret_cast<const unsigned char *>(row);
  }
  return to.rows;
}

// Group by group: each has scales of its own.
void score_channels(Pass &pass, const Tile &tile, const PartWork &work, ScoreWork score_work) {
  const ChannelPlace &where = work.key_code.channel;
  const float *query = reinterpret_cast<const float *>(pass.query);
  const std::uint32_t slots = pass.keys.slots();
  auto *scales = reinterpret_cast<unsigned char *>(pass.channel_scales);
  score_work.query = reinterpret_cast<const unsigned char *>(pass.channel_query);
  for (std::uint32_t first = 0; first < tile.count; first = score_work.end) {
    const std::uint32_t in_group = (tile.first_in_block + first) % where.tokens;
    const std::uint32_t left = where.tokens - in_group;
    score_work.first = first;
    score_work.end = tile.count - first < left ? tile.count : first + left;
    read_channel_scales(scales, tile.key_scales[first] - static_cast<std::int64_t>(in_group) * where.stride,
                        where.stride, where.tokens, where.share);
    float base[kPassRows];
    for (std::uint32_t r = 0; r < pass.rows; ++r)
      base[r] = take_scales(pass.channel_query + r * slots, query + r * slots, scales, pass.keys);
    score(work.loops.scores, score_work, pass.rows);
    for (std::uint32_t r = 0; r < pass.rows; ++r)
      for (std::uint32_t t = first; t < score_work.end; ++t) pass.scores[r * kTileStride + t] += base[r];
  }
}

void score_tile(Pass &pass, const Tile &tile, Coming &coming, const PartWork &work) {
  const std::uint64_t query_stride = std::uint64_t{pass.keys.slots()} * (work.loops.order == Order::kBf16 ? 2 : 4);
  ScoreWork score_work = {tile.keys,  pass.query, query_stride, pass.scores,   0,
                          tile.count, pass.keys,  &coming,      coming.lines()};
  if (work.key_code.format.scaling == AKV_SCALING_CHANNEL && !work.loops.decode_keys)
    return score_channels(pass, tile, work, score_work);
  DecodedRows decoded;
  if (work.loops.decode_keys)
    score_work.keys = decode_rows(decoded, pass, tile, work.key_code, tile.keys, tile.key_scales, pass.keys);
  score(work.loops.scores, score_work, pass.rows);
}

// The scale of each token, where tokens have one, times `factor`; up to the end of the last vector.
void read_token_scales(float *to, const unsigned char *const *scales, bool each, float factor, std::uint32_t count) {
  for (std::uint32_t t = 0; t < count; ++t) to[t] = (each ? element_at<float>(scales[t], 0) : 1.0f) * factor;
  for (std::uint32_t t = count; t % kLanes != 0; ++t) to[t] = 0.0f;
}

void soften_tile(Pass &pass, const Tile &tile, const PartWork &work) {
  const AttendArguments &a = *pass.arguments;
  float key_scales[kTile], value_scales[kTile], inverse[kTile];
  Softening how = {};
  how.factor = pass.key_factor * a.scale * (a.soft_cap == 0.0f ? kLog2E : 1.0f / a.soft_cap);
  how.cap = a.soft_cap * kLog2E;
  how.halves = work.loops.halves;
  if (work.key_code.format.scaling == AKV_SCALING_TOKEN_HEAD) {
    read_token_scales(key_scales, tile.key_scales, true, 1.0f, tile.count);
    for (std::uint32_t t = tile.count; t % kLanes != 0; ++t) key_scales[t] = key_scales[tile.count - 1];
    how.factors = key_scales;
  }
  const bool scaled = work.value_code.format.scaling == AKV_SCALING_TOKEN_HEAD;
  if (scaled || pass.value_factor != 1.0f) {
    read_token_scales(value_scales, tile.value_scales, scaled, pass.value_factor, tile.count);
    how.weighing = value_scales;
    if (work.loops.halves) {
      for (std::uint32_t t = 0; t < kTile; ++t)
        inverse[t] = t < tile.count && value_scales[t] > 1e-30f ? 1.0f / value_scales[t] : 0.0f;
      how.unweighing = inverse;
    }
  }
  for (std::uint32_t r = 0; r < pass.rows; ++r) soften_row(pass, r, tile.count, how);
}

// Values with a scale for each 32 elements.
void add_groups(Pass &pass, const Tile &tile, const PartWork &work, ValueWork value_work) {
  const std::uint32_t groups = (pass.values.elements + kGroup - 1) / kGroup;
  const std::uint32_t padded = (tile.count + kLanes - 1) / kLanes * kLanes;
  read_group_scales(pass.group_scales, tile.value_scales, tile.count, padded, groups);
  value_work.weights = pass.weights;
  for (std::uint32_t group = 0; group < groups; ++group) {
    weigh_group(pass, group, padded);
    value_work.first_chunk = group * (kGroup / kChunk);
    const std::uint32_t end = value_work.first_chunk + kGroup / kChunk;
    value_work.end_chunk = end < pass.values.chunks ? end : pass.values.chunks;
    add_values(work.loops.values, value_work, pass.rows);
  }
  for (std::uint32_t r = 0; r < pass.rows; ++r) pass.base[r] = 0.0f;
}

void add_tile(Pass &pass, const Tile &tile, Coming &coming, const PartWork &work) {
  ValueWork value_work = {tile.values,
                          work.loops.halves ? pass.weights : pass.scores,
                          pass.sums,
                          pass.rescale,
                          pass.base,
                          tile.count,
                          0,
                          pass.values.chunks,
                          pass.values,
                          &coming,
                          coming.lines()};
  if (work.value_code.format.scaling == AKV_SCALING_TOKEN_GROUP && !work.loops.decode_values)
    return add_groups(pass, tile, work, value_work);
  DecodedRows decoded;
  if (work.loops.decode_values)
    value_work.values = decode_rows(decoded, pass, tile, work.value_code, tile.values, tile.value_scales, pass.values);
  add_values(work.loops.values, value_work, pass.rows);
}

// -- a stretch of tiles --

// The share of pass `index` in fetching the next tile. Where heads follow each other inside a token, it is all heads of
// some tokens: what lies together is fetched together.
Coming coming_rows(const PoolRows &pool, const unsigned char *const *rows, std::uint32_t count, std::uint32_t bytes,
                   const Passes &passes, std::uint32_t index) {
  const std::int64_t width = pool.head_stride * (passes.count - 1) + bytes;
  const bool together =
      pool.head_stride > 0 && pool.head_stride <= 2 * std::int64_t{bytes} && width <= pool.token_stride;
  if (!together) return {rows, rows + count, pool.head_stride * index, bytes, 0};
  const std::uint32_t first = count * index / passes.count, end = count * (index + 1) / passes.count;
  return {rows + first, rows + end, 0, static_cast<std::uint32_t>(width), 0};
}

// Tokens of a tile: as many as fit, twice and with all heads, into half of a common second-level cache.
std::uint32_t tile_tokens(const Passes &passes, const PartWork &work) {
  const Pass &pass = *passes.first;
  std::uint32_t most = kTile;
  while (most > 16 && most * passes.count * (work.key_bytes + work.value_bytes) > kTileBytes) most /= 2;
  if (work.loops.decode_keys && decoded_tokens(pass.keys.elements) < most) most = decoded_tokens(pass.keys.elements);
  if (work.loops.decode_values && decoded_tokens(pass.values.elements) < most)
    most = decoded_tokens(pass.values.elements);
  return most;
}

void attend_stretch(const Passes &passes, const PartWork &work, std::uint64_t first, std::uint64_t end) {
  const std::uint32_t most = tile_tokens(passes, work);
  const AttendPart &part = *work.part;
  const auto tokens = [&](std::uint64_t at) { return static_cast<std::uint32_t>(end - at < most ? end - at : most); };
  const auto coming_keys = [&](const Tile &tile, std::uint32_t index) {
    return coming_rows(part.keys.rows, tile.keys, tile.count, work.key_bytes, passes, index);
  };
  const auto coming_values = [&](const Tile &tile, std::uint32_t index) {
    return coming_rows(part.values.rows, tile.values, tile.count, work.value_bytes, passes, index);
  };
  Tile tile, next;
  find_tile(next, *passes.first, part, first, tokens(first));
  for (std::uint32_t i = 0; i < passes.count; ++i) {
    coming_keys(next, i).fetch(~0u);
    coming_values(next, i).fetch(~0u);
  }
  for (; first < end; first += tile.count) {
    tile.count = next.count;
    next.count = 0;
    if (first + tile.count < end) find_tile(next, *passes.first, part, first + tile.count, tokens(first + tile.count));
    for (std::uint32_t i = 0; i < passes.count; ++i) {
      Pass &pass = passes.first[i];
      find_tile(tile, pass, part, first, tile.count);
      Coming keys = coming_keys(next, i), values = coming_values(next, i);
      score_tile(pass, tile, keys, work);
      soften_tile(pass, tile, work);
      add_tile(pass, tile, values, work);
    }
  }
}

}  // namespace attention
}  // namespace
}  // namespace akv
