// tiers_checks.cpp: what is stored against a store that the same numbers were scattered into at once; what is not
// against what was written; attention over both against its definition; and every count.
// It changes nothing but memory of its own.
#include "tiers_run.hpp"

#include "reference_numbers.hpp"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstring>

namespace tiers_test {

std::size_t Run::bytes_of(std::uint32_t tokens, std::uint32_t dtype) const {
  return dtype == 0 ? tokens * quantized_bytes_ : tokens * numbers_ * akv::test::dtype_bits(dtype) / 8;
}

std::uint32_t Run::some_dtype() {
  if (dtype_ == AKV_DTYPE_F32 || random_.one_in(2)) return AKV_DTYPE_F32;
  return random_.one_in(2) ? AKV_DTYPE_F16 : AKV_DTYPE_BF16;
}

ByteString Run::packed(const Seq &seq, std::uint32_t first, std::uint32_t end, std::uint32_t dtype) const {
  ByteString all(bytes_of(end - first, dtype));
  std::size_t at = 0;
  for (const Unit &unit : units_)
    for (std::uint32_t token = first; token < end; ++token)
      for (std::uint32_t e = 0; e < unit.width; ++e, ++at)
        akv::test::put_number(dtype, all.data(), at, seq.written[token][unit.at + e]);
  return all;
}

akv_span Run::span_of(const std::vector<std::int32_t> &blocks, std::uint32_t tokens, std::uint32_t dtype,
                      ByteString &data) const {
  akv_span span{};
  span.blocks = blocks.data();
  span.num_blocks = static_cast<std::uint32_t>(blocks.size());
  span.num_tokens = tokens;
  span.first_layer = stored_layers_[0];
  span.dtype = dtype;
  span.data = data.data();
  span.bytes = data.size();
  span.head_scales = head_scales_.data();
  return span;
}

// What is stored of a sequence as it must be, made by one scatter of numbers.
ByteString Run::in_bulk(const Seq &seq, std::uint32_t dtype) {
  std::vector<std::int32_t> blocks;
  for (std::uint32_t i = 0; i < seq.stored / block_tokens_; ++i) blocks.push_back(static_cast<std::int32_t>(i + 1));
  ByteString numbers = packed(seq, 0, seq.stored, AKV_DTYPE_F32), data(bytes_of(seq.stored, dtype));
  const akv_span from = span_of(blocks, seq.stored, AKV_DTYPE_F32, numbers);
  must(akv_copy_scatter(bulk_, &from, 1, sizeof from, nullptr), "scatter in bulk");
  const akv_span to = span_of(blocks, seq.stored, dtype, data);
  must(akv_copy_gather(bulk_, &to, 1, sizeof to, nullptr), "gather in bulk");
  return data;
}

// The stored tokens of each unit, and behind them the others.
ByteString Run::both_tiers(const Seq &seq, std::uint32_t dtype) {
  const ByteString quantized = in_bulk(seq, dtype), tail = packed(seq, seq.stored, seq.length, dtype);
  ByteString both;
  auto from = quantized.begin(), rest = tail.begin();
  for (const Unit &unit : units_) {
    const auto row = static_cast<std::ptrdiff_t>(std::size_t{unit.width} * akv::test::dtype_bits(dtype) / 8);
    both.insert(both.end(), from, from + row * seq.stored);
    both.insert(both.end(), rest, rest + row * (seq.length - seq.stored));
    from += row * seq.stored;
    rest += row * (seq.length - seq.stored);
  }
  return both;
}

void Run::gather_stored(Seq &seq) {
  note("gather the %u stored tokens of %" PRIx64, seq.stored, seq.row);
  gather_stored(seq, 0, 0, in_bulk(seq, 0));
}

// Some of them as numbers: what a token is does not depend on where reading begins.
void Run::gather_some(Seq &seq) {
  const std::uint32_t first = random_.below(seq.stored + 1), count = seq.stored - first;
  note("gather tokens %u + %u of %" PRIx64 " as numbers", first, count, seq.row);
  const ByteString all = in_bulk(seq, AKV_DTYPE_F32);
  ByteString want;
  auto from = all.begin();
  for (const Unit &unit : units_) {
    const auto row = static_cast<std::ptrdiff_t>(unit.width * sizeof(float));
    want.insert(want.end(), from + row * first, from + row * seq.stored);
    from += row * seq.stored;
  }
  gather_stored(seq, first, AKV_DTYPE_F32, std::move(want));
}

void Run::gather_stored(Seq &seq, std::uint32_t first, std::uint32_t dtype, ByteString want) {
  ByteString data(want.size(), 0xee);
  akv_span span = span_of(seq.blocks, seq.stored - first, dtype, data);
  span.first_token = first;
  must(retry([&] { return akv_copy_gather(quantized_, &span, 1, sizeof span, stream_->handle()); }), "gather");
  count(quantized_moved_, AKV_MOVED_GATHER, 1, want.size());
  pend(std::move(data), std::move(want), dtype, "what has overflowed");
}

void Run::gather_tail(Seq &seq) {
  std::vector<std::int32_t> table(ring_blocks_ + 2);
  std::uint32_t stored = 0;
  must(akv_tail_read_tables(tail_, &seq.row, 1, table.data(), ring_blocks_ + 2, &stored), "tail_read_tables");
  if (stored != seq.stored) fail("a row has %u tokens stored, not %u", stored, seq.stored);
  if (table[ring_blocks_] != AKV_NULL_BLOCK) fail("a table is not padded");
  table.resize(ring_blocks_);
  note("gather %u tokens out of the ring of %" PRIx64, seq.length - stored, seq.row);
  const std::uint32_t dtype = random_.one_in(2) ? dtype_ : some_dtype();
  ByteString want = packed(seq, stored, seq.length, dtype), data(want.size(), 0xee);
  akv_span span = span_of(table, seq.length - stored, dtype, data);
  if (dtype == dtype_ && random_.one_in(2)) span.dtype = 0;
  must(retry([&] { return akv_copy_gather(rings_, &span, 1, sizeof span, stream_->handle()); }), "gather");
  count(ring_moved_, AKV_MOVED_GATHER, 1, want.size());
  pend(std::move(data), std::move(want), dtype, "the ring");
}

void Run::read_tiers(Seq &seq) {
  const std::uint32_t dtype = some_dtype();
  note("read both tiers of %" PRIx64 " as dtype %u", seq.row, dtype);
  ByteString want = both_tiers(seq, dtype), data(want.size(), 0xee);
  const akv_overflow row = {seq.row, seq.blocks.data(), static_cast<std::uint32_t>(seq.blocks.size()), seq.length, 0,
                            0};
  must(retry([&] {
         return akv_copy_read_tiers(tail_, &row, sizeof row, dtype, data.data(), data.size(), stream_->handle());
       }),
       "read_tiers");
  count(quantized_moved_, AKV_MOVED_GATHER, 1, bytes_of(seq.stored, dtype));
  count(ring_moved_, AKV_MOVED_GATHER, 1, bytes_of(seq.length - seq.stored, dtype));
  pend(std::move(data), std::move(want), dtype, "both tiers");
}

void Run::read_something() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  switch (random_.below(4)) {
    case 0: return gather_stored(*seq);
    case 1: return gather_some(*seq);
    case 2: return gather_tail(*seq);
    default: return read_tiers(*seq);
  }
}

