// field_bugs.cpp: bugs that users of other engines report again and again, as far as they are metadata: one test each
// that it cannot happen here. The named issues are examples of the kind.
// It knows the public API only.
#include "fixture.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace akv::test;

namespace {

// A block table kept in place for two sequences, as an engine has it.
struct Rows {
  Rows() {
    tables.block_table = table.data();
    tables.row_states = states;
    tables.row_stride = tables.row_width = 16;
    tables.num_rows = 2;
    tables.pad_block = -1;
  }
  void write(const Cache &cache, const std::vector<akv_sequence> &sequences) {
    std::vector<std::uint32_t> none(sequences.size(), 0);
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = static_cast<std::uint32_t>(sequences.size());
    batch.sequences = sequences.data();
    batch.num_tokens = none.data();
    OK(akv_sequence_read_tables(cache, &batch, &tables));
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      auto want = cache.blocks(sequences[i]);
      want.resize((cache.info(sequences[i]).length + 3) / 4);
      want.resize(16, -1);
      CHECK(std::equal(want.begin(), want.end(), table.begin() + static_cast<std::ptrdiff_t>(i) * 16));
    }
  }
  // One token each, the rows written in the same call.
  akv_plan append(const Cache &cache, const std::vector<akv_sequence> &sequences) {
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = static_cast<std::uint32_t>(sequences.size());
    batch.sequences = sequences.data();
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_append_batch(cache, &batch, &tables, &plan));
    return plan;
  }
  akv_tables tables = AKV_TABLES_INIT;
  std::vector<std::int32_t> table = std::vector<std::int32_t>(32, -9);
  akv_row_state states[2] = {};
};

bool disjoint(const std::vector<std::int32_t> &a, const std::vector<std::int32_t> &b) {
  return std::none_of(a.begin(), a.end(),
                      [&](std::int32_t id) { return std::find(b.begin(), b.end(), id) != b.end(); });
}

}  // namespace

TEST_CASE("field: blocks reused while work is in flight (vllm#45357, sglang#24527): never, under any pressure") {
  Cache cache;
  const akv_sequence victim = cache.create(count_up(0, 20)).sequence, runs = cache.create(count_up(100, 4)).sequence;
  const auto in_flight = cache.blocks(victim);
  const akv_ticket step = cache.open_ticket();
  cache.free(victim);  // preempted while its step runs
  while (cache.append(runs, {1}) == AKV_OK) CHECK(disjoint(cache.blocks(runs), in_flight));
  CHECK(cache.blocks(runs).size() == 27);
  CHECK(cache.append(runs, {1}) == AKV_ERROR_NO_BLOCKS);
  cache.retire(step);
  OK(cache.append(runs, {1}));
}

TEST_CASE("field: a transfer writes into blocks of an aborted request (LMCache#4830): they wait for the transfer") {
  Cache cache;
  akv_created got = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 32), 0, got, 0, 1, 9));
  const akv_lease load = cache.lease(got.sequence, 32, 9);
  const auto target = cache.lease_blocks(load);
  OK(akv_cache_drop_owner(cache, 9, 0, nullptr));  // the client has gone; the load has not
  const akv_sequence next = cache.create(count_up(500, 24 * 4)).sequence;
  CHECK((disjoint(cache.blocks(next), target) && cache.free_blocks() == 0));
  cache.release(load);
  CHECK(cache.match(count_up(0, 33)).cached_tokens == 0);  // nobody vouched for it
  CHECK(cache.free_blocks() == 8);
}

TEST_CASE("field: leaks on abort (vllm#46283): one call releases all an owner has, and late completions do nothing") {
  Cache cache;
  const auto empty = cache.gauges();
  akv_created a = AKV_CREATED_INIT, b = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 30), 0, a, 0, 1, 9));
  OK(cache.try_create(count_up(100, 30), 0, b, 0, 2, 9));
  const akv_lease load = cache.lease(a.sequence, 30, 9);
  OK(akv_cache_drop_owner(cache, 9, AKV_DROP_IN_FLIGHT, nullptr));
  CHECK(cache.gauges() == empty);
  CHECK(akv_lease_release(cache, load) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_commit(cache, a.sequence, 30, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_free(cache, b.sequence) == AKV_ERROR_BAD_HANDLE);
  OK(akv_cache_drop_owner(cache, 9, AKV_DROP_IN_FLIGHT, nullptr));
  CHECK(cache.gauges() == empty);
}

