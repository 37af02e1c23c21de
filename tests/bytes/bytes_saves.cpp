// bytes_saves.cpp: blocks of a sequence, leased and copied to swap blocks of the test's own, read there, and brought
// back into another sequence: stores of any layouts and shards on both sides. It knows stores, leases and streams.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace bytes_test {

// Every pair of stores that have something in common.
void Run::copy_between(std::uint32_t from, const std::vector<std::int32_t> &from_blocks, std::uint32_t to,
                       const std::vector<std::int32_t> &to_blocks, std::uint32_t x) {
  const auto count = static_cast<std::uint32_t>(from_blocks.size());
  for (Store &source : stores_)
    for (Store &target : stores_) {
      if (source.columns != from || target.columns != to) continue;
      const std::size_t common = common_bytes(source.slices, target.slices);
      if (common == 0) continue;
      const std::uint64_t bytes = std::uint64_t{count} * block_tokens_ * common;
      // Between stores of one format, under the same scales (all of them 1), what is converted stays as it is.
      if (shape_.converts && random_.one_in(3)) {
        must(retry([&] {
               return akv_copy_converted(source.handle, from_blocks.data(), nullptr, target.handle, to_blocks.data(),
                                         nullptr, count, stream(x).handle());
             }),
             "copy_converted");
        moved(target, AKV_MOVED_CONVERTED, count, bytes);
        continue;
      }
      const std::uint32_t flags = random_.one_in(3) ? AKV_BLOCKS_VERIFY : 0u;
      must(retry([&] {
             return akv_copy_blocks(source.handle, from_blocks.data(), target.handle, to_blocks.data(), count, flags,
                                    stream(x).handle());
           }),
           "copy_blocks");
      moved(target, AKV_MOVED_BLOCKS, count, bytes, flags != 0 ? bytes : 0);
    }
  for (std::size_t i = 0; i < from_blocks.size(); ++i) note("  block %d to %d", from_blocks[i], to_blocks[i]);
  for (std::size_t i = 0; i < from_blocks.size(); ++i)
    for (std::uint32_t at = 0; at < block_tokens_; ++at) {
      std::memcpy(token(to, to_blocks[i], at), token(from, from_blocks[i], at), token_bytes_);
      owner(to, to_blocks[i], at) = owner(from, from_blocks[i], at);
    }
}

void Run::save() {
  Seq *seq = some_seq();
  if (seq == nullptr || num_swap_blocks_ == 0 || seq->committed < block_tokens_) return;
  // Whole blocks: what lies behind in the last one may still be written by others.
  const std::uint32_t tokens = random_.between(1, seq->committed / block_tokens_) * block_tokens_;
  Save save;
  akv_ticket wait = 0;
  akv_status status = akv_lease_acquire(cache_, seq->handle, tokens, 0, &save.lease, &wait);
  note("lease %u of %" PRIx64 ": %s", tokens, seq->handle, akv_status_name(status));
  if (status == AKV_ERROR_NO_HOLDS) return;
  must(status, "lease_acquire");
  std::vector<std::int32_t> leased(num_blocks_);
  std::uint32_t count = 0;
  must(akv_lease_read_blocks(cache_, save.lease, leased.data(), num_blocks_, &count), "lease_read_blocks");
  leased.resize(count);
  save.blocks.resize(count);
  status = akv_swap_acquire(cache_, count, save.blocks.data());
  if (status == AKV_ERROR_NO_SWAP_BLOCKS) return must(akv_lease_release(cache_, save.lease), "lease_release");
  must(status, "swap_acquire");
  const std::uint32_t x = some_stream();
  follow_ticket(x, wait);  // the lease covers the rest: no ticket
  note("save %u blocks on stream %u", count, x);
  copy_between(AKV_STORE_BLOCKS, leased, AKV_STORE_SWAP_BLOCKS, save.blocks, x);
  save.tokens.assign(seq->tokens.begin(), seq->tokens.begin() + tokens);
  save.stamps.assign(seq->stamps.begin(), seq->stamps.begin() + tokens);
  save.domain = seq->domain;
  save.root = seq->root;
  save.last[x] = stream(x).record();
  saves_.push_back(std::move(save));
  if (!stream(x).queues()) end_leases();
}

// Leases of copies that are done.
void Run::end_leases() {
  for (Save &save : saves_) {
    bool done = save.lease != 0;
    for (std::uint32_t y = 0; y < num_streams_; ++y)
      if (stream(y).queues() && save.last[y] > stream(y).settled()) done = false;
    if (!done) continue;
    must(akv_lease_release(cache_, save.lease), "lease_release");
    save.lease = 0;
  }
}

void Run::check_save() {
  if (saves_.empty()) return;
  Save &save = saves_.back();
  const std::uint32_t x = some_stream();
  order_points(x, save.last);
  const auto tokens = static_cast<std::uint32_t>(save.stamps.size());
  const std::uint32_t first = random_.below(tokens);
  note("read %u tokens of a save on stream %u", tokens - first, x);
  gather_blocks(AKV_STORE_SWAP_BLOCKS, x, save.blocks, save.stamps, first, tokens - first, "gather of swap blocks");
  save.last[x] = stream(x).record();
}

// A new sequence with the same tokens, whose K/V are not computed but brought back.
void Run::load_save() {
  if (saves_.empty()) return;
  Save &save = saves_.front();
  if (save.root != root_of(save.domain)) return;  // K/V of old weights
  for (const std::int32_t token : save.tokens)
    if (token == AKV_TOKEN_UNKNOWN) return;
  Seq *seq = create_from(save.tokens, save.domain, AKV_SEQUENCE_NO_MATCH, 0);
  if (seq == nullptr) return;
  if (seq->plan != nullptr) complete(*seq->plan);
  const std::uint32_t x = some_stream();
  order(x, *seq);
  order_points(x, save.last);
  cover(x);
  auto blocks = blocks_of(seq->handle);
  blocks.resize(save.blocks.size());
  note("load %zu blocks into %" PRIx64 " on stream %u", blocks.size(), seq->handle, x);
  copy_between(AKV_STORE_SWAP_BLOCKS, save.blocks, AKV_STORE_BLOCKS, blocks, x);
  seq->written = seq->length();
  seq->last[x] = save.last[x] = stream(x).record();
  commit_now(*seq, seq->written);
}

void Run::drop_save() {
  if (saves_.empty()) return;
  Save &save = saves_.front();
  note("drop a save of %zu blocks", save.blocks.size());
  for (std::uint32_t y = 0; y < num_streams_; ++y)
    if (stream(y).queues() && save.last[y] > stream(y).settled()) {
      open_and_settle_all();
      break;
    }
  end_leases();
  must(akv_swap_release(cache_, save.blocks.data(), static_cast<std::uint32_t>(save.blocks.size())), "swap_release");
  saves_.pop_front();
}

}  // namespace bytes_test
