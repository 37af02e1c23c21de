// memory_tracker.cpp: sums against a plain list of what is there.
// It knows mem/memory_tracker.hpp.
#include "mem/memory_tracker.hpp"

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
        const MemoryTracker::Sums sums = tracker.sums(device, purpose);
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
  CHECK((tracker.sums(1, AKV_UNSET).bytes == 60 && tracker.sums(1, AKV_UNSET).peak_bytes == 60));
  REQUIRE(record(tracker, {{1, 1, 20}, {1, 1, 20}}, more) == AKV_OK);
  CHECK(tracker.grow(records[0], 1) == AKV_ERROR_NO_CAPACITY);
  CHECK(tracker.grow(records[1], 1) == AKV_OK);
  CHECK(tracker.sums(0, 0).bytes == 1001);
  const std::uint64_t twice[] = {more[0], more[1], more[0]};
  CHECK(tracker.forget(twice, 3) == AKV_ERROR_BAD_HANDLE);
  CHECK(tracker.sums(1, 1).bytes == 40);
  CHECK(tracker.forget(twice, 2) == AKV_OK);
  CHECK(tracker.refused() == 2);
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
  const MemoryTracker::Sums all = tracker.sums(AKV_UNSET, AKV_UNSET);
  CHECK((all.bytes == 4 && all.records == 4 && all.allocations == 16000 && all.frees == 15996));
}