TEST_CASE("field: a leak that nobody can name (sglang#11970): every block in use has a line that tells whose it is") {
  Cache cache;
  akv_created forgotten = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 12), 0, forgotten, 0, 41, 7));
  const akv_sequence s = cache.create(count_up(100, 8)).sequence;
  const akv_lease lease = cache.lease(s, 8, 8);
  cache.free(s);
  akv_sequence_line line{};
  akv_hold_line hold{};
  std::uint32_t lines = 0, holds = 0;
  OK(akv_cache_read_sequences(cache, &line, sizeof line, 1, &lines));
  OK(akv_cache_read_holds(cache, &hold, sizeof hold, 1, &holds));
  CHECK((lines == 1 && line.sequence == forgotten.sequence && line.request_id == 41 && line.owner == 7));
  CHECK((holds == 1 && hold.handle == lease && hold.owner == 8));
  const akv_cache_state state = cache.state();
  CHECK((line.num_blocks == state.live_blocks && hold.blocks == state.quarantined_blocks));
}

TEST_CASE("field: double free under pressure (TensorRT-LLM#12667): stale handles never free what another has now") {
  Cache cache;
  std::vector<akv_sequence> stale;
  for (int round = 0; round < 30; ++round) {
    const akv_sequence a = cache.create(count_up(0, 64), AKV_SEQUENCE_NO_PUBLISH).sequence;
    const akv_sequence b = cache.create(count_up(0, 64), AKV_SEQUENCE_NO_PUBLISH).sequence;
    for (const akv_sequence old : stale) CHECK(akv_sequence_free(cache, old) == AKV_ERROR_BAD_HANDLE);
    CHECK((cache.free_blocks() == 0 && disjoint(cache.blocks(a), cache.blocks(b))));
    for (const akv_sequence s : {a, b}) {
      cache.free(s);
      stale.push_back(s);
    }
  }
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("field: the wrong block is pinned (TensorRT-LLM#12648): a pin holds its prefix and nothing else") {
  Cache cache;
  cache.cache_prefix(count_up(0, 40));
  const akv_sequence holder = cache.create(count_up(0, 13)).sequence;
  const auto wanted = cache.blocks(holder);
  const Tokens prefix = count_up(0, 12);
  const akv_prompt prompt = cache.prompt(prefix);
  akv_pin pin = AKV_NONE;
  OK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr));
  cache.free(holder);
  CHECK((cache.state().pinned_blocks == 3 && cache.state().cached_blocks == 7));
  const akv_sequence rest = cache.create(count_up(500, 29 * 4)).sequence;  // all that is not pinned
  CHECK(cache.match(count_up(0, 41)).cached_tokens == 12);
  CHECK(disjoint({wanted[0], wanted[1], wanted[2]}, cache.blocks(rest)));
}

TEST_CASE("field: hash collisions (GHSA-rm76-4mrf-v9r8, Megatron-LM#4158): a hit is equal tokens and nothing else") {
  Cache cache;
  const Tokens base = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  cache.cache_prefix(base);
  std::vector<Tokens> others = {{4, 3, 2, 1, 5, 6, 7, 8, 9},
                                {5, 6, 7, 8, 1, 2, 3, 4, 9},
                                {2, 1, 3, 4, 5, 6, 7, 8, 9},
                                {0, 3, 3, 4, 5, 6, 7, 8, 9},
                                {1 << 16, 2, 3, 4, 5, 6, 7, 8, 9}};
  for (int bit = 0; bit < 32; ++bit) {
    others.push_back(base);
    others.back()[0] = static_cast<std::int32_t>(1u ^ (1u << bit));
  }
  for (const Tokens &other : others) {
    CHECK(cache.match(other).cached_tokens == 0);
    const akv_created got = cache.create(other, AKV_SEQUENCE_NO_PUBLISH);
    CHECK(got.cached_tokens == 0);
    cache.free(got.sequence);
  }
  CHECK(cache.match(base).cached_tokens == 8);
}

TEST_CASE("field: wrong hits (vllm#12621): random prompts of few different tokens hit what is equal, and all of it") {
  Cache cache([](akv_cache_config &c) {
    c.num_blocks = 4096;
    c.max_sequences = 400;
  });
  std::mt19937 random(1);
  std::map<std::uint64_t, std::set<Tokens>> stored;  // every whole-block beginning, by domain
  for (int i = 0; i < 400; ++i) {
    Tokens tokens(1 + random() % 24);
    for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(random() % 2);
    const std::uint64_t domain = random() % 2 == 0 ? 1 : 1 + (1ull << 32);
    std::uint32_t want = 0;
    while (want + 4 < tokens.size() &&
           stored[domain].count({tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(want) + 4}) != 0)
      want += 4;
    CHECK(cache.match(tokens, domain).cached_tokens == want);
    const akv_created got = cache.create(tokens, AKV_SEQUENCE_COMMITTED, domain);
    CHECK(got.cached_tokens == want);
    if (got.plan != AKV_NONE) cache.finish(got.plan);
    for (std::size_t end = 4; end <= tokens.size(); end += 4)
      stored[domain].insert({tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end)});
  }
}

