// plan_links.cpp: which sequences wait for which open plan, and what each was before.
// It knows links and leases; how plans end is in plan_ends.cpp.
#include "meta/books.hpp"

#include <algorithm>

namespace akv {

Undo Books::undo_of(Slot slot) const noexcept {
  const Sequence &s = sequences_[slot];
  Undo undo{};
  undo.length = s.length;
  undo.num_blocks = s.num_blocks;
  return undo;
}

void Books::join_plan_locked(std::uint32_t plan, Slot slot, const Undo &undo) noexcept {
  SequenceRest &rest = rest_[slot];
  rest.undo = undo;
  rest.plan = plan;
  rest.plan_previous = 0;
  rest.plan_next = plans_[plan].first_sequence;
  if (rest.plan_next != 0) rest_[rest.plan_next - 1].plan_previous = slot + 1;
  plans_[plan].first_sequence = slot + 1;
  ++plans_[plan].num_sequences;
  sequences_[slot].flags = sequences_[slot].flags | kPlanOpen;
}

void Books::leave_plan_locked(Slot slot) noexcept {
  SequenceRest &rest = rest_[slot];
  PlanState &plan = plans_[rest.plan];
  (rest.plan_previous != 0 ? rest_[rest.plan_previous - 1].plan_next : plan.first_sequence) = rest.plan_next;
  if (rest.plan_next != 0) rest_[rest.plan_next - 1].plan_previous = rest.plan_previous;
  --plan.num_sequences;
  rest.plan = 0;
  sequences_[slot].flags = sequences_[slot].flags & ~kPlanOpen;
}

void Books::close_plan_locked(std::uint32_t plan) noexcept {
  for (RunId run; (run = plans_.pop_lease(plan)) != kNoRun;) tree_.release(run, Hold::lease);
  plans_.close(plan);
}

// The first token whose K/V depend on the plan's records.
std::uint32_t Books::first_planned(Slot slot) const noexcept {
  const SequenceRest &rest = rest_[slot];
  if (rest.undo.created != 0 || rest.swap == Swap::in) return sequences_[slot].committed;
  if (rest.undo.replaced_block != AKV_NULL_BLOCK) return rest.undo.replaced_index * block_tokens_;
  return std::min(rest.undo.num_blocks * block_tokens_, rest.undo.length);
}

}  // namespace akv
