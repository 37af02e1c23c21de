// sequence.cpp: the promises of sequence.h.
// It knows the public API only.
#include "fixture.hpp"

using namespace akv::test;

TEST_CASE("sequence: B5 appending inside a block takes no block, and one more token takes one") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 3)).sequence;
  OK(cache.append(s, {3}));
  CHECK(cache.blocks(s).size() == 1);
  OK(cache.append(s, {4}));
  CHECK(cache.blocks(s).size() == 2);
  CHECK(cache.tokens(s) == count_up(0, 5));
}

TEST_CASE("sequence: B5 beyond max_tokens is NO_CAPACITY, and nothing has changed") {
  Cache cache;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.max_tokens = 6;
  const Tokens tokens = count_up(0, 5);
  const akv_prompt prompt = cache.prompt(tokens);
  akv_created created = AKV_CREATED_INIT;
  OK(akv_sequence_create(cache, &prompt, &options, &created));
  CHECK(cache.append(created.sequence, {5, 6}) == AKV_ERROR_NO_CAPACITY);
  CHECK(last_error() == "5 tokens and 2 more exceed the sequence's max_tokens 6");
  CHECK(cache.tokens(created.sequence) == tokens);
  OK(cache.append(created.sequence, {5}));
  const Tokens longer = count_up(0, 7);
  const akv_prompt too_long = cache.prompt(longer);
  CHECK(akv_sequence_create(cache, &too_long, &options, &created) == AKV_ERROR_NO_CAPACITY);
}

TEST_CASE("sequence: B3 D2 a reserve taken at the start can be grown into when nothing else is free") {
  Cache cache;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.reserve_tokens = 40;
  const Tokens tokens = count_up(0, 6);
  const akv_prompt prompt = cache.prompt(tokens);
  akv_created created = AKV_CREATED_INIT;
  OK(akv_sequence_create(cache, &prompt, &options, &created));
  CHECK(created.new_blocks == 10);
  CHECK(cache.state().reserved_blocks == 8);
  const akv_created rest = cache.create(count_up(1000, 22 * 4));
  CHECK(cache.free_blocks() == 0);
  OK(cache.append(created.sequence, count_up(6, 34)));
  CHECK(cache.append(created.sequence, {40}) == AKV_ERROR_NO_BLOCKS);
  cache.free(rest.sequence);
}

TEST_CASE("sequence: B3 B17 what does not fit fails at once and says what was asked and what is there") {
  Cache cache;
  const akv_sequence big = cache.create(count_up(0, 30 * 4)).sequence;
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(500, 12), 0, created) == AKV_ERROR_NO_BLOCKS);
  CHECK(last_error().find("requested 12 tokens (3 new blocks), 2 blocks (8 tokens) available") == 0);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.status == AKV_ERROR_NO_BLOCKS && detail.needed == 3 && detail.available == 2 && detail.row == AKV_UNSET));
  CHECK(cache.state().sequences == 1);
  cache.free(big);
}

TEST_CASE("sequence: B6 blocks are there again at once after a free, and a second free changes nothing") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 32 * 4)).sequence;
  CHECK(cache.free_blocks() == 0);
  cache.free(s);
  CHECK(cache.free_blocks() == 32);
  CHECK(akv_sequence_free(cache, s) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.free_blocks() == 32);
  cache.free(cache.create(count_up(0, 32 * 4)).sequence);
}

TEST_CASE("sequence: B17 a request id finds its sequence, and one in use is refused") {
  Cache cache;
  akv_created a = AKV_CREATED_INIT, b = AKV_CREATED_INIT;
  OK(cache.try_create({1, 2}, 0, a, 0, 77));
  CHECK(cache.try_create({1, 2}, 0, b, 0, 77) == AKV_ERROR_ALREADY_EXISTS);
  CHECK(last_error() == "request id 77 is in use by a live sequence");
  akv_sequence found = 0;
  OK(akv_sequence_find(cache, 77, &found));
  CHECK(found == a.sequence);
  cache.free(a.sequence);
  CHECK(akv_sequence_find(cache, 77, &found) == AKV_ERROR_NOT_FOUND);
  OK(cache.try_create({1, 2}, 0, b, 0, 77));
}

TEST_CASE("sequence: D7 sequences have their own limit and their own error") {
  Cache cache;
  for (int i = 0; i < 8; ++i) cache.create({i});
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_create({9}, 0, created) == AKV_ERROR_NO_SEQUENCES);
  CHECK(last_error() == "all 8 sequences (max_sequences) are live");
}

