// order.cpp: tickets, quarantine and counts by epoch.
// It knows order/ only.
#include <random>
#include <set>
#include <vector>

#include "mem/id_stack.hpp"
#include "order/quarantine.hpp"
#include "order/tickets.hpp"
#include "unit/memory.hpp"

using namespace akv;

TEST_CASE("tickets: a number is settled when every ticket opened up to it has ended, in whatever order") {
  test::WithMemory<Tickets, int> with(8);
  Tickets &tickets = with.thing;
  CHECK(tickets.settled(0));
  std::set<std::uint64_t> open;
  std::mt19937 random(1);
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0 && tickets.can_issue()) {
      open.insert(tickets.issue());
    } else if (!open.empty()) {
      const auto at = std::next(open.begin(), static_cast<std::ptrdiff_t>(random() % open.size()));
      REQUIRE(tickets.open(*at));
      tickets.end(*at);
      REQUIRE(!tickets.open(*at));
      open.erase(at);
    }
    const std::uint64_t oldest = open.empty() ? tickets.newest() + 1 : *open.begin();
    REQUIRE(tickets.oldest_open() == oldest);
    REQUIRE(tickets.num_open() == open.size());
    REQUIRE(tickets.can_issue() == (tickets.newest() + 1 - oldest < 8));
    for (std::uint64_t number = tickets.newest() > 12 ? tickets.newest() - 12 : 0; number <= tickets.newest(); ++number)
      REQUIRE(tickets.settled(number) == (number < oldest));
  }
}

TEST_CASE("quarantine: blocks come back when their epoch is released, and not before") {
  test::WithMemory<Quarantine, int> with(4);
  test::WithMemory<IdLists, int> lists(100);
  Reservation memory;
  IdStack::plan(memory, 100);
  REQUIRE(memory.commit(nullptr, false) == AKV_OK);
  IdStack stack(memory, 100);
  std::vector<std::int32_t> ids(100);
  stack.take(100, ids.data());
  with.thing.add(lists.thing, 1, ids.data(), 40);
  with.thing.add(lists.thing, 2, ids.data() + 40, 10);
  with.thing.add(lists.thing, 3, ids.data() + 50, 50);
  CHECK(with.thing.count() == 100);
  with.thing.release(lists.thing, 1, 3, stack);
  CHECK(with.thing.count() == 50);
  CHECK(stack.free() == 50);
  with.thing.add(lists.thing, 5, ids.data(), 1);  // epoch 5 uses the place of epoch 1
  with.thing.release(lists.thing, 3, 4, stack);
  CHECK(with.thing.count() == 1);
  with.thing.release(lists.thing, 4, 6, stack);
  CHECK(with.thing.count() == 0);
  CHECK(lists.thing.chunks_taken() == 0);
}

TEST_CASE("epoch counts: what was added under an epoch is subtracted when it settles") {
  test::WithMemory<EpochCounts, int> with(4);
  with.thing.add(5, 10);
  with.thing.add(6, 20);
  with.thing.add(5, 1);
  with.thing.remove(6, 5);
  CHECK(with.thing.total() == 26);
  with.thing.settle(5, 6);
  CHECK(with.thing.total() == 15);
  with.thing.settle(6, 9);
  CHECK(with.thing.total() == 0);
}
