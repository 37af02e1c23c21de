// abandon.cpp: the promises of ticket.h about work that has failed: what it wrote is given up, and the way back.
// It knows the public API only.
#include "fixture.hpp"

#include <algorithm>

using namespace akv::test;

TEST_CASE("abandon: what was committed under the ticket leaves the index, what was before stays, and it is counted") {
  Cache cache;
  const akv_sequence writer = cache.create(count_up(0, 12)).sequence;
  cache.commit(writer, 4);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 12, ticket);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 12);
  CHECK(cache.give_up(ticket) == 1);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 4);
  CHECK(cache.match(count_up(0, 13)).wait == AKV_NONE);
  CHECK((cache.info(writer).sound_tokens == 4 && cache.info(writer).length == 12));
  CHECK(cache.state().lost_sequences == 1);
  CHECK(cache.ticket_state(ticket) == AKV_TICKET_ABANDONED);
}

TEST_CASE("abandon: a sequence that lost content answers CONTENT_LOST to whatever would use it, and nothing changes") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 10)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(s, 10, ticket);
  cache.give_up(ticket);
  const auto before = cache.picture(s);
  akv_plan plan = AKV_NONE;
  akv_sequence child = AKV_NONE;
  akv_lease lease = AKV_NONE;
  const std::int32_t token = 1;
  CHECK(cache.append(s, {10}, &plan) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_reserve(cache, s, 20, &plan) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_commit(cache, s, 10, AKV_NONE) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_commit_batch(cache, &s, nullptr, 1, AKV_NONE) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_set_tokens(cache, s, 9, &token, 1) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_set_length(cache, s, 11) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_truncate(cache, s, 1, 0) == AKV_ERROR_CONTENT_LOST);  // longer than the sound part
  CHECK(akv_lease_acquire(cache, s, 4, 0, &lease, nullptr) == AKV_ERROR_CONTENT_LOST);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &s;
  akv_tables tables = AKV_TABLES_INIT;
  CHECK(akv_sequence_append_batch(cache, &batch, nullptr, &plan) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_read_tables(cache, &batch, &tables) == AKV_ERROR_CONTENT_LOST);
  akv_room room = AKV_ROOM_INIT;
  OK(akv_sequence_can_extend(cache, s, 1, &room));
  CHECK(room.status == AKV_ERROR_CONTENT_LOST);
  CHECK((plan == AKV_NONE && child == AKV_NONE && lease == AKV_NONE && cache.picture(s) == before));
  akv_sequence_line line{};
  std::uint32_t count = 0;
  OK(akv_cache_read_sequences(cache, &line, sizeof line, 1, &count));
  CHECK((count == 1 && line.flags == AKV_LINE_CONTENT_LOST));
}

TEST_CASE("abandon: truncating to the sound part is the way back, and what is computed again is found again") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 12)).sequence;
  cache.commit(s, 6);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(s, 12, ticket);
  cache.give_up(ticket);
  const std::uint32_t sound = cache.info(s).sound_tokens;
  CHECK((sound == 4 || sound == 6));  // by blocks where it was published
  OK(akv_sequence_truncate(cache, s, sound, 0));
  CHECK((cache.state().lost_sequences == 0 && cache.info(s).committed == sound && cache.info(s).wait == AKV_NONE));
  akv_plan plan = AKV_NONE;
  OK(cache.append(s, count_up(static_cast<std::int32_t>(sound), 12 - sound), &plan));
  if (plan != AKV_NONE) cache.finish(plan);
  cache.commit(s, 12);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 12);
  CHECK(cache.match(count_up(0, 13)).wait == AKV_NONE);
}

TEST_CASE("abandon: free is a way back as well, and its blocks are reused at once") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 32 * 4)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(s, 128, ticket);
  cache.give_up(ticket);
  cache.free(s);
  CHECK((cache.state().lost_sequences == 0 && cache.free_blocks() == 32));
}

TEST_CASE("abandon: forks, readers of the prefix and what others built on it lose it too; who did not is left alone") {
  Cache cache;
  const akv_sequence writer = cache.create(count_up(0, 8)).sequence;
  cache.commit(writer, 4);
  const akv_sequence before = cache.create(count_up(0, 5)).sequence;  // hits the settled block alone
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 8, ticket);
  const akv_sequence child = cache.fork(writer);
  const akv_sequence reader = cache.create(count_up(0, 16)).sequence;
  cache.commit(reader, 16);  // computed on what is still in flight
  const akv_sequence third = cache.create(count_up(0, 17)).sequence;
  const akv_sequence other = cache.committed(count_up(500, 8));
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 16);
  CHECK(cache.give_up(ticket) == 4);
  for (const akv_sequence s : {writer, child, reader, third}) {
    CHECK(cache.info(s).sound_tokens == 4);
    CHECK(akv_sequence_commit(cache, s, 5, AKV_NONE) == AKV_ERROR_CONTENT_LOST);
  }
  CHECK((cache.info(before).sound_tokens == 5 && cache.info(other).sound_tokens == 8));
  CHECK(cache.match(count_up(0, 17)).cached_tokens == 4);
  CHECK(cache.match(count_up(500, 9)).cached_tokens == 8);
  OK(cache.append(before, {5}));
  for (const akv_sequence s : {writer, child, reader, third}) OK(akv_sequence_truncate(cache, s, 4, 0));
  const akv_cache_state state = cache.state();
  CHECK((state.lost_sequences == 0 && state.quarantined_blocks == 0));
}