TEST_CASE("field: adapter and tenant mixed up (vllm#44701): a domain is a number of its own, never part of tokens") {
  Cache cache;
  cache.cache_prefix({1, 2, 3, 4, 5}, 7);
  cache.cache_prefix({7, 1, 2, 3, 4, 5, 6, 8, 9}, 0);
  CHECK(cache.match({1, 2, 3, 4, 5}, 0).cached_tokens == 0);
  CHECK(cache.match({7, 1, 2, 3, 4, 5, 6, 8, 9}, 7).cached_tokens == 0);
  for (int bit = 0; bit < 64; ++bit) CHECK(cache.match({1, 2, 3, 4, 5}, 7 ^ (1ull << bit)).cached_tokens == 0);
  CHECK(cache.match({1, 2, 3, 4, 5}, 7).cached_tokens == 4);
}

TEST_CASE("field: an aborted prefill becomes a cached prefix of garbage: only what is committed is ever found") {
  Cache cache;
  const akv_sequence aborted = cache.create(count_up(0, 16)).sequence;
  cache.commit(aborted, 6);  // one chunk has run
  cache.free(aborted);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 4);
  CHECK(cache.match(count_up(0, 17)).partial_tokens == 0);
  CHECK(cache.state().cached_blocks == 1);
}

TEST_CASE("field: placeholders of asynchronous sampling are cached: unknown tokens never match, nor each other") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 4)).sequence;
  OK(akv_sequence_append(cache, s, nullptr, 4, AKV_APPEND_COMMITTED, nullptr));
  Tokens unknown = count_up(0, 9);
  std::fill(unknown.begin() + 4, unknown.end(), AKV_TOKEN_UNKNOWN);
  CHECK(cache.match(unknown).cached_tokens == 4);
  CHECK(cache.match(unknown).partial_tokens == 0);
  const Tokens sampled = {40, 41, 42, 43};
  OK(akv_sequence_set_tokens(cache, s, 4, sampled.data(), 4));
  CHECK(cache.match({0, 1, 2, 3, 40, 41, 42, 43, 9}).cached_tokens == 8);
  CHECK(cache.match(unknown).cached_tokens == 4);
}

TEST_CASE("field: prefix cache silently 0 % (vllm#51198): a block that waits for a sampled token is explained") {
  Cache cache;
  const akv_sequence s = cache.committed({0, 1, 2, 3, 40, 41});
  OK(akv_sequence_append(cache, s, nullptr, 2, AKV_APPEND_COMMITTED, nullptr));
  const Tokens prompt = {0, 1, 2, 3, 40, 41, 42, 43, 9};
  const akv_prompt p = cache.prompt(prompt);
  akv_explanation e = AKV_EXPLANATION_INIT;
  OK(akv_prefix_explain(cache, &p, &e));
  CHECK((e.cached_tokens == 4 && e.first_missed == 4));
  CHECK(e.reason == AKV_MISS_NOT_COMMITTED);  // "K/V not committed, or a token unknown"
  CHECK(e.sequence == s);
}

TEST_CASE("field: rejected drafts stay behind (TensorRT-LLM#16448, sglang#19897): cut off, they are never found") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 6));
  OK(cache.append(s, {90, 91, 92, 93}));  // drafts; the first is accepted
  OK(akv_sequence_truncate(cache, s, 7, AKV_TRUNCATE_KEEP_BLOCKS));
  OK(cache.append(s, {7, 8}));
  cache.commit(s, 9);
  CHECK(cache.tokens(s) == Tokens({0, 1, 2, 3, 4, 5, 90, 7, 8}));
  CHECK(cache.match({0, 1, 2, 3, 4, 5, 90, 91, 92}).cached_tokens == 4);
  CHECK(cache.match({0, 1, 2, 3, 4, 5, 90, 7, 8}).cached_tokens == 8);
}

TEST_CASE("field: stale rows after copy-on-write: a table in place follows entries replaced, restored, dropped") {
  Cache cache;
  const akv_sequence a = cache.committed(count_up(0, 14)), b = cache.fork(a);
  Rows rows;
  rows.write(cache, {a, b});
  cache.roll_back(rows.append(cache, {a, b}));  // b's row had the copy in it: the shared block is back
  rows.write(cache, {a, b});
  cache.finish(cache.planned(b, {60}));
  rows.write(cache, {a, b});
  OK(akv_sequence_truncate(cache, a, 5, 0));
  rows.write(cache, {a, b});
  akv_plan plan = AKV_NONE;
  OK(cache.append(a, count_up(500, 9), &plan));
  if (plan != AKV_NONE) cache.finish(plan);
  rows.write(cache, {a, b});
  cache.free(a);
  const akv_sequence c = cache.create(count_up(700, 14)).sequence;  // in the place of the one that has gone
  rows.write(cache, {c, b});
}

