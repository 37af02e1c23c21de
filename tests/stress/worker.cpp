// worker.cpp: what a worker does, and how its sequences are born and end.
// It knows its sequences; how they grow is in worker_growth.cpp, plans and tickets in worker_order.cpp.
#include "worker.hpp"

#include <algorithm>

namespace akv::stress {

Worker::Worker(World &world, std::uint32_t number)
    : world_(world),
      cache_(world.cache),
      block_tokens_(world.shape.block_tokens),
      number_(number),
      random_{mix(world.seed * 1000 + number)},
      stream_(world),
      owners_{number * 3 + 1, number * 3 + 2, number * 3 + 3},
      row_width_(static_cast<std::uint32_t>(akv_blocks_for(kMaxTokens, world.shape.block_tokens))) {
  table_.assign(std::size_t{kRowsOfTable} * row_width_, -9);
  row_states_.resize(kRowsOfTable);
}

void Worker::run(std::uint64_t operations) {
  for (std::uint64_t i = 0; i < operations; ++i) {
    one_operation();
    if (random_.one_in(4)) sched_yield();  // there are more workers than cores: take turns often
  }
  stream_.run_all();  // others may wait for it
}

void Worker::one_operation() {
  if (live_.size() < world_.shape.sequences_per_worker && random_.one_in(3)) return create();
  if (live_.empty()) return create();
  const std::uint32_t what = random_.below(105);
  if (what < 12) append();
  else if (what < 42) append_batch();
  else if (what < 48) check_content(some());
  else if (what < 52) commit_batch();
  else if (what < 56) fork();
  else if (what < 60) truncate();
  else if (what < 62) truncate_batch();
  else if (what < 66) set_tokens();
  else if (what < 70) reserve();
  else if (what < 75) free_one(some());
  else if (what < 76) free_some();
  else if (what < 80) random_.one_in(2) ? pin() : acquire_lease();
  else if (what < 82) pins_.empty() ? pin() : unpin(random_.below(static_cast<std::uint32_t>(pins_.size())));
  else if (what < 85)
    leases_.empty() ? acquire_lease() : release_lease(random_.below(static_cast<std::uint32_t>(leases_.size())));
  else if (what < 88) look_up();
  else if (what < 90) swap_out();
  else if (what < 92) swap_in();
  else if (what < 93) borrow_swap_blocks();
  else if (what < 103) stream_.empty() ? check_content(some()) : stream_.run_oldest();
  else if (random_.one_in(4)) drop_owner();
  else if (random_.one_in(8)) abandon_tickets();
}

void Worker::wind_down() {
  stream_.run_all();
  while (!leases_.empty()) release_lease(0);
  while (!pins_.empty()) unpin(0);
  if (!borrowed_.empty()) borrow_swap_blocks();
  while (!away_.empty()) free_away(0);
  while (!live_.empty()) {
    if (const std::size_t before = live_.size(); settle_wait(0) && live_.size() == before) free_one(0);
  }
  stream_.run_all();
}

// -- birth --

void Worker::create() {
  Live s;
  s.domain = random_.below(4);
  s.owner = some_owner();
  s.request_id = std::uint64_t{number_} << 32 | next_request_++;
  s.row = random_.below(kRowsOfTable);
  const std::vector<std::int32_t> tokens = some_prompt();
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = static_cast<std::uint32_t>(tokens.size());
  prompt.domain = s.domain;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.request_id = s.request_id;
  options.owner = s.owner;
  options.max_tokens = kMaxTokens;
  if (random_.one_in(4)) options.reserve_tokens = random_.below(kMaxTokens);
  if (random_.one_in(2)) options.flags = AKV_SEQUENCE_PARTIAL;
  else if (random_.one_in(12)) options.flags = AKV_SEQUENCE_NO_MATCH;
  if (random_.one_in(6)) options.flags |= AKV_SEQUENCE_PREFIX_ONLY;
  if (random_.one_in(20)) options.flags |= AKV_SEQUENCE_NO_PUBLISH;
  if (s.simulated()) options.flags |= AKV_SEQUENCE_COMMITTED;
  akv_created created = AKV_CREATED_INIT;
  Step step = stream_.begin(late());
  const akv_status status = akv_sequence_create(cache_, &prompt, &options, &created);
  if (status != AKV_OK) {
    stream_.call_off(step);
    if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_SEQUENCES) return free_for_room();
    if (status == AKV_ERROR_NO_PLANS) return;
    return ok(status, "create");
  }
  if (created.cached_tokens % block_tokens_ != 0 || created.cached_tokens + created.partial_tokens >= tokens.size())
    broken(world_, "%u + %u tokens of a prompt of %zu are cached", created.cached_tokens, created.partial_tokens,
           tokens.size());
  world_.hit_tokens.fetch_add(created.cached_tokens + created.partial_tokens, std::memory_order_relaxed);
  s.handle = created.sequence;
  s.wait = created.wait;
  s.shared = created.cached_tokens + created.partial_tokens;
  extend(s, {tokens.begin(), tokens.begin() + created.length}, 0);
  s.committed = created.cached_tokens;
  s.written = s.shared;
  world_.live_sequences.put(s.handle, random_);
  adopt(s, created, step);
}

