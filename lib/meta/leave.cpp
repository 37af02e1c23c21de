// leave.cpp: the end of sequences: free, free_batch, drop_owner.
// It knows what a sequence holds; where blocks go from there is the pool's and the tree's business.
#include "meta/cache.hpp"

namespace akv {

// `in_flight`: nobody reads or writes its blocks any more, so an open plan need not keep them.
void Cache::end_locked(Slot slot, bool in_flight) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  give_up_swap_locked(slot, in_flight);
  if (publishable(s) && rest.plan == 0 && absorb_tail_locked(slot, Absorb::to_publish))
    publish_locked(slot);  // what was in the way has gone
  free_duplicates_locked(slot, 0, rest.anchored_blocks);
  if (const std::uint32_t plan = rest.plan; plan != 0) {
    if (!in_flight && s.num_blocks > rest.anchored_blocks) {
      share_own_locked(slot, s.num_blocks);  // the plan's records may be on their way: it keeps their targets
      tree_.hold(rest.anchor, Hold::lease);
      plans_.add_lease(plan, rest.anchor);
    } else if (in_flight) {
      // Its blocks are another's from now on: nobody may run the plan's records on them.
      plans_.drop_records(plan, handle_of(slot), [this](const akv_plan_record &r) { condemn_unzeroed_locked(r); });
    }
    leave_plan_locked(slot);
    if (in_flight && plans_[plan].num_sequences == 0 && plans_[plan].num_records == 0) close_plan_locked(plan);
  }
  give_back_own_locked(s.table + rest.anchored_blocks, s.num_blocks - rest.anchored_blocks);
  tree_.release(rest.anchor, Hold::sequence);
  if ((s.flags & kLost) != 0) --lost_sequences_;
  give_back_slot_locked(slot);
}

void Cache::free_sequence(Slot slot) noexcept {
  const ShortLock lock(mutex_);
  publish_pending_locked();
  end_locked(slot, false);
}

void Cache::free_batch_locked(const akv_sequence *sequences, std::uint32_t count, std::uint32_t &freed,
                              std::uint32_t &stale, akv_status *statuses) noexcept {
  freed = stale = 0;
  publish_pending_locked();
  for (std::uint32_t row = 0; row < count; ++row) {
    const akv_sequence sequence = sequences[row];
    Status status = check_object(sequence, Kind::sequence);
    const Slot slot = slot_of(sequence);
    if (status == AKV_OK) {
      const Entry entry =
          slot < touched_slots_ ? sequences_.enter(slot, ObjectHandle::generation(sequence)) : Entry::stale;
      if (entry == Entry::entered) {
        if (pending(sequences_[slot])) publish_pending_locked();  // committed until its gate was shut
        end_locked(slot, false);
      } else {
        status = entry == Entry::busy ? AKV_ERROR_BUSY : AKV_ERROR_BAD_HANDLE;
      }
    }
    freed += status == AKV_OK;
    stale += status == AKV_ERROR_BAD_HANDLE;
    if (statuses != nullptr) statuses[row] = status;
  }
}

Status Cache::drop_owner_locked(std::uint64_t owner, bool in_flight, std::uint32_t &released) noexcept {
  const auto owned = [this, owner](Slot slot) { return rest_[slot].owner == owner; };
  if (!enter_those_locked(owned)) return fail(AKV_ERROR_BUSY, "a sequence of owner %llu is inside another call", owner);
  released = 0;
  publish_pending_locked();
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot) || !owned(slot)) continue;
    end_locked(slot, in_flight);
    ++released;
  }
  for (std::uint32_t index = 1; index <= holds_.touched(); ++index) {
    const HoldState &hold = holds_[index];
    if (hold.owner != owner || (hold.kind != Kind::pin && (hold.kind != Kind::lease || !in_flight))) continue;
    tree_.release(hold.run, hold.kind == Kind::pin ? Hold::pin : Hold::lease);
    holds_.remove(index);
    ++released;
  }
  return AKV_OK;
}

}  // namespace akv
