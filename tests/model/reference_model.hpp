// reference_model.hpp: what a cache must answer, in the plainest form: no runs, no counts, no locks, no memory tricks.
// It knows the contract of the headers; it copies everything and looks at everything each time.
//
// The prefix index is a tree with a node per block. Who holds what is found by walking; what a block counts as is found
// by looking at who holds it. The one thing taken over from the library is which ids new blocks get: they are read
// from it and checked against the model's own list of free ones.
//
//   reference_tree.cpp     the prefix index, eviction, blocks      reference_shapes.cpp   fork, truncate, free, holds
//   reference_growth.cpp   sequences, create, append, reserve      reference_order.cpp    tickets, plans, read-outs
//   reference_commit.cpp   token ids, commit, publishing         reference_swap.cpp     swap blocks, extents
#pragma once

#include "arenakv.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace reference {

using Tokens = std::vector<std::int32_t>;
constexpr std::int32_t kUnknown = AKV_TOKEN_UNKNOWN;

struct Config {
  std::uint32_t num_blocks, block_tokens, max_sequences, max_tokens, max_plans, max_holds, max_pinned, magazine,
      max_tickets, scrub, swap_blocks;
  bool buddy;
};

// A block that is in the tree: published, or shared before it is.
struct Node {
  std::int32_t id;
  Node *parent;         // nullptr: the root
  std::uint32_t index;  // its place in the prompt
  std::uint64_t domain;
  Tokens tokens;         // of linked nodes: whole
  std::uint32_t filled;  // tokens in it
  bool linked = false, dead = false, lost = false, cached = false;
  bool held[3] = {};  // by sequences, pins, leases: found by walking
  std::uint64_t stamp = 0, epoch = 0;
  std::uint64_t left = 0;  // newest ticket when one who held it, or what was below it, last left
  std::uint64_t first_ticket = 0, last_ticket = 0;
};

struct Plan;

struct Sequence {
  akv_sequence handle;
  Tokens tokens;
  std::uint32_t committed = 0;
  std::vector<Node *> path;         // what is held through the tree
  std::vector<std::int32_t> table;  // all blocks; the first path.size() are the path's, or duplicates of them
  std::uint64_t request_id = 0, owner = 0, domain = 0;
  std::uint32_t max_tokens = 0, sound = 0, commit_on_finish = 0;
  bool no_publish = false, lost = false, pending = false, contiguous = false;
  std::uint32_t state = AKV_SEQUENCE_ACTIVE;
  std::vector<std::int32_t> swap_blocks;
  std::uint32_t blocks_before = 0;  // its table had when it left for them
  // Another published this block of its path: the library looks there once more, in vain, but has its place in the
  // queue; until something makes it look at the path anew.
  std::uint32_t looks_at = UINT32_MAX;
  std::uint64_t ticket_from = 0, first_ticket = 0, last_ticket = 0;
  Plan *plan = nullptr;

  // what an open plan goes back to
  bool created_by_plan = false;
  std::uint32_t undo_length = 0, undo_blocks = 0, undo_index = 0;
  std::int32_t undo_id = 0;
  Node *undo_source = nullptr;

  void look_anew() { looks_at = UINT32_MAX; }
  std::uint32_t length() const { return static_cast<std::uint32_t>(tokens.size()); }
  std::uint32_t known() const;
};

struct Plan {
  akv_plan handle = 0;
  std::list<Sequence *> sequences;  // the last one to join comes first
  std::list<Node *> leases;         // likewise
  std::vector<akv_plan_record> records;
  std::uint64_t wait = 0;
  bool swaps = false;
};

struct Hold {
  std::uint64_t handle;
  std::uint64_t owner;
  bool pin;
  Node *end;
};

struct Match {
  std::vector<Node *> path;
  std::uint32_t partial = 0;
  Node *source = nullptr;
  std::uint64_t wait = 0, partial_wait = 0;
  // of a new sequence: tokens that are cached, blocks that it shares, and all that it shares or copies
  std::uint32_t cached = 0, shared = 0;
  std::vector<Node *> touched;
};

class Model {
 public:
  explicit Model(const Config &config);

  // Content is published when somebody is about to look: every call but growing and committing does that first.
  void publish_pending();

