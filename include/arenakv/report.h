/* report.h: the state as text, for people: a dump with a line per sequence, and a map with a character per block.
 * Made from what cache.h and state.h tell; it knows nothing else.
 */
#ifndef ARENAKV_REPORT_H
#define ARENAKV_REPORT_H

#include "base.h"

AKV_BEGIN_DECLS

/* Write configuration, state and one line per sequence as text. Writes at most `capacity` bytes, terminator
 * included; `out_length` (may be NULL) is the length of the whole text without it.
 * SETUP    O(blocks + sequences); allocates for the time of the call.
 * Thread   any; no other call may be inside a sequence of this cache.
 * Fails    as every call, BUFFER_TOO_SMALL (as much as fits was written, out_length too), OUT_OF_MEMORY, BUSY. */
AKV_SETUP AKV_NODISCARD akv_status
akv_report_dump(akv_cache *cache, char *buffer, uint64_t capacity, uint64_t *out_length) AKV_NOEXCEPT;

/* Write a map of all blocks, `columns` characters a line (0: 64), with a legend:
 * '.' free  ',' dirty  'r' reserved  '#' live  'P' pinned  'c' cached  'q' quarantined  '0' the null block.
 * SETUP    O(blocks); allocates for the time of the call.
 * Thread   any; no other call may be inside a sequence of this cache.
 * Fails    as every call, BUFFER_TOO_SMALL (as much as fits was written, out_length too), OUT_OF_MEMORY, BUSY. */
AKV_SETUP AKV_NODISCARD akv_status
akv_report_block_map(akv_cache *cache, uint32_t columns, char *buffer, uint64_t capacity,
                     uint64_t *out_length) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_REPORT_H */
