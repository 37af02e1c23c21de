// tiers_rows.cpp: sequences with a row of a tail: opened, written, overflowed, truncated, forked, closed.
// It knows tails and stores; of blocks no more than who has them.
#include "tiers_run.hpp"

#include "reference_numbers.hpp"

#include <algorithm>
#include <cinttypes>
#include <limits>

namespace tiers_test {

// Tokens that may still come before the next overflow.
std::uint32_t Run::room(const Seq &seq) const {
  const std::uint32_t most = std::min(seq.stored + ring_blocks_ * block_tokens_, max_blocks_ * block_tokens_);
  return most - seq.length;
}

// Numbers that the tail's dtype holds: now and then a row of zeroes, of one number, or with what is no number.
Numbers Run::some_token() {
  Numbers token(numbers_);
  const std::uint32_t mask = dtype_ == AKV_DTYPE_F32 ? 0x807fffff : 0x807f0000;
  for (float &x : token) {
    const std::uint64_t word = random_.next();
    const std::uint32_t bits =
        (static_cast<std::uint32_t>(word) & mask) | (123 + static_cast<std::uint32_t>(word >> 32 & 3)) << 23;
    x = akv::test::word_at<float>(reinterpret_cast<const Byte *>(&bits));
  }
  if (random_.one_in(12)) std::fill(token.begin(), token.end(), random_.one_in(2) ? 0.0f : token[0]);
  if (wild_ && random_.one_in(8))
    for (const float odd : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY})
      if (random_.one_in(2)) token[below(token.size())] = odd;
  return token;
}

bool Run::take_blocks(Seq &seq, std::uint32_t count) {
  if (seq.blocks.size() + free_blocks_.size() < count) return false;
  while (seq.blocks.size() < count) {
    std::swap(free_blocks_[below(free_blocks_.size())], free_blocks_.back());
    seq.blocks.push_back(free_blocks_.back());
    holders_[static_cast<std::size_t>(free_blocks_.back())] = 1;
    free_blocks_.pop_back();
  }
  return true;
}

void Run::give_blocks(Seq &seq, std::uint32_t from) {
  for (; seq.blocks.size() > from; seq.blocks.pop_back())
    if (--holders_[static_cast<std::size_t>(seq.blocks.back())] == 0) free_blocks_.push_back(seq.blocks.back());
}

Seq *Run::open(std::uint32_t stored) {
  akv_tail_row row = 0;
  const akv_status status = akv_tail_open(tail_, stored, &row);
  note("open at %u: %s %" PRIx64, stored, akv_status_name(status), row);
  expect(status, seqs_.size() == max_rows_ ? AKV_ERROR_NO_SEQUENCES : AKV_OK, "tail_open");
  if (status != AKV_OK) return nullptr;
  seqs_.emplace_back();
  seqs_.back().row = row;
  seqs_.back().length = seqs_.back().stored = stored;
  return &seqs_.back();
}

void Run::begin() { open(0); }

// Its older blocks are scattered, the rest goes to the tail.
void Run::begin_with_prompt() {
  const std::uint32_t whole = random_.between(1, max_blocks_);
  if (free_blocks_.size() < whole) return;
  Seq *seq = open(whole * block_tokens_);
  if (seq == nullptr || !take_blocks(*seq, whole)) return;
  for (std::uint32_t i = 0; i < seq->stored; ++i) seq->written.push_back(some_token());
  ByteString data = packed(*seq, 0, seq->stored, AKV_DTYPE_F32);
  const akv_span span = span_of(seq->blocks, seq->stored, AKV_DTYPE_F32, data);
  must(retry([&] { return akv_copy_scatter(quantized_, &span, 1, sizeof span, stream_->handle()); }), "scatter");
  count(quantized_moved_, AKV_MOVED_SCATTER, 1, quantized_bytes_ * seq->stored);
  pend(std::move(data), {}, 0, "scatter");
}

// Shares what is stored; of the tail it takes what was written there, written again.
void Run::fork() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  const std::uint32_t shared = random_.below(seq->stored / block_tokens_ + 1);
  Seq *child = open(shared * block_tokens_);
  if (child == nullptr) return;
  child->blocks.assign(seq->blocks.begin(), seq->blocks.begin() + shared);
  for (const std::int32_t block : child->blocks) ++holders_[static_cast<std::size_t>(block)];
  const std::uint32_t most = std::min(seq->length, child->length + room(*child));
  const std::uint32_t length = random_.between(child->length, most);
  child->written.assign(seq->written.begin(), seq->written.begin() + length);
  note("fork %u tokens of %" PRIx64 ", %u of them stored", length, seq->row, child->stored);
  child->length = length;
  write(*child, child->stored);
}