// The plan of a new sequence, then its first K/V. False: it is gone again.
bool Worker::adopt(Live &s, const akv_created &created, Step &step) {
  const bool gone_before_the_plan = created.plan != AKV_NONE && random_.one_in(10);
  live_.push_back(std::move(s));
  world_.born();
  const std::size_t at = live_.size() - 1;
  if (gone_before_the_plan) {
    // The client left; its records are on their way, into blocks that are kept for them.
    const std::vector<akv_plan_record> records = read_records(created.plan);
    ok(patient([&] { return akv_sequence_free(cache_, created.sequence); }), "free under an open plan");
    forget(at);
    sched_yield();
    const bool runs = std::all_of(records.begin(), records.end(), [](const auto &r) { return r.wait == AKV_NONE; });
    if (runs) run_records(step, records);
    stream_.end(step);
    ok(patient([&] {
         return runs && random_.one_in(2) ? akv_plan_finish(cache_, created.plan, step.ticket)
                                          : akv_plan_abandon(cache_, created.plan);
       }),
       "end the plan of a freed sequence");
    world_.dead_plans.put(created.plan, random_);
    return false;
  }
  const PlanEnd end = take_plan(step, created.plan, {at});
  if (end == PlanEnd::abandoned) {
    stream_.call_off(step);
    forget(at);
    return false;
  }
  Live &now = live_[at];
  refresh_blocks(now, &step, kNoEntry);
  if (now.wait == AKV_NONE) expect_kv(now, step, 0, now.shared);
  write_kv(now, step, random_.one_in(3) ? random_.below(now.length() + 1) : now.length());
  stream_.end(step);
  if (end == PlanEnd::finished) {
    finish_plan(created.plan, step, {at});
    now.committed = now.shared;
  }
  if (now.simulated()) now.committed = now.written = now.length();
  else if (!random_.one_in(3)) commit_some(now, now.written);
  return true;
}

void Worker::fork() {
  const std::size_t at = some();
  if (live_.size() > world_.shape.sequences_per_worker) return free_one(at);
  Live &parent = live_[at];
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  ok(patient([&] { return akv_sequence_read_info(cache_, parent.handle, &info); }), "read_info");
  Live child = parent;
  const std::uint32_t length = random_.one_in(2) ? info.known : random_.below(info.known + 1);
  child.owner = some_owner();
  child.request_id = std::uint64_t{number_} << 32 | next_request_++;
  child.row = random_.below(kRowsOfTable);
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.owner = child.owner;
  options.request_id = child.request_id;
  const akv_status status =
      patient([&] { return akv_sequence_fork(cache_, parent.handle, length, &options, &child.handle); });
  if (status == AKV_ERROR_NO_SEQUENCES) return free_one(at);
  if (refused(status, at)) return;
  cut(child, length);
  refresh_blocks(parent, nullptr, kNoEntry);
  child.blocks.clear();  // published twins of its parent's duplicates: not the same entries, but the same content
  refresh_blocks(child, nullptr, kNoEntry);
  live_.push_back(std::move(child));
  world_.born();
  world_.live_sequences.put(live_.back().handle, random_);
}

// -- death --

