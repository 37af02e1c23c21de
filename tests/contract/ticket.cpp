// ticket.cpp: the promises of ticket.h about tickets that end well: quarantine, watermarks, hits in flight.
// It knows the public API only; tickets that are abandoned are in abandon.cpp.
#include "fixture.hpp"

#include <algorithm>
#include <set>

using namespace akv::test;

TEST_CASE("ticket: A4 a block freed under a ticket is in quarantine, and handed out only when the ticket has ended") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const auto blocks = cache.blocks(s);
  const akv_ticket ticket = cache.open_ticket();
  cache.free(s);
  CHECK(cache.state().quarantined_blocks == 2);
  const akv_sequence rest = cache.create(count_up(100, 30 * 4)).sequence;
  for (const std::int32_t block : cache.blocks(rest))
    CHECK(std::find(blocks.begin(), blocks.end(), block) == blocks.end());
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_create({1}, 0, created) == AKV_ERROR_NO_BLOCKS);
  CHECK(cache.append(rest, {1}) == AKV_ERROR_NO_BLOCKS);
  cache.retire(ticket);
  CHECK(cache.state().quarantined_blocks == 0);
  const auto again = cache.blocks(cache.create(count_up(900, 8)).sequence);
  CHECK(std::set<std::int32_t>(again.begin(), again.end()) == std::set<std::int32_t>(blocks.begin(), blocks.end()));
}

TEST_CASE("ticket: quarantine lasts until every ticket that was open at the free has ended, in any order") {
  Cache cache;
  const akv_sequence early = cache.create(count_up(0, 8)).sequence, late = cache.create(count_up(100, 4)).sequence;
  const akv_ticket a = cache.open_ticket(), b = cache.open_ticket();
  cache.free(early);
  const akv_ticket c = cache.open_ticket();
  cache.free(late);
  CHECK(cache.state().quarantined_blocks == 3);
  cache.retire(b);
  CHECK(cache.state().quarantined_blocks == 3);
  cache.retire(a);  // the first free waited for a and b only
  CHECK(cache.state().quarantined_blocks == 1);
  const akv_ticket d = cache.open_ticket();  // opened after the free: nobody waits for it
  cache.retire(c);
  CHECK(cache.state().quarantined_blocks == 0);
  cache.retire(d);
}

TEST_CASE("ticket: an end out of order frees nothing early: the newest may retire first") {
  Cache cache;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_ticket a = cache.open_ticket(), b = cache.open_ticket(), c = cache.open_ticket();
  cache.free(s);
  cache.retire(c);
  cache.retire(b);
  CHECK(cache.state().quarantined_blocks == 2);
  cache.retire(a);
  CHECK(cache.state().quarantined_blocks == 0);
}

TEST_CASE("ticket: every way of giving blocks back goes through quarantine") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 6));
  const akv_sequence child = cache.fork(s);
  OK(akv_sequence_reserve(cache, s, 6, nullptr));
  const akv_sequence other = cache.create(count_up(500, 12), AKV_SEQUENCE_NO_PUBLISH).sequence;
  const akv_lease lease = cache.lease(other, 4);
  const akv_ticket ticket = cache.open_ticket();
  OK(akv_sequence_truncate(cache, other, 8, 0));
  CHECK(cache.state().quarantined_blocks == 1);
  cache.free(child);
  CHECK(cache.state().quarantined_blocks == 1);  // its parent has them
  cache.free(other);
  CHECK(cache.state().quarantined_blocks == 3);
  cache.release(lease);
  CHECK(cache.state().quarantined_blocks == 3);
  OK(akv_sequence_free_batch(cache, &s, 1, nullptr, nullptr, nullptr));
  CHECK(cache.state().quarantined_blocks == 4);  // its whole block stays cached
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  CHECK(cache.state().quarantined_blocks == 5);
  cache.retire(ticket);
  CHECK(cache.free_blocks() == 32);
}

TEST_CASE("ticket: where no ticket is open nothing is ever in quarantine") {
  Cache cache;
  cache.retire(cache.open_ticket());
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  cache.free(s);
  CHECK((cache.state().quarantined_blocks == 0 && cache.free_blocks() == 32));
}

TEST_CASE("ticket: cached blocks let go under an open ticket are found, but not evicted before it has ended") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 30 * 4));
  const akv_ticket ticket = cache.open_ticket();
  cache.free(s);
  CHECK((cache.state().cached_blocks == 30 && cache.state().evictable_blocks == 0));
  CHECK(cache.match(count_up(0, 121)).cached_tokens == 120);
  akv_created created = AKV_CREATED_INIT;
  CHECK(cache.try_create(count_up(500, 12), 0, created) == AKV_ERROR_NO_BLOCKS);
  CHECK((cache.state().evicted_blocks == 0 && cache.state().refused_no_blocks == 1));
  CHECK(last_error().find("30 are cached behind open tickets") != std::string::npos);
  cache.retire(ticket);
  CHECK(cache.state().evictable_blocks == 30);
  OK(cache.try_create(count_up(500, 12), 0, created));
}