void Run::append() {
  Seq *seq = some_seq();
  if (seq == nullptr || room(*seq) == 0) return;
  const std::uint32_t first = seq->length;
  const std::uint32_t count = random_.between(1, std::min(room(*seq), random_.one_in(2) ? 2 * block_tokens_ : 3u));
  for (std::uint32_t i = 0; i < count; ++i) seq->written.push_back(some_token());
  seq->length += count;
  note("append %u to %u of %" PRIx64 ", %u are stored", count, first, seq->row, seq->stored);
  write(*seq, first);
}

// Tokens from `first` on into the ring, in some order.
void Run::write(Seq &seq, std::uint32_t first) {
  const std::uint32_t tokens = seq.length - first;
  if (tokens == 0) return;
  std::vector<std::uint32_t> positions(tokens);
  for (std::uint32_t i = 0; i < tokens; ++i) positions[i] = first + i;
  if (random_.one_in(2)) std::reverse(positions.begin(), positions.end());
  const std::vector<akv_tail_row> rows(tokens, seq.row);
  std::vector<std::int64_t> slots(tokens);
  must(akv_tail_read_slots(tail_, rows.data(), positions.data(), tokens, slots.data()), "tail_read_slots");
  const std::uint32_t dtype = random_.one_in(2) ? dtype_ : some_dtype();
  const std::uint32_t size = akv::test::dtype_bits(dtype) / 8;
  for (std::size_t at = 0; at < units_.size(); at += planes_.size()) {
    std::vector<akv_token_data> data;
    std::vector<ByteString> bytes;
    std::uint64_t width = 0;
    for (std::size_t i = at; i < at + planes_.size(); ++i) {
      bytes.emplace_back(std::size_t{tokens} * units_[i].width * size);
      std::size_t to = 0;
      for (const std::uint32_t position : positions)
        for (std::uint32_t e = 0; e < units_[i].width; ++e, ++to)
          akv::test::put_number(dtype, bytes.back().data(), to, seq.written[position][units_[i].at + e]);
      const bool same = dtype == dtype_ && random_.one_in(2);
      data.push_back({bytes.back().data(), 0, 0, nullptr, 0, units_[i].plane, same ? 0 : dtype});
      width += units_[i].width;
    }
    must(retry([&] {
           return akv_copy_write_tokens(rings_, stored_layers_[units_[at].layer], slots.data(), tokens, data.data(),
                                        static_cast<std::uint32_t>(data.size()), sizeof data[0], stream_->handle());
         }),
         "write_tokens");
    count(ring_moved_, AKV_MOVED_WRITE, tokens, std::uint64_t{tokens} * width * akv::test::dtype_bits(dtype_) / 8);
    for (ByteString &each : bytes) pend(std::move(each), {}, 0, "write_tokens");
  }
}

// What this row will have stored, if it gets the blocks.
bool Run::add_overflow(Seq &seq, std::vector<akv_overflow> &rows, std::vector<std::uint32_t> &stored) {
  const bool usual = random_.one_in(2);
  const std::uint32_t keep = usual ? tail_tokens_ : random_.below(seq.length + 2);
  const std::uint32_t whole = seq.length > keep ? (seq.length - keep) / block_tokens_ : 0;
  if (!take_blocks(seq, whole)) return false;
  stored.push_back(std::max(seq.stored, whole * block_tokens_));
  const bool none = stored.back() == seq.stored && random_.one_in(2);  // no blocks are wanted then
  rows.push_back({seq.row, none ? nullptr : seq.blocks.data(), none ? 0 : static_cast<std::uint32_t>(seq.blocks.size()),
                  seq.length, usual ? AKV_UNSET : keep, 0});
  return true;
}

