// cache_life.cpp: caches from create to destroy: several of them, their allocators of block ids, block sizes, memory.
// It knows the public API only; configurations and prices are in cache.cpp.
#include "fixture.hpp"

#include <cerrno>
#include <cstdio>
#include <set>

#include <unistd.h>

using namespace akv::test;

namespace {

// Bytes of this process that are in memory.
std::uint64_t resident_bytes() {
  unsigned long long size = 0, resident = 0;
  std::FILE *file = std::fopen("/proc/self/statm", "r");
  REQUIRE(file != nullptr);
  const int read = std::fscanf(file, "%llu %llu", &size, &resident);
  std::fclose(file);
  REQUIRE(read == 2);
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// A cache's life in blocks of `block_tokens`: a prompt, one token after the other over three blocks, a hit, the end.
void live_a_life(std::uint32_t block_tokens) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 24;
  config.block_tokens = block_tokens;
  config.max_tokens_per_sequence = 24 * block_tokens;
  Cache cache(nullptr);
  OK(akv_cache_destroy(cache));
  OK(akv_cache_create(&config, &cache.handle));
  const std::uint32_t prompt = 2 * block_tokens + 1;
  const akv_sequence s = cache.create(count_up(0, prompt)).sequence;
  for (std::uint32_t position = prompt; position < 5 * block_tokens; ++position) {
    const auto token = static_cast<std::int32_t>(position);
    std::int64_t slot = -7;
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = &slot;
    tables.slot_capacity = 1;
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = batch.tokens_count = 1;
    batch.sequences = &s;
    batch.tokens = &token;
    OK(akv_sequence_append_batch(cache, &batch, &tables, nullptr));
    const auto blocks = cache.blocks(s);
    REQUIRE(blocks.size() == position / block_tokens + 1);
    REQUIRE(slot == std::int64_t{blocks.back()} * block_tokens + position % block_tokens);
  }
  CHECK(cache.tokens(s) == count_up(0, 5 * block_tokens));
  OK(akv_sequence_commit(cache, s, 5 * block_tokens, AKV_NONE));
  CHECK(cache.state().live_blocks == 5);
  cache.free(s);
  CHECK(cache.match(count_up(0, 5 * block_tokens)).cached_blocks == (5 * block_tokens - 1) / block_tokens);
  CHECK(cache.match(count_up(0, 5 * block_tokens + 1)).cached_tokens == 5 * block_tokens);
  cache.free(cache.create(count_up(100000, 24 * block_tokens)).sequence);  // evicts all of it
  CHECK(cache.state().evicted_blocks == 5);
  CHECK(cache.free_blocks() == 24);
}

}  // namespace

TEST_CASE("cache: B15 blocks of 8, 16, 32 and 64 tokens all work, and so do odd sizes, 1 and the largest") {
  for (const std::uint32_t block_tokens : {8u, 16u, 32u, 64u, 1u, 2u, 3u, 7u, 100u, 127u, AKV_MAX_BLOCK_TOKENS}) {
    INFO("block_tokens " << block_tokens);
    live_a_life(block_tokens);
  }
}

TEST_CASE("cache: D7 a full slot table is NO_SEQUENCES, and full blocks are NO_BLOCKS, never the other") {
  Cache cache([](akv_cache_config &c) { c.max_sequences = 2; });
  akv_created created = AKV_CREATED_INIT;
  const akv_sequence big = cache.create(count_up(0, 31 * 4)).sequence;
  CHECK(cache.try_create(count_up(500, 8), 0, created) == AKV_ERROR_NO_BLOCKS);  // a slot, no blocks
  const akv_sequence small = cache.create({1}).sequence;
  CHECK(cache.try_create({2}, 0, created) == AKV_ERROR_NO_SEQUENCES);  // neither
  CHECK(cache.state().refused_no_blocks == 1);
  cache.free(big);
  const akv_sequence second = cache.create({3}).sequence;
  CHECK(cache.try_create({2}, 0, created) == AKV_ERROR_NO_SEQUENCES);  // blocks, no slot
  akv_sequence child = 0;
  CHECK(akv_sequence_fork(cache, small, AKV_UNSET, nullptr, &child) == AKV_ERROR_NO_SEQUENCES);
  akv_room room = AKV_ROOM_INIT;
  OK(akv_cache_can_allocate(cache, nullptr, nullptr, &room));
  CHECK((room.status == AKV_ERROR_NO_SEQUENCES && room.sequences_available == 0 && room.blocks_free == 30));
  cache.free(second);
}