TEST_CASE("sequence: an aborted prefill is never found: only what is committed and known is") {
  Cache cache;
  const Tokens tokens = count_up(0, 12);
  const akv_sequence aborted = cache.create(tokens).sequence;
  CHECK(cache.match(tokens).cached_tokens == 0);
  cache.free(aborted);
  CHECK(cache.match(tokens).cached_tokens == 0);
  CHECK(cache.free_blocks() == 32);

  const akv_sequence half = cache.create(tokens).sequence;
  OK(akv_sequence_commit(cache, half, 7, AKV_NONE));
  CHECK(cache.match(tokens).cached_tokens == 4);
  CHECK(cache.info(half).published_tokens == 4);
  OK(akv_sequence_commit(cache, half, 3, AKV_NONE));  // less than is committed: nothing
  CHECK(cache.info(half).committed == 7);
  CHECK(akv_sequence_commit(cache, half, 13, AKV_NONE) == AKV_ERROR_OUT_OF_RANGE);

  Tokens with_hole = tokens;
  with_hole[5] = AKV_TOKEN_UNKNOWN;
  const akv_sequence unknown = cache.create(with_hole, AKV_SEQUENCE_COMMITTED, 9).sequence;
  CHECK(cache.info(unknown).known == 5);
  CHECK(cache.match(tokens, 9).cached_tokens == 4);
}

TEST_CASE("sequence: late tokens are set once they are known, and a known one can't be changed") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 3)).sequence;
  OK(akv_sequence_append(cache, s, nullptr, 3, 0, nullptr));
  OK(akv_sequence_commit(cache, s, 6, AKV_NONE));
  CHECK(cache.info(s).known == 3);
  const std::int32_t late[] = {3, 4, 5};
  OK(akv_sequence_set_tokens(cache, s, 4, late + 1, 1));
  CHECK(cache.info(s).known == 3);  // a hole is left
  OK(akv_sequence_set_tokens(cache, s, 3, late, 3));
  CHECK(cache.info(s).known == 6);
  CHECK(cache.match(count_up(0, 8)).cached_tokens == 4);
  const std::int32_t other = 99, unknown = AKV_TOKEN_UNKNOWN;
  CHECK(akv_sequence_set_tokens(cache, s, 4, &other, 1) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_sequence_set_tokens(cache, s, 4, &unknown, 1) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_sequence_set_tokens(cache, s, 6, &other, 1) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("sequence: negative token ids are ids like all others, and the unknown one matches nothing") {
  Cache cache;
  const Tokens image = {-5, -6, -7, -8, 1};
  cache.cache_prefix(image);
  CHECK(cache.match(image).cached_tokens == 4);
  const Tokens unknown(5, AKV_TOKEN_UNKNOWN);
  cache.cache_prefix(unknown);
  CHECK(cache.match(unknown).cached_tokens == 0);
}

TEST_CASE("sequence: a fork shares every block, and the first to append to a shared tail copies it") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6));
  akv_sequence child = 0;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child));
  CHECK(cache.blocks(parent) == cache.blocks(child));
  CHECK(cache.state().live_blocks == 2);

  akv_plan plan = AKV_NONE;
  CHECK(cache.append(child, {60}) == AKV_ERROR_PLAN_NEEDED);
  OK(cache.append(child, {60}, &plan));
  REQUIRE(plan != AKV_NONE);
  const auto records = cache.records(plan);
  REQUIRE(records.size() == 1);
  CHECK(records[0].kind == AKV_PLAN_COPY_ON_WRITE);
  CHECK(records[0].source_block == cache.blocks(parent)[1]);
  CHECK(records[0].target_block == cache.blocks(child)[1]);
  CHECK((records[0].first_token == 0 && records[0].num_tokens == 2));
  CHECK(records[0].sequence == child);
  cache.finish(plan);

  plan = 7;
  OK(cache.append(parent, {61}, &plan));  // alone with its tail again: in place
  CHECK(plan == AKV_NONE);
  CHECK(cache.tokens(parent) == Tokens({0, 1, 2, 3, 4, 5, 61}));
  CHECK(cache.tokens(child) == Tokens({0, 1, 2, 3, 4, 5, 60}));
  cache.free(parent);
  CHECK(cache.tokens(child) == Tokens({0, 1, 2, 3, 4, 5, 60}));
}

