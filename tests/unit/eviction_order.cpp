// eviction_order.cpp: the heap of runs by time of last use, against a sorted search.
// It knows meta/prefix/eviction_order.hpp only.
#include "meta/prefix/eviction_order.hpp"

#include <map>
#include <random>

#include "unit/memory.hpp"

using namespace akv;

TEST_CASE("eviction_order: the oldest is always first, whatever was added and removed between") {
  test::WithMemory<EvictionOrder, int> with(500);
  std::map<std::uint64_t, std::uint32_t> by_stamp;
  std::map<std::uint32_t, std::uint64_t> by_run;
  std::mt19937 random(3);
  std::uint64_t clock = 1;
  for (int step = 0; step < 50000; ++step) {
    const std::uint32_t run = 1 + static_cast<std::uint32_t>(random() % 500);
    if (const auto at = by_run.find(run); at != by_run.end()) {
      CHECK(with.thing.contains(run));
      with.thing.remove(run);
      by_stamp.erase(at->second);
      by_run.erase(at);
    } else {
      // Mostly the newest; a parent that becomes a leaf comes with an old stamp.
      std::uint64_t stamp = random() % 4 != 0 ? clock + 1000000 : random() % (clock + 1000000);
      while (by_stamp.count(stamp) != 0) ++stamp;
      with.thing.add(run, stamp);
      by_stamp[stamp] = run;
      by_run[run] = stamp;
    }
    ++clock;
    REQUIRE(with.thing.size() == by_run.size());
    REQUIRE(with.thing.empty() == by_run.empty());
    if (!by_run.empty()) REQUIRE(with.thing.oldest() == by_stamp.begin()->second);
  }
}
