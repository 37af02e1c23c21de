// contiguous.cpp: the promises of AKV_SEQUENCE_CONTIGUOUS: neighbouring blocks, all or nothing.
#include "fixture.hpp"

using namespace akv::test;

namespace {

struct BuddyCache : Cache {
  BuddyCache()
      : Cache([](akv_cache_config &config) {
          config.block_allocator = AKV_BLOCK_ALLOCATOR_BUDDY;
          config.max_sequences = 16;
        }) {}

  akv_status try_extent(const Tokens &tokens, std::uint32_t reserve, akv_created &created,
                        std::uint32_t flags = 0) const {
    const akv_prompt p = prompt(tokens);
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_CONTIGUOUS | flags;
    options.reserve_tokens = reserve;
    return akv_sequence_create(handle, &p, &options, &created);
  }
  akv_created extent(const Tokens &tokens, std::uint32_t reserve = 0, std::uint32_t flags = 0) const {
    akv_created created = AKV_CREATED_INIT;
    OK(try_extent(tokens, reserve, created, flags));
    return created;
  }
  akv_room room_for_extent(std::uint32_t reserve) const {
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_CONTIGUOUS;
    options.reserve_tokens = reserve;
    akv_room room = AKV_ROOM_INIT;
    OK(akv_cache_can_allocate(handle, nullptr, &options, &room));
    return room;
  }
  bool neighbours(akv_sequence sequence) const {
    const auto ids = blocks(sequence);
    for (std::size_t i = 1; i < ids.size(); ++i)
      if (ids[i] != ids[i - 1] + 1) return false;
    return true;
  }
};

}  // namespace

TEST_CASE("contiguous: B3 prompt and reserve_tokens together lie in neighbouring blocks") {
  const BuddyCache cache;
  const akv_sequence small = cache.create(count_up(0, 4)).sequence;
  const akv_created big = cache.extent(count_up(10, 10), 50);
  CHECK(big.new_blocks == 13);
  CHECK(cache.blocks(big.sequence).size() == 13);
  CHECK(cache.neighbours(big.sequence));
  CHECK(cache.state().reserved_blocks == 10);
  cache.free(small);
  cache.free(big.sequence);
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("contiguous: B3 B5 it grows up to its extent without a new block, and not beyond: NO_CAPACITY") {
  const BuddyCache cache;
  const akv_created created = cache.extent(count_up(0, 10), 20);
  const auto blocks = cache.blocks(created.sequence);
  OK(cache.append(created.sequence, count_up(0, 10)));
  CHECK(cache.blocks(created.sequence) == blocks);
  CHECK(cache.append(created.sequence, {1}) == AKV_ERROR_NO_CAPACITY);
  CHECK(cache.info(created.sequence).max_tokens == 20);
  CHECK(cache.info(created.sequence).remaining == 0);
}

TEST_CASE("contiguous: B3 B11 any size finds room where there are so many free neighbours, aligned or not") {
  const BuddyCache cache;
  const akv_created whole = cache.extent({}, 128);
  CHECK(cache.blocks(whole.sequence).front() == 1);
  CHECK(cache.blocks(whole.sequence).size() == 32);
  cache.free(whole.sequence);
  const akv_created a = cache.extent({}, 4 * 11);
  CHECK(cache.room_for_extent(1).blocks_available == 21);
  const akv_created b = cache.extent({}, 4 * 21);  // from 12 on: no multiple of anything
  CHECK(cache.neighbours(b.sequence));
  CHECK(cache.free_blocks() == 0);
  cache.free(a.sequence);
  cache.free(b.sequence);
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE(
    "contiguous: B17 B18 enough blocks but no such neighbours: NO_BLOCKS names the longest, nothing has changed") {
  const BuddyCache cache;
  std::vector<akv_sequence> sequences;
  for (std::int32_t i = 0; i < 8; ++i) sequences.push_back(cache.extent({i}, 16).sequence);  // 8 times 4 blocks
  for (std::size_t i = 0; i < 8; i += 2) cache.free(sequences[i]);
  const auto gauges = cache.gauges();
  CHECK(cache.free_blocks() == 16);
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_extent({}, 20, created) == AKV_ERROR_NO_BLOCKS);
  CHECK(last_error() ==
        "no 5 neighbouring blocks: 4 is the longest stretch of free and evictable ones, 16 are "
        "available in all");
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK(detail.needed == 5);
  CHECK(detail.available == 4);
  CHECK(cache.gauges() == gauges);
  CHECK(cache.room_for_extent(20).status == AKV_ERROR_NO_BLOCKS);
  CHECK(cache.room_for_extent(16).status == AKV_OK);
  OK(cache.try_extent({}, 16, created));
}

TEST_CASE("contiguous: cached prefixes are evicted for an extent, but only when it can be had then") {
  const BuddyCache cache;
  for (std::int32_t i = 0; i < 7; ++i) cache.cache_prefix(count_up(i * 100, 16));
  const akv_sequence held = cache.committed(count_up(3000, 16));  // the last four blocks
  CHECK(cache.state().cached_blocks == 28);
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_extent({}, 4 * 29, created) == AKV_ERROR_NO_BLOCKS);
  CHECK(cache.state().cached_blocks == 28);
  OK(cache.try_extent({}, 4 * 28, created));
  CHECK(cache.neighbours(created.sequence));
  CHECK(cache.state().cached_blocks == 0);
  CHECK(cache.blocks(held).size() == 4);
}