// Of some sequences, over a part in each tier; perhaps in a window.
void Run::attend() {
  auto question = std::make_unique<Question>();
  Question &q = *question;
  for (Seq &seq : seqs_) {
    if (random_.one_in(3)) continue;
    const ByteString known = both_tiers(seq, AKV_DTYPE_F32);
    bool finite = true;
    for (std::size_t i = 0; i < known.size() / 4; ++i)
      finite = finite && std::isfinite(akv::test::word_at<float>(known.data(), i));
    if (!finite) continue;
    q.known.push_back(known);
    q.rows.push_back(seq.row);
    q.lengths.push_back(seq.length);
    q.in_tail.push_back(seq.length - seq.stored);
    q.table.resize(q.rows.size() * max_blocks_);
    std::copy_n(seq.blocks.begin(), seq.stored / block_tokens_, q.table.end() - max_blocks_);
  }
  if (q.rows.empty()) return;
  const auto num = static_cast<std::uint32_t>(q.rows.size());
  q.ring_table.resize(std::size_t{num} * ring_blocks_);
  q.stored.resize(num);
  must(akv_tail_read_tables(tail_, q.rows.data(), num, q.ring_table.data(), ring_blocks_, q.stored.data()),
       "tail_read_tables");
  q.layer_index = below(stored_layers_.size());
  q.group = random_.between(1, 3);
  q.value_dim = planes_.size() == 1 ? random_.between(1, planes_[0].head_dim) : planes_[1].head_dim;
  if (random_.one_in(3)) {
    q.window = random_.between(1, 2 * block_tokens_ + tail_tokens_);
    q.sink_tokens = random_.below(6);
  }
  note("attention of %u sequences, window %u, %u sinks", num, q.window, q.sink_tokens);
  ask(q);
  q.point = stream_->record();
  questions_.push_back(std::move(question));
  if (!stream_->queues()) check_pending();
}

