// walk.hpp: stretches of tokens that lie together in a pool: of slots, of spans and of lists of blocks; and which rows
// of them are one piece of memory. It knows addresses, strides and numbers; not what is done with them.
//
// Rows that lie next to each other on both sides are one piece: heads inside a token, tokens inside a block, and blocks
// whose ids and memory follow each other. So a whole region of neighbouring blocks is one row.
#pragma once

#include "data/kernels/rows.hpp"

namespace akv {
namespace {

struct Dimension {
  std::uint64_t count;
  std::int64_t to_stride;
  std::int64_t from_stride;
};

// A piece of two dimensions of rows, and the bytes of one row.
struct Piece {
  Dimension outer, inner;
  std::uint64_t bytes;
};

// Take a dimension whose rows follow each other into the row itself.
inline bool fold(Dimension &dimension, std::uint64_t &bytes) {
  const auto packed = static_cast<std::int64_t>(bytes);
  if (dimension.count != 1 && (dimension.to_stride != packed || dimension.from_stride != packed)) return false;
  bytes *= dimension.count;
  dimension.count = 1;
  return true;
}

inline Piece make_piece(Dimension tokens, Dimension heads, std::uint64_t bytes) {
  if (fold(heads, bytes)) fold(tokens, bytes);
  else if (fold(tokens, bytes)) fold(heads, bytes);
  return {tokens, heads, bytes};
}

// `what(to, from, bytes)` for each row; false stops.
template <class What>
bool for_each_row(unsigned char *to, const unsigned char *from, const Piece &piece, What what) {
  for (std::uint64_t i = 0; i < piece.outer.count; ++i) {
    const auto outer = static_cast<std::int64_t>(i);
    unsigned char *to_row = to + outer * piece.outer.to_stride;
    const unsigned char *from_row = from + outer * piece.outer.from_stride;
    for (std::uint64_t k = 0; k < piece.inner.count; ++k) {
      if (!what(to_row, from_row, piece.bytes)) return false;
      to_row += piece.inner.to_stride;
      from_row += piece.inner.from_stride;
    }
  }
  return true;
}

// Are blocks whose ids follow each other one stretch of tokens?
inline bool follows(const PoolRows &pool, const RowShape &shape) {
  return pool.block_stride == pool.token_stride * static_cast<std::int64_t>(shape.block_tokens);
}

inline unsigned char *token_of(const PoolRows &pool, std::int64_t block, std::uint64_t token) {
  return pool.data + block * pool.block_stride + static_cast<std::int64_t>(token) * pool.token_stride;
}

// `take(block, token, first, count)`: tokens first .. of the list are `count` that follow each other from this one on,
// over the ends of blocks if those are `joined`. Negative slots are in none.
template <class Take>
void for_each_stretch_of_slots(const std::int64_t *slots, std::uint64_t num_slots, std::uint64_t block_tokens,
                               bool joined, Take take) {
  for (std::uint64_t i = 0; i < num_slots;) {
    if (slots[i] < 0) {
      ++i;
      continue;
    }
    const auto slot = static_cast<std::uint64_t>(slots[i]);
    const std::uint64_t block = slot / block_tokens, token = slot % block_tokens;
    const std::uint64_t left = num_slots - i, most = joined || left < block_tokens - token ? left : block_tokens - token;
    std::uint64_t count = 1;
    while (count < most && slots[i + count] == slots[i + count - 1] + 1) ++count;
    take(static_cast<std::int64_t>(block), token, i, count);
    i += count;
  }
}

// The same for tokens first_token .. of these blocks.
template <class Take>
void for_each_stretch_of_span(const std::int32_t *blocks, std::uint64_t first_token, std::uint64_t num_tokens,
                              std::uint64_t block_tokens, bool joined, Take take) {
  const std::uint64_t end = first_token + num_tokens;
  for (std::uint64_t at = first_token; at < end;) {
    const std::uint64_t first = at / block_tokens;
    std::uint64_t last = first;
    std::uint64_t stop = (first + 1) * block_tokens;
    while (joined && stop < end && blocks[last + 1] == blocks[last] + 1) {
      ++last;
      stop += block_tokens;
    }
    stop = stop < end ? stop : end;
    take(std::int64_t{blocks[first]}, at % block_tokens, at - first_token, stop - at);
    at = stop;
  }
}

// How many copies from `first` on are one piece of memory on both sides. Within one pool they are fewer than lie
// between the two sides: a later one may read what an earlier one has written, and the pieces would overlap.
inline std::uint64_t joined_copies(const BlockArguments &a, std::uint64_t first, bool joined) {
  const BlockCopy &start = a.copies[first];
  const auto whole = [&a](const BlockCopy &copy) { return copy.num_tokens == a.shape.block_tokens; };
  if (!joined || !whole(start)) return 1;
  const bool within = start.from >= 0 && a.from.data == a.to.data;
  const auto apart = static_cast<std::uint64_t>(start.from < start.to ? start.to - start.from : start.from - start.to);
  const std::uint64_t last = within && first + apart < a.num_copies ? first + apart : a.num_copies;
  std::uint64_t end = first + 1;
  for (; end < last; ++end) {
    const BlockCopy &copy = a.copies[end], &before = a.copies[end - 1];
    const bool sources = copy.from < 0 ? before.from < 0 : before.from >= 0 && copy.from == before.from + 1;
    if (!whole(copy) || !sources || copy.to != before.to + 1) break;
  }
  return end - first;
}

// `copy(to, from, piece)` and `zero(to, piece)` for each piece of the list; false stops.
template <class Copy, class Zero>
bool for_each_piece(const BlockArguments &a, Copy copy, Zero zero) {
  const bool to_joined = follows(a.to, a.shape), both_joined = to_joined && follows(a.from, a.shape);
  for (std::uint64_t i = 0; i < a.num_copies;) {
    const BlockCopy &first = a.copies[i];
    const bool zeroes = first.from < 0;
    const std::uint64_t together = joined_copies(a, i, zeroes ? to_joined : both_joined);
    const std::uint64_t tokens = together == 1 ? first.num_tokens : together * a.shape.block_tokens;
    const PoolRows &from = zeroes ? a.to : a.from;
    const Piece piece = make_piece({tokens, a.to.token_stride, from.token_stride},
                                   {a.shape.num_heads, a.to.head_stride, from.head_stride}, a.shape.row_bytes);
    unsigned char *to = token_of(a.to, first.to, first.first_token);
    if (!(zeroes ? zero(to, piece) : copy(to, token_of(a.from, first.from, first.first_token), piece))) return false;
    i += together;
  }
  return true;
}

}  // namespace
}  // namespace akv
