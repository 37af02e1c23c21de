// swap.cpp: sequences leave the cache's blocks for swap blocks and come back, each way as a plan.
// It knows tables, runs and plan records; no byte: what a record copies is somebody else's business.
//
// Nothing is given up before the plan is finished: a sequence on its way has its blocks *and* swap blocks, the latter
// in its table behind the last entry.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

// -- out --

Status Cache::check_swap_out(const Sequence &s) const noexcept {
  if (config_.num_swap_blocks == 0)
    return fail(AKV_ERROR_UNSUPPORTED, "the cache has no swap blocks: akv_cache_config.num_swap_blocks is 0");
  if (Status status = check_quiet(s); status != AKV_OK) return status;
  if (s.committed < s.length)
    return fail_with(AKV_ERROR_NOT_COMMITTED, s.length, s.committed,
                     "only %llu of the sequence's %llu tokens are committed: there are no K/V of the others to save",
                     s.committed, s.length);
  return AKV_OK;
}

Status Cache::swap_out(Slot slot, akv_plan &out) noexcept {
  Sequence &s = sequences_[slot];
  if (Status status = check_swap_out(s); status != AKV_OK) return status;
  const ShortLock lock(mutex_);
  publish_pending_locked();
  SequenceRest &rest = rest_[slot];
  const std::uint32_t blocks = s.used_blocks;
  if (blocks > swap_.free())
    return fail_with(AKV_ERROR_NO_SWAP_BLOCKS, blocks, swap_.free(),
                     "the sequence has %llu blocks, %llu of %llu swap blocks are free", blocks, swap_.free(),
                     config_.num_swap_blocks);
  if (!plans_.can_open()) return no_plans();

  const std::uint32_t plan = open_plan_locked();
  plans_[plan].swap = Swap::out;
  widen_row_locked(slot, s.num_blocks + blocks);
  swap_.take(blocks, s.table + s.num_blocks);
  rest.swap = Swap::out;
  rest.swap_blocks = blocks;
  if (rest.anchor != kRoot) {
    tree_.hold(rest.anchor, Hold::lease);  // whatever becomes of the sequence, the plan's sources stay
    plans_.add_lease(plan, rest.anchor);
  }
  plan_copies_out_locked(slot, plan);
  join_plan_locked(plan, slot, undo_of(slot));
  rest.commit_on_finish = s.committed;
  refresh(slot);  // nothing is published until the plan has ended
  out = plan_handle(plan);
  return AKV_OK;
}

// A record for each block. Where an own block has an equal published one, that is the source: as with leases.
void Cache::plan_copies_out_locked(Slot slot, std::uint32_t plan) noexcept {
  const Sequence &s = sequences_[slot];
  const SequenceRest &rest = rest_[slot];
  const akv_ticket wait = ticket_of(wait_of_locked(slot));
  const auto copy = [&](std::uint32_t at, std::int32_t from) {
    plans_.add_record(plan, {AKV_PLAN_SWAP_OUT, 0, 0, from, swap_.outside(s.table[s.num_blocks + at]), 0, 1, 0,
                             std::min(block_tokens_, s.length - at * block_tokens_), handle_of(slot), wait, 0});
  };
  for_each_on_path(rest.anchor, 0, rest.anchored_blocks, copy);
  for (std::uint32_t at = rest.anchored_blocks; at < s.used_blocks; ++at) copy(at, s.table[at]);
}

// The copies are complete: the blocks go, published ones as cached prefix.
void Cache::end_swap_out_locked(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  const std::uint32_t swap_blocks = rest.swap_blocks, before = s.num_blocks;
  std::int32_t *tail = s.table + before;
  for (std::uint32_t at = 0; at < swap_blocks; ++at)
    std::memcpy(tokens_.of(tail[at]), tokens_.of(s.table[at]), block_tokens_ * sizeof(std::int32_t));
  publish_locked(slot);
  free_duplicates_locked(slot, 0, rest.anchored_blocks);
  give_back_own_locked(s.table + rest.anchored_blocks, before - rest.anchored_blocks);
  anchor_at_locked(slot, kRoot);
  std::memmove(s.table, tail, swap_blocks * sizeof(std::int32_t));
  rest.swap = Swap::swapped;
  rest.blocks_before = before;
  s.num_blocks = swap_blocks;
  s.flags = s.flags | kSwapped;
  ++s.version;
  refresh(slot);
  ++swapped_sequences_;
  ++counters_.swapped_out;
}

// -- in --