TEST_CASE("contiguous: B5 in a cache that is full of short prefixes an extent is found in few steps") {
  const std::uint32_t kBlocks = 40000;  // looked at once a step: ten thousand steps would take minutes
  const Cache cache([](akv_cache_config &config) {
    config.block_allocator = AKV_BLOCK_ALLOCATOR_BUDDY;
    config.num_blocks = config.max_sequences = kBlocks;
    config.block_tokens = 1;
  });
  std::vector<akv_sequence> sequences;
  for (std::uint32_t i = 0; i < kBlocks; ++i) sequences.push_back(cache.committed({static_cast<std::int32_t>(i)}));
  for (std::uint32_t i = 0; i < kBlocks; ++i) cache.free(sequences[std::uint64_t{i} * 17389 % kBlocks]);
  REQUIRE(cache.state().cached_blocks == kBlocks);
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_CONTIGUOUS;
  options.reserve_tokens = 12;
  akv_created created = AKV_CREATED_INIT;
  const akv_prompt nothing = AKV_PROMPT_INIT;
  OK(akv_sequence_create(cache, &nothing, &options, &created));
  const std::uint64_t evicted = cache.state().evicted_blocks;
  CHECK((evicted >= 12 && evicted % (kBlocks / 16) == 0));  // a sixteenth of them at a time
}

TEST_CASE("contiguous: a cached prefix is copied into the extent by the plan, block by block") {
  const BuddyCache cache;
  cache.cache_prefix(count_up(0, 12));
  const akv_created created = cache.extent(count_up(0, 11), 0, AKV_SEQUENCE_PARTIAL);
  CHECK(created.cached_tokens == 0);
  CHECK(created.shared_blocks == 0);
  CHECK(created.partial_tokens == 10);
  CHECK(created.new_blocks == 3);
  const auto blocks = cache.blocks(created.sequence);
  const auto records = cache.records(created.plan);
  REQUIRE(records.size() == 3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    CHECK(records[i].kind == AKV_PLAN_PARTIAL);
    CHECK(records[i].target_block == blocks[i]);
    CHECK(records[i].source_block != blocks[i]);
    CHECK(records[i].num_tokens == (i < 2 ? 4u : 2u));
  }
  CHECK(cache.neighbours(created.sequence));
  CHECK(cache.tokens(created.sequence) == count_up(0, 11));
  cache.finish(created.plan);
  CHECK(cache.info(created.sequence).committed == 10);
  CHECK(cache.info(created.sequence).known == 11);
  CHECK(cache.state().duplicate_blocks == 2);
  cache.commit(created.sequence, 11);
  cache.free(created.sequence);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 12);
}

TEST_CASE("contiguous: a prefix that is still being written is waited for by the copies, not by the sequence") {
  const BuddyCache cache;
  const akv_sequence writer = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 8, ticket);
  const akv_created created = cache.extent(count_up(0, 11));
  CHECK(created.partial_tokens == 8);
  CHECK(created.wait == AKV_NONE);  // nothing is shared
  const auto records = cache.records(created.plan);
  REQUIRE(records.size() == 2);
  for (const akv_plan_record &record : records) CHECK(record.wait == ticket);
  cache.finish(created.plan);
  CHECK(cache.info(created.sequence).wait == ticket);
}

