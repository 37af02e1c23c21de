// run_tree.hpp: the prefix index: a radix tree over runs of blocks.
// It knows runs, tokens and blocks by id; not sequences, tables or plans. No lock: the cache's lock is held.
//
// Every block that is not free and not one sequence's own is in exactly one run. Runs that can be found are *linked*;
// private runs hang in the tree as well, unfindable: they are what forks and leases share before it is published.
#pragma once

#include "meta/block_pool.hpp"
#include "meta/prefix/eviction_order.hpp"
#include "meta/prefix/run.hpp"
#include "meta/prefix/sibling_trie.hpp"
#include "meta/token_store.hpp"
#include "order/quarantine.hpp"
#include "order/tickets.hpp"

namespace akv {

// How far a prompt can be followed.
struct Walk {
  RunId run = kRoot;             // the last run reached
  std::uint32_t run_blocks = 0;  // blocks of it that match
  std::uint32_t blocks = 0;      // whole blocks that match, from the root
  RunId partial_run = kNoRun;    // the run whose block `partial_index` begins like the rest of the prompt ...
  std::uint32_t partial_index = 0;
  std::uint32_t partial_tokens = 0;  // ... for so many tokens
  std::uint64_t wait = 0;            // newest ticket under which something of it is still being written
  std::uint64_t partial_wait = 0;    // the same for the partial block
};

class RunTree {
 public:
  RunTree(BlockPool &pool, TokenStore &tokens, Tickets &tickets, IdLists &lists) noexcept
      : pool_(pool), tokens_(tokens), tickets_(tickets), lists_(lists), trie_(trie_nodes_) {}

  static void plan(Reservation &memory, std::uint32_t max_runs, std::uint32_t max_open_tickets) noexcept;
  void take_memory(Reservation &memory, std::uint32_t max_runs, std::uint32_t max_open_tickets) noexcept;

  // Follow the first `limit` of `tokens`.
  Walk match(std::uint64_t domain, const std::int32_t *tokens, std::uint32_t limit) const noexcept;

  // The child of `parent` whose first block holds exactly these tokens, or kNoRun.
  RunId find_child(RunId parent, std::uint64_t domain, const std::int32_t *tokens) const noexcept;

  // How many blocks of `run`, from its first, hold the tokens of the blocks `ids`.
  std::uint32_t common_blocks(RunId run, const std::int32_t *ids, std::uint32_t count) const noexcept;

  // Cut a run before its block `at`. The returned new run is the upper part; the lower part keeps its number and with
  // it everybody who ends there.
  RunId split(RunId run, std::uint32_t at) noexcept;

  // A new run below `parent`, held by nobody yet: hold it at once. `tail_tokens` are in its last block.
  RunId add(RunId parent, std::uint64_t domain, const std::int32_t *ids, std::uint32_t count,
            std::uint32_t tail_tokens) noexcept;
  void link(RunId run, const TicketSpan &tickets) noexcept;
  // Can `run`, exclusive to one sequence, take blocks under these tickets? A run tells one span of tickets only.
  bool extendable(RunId run, const TicketSpan &tickets) const noexcept {
    const TicketSpan &span = runs_[run].tickets;
    return exclusive(run) &&
           (tickets_.settled(span.last) ||
            (span.first == tickets.first && span.last == tickets.last && tickets.settled_blocks == 0));
  }
  void extend(RunId run, const std::int32_t *ids, std::uint32_t count, const TicketSpan &tickets) noexcept;

  // Take a run apart whose blocks go to its one holder: its number and chunks are given back, the blocks are not.
  void dissolve(RunId run) noexcept;

  void hold(RunId run, Hold kind) noexcept;
  // The holder leaves, and with it whoever might order its queued work before that of the others.
  void release(RunId run, Hold kind) noexcept;
  // A sequence that ended at `from` ends at `to` instead, which is above it or below.
  void move_end(RunId from, RunId to) noexcept;

  // Nobody but one sequence ends at `run` or below it; `children`: of the runs directly below, that sequence's own.
  bool exclusive(RunId run, std::uint32_t children = 0) const noexcept {
    const Run &r = runs_[run];
    return r.num_children == children && r.holds[0] == 1 && r.holds[1] == 0 && r.holds[2] == 0;
  }

  // Evict up to `count` blocks, oldest first, into the pool; returns how many.
  std::uint32_t evict(std::uint32_t count) noexcept;

  // Tickets first .. last - 1 have ended: what was let go under them may be evicted now.
  void settle(std::uint64_t first, std::uint64_t last) noexcept { pending_.settle(first, last); }

