// plan_ends.cpp: how plans end: finished, or abandoned and rolled back.
// It knows what each sequence was before; not what the records do to bytes.
#include "meta/cache.hpp"

#include <algorithm>

namespace akv {

Status Cache::enter_plan_locked(std::uint32_t plan) noexcept {
  for (std::uint32_t at = plans_[plan].first_sequence; at != 0; at = rest_[at - 1].plan_next) {
    if (sequences_.enter(at - 1, sequences_.generation(at - 1)) == Entry::entered) continue;
    for (std::uint32_t entered = plans_[plan].first_sequence; entered != at; entered = rest_[entered - 1].plan_next)
      sequences_.leave(entered - 1);
    return fail(AKV_ERROR_BUSY, "a sequence of the plan is inside another call");
  }
  return AKV_OK;
}

Status Cache::finish_plan_locked(akv_plan handle, akv_ticket ticket) noexcept {
  std::uint32_t plan = 0;
  if (Status status = find_plan(handle, plan); status != AKV_OK) return status;
  std::uint64_t number = 0;
  if (Status status = commit_number(ticket, number); status != AKV_OK) return status;
  if (plans_[plan].swap != Swap::none)
    if (Status status = check_swap_finish_locked(plan, number); status != AKV_OK) return status;
  if (Status status = enter_plan_locked(plan); status != AKV_OK) return status;
  publish_pending_locked();
  if (plans_[plan].swap != Swap::none) {
    finish_swap_locked(plan);
    return AKV_OK;
  }
  const std::uint64_t wait = tickets_.settled(plans_[plan].wait) ? 0 : plans_[plan].wait;
  const std::uint64_t last = std::max(number, wait);
  const std::uint64_t first = number != 0 && wait != 0 ? std::min(number, wait) : last;
  while (plans_[plan].first_sequence != 0) {
    const Slot slot = plans_[plan].first_sequence - 1;
    Sequence &s = sequences_[slot];
    const std::uint32_t from = first_planned(slot);
    leave_plan_locked(slot);
    if (last != 0) note_ticket(rest_[slot], from, first, last);
    if ((s.flags & kLost) == 0) {
      s.committed = std::max<std::uint32_t>(s.committed, rest_[slot].commit_on_finish);
      if (publishable(s)) publish_locked(slot);
    }
    sequences_.leave(slot);
  }
  close_plan_locked(plan);
  return AKV_OK;
}

void Cache::roll_back_locked(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  const Undo undo = rest.undo;
  give_back_own_locked(s.table + undo.num_blocks, s.num_blocks - undo.num_blocks);
  if (undo.replaced_block != AKV_NULL_BLOCK) {
    // Late tokens that came in the meantime went to the copy. (A block with unknown tokens is not published, and its
    // other users end before them.)
    const std::int32_t *copy = tokens_.of(s.table[undo.replaced_index]);
    std::int32_t *original = tokens_.of(undo.replaced_block);
    for (std::uint32_t i = 0; i < math_.offset(undo.length); ++i)
      if (original[i] == AKV_TOKEN_UNKNOWN) original[i] = copy[i];
    give_back_own_locked(s.table + undo.replaced_index, 1);
    s.table[undo.replaced_index] = undo.replaced_block;
    anchor_at_locked(slot, undo.source);
  }
  s.num_blocks = undo.num_blocks;
  s.length = undo.length;
  s.known = std::min<std::uint32_t>(s.known, undo.length);
  rest.sound = std::min(rest.sound, undo.length);
  ++s.version;
  refresh(slot);
}

Status Cache::abandon_plan_locked(akv_plan handle) noexcept {
  std::uint32_t plan = 0;
  if (Status status = find_plan(handle, plan); status != AKV_OK) return status;
  if (Status status = enter_plan_locked(plan); status != AKV_OK) return status;
  publish_pending_locked();
  for (std::uint32_t at = plans_[plan].first_record; at != 0; at = plans_.record(at).next)
    condemn_unzeroed_locked(plans_.record(at).record);
  if (plans_[plan].swap != Swap::none) {
    abandon_swap_locked(plan);
    return AKV_OK;
  }
  while (plans_[plan].first_sequence != 0) {
    const Slot slot = plans_[plan].first_sequence - 1;
    leave_plan_locked(slot);
    if (rest_[slot].undo.created != 0) {
      end_locked(slot, false);
    } else {
      roll_back_locked(slot);
      sequences_.leave(slot);
    }
  }
  close_plan_locked(plan);
  return AKV_OK;
}

Status Cache::read_plan_info_locked(akv_plan handle, akv_plan_info &out) noexcept {
  std::uint32_t plan = 0;
  if (Status status = find_plan(handle, plan); status != AKV_OK) return status;
  out.num_records = plans_[plan].num_records;
  out.num_sequences = plans_[plan].num_sequences;
  out.copied_tokens = plans_[plan].copied_tokens;
  out.zeroed_blocks = plans_[plan].zeroed_blocks;
  return AKV_OK;
}

Status Cache::read_plan_records_locked(akv_plan handle, std::uint32_t first, akv_plan_record *out,
                                       std::uint32_t capacity, std::uint32_t &count) noexcept {
  std::uint32_t plan = 0;
  if (Status status = find_plan(handle, plan); status != AKV_OK) return status;
  if (const std::uint32_t there = plans_[plan].num_records; first > there)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, first, there, "record %llu, the plan has %llu", first, there);
  count = plans_[plan].num_records;
  std::uint32_t at = plans_.record_at(plan, first);
  for (std::uint32_t i = 0; i < capacity && at != 0; ++i, at = plans_.record(at).next)
    out[i] = plans_.record(at).record;
  if (at == 0) return AKV_OK;
  return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, count - first, capacity, "%llu records are left, the buffer holds %llu",
                   count - first, capacity);
}

}  // namespace akv
