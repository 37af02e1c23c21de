// formats.hpp: tokens and blocks between what a pool keeps and numbers, or what another pool keeps: the table.
// It knows addresses, strides and numbers.
#pragma once

#include "data/kernels/body/stretch.hpp"
#include "data/kernels/body/requantize.hpp"

namespace akv {
namespace {

template <bool kToPool>
void convert_slots(const ConvertSlotArguments &a) noexcept {
  const StretchFunction move = stretch_function<kToPool>(a.pool.format, a.tokens.dtype);
  const bool stream = kToPool ? streams(a.shape, a.pool.rows) : streams(a.shape, a.tokens.rows);
  const std::uint64_t block_tokens = a.shape.block_tokens;
  for (std::uint64_t i = 0; i < a.num_tokens;) {
    if (a.slots[i] < 0) {
      ++i;
      continue;
    }
    const auto slot = static_cast<std::uint64_t>(a.slots[i]);
    const std::uint64_t first = slot % block_tokens;
    std::uint64_t most = block_tokens - first, count = 1;
    if (most > a.num_tokens - i) most = a.num_tokens - i;
    while (count < most && a.slots[i + count] == a.slots[i] + static_cast<std::int64_t>(count)) ++count;
    Stretch s = stretch_of(a.pool, a.shape, static_cast<std::int64_t>(slot / block_tokens),
                           static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count));
    s.token_stride = a.tokens.rows.token_stride;
    s.head_stride = a.tokens.rows.head_stride;
    s.elements = a.tokens.rows.data + static_cast<std::int64_t>(i) * s.token_stride;
    s.stream = stream;
    move(s);
    i += count;
  }
  if (stream) end_streaming();
}

template <bool kToPool>
void convert_span(const ConvertSpanArguments &a) noexcept {
  const StretchFunction move = stretch_function<kToPool>(a.pool.format, a.tokens.dtype);
  const bool stream = kToPool ? streams(a.shape, a.pool.rows) : streams(a.shape, a.tokens.rows);
  const std::uint64_t block_tokens = a.shape.block_tokens, end = a.first_token + a.num_tokens;
  for (std::uint64_t at = a.first_token; at < end;) {
    const std::uint64_t first = at % block_tokens, room = block_tokens - first, left = end - at;
    const std::uint64_t count = left < room ? left : room;
    Stretch s = stretch_of(a.pool, a.shape, a.blocks[at / block_tokens], static_cast<std::uint32_t>(first),
                           static_cast<std::uint32_t>(count));
    s.token_stride = a.tokens.rows.token_stride;
    s.head_stride = a.tokens.rows.head_stride;
    s.elements = a.tokens.rows.data + static_cast<std::int64_t>(at - a.first_token) * s.token_stride;
    s.stream = stream;
    move(s);
    at += count;
  }
  if (stream) end_streaming();
}

// One side has numbers, and stands for the caller's tokens.
template <bool kToPool>
void convert_with_numbers(const ConvertBlockArguments &a) noexcept {
  const PoolElements &pool = kToPool ? a.to : a.from, &numbers = kToPool ? a.from : a.to;
  const StretchFunction move = stretch_function<kToPool>(pool.format, numbers.format.dtype);
  const bool stream = streams(a.shape, a.to.rows);
  for (std::uint64_t i = 0; i < a.num_copies; ++i) {
    const BlockCopy &copy = a.copies[i];
    Stretch s = stretch_of(pool, a.shape, kToPool ? copy.to : copy.from, copy.first_token, copy.num_tokens);
    s.token_stride = numbers.rows.token_stride;
    s.head_stride = numbers.rows.head_stride;
    s.elements = numbers.rows.data + std::int64_t{kToPool ? copy.from : copy.to} * numbers.rows.block_stride +
                 std::int64_t{copy.first_token} * s.token_stride;
    s.stream = stream;
    move(s);
  }
  if (stream) end_streaming();
}

void convert_blocks(const ConvertBlockArguments &a) noexcept {
  if (is_number(a.from.format.dtype)) convert_with_numbers<true>(a);
  else if (is_number(a.to.format.dtype)) convert_with_numbers<false>(a);
  else requantize_blocks(a);
}

constexpr FormatKernels kFormatKernels = {&convert_slots<true>, &convert_slots<false>, &convert_span<false>,
                                          &convert_span<true>, &convert_blocks};

}  // namespace
}  // namespace akv