TEST_CASE("abandon: the lost prefix of somebody who has gone leaves the index too") {
  Cache cache;
  const akv_sequence writer = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 8, ticket);
  cache.free(writer);
  CHECK(cache.match(count_up(0, 9)).wait == ticket);
  CHECK(cache.give_up(ticket) == 0);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 0);
  CHECK((cache.state().cached_blocks == 0 && cache.free_blocks() == 32));
}

TEST_CASE("abandon: committed under several tickets, all from the first one still open is given up") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 16)).sequence;
  const akv_ticket first = cache.open_ticket();
  cache.commit(s, 4, first);
  cache.retire(first);
  const akv_ticket second = cache.open_ticket(), third = cache.open_ticket();
  cache.commit(s, 8, second);
  cache.commit(s, 16, third);
  CHECK(cache.give_up(third) == 1);
  CHECK(cache.info(s).sound_tokens == 4);
  CHECK(cache.match(count_up(0, 17)).cached_tokens <= 8);  // what the second writes may be found by others
  cache.retire(second);
}

TEST_CASE("abandon: other tickets go on: what they cover stays, and quarantine waits for them") {
  Cache cache;
  const akv_sequence a = cache.create(count_up(0, 8)).sequence, b = cache.create(count_up(100, 8)).sequence;
  const akv_sequence gone = cache.create(count_up(200, 8)).sequence;
  const akv_ticket ta = cache.open_ticket(), tb = cache.open_ticket();
  cache.commit(a, 8, ta);
  cache.commit(b, 8, tb);
  cache.free(gone);
  CHECK(cache.give_up(tb) == 1);
  CHECK((cache.info(a).sound_tokens == 8 && cache.info(b).sound_tokens == 0));
  CHECK(cache.match(count_up(0, 9)).wait == ta);
  CHECK(cache.state().quarantined_blocks == 2);
  cache.retire(ta);
  CHECK((cache.state().quarantined_blocks == 0 && cache.match(count_up(0, 9)).wait == AKV_NONE));
}

TEST_CASE("abandon: pins and leases keep their blocks, and nobody finds them any more") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(s, 8, ticket);
  const akv_lease lease = cache.lease(s, 8);
  const Tokens tokens = count_up(0, 8);
  const akv_prompt prompt = cache.prompt(tokens);
  akv_pin pin = AKV_NONE;
  OK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr));
  const auto blocks = cache.blocks(s);
  cache.give_up(ticket);
  cache.free(s);
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 0);
  CHECK(cache.lease_blocks(lease) == blocks);
  CHECK(cache.state().pinned_blocks == 2);
  const akv_sequence rest = cache.create(count_up(500, 30 * 4), AKV_SEQUENCE_NO_PUBLISH).sequence;
  for (const std::int32_t block : cache.blocks(rest))
    CHECK(std::find(blocks.begin(), blocks.end(), block) == blocks.end());
  OK(akv_prefix_unpin(cache, pin));
  CHECK(cache.state().quarantined_blocks == 2);
  cache.release(lease);
  CHECK(cache.free_blocks() == 2);
}

TEST_CASE("abandon: nothing computed on lost content can be published again by its forks or by a late commit") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 12)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(s, 8, ticket);
  const akv_sequence reader = cache.create(count_up(0, 12)).sequence;
  cache.give_up(ticket);
  CHECK(akv_sequence_commit(cache, reader, 12, AKV_NONE) == AKV_ERROR_CONTENT_LOST);
  CHECK(akv_sequence_commit(cache, s, 12, ticket) == AKV_ERROR_CONTENT_LOST);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 0);
  OK(akv_sequence_truncate(cache, reader, 0, 0));
  cache.finish(cache.planned(reader, count_up(0, 12)));  // blocks of failed work are zeroed first
  cache.commit(reader, 12);
  CHECK(cache.match(count_up(0, 13)).cached_tokens == 12);  // computed anew
  CHECK(cache.info(s).sound_tokens == 0);
}

TEST_CASE("abandon: of a ticket that nothing was committed under, nothing is lost and quarantine ends") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 8)), gone = cache.create(count_up(100, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.free(gone);
  CHECK(cache.give_up(ticket) == 0);
  CHECK((cache.info(s).sound_tokens == 8 && cache.state().quarantined_blocks == 0));
  CHECK(cache.match(count_up(0, 9)).cached_tokens == 8);
}
