// block_lru.cpp: tests of the plain LRU list of blocks that hit ratios are compared with, on cases small enough to
// count by hand. There is no cache.
#include "verify/block_lru.hpp"

#include "catch.hpp"

namespace {

using replay::BlockLru;
using List = std::vector<std::int32_t>;

const List kA{1, 2, 3, 4, 5, 6, 7, 8}, kB{11, 12, 13, 14, 15, 16, 17, 18}, kC{21, 22, 23, 24, 25, 26, 27, 28};

}  // namespace

TEST_CASE("plain LRU: an equal prompt hits in all whole blocks but for its last token's") {
  BlockLru lru(16, 4, 8);
  lru.replay(kA, {});
  lru.replay(kA, {});
  CHECK(lru.cached_tokens() == 4);
  CHECK(lru.hit_ratio() == 0.25);
  CHECK(lru.evicted_blocks() == 0);
}

TEST_CASE("plain LRU: equal tokens behind another beginning are no hit") {
  BlockLru lru(16, 4, 8);
  lru.replay(kA, {});
  lru.replay(List{9, 9, 9, 9, 5, 6, 7, 8, 0}, {});
  CHECK(lru.cached_tokens() == 0);
}

TEST_CASE("plain LRU: whole output blocks are found by a prompt that continues them") {
  BlockLru lru(16, 4, 8);
  lru.replay(List{1, 2, 3}, List{4, 5, 6, 7, 8, 9});
  lru.replay(List{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {});
  CHECK(lru.cached_tokens() == 8);
}

TEST_CASE("plain LRU: the least recently left is evicted first, from its last block") {
  BlockLru lru(4, 4, 1);  // room for two prompts, one alive
  lru.replay(kA, {});
  lru.replay(kB, {});
  lru.replay(kC, {});  // takes both blocks of A
  CHECK(lru.evicted_blocks() == 2);
  lru.replay(kB, {});
  CHECK(lru.cached_tokens() == 4);
  lru.replay(kA, {});
  CHECK(lru.cached_tokens() == 4);

  BlockLru partly(3, 4, 1);
  partly.replay(kA, {});
  partly.replay(kB, {});  // the free block, and the second one of A
  CHECK(partly.evicted_blocks() == 1);
  partly.replay(kA, {});
  CHECK(partly.cached_tokens() == 4);
}

TEST_CASE("plain LRU: what is alive is not evicted; the oldest request ends early instead") {
  BlockLru lru(4, 4, 8);
  lru.replay(kA, {});
  lru.replay(kB, {});
  CHECK(lru.evicted_blocks() == 0);
  lru.replay(kC, {});
  CHECK(lru.evicted_blocks() == 2);
  lru.replay(kB, {});
  CHECK(lru.cached_tokens() == 4);
}

TEST_CASE("plain LRU: a request that is larger than the pool is passed over") {
  BlockLru lru(2, 4, 8);
  lru.replay(kA, List{9});
  CHECK(lru.hit_ratio() == 0);
  lru.replay(kA, {});
  lru.replay(kA, {});
  CHECK(lru.cached_tokens() == 4);
  CHECK(lru.hit_ratio() == 0.25);
}
