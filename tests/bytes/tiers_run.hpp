// tiers_run.hpp: one seed's worth of random operations on two tiers of precision (two_tier.h), and a shadow: all
// numbers of every sequence, as they were written. It knows the public API; not how the library works.
//
//   tiers_world.cpp   a quantized store, a tail over it, a stream that is held up; and how all of it ends
//   tiers_rows.cpp    rows: opened, written, overflowed, truncated, forked, closed
//   tiers_checks.cpp  what is stored against a store that is filled in bulk, what is not against what was written
//
// When blocks overflow, how many at once, with which others and in which order is random; what they become may not
// depend on it. All work is on one stream, so calls return long before it is done.
#pragma once

#include "kv_shape.hpp"
#include "latched_stream.hpp"
#include "telling_run.hpp"

#include <deque>
#include <list>
#include <memory>
#include <string>

namespace tiers_test {

using bytes_test::Byte;
using bytes_test::ByteString;
using bytes_test::LatchedStream;
using bytes_test::Random;
using Numbers = std::vector<float>;

struct Seq {
  akv_tail_row row = 0;
  std::uint32_t length = 0, stored = 0;
  std::vector<std::int32_t> blocks;  // of the quantized store; at least what is stored
  std::vector<Numbers> written;      // each token: [unit][head][dim]
};

// One plane of one stored layer.
struct Unit {
  std::uint32_t layer, plane, width;
  std::size_t at;  // in a token's numbers
};

// Memory that a queued piece of work reads or writes, and what it must hold afterwards, if it is written.
struct Pending {
  std::uint64_t point;
  ByteString data, want;
  std::uint32_t dtype;  // of numbers; 0: bytes
  const char *what;
};

struct Moved {
  std::uint64_t calls = 0, items = 0, bytes = 0;
};

// What attention reads when its turn comes, and what it must make of it.
struct Question;

class Run : bytes_test::TellingRun {
 public:
  Run(std::uint64_t seed, bool print_all);
  ~Run();
  Run(const Run &) = delete;
  Run &operator=(const Run &) = delete;
  void run(std::uint32_t operations);
  std::uint64_t counted() const { return overflowed_; }

 private:
  // -- tiers_world.cpp --
  void choose_planes();
  void make_caches();
  akv_cache *make_cache(std::uint32_t num_blocks);
  akv_store *make_store(akv_cache *cache);
  void make_tail();
  void one_operation();
  void hold_or_open();
  void settle();
  void drain();

  // -- tiers_rows.cpp --
  Seq *some_seq() { return seqs_.empty() ? nullptr : &*std::next(seqs_.begin(), below(seqs_.size())); }
  std::uint32_t room(const Seq &seq) const;
  Numbers some_token();
  bool take_blocks(Seq &seq, std::uint32_t count);
  void give_blocks(Seq &seq, std::uint32_t from);
  Seq *open(std::uint32_t stored);
  void begin();
  void begin_with_prompt();
  void fork();
  void append();
  void write(Seq &seq, std::uint32_t first);
  void overflow();
  bool add_overflow(Seq &seq, std::vector<akv_overflow> &rows, std::vector<std::uint32_t> &stored);
  void refuse_overflow();
  void refuse_position();
  void truncate();
  void close();
  void close(Seq &seq);

  // -- tiers_checks.cpp --
  // Tokens first .. end - 1 packed as akv_span has them.
  ByteString packed(const Seq &seq, std::uint32_t first, std::uint32_t end, std::uint32_t dtype) const;
  ByteString in_bulk(const Seq &seq, std::uint32_t dtype);
  ByteString both_tiers(const Seq &seq, std::uint32_t dtype);
  akv_span span_of(const std::vector<std::int32_t> &blocks, std::uint32_t tokens, std::uint32_t dtype,
                   ByteString &data) const;
  void gather_stored(Seq &seq);
  void gather_stored(Seq &seq, std::uint32_t first, std::uint32_t dtype, ByteString want);
  void gather_some(Seq &seq);
  void gather_tail(Seq &seq);
  void read_tiers(Seq &seq);
  void read_something();
  void attend();
  void ask(Question &question);
  bool in_order(const Question &question) const;
  void check_pending();
  void check_stats(akv_store *store, const Moved (&moved)[AKV_MOVED_CONVERTED + 1]);

  std::uint32_t below(std::size_t limit) { return random_.below(static_cast<std::uint32_t>(limit)); }
  std::size_t bytes_of(std::uint32_t tokens, std::uint32_t dtype) const;
  std::uint32_t some_dtype();  // that loses nothing of what a tail holds
  void pend(ByteString data, ByteString want, std::uint32_t dtype, const char *what);
  void count(Moved (&moved)[AKV_MOVED_CONVERTED + 1], std::uint32_t kind, std::uint64_t items, std::uint64_t bytes);
  template <class Call>
  akv_status retry(Call call);
  std::string shape_in_words() const override;

  Random random_;
  std::uint32_t format_ = 0, dtype_ = 0, block_tokens_ = 0, layers_ = 0, max_blocks_ = 0;
  std::uint32_t tail_tokens_ = 0, ring_blocks_ = 0, max_rows_ = 0;
  bool wild_ = false;  // NaN and infinity are among the numbers
  std::vector<akv_plane> planes_;
  std::uint32_t first_head_ = 0, heads_ = 0;  // of the stores
  std::vector<std::uint32_t> stored_layers_;
  std::vector<Unit> units_;
  std::size_t numbers_ = 0;  // of a token
  std::uint64_t quantized_bytes_ = 0;
  std::vector<float> head_scales_;

  akv_cache *cache_ = nullptr, *bulk_cache_ = nullptr;
  akv_store *quantized_ = nullptr, *bulk_ = nullptr, *rings_ = nullptr;
  akv_tail *tail_ = nullptr;
  std::unique_ptr<LatchedStream> stream_;
  Moved quantized_moved_[AKV_MOVED_CONVERTED + 1], ring_moved_[AKV_MOVED_CONVERTED + 1];

  std::list<Seq> seqs_;
  std::vector<std::int32_t> free_blocks_;
  std::vector<std::uint32_t> holders_;  // of each block
  std::list<Pending> pending_;
  std::list<std::unique_ptr<Question>> questions_;
  std::uint64_t overflowed_ = 0;
};

struct Question {
  std::uint64_t point = 0;
  std::vector<akv_tail_row> rows;
  std::vector<std::int32_t> table, ring_table;
  std::vector<std::uint32_t> lengths, stored, in_tail;
  std::vector<ByteString> known;  // of each sequence, float32, both tiers
  std::uint32_t layer_index = 0, group = 1, window = 0, sink_tokens = 0, value_dim = 0;
  Numbers query, out;
  akv_attention_part parts[2] = {};
};

// The stream's queue was full: make room, once.
template <class Call>
akv_status Run::retry(Call call) {
  const akv_status status = call();
  if (status != AKV_ERROR_QUEUE_FULL) return status;
  stream_->open_all();
  settle();
  return call();
}

}  // namespace tiers_test