// What of a swapped sequence is cached by now, or still: block by block, so no array of its tokens is needed.
Walk Cache::match_swapped_locked(Slot slot) const noexcept {
  const Sequence &s = sequences_[slot];
  const SequenceRest &rest = rest_[slot];
  const std::uint32_t whole = math_.whole_blocks(std::min<std::uint32_t>(s.known, s.committed));
  Walk walk;
  if (rest.contiguous != 0) return walk;  // it has no block in common with anybody
  if (rest.no_publish != 0) return walk;  // its K/V may rest on other weights than what is found now
  while (walk.blocks < whole) {
    const std::int32_t *ids = s.table + walk.blocks;
    const RunId child = tree_.find_child(walk.run, rest.domain, tokens_.of(ids[0]));
    if (child == kNoRun) break;
    const std::uint32_t common = tree_.common_blocks(child, ids, whole - walk.blocks);
    walk.run = child;
    walk.run_blocks = common;
    walk.blocks += common;
    walk.wait = std::max(walk.wait, tree_.wait_for(child, common));
    if (common < tree_.at(child).blocks.count) break;
  }
  return walk;
}

Status Cache::swap_in(Slot slot, akv_swapped_in &out) noexcept {
  Sequence &s = sequences_[slot];
  if ((s.flags & kSwapped) == 0) {
    if (Status status = check_quiet(s); status != AKV_OK) return status;
    return fail(AKV_ERROR_INVALID_ARGUMENT, "the sequence is not swapped: it is active, with %llu blocks",
                s.num_blocks);
  }
  const ShortLock lock(mutex_);
  publish_pending_locked();
  SequenceRest &rest = rest_[slot];
  const Walk walk = match_swapped_locked(slot);
  const std::uint32_t shared = walk.blocks, total = rest.blocks_before, needed = total - shared;
  const std::uint32_t held = tree_.evictable_on_path(walk);
  const bool may_plan = shared < rest.swap_blocks || (needed != 0 && scrubber_.looking());
  if (may_plan && !plans_.can_open()) return no_plans();
  if (rest.contiguous != 0) {
    if (Status status = secure_extent_locked(needed, walk); status != AKV_OK) return status;
  } else if (!supply_.secure(needed + held)) {
    return no_blocks(s.length, needed, supply_.secured() - held);
  }

  // From here on nothing fails.
  const std::uint32_t plan = bring_in_locked(slot, walk);
  s.committed = std::min<std::uint32_t>(s.length, shared * block_tokens_);
  refresh(slot);
  note_peak_locked();
  out.cached_tokens = s.committed;
  out.copied_tokens = s.length - s.committed;
  out.new_blocks = needed;
  out.wait = ticket_of(walk.wait);
  if (plan != 0) {
    plans_[plan].swap = Swap::in;
    join_plan_locked(plan, slot, rest.undo);
    rest.commit_on_finish = rest.undo.committed;
    out.plan = plan_handle(plan);
  } else {
    s.committed = rest.undo.committed;
    end_swap_in_locked(slot);
  }
  return AKV_OK;
}

// Move the swap blocks behind the table's end and put blocks in front. Returns the plan that copies, or 0.
std::uint32_t Cache::bring_in_locked(Slot slot, const Walk &walk) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  rest.undo = undo_of(slot);
  rest.undo.committed = s.committed;
  const std::uint32_t shared = walk.blocks, total = rest.blocks_before, swap_blocks = rest.swap_blocks;
  widen_row_locked(slot, total + swap_blocks);
  const std::int32_t *tail = s.table + total;
  std::memmove(s.table + total, s.table, swap_blocks * sizeof(std::int32_t));
  s.num_blocks = shared;
  s.flags = s.flags & ~kSwapped;
  rest.swap = Swap::in;
  --swapped_sequences_;
  anchor_at_locked(slot, tree_.ending_at(walk.run, shared));
  tree_.read_path(rest.anchor, s.table);
  rest.contiguous != 0 ? append_extent_locked(slot, total) : append_blocks_locked(slot, total - shared);
  std::uint32_t plan = 0;
  scrub_locked(slot, shared, plan);
  if (plan == 0 && shared < swap_blocks) plan = open_plan_locked();
  for (std::uint32_t at = shared; at < swap_blocks; ++at) {
    std::memcpy(tokens_.of(s.table[at]), tokens_.of(tail[at]), block_tokens_ * sizeof(std::int32_t));
    plans_.add_record(plan, {AKV_PLAN_SWAP_IN, 0, 0, swap_.outside(tail[at]), s.table[at], 1, 0, 0,
                             std::min(block_tokens_, s.length - at * block_tokens_), handle_of(slot), 0, 0});
  }
  ++s.version;
  return plan;
}

// The copies are complete: the swap blocks go.
void Cache::end_swap_in_locked(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  swap_.give_back(s.table + s.num_blocks, rest.swap_blocks);
  rest.swap = Swap::none;
  rest.swap_blocks = 0;
  refresh(slot);
  ++counters_.swapped_in;
}

// -- how the plan ends --

Status Cache::check_swap_finish_locked(std::uint32_t plan, std::uint64_t ticket) const noexcept {
  if (ticket != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "the plan swaps: it is finished with ticket 0, when its copies are complete, and ticket %llu is open",
                ticket);
  const std::uint32_t sequence = plans_[plan].first_sequence;
  if (sequence != 0 && (sequences_[sequence - 1].flags & kLost) != 0)  // before it is told to wait in vain
    return fail(AKV_ERROR_CONTENT_LOST,
                "what the plan rests on was given up with an abandoned ticket: abandon the plan, nothing else is lost");
  if (!tickets_.settled(plans_[plan].wait))
    return fail(AKV_ERROR_NOT_READY, "what was copied was still being written: ticket %llu has not passed",
                plans_[plan].wait);
  return AKV_OK;
}

