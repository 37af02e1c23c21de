// bytes_moves.cpp: K/V written and read as an engine does: through slots or packed, on any stream, into every shard.
// It knows stores and streams; of the cache no more than tables.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace bytes_test {
namespace {

constexpr Byte kUntouched = 0xee;

}  // namespace

void Run::moved(Store &store, std::uint32_t kind, std::uint64_t items, std::uint64_t bytes, std::uint64_t verified) {
  Moved &line = store.moved[kind];
  ++line.calls;
  line.items += items;
  line.bytes += bytes;
  line.verified += verified;
}

void Run::pend(std::uint32_t x, ByteString data, ByteString want, const char *what, std::uint32_t dtype) {
  pending_.push_back({x, stream(x).record(), std::move(data), std::move(want), nullptr, dtype, what});
  if (!stream(x).queues()) check_pending(x);
}

std::vector<std::int64_t> Run::slots(Seq &seq, std::uint32_t first, std::uint32_t count) {
  std::vector<std::int64_t> slots(count);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &seq.handle;
  batch.num_tokens = &count;
  batch.first = &first;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slots.data();
  tables.slot_capacity = count;
  must(akv_sequence_read_tables(cache_, &batch, &tables), "read_tables");
  return slots;
}

ByteString Run::packed(const std::vector<Slice> &slices, const std::uint64_t *stamps, std::uint32_t count,
                       std::uint32_t dtype) {
  if (dtype != 0) {
    ByteString tokens(token_bytes_ * count);
    std::vector<const Byte *> each;
    for (std::uint32_t i = 0; i < count; ++i) {
      each.push_back(tokens.data() + i * token_bytes_);
      shape_.fill(stamps[i], tokens.data() + i * token_bytes_);
    }
    return numbers_of(shape_, slices, each, dtype);
  }
  ByteString all, token(token_bytes_);
  std::size_t bytes = 0;
  for (const Slice &slice : slices) bytes += slice.bytes() * count;
  all.resize(bytes);
  for (std::uint32_t i = 0; i < count; ++i) {
    shape_.fill(stamps[i], token.data());
    Byte *at = all.data();
    for (const Slice &slice : slices) {
      std::memcpy(at + i * slice.row_bytes(), &token[slice.elements_at], slice.row_bytes());
      at += count * slice.row_bytes();
      if (slice.scale_bytes == 0) continue;
      std::memcpy(at + std::size_t{i} * slice.scale_bytes, &token[slice.scales_at], slice.scale_bytes);
      at += std::size_t{count} * slice.scale_bytes;
    }
  }
  return all;
}

void Run::write() {
  Seq *seq = some_seq();
  if (seq == nullptr || seq->written == seq->length()) return;
  const std::uint32_t x = some_stream(), first = seq->written;
  const std::uint32_t count = random_.between(1, std::min(seq->length() - first, 2 * block_tokens_ + 2));
  order(x, *seq);
  cover(x);
  note("write %u .. %u of %" PRIx64 " on stream %u", first, first + count - 1, seq->handle, x);
  if (random_.one_in(3)) scatter(*seq, x, first, count);
  else write_tokens(*seq, x, first, count);
  const auto blocks = blocks_of(seq->handle);
  for (std::uint32_t i = first; i < first + count; ++i)
    put(AKV_STORE_BLOCKS, blocks[i / block_tokens_], i % block_tokens_, seq->stamps[i], seq->domain + 1);
  seq->written += count;
  seq->last[x] = stream(x).record();
  if (random_.one_in(2)) commit_now(*seq, seq->written);
}

