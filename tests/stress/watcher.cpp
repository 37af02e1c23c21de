// watcher.cpp: the thread that looks: gauges, lines, maps, audits and the prefix index, while others change everything.
// It knows what must hold at any moment.
#include "observers.hpp"

#include <sched.h>

#include <cinttypes>
#include <vector>

namespace akv::stress {
namespace {

class Watcher {
 public:
  Watcher(World &world, Seen &seen)
      : world_(world), cache_(world.cache), seen_(seen), random_{mix(world.seed + 4711)} {}

  void look() {
    ++seen_.looks;
    switch (random_.below(10)) {
      case 0:
      case 1: read_state(); break;
      case 2: match(); break;
      case 3: read_sequences(); break;
      case 4: read_holds(); break;
      case 5: audit(); break;
      case 6: audit_all(); break;
      case 7: read_map(); break;
      case 8: report(); break;
      default:
        if (random_.one_in(40)) clear();
    }
  }

 private:
  void read_state() {
    akv_cache_state s = AKV_CACHE_STATE_INIT;
    stress::ok(world_, akv_cache_read_state(cache_, &s), "read_state");
    const std::uint64_t sum = std::uint64_t{s.free_blocks} + s.dirty_blocks + s.reserved_blocks + s.live_blocks +
                              s.pinned_blocks + s.cached_blocks + s.quarantined_blocks;
    if (sum != s.num_blocks) broken(world_, "the gauges sum to %" PRIu64 " of %u blocks", sum, s.num_blocks);
    const std::uint64_t swap = std::uint64_t{s.free_swap_blocks} + s.quarantined_swap_blocks + s.acquired_swap_blocks;
    if (swap > s.num_swap_blocks || s.swapped_sequences > s.sequences)
      broken(world_, "%" PRIu64 " of %u swap blocks are nobody's; %u of %u sequences are swapped", swap,
             s.num_swap_blocks, s.swapped_sequences, s.sequences);
    if (s.evictable_blocks > s.cached_blocks || s.created_sequences - s.freed_sequences != s.sequences)
      broken(world_, "%u blocks are evictable, %u cached; %u sequences", s.evictable_blocks, s.cached_blocks,
             s.sequences);
  }

  void match() {
    Random text{world_.seed * 77 + random_.below(24)};
    std::vector<std::int32_t> tokens(1 + random_.below(100));
    for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(text.below(3)) - 1;
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens.data();
    prompt.num_tokens = static_cast<std::uint32_t>(tokens.size());
    prompt.domain = random_.below(4);
    akv_match match = AKV_MATCH_INIT;
    stress::ok(world_, akv_prefix_match(cache_, &prompt, &match), "match");
    akv_explanation why = AKV_EXPLANATION_INIT;
    stress::ok(world_, akv_prefix_explain(cache_, &prompt, &why), "explain");
    akv_room room = AKV_ROOM_INIT;
    stress::ok(world_, akv_cache_can_allocate(cache_, &prompt, nullptr, &room), "can_allocate");
    if (match.cached_tokens + match.partial_tokens >= tokens.size() || why.first_missed >= tokens.size() ||
        room.blocks_available > world_.shape.num_blocks)
      broken(world_, "a prompt of %zu tokens hits %u + %u, explained as %u, %u blocks are available", tokens.size(),
             match.cached_tokens, match.partial_tokens, why.first_missed, room.blocks_available);
  }

  void read_sequences() {
    std::vector<akv_sequence_line> lines(world_.shape.max_sequences);
    std::uint32_t count = 0;
    stress::ok(world_,
               akv_cache_read_sequences(cache_, lines.data(), sizeof lines[0], world_.shape.max_sequences, &count),
               "read_sequences");
    for (std::uint32_t i = 0; i < count; ++i)
      if (lines[i].sequence == AKV_NONE || lines[i].num_blocks > world_.shape.num_blocks)
        broken(world_, "line %u of %u tells of %u blocks", i, count, lines[i].num_blocks);
  }

  void read_holds() {
    akv_hold_line lines[256];
    std::uint32_t count = 0;
    stress::ok(world_, akv_cache_read_holds(cache_, lines, sizeof lines[0], 256, &count), "read_holds");
    for (std::uint32_t i = 0; i < count; ++i)
      if (lines[i].blocks == 0) broken(world_, "hold %u of kind %u holds nothing", i, lines[i].kind);
  }

  void audit() { stress::ok(world_, akv_cache_audit(cache_), "audit"); }

  // These give up where a sequence is inside another call.
  bool quiet(akv_status status, const char *what) {
    if (status != AKV_ERROR_BUSY) stress::ok(world_, status, what);
    return status == AKV_OK;
  }
  void audit_all() { seen_.audits += quiet(akv_cache_audit_all(cache_), "audit_all"); }

  void read_map() {
    std::vector<std::uint8_t> map(world_.shape.num_blocks + 1);
    if (!quiet(akv_cache_read_block_map(cache_, map.data(), world_.shape.num_blocks + 1), "read_block_map")) return;
    for (std::size_t block = 0; block < map.size(); ++block)
      if ((block == 0) != (map[block] == AKV_BLOCK_NULL) || map[block] > AKV_BLOCK_NULL)
        broken(world_, "block %zu is of kind %u", block, map[block]);
    akv_measures measures = AKV_MEASURES_INIT;
    if (quiet(akv_cache_measure(cache_, &measures), "measure") && !(measures.waste >= 0.0f && measures.waste <= 1.0f))
      broken(world_, "the waste is %f", static_cast<double>(measures.waste));
  }

  void report() {
    std::vector<char> text(1 << 16);
    quiet(akv_report_dump(cache_, text.data(), text.size(), nullptr), "dump");
    quiet(akv_report_block_map(cache_, 0, text.data(), text.size(), nullptr), "block map");
  }

  void clear() {
    const std::uint64_t domain = random_.below(4);
    world_.breaks.begin();
    stress::ok(world_,
               akv_prefix_clear(cache_, random_.one_in(3) ? nullptr : &domain,
                                random_.one_in(2) ? AKV_CLEAR_KEEP_PINNED : 0u, nullptr),
               "clear");
    world_.breaks.end();
  }

  World &world_;
  akv_cache *const cache_;
  Seen &seen_;
  Random random_;
};

}  // namespace

void watch(World &world, Seen &seen) {
  Watcher watcher(world, seen);
  while (!world.workers_done.load()) {
    watcher.look();
    sched_yield();
  }
}

}  // namespace akv::stress
