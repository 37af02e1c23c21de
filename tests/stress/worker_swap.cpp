// worker_swap.cpp: sequences that go out to swap blocks and come back, and swap blocks for a worker's own use.
// It knows what the K/V of its sequences are in either place; a sequence that is out is in away_, and not in live_.
#include "worker.hpp"

#include <algorithm>

namespace akv::stress {

// Of a block with K/V, or a swap block: they stand behind those in the shadow.
std::int64_t Worker::slot_of_block(std::uint32_t store, std::int32_t block) const {
  return (std::int64_t{block} + (store == 0 ? 0 : world_.shape.num_blocks)) * block_tokens_;
}

// What the plan copies for this sequence: the bytes are right where they come from, and then where they went.
void Worker::run_copies(const Live &s, Step &step, const std::vector<akv_plan_record> &records) {
  std::uint32_t at = 0;
  for (const akv_plan_record &r : records) at += r.kind == AKV_PLAN_ZERO ? 0 : r.num_tokens;
  at = s.length() - at;  // in order, and up to the end
  for (const akv_plan_record &r : records) {
    run_records(step, {r});
    if (r.kind == AKV_PLAN_ZERO) continue;
    for (std::uint32_t i = 0; i < r.num_tokens && !s.simulated(); ++i)
      step.items.push_back({Item::expect, slot_of_block(r.target_store, r.target_block) + i, s.prints[at + i]});
    at += r.num_tokens;
  }
}

// It is freed with the plan open, which keeps both sides for what may be on its way.
void Worker::free_on_the_way(const Live &s, Step &step, akv_plan plan, const std::vector<akv_plan_record> &records,
                             bool ready) {
  ok(patient([&] { return akv_sequence_free(cache_, s.handle); }), "free on the way to or from swap blocks");
  sched_yield();
  if (ready) run_copies(s, step, records);
  stream_.end(step);
  const bool finishes = ready && random_.one_in(2);
  if (finishes) stream_.run_all();  // abandoned, both sides wait for what is queued
  ok(patient([&] { return finishes ? akv_plan_finish(cache_, plan, AKV_NONE) : akv_plan_abandon(cache_, plan); }),
     "end the plan of a freed sequence that swaps");
  world_.dead_sequences.put(s.handle, random_);
  world_.dead_plans.put(plan, random_);
  world_.died();
}

// All of it is written and committed, or it can't go.
bool Worker::ready_to_leave(std::size_t at) {
  if (!settle_wait(at) || live_[at].length() == 0) return false;
  Live &s = live_[at];
  stream_.run_all();
  Step step = stream_.begin(false);
  write_kv(s, step, s.length());
  stream_.end(step);
  commit_some(s, s.length());
  return true;
}

void Worker::swap_out() {
  const std::size_t count = live_.size(), at = some();
  if (!ready_to_leave(at) || live_.size() != count) return;
  akv_plan plan = AKV_NONE;
  const akv_status status = patient([&] { return akv_sequence_swap_out(cache_, live_[at].handle, &plan); });
  if (status == AKV_ERROR_UNSUPPORTED && world_.shape.num_swap_blocks == 0) return;
  if (status == AKV_ERROR_NO_SWAP_BLOCKS) return swap_in();
  if (refused(status, at)) return;
  const std::vector<akv_plan_record> records = read_records(plan);
  // What others are still writing into shared blocks must be there first.
  bool ready = true;
  for (const akv_plan_record &r : records)
    if (r.wait != AKV_NONE) ready = ready && wait_until_passed(r.wait);
  Step step = stream_.begin(late());
  if (random_.one_in(12)) {
    const Live s = std::move(live_[at]);
    live_[at] = std::move(live_.back());
    live_.pop_back();
    return free_on_the_way(s, step, plan, records, ready);
  }
  if (ready) run_copies(live_[at], step, records);
  const akv_ticket ticket = step.ticket;
  stream_.end(step);
  if (ready && ticket != AKV_NONE &&
      patient([&] { return akv_plan_finish(cache_, plan, ticket); }) != AKV_ERROR_INVALID_ARGUMENT)
    broken(world_, "a sequence has left while its copies were on their way");
  if (!ready) {  // what it waited for was given up; of this sequence perhaps nothing
    ok(patient([&] { return akv_plan_abandon(cache_, plan); }), "abandon a way out that nothing was copied for");
    world_.dead_plans.put(plan, random_);
    if (!lost(live_[at])) return refresh_blocks(live_[at], nullptr, kNoEntry);
    heal(at);
    return;
  }
  // Abandoned, its swap blocks wait for the copies that are still queued.
  if (random_.one_in(8)) {
    ok(patient([&] { return akv_plan_abandon(cache_, plan); }), "abandon a way out");
    world_.dead_plans.put(plan, random_);
    return refresh_blocks(live_[at], nullptr, kNoEntry);
  }
  stream_.run_all();
  end_swap_out(at, plan);
}

// The copies have run: the blocks go.
void Worker::end_swap_out(std::size_t at, akv_plan plan) {
  const akv_status status = patient([&] { return akv_plan_finish(cache_, plan, AKV_NONE); });
  world_.dead_plans.put(plan, random_);
  if (status == AKV_ERROR_CONTENT_LOST && live_[at].in_flight()) {
    ok(patient([&] { return akv_plan_abandon(cache_, plan); }), "abandon what can't be saved");
    heal(at);
    return;
  }
  ok(status, "finish a way out");
  Live s = std::move(live_[at]);
  live_[at] = std::move(live_.back());
  live_.pop_back();
  s.blocks.clear();
  s.wait = s.under = AKV_NONE;
  away_.push_back(std::move(s));
  world_.swapped_out.fetch_add(1, std::memory_order_relaxed);
}

// The other way: one that is away does nothing, and says so.
void Worker::check_away(const Live &s) {
  const std::int32_t token = 1;
  akv_plan plan = AKV_NONE;
  if (patient([&] { return akv_sequence_append(cache_, s.handle, &token, 1, 0, &plan); }) != AKV_ERROR_SWAPPED)
    broken(world_, "a swapped sequence grows");
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  ok(patient([&] { return akv_sequence_read_info(cache_, s.handle, &info); }), "read_info of a swapped sequence");
  if (info.state != AKV_SEQUENCE_SWAPPED || info.swap_blocks != akv_blocks_for(s.length(), block_tokens_) ||
      info.length != s.length() || info.committed != s.length() || info.num_blocks != 0)
    broken(world_, "a swapped sequence of %u tokens has %u swap blocks and %u blocks", info.length, info.swap_blocks,
           info.num_blocks);
}

void Worker::swap_in() {
  if (away_.empty()) return;
  const std::size_t which = random_.below(static_cast<std::uint32_t>(away_.size()));
  check_away(away_[which]);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  const akv_status status = patient([&] { return akv_sequence_swap_in(cache_, away_[which].handle, &in); });
  if (status == AKV_ERROR_NO_BLOCKS) return random_.one_in(2) ? free_away(which) : free_for_room();
  if (status == AKV_ERROR_NO_PLANS) return;
  ok(status, "swap_in");
  Live s = std::move(away_[which]);
  away_[which] = std::move(away_.back());
  away_.pop_back();
  if (in.cached_tokens + in.copied_tokens != s.length())
    broken(world_, "%u tokens are cached and %u copied, the sequence has %u", in.cached_tokens, in.copied_tokens,
           s.length());
  s.shared = in.cached_tokens;
  s.wait = in.wait;
  if (in.plan == AKV_NONE) return come_back(std::move(s));
  const std::vector<akv_plan_record> records = read_records(in.plan);
  Step step = stream_.begin(late());
  if (random_.one_in(12)) return free_on_the_way(s, step, in.plan, records, true);
  const akv_ticket ticket = step.ticket;
  run_copies(s, step, records);
  refresh_blocks(s, &step, kNoEntry);
  stream_.end(step);
  if (ticket != AKV_NONE &&
      patient([&] { return akv_plan_finish(cache_, in.plan, ticket); }) != AKV_ERROR_INVALID_ARGUMENT)
    broken(world_, "a sequence is back while its copies are on their way");
  akv_status end = AKV_ERROR_CONTENT_LOST;
  if (!random_.one_in(8)) {
    stream_.run_all();
    end = patient([&] { return akv_plan_finish(cache_, in.plan, AKV_NONE); });
    if (end != AKV_ERROR_CONTENT_LOST || !s.in_flight()) ok(end, "finish a way in");
  }
  if (end != AKV_OK) ok(patient([&] { return akv_plan_abandon(cache_, in.plan); }), "abandon a way in");
  world_.dead_plans.put(in.plan, random_);
  if (end == AKV_OK) return come_back(std::move(s));
  s.blocks.clear();
  s.wait = AKV_NONE;
  check_away(s);
  away_.push_back(std::move(s));
}

void Worker::come_back(Live s) {
  world_.swapped_in.fetch_add(1, std::memory_order_relaxed);
  live_.push_back(std::move(s));
  if (live_.back().blocks.empty()) refresh_blocks(live_.back(), nullptr, kNoEntry);
  check_content(live_.size() - 1);
}

void Worker::free_away(std::size_t which) {
  ok(patient([&] { return akv_sequence_free(cache_, away_[which].handle); }), "free a swapped sequence");
  world_.dead_sequences.put(away_[which].handle, random_);
  away_[which] = std::move(away_.back());
  away_.pop_back();
  world_.died();
}

// Swap blocks for its own use: nobody else writes to them.
void Worker::borrow_swap_blocks() {
  if (!borrowed_.empty()) {
    Step step = stream_.begin(false);
    for (const std::int32_t block : borrowed_)
      step.items.push_back({Item::expect, slot_of_block(1, block), next_print(first_print(number_), block)});
    stream_.end(step);
    ok(akv_swap_release(cache_, borrowed_.data(), static_cast<std::uint32_t>(borrowed_.size())), "swap_release");
    return borrowed_.clear();
  }
  std::vector<std::int32_t> blocks(random_.between(1, 6));
  const akv_status status = akv_swap_acquire(cache_, static_cast<std::uint32_t>(blocks.size()), blocks.data());
  if (status == AKV_ERROR_NO_SWAP_BLOCKS || (status == AKV_ERROR_UNSUPPORTED && world_.shape.num_swap_blocks == 0))
    return;
  ok(status, "swap_acquire");
  borrowed_ = std::move(blocks);
  Step step = stream_.begin(false);
  for (const std::int32_t block : borrowed_)
    step.items.push_back({Item::write, slot_of_block(1, block), next_print(first_print(number_), block)});
  stream_.end(step);
}

}  // namespace akv::stress