TEST_CASE("cache: the last of AKV_MAX_CACHES is followed by NO_CACHES, and a destroy makes room again") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = config.max_sequences = config.max_plans = config.max_holds = 8;
  config.max_open_tickets = 8;
  config.max_tokens_per_sequence = 64;
  std::set<akv_cache *> caches;
  akv_cache *cache = nullptr;
  akv_status status = AKV_OK;
  while ((status = akv_cache_create(&config, &cache)) == AKV_OK) REQUIRE(caches.insert(cache).second);
  CHECK(caches.size() == AKV_MAX_CACHES);
  CHECK(status == AKV_ERROR_NO_CACHES);
  CHECK(last_error() == "255 caches (AKV_MAX_CACHES) exist in this process");
  akv_cache *const gone = *caches.begin();
  OK(akv_cache_destroy(gone));
  caches.erase(gone);
  OK(akv_cache_create(&config, &cache));
  CHECK(caches.insert(cache).second);
  CHECK(cache != gone);
  for (akv_cache *each : caches) OK(akv_cache_destroy(each));
}

TEST_CASE("cache: several caches in one process share nothing") {
  Cache one, two([](akv_cache_config &c) { c.block_tokens = 8; });
  one.cache_prefix(count_up(0, 16));
  CHECK(one.match(count_up(0, 17)).cached_tokens == 16);
  CHECK(two.match(count_up(0, 17)).cached_tokens == 0);
  akv_created a = AKV_CREATED_INIT, b = AKV_CREATED_INIT;
  OK(one.try_create({1}, 0, a, 0, 77, 5));
  OK(two.try_create({2}, 0, b, 0, 77, 5));  // the same request id
  OK(akv_cache_drop_owner(one, 5, 0, nullptr));
  CHECK((one.state().sequences == 0 && two.state().sequences == 1));
  OK(akv_prefix_clear(two, nullptr, 0, nullptr));
  CHECK(one.state().cached_blocks == 4);
  const akv_ticket ticket = one.open_ticket();
  CHECK(two.state().open_tickets == 0);
  OK(akv_ticket_retire(one, ticket));
}

TEST_CASE("cache: clearing a domain is that domain's alone") {
  Cache cache;
  for (std::uint64_t domain = 1; domain <= 3; ++domain) cache.cache_prefix(count_up(0, 8), domain);
  const akv_sequence first = cache.create(count_up(500, 8), 0, 1).sequence;
  const std::uint64_t second = 2, unknown = 99;
  std::uint32_t blocks = 77;
  OK(akv_prefix_clear(cache, &unknown, 0, &blocks));
  CHECK(blocks == 0);
  OK(akv_prefix_clear(cache, &second, 0, &blocks));
  CHECK(blocks == 2);
  CHECK(cache.match(count_up(0, 9), 1).cached_tokens == 8);
  CHECK(cache.match(count_up(0, 9), 2).cached_tokens == 0);
  CHECK(cache.match(count_up(0, 9), 3).cached_tokens == 8);
  cache.cache_prefix(count_up(0, 8), 2);  // what is computed afterwards is cached again
  CHECK(cache.match(count_up(0, 9), 2).cached_tokens == 8);
  OK(akv_sequence_commit(cache, first, 8, AKV_NONE));  // and others go on publishing
  CHECK(cache.match(count_up(500, 9), 1).cached_tokens == 8);
}