void Run::ask(Question &q) {
  const auto num = static_cast<std::uint32_t>(q.rows.size());
  const std::size_t rows = std::size_t{num} * q.group * heads_;
  for (std::size_t i = 0; i < rows * planes_[0].head_dim; ++i)
    q.query.push_back(static_cast<float>(random_.below(2001)) / 1000 - 1);
  q.out.assign(rows * q.value_dim, 77.0f);
  const float *scales = head_scales_.data() + q.layer_index * planes_.size() * heads_;
  q.parts[0] = {quantized_,
                q.table.data(),
                max_blocks_,
                q.stored.data(),
                nullptr,
                scales,
                planes_.size() == 1 ? scales : scales + heads_};
  q.parts[1] = {rings_, q.ring_table.data(), ring_blocks_, q.in_tail.data(), q.stored.data(), nullptr, nullptr};
  akv_attention call = AKV_ATTENTION_INIT;
  call.layer = stored_layers_[q.layer_index];
  call.num_sequences = num;
  call.query_heads = q.group * heads_;
  call.dtype = AKV_DTYPE_F32;
  call.value_dim = planes_.size() == 1 ? q.value_dim : 0;
  call.query = q.query.data();
  call.out = q.out.data();
  call.window = q.window;
  call.sink_tokens = q.sink_tokens;
  call.parts = q.parts;
  call.num_parts = 2;
  call.part_size = sizeof(akv_attention_part);
  must(retry([&] { return akv_attention_decode(&call, stream_->handle()); }), "attention_decode");
}

// Is the answer what the definition says? But for what float32 loses, and where weights are bfloat16.
bool Run::in_order(const Question &q) const {
  const std::uint32_t key_dim = planes_[0].head_dim, row_dim = planes_.back().head_dim;
  const Unit &keys = units_[q.layer_index * planes_.size()], &values = units_[(q.layer_index + 1) * planes_.size() - 1];
  std::size_t row = 0;
  for (std::size_t s = 0; s < q.rows.size(); ++s)
    for (std::uint32_t query_head = 0; query_head < q.group * heads_; ++query_head, ++row) {
      const std::uint32_t length = q.lengths[s], head = query_head / q.group;
      const auto *numbers = reinterpret_cast<const float *>(q.known[s].data());
      akv::test::Seen seen;
      for (std::uint32_t t = 0; t < length; ++t) {
        if (q.window != 0 && t >= q.sink_tokens && t + q.window < length) continue;
        const float *key = numbers + keys.at * length + std::size_t{t} * keys.width + head * key_dim;
        double score = 0;
        for (std::uint32_t e = 0; e < key_dim; ++e) score += double{q.query[row * key_dim + e]} * double{key[e]};
        seen.scores.push_back(score / std::sqrt(key_dim));
        seen.values.push_back(numbers + values.at * length + std::size_t{t} * values.width + head * row_dim);
      }
      if (akv::test::difference(akv::test::attended(seen, q.value_dim).out, &q.out[row * q.value_dim]) > 6e-3)
        return false;
    }
  return true;
}

// What has been done by now.
void Run::check_pending() {
  const auto passed = [this](std::uint64_t point) { return !stream_->queues() || point <= stream_->settled(); };
  for (; !pending_.empty() && passed(pending_.front().point); pending_.pop_front()) {
    const Pending &it = pending_.front();
    const std::size_t at = bytes_test::first_difference(it.data.data(), it.want.data(), it.want.size(), it.dtype);
    if (at != it.want.size())
      fail("%s, dtype %u: %02x, not %02x, at byte %zu of %zu", it.what, it.dtype, it.data[at], it.want[at], at,
           it.want.size());
  }
  for (; !questions_.empty() && passed(questions_.front()->point); questions_.pop_front())
    if (!in_order(*questions_.front())) fail("attention over both tiers is not what the definition says");
}

void Run::check_stats(akv_store *store, const Moved (&moved)[AKV_MOVED_CONVERTED + 1]) {
  akv_copy_stats lines[AKV_MOVED_CONVERTED];
  std::uint32_t count = 0, used = 0;
  must(akv_store_read_stats(store, lines, sizeof lines[0], AKV_MOVED_CONVERTED, &count), "read_stats");
  for (const Moved &line : moved) used += line.calls != 0 ? 1 : 0;
  if (count != used) fail("%u kinds of movement are counted, %u were asked for", count, used);
  for (std::uint32_t i = 0; i < count; ++i) {
    const akv_copy_stats &got = lines[i];
    const Moved &want = moved[got.kind];
    if (got.calls != want.calls || got.items != want.items || got.bytes != want.bytes || got.verified_bytes != 0)
      fail("movement of kind %u: %" PRIu64 " calls, %" PRIu64 " items, %" PRIu64 " bytes; planned were %" PRIu64
           ", %" PRIu64 ", %" PRIu64,
           got.kind, got.calls, got.items, got.bytes, want.calls, want.items, want.bytes);
  }
}

}  // namespace tiers_test
