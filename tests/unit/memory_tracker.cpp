// memory_tracker.cpp: sums against a plain list of what is there.
// It knows mem/memory_tracker.hpp.
#include "mem/memory_tracker.hpp"

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "catch.hpp"

using namespace akv;

namespace {

using Allocation = MemoryTracker::Allocation;

Status record(MemoryTracker &tracker, const std::vector<Allocation> &rows, std::vector<std::uint64_t> &records) {
  records.assign(rows.size(), 0);
  return tracker.record(
      static_cast<std::uint32_t>(rows.size()), [&](std::uint32_t i) { return rows[i]; },
      [&](std::uint32_t i, std::uint64_t one) { records[i] = one; });
}

}  // namespace

TEST_CASE("tracker: E4 sums by device and purpose are those of what is there; peaks are the most there ever was") {
  MemoryTracker tracker;
  REQUIRE(tracker.allocate(64) == AKV_OK);
  std::map<std::uint64_t, Allocation> there;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> peaks;
  std::mt19937 random(1);
  const auto sum = [&](std::uint32_t device, std::uint32_t purpose) {
    std::uint64_t bytes = 0;
    for (const auto &[id, a] : there)
      if ((device == AKV_UNSET || a.device == device) && (purpose == AKV_UNSET || a.purpose == purpose))
        bytes += a.bytes;
    return bytes;
  };
  for (int step = 0; step < 3000; ++step) {
    std::vector<std::uint64_t> records;
    if (random() % 2 == 0) {
      std::vector<Allocation> rows(random() % 4);
      for (Allocation &row : rows)
        row = {static_cast<std::uint32_t>(random() % 3), static_cast<std::uint32_t>(random() % 6), random() % 1000};
      const bool room = there.size() + rows.size() <= 64;
      REQUIRE((record(tracker, rows, records) == AKV_OK) == room);
      for (std::size_t i = 0; room && i < rows.size(); ++i) REQUIRE(there.emplace(records[i], rows[i]).second);
    } else if (!there.empty()) {
      const auto at = std::next(there.begin(), static_cast<std::ptrdiff_t>(random() % there.size()));
      REQUIRE(tracker.forget(&at->first, 1) == AKV_OK);
      REQUIRE(tracker.forget(&at->first, 1) == AKV_ERROR_BAD_HANDLE);
      there.erase(at);
    }
    for (const std::uint32_t device : {0u, 1u, 2u, AKV_UNSET})
      for (const std::uint32_t purpose : {0u, 3u, 5u, AKV_UNSET}) {
        const MemoryTracker::Totals sums = tracker.totals(device, purpose);
        std::uint64_t &peak = peaks[{device, purpose}];
        peak = std::max(peak, sum(device, purpose));
        REQUIRE(sums.bytes == sum(device, purpose));
        // (Rows of one call are added one after the other, so that a peak never falls between two of them.)
        REQUIRE(sums.peak_bytes == peak);
        REQUIRE(sums.allocations - sums.frees == sums.records);
      }
  }
}

TEST_CASE("tracker: E4 a limit counts all rows of a call together, and a refused call leaves nothing") {
  MemoryTracker tracker;
  REQUIRE(tracker.allocate(8) == AKV_OK);
  tracker.set_limit(1, 100);
  std::vector<std::uint64_t> records, more;
  REQUIRE(record(tracker, {{1, 0, 60}, {0, 0, 1000}}, records) == AKV_OK);
  CHECK(record(tracker, {{1, 1, 20}, {1, 1, 21}}, more) == AKV_ERROR_NO_CAPACITY);
  CHECK((tracker.totals(1, AKV_UNSET).bytes == 60 && tracker.totals(1, AKV_UNSET).peak_bytes == 60));
  REQUIRE(record(tracker, {{1, 1, 20}, {1, 1, 20}}, more) == AKV_OK);
  CHECK(tracker.claim({1, 0, 1}, false) == AKV_ERROR_NO_CAPACITY);
  REQUIRE(tracker.claim({0, 0, 1}, false) == AKV_OK);
  tracker.settle({0, 0, 1}, true, records[1]);
  CHECK(tracker.totals(0, 0).bytes == 1001);
  const std::uint64_t twice[] = {more[0], more[1], more[0]};
  CHECK(tracker.forget(twice, 3) == AKV_ERROR_BAD_HANDLE);
  CHECK(tracker.totals(1, 1).bytes == 40);
  CHECK(tracker.forget(twice, 2) == AKV_OK);
  CHECK(tracker.totals(AKV_UNSET, AKV_UNSET).refused == 2);
}