void Cache::finish_swap_locked(std::uint32_t plan) noexcept {
  if (plans_[plan].first_sequence == 0) {
    give_back_left_swap_locked(plan);
  } else {
    const Slot slot = plans_[plan].first_sequence - 1;
    Sequence &s = sequences_[slot];
    leave_plan_locked(slot);
    if (rest_[slot].swap == Swap::out) {
      end_swap_out_locked(slot);
    } else {
      s.committed = rest_[slot].commit_on_finish;
      end_swap_in_locked(slot);
      if (publishable(s)) publish_locked(slot);
    }
    sequences_.leave(slot);
  }
  close_plan_locked(plan);
}

void Cache::abandon_swap_locked(std::uint32_t plan) noexcept {
  if (plans_[plan].first_sequence == 0) {
    give_back_left_swap_locked(plan);
  } else {
    const Slot slot = plans_[plan].first_sequence - 1;
    leave_plan_locked(slot);
    if (rest_[slot].swap == Swap::out) {
      const Sequence &s = sequences_[slot];
      swap_.give_back(s.table + s.num_blocks, rest_[slot].swap_blocks);
      rest_[slot].swap = Swap::none;
      rest_[slot].swap_blocks = 0;
      publish_locked(slot);  // late tokens may have come in the meantime
    } else {
      swap_back_locked(slot);
    }
    sequences_.leave(slot);
  }
  close_plan_locked(plan);
}

// It was being swapped in: it is swapped again, as if nothing had been asked.
void Cache::swap_back_locked(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  std::int32_t *tail = s.table + s.num_blocks;
  for (std::uint32_t at = 0; at < rest.swap_blocks; ++at)  // late tokens that came in the meantime
    std::memcpy(tokens_.of(tail[at]), tokens_.of(s.table[at]), block_tokens_ * sizeof(std::int32_t));
  give_back_own_locked(s.table + rest.anchored_blocks, s.num_blocks - rest.anchored_blocks);
  anchor_at_locked(slot, kRoot);
  std::memmove(s.table, tail, rest.swap_blocks * sizeof(std::int32_t));
  s.num_blocks = rest.swap_blocks;
  s.committed = rest.undo.committed;
  if ((s.flags & kLost) != 0) --lost_sequences_;  // what was lost was cached; what is in the swap blocks is sound
  s.flags = (s.flags & ~kLost) | kSwapped;
  rest.swap = Swap::swapped;
  ++swapped_sequences_;
  ++s.version;
  refresh(slot);
}

// The sequence ends: its swap blocks go, or stay with the plan that is copying.
void Cache::give_up_swap_locked(Slot slot, bool in_flight) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  if (rest.swap == Swap::none) return;
  if (rest.swap == Swap::swapped) {
    swap_.give_back(s.table, s.num_blocks);
    s.num_blocks = 0;
    --swapped_sequences_;
    return;
  }
  // Those that no record names are at the front: they are of tokens that were found cached.
  const std::uint32_t named = in_flight ? 0 : planned_swap_blocks_locked(rest.plan);
  swap_.give_back(s.table + s.num_blocks, rest.swap_blocks - named);
}

std::uint32_t Cache::planned_swap_blocks_locked(std::uint32_t plan) const noexcept {
  std::uint32_t count = 0;
  for_each_swap_block(plan, [&count](std::int32_t) { ++count; });
  return count;
}

// The sequence has been freed, and left the swap blocks that the records name to the plan.
void Cache::give_back_left_swap_locked(std::uint32_t plan) noexcept {
  for_each_swap_block(plan, [this](std::int32_t block) { swap_.give_back(&block, 1); });
}

// -- swap blocks for the caller's own use --

Status Cache::acquire_swap_locked(std::uint32_t count, std::int32_t *out) noexcept {
  if (config_.num_swap_blocks == 0)
    return fail(AKV_ERROR_UNSUPPORTED, "the cache has no swap blocks: akv_cache_config.num_swap_blocks is 0");
  if (count > swap_.free())
    return fail_with(AKV_ERROR_NO_SWAP_BLOCKS, count, swap_.free(), "%llu swap blocks wanted, %llu of %llu are free",
                     count, swap_.free(), config_.num_swap_blocks);
  swap_.acquire(count, out);
  return AKV_OK;
}

Status Cache::release_swap_locked(const std::int32_t *blocks, std::uint32_t count) noexcept {
  if (const std::uint32_t wrong = swap_.release(blocks, count); wrong != count)
    return fail(AKV_ERROR_BAD_HANDLE, "element %llu, swap block %lld, is not acquired, or stands there twice", wrong,
                static_cast<unsigned long long>(static_cast<long long>(blocks[wrong])));
  return AKV_OK;
}

}  // namespace akv
