// room.cpp: how much room there is, and what is said when there is none.
// It knows counts of blocks; not whose they are.
#include "meta/books.hpp"

#include <algorithm>

namespace akv {

void Books::note_peak_locked() noexcept {
  counters_.peak_live_blocks =
      std::max(counters_.peak_live_blocks, tree_.blocks(RunClass::live) + own_blocks_locked(supply_.popped()));
}

Status Books::no_blocks(std::uint64_t num_tokens, std::uint32_t needed, std::uint32_t available) noexcept {
  ++counters_.refused_no_blocks;
  return fail_with(AKV_ERROR_NO_BLOCKS, needed, available,
                   "requested %llu tokens (%llu new blocks), %llu blocks (%llu tokens) available; %llu blocks wait in "
                   "quarantine or under leases, %llu are cached behind open tickets",
                   num_tokens, needed, available, std::uint64_t{available} * block_tokens_,
                   pool_.quarantined() + tree_.blocks(RunClass::leased),
                   tree_.blocks(RunClass::cached) - tree_.evictable());
}

void Books::fill_room_locked(akv_room &out, std::uint32_t needed, std::uint32_t available) const noexcept {
  out.blocks_needed = needed;
  out.blocks_available = available;
  out.blocks_free = pool_.free() + supply_.in_magazines();
  out.blocks_evictable = tree_.evictable();
  out.blocks_quarantined = pool_.quarantined() + tree_.blocks(RunClass::leased);
  out.sequences_available = slots_available();
  out.tokens_available = std::uint64_t{available} * block_tokens_;
  out.oldest_open = tickets_.num_open() != 0 ? ticket_of(tickets_.oldest_open()) : AKV_NONE;
}

void Books::give_back_own_locked(const std::int32_t *ids, std::uint32_t count) noexcept {
  pool_.give_back(ids, count);
  given_ -= count;
}

Status Books::not_committed(const Sequence &s) const noexcept {
  return fail_with(
      AKV_ERROR_NOT_COMMITTED, s.length, s.committed,
      "the last block is shared and must be copied, but only %llu of its sequence's %llu tokens are committed",
      s.committed, s.length);
}

Status Books::no_plans() const noexcept {
  return fail_with(AKV_ERROR_NO_PLANS, 1, 0, "all %llu plans (max_plans) are open", config_.max_plans);
}

}  // namespace akv
