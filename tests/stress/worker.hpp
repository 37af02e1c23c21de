// worker.hpp: one thread of the stress test: an engine with sequences of its own, on a cache that all threads share.
// It knows its sequences, their tokens and what their K/V must be; not what other threads do.
//
// Rules that an engine keeps, and so does this: K/V of a token are written once, in slots that the library named,
// before the commit or under its ticket; shared content is read when the ticket to wait for has passed.
#pragma once

#include "stream.hpp"

#include <sched.h>

#include <string>
#include <vector>

namespace akv::stress {

constexpr std::uint32_t kMaxTokens = 120;      // of a sequence
constexpr std::uint64_t kSimulatedDomain = 3;  // its sequences have no K/V: for the calls of simulators
constexpr std::uint32_t kRowsOfTable = 24;
constexpr std::uint64_t kNoEntry = ~std::uint64_t{0};

// A sequence, as its owner knows it.
struct Live {
  akv_sequence handle = AKV_NONE;
  std::uint64_t domain = 0, owner = 0, request_id = 0;
  std::vector<std::int32_t> tokens;
  std::vector<Print> prints;         // what the K/V of each token must be
  std::vector<std::int32_t> blocks;  // its table when it was last read
  std::uint32_t written = 0;         // K/V of so many tokens are there, or queued
  std::uint32_t committed = 0;
  std::uint32_t shared = 0;     // so many tokens' K/V are somebody else's work ...
  akv_ticket wait = AKV_NONE;   // ... which has not finished yet
  akv_ticket under = AKV_NONE;  // the newest ticket it was committed under, if that has not passed
  std::uint32_t row = 0;        // of the block table that is kept in place
  // May it lose content? Only while something that it was committed under, or found, is being written.
  bool in_flight() const { return wait != AKV_NONE || under != AKV_NONE; }
  bool simulated() const { return domain == kSimulatedDomain; }
  std::uint32_t length() const { return static_cast<std::uint32_t>(tokens.size()); }
};

struct Lease {
  akv_lease handle = AKV_NONE;
  std::uint64_t owner = 0;
  std::vector<Item> content;  // what its blocks must hold as long as it lasts
  std::vector<Item> late;     // what an incoming transfer writes into them before it ends
};

struct Pin {
  akv_pin handle = AKV_NONE;
  std::uint64_t owner = 0, domain = 0, quiet = Breaks::kBreaking;
  std::vector<std::int32_t> prompt;
  std::uint32_t tokens = 0;
};

class Worker {
 public:
  Worker(World &world, std::uint32_t number);
  void run(std::uint64_t operations);
  // All that is its own ends.
  void wind_down();

 private:
  void one_operation();

  // -- worker_tokens.cpp: tokens, K/V, and looking at them --
  std::vector<std::int32_t> some_prompt();
  std::vector<std::int32_t> some_tokens(std::uint32_t count);
  void extend(Live &s, const std::vector<std::int32_t> &tokens, std::uint32_t first);
  void cut(Live &s, std::uint32_t length);
  std::int64_t slot_of(const Live &s, std::uint32_t at) const;
  void refresh_blocks(Live &s, Step *step, std::uint64_t replaced_entry);
  void write_kv(Live &s, Step &step, std::uint32_t end);
  void expect_kv(Live &s, Step &step, std::uint32_t first, std::uint32_t end);
  bool lost(const Live &s);
  bool settle_wait(std::size_t at);
  void check_content(std::size_t at);
  void note_under(Live &s, akv_ticket ticket);
  void commit_some(Live &s, std::uint32_t length);
  bool heal(std::size_t at);

  // -- worker.cpp: birth and death --
  void create();
  bool adopt(Live &s, const akv_created &created, Step &step);
  void fork();
  void free_one(std::size_t at);
  void free_some();
  void free_for_room();
  void drop_owner();
  void forget(std::size_t at);
  void look_up();

  // -- worker_growth.cpp --
  void append();
  void append_batch();
  void check_tables(const struct Tables &tables, const std::vector<std::size_t> &rows,
                    const std::vector<std::uint32_t> &counts);
  void reserve();
  void truncate();
  void truncate_batch();
  void set_tokens();
  void commit_batch();
  bool refused(akv_status status, std::size_t at);
  void refused_row(akv_status status, const std::vector<std::size_t> &rows);

  // -- worker_swap.cpp --
  std::int64_t slot_of_block(std::uint32_t store, std::int32_t block) const;
  void run_copies(const Live &s, Step &step, const std::vector<akv_plan_record> &records);
  void free_on_the_way(const Live &s, Step &step, akv_plan plan, const std::vector<akv_plan_record> &records,
                       bool ready);
  bool ready_to_leave(std::size_t at);
  void swap_out();
  void end_swap_out(std::size_t at, akv_plan plan);
  void check_away(const Live &s);
  void swap_in();
  void come_back(Live s);
  void free_away(std::size_t which);
  void borrow_swap_blocks();

  // -- worker_order.cpp: plans, tickets, leases, pins --
  enum class PlanEnd { none, finished, abandoned };
  PlanEnd take_plan(Step &step, akv_plan plan, const std::vector<std::size_t> &rows);
  void finish_plan(akv_plan plan, const Step &step, const std::vector<std::size_t> &rows);
  bool plan_ready(Step &step, const std::vector<akv_plan_record> &records, const std::vector<std::size_t> &rows);
  bool wait_until_passed(akv_ticket ticket);
  std::uint64_t replaced_entry(const Live &s) const;
  void run_records(Step &step, const std::vector<akv_plan_record> &records);
  std::vector<akv_plan_record> read_records(akv_plan plan);
  void abandon_tickets();
  void acquire_lease();
  void release_lease(std::size_t at);
  void pin();
  void unpin(std::size_t at);
  void check_pin(const Pin &pin);

  // A call that another thread's call got in the way of is made again.
  template <class Call>
  akv_status patient(Call call) {
    for (;;) {
      const akv_status status = call();
      if (status != AKV_ERROR_BUSY) return status;
      world_.busy.fetch_add(1, std::memory_order_relaxed);
      sched_yield();
    }
  }
  void ok(akv_status status, const char *what) { stress::ok(world_, status, what); }
  std::size_t some() { return random_.below(static_cast<std::uint32_t>(live_.size())); }
  bool late() { return random_.one_in(2); }
  std::uint64_t some_owner() { return owners_[random_.below(3)]; }

  World &world_;
  akv_cache *const cache_;
  const std::uint32_t block_tokens_;
  const std::uint32_t number_;
  Random random_;
  Stream stream_;
  std::vector<Live> live_;
  std::vector<Live> away_;              // swapped
  std::vector<std::int32_t> borrowed_;  // swap blocks
  std::vector<Lease> leases_;
  std::vector<Pin> pins_;
  std::vector<akv_plan_record> copied_on_write_;  // of the plan that was taken last
  akv_ticket plan_wait_ = AKV_NONE;               // what its records had to wait for
  std::uint64_t owners_[3];
  std::uint64_t next_request_ = 1;
  // A block table that is kept in place from step to step.
  std::vector<std::int32_t> table_;
  std::vector<akv_row_state> row_states_;
  std::uint32_t row_width_;
};

}  // namespace akv::stress