  // Where new blocks come from: the library's table of this sequence after the call, and the records of this plan.
  std::function<std::vector<std::int32_t>(akv_sequence)> read_table;
  std::function<std::vector<akv_plan_record>(akv_plan)> read_records;
  // Set when something is found that can't be: two users of a block, a taken id.
  std::string complaint;

  Match match(std::uint64_t domain, const Tokens &tokens, std::uint32_t limit) const;
  akv_status create(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &options,
                    const akv_created &got, akv_created &want);
  akv_status can_allocate(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &options,
                          akv_room &want);
  akv_status can_extend(Sequence &s, std::uint32_t count, akv_room &want);

  struct Row {
    Sequence *sequence;
    Tokens tokens;
  };
  akv_status append(std::vector<Row> rows, bool commit, bool may_plan, bool single, akv_plan got, akv_plan &want);
  akv_status reserve(Sequence &s, std::uint32_t num_tokens, bool may_plan, akv_plan got, akv_plan &want);
  akv_status set_tokens(Sequence &s, std::uint32_t first, const Tokens &tokens);
  akv_status commit(const std::vector<Sequence *> &sequences, const std::vector<std::uint32_t> &lengths,
                    std::uint64_t ticket);
  akv_status fork(Sequence &parent, std::uint32_t length, const akv_sequence_options &options, akv_sequence got);
  akv_status truncate(Sequence &s, std::uint32_t length, bool keep);
  akv_status set_length(Sequence &s, std::uint32_t length);
  void free(Sequence &s, bool in_flight = false);
  std::uint32_t drop_owner(std::uint64_t owner, bool in_flight);

  akv_status pin(const Tokens &prompt, std::uint64_t domain, std::uint64_t owner, akv_pin got, std::uint32_t &tokens);
  akv_status lease(Sequence &s, std::uint32_t num_tokens, std::uint64_t owner, akv_lease got, std::uint64_t &wait);
  void release(std::uint64_t handle);
  std::uint32_t clear(const std::uint64_t *domain, bool keep_pinned);
  std::uint32_t explain(const Tokens &prompt, std::uint64_t domain) const;

  akv_status open_ticket();
  akv_status retire(std::uint64_t ticket);
  std::uint32_t abandon(std::uint64_t ticket);
  std::uint32_t ticket_state(std::uint64_t ticket) const;
  akv_status finish(Plan &plan, std::uint64_t ticket);
  void abandon_plan(Plan &plan);

  akv_status swap_out(Sequence &s, akv_plan got);
  akv_status swap_in(Sequence &s, const akv_swapped_in &got, akv_swapped_in &want);
  akv_status acquire_swap(const std::vector<std::int32_t> &got);
  akv_status release_swap(const std::vector<std::int32_t> &ids);

  akv_cache_state state();
  akv_measures measure();
  std::vector<std::uint8_t> block_map();
  std::uint64_t wait_of(const Sequence &s) const;
  std::uint32_t published_tokens(const Sequence &s) const;
  std::uint32_t duplicates(const Sequence &s) const;
  std::uint32_t shared_blocks(const Sequence &s) const;

  Sequence *find(akv_sequence handle);
  Plan *find_plan(akv_plan handle);
  const Hold *find_hold(std::uint64_t handle) const;

  const Config config;
  std::list<Sequence> sequences;
  std::list<Plan> plans;
  std::list<Hold> holds;
  std::uint64_t newest = 0;
  std::set<std::uint64_t> open_tickets, abandoned;
  std::set<std::int32_t> acquired;  // swap blocks

 private:
  std::uint32_t blocks_of(std::uint64_t tokens) const;
  bool settled(std::uint64_t ticket) const { return ticket < oldest_open(); }
  std::uint64_t oldest_open() const { return open_tickets.empty() ? newest + 1 : *open_tickets.begin(); }
  std::uint64_t unsettled(std::uint64_t ticket) const { return settled(ticket) ? 0 : ticket; }

  // the tree
  Node *add(Node *parent, std::uint64_t domain, std::int32_t id);
  bool has_children(const Node *node) const;
  std::vector<Node *> children(const Node *parent, std::uint64_t domain) const;
  Node *nearest(std::vector<Node *> siblings, const std::int32_t *tokens, std::uint32_t count) const;
  Node *equal_child(const Node *parent, std::uint64_t domain, const std::int32_t *tokens) const;
  void look_who_holds();
  void somebody_let_go();
  void leave_end(Sequence &s);
  void remove(Node *node);
  bool evictable(const Node &node) const { return node.cached && settled(node.epoch); }
  std::uint32_t count_evictable() const;

