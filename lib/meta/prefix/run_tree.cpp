// run_tree.cpp: the shape of the prefix index: adding, cutting, linking and removing runs.
// It knows nothing about holders and eviction (run_holds.cpp) or about prompts (run_match.cpp).
#include "meta/prefix/run_tree.hpp"

#include <algorithm>

namespace akv {

void RunTree::plan(Reservation &memory, std::uint32_t max_runs, std::uint32_t max_open_tickets) noexcept {
  Slab<Run>::plan(memory, max_runs + std::size_t{1});
  Slab<TrieNode>::plan(memory, max_runs);
  EvictionOrder::plan(memory, max_runs + std::size_t{1});
  EpochCounts::plan(memory, max_open_tickets);
}

void RunTree::take_memory(Reservation &memory, std::uint32_t max_runs, std::uint32_t max_open_tickets) noexcept {
  runs_.take_memory(memory, max_runs + std::size_t{1});
  trie_nodes_.take_memory(memory, max_runs);
  order_.take_memory(memory, max_runs + std::size_t{1});
  pending_.take_memory(memory, max_open_tickets);
  runs_[runs_.take()] = Run{};  // the root: no block, never held, never freed
  runs_[kRoot].alive = 1;
  runs_[kRoot].linked = 1;
}

TrieKey RunTree::key_of(RunId run) const noexcept {
  const Run &r = runs_[run];
  return {tokens_.of(r.first_block), tokens_.block_tokens(), r.parent == kRoot ? 2u : 0u, r.domain};
}

RunId RunTree::add(RunId parent, std::uint64_t domain, const std::int32_t *ids, std::uint32_t count,
                   std::uint32_t tail_tokens) noexcept {
  const RunId id = runs_.take();
  Run &run = runs_[id];
  run = Run{};
  run.alive = 1;
  run.parent = parent;
  run.first_index = end_index(parent);
  lists_.append(run.blocks, ids, count);
  run.first_block = ids[0];
  run.domain = domain;
  run.tail_tokens = tail_tokens;
  ++runs_[parent].num_children;
  if (order_.contains(parent)) order_.remove(parent);
  counts_[static_cast<std::uint32_t>(RunClass::gone)] += count;  // until it is held
  return id;
}

void RunTree::link(RunId id, const TicketSpan &tickets) noexcept {
  Run &run = runs_[id];
  const RunClass before = class_of(run);
  run.linked = 1;
  run.tickets = tickets;
  trie_.insert(runs_[run.parent].children, id, key_of(id), [this](RunId other) { return key_of(other); });
  move(run, id, before, class_of(run));
}

void RunTree::unlink(RunId id) noexcept {
  Run &run = runs_[id];
  if (run.linked == 0) return;
  trie_.remove(runs_[run.parent].children, id, key_of(id));
  run.linked = 0;
}

void RunTree::extend(RunId id, const std::int32_t *ids, std::uint32_t count, const TicketSpan &tickets) noexcept {
  Run &run = runs_[id];
  if (tickets_.settled(run.tickets.last))
    run.tickets = {tickets.first, tickets.last, run.blocks.count + tickets.settled_blocks};
  lists_.append(run.blocks, ids, count);
  counts_[static_cast<std::uint32_t>(class_of(run))] += count;
  held_[0] += count;  // an exclusive run: by its sequence alone
}

RunId RunTree::split(RunId id, std::uint32_t at) noexcept {
  const RunId upper_id = runs_.take();
  Run &upper = runs_[upper_id];
  Run &lower = runs_[id];
  upper = lower;
  if (lower.linked != 0) trie_.replace(runs_[lower.parent].children, id, upper_id, key_of(id));
  lower.blocks = lists_.split(upper.blocks, at);
  lower.first_block = lists_.chunk(lower.blocks.first).ids[0];
  lower.first_index = upper.first_index + at;
  lower.parent = upper_id;
  upper.tail_tokens = tokens_.block_tokens();
  for (std::uint32_t &holds : upper.holds) holds = holds != 0 ? 1 : 0;  // the lower part's, as a child's
  upper.num_children = 1;
  upper.children = 0;
  if (lower.linked != 0) trie_.insert(upper.children, id, key_of(id), [this](RunId other) { return key_of(other); });
  TicketSpan &above = upper.tickets, &below = lower.tickets;
  below.settled_blocks = below.settled_blocks > at ? below.settled_blocks - at : 0;
  above.settled_blocks = above.settled_blocks < at ? above.settled_blocks : at;
  return upper_id;
}

// Leave the parent. The caller has taken care of the run's own class, blocks and children.
void RunTree::take_out(RunId id) noexcept {
  Run &run = runs_[id];
  unlink(id);
  const RunId parent_id = run.parent;
  Run &parent = runs_[parent_id];
  run.alive = 0;
  runs_.give_back(id);
  if (parent.alive == 0) return;                                    // freed before its children, in free_the_gone()
  parent.left_epoch = std::max(parent.left_epoch, run.left_epoch);  // who held the run held the parent as well
  if (--parent.num_children == 0 && parent_id != kRoot && class_of(parent) == RunClass::cached)
    order_.add(parent_id, parent.stamp);
}

void RunTree::free_run(RunId id) noexcept {
  Run &run = runs_[id];
  counts_[static_cast<std::uint32_t>(RunClass::gone)] -= run.blocks.count;
  for (std::uint32_t chunk = run.blocks.first; chunk != 0; chunk = lists_.chunk(chunk).next)
    pool_.give_back(lists_.chunk(chunk).ids, lists_.chunk(chunk).count);
  lists_.clear(run.blocks);
  take_out(id);
}

void RunTree::dissolve(RunId id) noexcept {
  Run &run = runs_[id];
  counts_[static_cast<std::uint32_t>(class_of(run))] -= run.blocks.count;
  held_[0] -= run.blocks.count;
  lists_.clear(run.blocks);
  take_out(id);
}

RunId RunTree::ending_at(RunId run, std::uint32_t end) noexcept {
  if (end == 0) return kRoot;
  run = covering(run, end - 1);
  const std::uint32_t at = end - runs_[run].first_index;
  return at < runs_[run].blocks.count ? split(run, at) : run;
}

void RunTree::read_path(RunId run, std::int32_t *out) const noexcept {
  for (; run != kRoot; run = runs_[run].parent) lists_.read(runs_[run].blocks, out + runs_[run].first_index);
}

void RunTree::read_path_range(RunId run, std::uint32_t first, std::uint32_t end, std::int32_t *out) const noexcept {
  for (; run != kRoot && end > first; run = runs_[run].parent) {
    const Run &r = runs_[run];
    if (r.first_index >= end) continue;
    const std::uint32_t from = r.first_index > first ? r.first_index : first;
    lists_.read_range(r.blocks, from - r.first_index, end - from, out + (from - first));
    end = from;
  }
}

std::uint64_t RunTree::wait_for_path(RunId run) const noexcept {
  std::uint64_t wait = 0;
  for (; run != kRoot; run = runs_[run].parent) {
    const std::uint64_t here = wait_for(run, runs_[run].blocks.count);
    wait = here > wait ? here : wait;
  }
  return wait;
}

}  // namespace akv
