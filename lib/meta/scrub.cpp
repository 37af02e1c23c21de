// scrub.cpp: blocks that must be zeroed before their next user writes to them.
// It knows which ones; the zeroing is a record of a plan.
#include "meta/books.hpp"

#include <cstring>

namespace akv {

void Books::start_looking_locked() noexcept {
  if (scrubber_.looking() || !scrubber_.can_look()) return;
  std::memset(map_.data, 1, map_.count);
  pool_.mark(map_.data, 1, 0, 1);  // only what was never used stays 0
  for (std::uint32_t block = 1; block <= config_.num_blocks; ++block)
    if (map_[block] != 0) scrubber_.remember(static_cast<std::int32_t>(block));
  scrubber_.start_looking();
}

void Books::meet_domain_locked(std::uint64_t domain) noexcept {
  if (scrubber_.meet(domain)) start_looking_locked();
}

bool Books::needs_zero_locked(std::int32_t block, std::uint64_t domain) noexcept {
  if (!scrubber_.looking()) return false;
  const bool zero = scrubber_.needs_zero(block, domain);
  scrubber_.assign(block, domain);
  return zero;
}

akv_plan_record Books::zero_record(Slot slot, std::int32_t block) const noexcept {
  return {AKV_PLAN_ZERO, 0, 0, AKV_NULL_BLOCK, block, 0, 0, 0, block_tokens_, handle_of(slot), 0, 0};
}

void Books::scrub_locked(Slot slot, std::uint32_t first, std::uint32_t &plan) noexcept {
  if (!scrubber_.looking()) return;
  const Sequence &s = sequences_[slot];
  for (std::uint32_t at = first; at < s.num_blocks; ++at) {
    if (!needs_zero_locked(s.table[at], rest_[slot].domain)) continue;
    if (plan == 0) plan = open_plan_locked();
    plans_.add_record(plan, zero_record(slot, s.table[at]));
  }
}

// A zeroing that was planned, and may not have happened.
void Books::condemn_unzeroed_locked(const akv_plan_record &record) noexcept {
  if (record.kind == AKV_PLAN_ZERO) condemn_locked(&record.target_block, 1);
}

// What abandoned work may have left in these blocks can't be trusted to be numbers.
void Books::condemn_locked(const std::int32_t *ids, std::uint32_t count) noexcept {
  if (!scrubber_.can_look() || count == 0) return;
  start_looking_locked();
  for (std::uint32_t i = 0; i < count; ++i) scrubber_.condemn(ids[i]);
}

}  // namespace akv