  // Make all runs of a domain (or of all) unfindable. Returns the number of blocks that left the index.
  std::uint32_t clear(const std::uint64_t *domain, bool keep_pinned) noexcept;
  // Give up what `ticket`, still open, was writing, and all that follows it; `condemn(ids, count)` hears of its blocks.
  template <class Condemn>
  void lose(std::uint64_t ticket, Condemn condemn) noexcept {
    mark_lost(ticket);
    for (RunId id = kRoot + 1; id <= runs_.touched(); ++id) {
      if (runs_[id].alive == 0 || runs_[id].lost == 0) continue;
      for_each_chunk(id, condemn);
      forget(id);
    }
    free_the_gone();
  }
  // `what(ids, count)` for the blocks of all runs that can't be found.
  template <class What>
  void for_each_private(What what) const noexcept {
    for (RunId id = kRoot + 1; id <= runs_.touched(); ++id)
      if (runs_[id].alive != 0 && runs_[id].linked == 0) for_each_chunk(id, what);
  }

  // Is content behind `run` still being written? The newest ticket, or 0.
  std::uint64_t wait_for(RunId run, std::uint32_t blocks) const noexcept {
    const TicketSpan &span = runs_[run].tickets;
    return blocks > span.settled_blocks && !tickets_.settled(span.last) ? span.last : 0;
  }
  std::uint64_t wait_for_path(RunId run) const noexcept;

  // Blocks on the path of a match that would stop being evictable if it were held.
  std::uint32_t evictable_on_path(const Walk &walk) const noexcept;

  // Write the ids of all blocks from the root to the end of `run`.
  void read_path(RunId run, std::int32_t *out) const noexcept;
  // The ids of blocks first .. end - 1 of the path.
  void read_path_range(RunId run, std::uint32_t first, std::uint32_t end, std::int32_t *out) const noexcept;

  // The run on the path to `run` that has block `index` of the path.
  RunId covering(RunId run, std::uint32_t index) const noexcept {
    while (runs_[run].first_index > index) run = runs_[run].parent;
    return run;
  }
  // The run that ends before block `end` of the path, after a split if need be.
  RunId ending_at(RunId run, std::uint32_t end) noexcept;

  const Run &at(RunId run) const noexcept { return runs_[run]; }
  Run &at(RunId run) noexcept { return runs_[run]; }
  std::uint32_t end_index(RunId run) const noexcept { return runs_[run].first_index + runs_[run].blocks.count; }
  RunClass class_of(const Run &run) const noexcept;

  std::uint32_t blocks(RunClass which) const noexcept { return counts_[static_cast<std::uint32_t>(which)]; }
  std::uint32_t held_blocks(Hold kind) const noexcept { return held_[static_cast<std::uint32_t>(kind)]; }
  bool evictable(const Run &run) const noexcept {
    return class_of(run) == RunClass::cached && tickets_.settled(run.release_epoch);
  }
  std::uint32_t evictable() const noexcept { return blocks(RunClass::cached) - pending_.total(); }
  std::uint32_t num_runs() const noexcept { return runs_.taken() - 1; }
  std::uint32_t highest_run() const noexcept { return runs_.touched(); }
  std::uint64_t evicted_blocks() const noexcept { return evicted_blocks_; }
  std::uint64_t used_bytes() const noexcept {
    return runs_.used_bytes() + trie_nodes_.used_bytes() + order_.used_bytes();
  }
  const IdLists &lists() const noexcept { return lists_; }
  bool in_eviction_order(RunId run) const noexcept { return order_.contains(run); }
  std::uint32_t eviction_candidates() const noexcept { return order_.size(); }
  std::uint32_t trie_nodes() const noexcept { return trie_nodes_.taken(); }

 private:
  template <class What>
  void for_each_chunk(RunId run, What what) const noexcept {
    for (std::uint32_t at = runs_[run].blocks.first; at != 0; at = lists_.chunk(at).next)
      what(lists_.chunk(at).ids, lists_.chunk(at).count);
  }
  TrieKey key_of(RunId run) const noexcept;
  void unlink(RunId run) noexcept;
  void move(Run &run, RunId id, RunClass from, RunClass to) noexcept;
  void let_go(RunId run, Hold kind) noexcept;
  void take_out(RunId run) noexcept;
  void free_run(RunId run) noexcept;
  void mark_lost(std::uint64_t ticket) noexcept;
  std::uint32_t forget(RunId run) noexcept;
  void free_the_gone() noexcept;
  std::uint32_t match_rest_of_run(RunId run, const std::int32_t *tokens, std::uint32_t max_blocks,
                                  std::int32_t &next_block) const noexcept;

  BlockPool &pool_;
  TokenStore &tokens_;
  Tickets &tickets_;
  IdLists &lists_;
  Slab<Run> runs_;
  Slab<TrieNode> trie_nodes_;
  SiblingTrie trie_;
  EvictionOrder order_;
  EpochCounts pending_;  // cached blocks that were let go under a ticket that is still open
  std::uint32_t counts_[kRunClasses] = {};
  std::uint32_t held_[kHoldKinds] = {};  // blocks that are held in each way, whatever else holds them
  std::uint64_t clock_ = 0;
  std::uint64_t evicted_blocks_ = 0;
};

}  // namespace akv
