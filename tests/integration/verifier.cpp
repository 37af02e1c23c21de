// verifier.cpp: tests of --verify as a whole, beside a real cache: it refuses what the cache is made to say wrongly.
// It knows the public API and the Verifier; how the library works is not its matter.
#include "verify/verifier.hpp"

#include "cache.hpp"
#include "error.hpp"

#include "catch.hpp"

namespace {

using namespace replay;
using List = std::vector<std::int32_t>;

akv_cache_config small() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 32;
  config.block_tokens = 4;
  config.max_sequences = 8;
  return config;
}

// A cache with a verifier beside it, and one request after the other through both.
struct Bench {
  Cache cache{small()};
  Verifier verifier{cache.get(), 8};

  akv_created create(const List &prompt) {
    akv_prompt description = AKV_PROMPT_INIT;
    description.tokens = prompt.data();
    description.num_tokens = static_cast<std::uint32_t>(prompt.size());
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_COMMITTED | AKV_SEQUENCE_PARTIAL;
    akv_created created = AKV_CREATED_INIT;
    check(akv_sequence_create(cache.get(), &description, &options, &created), "akv_sequence_create");
    return created;
  }

  static Request named(std::uint64_t number) { return {number, 0, 0, {}, 0}; }

  akv_created admit(std::uint64_t number, const List &prompt) {
    const akv_created created = create(prompt);
    verifier.admitted(named(number), prompt, created);
    if (created.plan != AKV_NONE) check(akv_plan_finish(cache.get(), created.plan, AKV_NONE), "akv_plan_finish");
    return created;
  }
};

const List kPrompt{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

}  // namespace

TEST_CASE("verify: right answers pass, with outputs, shared prefixes and partial hits") {
  Bench bench;
  const akv_created first = bench.admit(0, kPrompt);
  const List output{11, 12, 13};
  check(akv_sequence_append(bench.cache.get(), first.sequence, output.data(), 3, AKV_APPEND_COMMITTED, nullptr),
        "append");
  bench.verifier.appended(Bench::named(0), first.sequence, output);
  bench.verifier.settled(Bench::named(0));
  const akv_created second = bench.admit(1, List{1, 2, 3, 4, 5, 6, 50, 51});
  CHECK(second.cached_tokens == 4);
  CHECK(second.partial_tokens == 2);
  bench.verifier.settled(Bench::named(1));
  for (const std::uint64_t number : {0, 1}) {
    bench.verifier.retires(number);
    check(akv_sequence_free(bench.cache.get(), number == 0 ? first.sequence : second.sequence), "free");
  }
  bench.verifier.finish();
}

TEST_CASE("verify: a hit of other tokens than the prompt's is refused") {
  Bench bench;
  bench.admit(0, kPrompt);
  const akv_created created = bench.create(kPrompt);
  List other = kPrompt;
  other[2] = 99;
  CHECK_THROWS_AS(bench.verifier.admitted(Bench::named(1), other, created), Refused);
}

TEST_CASE("verify: more hits than there are, or none of a match, are refused") {
  Bench bench;
  bench.admit(0, kPrompt);
  akv_created created = bench.create(kPrompt);
  created.cached_tokens += 4;
  CHECK_THROWS_AS(bench.verifier.admitted(Bench::named(1), kPrompt, created), Refused);
}

TEST_CASE("verify: partial tokens without a plan, and a plan of other tokens, are refused") {
  Bench bench;
  bench.admit(0, kPrompt);
  const List prompt{1, 2, 3, 4, 5, 6, 50, 51};
  akv_created created = bench.create(prompt);
  REQUIRE(created.partial_tokens == 2);
  created.partial_tokens = 1;
  CHECK_THROWS_AS(bench.verifier.admitted(Bench::named(1), prompt, created), Refused);
  created.partial_tokens = 2;
  created.plan = AKV_NONE;
  CHECK_THROWS_AS(bench.verifier.admitted(Bench::named(1), prompt, created), Refused);
}

TEST_CASE("verify: tokens that were appended unseen show in the table or in the sums") {
  Bench bench;
  const akv_created created = bench.admit(0, kPrompt);
  const List output{11, 12, 13};
  check(akv_sequence_append(bench.cache.get(), created.sequence, output.data(), 3, AKV_APPEND_COMMITTED, nullptr),
        "append");
  CHECK_THROWS_AS(bench.verifier.settled(Bench::named(0)), Refused);
  CHECK_THROWS_AS(bench.verifier.retires(0), Refused);
}

TEST_CASE("verify: a sequence that was left out shows in the sums") {
  Bench bench;
  bench.create(kPrompt);
  CHECK_THROWS_AS(bench.verifier.finish(), Refused);
}
