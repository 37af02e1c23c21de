/* stream.h: an order of work on a device: what is queued first is done first.
 *
 * A stream of the host does its work in threads of its own, or, without any (the default), inside the call that queues
 * it: such work counts as queued when it is done, and calls of several threads have no order among each other. Nothing
 * runs in the background unless it was asked for here. What a thread wrote before it queued work, the work sees; what
 * the work wrote, whoever waits for its point or finds it passed.
 *
 * A *point* is a place in that order: "everything queued so far". Points can be polled, waited for with a deadline,
 * followed by another stream, and tied to tickets (ticket.h): akv_stream_poll() retires a ticket once the stream has
 * passed the point it was recorded at. An akv_stream * may be NULL in COPY calls: the work is then done inside the
 * call.
 */
#ifndef ARENAKV_STREAM_H
#define ARENAKV_STREAM_H

#include "base.h"

AKV_BEGIN_DECLS

/* Zero means default. */
typedef struct akv_stream_config {
  uint32_t struct_size;
  uint32_t flags;       /* none yet: 0 */
  uint32_t device;      /* AKV_DEVICE_HOST */
  uint32_t num_workers; /* threads that do the work, 0 to 64; 0: it is done inside the calls. One piece of work is
                         * shared out among all of them, the next one starts when it is finished */
  uint32_t queue_items; /* pieces of work that may be queued, the one being done included, and as many tickets and
                         * plans that wait for akv_stream_poll(); up to 65536, default 1024 */
  uint32_t unused;      /* 0 */
  uint64_t queue_bytes; /* room for the work's arguments (block ids, slots, records), 4096 to 2^32; default 4 MiB */
} akv_stream_config;

#define AKV_STREAM_CONFIG_INIT {sizeof(akv_stream_config), 0u, 0u, 0u, 0u, 0u, 0u}

/* Make a stream. `config` may be NULL: the host, no workers. Workers block all signals but those of faults.
 * SETUP    allocates, starts the workers.
 * Thread   any.
 * Fails    as every call, UNSUPPORTED (another device), OUT_OF_MEMORY (for threads, too), NO_OBJECTS.
 * Owns     end it with akv_stream_destroy(). */
AKV_SETUP AKV_NODISCARD akv_status
akv_stream_create(const akv_stream_config *config, akv_stream **out_stream) AKV_NOEXCEPT;

/* End a stream whose work is done; its workers have ended when this returns. NULL is fine.
 * SETUP    O(workers).
 * Thread   exclusive: a call that is inside it makes it BUSY.
 * Fails    BAD_HANDLE, BUSY (work is queued, or tickets wait for akv_stream_poll(): nothing has changed). In a child of
 *          fork() it is AKV_OK. */
AKV_SETUP AKV_NODISCARD akv_status akv_stream_destroy(akv_stream *stream) AKV_NOEXCEPT;

/* The point behind everything queued so far. Points of a stream only grow; 0 was passed before the first work.
 * ORDER    O(1).
 * Thread   any.
 * Fails    as every call. */
AKV_ORDER AKV_NODISCARD akv_status akv_stream_record(akv_stream *stream, uint64_t *out_point) AKV_NOEXCEPT;

/* Has the stream passed a point? `out_passed` becomes 1 or 0.
 * ORDER    O(1).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (a point that was never recorded). */
AKV_ORDER AKV_NODISCARD akv_status
akv_stream_read(akv_stream *stream, uint64_t point, uint32_t *out_passed) AKV_NOEXCEPT;

/* What is queued here from now on waits until `other` has passed `point` (CUDA's event waits). Where it has passed it
 * already, and always so without workers, nothing is queued. The other stream can't be destroyed before that. Points
 * are of the past, so streams that follow each other can't wait in a circle.
 * ORDER    O(1).
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE (a point that was never recorded), QUEUE_FULL, NOT_READY (this stream has no
 *          workers and the other has not passed the point: wait for that first). */
AKV_ORDER AKV_NODISCARD akv_status
akv_stream_follow(akv_stream *stream, akv_stream *other, uint64_t point) AKV_NOEXCEPT;

/* Called by a worker when everything queued before has been done, and before anything behind it starts. It may call the
 * library, and queue more work here, but not wait for what lies behind it. */
typedef void (*akv_stream_function)(void *context);

/* Queue a call of `function`: completion as a callback. On a stream without workers it is made at once. What it throws
 * in a worker is logged, and the stream goes on.
 * ORDER    O(1), and what the function does where there are no workers.
 * Thread   any.
 * Fails    as every call, QUEUE_FULL, CALLBACK (it threw, on a stream without workers).
 * Owns     `context` stays yours until the function has run. */
AKV_ORDER AKV_NODISCARD akv_status
akv_stream_call(akv_stream *stream, akv_stream_function function, void *context) AKV_NOEXCEPT;

/* A file descriptor (an eventfd) that is readable while the stream has passed something since it was last read, or
 * since the stream was made: for poll() and epoll beside sockets. Made with the first call, closed with the stream,
 * close-on-exec, does not block; read 8 bytes from it to reset it, then call akv_stream_poll().
 * ORDER    O(1); one system call the first time.
 * Thread   any.
 * Fails    as every call, IO. */
AKV_ORDER AKV_NODISCARD akv_status akv_stream_read_fd(akv_stream *stream, int32_t *out_fd) AKV_NOEXCEPT;

/* Retire `ticket` when the stream has passed all that is queued now. akv_stream_poll() and akv_stream_wait() do it.
 * ORDER    O(1); one short lock.
 * Thread   any.
 * Fails    as every call, BAD_HANDLE (the ticket is not open), QUEUE_FULL. */
AKV_ORDER AKV_NODISCARD akv_status
akv_stream_record_ticket(akv_stream *stream, akv_cache *cache, akv_ticket ticket) AKV_NOEXCEPT;

/* Do what waits for points that have been passed: retire tickets, finish plans that were run with AKV_RUN_FINISH
 * (copy.h), or abandon those whose content was lost meanwhile. `out_done` (may be NULL, and is written with
 * VERIFY_FAILED too) counts them. What meets a sequence that is inside another call, or is not ready (swap.h), is left
 * for the next poll. Tickets and plans that have ended otherwise in the meantime, and those of destroyed caches, are
 * passed over.
 * ORDER    O(what is due); one short lock for each. A second poll waits for the first.
 * Thread   any.
 * Fails    as every call, VERIFY_FAILED (a copy differed from its source: its plan was abandoned, all else was done).
 *          Each such copy is told once. */
AKV_ORDER AKV_NODISCARD akv_status akv_stream_poll(akv_stream *stream, uint32_t *out_done) AKV_NOEXCEPT;

/* Wait until the stream has passed `point` (AKV_POINT_ALL: all that is queued now), then do as akv_stream_poll().
 * `timeout_ns`: at most so many nanoseconds; there is no wait without a deadline.
 * WAIT     until the point or the deadline.
 * Thread   any.
 * Fails    as every call, OUT_OF_RANGE, TIMEOUT (nothing was given up: wait again), BUSY (a function of this stream
 *          waits for what lies behind it), VERIFY_FAILED as in akv_stream_poll(). */
AKV_WAIT AKV_NODISCARD akv_status
akv_stream_wait(akv_stream *stream, uint64_t point, uint64_t timeout_ns) AKV_NOEXCEPT;

#define AKV_POINT_ALL UINT64_MAX

AKV_END_DECLS

#endif /* ARENAKV_STREAM_H */