TEST_CASE("ticket: what was cached before the ticket stays evictable while it is open") {
  Cache cache;
  cache.cache_prefix(count_up(0, 30 * 4));
  const akv_ticket ticket = cache.open_ticket();
  CHECK(cache.state().evictable_blocks == 30);
  cache.create(count_up(500, 12));
  CHECK(cache.state().evicted_blocks == 1);
  cache.retire(ticket);
}

TEST_CASE("ticket: D2 can_allocate tells what waits in quarantine, and which ticket it waits for first") {
  Cache cache;
  CHECK(cache.room_for(count_up(0, 4)).oldest_open == AKV_NONE);
  const akv_sequence s = cache.create(count_up(0, 31 * 4)).sequence;
  const akv_ticket a = cache.open_ticket(), b = cache.open_ticket();
  cache.free(s);
  akv_room room = cache.room_for(count_up(500, 8));
  CHECK((room.status == AKV_ERROR_NO_BLOCKS && room.blocks_needed == 2 && room.blocks_available == 1));
  CHECK((room.blocks_quarantined == 31 && room.blocks_free == 1 && room.blocks_evictable == 0));
  CHECK(room.oldest_open == a);
  cache.retire(a);
  CHECK(cache.room_for(count_up(500, 8)).oldest_open == b);
  cache.retire(b);
  room = cache.room_for(count_up(500, 8));
  CHECK((room.status == AKV_OK && room.blocks_quarantined == 0 && room.oldest_open == AKV_NONE));
}

TEST_CASE("ticket: read tells OPEN, ENDED behind an older one, PASSED; an unknown one is BAD_HANDLE") {
  Cache cache, foreign;
  CHECK(cache.ticket_state(AKV_NONE) == AKV_TICKET_PASSED);
  const akv_ticket a = cache.open_ticket(), b = cache.open_ticket();
  CHECK(a < b);
  CHECK((cache.ticket_state(a) == AKV_TICKET_OPEN && cache.ticket_state(b) == AKV_TICKET_OPEN));
  cache.retire(b);
  CHECK((cache.ticket_state(a) == AKV_TICKET_OPEN && cache.ticket_state(b) == AKV_TICKET_ENDED));
  cache.retire(a);
  CHECK((cache.ticket_state(a) == AKV_TICKET_PASSED && cache.ticket_state(b) == AKV_TICKET_PASSED));
  std::uint32_t where = 99;
  CHECK(akv_ticket_read(cache, b + 1, &where) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_ticket_read(foreign, a, &where) == AKV_ERROR_BAD_HANDLE);
  CHECK(where == 99);
}

