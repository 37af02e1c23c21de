// bytes_arenas.cpp: tensors in arenas, as what K/V are gathered into and scattered from; and arenas that are dropped
// while that work is queued: until its ticket is retired their pages keep their bytes.
// It knows page pools, stores and streams.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace bytes_test {

void Run::make_pool() {
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 256 * random_.between(4, 16);
  config.num_pages = random_.between(2, 10);
  config.max_arenas = random_.between(2, 6);
  config.max_open_tickets = 16;
  must(akv_page_pool_create(&config, &pool_), "page_pool_create");
  page_bytes_ = config.page_bytes;
}

// As cover(), for the pool's own tickets.
void Run::cover_pages(std::uint32_t x) {
  if (!stream(x).queues() || page_current_[x] != 0) return;
  akv_ticket ticket = 0;
  must(retry([&] { return akv_page_pool_ticket_open(pool_, &ticket); }), "page_pool_ticket_open");
  page_current_[x] = ticket;
}

// Tickets whose work has been done; behind check_pending(), which looks into pages.
void Run::retire_pages(std::uint32_t x) {
  for (auto it = page_recorded_.begin(); it != page_recorded_.end();) {
    if (it->second.stream != x || it->second.point > stream(x).settled()) {
      ++it;
      continue;
    }
    must(akv_page_pool_ticket_retire(pool_, it->first), "page_pool_ticket_retire");
    it = page_recorded_.erase(it);
  }
}

// Room for so many bytes in a tensor of some arena; NULL: there is none.
Byte *Run::some_tensor(std::size_t bytes) {
  if (arenas_.empty() || random_.one_in(4)) {
    akv_arena arena = 0;
    const akv_status status = akv_arena_create(pool_, random_.below(3), &arena);
    if (status == AKV_OK) arenas_.push_back(arena);
    else expect(status, AKV_ERROR_NO_ARENAS, "arena_create");
  }
  if (arenas_.empty()) return nullptr;
  const akv_arena arena = arenas_[random_.below(static_cast<std::uint32_t>(arenas_.size()))];
  akv_tensor tensor = 0;
  const akv_status status = akv_tensor_create(pool_, arena, bytes + random_.below(300), &tensor, nullptr);
  if (status == AKV_ERROR_NO_PAGES || status == AKV_ERROR_NO_TENSORS || status == AKV_ERROR_NO_CAPACITY) return nullptr;
  must(status, "tensor_create");
  must(akv_tensor_extend(pool_, tensor, bytes, nullptr), "tensor_extend");
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  must(akv_tensor_read_view(pool_, tensor, &view), "tensor_read_view");
  if (view.bytes != bytes) fail("a tensor has %" PRIu64 " bytes, not %zu", view.bytes, bytes);
  return static_cast<Byte *>(view.data);
}

// Gather into a tensor, or write K/V out of one.
void Run::use_tensor() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  std::vector<Store *> blocks;
  for (Store &store : stores_)
    if (store.columns == AKV_STORE_BLOCKS) blocks.push_back(&store);
  const bool write = blocks.size() == 1 && seq->written < seq->length() && random_.one_in(2);
  if (!write && seq->written == 0) return;
  Store &store = *blocks[random_.below(static_cast<std::uint32_t>(blocks.size()))];
  const std::uint32_t first = write ? seq->written : random_.below(seq->written);
  const auto most = static_cast<std::uint32_t>(page_bytes_ / store.token_bytes);
  const std::uint32_t count = std::min((write ? seq->length() : seq->written) - first, most);
  if (count == 0) return;
  const std::uint32_t x = some_stream();
  order(x, *seq);
  cover(x);
  cover_pages(x);
  ByteString bytes = packed(store.slices, &seq->stamps[first], count);
  Byte *data = some_tensor(bytes.size());
  if (data == nullptr) return;
  note("%s %u tokens of %" PRIx64 " at %u and a tensor on stream %u", write ? "scatter" : "gather", count, seq->handle,
       first, x);
  const auto all = blocks_of(seq->handle);
  akv_span span{};
  span.blocks = all.data();
  span.num_blocks = static_cast<std::uint32_t>(all.size());
  span.first_token = first;
  span.num_tokens = count;
  span.first_layer = store.layers[0];
  span.data = data;
  span.bytes = bytes.size();
  if (write) std::memcpy(data, bytes.data(), bytes.size());  // what was computed there
  must(retry([&] {
         return (write ? akv_copy_scatter : akv_copy_gather)(store.handle, &span, 1, sizeof span, stream(x).handle());
       }),
       "a tensor and a store");
  moved(store, write ? AKV_MOVED_SCATTER : AKV_MOVED_GATHER, 1, bytes.size());
  if (write) {
    for (std::uint32_t i = first; i < first + count; ++i)
      put(AKV_STORE_BLOCKS, all[i / block_tokens_], i % block_tokens_, seq->stamps[i], seq->domain + 1);
    seq->written += count;
  }
  pending_.push_back({x, stream(x).record(), {}, std::move(bytes), data, 0, "a tensor's bytes"});
  if (!stream(x).queues()) check_pending(x);
  seq->last[x] = stream(x).record();
}

void Run::drop_arena() {
  if (arenas_.empty()) return;
  const auto arena = arenas_.begin() + random_.below(static_cast<std::uint32_t>(arenas_.size()));
  note("drop arena %" PRIx64, *arena);
  must(akv_arena_drop(pool_, *arena), "arena_drop");
  arenas_.erase(arena);
}

// When nothing is queued, every page that no arena has is free.
void Run::check_pool() {
  akv_page_pool_state state = AKV_PAGE_POOL_STATE_INIT;
  must(akv_page_pool_read_state(pool_, &state), "page_pool_read_state");
  if (state.arenas != arenas_.size()) fail("%u arenas are live, not %zu", state.arenas, arenas_.size());
  if (state.open_tickets == 0 && state.quarantined_pages != 0)
    fail("%u pages wait for nothing", state.quarantined_pages);
}

}  // namespace bytes_test
