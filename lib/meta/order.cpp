// order.cpp: tickets (device work that names blocks) and leases (long transfers).
// It knows numbers and runs; no device.
#include "meta/cache.hpp"

#include <algorithm>

namespace akv {

Status Cache::open_ticket_locked(akv_ticket &out) noexcept {
  if (!tickets_.can_issue())
    return fail_with(AKV_ERROR_NO_TICKETS, 1, 0,
                     "%llu tickets (max_open_tickets) lie between the next and the oldest open one, %llu",
                     config_.max_open_tickets, tickets_.oldest_open());
  out = ticket_of(tickets_.issue());
  return AKV_OK;
}

void Cache::end_ticket_locked(std::uint64_t number) noexcept {
  const std::uint64_t before = tickets_.oldest_open();
  tickets_.end(number);
  const std::uint64_t now = tickets_.oldest_open();
  if (now == before) return;
  pool_.settle(before, now);
  tree_.settle(before, now);
  swap_.settle(before, now);
}

Status Cache::retire_ticket_locked(akv_ticket ticket) noexcept {
  if (Status status = check_open_ticket(ticket); status != AKV_OK) return status;
  end_ticket_locked(TicketHandle::number(ticket));
  return AKV_OK;
}

// What is left of a sequence: not what it has on lost runs, what it was committing under the ticket, nor what an open
// plan copies for it out of a lost run.
std::uint32_t Cache::sound_without_locked(std::uint64_t ticket, Slot slot) const noexcept {
  const SequenceRest &rest = rest_[slot];
  std::uint32_t sound = sequences_[slot].length;
  for (RunId run = rest.anchor; run != kRoot; run = tree_.at(run).parent)
    if (tree_.at(run).lost != 0) sound = std::min(sound, tree_.at(run).first_index * block_tokens_);
  if (written_under(rest, ticket)) sound = std::min(sound, rest.ticket_from);
  if (rest.plan != 0)
    for (std::uint32_t at = plans_[rest.plan].first_lease; at != 0; at = plans_.lease(at).next)
      if (tree_.at(plans_.lease(at).run).lost != 0) sound = std::min(sound, first_planned(slot));
  return sound;
}

// Returns how many sequences lost something. `zeroing`: blocks were being zeroed for their users, so a sequence may
// also have lost the zeroes in blocks behind its length.
std::uint32_t Cache::mark_lost_locked(std::uint64_t ticket, bool zeroing) noexcept {
  std::uint32_t lost = 0;
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot)) continue;
    Sequence &s = sequences_[slot];
    SequenceRest &rest = rest_[slot];
    const std::uint32_t sound = sound_without_locked(ticket, slot);
    const bool reserve = zeroing && written_under(rest, ticket) && s.num_blocks > s.used_blocks;
    if (sound >= s.length && sound >= s.committed && !reserve) continue;
    // Among its shared entries may be duplicates, which are its own; to zero one block more does no harm.
    const std::uint32_t first = math_.whole_blocks(sound);
    if (first < s.num_blocks) condemn_locked(s.table + first, s.num_blocks - first);
    if ((s.flags & kLost) != 0) {
      rest.sound = std::min(rest.sound, sound);
      continue;
    }
    rest.sound = sound;
    s.flags = s.flags | kLost;
    ++lost_sequences_;
    ++lost;
  }
  return lost;
}

// Blocks that nobody will be asked about: given back since the ticket was opened, or kept by leases and forks alone.
void Cache::condemn_unfinished_locked(std::uint64_t ticket) noexcept {
  const auto condemn = [this](const std::int32_t *ids, std::uint32_t count) { condemn_locked(ids, count); };
  pool_.for_each_quarantined(ticket, condemn);
  tree_.for_each_private(condemn);
}

Status Cache::abandon_ticket_locked(akv_ticket ticket, std::uint32_t &lost_sequences) noexcept {
  if (Status status = check_open_ticket(ticket); status != AKV_OK) return status;
  if (Status status = enter_all_locked(); status != AKV_OK) return status;
  const std::uint64_t number = TicketHandle::number(ticket);
  publish_pending_locked();
  const bool zeroing = scrubber_.looking();
  tree_.lose(number, [this](const std::int32_t *ids, std::uint32_t count) { condemn_locked(ids, count); });
  lost_sequences = mark_lost_locked(number, zeroing);
  condemn_unfinished_locked(number);
  abandoned_[number & (abandoned_.count - 1)] = number;
  end_ticket_locked(number);
  leave_all_locked();
  return AKV_OK;
}

Status Cache::read_ticket_locked(akv_ticket ticket, std::uint32_t &state) noexcept {
  if (ticket != AKV_NONE)
    if (Status status = check_ticket(ticket); status != AKV_OK) return status;
  state = AKV_TICKET_PASSED;
  if (ticket == AKV_NONE) return AKV_OK;
  const std::uint64_t number = TicketHandle::number(ticket);
  if (tickets_.open(number)) state = AKV_TICKET_OPEN;
  else if (tickets_.newest() - number < abandoned_.count && abandoned_[number & (abandoned_.count - 1)] == number)
    state = AKV_TICKET_ABANDONED;
  else if (!tickets_.settled(number)) state = AKV_TICKET_ENDED;
  return AKV_OK;
}

Status Cache::acquire_lease(Slot slot, std::uint32_t num_tokens, std::uint64_t owner, akv_lease &out,
                            akv_ticket &out_wait) noexcept {
  const Sequence &s = sequences_[slot];
  if (Status status = check_quiet(s); status != AKV_OK) return status;
  if (num_tokens == 0 || num_tokens > s.length)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, num_tokens, s.length,
                     "lease of %llu tokens, must be 1 to the sequence's %llu", num_tokens, s.length);
  const ShortLock lock(mutex_);
  if (!holds_.can_add())
    return fail_with(AKV_ERROR_NO_HOLDS, 1, 0, "all %llu pins and leases (max_holds) exist", config_.max_holds);
  publish_pending_locked();
  const std::uint32_t blocks = math_.blocks(num_tokens);
  share_own_locked(slot, blocks);
  const SequenceRest &rest = rest_[slot];
  const RunId run = tree_.ending_at(rest.anchor, blocks);
  tree_.hold(run, Hold::lease);
  const std::uint32_t index = holds_.add(Kind::lease, run, blocks, owner, tickets_.newest());
  out = ObjectHandle::encode(holds_[index].generation, Kind::lease, index_, index);
  const std::uint64_t own = !tickets_.settled(rest.ticket_last) && num_tokens > rest.ticket_from ? rest.ticket_last : 0;
  out_wait = ticket_of(std::max(own, tree_.wait_for_path(run)));
  refresh(slot);
  return AKV_OK;
}

Status Cache::read_lease_locked(akv_lease lease, std::int32_t *out, std::uint32_t capacity,
                                std::uint32_t &count) noexcept {
  std::uint32_t index = 0;
  if (Status status = find_hold(lease, Kind::lease, index); status != AKV_OK) return status;
  count = holds_[index].blocks;
  if (capacity < count)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, count, capacity, "the lease has %llu blocks, the buffer holds %llu",
                     count, capacity);
  tree_.read_path(holds_[index].run, out);
  return AKV_OK;
}

Status Cache::release_lease_locked(akv_lease lease) noexcept {
  std::uint32_t index = 0;
  if (Status status = find_hold(lease, Kind::lease, index); status != AKV_OK) return status;
  tree_.release(holds_[index].run, Hold::lease);
  holds_.remove(index);
  return AKV_OK;
}

}  // namespace akv
