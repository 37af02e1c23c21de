// threads.cpp: many threads on one cache, with a shadow of the K/V behind it: nobody ever reads a byte that is not his.
// It knows how a run is set up and what must be true at its end.
//
//   threads [--operations N] [--threads N] [--seed N]
//
// Promises: B14 (any call from any thread; 64 and more sequences at once), B6 D4 D6 (contents), and that nothing is
// lost.
#include "observers.hpp"
#include "worker.hpp"

#include <algorithm>
#include <barrier>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace akv::stress;

namespace {

struct Options {
  std::uint64_t operations = 200000, seed = 1;
  std::uint32_t threads = 8;
};

// Small pools, so that everything is evicted all the time; each shape looks at something else. In the last one there
// are more threads than magazines.
constexpr Shape kShapes[] = {
    {1800, 4, 112, 15, 0, 256, AKV_BLOCK_ALLOCATOR_STACK, AKV_SCRUB_DOMAIN, 400, 1},
    {3000, 3, 96, 14, 60, 32, AKV_BLOCK_ALLOCATOR_BUDDY, AKV_SCRUB_NONE, 0, 1},
    {4000, 2, 112, 15, 5, 64, AKV_BLOCK_ALLOCATOR_STACK, AKV_SCRUB_ALWAYS, 900, 1},
    {600, 16, 104, 5, 2, 128, AKV_BLOCK_ALLOCATOR_BUDDY, AKV_SCRUB_DOMAIN, 120, 3},
};

// All are gone: every block is there, once, and one sequence can have them all.
void check_the_end(World &world) {
  ok(world, akv_cache_audit(world.cache), "audit at the end");
  ok(world, akv_cache_audit_all(world.cache), "audit_all at the end");
  akv_cache_state s = AKV_CACHE_STATE_INIT;
  ok(world, akv_cache_read_state(world.cache, &s), "read_state at the end");
  if (s.sequences != 0 || s.pins != 0 || s.leases != 0 || s.plans != 0 || s.open_tickets != 0 || s.lost_sequences != 0)
    broken(world, "at the end there are %u sequences, %u pins, %u leases, %u plans, %u open tickets", s.sequences,
           s.pins, s.leases, s.plans, s.open_tickets);
  if (s.free_blocks + s.dirty_blocks + s.cached_blocks != s.num_blocks || s.evictable_blocks != s.cached_blocks)
    broken(world, "at the end %u blocks are live, %u reserved, %u pinned, %u in quarantine, %u cached and %u evictable",
           s.live_blocks, s.reserved_blocks, s.pinned_blocks, s.quarantined_blocks, s.cached_blocks,
           s.evictable_blocks);
  if (s.free_swap_blocks != s.num_swap_blocks || s.swapped_sequences != 0)
    broken(world, "at the end %u of %u swap blocks are free, %u sequences swapped", s.free_swap_blocks,
           s.num_swap_blocks, s.swapped_sequences);
  if (s.num_swap_blocks != 0 && s.swapped_in == 0) broken(world, "no sequence has come back from swap blocks");
  if (s.evicted_blocks == 0 || s.copy_on_writes == 0 || s.hit_tokens == 0 || s.partial_tokens == 0)
    broken(world, "not what this test is for: %" PRIu64 " evictions, %" PRIu64 " copies on write, %" PRIu64 " hits",
           s.evicted_blocks, s.copy_on_writes, s.hit_tokens);
  std::vector<std::int32_t> tokens(std::size_t{s.num_blocks} * s.block_tokens, 7), blocks(s.num_blocks);
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = static_cast<std::uint32_t>(tokens.size());
  akv_created created = AKV_CREATED_INIT;
  ok(world, akv_sequence_create(world.cache, &prompt, nullptr, &created), "a sequence that takes every block");
  std::uint32_t count = 0;
  ok(world, akv_sequence_read_blocks(world.cache, created.sequence, 0, blocks.data(), s.num_blocks, &count),
     "its blocks");
  std::sort(blocks.begin(), blocks.end());
  for (std::uint32_t i = 0; i < s.num_blocks; ++i)
    if (blocks[i] != static_cast<std::int32_t>(i) + 1) broken(world, "a block is lost, or there twice: %d", blocks[i]);
}

void run(const Shape &shape, const Options &options, std::uint64_t operations, std::uint64_t seed) {
  World world(shape, seed);
  Seen seen;
  std::uint64_t refused = 0;
  std::thread watcher([&] { watch(world, seen); });
  std::thread abuser([&] { refused = abuse(world); });
  const std::uint32_t threads = options.threads * shape.times_threads;
  std::barrier everybody(static_cast<std::ptrdiff_t>(threads));
  std::vector<std::thread> workers;
  for (std::uint32_t i = 0; i < threads; ++i)
    workers.emplace_back([&world, &everybody, i, operations, threads] {
      Worker worker(world, i + 1);
      everybody.arrive_and_wait();
      worker.run(operations / threads);
      everybody.arrive_and_wait();  // nobody's sequences leave while others still work
      worker.wind_down();
    });
  for (std::thread &worker : workers) worker.join();
  world.workers_done.store(true);
  watcher.join();
  abuser.join();
  check_the_end(world);
  if (operations >= 20000 && world.most_alive() < std::min(64u, options.threads * 8))
    broken(world, "only %u sequences were alive at once", world.most_alive());
  std::printf("%" PRIu64 " operations, %u blocks of %u: up to %u sequences; %" PRIu64 " prints right, %" PRIu64
              " tokens hit, %" PRIu64 " waits, %" PRIu64 " tickets abandoned (%" PRIu64
              " sequences lost content), %" PRIu64 " swapped out, %" PRIu64 " in; %" PRIu64 " times busy; %" PRIu64
              " looks, %" PRIu64 " full audits, %" PRIu64 " misuses refused\n",
              operations, shape.num_blocks, shape.block_tokens, world.most_alive(), world.checked_prints.load(),
              world.hit_tokens.load(), world.waits.load(), world.abandoned.load(), world.lost.load(),
              world.swapped_out.load(), world.swapped_in.load(), world.busy.load(), seen.looks, seen.audits, refused);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (std::strcmp(argv[i], "--operations") == 0) options.operations = std::strtoull(value, nullptr, 10);
    else if (std::strcmp(argv[i], "--seed") == 0) options.seed = std::strtoull(value, nullptr, 10);
    else if (std::strcmp(argv[i], "--threads") == 0)
      options.threads = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    else options.threads = 0;
  }
  if (options.threads == 0 || options.threads > 64 || options.operations == 0) {
    std::fprintf(stderr, "usage: threads [--operations N] [--threads 1..64] [--seed N]\n");
    return 2;
  }
  const std::uint64_t rounds = std::max<std::uint64_t>(1, options.operations / 200000);
  for (std::uint64_t round = 0; round < rounds; ++round)
    for (const Shape &shape : kShapes)
      run(shape, options, options.operations / rounds / std::size(kShapes), options.seed + round);
  return 0;
}
