// handles.cpp: which handle is what, and which ticket may be committed under.
// It knows places and generations; it changes nothing.
#include "meta/books.hpp"

namespace akv {

Status Books::check_object(std::uint64_t handle, Kind kind) const noexcept {
  if (handle == AKV_NONE) return fail(AKV_ERROR_INVALID_ARGUMENT, "the handle is 0");
  if (ObjectHandle::kind(handle) != static_cast<std::uint32_t>(kind) && ObjectHandle::kind(handle) >= 1 &&
      ObjectHandle::kind(handle) <= 4)
    return fail(AKV_ERROR_WRONG_TYPE, "handle 0x%llx is of kind %llu, wanted kind %llu", handle,
                ObjectHandle::kind(handle), static_cast<std::uint32_t>(kind));
  if (ObjectHandle::place(handle) != ObjectHandle::place(kind, index_))
    return fail(AKV_ERROR_BAD_HANDLE, "handle 0x%llx is not one of this cache", handle);
  return AKV_OK;
}

Status Books::find_plan(akv_plan plan, std::uint32_t &index) const noexcept {
  if (Status status = check_object(plan, Kind::plan); status != AKV_OK) return status;
  index = ObjectHandle::index(plan);
  if (index == 0 || index > plans_.touched() || plans_[index].open == 0 ||
      plans_[index].generation != ObjectHandle::generation(plan))
    return fail(AKV_ERROR_BAD_HANDLE, "plan 0x%llx is finished, abandoned, or never was", plan);
  return AKV_OK;
}

Status Books::find_hold(std::uint64_t handle, Kind kind, std::uint32_t &index) const noexcept {
  if (Status status = check_object(handle, kind); status != AKV_OK) return status;
  index = ObjectHandle::index(handle);
  if (index == 0 || index > holds_.touched() || holds_[index].kind != kind ||
      holds_[index].generation != ObjectHandle::generation(handle))
    return fail(AKV_ERROR_BAD_HANDLE, "handle 0x%llx was released, or never was", handle);
  return AKV_OK;
}

Status Books::check_ticket(akv_ticket ticket) const noexcept {
  if (TicketHandle::tag(ticket) != ticket_tag_ || !tickets_.issued(TicketHandle::number(ticket)))
    return fail(AKV_ERROR_BAD_HANDLE, "ticket 0x%llx was never opened in this cache", ticket);
  return AKV_OK;
}

Status Books::check_open_ticket(akv_ticket ticket) const noexcept {
  if (ticket == AKV_NONE) return fail(AKV_ERROR_INVALID_ARGUMENT, "the ticket is 0");
  if (Status status = check_ticket(ticket); status != AKV_OK) return status;
  const std::uint64_t number = TicketHandle::number(ticket);
  return tickets_.open(number) ? AKV_OK : fail(AKV_ERROR_BAD_HANDLE, "ticket %llu has ended already", number);
}

Status Books::commit_number(akv_ticket ticket, std::uint64_t &number) const noexcept {
  number = 0;
  if (ticket == AKV_NONE) return AKV_OK;
  if (Status status = check_ticket(ticket); status != AKV_OK) return status;
  const std::uint64_t wanted = TicketHandle::number(ticket);
  if (tickets_.open(wanted)) {
    number = wanted;
    return AKV_OK;
  }
  if (tickets_.newest() - wanted >= abandoned_.count)
    return fail(AKV_ERROR_BAD_HANDLE,
                "ticket %llu ended more than %llu tickets ago: whether it was abandoned is forgotten", wanted,
                abandoned_.count);
  if (abandoned_[wanted & (abandoned_.count - 1)] == wanted)
    return fail(AKV_ERROR_CONTENT_LOST, "ticket %llu was abandoned: what it wrote can't be committed", wanted);
  return AKV_OK;  // retired: its writes are there
}

Status Books::check_quiet(const Sequence &s) const noexcept {
  if ((s.flags & kLost) != 0)
    return fail(
        AKV_ERROR_CONTENT_LOST,
        "content of the sequence was given up with an abandoned ticket: truncate it to its sound_tokens, or free it");
  return check_in_place(s);
}

Status Books::check_in_place(const Sequence &s) const noexcept {
  if ((s.flags & kSwapped) != 0)
    return fail(AKV_ERROR_SWAPPED, "the sequence's %llu tokens are in swap blocks: swap it in first", s.length);
  if ((s.flags & kPlanOpen) != 0)
    return fail(AKV_ERROR_PLAN_OPEN, "a plan is open on the sequence: finish it or abandon it first");
  return AKV_OK;
}

}  // namespace akv