void Worker::forget(std::size_t at) {
  world_.dead_sequences.put(live_[at].handle, random_);
  live_[at] = std::move(live_.back());
  live_.pop_back();
  world_.died();
}

void Worker::free_one(std::size_t at) {
  if (random_.one_in(2)) {
    const std::size_t before = live_.size();
    check_content(at);
    if (live_.size() != before) return;
  }
  ok(patient([&] { return akv_sequence_free(cache_, live_[at].handle); }), "free");
  forget(at);
}

void Worker::free_some() {
  std::vector<akv_sequence> handles;
  for (const Live &s : live_)
    if (random_.one_in(3)) handles.push_back(s.handle);
  if (handles.empty()) return;
  handles.push_back(handles.front() - (std::uint64_t{1} << 32));  // who was in its slot before
  std::vector<akv_status> statuses(handles.size());
  std::uint32_t freed = 0, stales = 0;
  ok(akv_sequence_free_batch(cache_, handles.data(), static_cast<std::uint32_t>(handles.size()), &freed, &stales,
                             statuses.data()),
     "free_batch");
  std::uint32_t count = 0;
  for (std::size_t i = 0; i + 1 < handles.size(); ++i) {
    if (statuses[i] == AKV_ERROR_BUSY) continue;  // lives on
    ok(statuses[i], "one of free_batch");
    ++count;
    forget(static_cast<std::size_t>(
        std::find_if(live_.begin(), live_.end(), [&](const Live &s) { return s.handle == handles[i]; }) -
        live_.begin()));
  }
  if (statuses.back() != AKV_ERROR_BAD_HANDLE || freed != count || stales != 1)
    broken(world_, "free_batch tells of %u freed and %u stale ones, there were %u and 1", freed, stales, count);
}

void Worker::free_for_room() {
  stream_.run_all();
  if (!leases_.empty()) release_lease(0);
  if (!away_.empty() && (live_.empty() || random_.one_in(3))) return free_away(0);
  if (!live_.empty()) free_one(some());
}

void Worker::drop_owner() {
  const std::uint64_t owner = some_owner();
  const bool in_flight = random_.one_in(2);
  if (in_flight) stream_.run_all();  // nothing of this owner's may be on its way
  std::uint32_t expected = 0, released = 0;
  for (const Live &s : live_) expected += s.owner == owner;
  for (const Live &s : away_) expected += s.owner == owner;
  for (const Pin &pin : pins_) expected += pin.owner == owner;
  for (const Lease &lease : leases_) expected += in_flight && lease.owner == owner;
  ok(patient([&] { return akv_cache_drop_owner(cache_, owner, in_flight ? AKV_DROP_IN_FLIGHT : 0u, &released); }),
     "drop_owner");
  if (released != expected) broken(world_, "drop_owner released %u things of %u", released, expected);
  for (std::size_t at = live_.size(); at-- != 0;)
    if (live_[at].owner == owner) forget(at);
  for (const Live &s : away_)
    if (s.owner == owner) {
      world_.dead_sequences.put(s.handle, random_);
      world_.died();
    }
  std::erase_if(away_, [owner](const Live &s) { return s.owner == owner; });
  std::erase_if(pins_, [owner](const Pin &pin) { return pin.owner == owner; });
  if (in_flight) std::erase_if(leases_, [owner](const Lease &lease) { return lease.owner == owner; });
}

void Worker::look_up() {
  const Live &s = away_.empty() ? live_[some()] : away_.front();
  akv_sequence found = AKV_NONE;
  ok(akv_sequence_find(cache_, s.request_id, &found), "find");
  if (found != s.handle) broken(world_, "find tells another sequence");
  akv_created created = AKV_CREATED_INIT;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.request_id = s.request_id;
  if (const akv_status status = akv_sequence_create(cache_, nullptr, &options, &created);
      status != AKV_ERROR_ALREADY_EXISTS)
    broken(world_, "a second sequence with the same request id: %s", akv_status_name(status));
  akv_room room = AKV_ROOM_INIT;
  ok(patient([&] { return akv_sequence_can_extend(cache_, s.handle, 1, &room); }), "can_extend");
  if (room.blocks_available > world_.shape.num_blocks) broken(world_, "%u blocks are available", room.blocks_available);
}

}  // namespace akv::stress
