// report.cpp: the state as text. It is made from the public read-outs alone, as any program outside could make it.
#include "api/thunk.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

using namespace akv;

namespace {

[[gnu::format(printf, 2, 3)]] void add(std::string &text, const char *format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  text += line;
}

// Hand out as much as fits; a text that was cut is BUFFER_TOO_SMALL.
Status deliver(const std::string &text, char *buffer, std::uint64_t capacity, std::uint64_t *out_length) {
  if (capacity != 0) {
    const std::size_t part = std::min<std::uint64_t>(text.size(), capacity - 1);
    text.copy(buffer, part);
    buffer[part] = '\0';
  }
  if (out_length != nullptr) *out_length = text.size();
  if (text.size() < capacity) return AKV_OK;
  return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, text.size() + 1, capacity,
                   "the text has %llu bytes with its end, the buffer holds %llu", text.size() + 1, capacity);
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void add_config(std::string &text, const akv_cache_config &c, const akv_layer_group &group) {
  add(text, "arenakv %s\n", akv_version_string());
  add(text, "config     %u blocks of %u tokens, %u sequences of at most %u tokens\n", c.num_blocks, c.block_tokens,
      c.max_sequences, c.max_tokens_per_sequence);
  static const char *const allocators[] = {"stack", "buddy"};
  static const char *const scrubs[] = {"by domain", "never", "always"};
  add(text, "           %s allocator, magazines of %u, scrub %s, pins up to %u blocks\n", allocators[c.block_allocator],
      c.magazine_blocks, scrubs[c.scrub], c.max_pinned_blocks);
  add(text, "geometry   %u layers of %u planes\n", group.num_layers, group.num_planes);
}

void add_state(std::string &text, const akv_cache_state &s, const akv_measures &m) {
  static const char *const advice[] = {"none", "watch", "act"};
  add(text, "blocks     %u = %u free + %u dirty + %u reserved + %u live + %u pinned + %u cached + %u quarantined\n",
      s.num_blocks, s.free_blocks, s.dirty_blocks, s.reserved_blocks, s.live_blocks, s.pinned_blocks, s.cached_blocks,
      s.quarantined_blocks);
  add(text, "           %u evictable, %u duplicates, at most %u live\n", s.evictable_blocks, s.duplicate_blocks,
      s.peak_live_blocks);
  add(text, "bytes      %" PRIu64 " live, %" PRIu64 " cached, %" PRIu64 " free; %" PRIu64 " a block\n",
      (s.live_blocks + s.reserved_blocks) * s.bytes_per_block, (s.cached_blocks + s.pinned_blocks) * s.bytes_per_block,
      (s.free_blocks + s.dirty_blocks) * s.bytes_per_block, s.bytes_per_block);
  add(text,
      "tokens     %" PRIu64 " live (%" PRIu64 " if nothing were shared), %" PRIu64
      " cached; %.1f %% of the taken room is empty\n",
      m.live_tokens, s.sequence_tokens, s.cached_tokens, 100.0 * static_cast<double>(m.waste));
  add(text, "fragments  %.3f outside blocks (largest free run %u), advice: %s\n", static_cast<double>(m.fragmentation),
      m.largest_free_run, advice[m.advice]);
  add(text, "things     %u sequences (%u lost content), %u runs, %u pins, %u leases, %u plans, %u open tickets\n",
      s.sequences, s.lost_sequences, s.runs, s.pins, s.leases, s.plans, s.open_tickets);
  if (s.num_swap_blocks != 0)
    add(text,
        "swap       %u sequences (%" PRIu64 " tokens); %u of %u swap blocks free, %u quarantined, %u acquired; %" PRIu64
        " out, %" PRIu64 " in since start\n",
        s.swapped_sequences, s.swapped_tokens, s.free_swap_blocks, s.num_swap_blocks, s.quarantined_swap_blocks,
        s.acquired_swap_blocks, s.swapped_out, s.swapped_in);
  add(text,
      "since start  %" PRIu64 " sequences created, %" PRIu64 " freed; %" PRIu64 " prompt tokens, %" PRIu64
      " hit (%.1f %%), %" PRIu64 " partial\n",
      s.created_sequences, s.freed_sequences, s.prompt_tokens, s.hit_tokens, percent(s.hit_tokens, s.prompt_tokens),
      s.partial_tokens);
  add(text,
      "             %" PRIu64 " blocks published, %" PRIu64 " evicted, %" PRIu64 " copied on write, %" PRIu64
      " refusals for want of blocks\n",
      s.published_blocks, s.evicted_blocks, s.copy_on_writes, s.refused_no_blocks);
  add(text, "metadata   %" PRIu64 " bytes in use, %" PRIu64 " reserved\n", s.metadata_used_bytes,
      s.metadata_reserved_bytes);
}

void add_lines(std::string &text, const std::vector<akv_sequence_line> &lines, std::uint32_t count) {
  if (count != 0)
    text += "sequence            request id     owner    length     known committed    blocks  reserved\n";
  for (std::uint32_t i = 0; i < count; ++i) {
    const akv_sequence_line &l = lines[i];
    add(text, "%016" PRIx64 " %13" PRIu64 " %9" PRIu64 " %9u %9u %9u %9u %9u%s%s%s\n", l.sequence, l.request_id,
        l.owner, l.length, l.known, l.committed, l.num_blocks, l.reserved_blocks,
        (l.flags & AKV_LINE_PLAN_OPEN) != 0 ? " plan" : "", (l.flags & AKV_LINE_CONTENT_LOST) != 0 ? " lost" : "",
        (l.flags & AKV_LINE_SWAPPED) != 0 ? " swapped" : "");
  }
}

Status dump(akv_cache *cache, std::string &text) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  akv_measures measures = AKV_MEASURES_INIT;
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  AKV_TRY(akv_cache_read_config(cache, &config));
  if (const Status status = akv_cache_read_group(cache, 0, &group, sizeof group, nullptr, 0);
      status != AKV_ERROR_BUFFER_TOO_SMALL)
    AKV_TRY(status);
  AKV_TRY(akv_cache_measure(cache, &measures));
  AKV_TRY(akv_cache_read_state(cache, &state));
  std::vector<akv_sequence_line> lines(config.max_sequences);
  std::uint32_t count = 0;
  AKV_TRY(akv_cache_read_sequences(cache, lines.data(), sizeof lines[0], config.max_sequences, &count));
  add_config(text, config, group);
  add_state(text, state, measures);
  add_lines(text, lines, count);
  return AKV_OK;
}

