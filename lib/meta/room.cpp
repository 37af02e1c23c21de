// room.cpp: how much room there is, what is said when there is none, and scrubbing.
// It knows counts of blocks; not whose they are.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

void Cache::note_peak_locked() noexcept {
  counters_.peak_live_blocks = std::max(counters_.peak_live_blocks, tree_.blocks(RunClass::live) + own_blocks_locked());
}

Status Cache::no_blocks(std::uint64_t num_tokens, std::uint32_t needed, std::uint32_t available) noexcept {
  ++counters_.refused_no_blocks;
  return fail_with(AKV_ERROR_NO_BLOCKS, needed, available,
                   "requested %llu tokens (%llu new blocks), %llu blocks (%llu tokens) available; %llu blocks wait in "
                   "quarantine or under leases, %llu are cached behind open tickets",
                   num_tokens, needed, available, std::uint64_t{available} * block_tokens_,
                   pool_.quarantined() + tree_.blocks(RunClass::leased), tree_.blocks(RunClass::cached) - tree_.evictable());
}

void Cache::fill_room_locked(akv_room &out, std::uint32_t needed, std::uint32_t available) const noexcept {
  out.blocks_needed = needed;
  out.blocks_available = available;
  out.blocks_free = pool_.free() + supply_.in_magazines();
  out.blocks_evictable = tree_.evictable();
  out.blocks_quarantined = pool_.quarantined() + tree_.blocks(RunClass::leased);
  out.sequences_available = slots_available();
  out.tokens_available = std::uint64_t{available} * block_tokens_;
  out.oldest_open = tickets_.num_open() != 0 ? ticket_of(tickets_.oldest_open()) : AKV_NONE;
}

void Cache::give_back_own_locked(const std::int32_t *ids, std::uint32_t count) noexcept {
  pool_.give_back(ids, count);
  given_ -= count;
}

// -- scrubbing --

void Cache::start_looking_locked() noexcept {
  if (scrubber_.looking() || !scrubber_.can_look()) return;
  std::memset(map_.data, 1, map_.count);
  pool_.mark(map_.data, 1, 0, 1);  // only what was never used stays 0
  for (std::uint32_t block = 1; block <= config_.num_blocks; ++block)
    if (map_[block] != 0) scrubber_.remember(static_cast<std::int32_t>(block));
  scrubber_.start_looking();
}

void Cache::meet_domain_locked(std::uint64_t domain) noexcept {
  if (scrubber_.meet(domain)) start_looking_locked();
}

bool Cache::needs_zero_locked(std::int32_t block, std::uint64_t domain) noexcept {
  if (!scrubber_.looking()) return false;
  const bool zero = scrubber_.needs_zero(block, domain);
  scrubber_.assign(block, domain);
  return zero;
}

akv_plan_record Cache::zero_record(Slot slot, std::int32_t block) const noexcept {
  return {AKV_PLAN_ZERO, 0, 0, AKV_NULL_BLOCK, block, 0, 0, 0, block_tokens_, handle_of(slot), 0, 0};
}

void Cache::scrub_locked(Slot slot, std::uint32_t first, std::uint32_t &plan) noexcept {
  if (!scrubber_.looking()) return;
  const Sequence &s = sequences_[slot];
  for (std::uint32_t at = first; at < s.num_blocks; ++at) {
    if (!needs_zero_locked(s.table[at], rest_[slot].domain)) continue;
    if (plan == 0) plan = open_plan_locked();
    plans_.add_record(plan, zero_record(slot, s.table[at]));
  }
}

// What abandoned work may have left in these blocks can't be trusted to be numbers.
void Cache::condemn_locked(const std::int32_t *ids, std::uint32_t count) noexcept {
  if (!scrubber_.can_look()) return;
  start_looking_locked();
  for (std::uint32_t i = 0; i < count; ++i) scrubber_.condemn(ids[i]);
}

}  // namespace akv