// One call for each layer of each store, with padding among the slots and the planes in strided rows.
void Run::write_tokens(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count) {
  std::vector<std::int64_t> all = slots(seq, first, count);
  std::vector<std::uint64_t> stamps(seq.stamps.begin() + first, seq.stamps.begin() + first + count);
  if (random_.one_in(3)) {
    const auto at = static_cast<std::ptrdiff_t>(random_.below(count + 1));
    all.insert(all.begin() + at, AKV_PAD_SLOT);
    stamps.insert(stamps.begin() + at, 0);
  }
  const auto rows = static_cast<std::uint32_t>(all.size());
  for (Store &store : stores_) {
    if (store.columns != AKV_STORE_BLOCKS) continue;
    for (std::size_t at = 0; at < store.slices.size(); at += shape_.planes.size()) {
      std::vector<akv_token_data> planes;
      std::vector<ByteString> data;
      std::uint64_t bytes = 0;
      for (std::size_t i = at; i < at + shape_.planes.size(); ++i) {
        const Slice &slice = store.slices[i];
        const std::uint32_t dtype = some_dtype(stamps.data(), rows, true);
        data.push_back(packed({slice}, stamps.data(), rows, dtype));
        akv_token_data plane{data.back().data(), 0, 0, nullptr, 0, slice.plane, dtype};
        if (dtype != 0) plane.scales = token_scales(store, slice);
        else if (slice.scale_bytes != 0) plane.scales = data.back().data() + rows * slice.row_bytes();
        planes.push_back(plane);
        bytes += slice.bytes() * count;
      }
      std::reverse(planes.begin(), planes.end());
      must(retry([&] {
             return akv_copy_write_tokens(store.handle, store.slices[at].layer, all.data(), rows, planes.data(),
                                          static_cast<std::uint32_t>(planes.size()), sizeof planes[0],
                                          stream(x).handle());
           }),
           "write_tokens");
      moved(store, AKV_MOVED_WRITE, count, bytes);
      for (ByteString &each : data) pend(x, std::move(each), {}, "write_tokens");
    }
  }
}

void Run::scatter(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count) {
  const auto blocks = blocks_of(seq.handle);
  for (Store &store : stores_) {
    if (store.columns != AKV_STORE_BLOCKS) continue;
    const std::uint32_t border = random_.below(count + 1);
    ByteString data[2];
    akv_span spans[2] = {};
    for (int i : {0, 1}) {
      const std::uint64_t *stamps = seq.stamps.data() + first + (i == 0 ? 0 : border);
      const std::uint32_t tokens = i == 0 ? border : count - border;
      spans[i].dtype = some_dtype(stamps, tokens, true);
      spans[i].head_scales = store.head_scales.data();
      data[i] = packed(store.slices, stamps, tokens, spans[i].dtype);
      spans[i].blocks = blocks.data();
      spans[i].num_blocks = static_cast<std::uint32_t>(blocks.size());
      spans[i].first_token = first + (i == 0 ? 0 : border);
      spans[i].num_tokens = tokens;
      spans[i].first_layer = store.layers[0];
      spans[i].data = data[i].data();
      spans[i].bytes = data[i].size();
    }
    must(retry([&] { return akv_copy_scatter(store.handle, spans, 2, sizeof spans[0], stream(x).handle()); }),
         "scatter");
    moved(store, AKV_MOVED_SCATTER, 2, std::uint64_t{count} * store.token_bytes);
    for (ByteString &each : data) pend(x, std::move(each), {}, "scatter");
  }
}

void Run::read() {
  Seq *seq = some_seq();
  if (seq == nullptr || seq->written == 0) return;
  const std::uint32_t x = some_stream(), first = random_.below(seq->written);
  const std::uint32_t count = random_.between(1, seq->written - first);
  order(x, *seq);
  cover(x);
  note("read %u .. %u of %" PRIx64 " on stream %u", first, first + count - 1, seq->handle, x);
  if (random_.one_in(3)) read_tokens(*seq, x, first, count);
  else gather(*seq, x, first, count);
  seq->last[x] = stream(x).record();
}

// One layer of one store, some tokens left out.
void Run::read_tokens(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count) {
  Store &store = *std::next(stores_.begin(), random_.below(static_cast<std::uint32_t>(stores_.size())));
  if (store.columns != AKV_STORE_BLOCKS) return;
  const auto blocks = blocks_of(seq.handle);
  std::vector<std::int64_t> all;
  std::uint32_t items = 0;
  for (std::uint32_t i = first; i < first + count; ++i) {
    const bool out = random_.one_in(5);
    items += out ? 0 : 1;
    all.push_back(out ? AKV_PAD_SLOT : std::int64_t{blocks[i / block_tokens_]} * block_tokens_ + i % block_tokens_);
  }
  const std::size_t planes = shape_.planes.size();
  const std::size_t at = random_.below(static_cast<std::uint32_t>(store.layers.size())) * planes;
  const Slice &slice = store.slices[at + random_.below(static_cast<std::uint32_t>(planes))];
  const std::uint32_t dtype = some_dtype(&seq.stamps[first], count, false);
  const std::size_t scale_bytes = dtype == 0 ? slice.scale_bytes : 0;
  ByteString want = packed({slice}, &seq.stamps[first], count, dtype), data(want.size(), kUntouched);
  const std::size_t row_bytes = want.size() / count - scale_bytes;
  for (std::uint32_t i = 0; i < count; ++i)
    if (all[i] < 0) {
      std::memset(&want[i * row_bytes], kUntouched, row_bytes);
      if (scale_bytes != 0) std::memset(&want[count * row_bytes + i * scale_bytes], kUntouched, scale_bytes);
    }
  akv_token_data plane{data.data(), 0, 0, nullptr, 0, slice.plane, dtype};
  if (dtype != 0) plane.scales = token_scales(store, slice);
  else if (scale_bytes != 0) plane.scales = data.data() + count * row_bytes;
  must(retry([&] {
         return akv_copy_read_tokens(store.handle, slice.layer, all.data(), count, &plane, 1, sizeof plane,
                                     stream(x).handle());
       }),
       "read_tokens");
  moved(store, AKV_MOVED_READ, items, items * (row_bytes + scale_bytes));
  pend(x, std::move(data), std::move(want), "read_tokens", dtype);
}