Status block_map(akv_cache *cache, std::uint32_t columns, std::string &text) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  AKV_TRY(akv_cache_read_config(cache, &config));
  std::vector<std::uint8_t> map(std::size_t{config.num_blocks} + 1);
  AKV_TRY(akv_cache_read_block_map(cache, map.data(), config.num_blocks + 1));
  static const char signs[] = ".,r#Pcq0";
  text += "blocks: . free  , dirty  r reserved  # live  P pinned  c cached  q quarantined  0 null\n";
  for (std::size_t at = 0; at < map.size(); ++at) {
    if (at % columns == 0) add(text, "%8zu ", at);
    text += signs[map[at]];
    if (at % columns == columns - 1 || at + 1 == map.size()) text += '\n';
  }
  return AKV_OK;
}

// The one place that allocates while a cache lives: text for people.
template <class Make>
Status report(char *buffer, std::uint64_t capacity, std::uint64_t *out_length, Make make) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_array(buffer, capacity, "buffer"));
  try {
    std::string text;
    AKV_TRY(make(text));
    return deliver(text, buffer, capacity, out_length);
  } catch (const std::bad_alloc &) {
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for the report");
  }
}

}  // namespace

extern "C" {

akv_status akv_report_dump(akv_cache *cache, char *buffer, uint64_t capacity, uint64_t *out_length) noexcept {
  return report(buffer, capacity, out_length, [cache](std::string &text) { return dump(cache, text); });
}

akv_status akv_report_block_map(akv_cache *cache, uint32_t columns, char *buffer, uint64_t capacity,
                                uint64_t *out_length) noexcept {
  if (columns == 0) columns = 64;
  return report(buffer, capacity, out_length,
                [cache, columns](std::string &text) { return block_map(cache, columns, text); });
}

}  // extern "C"
