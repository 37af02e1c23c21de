/* callback.c: the functions that the library calls, for progress, completion and log lines.
 *
 * Progress and completion go on into Go (callback.go). Log lines don't: any call may log, and a call that never calls
 * back into Go is a cheaper one; so they are written to a pipe, and a goroutine reads them (log.go).
 */
#include "shim.h"

#include <string.h>
#include <unistd.h>

/* callback.go has them. */
int32_t arenakvProgress(uintptr_t handle, uint64_t done, uint64_t total);
void arenakvComplete(uintptr_t handle);

static int32_t progress(void *context, uint64_t done, uint64_t total) {
  return arenakvProgress((uintptr_t)context, done, total);
}

akv_status go_store_warm_up(akv_store *store, uintptr_t handle) {
  return akv_store_warm_up(store, handle != 0 ? progress : NULL, (void *)handle);
}

static void complete(void *context) { arenakvComplete((uintptr_t)context); }

akv_status go_stream_call(akv_stream *stream, uintptr_t handle) {
  return akv_stream_call(stream, complete, (void *)handle);
}

enum { LINE_BYTES = 4096 }; /* PIPE_BUF on Linux: up to here a write is all or nothing */

/* How many lines found the pipe full since the last one that did not. */
static uint32_t lost;

static void log_line(void *context, uint32_t level, const char *message) {
  char line[LINE_BYTES];
  uint32_t header[3];
  size_t length = strlen(message);
  if (length > sizeof line - sizeof header) length = sizeof line - sizeof header;
  header[0] = level;
  header[1] = __atomic_exchange_n(&lost, 0u, __ATOMIC_RELAXED);
  header[2] = (uint32_t)length;
  memcpy(line, header, sizeof header);
  memcpy(line + sizeof header, message, length);
  const ssize_t written = write((int)(intptr_t)context, line, sizeof header + length);
  if (written < 0) __atomic_fetch_add(&lost, header[1] + 1u, __ATOMIC_RELAXED);
}

akv_status go_set_log(int32_t pipe_end, uint32_t max_level) {
  return akv_set_log(pipe_end >= 0 ? log_line : NULL, (void *)(intptr_t)pipe_end, max_level);
}
