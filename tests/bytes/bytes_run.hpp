// bytes_run.hpp: one seed's worth of random operations on a cache with stores, and a shadow copy of every byte.
// It knows the public API; not how the library works.
//
//   telling_run.cpp     what is told when something is wrong; the program around runs
//   kv_shape.cpp        what a token is in bytes, and which of them a store has
//   latched_stream.cpp  streams whose work is held up
//   bytes_world.cpp     a cache, its stores and streams; and how all of it ends
//   bytes_order.cpp     what an engine does for order: tickets, and streams that follow each other
//   bytes_growth.cpp    sequences: create, append, fork, truncate, commit, free
//   bytes_plans.cpp     plans, run and ended in every way; swap
//   bytes_moves.cpp     K/V written and read
//   bytes_numbers.cpp   K/V as numbers, and in blocks of a cache of another format
//   bytes_saves.cpp     leases, and blocks copied between stores
//   bytes_arenas.cpp    tensors as what is gathered into, and arenas dropped in flight
//   bytes_checks.cpp    the shadow against the stores
//
// The shadow is two things. What a token's K/V must be follows from its identity: the domain and all tokens up to it
// (`stamps`). And every block of the cache and of its swap space is kept as it must be once all that was queued is done
// (`columns_`), written in the order in which calls were made: where the library lets two pieces of work meet in one
// block without an order, the two differ.
#pragma once

