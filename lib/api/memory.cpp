// memory.cpp: thunks of memory.h.
#include "api/thunk.hpp"
#include "arenakv/memory.h"
#include "base/object_table.hpp"
#include "mem/memory_tracker.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kTrackerConfigV1 = 8;
constexpr std::uint32_t kAllocationV1 = 16;
static_assert(sizeof(akv_tracker_config) == kTrackerConfigV1 && sizeof(akv_allocation) == kAllocationV1);

Status check_device(std::uint32_t device) noexcept {
  if (device < MemoryTracker::kDevices) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "device %llu, devices are 0 to %llu", device, MemoryTracker::kDevices - 1);
}

Status check_purpose(std::uint32_t purpose) noexcept {
  if (purpose >= AKV_PURPOSE_WEIGHTS && purpose <= AKV_PURPOSE_OTHER) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "purpose %llu, purposes are %llu to %llu", purpose, AKV_PURPOSE_WEIGHTS,
              AKV_PURPOSE_OTHER);
}

Status check_bytes(std::uint64_t bytes) noexcept {
  if (bytes <= MemoryTracker::kMostBytes) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "%llu bytes, at most %llu on one device", bytes, MemoryTracker::kMostBytes);
}

// The rows as the caller has them, each of `size` bytes.
struct AllocationRows {
  const unsigned char *from;
  std::uint32_t size;

  Status check(std::uint32_t row) const noexcept {
    akv_allocation a;
    AKV_TRY(read_element(from + std::size_t{row} * size, size, a));
    AKV_TRY(check_device(a.device));
    AKV_TRY(check_purpose(a.purpose));
    return check_bytes(a.bytes);
  }
  MemoryTracker::Allocation operator()(std::uint32_t row) const noexcept {
    akv_allocation a;
    std::memcpy(&a, from + std::size_t{row} * size, sizeof a);
    return {a.device, a.purpose - 1, a.bytes};
  }
};

}  // namespace

extern "C" {

akv_status akv_tracker_create(const akv_tracker_config *config, akv_tracker **out_tracker) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_tracker, "out_tracker"));
  akv_tracker_config wanted = AKV_TRACKER_CONFIG_INIT;
  if (config != nullptr) AKV_TRY(read_struct(config, wanted, kTrackerConfigV1));
  if (wanted.max_records == 0) wanted.max_records = 4096;
  if (wanted.max_records > MemoryTracker::kMaxRecords)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_records is %llu, at most %llu", wanted.max_records,
                MemoryTracker::kMaxRecords);
  std::unique_ptr<MemoryTracker> tracker(new (std::nothrow) MemoryTracker);
  if (tracker == nullptr) return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for a tracker");
  AKV_TRY(tracker->allocate(wanted.max_records));
  return Trackers::create(std::move(tracker), *out_tracker);
}

akv_status akv_tracker_destroy(akv_tracker *tracker) noexcept {
  const KeepErrno keep;
  return Trackers::destroy(tracker);
}

akv_status akv_tracker_record(akv_tracker *tracker, const akv_allocation *allocations, uint32_t allocation_size,
                              uint32_t count, akv_memory_record *out_records) noexcept {
  AKV_TRY(check_array(allocations, count, "allocations"));
  AKV_TRY(check_array(out_records, count, "out_records"));
  AKV_TRY(check_element_size("allocation_size", allocation_size, kAllocationV1));
  Trackers::Ref ref;
  AKV_TRY(Trackers::find(tracker, ref));
  const AllocationRows rows{reinterpret_cast<const unsigned char *>(allocations), allocation_size};
  for (std::uint32_t i = 0; i < count; ++i) {
    const Status status = rows.check(i);
    if (status == AKV_OK) continue;
    name_row(i);
    return status;
  }
  return ref->record(count, rows,
                     [out_records](std::uint32_t row, std::uint64_t record) { out_records[row] = record; });
}

akv_status akv_tracker_forget(akv_tracker *tracker, const akv_memory_record *records, uint32_t count) noexcept {
  AKV_TRY(check_array(records, count, "records"));
  Trackers::Ref ref;
  AKV_TRY(Trackers::find(tracker, ref));
  return ref->forget(records, count);
}

akv_status akv_tracker_set_limit(akv_tracker *tracker, uint32_t device, uint64_t bytes) noexcept {
  AKV_TRY(check_device(device));
  AKV_TRY(check_bytes(bytes));
  Trackers::Ref ref;
  AKV_TRY(Trackers::find(tracker, ref));
  ref->set_limit(device, bytes);
  return AKV_OK;
}

akv_status akv_tracker_read_totals(akv_tracker *tracker, uint32_t device, uint32_t purpose,
                                   akv_memory_totals *out_totals) noexcept {
  AKV_TRY(check_output(out_totals, kOutputV1));
  if (device != AKV_UNSET) AKV_TRY(check_device(device));
  if (purpose != AKV_UNSET) AKV_TRY(check_purpose(purpose));
  Trackers::Ref ref;
  AKV_TRY(Trackers::find(tracker, ref));
  const MemoryTracker::Totals all = ref->totals(device, purpose == AKV_UNSET ? AKV_UNSET : purpose - 1);
  akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
  totals.records = static_cast<std::uint32_t>(all.records);
  totals.bytes = all.bytes;
  totals.peak_bytes = all.peak_bytes;
  totals.allocations = all.allocations;
  totals.frees = all.frees;
  totals.limit_bytes = all.limit;
  totals.refused = all.refused;
  write_struct(totals, out_totals);
  return AKV_OK;
}

}  // extern "C"
