// random_looks.cpp: comparing all that the library tells with what the model says, and what is printed if they differ.
// It changes nothing.
#include "random_run.hpp"

#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace model_test {

std::vector<std::int32_t> Run::read_table(akv_sequence sequence) {
  std::vector<std::int32_t> table(model_.config.num_blocks);
  std::uint32_t count = 0;
  expect(akv_sequence_read_blocks(cache_, sequence, 0, table.data(), model_.config.num_blocks, &count), AKV_OK,
         "read_blocks");
  table.resize(count);
  return table;
}

std::vector<akv_plan_record> Run::read_records(akv_plan plan) {
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  expect(akv_plan_read_info(cache_, plan, &info), AKV_OK, "plan_read_info");
  std::vector<akv_plan_record> records(info.num_records);
  std::uint32_t count = 0;
  expect(akv_plan_read_records(cache_, plan, 0, records.data(), info.num_records, &count), AKV_OK, "plan_read_records");
  same(count, info.num_records, "records of a plan");
  return records;
}

void Run::check_plan(akv_plan handle) {
  if (handle == AKV_NONE) return;
  const Plan *plan = model_.find_plan(handle);
  if (plan == nullptr) return fail("a plan the model does not know");
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  expect(akv_plan_read_info(cache_, handle, &info), AKV_OK, "plan_read_info");
  const std::vector<akv_plan_record> records = read_records(handle);
  same(info.num_records, static_cast<std::uint32_t>(plan->records.size()), "records");
  same(info.num_sequences, static_cast<std::uint32_t>(plan->sequences.size()), "sequences of a plan");
  std::uint64_t copied = 0, zeroed = 0;
  for (std::size_t i = 0; i < records.size() && i < plan->records.size(); ++i) {
    akv_plan_record got = records[i];
    got.wait = number(got.wait);
    if (std::memcmp(&got, &plan->records[i], sizeof got) != 0) fail("a record of a plan");
    (got.kind == AKV_PLAN_ZERO ? zeroed : copied) += got.kind == AKV_PLAN_ZERO ? 1 : got.num_tokens;
  }
  same(info.copied_tokens, copied, "copied_tokens");
  same(info.zeroed_blocks, zeroed, "zeroed_blocks");
}

void Run::check_named_blocks(const Plan &plan, const std::vector<std::uint8_t> &map) {
  const auto check = [&](std::uint32_t store, std::int32_t block) {
    const std::uint8_t code = store == 0 ? map[static_cast<std::size_t>(block)] : std::uint8_t{AKV_BLOCK_LIVE};
    if (code == AKV_BLOCK_FREE || code == AKV_BLOCK_CACHED) fail("a block that an open plan names may be handed out");
  };
  for (const akv_plan_record &record : plan.records) {
    check(record.source_store, record.source_block);
    check(record.target_store, record.target_block);
  }
}

void Run::compare_lines() {
  std::vector<akv_sequence_line> lines(model_.sequences.size());
  std::uint32_t count = 0;
  expect(
      akv_cache_read_sequences(cache_, lines.data(), sizeof lines[0], static_cast<std::uint32_t>(lines.size()), &count),
      AKV_OK, "read_sequences");
  same(count, static_cast<std::uint32_t>(lines.size()), "lines of sequences");
  for (const akv_sequence_line &line : lines) {
    const Sequence *s = model_.find(line.sequence);
    if (s == nullptr) return fail("a line of a sequence that the model does not know");
    const bool swapped = s->state == AKV_SEQUENCE_SWAPPED;
    const std::size_t blocks = swapped ? s->swap_blocks.size() : s->table.size(),
                      used = (s->length() + model_.config.block_tokens - 1) / model_.config.block_tokens;
    same(line.num_blocks, blocks, "num_blocks of a line");
    same(line.reserved_blocks, blocks - used, "reserved_blocks of a line");
    same(line.length, s->length(), "length of a line");
    same(line.committed, s->committed, "committed of a line");
    same(line.flags,
         (s->plan != nullptr ? AKV_LINE_PLAN_OPEN : 0u) | (s->lost ? AKV_LINE_CONTENT_LOST : 0u) |
             (swapped ? AKV_LINE_SWAPPED : 0u),
         "flags of a line");
  }
}

