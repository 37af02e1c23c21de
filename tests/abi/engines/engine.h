/* engine.h: the few lines that the pseudo-engines share: checked calls, "run" a plan, and the balance at the end.
 * It knows no engine.
 */
#ifndef ARENAKV_TESTS_ENGINE_H
#define ARENAKV_TESTS_ENGINE_H

#include "arenakv.h"

#include <stdio.h>
#include <stdlib.h>

#define expect(what)                                                         \
  do {                                                                       \
    if (!(what)) {                                                           \
      fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #what);    \
      exit(1);                                                               \
    }                                                                        \
  } while (0)

#define check(call) check_(call, #call, __LINE__)

static inline void check_(akv_status status, const char *call, int line) {
  if (status == AKV_OK) return;
  char text[256];
  akv_last_error(text, sizeof text);
  fprintf(stderr, "line %d: %s: %s: %s\n", line, call, akv_status_name(status), text);
  exit(1);
}

/* An engine without bytes: read the records as a copy kernel would, then say that they are queued. */
static inline void run_plan(akv_cache *cache, akv_plan plan, akv_ticket ticket) {
  if (plan == AKV_NONE) return;
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  check(akv_plan_read_info(cache, plan, &info));
  akv_plan_record records[16];
  uint32_t count = 0;
  for (uint32_t first = 0; first < info.num_records; first += 16) {
    akv_status status = akv_plan_read_records(cache, plan, first, records, 16, &count);
    if (status != AKV_ERROR_BUFFER_TOO_SMALL) check(status);
    expect(count == info.num_records);
    for (uint32_t i = 0; i < 16 && first + i < count; i++) expect(records[i].target_block != AKV_NULL_BLOCK);
  }
  check(akv_plan_finish(cache, plan, ticket));
}

static inline void expect_nothing_live(akv_cache *cache) {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  check(akv_cache_read_state(cache, &state));
  expect(state.sequences == 0 && state.live_blocks == 0 && state.reserved_blocks == 0);
  expect(state.quarantined_blocks == 0 && state.plans == 0 && state.leases == 0);
  expect(state.free_blocks + state.dirty_blocks + state.cached_blocks == state.num_blocks);
  check(akv_cache_audit_all(cache));
}

#endif /* ARENAKV_TESTS_ENGINE_H */