void Run::gather(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count) {
  gather_blocks(AKV_STORE_BLOCKS, x, blocks_of(seq.handle), seq.stamps, first, count, "gather");
}

// From every store: all its layers, or one.
void Run::gather_blocks(std::uint32_t columns, std::uint32_t x, const std::vector<std::int32_t> &blocks,
                        const std::vector<std::uint64_t> &stamps, std::uint32_t first, std::uint32_t count,
                        const char *what) {
  for (Store &store : stores_) {
    if (store.columns != columns) continue;
    std::vector<Slice> slices = store.slices;
    akv_span span{};
    span.first_layer = store.layers[0];
    if (random_.one_in(3)) {
      span.first_layer = store.layers[random_.below(static_cast<std::uint32_t>(store.layers.size()))];
      span.num_layers = 1;
      slices.erase(std::remove_if(slices.begin(), slices.end(),
                                  [&span](const Slice &slice) { return slice.layer != span.first_layer; }),
                   slices.end());
    }
    span.dtype = some_dtype(&stamps[first], count, false);
    span.head_scales = head_scales_of(store, slices[0]);
    ByteString want = packed(slices, &stamps[first], count, span.dtype), data(want.size(), kUntouched);
    span.blocks = blocks.data();
    span.num_blocks = static_cast<std::uint32_t>(blocks.size());
    span.first_token = first;
    span.num_tokens = count;
    span.data = data.data();
    span.bytes = data.size();
    std::uint64_t bytes = 0;
    must(akv_store_span_bytes(store.handle, span.first_layer, span.num_layers, count, span.dtype, &bytes),
         "span_bytes");
    if (bytes != want.size()) fail("a span takes %" PRIu64 " bytes, not %zu", bytes, want.size());
    if (!shape_.converts && random_.one_in(8)) refuse_numbers(store, span);
    must(retry([&] { return akv_copy_gather(store.handle, &span, 1, sizeof span, stream(x).handle()); }), "gather");
    moved(store, AKV_MOVED_GATHER, 1, want.size());
    pend(x, std::move(data), std::move(want), what, span.dtype);
  }
}

// Blocks that are reserved or behind what was written.
void Run::zero() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  const std::uint32_t x = some_stream();
  order(x, *seq);
  cover(x);
  const auto all = blocks_of(seq->handle);
  const std::uint32_t first = (seq->written + block_tokens_ - 1) / block_tokens_;
  if (first >= all.size()) return;
  const std::vector<std::int32_t> blocks(all.begin() + first, all.end());
  note("zero %zu blocks of %" PRIx64 " on stream %u", blocks.size(), seq->handle, x);
  const auto count = static_cast<std::uint32_t>(blocks.size());
  for (Store &store : stores_) {
    if (store.columns != AKV_STORE_BLOCKS) continue;
    must(retry([&] { return akv_copy_zero(store.handle, blocks.data(), count, stream(x).handle()); }), "zero");
    moved(store, AKV_MOVED_ZERO, count, std::uint64_t{count} * block_tokens_ * store.token_bytes);
  }
  for (const std::int32_t block : blocks)
    for (std::uint32_t i = 0; i < block_tokens_; ++i) put(AKV_STORE_BLOCKS, block, i, 0, 0);
  seq->last[x] = stream(x).record();
}

}  // namespace bytes_test
