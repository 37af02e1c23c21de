// bytes_checks.cpp: the shadow against the stores: what work brought back, each sequence's K/V, and, when nothing is
// queued, every byte of every store and every count.
// It changes nothing but the shadow.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bytes_test {

void Run::put(std::uint32_t columns, std::int32_t block, std::uint32_t at, std::uint64_t stamp, std::uint64_t whose) {
  shape_.fill(stamp, token(columns, block, at));
  owner(columns, block, at) = whose;
}

std::vector<std::int32_t> Run::blocks_of(akv_sequence sequence) {
  std::vector<std::int32_t> blocks(max_tokens_ + 1);
  std::uint32_t count = 0;
  must(akv_sequence_read_blocks(cache_, sequence, 0, blocks.data(), static_cast<std::uint32_t>(blocks.size()), &count),
       "read_blocks");
  blocks.resize(count);
  return blocks;
}

akv_sequence_info Run::info(akv_sequence sequence) {
  akv_sequence_info now = AKV_SEQUENCE_INFO_INIT;
  must(akv_sequence_read_info(cache_, sequence, &now), "read_info");
  return now;
}

// The blocks that its table names hold its K/V, and nothing of another domain.
void Run::check_sequence(Seq &seq) {
  const akv_sequence_info now = info(seq.handle);
  if (now.length != seq.length() || now.known != seq.known)
    fail("%" PRIx64 " has %u tokens, %u known; not %u and %u", seq.handle, now.length, now.known, seq.length(),
         seq.known);
  if (seq.plan != nullptr || seq.swapped) return;
  if (now.committed != seq.committed)
    fail("%" PRIx64 " has %u committed, not %u", seq.handle, now.committed, seq.committed);
  const auto blocks = blocks_of(seq.handle);
  ByteString want(token_bytes_);
  for (std::uint32_t i = 0; i < seq.written; ++i) {
    shape_.fill(seq.stamps[i], want.data());
    if (std::memcmp(token(AKV_STORE_BLOCKS, blocks[i / block_tokens_], i % block_tokens_), want.data(), token_bytes_) !=
        0)
      fail("the table of %" PRIx64 " names block %d for token %u, which holds something else", seq.handle,
           blocks[i / block_tokens_], i);
  }
  if (scrub_ == AKV_SCRUB_NONE) return;
  for (const std::int32_t block : blocks)
    for (std::uint32_t i = 0; i < block_tokens_; ++i)
      if (const std::uint64_t whose = owner(AKV_STORE_BLOCKS, block, i); whose != 0 && whose != seq.domain + 1)
        fail("block %d of %" PRIx64 " has K/V of another domain in token %u", block, seq.handle, i);
}

// What work brought back that has been done.
void Run::check_pending(std::uint32_t x) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (it->stream != x || (stream(x).queues() && it->point > stream(x).settled())) {
      ++it;
      continue;
    }
    const Byte *got = it->outside != nullptr ? it->outside : it->data.data();
    if (const std::size_t at = first_difference(got, it->want.data(), it->want.size(), it->dtype);
        at != it->want.size())
      fail("%s on stream %u, dtype %u: %02x, not %02x, at byte %zu of %zu", it->what, x, it->dtype, got[at],
           it->want[at], at, it->want.size());
    it = pending_.erase(it);
  }
}

void Run::drain() {
  note("drain");
  if (random_.one_in(2)) flush_all();
  open_and_settle_all();
  if (!pending_.empty()) fail("something is pending when all streams are done");
  check_stores();
  check_pool();
  if (random_.one_in(4)) must(akv_cache_audit_all(cache_), "audit");
}

void Run::check_stores() {
  if (shape_.converts) check_stats(mirror_);
  for (Store &store : stores_) {
    check_stats(store);
    const Columns &columns = columns_[store.columns];
    const std::size_t all = columns.owners.size() / block_tokens_;
    for (const Slice &slice : store.slices) {
      akv_region r{};
      must(akv_store_read_region(store.handle, slice.layer, slice.plane, &r, sizeof r), "read_region");
      const auto same = [&](std::size_t block, std::size_t at) {
        const auto b = static_cast<std::int64_t>(block), t = static_cast<std::int64_t>(at);
        const Byte *want = &columns.bytes[(block * block_tokens_ + at) * token_bytes_];
        const Byte *row = static_cast<const Byte *>(r.data) + b * r.block_stride + t * r.token_stride;
        for (std::uint32_t head = 0; head < slice.heads; ++head)
          if (std::memcmp(row + head * r.head_stride, want + slice.elements_at + std::size_t{head} * slice.dim_bytes,
                          slice.dim_bytes) != 0)
            return false;
        return slice.scale_bytes == 0 ||
               std::memcmp(static_cast<const Byte *>(r.scales) + b * r.scales_block_stride + t * r.scales_token_stride,
                           want + slice.scales_at, slice.scale_bytes) == 0;
      };
      for (std::size_t block = 0; block < all; ++block)
        for (std::size_t at = 0; at < block_tokens_; ++at)
          if (!same(block, at))
            fail("%s %zu, token %zu, layer %u, plane %u holds a wrong byte",
                 store.columns == AKV_STORE_BLOCKS ? "block" : "swap block", block, at, slice.layer, slice.plane);
    }
  }
}

void Run::check_stats(Store &store) {
  akv_copy_stats lines[16];
  std::uint32_t count = 0;
  must(akv_store_read_stats(store.handle, lines, sizeof lines[0], 16, &count), "read_stats");
  std::uint32_t used = 0;
  for (const Moved &line : store.moved) used += line.calls != 0 ? 1 : 0;
  if (count != used) fail("%u kinds of movement are counted, %u were asked for", count, used);
  for (std::uint32_t i = 0; i < count; ++i) {
    const akv_copy_stats &got = lines[i];
    if (got.kind >= kKinds) fail("movement of kind %u", got.kind);
    const Moved &want = store.moved[got.kind];
    if (got.calls != want.calls || got.items != want.items || got.bytes != want.bytes ||
        got.verified_bytes != want.verified)
      fail("movement of kind %u: %" PRIu64 " calls, %" PRIu64 " items, %" PRIu64 " bytes, %" PRIu64
           " verified; planned were %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
           got.kind, got.calls, got.items, got.bytes, got.verified_bytes, want.calls, want.items, want.bytes,
           want.verified);
  }
}

std::uint64_t Run::counted() const {
  std::uint64_t sum = 0;
  for (const Store &store : stores_)
    for (const Moved &line : store.moved) sum += line.bytes;
  return sum;
}

std::string Run::shape_in_words() const {
  return std::to_string(num_blocks_) + " blocks and " + std::to_string(num_swap_blocks_) + " swap blocks of " +
         std::to_string(block_tokens_) + " tokens, scrub " + std::to_string(scrub_) + ", " +
         (buddy_ ? "buddy" : "stack");
}

}  // namespace bytes_test
