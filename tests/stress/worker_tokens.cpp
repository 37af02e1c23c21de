// worker_tokens.cpp: prompts that meet each other, and the K/V of a sequence: where they go, and whether they are
// right. It knows one sequence at a time.
#include "worker.hpp"

#include <algorithm>
#include <cinttypes>

namespace akv::stress {

std::vector<std::int32_t> Worker::some_tokens(std::uint32_t count) {
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(random_.below(3)) - 1;
  return tokens;
}

// The beginning of one of a few texts that all threads know, and something of its own behind it.
std::vector<std::int32_t> Worker::some_prompt() {
  Random text{world_.seed * 77 + random_.below(24)};
  const std::uint32_t common = random_.below(kMaxTokens * 3 / 4);
  std::vector<std::int32_t> tokens(common);
  for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(text.below(3)) - 1;
  const std::vector<std::int32_t> more = some_tokens(random_.below(12) + 1);
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

void Worker::extend(Live &s, const std::vector<std::int32_t> &tokens, std::uint32_t first) {
  for (std::size_t i = first; i < tokens.size(); ++i) {
    const Print before = s.prints.empty() ? first_print(s.domain) : s.prints.back();
    s.tokens.push_back(tokens[i]);
    s.prints.push_back(next_print(before, tokens[i]));
  }
}

// Whatever is behind the new end, blocks included, may be something else from now on.
void Worker::cut(Live &s, std::uint32_t length) {
  s.tokens.resize(length);
  s.prints.resize(length);
  s.written = std::min(s.written, length);
  s.committed = std::min(s.committed, length);
  s.shared = std::min(s.shared, length);
  s.blocks.resize(std::min<std::size_t>(s.blocks.size(), akv_blocks_for(length, block_tokens_)));
}

std::int64_t Worker::slot_of(const Live &s, std::uint32_t at) const {
  return std::int64_t{s.blocks[at / block_tokens_]} * block_tokens_ + at % block_tokens_;
}

// The table again. Entries that were there are there still, but for the one that a plan has replaced; new ones must be
// fit for their new owner, which is looked at behind what `step` zeroes and copies.
void Worker::refresh_blocks(Live &s, Step *step, std::uint64_t replaced_entry) {
  std::vector<std::int32_t> now(world_.shape.num_blocks);
  std::uint32_t count = 0;
  ok(patient([&] {
       return akv_sequence_read_blocks(cache_, s.handle, 0, now.data(), static_cast<std::uint32_t>(now.size()), &count);
     }),
     "read_blocks");
  now.resize(count);
  for (std::size_t at = 0; at < now.size(); ++at) {
    if (now[at] < 1 || now[at] > static_cast<std::int32_t>(world_.shape.num_blocks))
      broken(world_, "entry %zu of a table is block %d", at, now[at]);
    const bool was_there = at < s.blocks.size() && at != replaced_entry;
    if (was_there && now[at] != s.blocks[at])
      broken(world_, "entry %zu of a table has changed from block %d to %d by itself", at, s.blocks[at], now[at]);
    // Below the written tokens a block holds what was shared or copied.
    if (was_there || step == nullptr || world_.shape.scrub == AKV_SCRUB_NONE) continue;
    const auto first = static_cast<std::uint32_t>(at) * block_tokens_;
    for (std::uint32_t i = s.written > first ? s.written - first : 0; i < block_tokens_; ++i)
      step->items.push_back({Item::clean, std::int64_t{now[at]} * block_tokens_ + i, s.domain});
  }
  s.blocks = std::move(now);
}

// What the model's kernels do: the K/V of all tokens up to `end` that have none yet.
void Worker::write_kv(Live &s, Step &step, std::uint32_t end) {
  if (!s.simulated())
    for (std::uint32_t at = s.written; at < end; ++at)
      step.items.push_back({Item::write, slot_of(s, at), s.prints[at]});
  s.written = std::max(s.written, end);
  // They are written once: whoever shares the blocks, a fork, has them now.
  for (Live &other : live_)
    while (other.written < std::min(s.written, other.length()) && other.domain == s.domain &&
           other.blocks[other.written / block_tokens_] == s.blocks[other.written / block_tokens_])
      ++other.written;
}

void Worker::expect_kv(Live &s, Step &step, std::uint32_t first, std::uint32_t end) {
  if (s.simulated() || s.wait != AKV_NONE) return;
  for (std::uint32_t at = first; at < end; ++at) step.items.push_back({Item::expect, slot_of(s, at), s.prints[at]});
}

// Does it answer CONTENT_LOST? All its tokens may be sound even so: then zeroes behind them were lost.
bool Worker::lost(const Live &s) {
  akv_room room = AKV_ROOM_INIT;
  ok(patient([&] { return akv_sequence_can_extend(cache_, s.handle, 0, &room); }), "can_extend");
  return room.status == AKV_ERROR_CONTENT_LOST;
}

// Has the work behind its content finished? False: the sequence has lost content, and is gone.
bool Worker::settle_wait(std::size_t at) {
  Live &s = live_[at];
  if (!s.in_flight()) return true;
  std::uint32_t state = 0;
  ok(akv_ticket_read(cache_, std::max(s.wait, s.under), &state), "read the ticket to wait for");
  if (state == AKV_TICKET_OPEN || state == AKV_TICKET_ENDED) return true;
  if (lost(s)) return heal(at);
  if (state != AKV_TICKET_PASSED) return true;
  s.wait = s.under = AKV_NONE;
  return true;
}

// Read K/V of the whole sequence, as attention does, behind all that is queued.
void Worker::check_content(std::size_t at) {
  if (!settle_wait(at)) return;
  Live &s = live_[at];
  Step step = stream_.begin(late());
  refresh_blocks(s, nullptr, kNoEntry);
  expect_kv(s, step, 0, s.written);
  stream_.end(step);
  std::vector<std::int32_t> tokens(s.length());
  const std::uint32_t count = s.length();
  ok(patient([&] { return akv_sequence_read_tokens(cache_, s.handle, 0, count, tokens.data()); }), "read_tokens");
  for (std::uint32_t i = 0; i < count; ++i)
    if (tokens[i] != s.tokens[i] && tokens[i] != AKV_TOKEN_UNKNOWN)
      broken(world_, "token %u of a sequence is %d, it was %d", i, tokens[i], s.tokens[i]);
}

// Committed under this ticket: so is what forks of it share.
void Worker::note_under(Live &s, akv_ticket ticket) {
  for (Live &other : live_) {
    bool shares = &other == &s;
    for (std::size_t i = 0; i < std::min(s.blocks.size(), other.blocks.size()); ++i)
      shares = shares || s.blocks[i] == other.blocks[i];
    if (shares) other.under = std::max(other.under, ticket);
  }
}

// Under the newest ticket of the stream: what is queued runs in order.
void Worker::commit_some(Live &s, std::uint32_t length) {
  length = std::min(length, s.written);
  const akv_status status = patient([&] { return akv_sequence_commit(cache_, s.handle, length, stream_.newest()); });
  if (status == AKV_ERROR_CONTENT_LOST && s.in_flight()) return;
  ok(status, "commit");
  note_under(s, stream_.newest());
  s.committed = std::max(s.committed, length);
}

// After CONTENT_LOST: back to the sound part, or away with it. True if the sequence is still there.
bool Worker::heal(std::size_t at) {
  Live &s = live_[at];
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  ok(patient([&] { return akv_sequence_read_info(cache_, s.handle, &info); }), "read_info");
  if (info.sound_tokens > s.length()) broken(world_, "%u of %u tokens are sound", info.sound_tokens, s.length());
  if (random_.one_in(3)) {
    ok(patient([&] { return akv_sequence_free(cache_, s.handle); }), "free what lost content");
    forget(at);
    return false;
  }
  const std::uint32_t length = random_.one_in(2) ? info.sound_tokens : random_.below(info.sound_tokens + 1);
  ok(patient([&] { return akv_sequence_truncate(cache_, s.handle, length, 0); }), "truncate to the sound part");
  cut(s, length);
  refresh_blocks(s, nullptr, kNoEntry);
  ok(patient([&] { return akv_sequence_read_info(cache_, s.handle, &info); }), "read_info");
  if (info.committed > s.written) broken(world_, "%u tokens count as committed, %u were", info.committed, s.written);
  s.committed = info.committed;
  if (s.wait != AKV_NONE) s.wait = info.wait;
  s.under = info.wait;
  return true;
}

}  // namespace akv::stress