TEST_CASE("cache: a cache is destroyed with everything in it alive, and its handles are stale at once") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.block_tokens = 4;
  akv_cache *cache = nullptr;
  OK(akv_cache_create(&config, &cache));
  const Tokens tokens = count_up(0, 10);
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = 10;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_COMMITTED;
  akv_created created = AKV_CREATED_INIT;
  OK(akv_sequence_create(cache, &prompt, &options, &created));
  akv_pin pin = 0;
  akv_lease lease = 0;
  akv_sequence child = 0;
  akv_plan plan = 0;
  akv_ticket ticket = 0;
  OK(akv_ticket_open(cache, &ticket));
  OK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr));
  OK(akv_lease_acquire(cache, created.sequence, 9, 0, &lease, nullptr));
  OK(akv_sequence_fork(cache, created.sequence, AKV_UNSET, nullptr, &child));
  OK(akv_sequence_append(cache, child, tokens.data(), 1, 0, &plan));
  CHECK(plan != AKV_NONE);
  OK(akv_cache_destroy(cache));
  CHECK(akv_sequence_free(cache, child) == AKV_ERROR_BAD_HANDLE);
  Cache next;  // in its place
  CHECK(akv_sequence_free(next, child) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_plan_finish(next, plan, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_prefix_unpin(next, pin) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_lease_release(next, lease) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_ticket_retire(next, ticket) == AKV_ERROR_BAD_HANDLE);
}

TEST_CASE("cache: B11 the buddy allocator keeps neighbours together where the stack hands out what was freed last") {
  for (const std::uint32_t kind : {AKV_BLOCK_ALLOCATOR_STACK, AKV_BLOCK_ALLOCATOR_BUDDY}) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 64;
    config.block_tokens = 4;
    config.block_allocator = kind;
    Cache cache;
    OK(akv_cache_destroy(cache));
    OK(akv_cache_create(&config, &cache.handle));
    std::vector<akv_sequence> all;
    for (int i = 0; i < 16; ++i) all.push_back(cache.create(count_up(i * 100, 16)).sequence);
    CHECK(cache.free_blocks() == 0);
    for (std::size_t i = 0; i < 16; ++i) cache.free(all[i * 5 % 16]);  // in some order
    CHECK(cache.free_blocks() == 64);
    const auto blocks = cache.blocks(cache.create(count_up(0, 32 * 4)).sequence);
    std::uint32_t breaks = 0;
    for (std::size_t i = 1; i < blocks.size(); ++i) breaks += blocks[i] != blocks[i - 1] + 1;
    if (kind == AKV_BLOCK_ALLOCATOR_BUDDY) CHECK(breaks == 0);
    else CHECK(breaks != 0);
    CHECK(std::set<std::int32_t>(blocks.begin(), blocks.end()).size() == 32);
  }
}

TEST_CASE("cache: PREFAULT touches all metadata in create, and without it address space becomes memory as it is used") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 1 << 19;
  akv_sizes sizes = AKV_SIZES_INIT;
  OK(akv_cache_config_sizes(&config, &sizes));
  REQUIRE(sizes.metadata_reserved_bytes > 1 << 24);
  for (const std::uint32_t flags : {0u, AKV_CACHE_PREFAULT}) {
    config.flags = flags;
    akv_cache *cache = nullptr;
    const std::uint64_t before = resident_bytes();
    OK(akv_cache_create(&config, &cache));
    const std::uint64_t more = resident_bytes() - before;
    if (flags != 0) CHECK(more >= sizes.metadata_reserved_bytes / 10 * 9);
    else CHECK(more < sizes.metadata_reserved_bytes / 2);  // the kernel may hand out memory in large pages
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    OK(akv_cache_read_state(cache, &state));
    CHECK(state.metadata_reserved_bytes >= sizes.metadata_reserved_bytes);
    if (flags != 0) CHECK(state.metadata_used_bytes == state.metadata_reserved_bytes);
    else CHECK(state.metadata_used_bytes < sizes.metadata_reserved_bytes / 10);
    OK(akv_cache_destroy(cache));
  }
}

TEST_CASE("cache: the host's memory that runs out is OUT_OF_MEMORY, errno is left alone, and a smaller cache goes on") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = AKV_MAX_BLOCKS;
  config.block_tokens = AKV_MAX_BLOCK_TOKENS / 2;  // 20 TB of address space each
  std::vector<akv_cache *> caches;
  akv_cache *cache = nullptr;
  akv_status status = AKV_OK;
  errno = 4242;
  while ((status = akv_cache_create(&config, &cache)) == AKV_OK) caches.push_back(cache);
  CHECK(errno == 4242);
  CHECK(status == AKV_ERROR_OUT_OF_MEMORY);
  CHECK(last_error().find("the host has no ") == 0);
  OK(akv_cache_create(nullptr, &cache));
  caches.push_back(cache);
  for (akv_cache *each : caches) OK(akv_cache_destroy(each));
}