TEST_CASE("contiguous: without a match nothing is copied; an abandoned plan leaves nothing") {
  const BuddyCache cache;
  cache.cache_prefix(count_up(0, 12));
  const akv_created plain = cache.extent(count_up(0, 11), 0, AKV_SEQUENCE_NO_MATCH);
  CHECK(plain.plan == AKV_NONE);
  CHECK(plain.partial_tokens == 0);
  cache.free(plain.sequence);
  const auto gauges = cache.gauges();
  const akv_created copied = cache.extent(count_up(0, 11));
  CHECK(copied.partial_tokens == 8);
  cache.roll_back(copied.plan);
  CHECK(cache.gauges() == gauges);
}

TEST_CASE("contiguous: what is copied from is never evicted for the extent it is copied into") {
  const BuddyCache cache;
  const akv_sequence front = cache.committed(count_up(1000, 16));
  cache.cache_prefix(count_up(0, 16));  // blocks 5 to 8
  const akv_sequence hog = cache.extent({}, 4 * 24).sequence;
  cache.free(front);  // 1 to 4 are cached, 5 to 8 too; nothing is free
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_extent(count_up(0, 17), 0, created) == AKV_ERROR_NO_BLOCKS);  // 5 blocks: 4 when 5 to 8 must stay
  OK(cache.try_extent(count_up(0, 16), 0, created));                            // 4, copied from 5 to 7
  CHECK(created.partial_tokens == 12);
  CHECK(cache.match(count_up(0, 17)).cached_tokens >= 12);
  CHECK(cache.neighbours(created.sequence));
  cache.finish(created.plan);
  cache.free(hog);
}

TEST_CASE("contiguous: D3 it comes back from the swap blocks as neighbours again, or is NO_BLOCKS") {
  const BuddyCache cache;
  const akv_created created = cache.extent(count_up(0, 10), 30, AKV_SEQUENCE_COMMITTED);
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_swap_out(cache, created.sequence, &plan));
  cache.finish(plan);
  std::vector<akv_sequence> sequences;
  for (std::int32_t i = 0; i < 8; ++i) sequences.push_back(cache.extent({i}, 16, AKV_SEQUENCE_NO_PUBLISH).sequence);
  for (std::size_t i = 0; i < 8; i += 2) cache.free(sequences[i]);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, created.sequence, &in) == AKV_ERROR_NO_BLOCKS);
  for (std::size_t i = 1; i < 8; i += 2) cache.free(sequences[i]);
  OK(akv_sequence_swap_in(cache, created.sequence, &in));
  CHECK(in.copied_tokens == 10);
  cache.finish(in.plan);
  CHECK(cache.neighbours(created.sequence));
  CHECK(cache.blocks(created.sequence).size() == 8);
  OK(akv_sequence_truncate(cache, created.sequence, 0, 0));
  OK(akv_sequence_swap_out(cache, created.sequence, &plan));
  cache.finish(plan);
  OK(akv_sequence_swap_in(cache, created.sequence, &in));
}

TEST_CASE("contiguous: a fork shares the extent, and is not bound to it") {
  const BuddyCache cache;
  const akv_created created = cache.extent(count_up(0, 10), 0, AKV_SEQUENCE_COMMITTED);
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.max_tokens = 100;  // the parent's is its extent
  akv_sequence child = AKV_NONE;
  OK(akv_sequence_fork(cache, created.sequence, AKV_UNSET, &options, &child));
  akv_plan plan = AKV_NONE;
  OK(cache.append(child, count_up(50, 20), &plan));
  cache.finish(plan);
  CHECK(cache.neighbours(created.sequence));
  CHECK(cache.info(child).length == 30);
}

TEST_CASE("contiguous: what it wants is said: the buddy allocator, at least one token, no PREFIX_ONLY") {
  const BuddyCache cache;
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_extent({}, 0, created) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(cache.try_extent({1}, 0, created, AKV_SEQUENCE_PREFIX_ONLY) == AKV_ERROR_INVALID_ARGUMENT);
  const Cache stack;
  CHECK(stack.try_create({1}, AKV_SEQUENCE_CONTIGUOUS, created) == AKV_ERROR_UNSUPPORTED);
  CHECK(last_error().find("BUDDY") != std::string::npos);
}