#include "kv_shape.hpp"
#include "latched_stream.hpp"
#include "telling_run.hpp"

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace bytes_test {

using Tokens = std::vector<std::int32_t>;
constexpr std::uint32_t kMaxStreams = 4;
constexpr std::uint32_t kKinds = AKV_MOVED_CONVERTED + 1;

// What akv_store_read_stats() must say.
struct Moved {
  std::uint64_t calls = 0, items = 0, bytes = 0, verified = 0;
};

struct Store {
  akv_store *handle = nullptr;
  std::uint32_t columns = 0;  // AKV_STORE_*
  std::vector<std::uint32_t> layers;
  std::vector<Slice> slices;
  std::size_t token_bytes = 0;
  std::vector<float> head_scales;  // of all slices
  std::vector<ByteString> memory;  // the caller's, if it is
  Moved moved[kKinds];
};

struct Plan;

struct Seq {
  akv_sequence handle = 0;
  std::uint64_t domain = 0;
  std::uint64_t root = 0;             // where its stamps begin
  Tokens tokens;                      // also those that the library does not know yet
  std::vector<std::uint64_t> stamps;  // of each token
  std::uint32_t known = 0;
  std::uint32_t written = 0;  // tokens in front that have K/V, or will when their plan has run
  std::uint32_t committed = 0;
  Plan *plan = nullptr;
  bool swapped = false;
  std::uint64_t last[kMaxStreams] = {};  // the points behind what was queued for it; a fork has points of its own
  std::uint32_t length() const { return static_cast<std::uint32_t>(tokens.size()); }
};

enum class PlanKind { create, grow, out, in };

struct Plan {
  akv_plan handle = 0;
  PlanKind kind = PlanKind::create;
  struct Of {
    akv_sequence sequence;
    std::uint32_t length, written;  // before
  };
  std::vector<Of> of;
  bool ran = false, finishing = false;
  std::uint32_t stream = 0;
  std::uint64_t point = 0;
};

// Memory that a queued piece of work reads or writes, and what it must hold afterwards.
struct Pending {
  std::uint32_t stream;
  std::uint64_t point;
  ByteString data, want;  // want: empty where nothing comes back
  const Byte *outside;    // where it comes back to, if not to `data`
  std::uint32_t dtype;    // of numbers; 0: bytes
  const char *what;
};

// Blocks of a sequence that were copied to swap blocks of the test's own, under a lease.
struct Save {
  akv_lease lease = 0;  // until the copy is done
  std::vector<std::int32_t> blocks;
  Tokens tokens;
  std::vector<std::uint64_t> stamps;
  std::uint64_t domain = 0, root = 0;
  std::uint64_t last[kMaxStreams] = {};
};

// What all blocks of one kind must hold.
struct Columns {
  ByteString bytes;                   // [block][token of it][token_bytes]
  std::vector<std::uint64_t> owners;  // [block][token of it] domain + 1 of whoever wrote there; 0: zeroes
};

class Run : TellingRun {
 public:
  Run(std::uint64_t seed, bool print_all);
  ~Run();
  Run(const Run &) = delete;
  Run &operator=(const Run &) = delete;
  void run(std::uint32_t operations);
  // K/V that the stores moved, in bytes.
  std::uint64_t counted() const;

 private:
  // -- bytes_world.cpp --
  void make_cache();
  void make_stores(std::uint32_t columns);
  void make_store(std::uint32_t columns, const std::vector<std::uint32_t> &layers, std::uint32_t first_head,
                  std::uint32_t num_heads);
  void take_own_memory(Store &store, akv_store_config &config, std::vector<akv_region> &regions);
  void check_outside(Store &store);
  void one_operation();
  void wind_down();

  // -- bytes_order.cpp --
  std::uint32_t some_stream() { return random_.below(num_streams_); }
  LatchedStream &stream(std::uint32_t x) { return *streams_[x]; }
  void cover(std::uint32_t x);  // a ticket is open that will be recorded behind it
  void flush(std::uint32_t x);  // record that ticket
  void flush_all();
  void follow(std::uint32_t x, std::uint32_t y, std::uint64_t point);
  void follow_ticket(std::uint32_t x, akv_ticket wait);  // and all opened before it
  void order(std::uint32_t x, Seq &seq);                 // behind all that was queued for it, and its wait
  void order_points(std::uint32_t x, const std::uint64_t (&last)[kMaxStreams]);
  void settle(std::uint32_t x);
  void settle_all();
  void open_and_settle_all();
  std::uint32_t ticket_state(akv_ticket ticket);
  void hold_or_open();
  void give_up_ticket();
  template <class Call>
  akv_status retry(Call call);

  // -- bytes_growth.cpp --
  Tokens some_tokens(std::uint32_t count);
  Tokens some_prompt();
  std::uint64_t root_of(std::uint64_t domain) const;
  static void stamp(Seq &seq);
  Seq *some_seq(bool with_plan = false);
  void create();
  Seq *create_from(const Tokens &tokens, std::uint64_t domain, std::uint32_t flags, std::uint32_t reserve);
  void append();
  void append_batch();
  void grown(Seq &seq, const Tokens &more, bool known);
  void add_plan(akv_plan handle, PlanKind kind, const std::vector<Plan::Of> &of);
  void commit();
  void commit_now(Seq &seq, std::uint32_t length);
  void set_tokens();
  void fork();
  void truncate();
  void reserve();
  void free_one();
  void free(Seq &seq);
  void clear();

  // -- bytes_plans.cpp --
  Plan *plan_of(akv_plan handle);
  Seq *seq_of(akv_sequence handle);
  void run_plan();
  void end_plan();
  void run(Plan &plan, std::uint32_t x, bool finish);
  std::vector<akv_plan_record> records_of(const Plan &plan, akv_ticket &wait);
  std::vector<akv_store *> stores_of(bool all);
  void perform_all(const std::vector<akv_plan_record> &records, bool verify);
  void finish(Plan &plan, akv_ticket ticket);
  void abandon(Plan &plan);
  void finished(Plan &plan);
  void rolled_back(Plan &plan);
  void look_at_finishing();
  void complete(Plan &plan);
  void perform(const akv_plan_record &record, Moved (&sum)[kKinds][2]);
  void swap_out();
  void swap_in();

  // -- bytes_moves.cpp --
  void write();
  void write_tokens(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count);
  void scatter(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count);
  void read();
  void read_tokens(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count);
  void gather(Seq &seq, std::uint32_t x, std::uint32_t first, std::uint32_t count);
  void gather_blocks(std::uint32_t columns, std::uint32_t x, const std::vector<std::int32_t> &blocks,
                     const std::vector<std::uint64_t> &stamps, std::uint32_t first, std::uint32_t count,
                     const char *what);
  void zero();
  std::vector<std::int64_t> slots(Seq &seq, std::uint32_t first, std::uint32_t count);
  void moved(Store &store, std::uint32_t kind, std::uint64_t items, std::uint64_t bytes, std::uint64_t verified = 0);
  // The K/V of tokens as akv_span has them: packed, of some slices; with a dtype as numbers.
  ByteString packed(const std::vector<Slice> &slices, const std::uint64_t *stamps, std::uint32_t count,
                    std::uint32_t dtype = 0);
  void pend(std::uint32_t x, ByteString data, ByteString want, const char *what, std::uint32_t dtype = 0);

  // -- bytes_numbers.cpp --
  void make_mirror();
  std::uint32_t some_dtype(const std::uint64_t *stamps, std::uint32_t count, bool writes);
  static const float *head_scales_of(const Store &store, const Slice &slice);
  void *token_scales(const Store &store, const Slice &slice) const;
  void refuse_numbers(const Store &store, akv_span span);
  void read_mirrored();
  void write_mirrored();
  std::vector<std::int32_t> mirror_blocks(std::uint32_t x, std::uint32_t count);
  void move_mirrored(bool into_mirror, ByteString numbers, const std::vector<std::int32_t> &blocks, std::uint32_t x);

  // -- bytes_saves.cpp --
  void save();
  void check_save();
  void load_save();
  void drop_save();
  void copy_between(std::uint32_t from, const std::vector<std::int32_t> &from_blocks, std::uint32_t to,
                    const std::vector<std::int32_t> &to_blocks, std::uint32_t x);
  void end_leases();

  // -- bytes_arenas.cpp --
  void make_pool();
  void cover_pages(std::uint32_t x);
  void retire_pages(std::uint32_t x);
  Byte *some_tensor(std::size_t bytes);
  void use_tensor();
  void drop_arena();
  void check_pool();

  // -- bytes_checks.cpp --
  Byte *token(std::uint32_t columns, std::int32_t block, std::uint32_t at) {
    return &columns_[columns].bytes[(static_cast<std::size_t>(block) * block_tokens_ + at) * token_bytes_];
  }
  std::uint64_t &owner(std::uint32_t columns, std::int32_t block, std::uint32_t at) {
    return columns_[columns].owners[static_cast<std::size_t>(block) * block_tokens_ + at];
  }
  void put(std::uint32_t columns, std::int32_t block, std::uint32_t at, std::uint64_t stamp, std::uint64_t owner);
  std::vector<std::int32_t> blocks_of(akv_sequence sequence);
  akv_sequence_info info(akv_sequence sequence);
  void check_sequence(Seq &seq);
  void check_pending(std::uint32_t x);
  void drain();
  void check_stores();
  void check_stats(Store &store);

  // -- telling --
  std::string shape_in_words() const override;

  Random random_;
  KvShape shape_;
  akv_cache *cache_ = nullptr;
  std::uint32_t block_tokens_ = 0, num_blocks_ = 0, num_swap_blocks_ = 0, max_tokens_ = 0, scrub_ = 0;
  bool buddy_ = false;
  std::size_t token_bytes_ = 0;
  std::uint32_t letters_ = 2, domains_ = 1;
  std::map<std::uint64_t, std::uint64_t> eras_;  // of each domain

  std::list<Store> stores_;
  akv_cache *mirror_cache_ = nullptr;  // of the same planes as float32; only where they can be converted
  Store mirror_;
  Columns columns_[2];
  std::uint32_t num_streams_ = 0;
  std::vector<std::unique_ptr<LatchedStream>> streams_;
  akv_ticket current_[kMaxStreams] = {};  // covers what is being queued there
  struct Recorded {
    std::uint32_t stream;
    std::uint64_t point;
  };
  std::map<akv_ticket, Recorded> recorded_;

  akv_page_pool *pool_ = nullptr;
  std::uint64_t page_bytes_ = 0;
  std::vector<akv_arena> arenas_;
  akv_ticket page_current_[kMaxStreams] = {};  // the pool's tickets, as current_ and recorded_ are the cache's
  std::map<akv_ticket, Recorded> page_recorded_;

  std::list<Seq> seqs_;
  std::list<Plan> plans_;
  std::list<Pending> pending_;
  std::list<Save> saves_;
  std::deque<Tokens> history_;
};

// The stream's queue or the tickets were full: make room, once.
template <class Call>
akv_status Run::retry(Call call) {
  const akv_status status = call();
  if (status != AKV_ERROR_QUEUE_FULL && status != AKV_ERROR_NO_TICKETS) return status;
  flush_all();
  open_and_settle_all();
  return call();
}

}  // namespace bytes_test
