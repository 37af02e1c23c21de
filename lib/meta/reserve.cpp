// reserve.cpp: look-ahead: blocks before their tokens, and whether an append would find room.
// It knows one sequence; batches grow in grow.cpp.
#include "meta/growth.hpp"

#include <algorithm>

namespace akv {

Status Cache::reserve(Slot slot, std::uint32_t num_tokens, akv_plan *out_plan) noexcept {
  Sequence &s = sequences_[slot];
  if (Status status = check_quiet(s); status != AKV_OK) return status;
  if (num_tokens > s.max_tokens)
    return fail_with(AKV_ERROR_NO_CAPACITY, num_tokens, s.max_tokens,
                     "reserve of %llu tokens exceeds the sequence's max_tokens %llu", num_tokens, s.max_tokens);
  akv_plan made = AKV_NONE;
  if (num_tokens > s.length)
    if (Status status = take_ahead(slot, num_tokens, out_plan != nullptr, made); status != AKV_OK) return status;
  if (out_plan != nullptr) *out_plan = made;
  return AKV_OK;
}

Status Cache::take_ahead(Slot slot, std::uint32_t num_tokens, bool may_plan, akv_plan &made) noexcept {
  Sequence &s = sequences_[slot];
  const ShortLock lock(mutex_);
  publish_pending_locked();
  Growth growth;
  growth.query_tokens = num_tokens - s.length;
  if (tail_shared(s, rest_[slot])) {
    if (absorb_tail_locked(slot, Absorb::to_write)) refresh(slot);
    else if (s.committed < s.length) return not_committed(s);
    else growth.copies = 1;
  }
  const std::uint32_t blocks = math_.blocks(num_tokens), before = s.num_blocks;
  growth.new_blocks = growth.copies + (blocks > before ? blocks - before : 0);
  growth.plan = growth.copies != 0 || (growth.new_blocks != 0 && scrubber_.looking());
  if (growth.new_blocks == 0) return AKV_OK;
  if (Status status = check_growth_locked(growth, may_plan); status != AKV_OK) return status;
  std::uint32_t plan = growth.copies != 0 ? open_plan_locked() : 0;
  rest_[slot].undo = undo_of(slot);
  if (growth.copies != 0) copy_tail_locked(slot, plan);
  if (blocks > before) {
    append_blocks_locked(slot, blocks - before);
    scrub_locked(slot, before, plan);
  }
  refresh(slot);
  note_peak_locked();
  if (plan == 0) return AKV_OK;
  join_plan_locked(plan, slot, rest_[slot].undo);
  rest_[slot].commit_on_finish = s.committed;
  made = plan_handle(plan);
  return AKV_OK;
}

Status Cache::can_extend(Slot slot, std::uint32_t num_tokens, akv_room &out) noexcept {
  const Sequence &s = sequences_[slot];
  const ShortLock lock(mutex_);
  publish_pending_locked();
  const SequenceRest &rest = rest_[slot];
  const bool shared = num_tokens != 0 && tail_shared(s, rest) && !absorbable(rest.anchor, Absorb::to_write);
  const bool too_long = num_tokens > s.max_tokens - s.length;
  const std::uint32_t blocks = too_long ? 0 : math_.blocks(s.length + num_tokens);
  const std::uint32_t needed = (blocks > s.num_blocks ? blocks - s.num_blocks : 0) + shared;
  const std::uint32_t available = supply_.available();
  fill_room_locked(out, needed, available);
  const std::uint64_t spare = std::uint64_t{s.num_blocks} * block_tokens_ - s.length;
  const std::uint64_t copy = shared ? std::min(1u, available) : 0;
  out.tokens_available = std::min<std::uint64_t>(
      s.max_tokens - s.length, (shared && available == 0 ? 0 : spare) + (available - copy) * block_tokens_);
  out.status = check_quiet(s);
  if (out.status != AKV_OK) return AKV_OK;
  if (too_long) out.status = AKV_ERROR_NO_CAPACITY;
  else if (shared && s.committed < s.length) out.status = AKV_ERROR_NOT_COMMITTED;
  else if ((shared || (needed != 0 && scrubber_.looking())) && !plans_.can_open()) out.status = AKV_ERROR_NO_PLANS;
  else if (needed > available) out.status = AKV_ERROR_NO_BLOCKS;
  return AKV_OK;
}

}  // namespace akv
