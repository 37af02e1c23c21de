// arena_pool_order.cpp: tickets of a page pool, pages that wait for them, and dropping what an owner has.
// It knows pages, arenas and tickets; it touches no byte of a page, and gives no memory back to the system.
#include "arenakv/ticket.h"
#include "order/arena_pool.hpp"

#include <algorithm>
#include <mutex>

namespace akv {

// -- giving back --

// A ticket that is opened while this runs names work that starts later: whoever gives pages back uses them no more.
void ArenaPool::give_back(const PageChain &pages) noexcept {
  if (open_tickets_ == 0) {
    pages_->give_back(pages);
    return;
  }
  const std::lock_guard<Mutex> lock(mutex_);
  give_back_locked(pages);
}

void ArenaPool::give_back_locked(const PageChain &pages) noexcept {
  if (pages.count == 0) return;
  if (tickets_.settled(tickets_.newest())) {
    pages_->give_back(pages);
    return;
  }
  pages_->join(quarantine_[tickets_.newest() & (quarantine_.count - 1)], pages);
  quarantined_ += pages.count;
}

void ArenaPool::drop_arena_locked(std::uint32_t index, Dropped &dropped) noexcept {
  PageChain pages;
  ArenaCounts counts;
  arenas_->drop_locked(index, pages, counts);
  give_back_locked(pages);
  dropped.arenas += 1;
  dropped.tensors += counts.tensors;
  dropped.pages += pages.count;
  dropped_arenas_ += 1;
  dropped_tensors_ += counts.tensors;
}

// Whoever gives such a page back at this moment is told BAD_HANDLE, or was quicker: a hold ends once. A page that is
// being given back with others comes back with that call, whatever it answers.
void ArenaPool::drop_raw_pages_locked(std::uint64_t owner, bool everybody, Dropped &dropped) noexcept {
  PageChain chain;
  for (std::uint32_t page = 1; page <= pages_->free().fresh_used(); ++page)
    if (pages_->drop(page, owner, everybody)) pages_->append(chain, page);
  dropped.raw_pages = chain.count;
  dropped.pages += chain.count;
  give_back_locked(chain);
}

ArenaPool::Dropped ArenaPool::drop_owner(std::uint64_t owner, bool everybody) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  Dropped dropped;
  for (std::uint32_t index = 1; index <= arenas_->capacity(); ++index)
    if (arenas_->generation(index) != 0 && (everybody || arenas_->owner(index) == owner))
      drop_arena_locked(index, dropped);
  drop_raw_pages_locked(owner, everybody, dropped);
  return dropped;
}

// -- tickets --

void ArenaPool::tell_tickets() noexcept {
  open_tickets_ = tickets_.num_open();
  oldest_open_ = tickets_.num_open() != 0 ? tickets_.oldest_open() : 0;
  newest_ = tickets_.newest();
}

Status ArenaPool::open_ticket(akv_ticket &out) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  if (!tickets_.can_issue())
    return fail_with(AKV_ERROR_NO_TICKETS, 1, 0,
                     "%llu tickets (max_open_tickets) lie between the next and the oldest open one, %llu",
                     config_.max_open_tickets, tickets_.oldest_open());
  out = TicketHandle::encode(ticket_tag_, tickets_.issue());
  tell_tickets();
  return AKV_OK;
}

Status ArenaPool::check_ticket(akv_ticket ticket) const noexcept {
  if (TicketHandle::tag(ticket) != ticket_tag_ || !tickets_.issued(TicketHandle::number(ticket)))
    return fail(AKV_ERROR_BAD_HANDLE, "ticket 0x%llx was never opened in this page pool", ticket);
  return AKV_OK;
}

Status ArenaPool::end_ticket(akv_ticket ticket, bool abandoned) noexcept {
  if (ticket == AKV_NONE) return fail(AKV_ERROR_INVALID_ARGUMENT, "the ticket is 0");
  const std::lock_guard<Mutex> lock(mutex_);
  AKV_TRY(check_ticket(ticket));
  const std::uint64_t number = TicketHandle::number(ticket), mask = quarantine_.count - 1;
  if (!tickets_.open(number)) return fail(AKV_ERROR_BAD_HANDLE, "ticket %llu has ended already", number);
  if (abandoned) {
    abandoned_[number & mask] = number;
    abandoned_tickets_ += 1;
  }
  const std::uint64_t before = tickets_.oldest_open();
  tickets_.end(number);
  tell_tickets();
  for (std::uint64_t epoch = before; epoch < tickets_.oldest_open(); ++epoch) {
    PageChain &waiting = quarantine_[epoch & mask];
    if (waiting.count == 0) continue;
    pages_->give_back(waiting);
    quarantined_ -= waiting.count;
    waiting = {};
  }
  return AKV_OK;
}

Status ArenaPool::read_ticket(akv_ticket ticket, std::uint32_t &state) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  if (ticket != AKV_NONE) AKV_TRY(check_ticket(ticket));
  const std::uint64_t number = TicketHandle::number(ticket);
  if (ticket == AKV_NONE) state = AKV_TICKET_PASSED;
  else if (tickets_.open(number)) state = AKV_TICKET_OPEN;
  else if (tickets_.newest() - number < abandoned_.count && abandoned_[number & (abandoned_.count - 1)] == number)
    state = AKV_TICKET_ABANDONED;
  else state = tickets_.settled(number) ? AKV_TICKET_PASSED : AKV_TICKET_ENDED;
  return AKV_OK;
}

// -- the report --

// Pages first, then what is counted of them: numbers of different moments may be read, never more than there are.
ArenaPool::State ArenaPool::state() noexcept {
  State s{};
  const PagePool::Free &free = pages_->free();
  s.quarantined = quarantined_;
  s.in_use = free.in_use();
  s.reserved = free.reserved();
  s.fresh = s.reserved - std::min(s.reserved, free.fresh_used());
  s.handed_out = free.handed_out();
  s.reused = pages_->reused();
  s.refused = free.refused();
  s.tensors = arenas_->totals();
  s.arenas = arenas_->living();
  s.open_tickets = open_tickets_;
  s.oldest_open = TicketHandle::encode(ticket_tag_, oldest_open_);
  s.newest = TicketHandle::encode(ticket_tag_, newest_);
  s.dropped_arenas = dropped_arenas_;
  s.dropped_tensors = dropped_tensors_;
  s.abandoned_tickets = abandoned_tickets_;
  s.table_bytes = tables_.bytes();
  return s;
}

}  // namespace akv