TEST_CASE("ticket: D6 it ends once: a second end, an unknown one and another cache's are BAD_HANDLE") {
  Cache cache, foreign;
  const akv_ticket a = cache.open_ticket(), b = cache.open_ticket(), other = foreign.open_ticket();
  cache.retire(a);
  cache.give_up(b);
  for (const akv_ticket ticket : {a, b, b + 1, other}) {
    CHECK(akv_ticket_retire(cache, ticket) == AKV_ERROR_BAD_HANDLE);
    CHECK(akv_ticket_abandon(cache, ticket, nullptr) == AKV_ERROR_BAD_HANDLE);
  }
  CHECK(akv_ticket_retire(cache, AKV_NONE) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_ticket_abandon(cache, AKV_NONE, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK((cache.state().open_tickets == 0 && foreign.state().open_tickets == 1));
}

TEST_CASE("ticket: B17 NO_TICKETS names the oldest open one, and its end makes room again") {
  Cache cache([](akv_cache_config &c) { c.max_open_tickets = 4; });
  const akv_ticket oldest = cache.open_ticket();
  for (int i = 0; i < 3; ++i) cache.retire(cache.open_ticket());  // one slow ticket stops everybody
  akv_ticket ticket = AKV_NONE;
  CHECK(akv_ticket_open(cache, &ticket) == AKV_ERROR_NO_TICKETS);
  CHECK(ticket == AKV_NONE);
  CHECK(last_error() == "4 tickets (max_open_tickets) lie between the next and the oldest open one, 1");
  CHECK((cache.state().oldest_open == oldest && cache.state().open_tickets == 1));
  cache.retire(oldest);
  for (int i = 0; i < 4; ++i) OK(akv_ticket_open(cache, &ticket));
  CHECK((cache.state().newest == ticket && cache.state().open_tickets == 4));
}

TEST_CASE("ticket: the table of tickets wraps around, and quarantine stays right") {
  Cache cache([](akv_cache_config &c) { c.max_open_tickets = 4; });
  for (int i = 0; i < 50; ++i) {
    const akv_sequence s = cache.create(count_up(0, 16)).sequence;
    const akv_ticket a = cache.open_ticket(), b = cache.open_ticket();
    cache.free(s);
    cache.retire(i % 2 == 0 ? a : b);
    CHECK(cache.state().quarantined_blocks == 4);
    cache.retire(i % 2 == 0 ? b : a);
    CHECK(cache.free_blocks() == 32);
  }
}

TEST_CASE("ticket: what is committed under it can be found at once, and who finds it is told to wait") {
  Cache cache;
  const akv_sequence writer = cache.create(count_up(0, 12)).sequence;
  cache.commit(writer, 4);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 12, ticket);
  CHECK((cache.info(writer).wait == ticket && cache.info(writer).published_tokens == 12));
  CHECK(cache.match(count_up(0, 5)).wait == AKV_NONE);  // the first block was settled before
  CHECK(cache.match(count_up(0, 9)).wait == ticket);
  CHECK(cache.why(count_up(0, 13)) == AKV_MISS_IN_FLIGHT);
  const akv_created reader = cache.create(count_up(0, 13));
  CHECK((reader.cached_tokens == 12 && reader.wait == ticket));
  CHECK(cache.info(reader.sequence).wait == ticket);
  akv_lease lease = AKV_NONE;
  akv_ticket wait = AKV_NONE;
  OK(akv_lease_acquire(cache, reader.sequence, 12, 0, &lease, &wait));
  CHECK(wait == ticket);
  cache.retire(ticket);
  CHECK(cache.match(count_up(0, 13)).wait == AKV_NONE);
  CHECK((cache.info(reader.sequence).wait == AKV_NONE && cache.info(writer).wait == AKV_NONE));
  cache.release(lease);
}

TEST_CASE("ticket: a wait is a watermark: it is over when its ticket has PASSED, not when it has ended") {
  Cache cache;
  const akv_ticket older = cache.open_ticket();
  const akv_sequence writer = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(writer, 8, ticket);
  cache.retire(ticket);
  CHECK(cache.ticket_state(ticket) == AKV_TICKET_ENDED);
  CHECK(cache.match(count_up(0, 9)).wait == ticket);
  cache.retire(older);
  CHECK(cache.match(count_up(0, 9)).wait == AKV_NONE);
}

// Found by tests/bytes: the wait of such a sequence named a ticket that was given up, and would never have PASSED.
TEST_CASE(
    "ticket: D6 what was written before a ticket does not wait for it: neither a fork in front of it, nor what a "
    "truncation leaves") {
  Cache cache;
  const akv_ticket older = cache.open_ticket();  // so that none that is newer is settled
  const akv_sequence whole = cache.create(count_up(0, 8)).sequence, cut = cache.create(count_up(100, 8)).sequence;
  cache.commit(whole, 4);
  cache.commit(cut, 4);
  const akv_ticket ticket = cache.open_ticket();
  cache.commit(whole, 8, ticket);
  cache.commit(cut, 8, ticket);
  const akv_sequence front = cache.fork(whole, 3), same = cache.fork(whole, 5);
  OK(akv_sequence_truncate(cache, cut, 4, 0));
  CHECK(cache.info(front).wait == AKV_NONE);
  CHECK(cache.info(cut).wait == AKV_NONE);
  CHECK((cache.info(same).wait == ticket && cache.info(whole).wait == ticket));
  CHECK(cache.give_up(ticket) == 2);
  CHECK((cache.info(front).sound_tokens == 3 && cache.info(front).wait == AKV_NONE));
  CHECK((cache.info(cut).sound_tokens == 4 && cache.info(cut).wait == AKV_NONE));
  for (const akv_sequence s : {front, cut}) {
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(cache, s, &plan));
    for (const akv_plan_record &record : cache.records(plan)) CHECK(record.wait == AKV_NONE);
    cache.finish(plan);
  }
  cache.retire(older);
}

TEST_CASE("ticket: commit under a retired one counts as 0; under others that are not open it changes nothing") {
  Cache cache([](akv_cache_config &c) { c.max_open_tickets = 4; });
  Cache foreign;
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_ticket forgotten = cache.open_ticket();
  cache.give_up(forgotten);
  CHECK(cache.ticket_state(forgotten) == AKV_TICKET_ABANDONED);
  for (int i = 0; i < 3; ++i) cache.retire(cache.open_ticket());
  CHECK(akv_sequence_commit(cache, s, 8, forgotten) == AKV_ERROR_CONTENT_LOST);
  CHECK(cache.ticket_state(forgotten) == AKV_TICKET_ABANDONED);
  const akv_ticket retired = cache.open_ticket();  // max_open_tickets newer ones: its end is forgotten
  cache.retire(retired);
  CHECK(akv_sequence_commit(cache, s, 8, forgotten) == AKV_ERROR_BAD_HANDLE);
  CHECK(cache.ticket_state(forgotten) == AKV_TICKET_PASSED);
  CHECK(akv_sequence_commit(cache, s, 8, foreign.open_ticket()) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_sequence_commit(cache, s, 8, retired + 1) == AKV_ERROR_BAD_HANDLE);
  CHECK((cache.info(s).committed == 0 && cache.info(s).sound_tokens == 8));
  cache.commit(s, 8, retired);
  CHECK((cache.info(s).committed == 8 && cache.match(count_up(0, 9)).wait == AKV_NONE));
}