TEST_CASE("sequence: a fork takes known tokens only, and a shared tail is not copied before its K/V exist") {
  Cache cache;
  const akv_sequence parent = cache.create({1, 2, 3, 4, 5, AKV_TOKEN_UNKNOWN}).sequence;
  akv_sequence child = 0;
  CHECK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child) == AKV_ERROR_OUT_OF_RANGE);
  OK(akv_sequence_fork(cache, parent, 5, nullptr, &child));
  akv_plan plan = AKV_NONE;
  CHECK(cache.append(child, {7}, &plan) == AKV_ERROR_NOT_COMMITTED);
  OK(akv_sequence_commit(cache, child, 5, AKV_NONE));
  OK(cache.append(child, {7}, &plan));
  CHECK(plan != AKV_NONE);
  cache.finish(plan);
}

TEST_CASE("sequence: a fork inherits the domain, max_tokens and NO_PUBLISH") {
  Cache cache;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_NO_PUBLISH;
  options.max_tokens = 20;
  const Tokens tokens = count_up(0, 8);
  const akv_prompt prompt = cache.prompt(tokens, 5);
  akv_created created = AKV_CREATED_INIT;
  OK(akv_sequence_create(cache, &prompt, &options, &created));
  akv_sequence child = 0;
  OK(akv_sequence_fork(cache, created.sequence, AKV_UNSET, nullptr, &child));
  CHECK(cache.info(child).domain == 5);
  CHECK(cache.info(child).max_tokens == 20);
  OK(akv_sequence_commit(cache, child, 8, AKV_NONE));
  CHECK(cache.match(tokens, 5).cached_tokens == 0);
}

TEST_CASE("sequence: truncate gives blocks back, keeps what was published, and KEEP_BLOCKS keeps own ones") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 20)).sequence;
  OK(akv_sequence_commit(cache, s, 10, AKV_NONE));
  OK(akv_sequence_truncate(cache, s, 13, AKV_TRUNCATE_KEEP_BLOCKS));
  CHECK(cache.state().reserved_blocks == 1);
  OK(akv_sequence_truncate(cache, s, 13, 0));
  CHECK(cache.blocks(s).size() == 4);
  OK(akv_sequence_truncate(cache, s, 2, 0));
  CHECK(cache.info(s).committed == 2);
  CHECK(cache.match(count_up(0, 20)).cached_tokens == 8);  // published blocks stay findable
  akv_plan plan = AKV_NONE;
  OK(cache.append(s, {100}, &plan));
  REQUIRE(plan != AKV_NONE);  // the cached block is not written to
  cache.finish(plan);
  CHECK(cache.tokens(s) == Tokens({0, 1, 100}));
  CHECK(cache.match(count_up(0, 20)).cached_tokens == 8);
  CHECK(akv_sequence_truncate(cache, s, 4, 0) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("sequence: D2 D6 set_length moves inside the blocks and never beyond them") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 5)).sequence;
  OK(akv_sequence_set_length(cache, s, 8));
  CHECK(cache.info(s).known == 5);
  CHECK(akv_sequence_set_length(cache, s, 9) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(last_error() == "length 9, but the sequence's 2 blocks hold 8 tokens: reserve first");
  CHECK(akv_sequence_set_length(cache, s, 1001) == AKV_ERROR_NO_CAPACITY);
  OK(akv_sequence_reserve(cache, s, 12, nullptr));
  OK(akv_sequence_set_length(cache, s, 9));
  OK(akv_sequence_set_length(cache, s, 1));
  CHECK(cache.state().reserved_blocks == 2);
}

TEST_CASE("sequence: NO_MATCH shares nothing, PREFIX_ONLY places the prefix and takes the rest in chunks") {
  Cache cache;
  const Tokens tokens = count_up(0, 16);
  cache.cache_prefix(tokens);
  const akv_created alone = cache.create(tokens, AKV_SEQUENCE_NO_MATCH);
  CHECK((alone.cached_tokens == 0 && alone.new_blocks == 4));
  cache.free(alone.sequence);
  const akv_created chunked = cache.create(tokens, AKV_SEQUENCE_PREFIX_ONLY);
  CHECK((chunked.cached_tokens == 12 && chunked.length == 12 && chunked.new_blocks == 0));
  OK(cache.append(chunked.sequence, {12, 13, 14, 15}));
  CHECK(cache.tokens(chunked.sequence) == tokens);
}

TEST_CASE("sequence: D2 can_allocate and can_extend forecast what the calls answer, and change nothing") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 100)).sequence;
  akv_room room = AKV_ROOM_INIT;
  const Tokens tokens = count_up(500, 29);
  const akv_prompt prompt = cache.prompt(tokens);
  OK(akv_cache_can_allocate(cache, &prompt, nullptr, &room));
  CHECK((room.status == AKV_ERROR_NO_BLOCKS && room.blocks_needed == 8 && room.blocks_available == 7));
  CHECK((room.sequences_available == 7 && room.tokens_available == 28));
  OK(akv_sequence_can_extend(cache, s, 28, &room));
  CHECK((room.status == AKV_OK && room.blocks_needed == 7 && room.tokens_available == 28));
  OK(akv_sequence_can_extend(cache, s, 29, &room));
  CHECK(room.status == AKV_ERROR_NO_BLOCKS);
  OK(akv_sequence_can_extend(cache, s, 2000, &room));
  CHECK(room.status == AKV_ERROR_NO_CAPACITY);
  CHECK(cache.state().refused_no_blocks == 0);
}

