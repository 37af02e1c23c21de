/* memory.h: a tracker: who has how much memory of which device, and for what.
 *
 * It counts what it is told and allocates nothing of it: an engine records its weights and activations; a page pool
 * or a store that was given a tracker records what it reserves (memory that you gave it is yours to record). Each
 * allocation is a record with an id, so that a free is checked: a second one, or one of something else, is refused and
 * changes no sum. A device may have a limit; what would exceed it is refused before anybody allocates.
 */
#ifndef ARENAKV_MEMORY_H
#define ARENAKV_MEMORY_H

#include "base.h"

AKV_BEGIN_DECLS

/* One allocation that a tracker knows of; 0 is none. */
typedef uint64_t akv_memory_record;

enum {
  AKV_PURPOSE_WEIGHTS = 1,
  AKV_PURPOSE_KV_CACHE = 2,
  AKV_PURPOSE_ACTIVATIONS = 3,
  AKV_PURPOSE_METADATA = 4,
  AKV_PURPOSE_SWAP = 5,
  AKV_PURPOSE_OTHER = 6
};

#define AKV_MAX_TRACKED_DEVICES 64u /* devices are numbered from 0, AKV_DEVICE_HOST, to 63 */

/* Zero means default. */
typedef struct akv_tracker_config {
  uint32_t struct_size;
  uint32_t max_records; /* allocations that may be recorded at once, up to 2^20 - 1; default 4096 */
} akv_tracker_config;

#define AKV_TRACKER_CONFIG_INIT {sizeof(akv_tracker_config), 0u}

/* Make a tracker. `config` may be NULL: all defaults.
 * SETUP    allocates address space for max_records.
 * Thread   any.
 * Fails    INVALID_ARGUMENT, UNSUPPORTED, OUT_OF_MEMORY, NO_OBJECTS.
 * Owns     release it with akv_tracker_destroy(). */
AKV_SETUP AKV_NODISCARD akv_status
akv_tracker_create(const akv_tracker_config *config, akv_tracker **out_tracker) AKV_NOEXCEPT;

/* Destroy it, with the records it still has. NULL is fine.
 * SETUP    O(1).
 * Thread   exclusive.
 * Fails    BAD_HANDLE, WRONG_TYPE, BUSY (a call is inside, or a page pool or a store records here: destroy
 *          that first).
 *          In a child of fork() it is AKV_OK. */
AKV_SETUP AKV_NODISCARD akv_status akv_tracker_destroy(akv_tracker *tracker) AKV_NOEXCEPT;

/* An allocation to record. Passed with an element size. */
typedef struct akv_allocation {
  uint32_t device;  /* AKV_DEVICE_HOST, or up to AKV_MAX_TRACKED_DEVICES - 1 */
  uint32_t purpose; /* AKV_PURPOSE_* */
  uint64_t bytes;   /* at most 2^56 on one device in all */
} akv_allocation;

/* Record `count` allocations, all or none: before you make them, so that a limit can refuse. `allocation_size` is
 * sizeof(akv_allocation).
 * META     O(count); one short lock.
 * Thread   any.
 * Fails    as every call, NO_CAPACITY (a device's limit: the message has what is left), NO_OBJECTS (max_records exist);
 *          the message names the row.
 * Owns     end each with akv_tracker_forget(). */
AKV_META AKV_NODISCARD akv_status
akv_tracker_record(akv_tracker *tracker, const akv_allocation *allocations, uint32_t allocation_size, uint32_t count,
                   akv_memory_record *out_records) AKV_NOEXCEPT;

/* They were freed: all or none, each once.
 * META     O(count); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (freed before, twice in the array, or another tracker's); the message names the
 *          row. */
AKV_META AKV_NODISCARD akv_status
akv_tracker_forget(akv_tracker *tracker, const akv_memory_record *records, uint32_t count) AKV_NOEXCEPT;

/* From now on at most `bytes` are recorded on this device, all purposes together; 0: no limit. What is there already
 * may be more.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_tracker_set_limit(akv_tracker *tracker, uint32_t device, uint64_t bytes) AKV_NOEXCEPT;

typedef struct akv_memory_totals {
  uint32_t struct_size;
  uint32_t records;     /* allocations that are there */
  uint64_t bytes;       /* and what they have */
  uint64_t peak_bytes;  /* the most that `bytes` ever was */
  uint64_t allocations; /* recorded so far */
  uint64_t frees;       /* of these, freed */
  uint64_t limit_bytes; /* of the device; 0: none, or all devices were asked for */
  uint64_t refused;     /* calls that a limit or max_records refused, on all devices */
} akv_memory_totals;

#define AKV_MEMORY_TOTALS_INIT {sizeof(akv_memory_totals), 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* The sums of one device and one purpose; AKV_UNSET stands for all of them.
 * META     O(1); one short lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_tracker_read_totals(akv_tracker *tracker, uint32_t device, uint32_t purpose,
                        akv_memory_totals *out_totals) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_MEMORY_H */