  // blocks
  void give_back(std::int32_t id);
  void end_ticket(std::uint64_t ticket);
  bool secure(std::uint32_t count);
  void evict(std::uint32_t count);
  std::uint32_t pool_free() const { return static_cast<std::uint32_t>(free_.size()) - in_magazine_; }
  void take(Sequence &s, std::uint32_t count);
  bool pop_from_magazine();
  void refill();
  bool scrub(std::int32_t id, std::uint64_t domain);
  void condemn(std::int32_t id);
  void meet(std::uint64_t domain);
  void note_peak();
  std::uint32_t live_and_own() const;
  std::uint32_t longest_extent(const std::vector<Node *> &keep);
  static std::uint32_t longest_run(const std::set<std::int32_t> &ids);
  void take_extent(Sequence &s, std::uint32_t count);

  // swap
  void give_back_swap(const std::vector<std::int32_t> &ids);
  std::vector<std::int32_t> named_swap_blocks(const Plan &plan) const;
  void leave_swap_blocks(Sequence &s, bool in_flight);
  void leave_blocks(Sequence &s);
  void come_back(Sequence &s);
  akv_status finish_swap(Plan &plan, std::uint64_t number);
  void abandon_swap(Plan &plan);

  // sequences
  Sequence &new_sequence(akv_sequence handle, std::uint64_t domain, const akv_sequence_options &options,
                         std::uint32_t max_tokens);
  akv_status check_admission(const akv_sequence_options &options, std::uint32_t length) const;
  Match admit(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &options) const;
  std::uint32_t held_by(const std::vector<Node *> &nodes) const;
  bool is_own(const Sequence &s, std::uint32_t at) const;
  bool tail_shared(const Sequence &s) const;
  std::uint32_t room(const Sequence &s) const;
  bool absorbable(const Sequence &s, bool to_write) const;
  bool absorb(Sequence &s, bool to_write);
  void share(Sequence &s, std::uint32_t blocks);
  void copy_tail(Sequence &s, Plan &plan);
  void publish(Sequence &s);
  bool publishable(const Sequence &s) const;
  void publish_later(Sequence &s);
  void note_ticket(Sequence &s, std::uint64_t from, std::uint64_t first, std::uint64_t last);
  void truncate_path(Sequence &s, std::uint32_t blocks, bool inside);
  void drop_duplicates(Sequence &s, std::uint32_t from);
  akv_status quiet(const Sequence &s) const;
  std::uint32_t first_planned(const Sequence &s) const;
  void join(Plan &plan, Sequence &s);
  void close(Plan &plan);
  akv_status commit_number(std::uint64_t ticket, std::uint64_t &number) const;
  Plan &open_plan();
  Plan *zero_new_blocks(Sequence &s, std::uint32_t first, Plan *plan);

  std::list<Node> nodes_;
  std::vector<Sequence *> pending_;
  std::set<std::int32_t> free_;  // magazines included
  std::set<std::int32_t> free_swap_;
  std::vector<std::pair<std::uint64_t, std::int32_t>> quarantine_, swap_quarantine_;
  std::uint32_t in_magazine_ = 0;
  std::uint64_t clock_ = 0;
  bool looking_ = false, any_domain_ = false;
  std::uint64_t first_domain_ = 0;
  std::vector<bool> used_, condemned_;
  std::vector<std::uint64_t> last_domain_;
  akv_cache_state counters_{};
};

// What the files of the model share.
inline std::uint32_t slot_of(std::uint64_t handle) { return static_cast<std::uint32_t>(handle & 0xfffff); }

template <class Container>
auto in_order_of_slots(Container &things) {
  std::vector<decltype(&things.front())> sorted;
  for (auto &thing : things) sorted.push_back(&thing);
  std::sort(sorted.begin(), sorted.end(), [](auto a, auto b) { return slot_of(a->handle) < slot_of(b->handle); });
  return sorted;
}

}  // namespace reference
