// stream.cpp: queued device work: run in order and retired, or given up as a whole.
// It knows slots and tickets; not sequences.
#include "stream.hpp"

#include <sched.h>

#include <algorithm>
#include <cinttypes>

namespace akv::stress {

Step Stream::begin(bool late) {
  Step step;
  if (late) {
    const akv_status status = akv_ticket_open(world_.cache, &step.ticket);
    if (status != AKV_OK && status != AKV_ERROR_NO_TICKETS) ok(world_, status, "open a ticket");
  }
  if (step.ticket == AKV_NONE) run_all();
  return step;
}

void Stream::end(Step &step) {
  if (step.ticket == AKV_NONE) {
    run(step.items);
    step.items.clear();
  } else {
    steps_.push_back(step);
  }
}

void Stream::call_off(Step &step) {
  if (step.ticket == AKV_NONE) return;
  ok(world_, akv_ticket_retire(world_.cache, step.ticket), "retire an unused ticket");
  step.ticket = AKV_NONE;
}

void Stream::run_oldest() {
  const Step step = std::move(steps_.front());
  steps_.pop_front();
  run(step.items);
  ok(world_, akv_ticket_retire(world_.cache, step.ticket), "retire a ticket");
}

void Stream::run_all() {
  while (!steps_.empty()) run_oldest();
}

void Stream::run(const std::vector<Item> &items) {
  std::uint64_t checked = 0;
  for (const Item &item : items) {
    switch (item.kind) {
      case Item::write: world_.shadow.write(item.slot, item.value); break;
      case Item::copy: world_.shadow.write(item.slot, world_.shadow.read(static_cast<std::int64_t>(item.value))); break;
      case Item::zero: world_.shadow.write(item.slot, 0); break;
      case Item::clean: check_clean(item); break;
      case Item::expect:
        ++checked;
        if (const Print print = world_.shadow.read(item.slot); print != item.value)
          broken(world_, "a wrong byte: slot %" PRId64 " holds %016" PRIx64 ", its reader wants %016" PRIx64, item.slot,
                 print, item.value);
        break;
    }
  }
  world_.checked_prints.fetch_add(checked, std::memory_order_relaxed);
}

// What a block may hold when its new owner gets it: with AKV_SCRUB_ALWAYS nothing, else nothing of another domain and
// nothing that abandoned work left there.
void Stream::check_clean(const Item &item) const {
  const Print print = world_.shadow.read(item.slot);
  if (print == 0 || (world_.shape.scrub == AKV_SCRUB_DOMAIN && domain_of(print) == item.value)) return;
  broken(world_, "slot %" PRId64 " was given to domain %" PRIu64 " and still holds %016" PRIx64, item.slot, item.value,
         print);
}

std::unordered_set<std::int64_t> Stream::written_slots() const {
  std::unordered_set<std::int64_t> slots;
  for (const Step &step : steps_)
    for (const Item &item : step.items)
      if (item.kind == Item::write || item.kind == Item::copy) slots.insert(item.slot);
  return slots;
}

void Stream::abandon_all(Random &random) {
  std::vector<akv_ticket> tickets;
  for (const Step &step : steps_) tickets.push_back(step.ticket);
  steps_.clear();
  if (random.one_in(2)) std::reverse(tickets.begin(), tickets.end());
  for (const akv_ticket ticket : tickets) {
    akv_status status;
    std::uint32_t lost = 0;
    while ((status = akv_ticket_abandon(world_.cache, ticket, &lost)) == AKV_ERROR_BUSY) {
      world_.busy.fetch_add(1, std::memory_order_relaxed);
      sched_yield();
    }
    ok(world_, status, "abandon a ticket");
    world_.abandoned.fetch_add(1, std::memory_order_relaxed);
    world_.lost.fetch_add(lost, std::memory_order_relaxed);
  }
}

}  // namespace akv::stress
