// copy_blocks.cpp: whole blocks: zeroed, and copied from one store to another whatever their layouts and shards.
// It knows stores, streams and kernels.
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"
#include "data/plane_piece.hpp"

namespace akv {
namespace {

// How many blocks are made into a list for the kernels at a time.
constexpr std::uint64_t kChunk = 256;

struct BlockWork {
  Stores::Ref from;  // none: zeroes
  Stores::Ref to;
  const std::int32_t *from_blocks = nullptr;
  const std::int32_t *to_blocks = nullptr;
  std::uint32_t num_blocks = 0;
  std::uint32_t kind = 0;
  bool verify = false;
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(num_blocks, part, parts);
    const std::uint32_t past = past_caches(bytes);
    const auto copy = [past](const PlanePiece &piece, const BlockCopy *copies, std::uint64_t count) {
      piece.copy(copies, count, past);
      return true;
    };
    const auto same = [](const PlanePiece &piece, const BlockCopy *copies, std::uint64_t count) {
      return piece.same(copies, count);
    };
    return for_each_chunk(share, copy) && (!verify || for_each_chunk(share, same));
  }
  void finish(bool failed) noexcept {
    to->stats().count_call(kind, num_blocks);
    to->stats().count_bytes(kind, bytes);
    if (verify && !failed) to->stats().count_verified(kind, bytes);
  }

 private:
  // `what(piece, copies, count)` for what the stores have in common; false stops.
  template <class What>
  bool for_each_chunk(const Share &share, What what) noexcept {
    const Store &source = from ? *from : *to;
    const auto block_tokens = static_cast<std::uint16_t>(to->shape().block_tokens);
    BlockCopy copies[kChunk];
    for (std::uint64_t first = share.first; first < share.end; first += kChunk) {
      const std::uint64_t count = std::min(kChunk, share.end - first);
      for (std::uint64_t i = 0; i < count; ++i)
        copies[i] = {from ? from_blocks[first + i] : -1, to_blocks[first + i], 0, block_tokens, 0, 0};
      if (!for_each_common_piece(source, *to, [&](const PlanePiece &piece) { return what(piece, copies, count); }))
        return false;
    }
    return true;
  }
};

Status check_sources(Store &from, const std::int32_t *blocks, std::uint32_t num_blocks, bool inside,
                     std::uint64_t mark) {
  for (std::uint32_t i = 0; i < num_blocks; ++i) {
    Status status = from.check_block(blocks[i], false);
    if (status == AKV_OK && inside && from.marked(blocks[i], mark))
      status = fail(AKV_ERROR_INVALID_ARGUMENT, "block %llu is a source, and is written to in the same call",
                    static_cast<unsigned>(blocks[i]));
    if (status != AKV_OK) {
      name_row(i);
      return status;
    }
  }
  return AKV_OK;
}

Status check_common(const Store &from, const Store &to, std::uint64_t &bytes_per_token) {
  if (!from.shape().same_tokens(to.shape()))
    return fail(AKV_ERROR_OTHER_GEOMETRY,
                "the stores are of other geometries: blocks of %llu and %llu tokens, %llu and %llu layers, %llu and "
                "%llu planes, or their planes differ",
                from.shape().block_tokens, to.shape().block_tokens, from.shape().geometry.group.num_layers,
                to.shape().geometry.group.num_layers, from.num_planes(), to.num_planes());
  for_each_common_piece(from, to, [&bytes_per_token](const PlanePiece &piece) {
    bytes_per_token += piece.bytes_per_token();
    return true;
  });
  if (bytes_per_token != 0) return AKV_OK;
  return fail(AKV_ERROR_OTHER_GEOMETRY, "no layer or no head is in both stores: %llu and %llu of %llu layers",
              from.num_layers(), to.num_layers(), to.shape().geometry.group.num_layers);
}

}  // namespace

Status check_targets(Store &store, const std::int32_t *blocks, std::uint32_t num_blocks, bool null_block,
                     std::uint64_t mark) noexcept {
  for (std::uint32_t i = 0; i < num_blocks; ++i) {
    Status status = store.check_block(blocks[i], !null_block);
    if (status == AKV_OK && !store.mark(blocks[i], mark))
      status = fail(AKV_ERROR_INVALID_ARGUMENT, "block %llu is written to twice", static_cast<unsigned>(blocks[i]));
    if (status != AKV_OK) {
      name_row(i);
      return status;
    }
  }
  return AKV_OK;
}

Status copy_zero(Stores::Ref store, const std::int32_t *blocks, std::uint32_t num_blocks, Stream *stream) noexcept {
  AKV_TRY(check_targets(*store, blocks, num_blocks, true, store->next_mark()));
  const std::uint64_t bytes = num_blocks * store->layout().bytes_per_block();
  Submission<BlockWork> work(stream, kept_bytes<std::int32_t>(num_blocks));
  AKV_TRY(work.status());
  work->to = std::move(store);
  work->to_blocks = work.keep(blocks, num_blocks);
  work->num_blocks = num_blocks;
  work->kind = AKV_MOVED_ZERO;
  work->bytes = bytes;
  work.submit(parts_for(stream, bytes));
  return AKV_OK;
}

Status copy_blocks(Stores::Ref from, const std::int32_t *from_blocks, Stores::Ref to, const std::int32_t *to_blocks,
                   std::uint32_t num_blocks, bool verify, Stream *stream) noexcept {
  std::uint64_t bytes_per_token = 0;
  AKV_TRY(check_common(*from, *to, bytes_per_token));
  const std::uint64_t mark = to->next_mark();
  AKV_TRY(check_targets(*to, to_blocks, num_blocks, false, mark));
  AKV_TRY(check_sources(*from, from_blocks, num_blocks, &*from == &*to, mark));
  const std::uint64_t bytes = bytes_per_token * to->shape().block_tokens * num_blocks;
  Submission<BlockWork> work(stream, 2 * kept_bytes<std::int32_t>(num_blocks));
  AKV_TRY(work.status());
  work->from = std::move(from);
  work->to = std::move(to);
  work->from_blocks = work.keep(from_blocks, num_blocks);
  work->to_blocks = work.keep(to_blocks, num_blocks);
  work->num_blocks = num_blocks;
  work->kind = AKV_MOVED_BLOCKS;
  work->verify = verify;
  work->bytes = bytes;
  work.submit(parts_for(stream, bytes));
  if (!work.failed()) return AKV_OK;
  return fail(AKV_ERROR_VERIFY_FAILED, "a copy of %llu blocks differs from its source: something else writes there",
              num_blocks);
}

}  // namespace akv
