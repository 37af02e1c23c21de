// ticket.cpp: thunks of ticket.h.
#include "api/thunk.hpp"

using namespace akv;

extern "C" {

akv_status akv_ticket_open(akv_cache *cache, akv_ticket *out_ticket) noexcept {
  AKV_TRY(check_pointer(out_ticket, "out_ticket"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->open_ticket_locked(*out_ticket);
}

akv_status akv_ticket_retire(akv_cache *cache, akv_ticket ticket) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->retire_ticket_locked(ticket);
}

akv_status akv_ticket_abandon(akv_cache *cache, akv_ticket ticket, uint32_t *out_sequences) noexcept {
  std::uint32_t lost = 0;
  {
    Locked locked(cache);
    AKV_TRY(locked.status());
    AKV_TRY(locked->abandon_ticket_locked(ticket, lost));
  }
  if (out_sequences != nullptr) *out_sequences = lost;
  log(AKV_LOG_WARNING, "ticket %llu abandoned: %u sequences lost content",
      static_cast<unsigned long long>(TicketHandle::number(ticket)), lost);
  return AKV_OK;
}

akv_status akv_ticket_read(akv_cache *cache, akv_ticket ticket, uint32_t *out_state) noexcept {
  AKV_TRY(check_pointer(out_state, "out_state"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->read_ticket_locked(ticket, *out_state);
}

akv_status akv_lease_acquire(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens, uint64_t owner,
                             akv_lease *out_lease, akv_ticket *out_wait) noexcept {
  AKV_TRY(check_pointer(out_lease, "out_lease"));
  AKV_ENTER(cache, sequence);
  akv_ticket wait = AKV_NONE;
  AKV_TRY(home->cache().acquire_lease(gate.slot(), num_tokens, owner, *out_lease, wait));
  if (out_wait != nullptr) *out_wait = wait;
  return AKV_OK;
}

akv_status akv_lease_read_blocks(akv_cache *cache, akv_lease lease, int32_t *out_blocks, uint32_t capacity,
                                 uint32_t *out_count) noexcept {
  AKV_TRY(check_array(out_blocks, capacity, "out_blocks"));
  AKV_TRY(check_pointer(out_count, "out_count"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->read_lease_locked(lease, out_blocks, capacity, *out_count);
}

akv_status akv_lease_release(akv_cache *cache, akv_lease lease) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->release_lease_locked(lease);
}

}  // extern "C"
