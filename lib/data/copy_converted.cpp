// copy_converted.cpp: whole blocks from one store to another that keeps its K/V as something else.
// It knows stores and streams.
#include "data/converted_blocks.hpp"
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"

namespace akv {
namespace {

constexpr std::uint64_t kChunk = 256;  // blocks that are made into a list for the kernels at a time

struct ConvertedWork {
  BlockSide from, to;
  std::uint32_t num_blocks = 0;
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(num_blocks, part, parts);
    const auto block_tokens = static_cast<std::uint16_t>(to.store->shape().block_tokens);
    BlockCopy copies[kChunk];
    for (std::uint64_t first = share.first; first < share.end; first += kChunk) {
      const std::uint64_t count = std::min(kChunk, share.end - first);
      for (std::uint64_t i = 0; i < count; ++i)
        copies[i] = {from.blocks[first + i], to.blocks[first + i], 0, block_tokens, 0, 0};
      convert_blocks({*from.store, from.scales}, {*to.store, to.scales}, copies, count, past_caches(bytes));
    }
    return true;
  }
  void finish(bool) noexcept {
    to.store->stats().count_call(AKV_MOVED_CONVERTED, num_blocks);
    to.store->stats().count_bytes(AKV_MOVED_CONVERTED, bytes);
  }
};

}  // namespace

Status copy_converted(BlockSide from, BlockSide to, std::uint32_t num_blocks, Stream *stream) noexcept {
  if (&*from.store == &*to.store)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "one store is on both sides: there is nothing to convert");
  std::uint64_t bytes_per_token = 0;
  AKV_TRY(check_convertible(*from.store, *to.store, bytes_per_token));
  AKV_TRY(check_targets(*to.store, to.blocks, num_blocks, false, to.store->next_mark()));
  for (std::uint32_t i = 0; i < num_blocks; ++i)
    if (const Status status = from.store->check_block(from.blocks[i], false); status != AKV_OK) {
      name_row(i);
      return status;
    }
  const std::uint64_t bytes = bytes_per_token * to.store->shape().block_tokens * num_blocks;
  Submission<ConvertedWork> work(stream, 2 * kept_bytes<std::int32_t>(num_blocks));
  AKV_TRY(work.status());
  from.blocks = work.keep(from.blocks, num_blocks);
  to.blocks = work.keep(to.blocks, num_blocks);
  work->from = std::move(from);
  work->to = std::move(to);
  work->num_blocks = num_blocks;
  work->bytes = bytes;
  work.submit(parts_for(stream, bytes));
  return AKV_OK;
}

}  // namespace akv