TEST_CASE("sequence: a prefix that a prompt itself would hold on to is not counted as room for it") {
  Cache cache;
  cache.cache_prefix(count_up(0, 31 * 4));
  akv_created created = AKV_CREATED_INIT;
  Tokens tokens = count_up(0, 30 * 4);  // 29 blocks are shared, 31 + 1 are there in all
  const Tokens more = count_up(900, 16);
  tokens.insert(tokens.end(), more.begin(), more.end());
  CHECK(cache.try_create(tokens, 0, created) == AKV_ERROR_NO_BLOCKS);
  CHECK(cache.state().evicted_blocks == 0);
  CHECK(cache.match(count_up(0, 31 * 4)).cached_tokens == 120);
}

TEST_CASE("sequence: free_batch frees the live ones, counts the stale, and tells each one's fate") {
  Cache cache;
  const akv_sequence a = cache.create({1}).sequence, b = cache.create({2}).sequence;
  cache.free(b);
  const akv_sequence batch[] = {a, b, 0, a};
  std::uint32_t freed = 0, stale = 0;
  akv_status fates[4];
  OK(akv_sequence_free_batch(cache, batch, 4, &freed, &stale, fates));
  CHECK((freed == 1 && stale == 2));
  CHECK((fates[0] == AKV_OK && fates[1] == AKV_ERROR_BAD_HANDLE && fates[2] == AKV_ERROR_INVALID_ARGUMENT &&
         fates[3] == AKV_ERROR_BAD_HANDLE));
  OK(akv_sequence_free_batch(cache, nullptr, 0, nullptr, nullptr, nullptr));
}

TEST_CASE("sequence: D7 drop_owner releases what an owner has, twice is fine, late calls are BAD_HANDLE") {
  Cache cache;
  akv_created a = AKV_CREATED_INIT, b = AKV_CREATED_INIT, c = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 8), AKV_SEQUENCE_COMMITTED, a, 0, 0, 5));
  OK(cache.try_create(count_up(100, 8), 0, b, 0, 0, 5));
  OK(cache.try_create(count_up(200, 8), 0, c, 0, 0, 6));
  akv_pin pin = 0;
  const Tokens tokens = count_up(0, 8);
  const akv_prompt prompt = cache.prompt(tokens);
  OK(akv_prefix_pin(cache, &prompt, 5, &pin, nullptr));
  akv_lease lease = 0;
  OK(akv_lease_acquire(cache, b.sequence, 8, 5, &lease, nullptr));
  std::uint32_t released = 0;
  OK(akv_cache_drop_owner(cache, 5, 0, &released));
  CHECK(released == 3);  // the lease protects a transfer: it stays
  CHECK(cache.state().leases == 1);
  CHECK(akv_sequence_commit(cache, a.sequence, 8, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_prefix_unpin(cache, pin) == AKV_ERROR_BAD_HANDLE);
  OK(akv_cache_drop_owner(cache, 5, AKV_DROP_IN_FLIGHT, &released));
  CHECK(released == 1);
  OK(akv_cache_drop_owner(cache, 5, 0, &released));
  CHECK(released == 0);
  CHECK(cache.state().sequences == 1);
  CHECK(akv_cache_drop_owner(cache, 0, 0, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("sequence: an equal block computed twice is a duplicate, and what follows it is cached all the same") {
  Cache cache;
  const Tokens tokens = count_up(0, 9);
  const akv_sequence first = cache.create(tokens).sequence, second = cache.create(tokens).sequence;
  OK(akv_sequence_commit(cache, first, 9, AKV_NONE));
  OK(akv_sequence_commit(cache, second, 9, AKV_NONE));
  CHECK(cache.state().duplicate_blocks == 2);
  CHECK(cache.blocks(first)[0] != cache.blocks(second)[0]);  // a living table does not change
  OK(akv_sequence_append(cache, second, count_up(9, 7).data(), 7, AKV_APPEND_COMMITTED, nullptr));
  cache.free(first);
  cache.free(second);
  CHECK(cache.state().duplicate_blocks == 0);
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 16);
  CHECK(cache.state().cached_blocks == 4);
}