void Run::overflow() {
  std::vector<Seq *> chosen;
  for (Seq &seq : seqs_)
    if (!random_.one_in(3)) chosen.push_back(&seq);
  for (std::size_t i = chosen.size(); i > 1; --i) std::swap(chosen[i - 1], chosen[below(i)]);
  std::vector<akv_overflow> rows;
  std::vector<std::uint32_t> stored;
  std::vector<Seq *> moved;
  for (Seq *seq : chosen)
    if (add_overflow(*seq, rows, stored)) moved.push_back(seq);
  std::vector<std::uint32_t> told(rows.size(), 77);
  const bool tell = random_.one_in(2);
  must(retry([&] {
         return akv_copy_overflow(tail_, rows.data(), static_cast<std::uint32_t>(rows.size()), sizeof(akv_overflow),
                                  tell ? told.data() : nullptr, stream_->handle());
       }),
       "copy_overflow");
  std::uint64_t tokens = 0;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (tell && told[i] != stored[i]) fail("%u tokens are stored, not %u", told[i], stored[i]);
    if (stored[i] != moved[i]->stored)
      note("  overflow of %" PRIx64 " at %u: %u to %u are stored", moved[i]->row, moved[i]->length, moved[i]->stored,
           stored[i]);
    tokens += stored[i] - moved[i]->stored;
    moved[i]->stored = stored[i];
  }
  count(quantized_moved_, AKV_MOVED_CONVERTED, tokens / block_tokens_, tokens * quantized_bytes_);
  overflowed_ += tokens;
  note("overflow of %zu rows, %" PRIu64 " tokens", rows.size(), tokens);
}

// One row of two is wrong: neither has moved.
void Run::refuse_overflow() {
  if (seqs_.size() < 2) return;
  Seq &good = seqs_.front(), &bad = seqs_.back();
  std::vector<akv_overflow> rows;
  std::vector<std::uint32_t> stored;
  if (!add_overflow(good, rows, stored) || !add_overflow(bad, rows, stored)) return;
  akv_status wanted = AKV_ERROR_OUT_OF_RANGE;
  switch (random_.below(4)) {
    case 0:
      rows[1].row = good.row;
      rows[1].length = good.length;
      wanted = AKV_ERROR_INVALID_ARGUMENT;
      break;
    case 1: rows[1].length = bad.stored + ring_blocks_ * block_tokens_ + 1; break;
    case 2:
      if (stored[1] == bad.stored) return;
      rows[1].num_blocks = stored[1] / block_tokens_ - 1;
      break;
    default: rows[1].row = AKV_NONE; wanted = AKV_ERROR_BAD_HANDLE;
  }
  std::uint32_t told[2] = {77, 77};
  const akv_status status = akv_copy_overflow(tail_, rows.data(), 2, sizeof rows[0], told, stream_->handle());
  note("an overflow that can't be: %s", akv_status_name(status));
  expect(status, wanted, "copy_overflow");
  if (told[0] != 77) fail("a refused overflow has told what is stored");
}

void Run::refuse_position() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  const bool below_it = seq->stored != 0 && random_.one_in(2);
  const std::uint32_t position = below_it ? seq->stored - 1 : seq->stored + ring_blocks_ * block_tokens_;
  std::int64_t slot = 0;
  note("slot of %u in %" PRIx64, position, seq->row);
  expect(akv_tail_read_slots(tail_, &seq->row, &position, 1, &slot), AKV_ERROR_OUT_OF_RANGE, "tail_read_slots");
}

// Within the tail only the length changes; below it a row is opened anew, and what was not whole is written again.
void Run::truncate() {
  Seq *seq = some_seq();
  if (seq == nullptr || seq->length == 0) return;
  const std::uint32_t length = random_.below(seq->length + 1);
  note("truncate %" PRIx64 " from %u to %u, %u are stored", seq->row, seq->length, length, seq->stored);
  seq->length = length;
  seq->written.resize(length);
  if (length >= seq->stored) return;
  const std::uint32_t whole = length / block_tokens_;
  give_blocks(*seq, whole);
  must(akv_tail_close(tail_, seq->row), "tail_close");
  must(akv_tail_open(tail_, whole * block_tokens_, &seq->row), "tail_open");
  seq->stored = whole * block_tokens_;
  write(*seq, seq->stored);
}

void Run::close() {
  if (Seq *seq = some_seq(); seq != nullptr) close(*seq);
}

void Run::close(Seq &seq) {
  note("close %" PRIx64, seq.row);
  const akv_tail_row row = seq.row;
  must(akv_tail_close(tail_, row), "tail_close");
  expect(akv_tail_close(tail_, row), AKV_ERROR_BAD_HANDLE, "a row closed twice");
  give_blocks(seq, 0);
  seqs_.remove_if([&seq](const Seq &each) { return &each == &seq; });
}

}  // namespace tiers_test
