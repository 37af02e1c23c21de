// worker_order.cpp: plans, tickets, leases and pins of a worker.
// It knows records and slots; not how sequences grow.
#include "worker.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

namespace akv::stress {

// -- plans --

std::vector<akv_plan_record> Worker::read_records(akv_plan plan) {
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  ok(akv_plan_read_info(cache_, plan, &info), "plan_read_info");
  std::vector<akv_plan_record> records(info.num_records);
  std::uint32_t count = 0;
  ok(akv_plan_read_records(cache_, plan, 0, records.data(), info.num_records, &count), "plan_read_records");
  if (count != info.num_records || count == 0) broken(world_, "a plan of %u records has %u", info.num_records, count);
  return records;
}

void Worker::run_records(Step &step, const std::vector<akv_plan_record> &records) {
  for (const akv_plan_record &r : records) {
    const std::int64_t from = slot_of_block(r.source_store, r.source_block),
                       to = slot_of_block(r.target_store, r.target_block);
    if (r.kind == AKV_PLAN_ZERO)
      for (std::uint32_t i = 0; i < block_tokens_; ++i) step.items.push_back({Item::zero, to + i, 0});
    else
      for (std::uint32_t i = r.first_token; i < r.first_token + r.num_tokens; ++i)
        step.items.push_back({Item::copy, to + i, static_cast<std::uint64_t>(from + i)});
  }
}

bool Worker::wait_until_passed(akv_ticket ticket) {
  world_.waits.fetch_add(1, std::memory_order_relaxed);
  for (;;) {
    std::uint32_t state = 0;
    ok(akv_ticket_read(cache_, ticket, &state), "read a ticket");
    if (state == AKV_TICKET_PASSED) return true;
    if (state == AKV_TICKET_ABANDONED) return false;
    sched_yield();
  }
}

// May the records run now? The source of a copy-on-write is the sequence's own work, in the order of the stream, unless
// it waits for somebody else's. Otherwise wait: with nothing open of its own, so that nobody waits for each other.
bool Worker::plan_ready(Step &step, const std::vector<akv_plan_record> &records, const std::vector<std::size_t> &rows) {
  akv_ticket wait = AKV_NONE;
  for (const akv_plan_record &r : records) {
    const auto owner =
        std::find_if(rows.begin(), rows.end(), [&](std::size_t at) { return live_[at].handle == r.sequence; });
    if (owner == rows.end()) broken(world_, "a record of a plan is about a sequence that is not in it");
    if (r.kind == AKV_PLAN_COPY_ON_WRITE && live_[*owner].wait == AKV_NONE) continue;
    wait = std::max(wait, r.wait);
  }
  if (wait == AKV_NONE) return true;
  if (random_.one_in(2)) return false;
  stream_.call_off(step);
  stream_.run_all();
  if (!wait_until_passed(wait)) return false;
  return std::none_of(rows.begin(), rows.end(), [&](std::size_t at) { return lost(live_[at]); });
}

// The entry of its table that the last plan has replaced.
std::uint64_t Worker::replaced_entry(const Live &s) const {
  for (const akv_plan_record &r : copied_on_write_) {
    if (r.sequence != s.handle) continue;
    const std::uint32_t entry = s.length() / block_tokens_;
    if (r.source_block != s.blocks[entry] || r.first_token != 0 || r.num_tokens != s.length() % block_tokens_)
      broken(world_, "a copy-on-write of %u tokens of block %d, the sequence has %u tokens and ends in block %d",
             r.num_tokens, r.source_block, s.length(), s.blocks[entry]);
    return entry;
  }
  return kNoEntry;
}

// `finished`: its records are in the step, and whoever ends that finishes the plan. `abandoned`: it was rolled back.
Worker::PlanEnd Worker::take_plan(Step &step, akv_plan plan, const std::vector<std::size_t> &rows) {
  copied_on_write_.clear();
  if (plan == AKV_NONE) return PlanEnd::none;
  const std::vector<akv_plan_record> records = read_records(plan);
  plan_wait_ = AKV_NONE;
  for (const akv_plan_record &r : records) {
    if (r.kind == AKV_PLAN_COPY_ON_WRITE) copied_on_write_.push_back(r);
    plan_wait_ = std::max(plan_wait_, r.wait);
  }
  if (!random_.one_in(12) && plan_ready(step, records, rows)) {
    run_records(step, records);
    return PlanEnd::finished;
  }
  ok(patient([&] { return akv_plan_abandon(cache_, plan); }), "abandon a plan");
  world_.dead_plans.put(plan, random_);
  return PlanEnd::abandoned;
}

// Its records have run, or will have when the step's ticket ends well.
void Worker::finish_plan(akv_plan plan, const Step &step, const std::vector<std::size_t> &rows) {
  ok(patient([&] { return akv_plan_finish(cache_, plan, step.ticket); }), "finish a plan");
  world_.dead_plans.put(plan, random_);
  for (const std::size_t at : rows) note_under(live_[at], std::max(step.ticket, plan_wait_));
}

// -- tickets --

// The device has failed: nothing of what is queued happens, and what it may have left is no number.
void Worker::abandon_tickets() {
  if (stream_.empty()) return;
  const std::unordered_set<std::int64_t> slots = stream_.written_slots();
  for (Live &s : live_)
    for (std::uint32_t at = 0; at < s.committed && !s.simulated(); ++at)
      if (slots.count(slot_of(s, at)) != 0) world_.shadow.write(slot_of(s, at), kPoison);
  world_.breaks.begin();
  stream_.abandon_all(random_);
  world_.breaks.end();
  for (std::size_t at = live_.size(); at-- != 0;) {
    if (lost(live_[at]) && !heal(at)) continue;
    Live &s = live_[at];
    if (s.simulated()) continue;
    // What was queued, and not committed, is to be written again.
    const std::uint32_t first = s.wait != AKV_NONE ? s.shared : 0;
    for (std::uint32_t i = first; i < s.written; ++i) {
      if (world_.shadow.read(slot_of(s, i)) == s.prints[i]) continue;
      if (i < s.committed) broken(world_, "token %u counts as committed, and its work was abandoned", i);
      s.written = i;
    }
  }
}

// -- leases --

void Worker::acquire_lease() {
  const std::size_t at = some();
  Live &s = live_[at];
  if (s.length() == 0 || s.simulated()) return;
  const std::uint32_t num_tokens = random_.between(1, s.length());
  Lease lease;
  lease.owner = some_owner();
  akv_ticket wait = AKV_NONE;
  const akv_status status =
      patient([&] { return akv_lease_acquire(cache_, s.handle, num_tokens, lease.owner, &lease.handle, &wait); });
  if (status == AKV_ERROR_NO_HOLDS) return;
  if (refused(status, at)) return;
  std::vector<std::int32_t> blocks(world_.shape.num_blocks);
  std::uint32_t count = 0;
  ok(akv_lease_read_blocks(cache_, lease.handle, blocks.data(), static_cast<std::uint32_t>(blocks.size()), &count),
     "lease_read_blocks");
  if (count != akv_blocks_for(num_tokens, block_tokens_))
    broken(world_, "a lease of %u tokens has %u blocks", num_tokens, count);
  for (std::uint32_t i = 0; i < num_tokens; ++i) {
    const std::int64_t slot = std::int64_t{blocks[i / block_tokens_]} * block_tokens_ + i % block_tokens_;
    if (i < s.committed && wait == AKV_NONE) lease.content.push_back({Item::expect, slot, s.prints[i]});
    if (i >= s.written) lease.late.push_back({Item::write, slot, s.prints[i]});
  }
  refresh_blocks(s, nullptr, kNoEntry);
  leases_.push_back(std::move(lease));
}

void Worker::release_lease(std::size_t at) {
  Lease lease = std::move(leases_[at]);
  leases_[at] = std::move(leases_.back());
  leases_.pop_back();
  Step step = stream_.begin(false);
  step.items = lease.content;
  // What its sequence, or a fork of it, has written meanwhile is not written again.
  const auto written = [this](const Item &item) {
    return std::any_of(live_.begin(), live_.end(), [&](const Live &s) {
      for (std::uint32_t i = 0; i < s.written; ++i)
        if (slot_of(s, i) == item.slot) return true;
      return false;
    });
  };
  std::copy_if(lease.late.begin(), lease.late.end(), std::back_inserter(step.items), std::not_fn(written));
  stream_.end(step);
  ok(akv_lease_release(cache_, lease.handle), "release a lease");
  world_.dead_leases.put(lease.handle, random_);
}

// -- pins --

void Worker::pin() {
  Pin pin;
  pin.owner = some_owner();
  pin.domain = random_.below(4);
  pin.prompt = some_prompt();
  pin.quiet = world_.breaks.quiet_since();
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = pin.prompt.data();
  prompt.num_tokens = static_cast<std::uint32_t>(pin.prompt.size());
  prompt.domain = pin.domain;
  const akv_status status = akv_prefix_pin(cache_, &prompt, pin.owner, &pin.handle, &pin.tokens);
  if (status == AKV_ERROR_NOT_FOUND || status == AKV_ERROR_PIN_BUDGET || status == AKV_ERROR_NO_HOLDS) return;
  ok(status, "pin");
  check_pin(pin);
  pins_.push_back(std::move(pin));
}

// What is pinned is found, until a domain is cleared or a ticket abandoned.
void Worker::check_pin(const Pin &pin) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = pin.prompt.data();
  prompt.num_tokens = static_cast<std::uint32_t>(pin.prompt.size());
  prompt.domain = pin.domain;
  akv_match match = AKV_MATCH_INIT;
  ok(akv_prefix_match(cache_, &prompt, &match), "match");
  const std::uint32_t most = (prompt.num_tokens - 1) / block_tokens_ * block_tokens_;
  if (pin.quiet == Breaks::kBreaking || world_.breaks.quiet_since() != pin.quiet) return;
  if (match.cached_tokens < std::min(pin.tokens, most))
    broken(world_, "%u tokens are pinned, and %u are found", pin.tokens, match.cached_tokens);
}

void Worker::unpin(std::size_t at) {
  const Pin pin = std::move(pins_[at]);
  pins_[at] = std::move(pins_.back());
  pins_.pop_back();
  check_pin(pin);
  ok(akv_prefix_unpin(cache_, pin.handle), "unpin");
  world_.dead_pins.put(pin.handle, random_);
}

}  // namespace akv::stress