void Run::compare_sequence(const Sequence &s) {
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  expect(akv_sequence_read_info(cache_, s.handle, &info), AKV_OK, "read_info");
  same(info.length, s.length(), "length");
  same(info.known, s.known(), "known");
  same(info.committed, s.committed, "committed");
  same(info.published_tokens, model_.published_tokens(s), "published_tokens");
  same(info.sound_tokens, s.lost ? s.sound : s.length(), "sound_tokens");
  same(info.num_blocks, static_cast<std::uint32_t>(s.table.size()), "num_blocks");
  same(info.shared_blocks, model_.shared_blocks(s), "shared_blocks");
  same(info.remaining, s.max_tokens - s.length(), "remaining");
  same(info.plan, s.plan != nullptr ? s.plan->handle : 0, "plan of a sequence");
  if (number(info.wait) != model_.wait_of(s)) std::printf("sequence %" PRIx64 "\n", s.handle);
  same(number(info.wait), model_.wait_of(s), "wait of a sequence");
  same(info.state, s.state, "state of a sequence");
  same(info.swap_blocks, static_cast<std::uint32_t>(s.swap_blocks.size()), "swap_blocks of a sequence");
  same(info.max_tokens, s.max_tokens, "max_tokens of a sequence");
  std::uint32_t none = 0;
  if (s.state == AKV_SEQUENCE_SWAPPED)
    expect(akv_sequence_read_blocks(cache_, s.handle, 0, nullptr, 0, &none), AKV_ERROR_SWAPPED, "read_blocks");
  else if (read_table(s.handle) != s.table) fail("a block table");
  Tokens tokens(s.length());
  expect(akv_sequence_read_tokens(cache_, s.handle, 0, s.length(), tokens.data()), AKV_OK, "read_tokens");
  if (tokens != s.tokens) fail("token ids");
  akv_sequence found = 0;
  if (s.request_id != 0) {
    expect(akv_sequence_find(cache_, s.request_id, &found), AKV_OK, "find");
    same(found, s.handle, "the sequence of a request id");
  }
}

void Run::compare(bool everything) {
  if (!model_.complaint.empty()) fail(model_.complaint.c_str());
  akv_cache_state got = AKV_CACHE_STATE_INIT;
  expect(akv_cache_read_state(cache_, &got), AKV_OK, "read_state");
  model_.publish_pending();
  const akv_cache_state want = model_.state();
  same(got.free_blocks + got.dirty_blocks, want.free_blocks, "free and dirty blocks");
  same(got.reserved_blocks, want.reserved_blocks, "reserved_blocks");
  same(got.live_blocks, want.live_blocks, "live_blocks");
  same(got.pinned_blocks, want.pinned_blocks, "pinned_blocks");
  same(got.cached_blocks, want.cached_blocks, "cached_blocks");
  same(got.quarantined_blocks, want.quarantined_blocks, "quarantined_blocks");
  same(got.evictable_blocks, want.evictable_blocks, "evictable_blocks");
  same(got.duplicate_blocks, want.duplicate_blocks, "duplicate_blocks");
  same(got.peak_live_blocks, want.peak_live_blocks, "peak_live_blocks");
  same(got.sequences, want.sequences, "sequences");
  same(got.lost_sequences, want.lost_sequences, "lost_sequences");
  same(got.pins, want.pins, "pins");
  same(got.leases, want.leases, "leases");
  same(got.plans, want.plans, "plans");
  same(got.open_tickets, want.open_tickets, "open_tickets");
  same(number(got.oldest_open), want.oldest_open, "oldest_open");
  same(number(got.newest), want.newest, "newest");
  same(got.sequence_tokens, want.sequence_tokens, "sequence_tokens");
  same(got.cached_tokens, want.cached_tokens, "cached_tokens");
  same(got.created_sequences, want.created_sequences, "created_sequences");
  same(got.freed_sequences, want.freed_sequences, "freed_sequences");
  same(got.prompt_tokens, want.prompt_tokens, "prompt_tokens");
  same(got.hit_tokens, want.hit_tokens, "hit_tokens");
  same(got.partial_tokens, want.partial_tokens, "partial_tokens of the state");
  same(got.published_blocks, want.published_blocks, "published_blocks");
  same(got.evicted_blocks, want.evicted_blocks, "evicted_blocks");
  same(got.copy_on_writes, want.copy_on_writes, "copy_on_writes");
  same(got.refused_no_blocks, want.refused_no_blocks, "refused_no_blocks");
  same(got.num_swap_blocks, want.num_swap_blocks, "num_swap_blocks");
  same(got.free_swap_blocks, want.free_swap_blocks, "free_swap_blocks");
  same(got.quarantined_swap_blocks, want.quarantined_swap_blocks, "quarantined_swap_blocks");
  same(got.acquired_swap_blocks, want.acquired_swap_blocks, "acquired_swap_blocks");
  same(got.swapped_sequences, want.swapped_sequences, "swapped_sequences");
  same(got.swapped_tokens, want.swapped_tokens, "swapped_tokens");
  same(got.swapped_out, want.swapped_out, "swapped_out");
  same(got.swapped_in, want.swapped_in, "swapped_in");
  if (single_appends_) same(got.refills, want.refills, "refills");
  if (got.runs > got.num_blocks) fail("more runs than blocks");
  expect(akv_cache_audit(cache_), AKV_OK, "audit");
  if (!everything) return;
  expect(akv_cache_audit_all(cache_), AKV_OK, "audit_all");
  for (const Sequence &s : model_.sequences) compare_sequence(s);
  compare_lines();
  for (const Plan &plan : model_.plans) check_plan(plan.handle);
  std::vector<std::uint8_t> map(model_.config.num_blocks + 1);
  expect(akv_cache_read_block_map(cache_, map.data(), model_.config.num_blocks + 1), AKV_OK, "read_block_map");
  for (std::uint8_t &code : map) code = code == AKV_BLOCK_DIRTY ? std::uint8_t{AKV_BLOCK_FREE} : code;
  if (map != model_.block_map()) fail("the block map");
  for (const Plan &plan : model_.plans) check_named_blocks(plan, map);
  akv_measures measures = AKV_MEASURES_INIT;
  expect(akv_cache_measure(cache_, &measures), AKV_OK, "measure");
  const akv_measures wanted = model_.measure();
  same(measures.largest_free_run, wanted.largest_free_run, "largest_free_run");
  same(measures.live_tokens, wanted.live_tokens, "live_tokens");
  same(measures.advice, wanted.advice, "advice");
  const auto near = [](float a, float b) { return a - b < 1e-5f && b - a < 1e-5f; };
  if (!near(measures.fragmentation, wanted.fragmentation)) fail("fragmentation");
  if (!near(measures.waste, wanted.waste)) fail("waste");
}

