// endings.cpp: tickets and plans end in their caches when a stream has passed their points.
// It knows caches and points; no worker and no device.
#include "data/device/endings.hpp"

#include "meta/cache_home.hpp"

namespace akv {

Status end_plan(const PlanEnd &end, bool failed) noexcept {
  Locked locked(end.cache);
  AKV_TRY(locked.status());
  if (failed) return locked->abandon_plan_locked(end.plan);
  const Status status = locked->finish_plan_locked(end.plan, AKV_NONE);
  if (status == AKV_ERROR_CONTENT_LOST) AKV_TRY(locked->abandon_plan_locked(end.plan));
  return status;
}

Ended Ending::end() const noexcept {
  const KeepLastError keep;  // what is tried again, or passed over, is no failure of the poll
  Status status = AKV_OK;
  if (kind == EndingKind::plan) {
    status = end_plan({cache, handle}, failed);
  } else {
    Locked locked(cache);
    status = locked.status() == AKV_OK ? locked->retire_ticket_locked(handle) : locked.status();
  }
  if (status == AKV_OK || status == AKV_ERROR_CONTENT_LOST) return Ended::done;
  return status == AKV_ERROR_BUSY || status == AKV_ERROR_NOT_READY ? Ended::later : Ended::passed_over;
}

void Endings::remove_ended(std::uint64_t due) noexcept {
  std::uint64_t kept_from = head_ + due;
  for (std::uint64_t number = kept_from; number-- > head_;)
    if (!place(number).ended) place(--kept_from) = place(number);
  head_ = kept_from;
}

}  // namespace akv
