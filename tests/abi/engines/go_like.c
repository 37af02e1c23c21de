/* go_like.c: a server whose requests are cancelled from outside, as a Go server's are by their context.
 *
 * Each connection is an owner. A request is cancelled at the worst moments: before its plan has run, with a step in
 * flight, with a transfer still reading its blocks. The handler knows nothing but the owner and the request id.
 */
#include "engine.h"

enum { CONNECTION_A = 11, CONNECTION_B = 22 };

static akv_created start(akv_cache *cache, uint64_t owner, uint64_t id, const int32_t *tokens, uint32_t count) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = count;
  prompt.domain = owner; /* a tenant each: nothing is shared between the two */
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.owner = owner;
  options.request_id = id;
  options.flags = AKV_SEQUENCE_PARTIAL;
  akv_created created = AKV_CREATED_INIT;
  check(akv_sequence_create(cache, &prompt, &options, &created));
  return created;
}

int main(void) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 32;
  akv_cache *cache = NULL;
  check(akv_cache_create(&config, &cache));
  int32_t tokens[100];
  for (int32_t i = 0; i < 100; i++) tokens[i] = i;

  /* cancelled during prefill: nothing was committed, so nothing may be found */
  akv_created a = start(cache, CONNECTION_A, 1, tokens, 100);
  akv_ticket step = AKV_NONE;
  check(akv_ticket_open(cache, &step));
  uint32_t released = 0;
  check(akv_cache_drop_owner(cache, CONNECTION_A, 0, &released));
  expect(released == 1);
  expect(akv_sequence_commit(cache, a.sequence, 100, step) == AKV_ERROR_BAD_HANDLE); /* the late completion */
  check(akv_ticket_retire(cache, step));

  /* cancelled while a transfer reads it: the blocks stay until the transfer has ended */
  akv_created b = start(cache, CONNECTION_B, 2, tokens, 100);
  run_plan(cache, b.plan, AKV_NONE);
  check(akv_sequence_commit(cache, b.sequence, 100, AKV_NONE));
  akv_lease lease = AKV_NONE;
  akv_ticket wait = AKV_NONE;
  check(akv_lease_acquire(cache, b.sequence, 100, CONNECTION_B, &lease, &wait));
  expect(wait == AKV_NONE); /* all of it is written */
  akv_sequence found = AKV_NONE;
  check(akv_sequence_find(cache, 2, &found));
  expect(found == b.sequence);
  check(akv_sequence_free(cache, found));
  int32_t blocks[8];
  uint32_t count = 0;
  check(akv_lease_read_blocks(cache, lease, blocks, 8, &count));
  expect(count == 7);
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  check(akv_cache_read_state(cache, &state));
  expect(state.live_blocks == 0 && state.quarantined_blocks == 7);
  check(akv_lease_release(cache, lease));

  /* cancelled between the plan and its run: a block that begins alike is its source */
  int32_t similar[100];
  for (int32_t i = 0; i < 100; i++) similar[i] = i < 40 ? tokens[i] : -i;
  akv_created p = start(cache, CONNECTION_B, 3, similar, 100);
  expect(p.cached_tokens == 32 && p.partial_tokens == 8 && p.plan != AKV_NONE);
  check(akv_plan_abandon(cache, p.plan)); /* takes the sequence with it */
  expect(akv_sequence_free(cache, p.sequence) == AKV_ERROR_BAD_HANDLE);

  check(akv_cache_drop_owner(cache, CONNECTION_B, 0, &released));
  expect(released == 0);
  expect_nothing_live(cache);
  check(akv_cache_destroy(cache));
  puts("go_like: cancelled in prefill, in transfer and before its plan: every block came back");
  return 0;
}