TEST_CASE("field: partial allocation is not rolled back (kvcached#364): a batch that does not fit takes nothing") {
  Cache cache;
  std::vector<akv_sequence> sequences;
  for (std::int32_t i = 0; i < 6; ++i) sequences.push_back(cache.create(count_up(i * 100, 4)).sequence);
  const akv_sequence rest = cache.create(count_up(900, 21 * 4)).sequence;
  std::vector<Cache::Picture> before;
  for (const akv_sequence s : sequences) before.push_back(cache.picture(s));
  const auto gauges = cache.gauges();
  akv_batch batch = AKV_BATCH_INIT;  // six blocks for five
  batch.num_sequences = 6;
  batch.sequences = sequences.data();
  CHECK(akv_sequence_append_batch(cache, &batch, nullptr, nullptr) == AKV_ERROR_NO_BLOCKS);
  for (std::size_t i = 0; i < 6; ++i) CHECK(cache.picture(sequences[i]) == before[i]);
  CHECK(cache.gauges() == gauges);
  cache.free(rest);
  OK(akv_sequence_append_batch(cache, &batch, nullptr, nullptr));
}

TEST_CASE("field: no progress at a full pool (vllm#45387): the error's numbers are enough to pick a victim") {
  Cache cache;
  const akv_sequence victim = cache.create(count_up(0, 8)).sequence;
  cache.create(count_up(100, 28 * 4));
  akv_created got = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(500, 16), 0, got) == AKV_ERROR_NO_BLOCKS);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.needed == 4 && detail.available == 2));
  CHECK(cache.info(victim).num_blocks == detail.needed - detail.available);
  cache.free(victim);
  OK(cache.try_create(count_up(500, 16), 0, got));
}

TEST_CASE("field: no contiguous slot (llama.cpp#9201): scattered free blocks are as good as neighbours") {
  Cache cache([](akv_cache_config &c) { c.max_sequences = 40; });
  std::vector<akv_sequence> all;
  for (std::int32_t i = 0; i < 32; ++i) all.push_back(cache.create(count_up(i * 100, 4)).sequence);
  for (std::size_t i = 0; i < 32; i += 2) cache.free(all[i]);
  akv_measures measures = AKV_MEASURES_INIT;
  OK(akv_cache_measure(cache, &measures));
  CHECK((measures.largest_free_run == 1 && measures.advice == AKV_ADVICE_ACT));
  CHECK(cache.blocks(cache.create(count_up(5000, 16 * 4)).sequence).size() == 16);
}

TEST_CASE("field: eviction cuts a prefix in the middle: what stays cached can be found, every block of it") {
  Cache cache;
  const std::vector<Tokens> prompts = {count_up(0, 40), count_up(1000, 40), count_up(2000, 40)};
  for (const Tokens &tokens : prompts) cache.cache_prefix(tokens);
  for (std::size_t size = 1; size <= 32; ++size) {
    const akv_sequence s = cache.create(count_up(9000, size * 4), AKV_SEQUENCE_NO_PUBLISH).sequence;
    std::uint32_t found = 0;
    for (Tokens tokens : prompts) {
      tokens.push_back(-1);
      found += cache.match(tokens).cached_blocks;
    }
    CHECK(cache.state().cached_blocks == found);
    cache.free(s);
  }
  CHECK((cache.state().cached_blocks == 0 && cache.state().evicted_blocks == 30));
}

TEST_CASE("field: one gauge mixes live and cached (imp#1115), and blocks are taken for tokens (vllm#57336)") {
  Cache cache;
  cache.cache_prefix(count_up(0, 16));
  CHECK((cache.state().live_blocks == 0 && cache.state().cached_blocks == 4 && cache.state().cached_tokens == 16));
  const akv_sequence a = cache.create(count_up(0, 18)).sequence;
  const akv_sequence b = cache.create(count_up(0, 17)).sequence;
  const akv_cache_state state = cache.state();
  CHECK((state.live_blocks == 6 && state.cached_blocks == 0 && state.sequence_tokens == 35));
  akv_measures measures = AKV_MEASURES_INIT;
  OK(akv_cache_measure(cache, &measures));
  CHECK(measures.live_tokens == 16 + 2 + 1);
  CHECK((state.prompt_tokens == 16 + 18 + 17 && state.hit_tokens == 32));
  cache.free(a);
  cache.free(b);
}