void Run::expect(akv_status got, akv_status want, const char *what) {
  if (got == want) return;
  char text[300] = "";
  if (got != AKV_OK) akv_last_error(text, sizeof text);
  std::printf("%s: the library says %s (%s), the model %s\n", what, akv_status_name(got), text, akv_status_name(want));
  fail(what);
}

void Run::note(const char *format, ...) {
  char line[200];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  ++calls_;
  if (print_all_) std::printf("%6" PRIu64 " %s\n", calls_, line);
  calls_log_.push_back(line);
  if (calls_log_.size() > 12) calls_log_.pop_front();
}

void Run::fail(const char *what) {
  std::printf("DIFFERENCE in %s: seed %" PRIu64 ", call %" PRIu64 ". The last calls:\n", what, seed_, calls_);
  for (const std::string &line : calls_log_) std::printf("  %s\n", line.c_str());
  std::vector<std::uint8_t> map(model_.config.num_blocks + 1);
  if (akv_cache_read_block_map(cache_, map.data(), model_.config.num_blocks + 1) != AKV_OK)
    std::printf("no block map\n");
  const std::vector<std::uint8_t> wanted = model_.block_map();
  for (std::size_t i = 0; i < map.size(); ++i) std::printf("%x", map[i]);
  std::printf("  the library's block map\n");
  for (std::size_t i = 0; i < map.size(); ++i) std::printf("%x", wanted[i]);
  std::printf("  the model's\n");
  std::vector<char> text(1 << 16);
  if (akv_report_dump(cache_, text.data(), text.size(), nullptr) == AKV_OK) std::printf("%s", text.data());
  const reference::Config &c = model_.config;
  std::printf(
      "config: %u blocks of %u, %u sequences of %u, %u plans, %u holds, %u pinned, magazine %u, %u tickets, scrub "
      "%u, %u swap blocks, %s\n",
      c.num_blocks, c.block_tokens, c.max_sequences, c.max_tokens, c.max_plans, c.max_holds, c.max_pinned, c.magazine,
      c.max_tickets, c.scrub, c.swap_blocks, c.buddy ? "buddy" : "stack");
  std::exit(1);
}

}  // namespace model_test
