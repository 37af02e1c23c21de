// run_holds.cpp: who holds runs, what their blocks count as, and which leave first.
// It knows nothing about prompts; a run's shape is changed in run_tree.cpp only.
#include "meta/prefix/run_tree.hpp"

#include <algorithm>
#include <iterator>

namespace akv {

RunClass RunTree::class_of(const Run &run) const noexcept {
  if (run.holds[0] != 0) return RunClass::live;
  if (run.holds[1] != 0) return RunClass::pinned;
  if (run.holds[2] != 0) return RunClass::leased;
  return run.linked != 0 ? RunClass::cached : RunClass::gone;
}

// The one place where blocks of runs change their gauge.
void RunTree::move(Run &run, RunId id, RunClass from, RunClass to) noexcept {
  if (from == to) return;
  const std::uint32_t count = run.blocks.count;
  counts_[static_cast<std::uint32_t>(from)] -= count;
  counts_[static_cast<std::uint32_t>(to)] += count;
  if (from == RunClass::cached) {
    if (order_.contains(id)) order_.remove(id);
    if (!tickets_.settled(run.release_epoch)) pending_.remove(run.release_epoch, count);
  }
  if (to == RunClass::cached) {
    run.stamp = clock_;
    run.release_epoch = tickets_.newest();
    if (!tickets_.settled(run.release_epoch)) pending_.add(run.release_epoch, count);
    if (run.num_children == 0) order_.add(id, run.stamp);
  }
}

void RunTree::hold(RunId id, Hold kind) noexcept {
  const auto k = static_cast<std::uint32_t>(kind);
  for (; id != kRoot; id = runs_[id].parent) {
    Run &run = runs_[id];
    const RunClass before = class_of(run);
    if (run.holds[k]++ != 0) return;  // its path is held in this way already
    held_[k] += run.blocks.count;
    move(run, id, before, class_of(run));
  }
}

void RunTree::release(RunId id, Hold kind) noexcept {
  if (id != kRoot) runs_[id].left_epoch = tickets_.newest();
  let_go(id, kind);
}

// Below `from`, it still holds that; above, it leaves what is between.
void RunTree::move_end(RunId from, RunId to) noexcept {
  const bool leaves = end_index(to) < end_index(from);
  hold(to, Hold::sequence);
  leaves ? release(from, Hold::sequence) : let_go(from, Hold::sequence);
}

void RunTree::let_go(RunId id, Hold kind) noexcept {
  const auto k = static_cast<std::uint32_t>(kind);
  ++clock_;
  while (id != kRoot) {
    Run &run = runs_[id];
    const RunId parent = run.parent;
    const RunClass before = class_of(run);
    const bool last = --run.holds[k] == 0;
    if (last) held_[k] -= run.blocks.count;
    const RunClass after = class_of(run);
    move(run, id, before, after);
    if (after == RunClass::gone) free_run(id);
    if (!last) return;
    id = parent;
  }
}

std::uint32_t RunTree::evict(std::uint32_t count) noexcept {
  std::uint32_t evicted = 0;
  std::int32_t ids[256];
  while (evicted < count && !order_.empty()) {
    const RunId id = order_.oldest();
    Run &run = runs_[id];
    // Stamps and epochs grow together: if device work may still read the oldest, so it is for all others, and giving
    // up their content would free nothing now.
    if (!tickets_.settled(run.release_epoch)) break;
    std::uint32_t part = std::min(count - evicted, run.blocks.count);
    evicted += part;
    counts_[static_cast<std::uint32_t>(RunClass::cached)] -= part;
    if (part == run.blocks.count) {
      for (std::uint32_t chunk = run.blocks.first; chunk != 0; chunk = lists_.chunk(chunk).next)
        pool_.give_back_settled(lists_.chunk(chunk).ids, lists_.chunk(chunk).count);
      lists_.clear(run.blocks);
      order_.remove(id);
      take_out(id);
      continue;
    }
    run.tail_tokens = tokens_.block_tokens();
    run.tickets.settled_blocks = std::min(run.tickets.settled_blocks, run.blocks.count - part);
    for (std::uint32_t piece; part != 0; part -= piece) {  // from the tail
      piece = std::min(part, static_cast<std::uint32_t>(std::size(ids)));
      lists_.pop_back(run.blocks, piece, ids);
      pool_.give_back_settled(ids, piece);
    }
  }
  evicted_blocks_ += evicted;
  return evicted;
}

// Make one run unfindable for good; returns its blocks if it could be found. Whether it is freed is decided later,
// when all of a sweep are marked: a parent must not go before its children are known to go.
std::uint32_t RunTree::forget(RunId id) noexcept {
  Run &run = runs_[id];
  run.dead = 1;
  if (run.linked == 0) return 0;
  const RunClass before = class_of(run);
  unlink(id);
  move(run, id, before, class_of(run));
  return run.blocks.count;
}

void RunTree::free_the_gone() noexcept {
  for (RunId id = kRoot + 1; id <= runs_.touched(); ++id)
    if (runs_[id].alive != 0 && class_of(runs_[id]) == RunClass::gone) free_run(id);
}

std::uint32_t RunTree::clear(const std::uint64_t *domain, bool keep_pinned) noexcept {
  std::uint32_t blocks = 0;
  for (RunId id = kRoot + 1; id <= runs_.touched(); ++id) {
    Run &run = runs_[id];
    if (run.alive == 0 || (domain != nullptr && run.domain != *domain)) continue;
    if (keep_pinned && run.holds[static_cast<std::uint32_t>(Hold::pin)] != 0) continue;
    blocks += forget(id);
  }
  free_the_gone();
  return blocks;
}

// The runs that the ticket was writing, from where it was, and everything below them.
void RunTree::mark_lost(std::uint64_t ticket) noexcept {
  const RunId highest = runs_.touched();
  for (RunId id = kRoot + 1; id <= highest; ++id) {
    const TicketSpan span = runs_[id].tickets;
    if (runs_[id].alive == 0 || ticket < span.first || ticket > span.last || tickets_.settled(span.last)) continue;
    if (span.settled_blocks >= runs_[id].blocks.count) continue;
    if (span.settled_blocks != 0) split(id, span.settled_blocks);  // the upper part is sound
    runs_[id].lost = 1;
  }
  for (RunId id = kRoot + 1; id <= runs_.touched(); ++id) {
    if (runs_[id].alive == 0) continue;
    RunId above = id;
    while (above != kRoot && runs_[above].lost == 0) above = runs_[above].parent;
    if (above != kRoot) runs_[id].lost = 1;
  }
}

std::uint32_t RunTree::evictable_on_path(const Walk &walk) const noexcept {
  std::uint32_t blocks = 0;
  for (RunId id = walk.run; id != kRoot; id = runs_[id].parent)
    if (evictable(runs_[id])) blocks += id == walk.run ? walk.run_blocks : runs_[id].blocks.count;
  return blocks;
}

}  // namespace akv
