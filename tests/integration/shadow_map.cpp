// shadow_map.cpp: tests of the map that --verify keeps: it lets every right answer pass, and refuses each kind of wrong
// one. Everything here is told to it by hand; there is no cache.
#include "verify/shadow_map.hpp"

#include "error.hpp"

#include "catch.hpp"

namespace {

using replay::Refused;
using replay::ShadowMap;
using List = std::vector<std::int32_t>;

// Refused, and `part` stands in the message.
#define REFUSED(part, call)                                                     \
  do {                                                                          \
    try {                                                                       \
      call;                                                                     \
      FAIL("it was let pass: " #call);                                          \
    } catch (const Refused &refused) {                                          \
      CHECK_THAT(std::string(refused.what()), Catch::Matchers::Contains(part)); \
    }                                                                           \
  } while (0)

// Request 1 has tokens 1 to 10 in blocks 5, 6, 7 of 4 tokens, out of 8 blocks.
struct Map : ShadowMap {
  Map() : ShadowMap(8, 4) { admit(1, List{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, List{5, 6, 7}, 0, {}); }
};

}  // namespace

TEST_CASE("shadow map: right answers pass, and are counted") {
  Map map;
  CHECK(map.held_blocks() == 3);
  CHECK(map.sequence_tokens() == 10);
  map.append(1, List{11, 12, 13}, List{5, 6, 7, 8});
  map.admit(2, List{1, 2, 3, 4, 5, 6, 7, 8, 21}, List{5, 6, 1}, 8, {});
  CHECK(map.held_blocks() == 5);
  CHECK(map.sequences() == 2);
  CHECK(map.sequence_tokens() == 22);
  map.release(1, List{5, 6, 7, 8});
  CHECK(map.held_blocks() == 3);
  map.admit(3, List{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 30}, List{5, 6, 7, 2}, 12, {});  // its writer has left
  map.release(2, List{5, 6, 1});
  map.release(3, List{5, 6, 7, 2});
  CHECK(map.held_blocks() == 0);
  CHECK(map.sequences() == 0);
  CHECK(map.sequence_tokens() == 0);
}

TEST_CASE("shadow map: a match whose block holds other tokens is refused") {
  Map map;
  REFUSED("block 5, said to hold tokens 0 to 3 of the prompt, holds other tokens",
          map.admit(2, List{1, 2, 3, 99, 5}, List{5, 1}, 4, {}));
}

TEST_CASE("shadow map: a match whose block holds the tokens behind another prefix is refused") {
  Map map;
  map.admit(2, List{50, 50, 50, 50, 5, 6, 7, 8, 9}, List{1, 2, 3}, 0, {});
  REFUSED("block 2, said to hold tokens 4 to 7 of the prompt, was written behind another prefix",
          map.admit(3, List{1, 2, 3, 4, 5, 6, 7, 8, 9}, List{5, 2, 4}, 8, {}));
}

TEST_CASE("shadow map: a match whose block is not written to its end is refused") {
  Map map;
  REFUSED("block 7, said to hold tokens 8 to 11 of the prompt, has only 2 tokens written",
          map.admit(2, List{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, List{5, 6, 7, 1}, 12, {}));
  REFUSED("block 3, said to hold tokens 0 to 3 of the prompt, has only 0 tokens written",
          map.admit(3, List{1, 2, 3, 4, 5}, List{3, 1}, 4, {}));
}

TEST_CASE("shadow map: a match after somebody wrote over its block is refused") {
  Map map;
  map.release(1, List{5, 6, 7});
  map.admit(2, List{90}, List{6}, 0, {});
  REFUSED("has only 1 tokens written", map.admit(3, List{1, 2, 3, 4, 5, 6, 7, 8, 9}, List{5, 6, 1}, 8, {}));
}

TEST_CASE("shadow map: a match that takes the last token, or parts of blocks, is refused") {
  Map map;
  REFUSED("4 of 4 prompt tokens are said to be cached", map.admit(2, List{1, 2, 3, 4}, List{5}, 4, {}));
  REFUSED("3 of 9 prompt tokens", map.admit(3, List{1, 2, 3, 4, 5, 6, 7, 8, 9}, List{5, 6, 7}, 3, {}));
}

TEST_CASE("shadow map: a block with two writers is refused") {
  Map map;
  REFUSED("block 6 was given to it to write to, and is held by 1 other(s): two writers; the other is request 1",
          map.admit(2, List{40, 41}, List{6}, 0, {}));
  map.admit(3, List{1, 2, 3, 4, 5}, List{5, 1}, 4, {});
  REFUSED("two writers", map.append(3, List{6, 7, 8, 9}, List{5, 1, 7}));
}

TEST_CASE("shadow map: the same block twice in one table is refused") {
  Map map;
  REFUSED("block 1 was given to it to write to", map.admit(2, List{40, 41, 42, 43, 44}, List{1, 1}, 0, {}));
}

TEST_CASE("shadow map: a token that would go into a shared block is refused") {
  Map map;
  map.append(1, List{11}, List{5, 6, 7});
  map.admit(2, List{1, 2, 3, 4, 5, 6, 7, 8, 60}, List{5, 6, 1}, 8, {});
  // As if block 7, with 3 of its 4 tokens, had become another request's too.
  REFUSED("held by 1 other(s): two writers", map.append(2, List{61, 62, 63, 64}, List{5, 6, 1, 7}));
}

TEST_CASE("shadow map: block ids that a cache has not are refused") {
  Map map;
  std::uint64_t request = 2;
  for (const std::int32_t id : {0, -1, 9})
    REFUSED("the cache has blocks 1 to 8", map.admit(request++, List{1}, List{id}, 0, {}));
}

TEST_CASE("shadow map: a table that is too short, too long or changed behind its back is refused") {
  Map map;
  REFUSED("its table ends before its cached prefix", map.admit(2, List{1, 2, 3, 4, 5, 6, 7, 8, 9}, List{5}, 8, {}));
  REFUSED("its table has 1 blocks, too few for its 5th token", map.admit(3, List{70, 71, 72, 73, 74}, List{1}, 0, {}));
  REFUSED("block 3 is in its table at place 1, behind its last token", map.admit(4, List{80}, List{2, 3}, 0, {}));
  REFUSED("block 6 was in its table at place 1, and now block 4 is there", map.append(1, List{11}, List{5, 4, 7}));
  REFUSED("block 7 was in its table at place 2, and now the table ends there", map.release(1, List{5, 6}));
}

TEST_CASE("shadow map: a partial hit must be of the right tokens, behind the right prefix, into its next block") {
  const List prompt{1, 2, 3, 4, 5, 6, 50, 51};
  Map map;
  SECTION("a right one passes") {
    map.admit(2, prompt, List{5, 1}, 4, {6, 1, 2});
    CHECK(map.held_blocks() == 4);
  }
  SECTION("too many tokens") { REFUSED("holds other tokens", map.admit(2, prompt, List{5, 1}, 4, {6, 1, 3})); }
  SECTION("a whole block") { REFUSED("can't be a partial hit", map.admit(2, prompt, List{5, 1}, 4, {6, 1, 4})); }
  SECTION("the last token") {
    REFUSED("can't be a partial hit", map.admit(2, List{1, 2, 3, 4, 5, 6}, List{5, 1}, 4, {6, 1, 2}));
  }
  SECTION("another prefix") {
    map.admit(3, List{60, 60, 60, 60, 5, 6, 7, 8, 9}, List{2, 3, 4}, 0, {});
    REFUSED("block 3, said to begin with 2 tokens from 4 on, holds other tokens, written by request 3",
            map.admit(2, prompt, List{5, 1}, 4, {3, 1, 2}));
  }
  SECTION("a source that is not written to its end") {
    REFUSED("has only 2 tokens written",
            map.admit(2, List{1, 2, 3, 4, 5, 6, 7, 8, 9, 50}, List{5, 6, 1}, 8, {7, 1, 1}));
  }
  SECTION("another target") {
    REFUSED("block 2, the target of its partial hit, is not the next one",
            map.admit(2, prompt, List{5, 1}, 4, {6, 2, 2}));
  }
  SECTION("no source") { REFUSED("the cache has blocks 1 to 8", map.admit(2, prompt, List{5, 1}, 4, {0, 1, 2})); }
  SECTION("onto itself") {
    map.release(1, List{5, 6, 7});
    REFUSED("is in its own table", map.admit(2, prompt, List{5, 6}, 4, {6, 6, 2}));
  }
}

TEST_CASE("shadow map: who is admitted twice, or not alive, is refused") {
  Map map;
  REFUSED("request 1: it was admitted twice", map.admit(1, List{1}, List{1}, 0, {}));
  REFUSED("request 7: it is not alive", map.append(7, List{1}, List{1}));
  REFUSED("request 7: it is not alive", map.release(7, List{}));
}
