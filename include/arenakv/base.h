/* base.h: what every other header needs: cost classes, handle types and the few constants everybody uses.
 * It declares no function.
 *
 * The export macro *is* the cost class, so nothing can be exported unclassified:
 *
 *   class       may                                         may not
 *   AKV_SETUP   allocate, load drivers, synchronise         be needed on the hot path
 *   AKV_META    do bookkeeping                              touch a KV byte, call a device, do I/O,
 *                                                           wait for more than a short internal lock
 *   AKV_ORDER   record or poll a ticket: call the driver    block, touch a KV byte
 *   AKV_COPY    move KV bytes on a stream, all counted      block
 *   AKV_KERNEL  read KV bytes to compute                    move KV bytes, block
 *   AKV_WAIT    block, always with a deadline
 *
 * A stream parameter appears if and only if the class is ORDER, COPY, KERNEL or WAIT (but for making and ending a
 * stream). Functions that move KV bytes are declared in copy*.h and nowhere else.
 *
 * Structs that may grow start with `struct_size`: start from AKV_..._INIT, which sets it and zeroes the rest; zero
 * means default. A struct of an older header (shorter) has defaults in the fields it lacks, and as an output gets
 * only the bytes it has. A struct of a newer header (longer) is fine as long as the fields unknown here are zero; as
 * an output it gets zeroes there. Array elements that may grow are passed with their element size, under the same
 * rules. Structs called frozen never change. Fields named `unused` are zero.
 *
 * What every call may answer, "as every call" in the contracts:
 *   INVALID_ARGUMENT   a NULL that is not allowed, a struct_size that is 0, too small or over 4096, a value outside its
 *                      set
 *   UNSUPPORTED        a field or flag that this release does not know, an `unused` field that is not 0
 *   BAD_HANDLE         a handle that is stale or was never one; WRONG_TYPE if it is of another kind
 *   FORKED             the cache was made by the parent of this process
 */
#ifndef ARENAKV_BASE_H
#define ARENAKV_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define AKV_BEGIN_DECLS extern "C" {
#define AKV_END_DECLS }
#define AKV_NOEXCEPT noexcept
#else
#define AKV_BEGIN_DECLS
#define AKV_END_DECLS
#define AKV_NOEXCEPT
#endif

#if defined(__GNUC__)
#define AKV_API __attribute__((visibility("default")))
#define AKV_NODISCARD __attribute__((warn_unused_result))
#else
#define AKV_API
#define AKV_NODISCARD
#endif

#define AKV_SETUP AKV_API
#define AKV_META AKV_API
#define AKV_ORDER AKV_API
#define AKV_COPY AKV_API
#define AKV_KERNEL AKV_API
#define AKV_WAIT AKV_API

AKV_BEGIN_DECLS

/* What a call answers: 0 (AKV_OK) or negative. status.h lists the values. */
typedef int32_t akv_status;

/* A cache: an opaque pointer *type* that carries an encoded handle. It is never dereferenced, by you or by the
 * library, so a stale one is answered with AKV_ERROR_BAD_HANDLE and never with a crash. */
typedef struct akv_cache akv_cache;

/* The same for what belongs to no one cache: bytes, an order of work, a record of who took how much memory,
 * a policy of who has to leave, rows of tokens in full precision. */
typedef struct akv_store akv_store;
typedef struct akv_stream akv_stream;
typedef struct akv_tracker akv_tracker;
typedef struct akv_pager akv_pager;
typedef struct akv_tail akv_tail;

/* Things inside a cache are 64-bit values that carry their kind, their cache and a generation of 32 bits: 0 is
 * "none", a stale one or another cache's is BAD_HANDLE, one of another kind WRONG_TYPE. */
typedef uint64_t akv_sequence;
typedef uint64_t akv_plan;
typedef uint64_t akv_lease;
typedef uint64_t akv_pin;

/* The same inside a tail (two_tier.h). */
typedef uint64_t akv_tail_row;

/* A ticket is a number that grows with each one opened in its cache (ticket.h). 0 means "nothing to wait for". */
typedef uint64_t akv_ticket;

#define AKV_NONE UINT64_C(0)

/* For fields whose zero has a meaning of its own. */
#define AKV_UNSET UINT32_MAX

/* Token ids are int32. Negative ids are identities that the caller interns: an image, an embedding, one id per
 * position. Never a hash: an id means one thing for the life of the cache, or until its domain was cleared and no
 * live sequence holds it. This one value means "not known yet"; it never matches anything. */
#define AKV_TOKEN_UNKNOWN INT32_MIN

/* Block 0 is the null block: never handed out, there for table entries that point nowhere (vLLM's convention).
 * The blocks of a cache are 1 .. num_blocks, so a store has num_blocks + 1 columns. */
#define AKV_NULL_BLOCK 0

/* What a slot mapping holds where there is no token (vLLM's PAD_SLOT_ID). */
#define AKV_PAD_SLOT (-1)

/* Devices: where bytes live. 0 is the host's memory. */
#define AKV_DEVICE_HOST 0u

/* Hard limits, whatever the configuration. */
#define AKV_MAX_BLOCKS 0x7ffffffeu          /* blocks of a cache: ids are int32 */
#define AKV_MAX_SEQUENCES 0xfffffu         /* live sequences of a cache */
#define AKV_MAX_SEQUENCE_TOKENS 0x7fffffffu /* tokens of a sequence: positions are int32 */
#define AKV_MAX_BLOCK_TOKENS 4096u          /* tokens of a block */
#define AKV_MAX_CACHES 255u                 /* living caches of one process */
#define AKV_MAX_OBJECTS 255u                /* living stores of one process; and streams, page pools, trackers ... */

AKV_END_DECLS

#endif /* ARENAKV_BASE_H */