TEST_CASE("tracker: E4 memory that is asked for counts against the limit, and in sums and peaks when it is there") {
  MemoryTracker tracker;
  REQUIRE(tracker.allocate(2) == AKV_OK);
  tracker.set_limit(0, 100);
  const auto bytes = [&] { return tracker.totals(AKV_UNSET, AKV_UNSET); };
  std::uint64_t pool = 0;
  std::vector<std::uint64_t> records;
  REQUIRE(tracker.claim({0, 1, 60}, true) == AKV_OK);
  CHECK((bytes().bytes == 0 && bytes().peak_bytes == 0 && bytes().records == 0 && bytes().allocations == 0));
  CHECK(record(tracker, {{0, 1, 41}}, records) == AKV_ERROR_NO_CAPACITY);
  CHECK(record(tracker, {{1, 1, 1}, {1, 1, 1}}, records) == AKV_ERROR_NO_OBJECTS);  // it will have one of the two
  tracker.settle({0, 1, 60}, false, pool);
  CHECK((bytes().bytes == 0 && bytes().peak_bytes == 0 && bytes().frees == 0 && pool == 0));
  REQUIRE(record(tracker, {{0, 1, 100}, {1, 1, 1}}, records) == AKV_OK);
  REQUIRE(tracker.forget(records.data(), 2) == AKV_OK);
  REQUIRE(tracker.claim({0, 1, 60}, true) == AKV_OK);
  tracker.settle({0, 1, 60}, true, pool);
  CHECK((bytes().bytes == 60 && bytes().records == 1));
  REQUIRE(tracker.claim({0, 1, 40}, false) == AKV_OK);
  tracker.settle({0, 1, 40}, false, pool);
  CHECK((bytes().bytes == 60 && tracker.totals(0, 1).peak_bytes == 100));
  REQUIRE(tracker.claim({0, 1, 30}, false) == AKV_OK);
  tracker.settle({0, 1, 30}, true, pool);
  CHECK((bytes().bytes == 90 && bytes().records == 1 && bytes().allocations == 3));
  REQUIRE(tracker.claim({0, 1, 10}, false) == AKV_OK);
  REQUIRE(tracker.forget(&pool, 1) == AKV_OK);
  tracker.settle({0, 1, 10}, true, pool);  // its record is gone
  CHECK((bytes().bytes == 0 && bytes().records == 0));
  CHECK(record(tracker, {{0, 1, 100}, {0, 1, 0}}, records) == AKV_OK);  // and nothing is left over
}

// A record is there only while the limit is high: whoever reads one and the other at different moments sees it.
TEST_CASE("tracker: E4 all totals that are read together are of one moment") {
  MemoryTracker tracker;
  REQUIRE(tracker.allocate(8) == AKV_OK);
  std::atomic<bool> stop{false};
  std::atomic<std::uint32_t> rounds{0};
  std::thread writer([&] {
    std::vector<std::uint64_t> records;
    for (; !stop; ++rounds) {
      tracker.set_limit(0, 100);
      if (record(tracker, {{0, 1, 50}}, records) != AKV_OK || tracker.forget(records.data(), 1) != AKV_OK) std::abort();
      tracker.set_limit(0, 10);
    }
  });
  std::uint64_t torn = 0;
  for (int i = 0; i < 200000 || rounds < 20000; ++i) {
    const MemoryTracker::Totals all = tracker.totals(0, AKV_UNSET);
    torn += all.bytes > all.limit && all.limit != 0;
  }
  stop = true;
  writer.join();
  CHECK(torn == 0);
}

TEST_CASE("tracker: E4 many threads record and free, and every sum ends at what is left") {
  MemoryTracker tracker;
  REQUIRE(tracker.allocate(1000) == AKV_OK);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i)
    threads.emplace_back([&tracker, i] {
      std::vector<std::uint64_t> records;
      for (int round = 0; round < 2000; ++round) {
        if (record(tracker, {{i % 2, i, 10}, {i % 2, 5, 1}}, records) != AKV_OK) std::abort();
        if (tracker.forget(records.data(), round == 1999 ? 1 : 2) != AKV_OK) std::abort();
      }
    });
  for (std::thread &thread : threads) thread.join();
  const MemoryTracker::Totals all = tracker.totals(AKV_UNSET, AKV_UNSET);
  CHECK((all.bytes == 4 && all.records == 4 && all.allocations == 16000 && all.frees == 15996));
}
