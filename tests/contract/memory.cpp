// memory.cpp: the promises of memory.h.
// It knows the public API only.
#include "fixture.hpp"

using namespace akv::test;

namespace {

struct Tracker {
  explicit Tracker(std::uint32_t max_records = 0) {
    akv_tracker_config config = AKV_TRACKER_CONFIG_INIT;
    config.max_records = max_records;
    OK(akv_tracker_create(&config, &handle));
  }
  ~Tracker() { CHECK(akv_tracker_destroy(handle) == AKV_OK); }
  Tracker(const Tracker &) = delete;
  Tracker &operator=(const Tracker &) = delete;
  operator akv_tracker *() const { return handle; }

  akv_status record(const std::vector<akv_allocation> &rows, std::vector<akv_memory_record> &records) const {
    records = std::vector<akv_memory_record>(rows.size());
    return akv_tracker_record(handle, rows.data(), sizeof(akv_allocation), static_cast<std::uint32_t>(rows.size()),
                              records.data());
  }
  akv_memory_totals totals(std::uint32_t device = AKV_UNSET, std::uint32_t purpose = AKV_UNSET) const {
    akv_memory_totals t = AKV_MEMORY_TOTALS_INIT;
    OK(akv_tracker_read_totals(handle, device, purpose, &t));
    return t;
  }
  akv_tracker *handle = nullptr;
};

}  // namespace

TEST_CASE("memory: E4 allocations are recorded by device and purpose, several at once, with totals and peaks") {
  Tracker tracker;
  std::vector<akv_memory_record> records, more;
  OK(tracker.record({{0, AKV_PURPOSE_WEIGHTS, 1000}, {1, AKV_PURPOSE_WEIGHTS, 500}, {1, AKV_PURPOSE_KV_CACHE, 70}},
                    records));
  OK(tracker.record({{1, AKV_PURPOSE_ACTIVATIONS, 30}}, more));
  CHECK((tracker.totals().bytes == 1600 && tracker.totals().records == 4));
  CHECK((tracker.totals(1).bytes == 600 && tracker.totals(AKV_UNSET, AKV_PURPOSE_WEIGHTS).bytes == 1500));
  CHECK((tracker.totals(1, AKV_PURPOSE_KV_CACHE).bytes == 70 && tracker.totals(0, AKV_PURPOSE_SWAP).bytes == 0));
  OK(akv_tracker_forget(tracker, records.data(), 3));
  CHECK((tracker.totals().bytes == 30 && tracker.totals().peak_bytes == 1600 && tracker.totals().frees == 3));
  CHECK((tracker.totals(1).peak_bytes == 600 && tracker.totals(1, AKV_PURPOSE_WEIGHTS).allocations == 1));
  OK(akv_tracker_forget(tracker, more.data(), 1));
  CHECK((tracker.totals().bytes == 0 && tracker.totals().records == 0));
}

TEST_CASE("memory: E4 a free is checked: a second one, a forged one and another tracker's change no sum") {
  Tracker tracker, other;
  std::vector<akv_memory_record> records, foreign;
  OK(tracker.record({{0, AKV_PURPOSE_SWAP, 10}, {0, AKV_PURPOSE_OTHER, 20}}, records));
  OK(other.record({{0, AKV_PURPOSE_SWAP, 10}, {0, AKV_PURPOSE_SWAP, 10}}, foreign));
  const akv_memory_record twice[] = {records[0], records[1], records[0]};
  CHECK(akv_tracker_forget(tracker, twice, 3) == AKV_ERROR_BAD_HANDLE);
  CHECK(last_error().rfind("row 2 of the batch: ", 0) == 0);
  for (const akv_memory_record bad : {foreign[0], foreign[1], records[0] + 1000, ~std::uint64_t{0}})
    CHECK(akv_tracker_forget(tracker, &bad, 1) == AKV_ERROR_BAD_HANDLE);
  const akv_memory_record none = AKV_NONE;
  CHECK(akv_tracker_forget(tracker, &none, 1) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK((tracker.totals().bytes == 30 && tracker.totals().records == 2 && tracker.totals().frees == 0));
  OK(akv_tracker_forget(tracker, records.data(), 2));
  CHECK(akv_tracker_forget(tracker, records.data(), 1) == AKV_ERROR_BAD_HANDLE);
  OK(tracker.record({{0, AKV_PURPOSE_SWAP, 10}}, records));  // a place that was used before
  CHECK(akv_tracker_forget(tracker, twice, 1) == AKV_ERROR_BAD_HANDLE);
  CHECK(tracker.totals().bytes == 10);
}

TEST_CASE("memory: E4 a device's limit refuses what would exceed it, and says what is left") {
  Tracker tracker;
  OK(akv_tracker_set_limit(tracker, 2, 1000));
  std::vector<akv_memory_record> records;
  OK(tracker.record({{2, AKV_PURPOSE_WEIGHTS, 900}, {3, AKV_PURPOSE_WEIGHTS, 5000}}, records));
  CHECK(tracker.record({{2, AKV_PURPOSE_KV_CACHE, 60}, {2, AKV_PURPOSE_KV_CACHE, 60}}, records) ==
        AKV_ERROR_NO_CAPACITY);
  CHECK(last_error() == "row 1 of the batch: 60 bytes more are wanted on device 2: 40 of its limit of 1000 are left");
  CHECK((records[0] == AKV_NONE && tracker.totals(2).bytes == 900 && tracker.totals().refused == 1));
  CHECK(tracker.totals(2).limit_bytes == 1000);
  OK(akv_tracker_set_limit(tracker, 2, 100));  // below what is there: nothing more fits
  CHECK(tracker.record({{2, AKV_PURPOSE_OTHER, 1}}, records) == AKV_ERROR_NO_CAPACITY);
  OK(akv_tracker_set_limit(tracker, 2, 0));
  OK(tracker.record({{2, AKV_PURPOSE_OTHER, 100000}}, records));
}

TEST_CASE("memory: sizes that would overflow a sum, and values outside their set, are refused by row") {
  Tracker tracker(2);
  std::vector<akv_memory_record> records;
  CHECK(tracker.record({{0, AKV_PURPOSE_OTHER, UINT64_MAX}}, records) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(tracker.record({{0, AKV_PURPOSE_OTHER, 1ull << 56}, {0, AKV_PURPOSE_OTHER, 1}}, records) ==
        AKV_ERROR_NO_CAPACITY);
  CHECK(tracker.record({{64, AKV_PURPOSE_OTHER, 1}}, records) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(tracker.record({{0, 0, 1}}, records) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(tracker.record({{0, 7, 1}}, records) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_tracker_set_limit(tracker, 64, 1) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_tracker_set_limit(tracker, 0, UINT64_MAX) == AKV_ERROR_INVALID_ARGUMENT);
  akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
  CHECK(akv_tracker_read_totals(tracker, 64, AKV_UNSET, &totals) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_tracker_read_totals(tracker, 0, 7, &totals) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(tracker.record({{0, 1, 1}, {0, 1, 1}, {0, 1, 1}}, records) == AKV_ERROR_NO_OBJECTS);
  OK(tracker.record({{0, 1, 0}, {0, 1, 1}}, records));
  CHECK(tracker.totals().bytes == 1);
  akv_tracker_config config = AKV_TRACKER_CONFIG_INIT;
  config.max_records = 1u << 20;
  akv_tracker *made = nullptr;
  CHECK(akv_tracker_create(&config, &made) == AKV_ERROR_INVALID_ARGUMENT);
}
