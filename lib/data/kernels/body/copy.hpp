// copy.hpp: rows moved as they are: between slots, spans and blocks.
// It knows addresses, strides and numbers; a row is moved by move.hpp, or move_plain.hpp.
#pragma once

#include "data/kernels/body/walk.hpp"
#include "data/kernels/rows.hpp"

namespace akv {
namespace {

// Pieces, one after the other: each is moved when it is known where the next begins, which is fetched meanwhile.
template <bool kStreamed>
class Moves {
 public:
  void add(unsigned char *to, const unsigned char *from, const Piece &piece) noexcept {
    if (from_ != nullptr) move(from);
    to_ = to;
    from_ = from;
    piece_ = piece;
  }
  // Move what has been added, so that something else may be done after it.
  void finish() noexcept {
    if (from_ != nullptr) move(from_);
    from_ = nullptr;
  }

 private:
  // Small rows of this piece fetch those of the next that are where they are themselves.
  void move(const unsigned char *next) noexcept {
    for_each_row(to_, from_, piece_, [&](unsigned char *to, const unsigned char *from, std::uint64_t bytes) {
      move_row<kStreamed>(to, from, bytes, next + (from - from_));
      return true;
    });
  }

  unsigned char *to_ = nullptr;
  const unsigned char *from_ = nullptr;
  Piece piece_ = {};
};

// `launch` with moves that go past the caches, or through them.
template <class Launch>
void with_moves(std::uint32_t past_caches, Launch launch) noexcept {
  if (past_caches == 0) {
    Moves<false> moves;
    launch(moves);
    moves.finish();
  } else {
    Moves<true> moves;
    launch(moves);
    moves.finish();
    end_streaming();
  }
}

// A stretch of tokens in the pool, and the caller's tokens.
template <bool kToPool, class Moves>
void add_stretch(Moves &moves, const PoolRows &pool, const TokenRows &tokens, const RowShape &shape,
                 unsigned char *in_pool, std::uint64_t first, std::uint64_t count) noexcept {
  unsigned char *outside = tokens.data + static_cast<std::int64_t>(first) * tokens.token_stride;
  const auto dimension = [](std::uint64_t number, std::int64_t pool_stride, std::int64_t outside_stride) {
    return kToPool ? Dimension{number, pool_stride, outside_stride} : Dimension{number, outside_stride, pool_stride};
  };
  const Piece piece = make_piece(dimension(count, pool.token_stride, tokens.token_stride),
                                 dimension(shape.num_heads, pool.head_stride, tokens.head_stride), shape.row_bytes);
  if (kToPool) moves.add(in_pool, outside, piece);
  else moves.add(outside, in_pool, piece);
}

template <bool kToPool>
void move_slots(const SlotArguments &a) noexcept {
  with_moves(a.past_caches, [&a](auto &moves) {
    for_each_stretch_of_slots(
        a.slots, a.num_tokens, a.shape.block_tokens, follows(a.pool, a.shape),
        [&](std::int64_t block, std::uint64_t token, std::uint64_t first, std::uint64_t count) {
          add_stretch<kToPool>(moves, a.pool, a.tokens, a.shape, token_of(a.pool, block, token), first, count);
        });
  });
}

template <bool kToPool>
void move_span(const SpanArguments &a) noexcept {
  with_moves(a.past_caches, [&a](auto &moves) {
    for_each_stretch_of_span(
        a.blocks, a.first_token, a.num_tokens, a.shape.block_tokens, follows(a.pool, a.shape),
        [&](std::int64_t block, std::uint64_t token, std::uint64_t first, std::uint64_t count) {
          add_stretch<kToPool>(moves, a.pool, a.tokens, a.shape, token_of(a.pool, block, token), first, count);
        });
  });
}

template <bool kStreamed>
void zero_piece(unsigned char *to, const Piece &piece) noexcept {
  for_each_row(to, to, piece, [](unsigned char *row, const unsigned char *, std::uint64_t bytes) {
    zero_row<kStreamed>(row, bytes);
    return true;
  });
}

void copy_blocks(const BlockArguments &a) noexcept {
  with_moves(a.past_caches, [&a]<bool kStreamed>(Moves<kStreamed> &moves) {
    for_each_piece(
        a,
        [&moves](unsigned char *to, const unsigned char *from, const Piece &piece) {
          moves.add(to, from, piece);
          return true;
        },
        [&moves](unsigned char *to, const Piece &piece) {
          moves.finish();  // what comes before it may read from there
          zero_piece<kStreamed>(to, piece);
          return true;
        });
  });
}

bool same_blocks(const BlockArguments &a) noexcept {
  return for_each_piece(
      a,
      [](unsigned char *to, const unsigned char *from, const Piece &piece) {
        return for_each_row(to, from, piece, [](unsigned char *t, const unsigned char *f, std::uint64_t bytes) {
          return __builtin_memcmp(t, f, bytes) == 0;
        });
      },
      [](unsigned char *, const Piece &) { return true; });  // another copy may have filled it since
}

constexpr CopyKernels kCopyKernels = {&move_slots<true>, &move_slots<false>, &move_span<false>,
                                      &move_span<true>,  &copy_blocks,       &same_blocks};

}  // namespace
}  // namespace akv
