// memory_tracker.hpp: who has how much memory of which device and for what: records, sums, peaks, limits.
// It knows numbers that it is told; it allocates and frees nothing of what it counts.
#pragma once

#include "arenakv/memory.h"
#include "base/mutex.hpp"
#include "base/object_table.hpp"
#include "mem/reservation.hpp"
#include "mem/slab.hpp"

#include <cstdint>
#include <mutex>

namespace akv {

class MemoryTracker {
 public:
  static constexpr ObjectType kType = ObjectType::tracker;
  static constexpr const char *kName = "tracker";
  static constexpr std::uint32_t kPurposes = 6;
  static constexpr std::uint32_t kDevices = 64;
  static constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 56;  // of a device, so that no sum overflows
  static constexpr std::uint32_t kMaxRecords = (1u << 20) - 1;

  struct Allocation {
    std::uint32_t device, purpose;
    std::uint64_t bytes;
  };
  struct Sums {
    std::uint64_t bytes = 0, peak_bytes = 0, records = 0, allocations = 0, frees = 0;
  };
  struct Totals : Sums {
    std::uint64_t limit = 0;    // of the device; 0: none
    std::uint64_t refused = 0;  // calls, on all devices
  };

  [[nodiscard]] Status allocate(std::uint32_t max_records) noexcept;

  // All or none. `read(i)` gives the allocation of row i, which was checked; `write(i, record)` takes its number.
  template <class Read, class Write>
  Status record(std::uint32_t count, Read read, Write write) noexcept;
  // All or none; each record once.
  Status forget(const std::uint64_t *records, std::uint32_t count) noexcept;
  // Memory is going to be asked for, which may take a while, and may fail: until settle() it counts against the limit,
  // and is in no sum and no peak. `new_record`: it will have a record of its own.
  Status claim(const Allocation &allocation, bool new_record) noexcept;
  // It is there, and belongs to `record`, or to a new one where that is 0; or it is not, and was never recorded.
  void settle(const Allocation &allocation, bool is_there, std::uint64_t &record) noexcept;

  void set_limit(std::uint32_t device, std::uint64_t bytes) noexcept;  // 0: none
  // AKV_UNSET for a device or a purpose: all of them.
  Totals totals(std::uint32_t device, std::uint32_t purpose) noexcept;
  std::uint32_t max_records() const noexcept { return records_.capacity(); }

 private:
  struct Record {
    std::uint64_t bytes;
    std::uint32_t generation;
    std::uint16_t device;
    std::uint8_t purpose;
    std::uint8_t lives;
  };
  struct Device {
    Sums purposes[kPurposes];
    Sums all;
    std::uint64_t limit = 0, claimed = 0;
  };

  Status check_room_locked(std::uint32_t records) noexcept;
  Status check_limit_locked(std::uint32_t device, std::uint64_t bytes) noexcept;
  void add_locked(const Allocation &allocation) noexcept;
  std::uint64_t place_locked(const Allocation &allocation) noexcept;
  void remove_locked(std::uint32_t index) noexcept;
  bool living_locked(std::uint64_t record) const noexcept;
  static void add(Sums &sums, std::uint64_t bytes) noexcept;
  static void remove(Sums &sums, std::uint64_t bytes) noexcept;

  Mutex mutex_;
  Reservation memory_;
  Slab<Record> records_;
  Device devices_[kDevices];
  Sums purposes_[kPurposes];  // over all devices: their peaks are not the sums of peaks
  Sums all_;
  std::uint64_t refused_ = 0;
  std::uint32_t claimed_records_ = 0;
  static std::atomic<std::uint32_t> generations_;
};

template <class Read, class Write>
Status MemoryTracker::record(std::uint32_t count, Read read, Write write) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  AKV_TRY(check_room_locked(count));
  // Rows of one device count together.
  Status status = AKV_OK;
  std::uint32_t good = 0;
  for (; good < count; ++good) {
    const Allocation row = read(good);
    if (status = check_limit_locked(row.device, row.bytes); status != AKV_OK) break;
    devices_[row.device].claimed += row.bytes;
  }
  for (std::uint32_t i = 0; i < good; ++i) devices_[read(i).device].claimed -= read(i).bytes;
  if (status != AKV_OK) {
    name_row(good);
    return status;
  }
  for (std::uint32_t i = 0; i < count; ++i) write(i, place_locked(read(i)));
  return AKV_OK;
}

using Trackers = ObjectTable<MemoryTracker, akv_tracker>;

}  // namespace akv
