// world.cpp: one cache and its K/V, made and destroyed; and the end of a run that found something.
// It knows no operation.
#include "world.hpp"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace akv::stress {

World::World(const Shape &wanted, std::uint64_t the_seed)
    : shape(wanted), seed(the_seed), shadow(wanted.num_blocks + wanted.num_swap_blocks, wanted.block_tokens) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = shape.num_blocks;
  config.block_tokens = shape.block_tokens;
  config.max_sequences = shape.max_sequences;
  config.max_tokens_per_sequence = shape.num_blocks * shape.block_tokens;
  config.max_open_tickets = shape.max_open_tickets;
  config.max_plans = shape.max_sequences / 8 + 2;
  config.max_holds = 24;
  config.max_pinned_blocks = shape.num_blocks / 8;
  config.magazine_blocks = shape.magazine_blocks;
  config.block_allocator = shape.block_allocator;
  config.scrub = shape.scrub;
  config.num_swap_blocks = shape.num_swap_blocks;
  ok(*this, akv_cache_create(&config, &cache), "create a cache");
}

World::~World() { ok(*this, akv_cache_destroy(cache), "destroy the cache"); }

void broken(const World &world, const char *format, ...) {
  char what[300], text[400] = "";
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  akv_last_error(text, sizeof text);
  const Shape &s = world.shape;
  std::fprintf(stderr,
               "BROKEN: %s\nthe last error of this thread: %s\nseed %" PRIu64
               ", %u blocks of %u, %u sequences, magazines of %u, %u tickets, allocator %u, scrub %u\n",
               what, text, world.seed, s.num_blocks, s.block_tokens, s.max_sequences, s.magazine_blocks,
               s.max_open_tickets, s.block_allocator, s.scrub);
  std::fflush(stderr);
  std::_Exit(1);  // other threads are running: no destructor may
}

void ok(const World &world, akv_status status, const char *what) {
  if (status != AKV_OK) broken(world, "%s: %s", what, akv_status_name(status));
}

}  // namespace akv::stress
