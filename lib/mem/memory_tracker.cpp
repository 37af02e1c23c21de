// memory_tracker.cpp: records that end once, and sums by device and purpose.
// It knows numbers that it is told; it allocates and frees nothing of what it counts.
#include "mem/memory_tracker.hpp"

#include "base/process.hpp"

#include <algorithm>
#include <mutex>

namespace akv {
namespace {

// generation 32 (of all trackers: not given twice in four billion) | index 20
constexpr std::uint32_t kIndexBits = 20;
std::uint64_t encode(std::uint32_t generation, std::uint32_t index) {
  return std::uint64_t{generation} << kIndexBits | index;
}
std::uint32_t index_of(std::uint64_t record) { return static_cast<std::uint32_t>(record & ((1u << kIndexBits) - 1)); }

}  // namespace

constinit std::atomic<std::uint32_t> MemoryTracker::generations_{0};

Status MemoryTracker::allocate(std::uint32_t max_records) noexcept {
  // Each copy of the library begins at a number of its own.
  static const std::uint32_t first = generations_.fetch_add(static_cast<std::uint32_t>(random_number()));
  static_cast<void>(first);
  Slab<Record>::plan(memory_, max_records);
  if (memory_.commit(nullptr, false) != AKV_OK)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for a tracker of %llu records", max_records);
  records_.take_memory(memory_, max_records);
  return AKV_OK;
}

Status MemoryTracker::check_room_locked(std::uint32_t records) noexcept {
  const std::uint32_t left = records_.capacity() - records_.taken() - claimed_records_;
  if (records <= left) return AKV_OK;
  ++refused_;
  return fail_with(AKV_ERROR_NO_OBJECTS, records, left,
                   "%llu more records are wanted, the tracker has room for %llu of %llu (max_records)", records, left,
                   records_.capacity());
}

Status MemoryTracker::check_limit_locked(std::uint32_t device, std::uint64_t bytes) noexcept {
  const Device &d = devices_[device];
  const std::uint64_t most = d.limit != 0 ? d.limit : kMostBytes, taken = d.all.bytes + d.claimed;
  const std::uint64_t left = most > taken ? most - taken : 0;
  if (bytes <= left) return AKV_OK;
  ++refused_;
  return fail_with(AKV_ERROR_NO_CAPACITY, bytes, left,
                   "%llu bytes more are wanted on device %llu: %llu of its limit of %llu are left", bytes, device, left,
                   most);
}

void MemoryTracker::add(Sums &sums, std::uint64_t bytes) noexcept {
  sums.bytes += bytes;
  sums.peak_bytes = std::max(sums.peak_bytes, sums.bytes);
}
void MemoryTracker::remove(Sums &sums, std::uint64_t bytes) noexcept {
  sums.bytes -= bytes;
  --sums.records;
  ++sums.frees;
}

void MemoryTracker::add_locked(const Allocation &a) noexcept {
  for (Sums *sums : {&devices_[a.device].purposes[a.purpose], &devices_[a.device].all, &purposes_[a.purpose], &all_})
    add(*sums, a.bytes);
}

std::uint64_t MemoryTracker::place_locked(const Allocation &a) noexcept {
  add_locked(a);
  for (Sums *sums : {&devices_[a.device].purposes[a.purpose], &devices_[a.device].all, &purposes_[a.purpose], &all_}) {
    ++sums->records;
    ++sums->allocations;
  }
  const std::uint32_t index = records_.take();
  std::uint32_t generation = generations_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (generation == 0) generation = 1;
  records_[index] = {a.bytes, generation, static_cast<std::uint16_t>(a.device), static_cast<std::uint8_t>(a.purpose),
                     1};
  return encode(generation, index);
}

bool MemoryTracker::living_locked(std::uint64_t record) const noexcept {
  const std::uint32_t index = index_of(record);
  return index != 0 && index <= records_.touched() && records_[index].lives != 0 &&
         encode(records_[index].generation, index) == record;
}

void MemoryTracker::remove_locked(std::uint32_t index) noexcept {
  Record &r = records_[index];
  r.lives = 0;
  Device &d = devices_[r.device];
  for (Sums *sums : {&d.purposes[r.purpose], &d.all, &purposes_[r.purpose], &all_}) remove(*sums, r.bytes);
  records_.give_back(index);
}

// Marked first, so that a record which stands in two rows is found.
Status MemoryTracker::forget(const std::uint64_t *records, std::uint32_t count) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (living_locked(records[i])) {
      records_[index_of(records[i])].lives = 0;
      continue;
    }
    const Status status =
        records[i] == 0
            ? fail(AKV_ERROR_INVALID_ARGUMENT, "the record is 0")
            : fail(AKV_ERROR_BAD_HANDLE, "record 0x%llx was freed before, or is not one of this tracker", records[i]);
    name_row(i);
    while (i-- > 0) records_[index_of(records[i])].lives = 1;
    return status;
  }
  for (std::uint32_t i = 0; i < count; ++i) remove_locked(index_of(records[i]));
  return AKV_OK;
}

Status MemoryTracker::claim(const Allocation &a, bool new_record) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  const std::uint32_t records = new_record ? 1 : 0;
  AKV_TRY(check_room_locked(records));
  AKV_TRY(check_limit_locked(a.device, a.bytes));
  devices_[a.device].claimed += a.bytes;
  claimed_records_ += records;
  return AKV_OK;
}

void MemoryTracker::settle(const Allocation &a, bool is_there, std::uint64_t &record) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  devices_[a.device].claimed -= a.bytes;
  if (record == 0) --claimed_records_;
  if (!is_there) return;
  if (record == 0) {
    record = place_locked(a);
  } else if (living_locked(record)) {  // or somebody has guessed its number and freed it
    records_[index_of(record)].bytes += a.bytes;
    add_locked(a);
  }
}

void MemoryTracker::set_limit(std::uint32_t device, std::uint64_t bytes) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  devices_[device].limit = bytes;
}

MemoryTracker::Totals MemoryTracker::totals(std::uint32_t device, std::uint32_t purpose) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  const bool all_purposes = purpose == AKV_UNSET;
  if (device == AKV_UNSET) return {all_purposes ? all_ : purposes_[purpose], 0, refused_};
  const Device &d = devices_[device];
  return {all_purposes ? d.all : d.purposes[purpose], d.limit, refused_};
}

}  // namespace akv
