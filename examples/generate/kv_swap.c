/* kv_swap.c: sequences leave for the swap blocks, somebody else uses the room they had, and they come back.
 *
 * The somebody takes every block there is, cached ones too, and zeroes them: so nothing that comes back was merely left
 * where it was.
 */
#include "kv.h"

#include "fail.h"

#include <stdlib.h>

/* Two-tier: what is in a ring stays there; its place in the blocks is given up, and taken again by restore_tail(). */
static int32_t *drop_tail(struct kv *kv, const struct kv_sequence *sequence, uint32_t stored) {
  const uint32_t rest = sequence->length - stored;
  int32_t *const tokens = allocate(rest, sizeof *tokens);
  CHECK(akv_sequence_read_tokens(kv->cache, sequence->handle, stored, rest, tokens));
  const uint32_t keep = kv->options->contiguous ? AKV_TRUNCATE_KEEP_BLOCKS : 0;
  CHECK(akv_sequence_truncate(kv->cache, sequence->handle, stored, keep));
  return tokens;
}

static void swap_out(struct kv *kv, const struct kv_sequence *sequence) {
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_swap_out(kv->cache, sequence->handle, &plan));
  kv_run(kv, plan);
}

static void swap_in(struct kv *kv, const struct kv_sequence *sequence) {
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(kv->cache, sequence->handle, &in));
  kv_run(kv, in.plan);
}

static void use_all_room(struct kv *kv) {
  akv_room room = AKV_ROOM_INIT;
  CHECK(akv_cache_can_allocate(kv->cache, NULL, NULL, &room));
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.reserve_tokens = room.blocks_available * kv->options->block_tokens;
  akv_created created = AKV_CREATED_INIT;
  CHECK(akv_sequence_create(kv->cache, NULL, &options, &created));
  int32_t *const blocks = allocate(room.blocks_available, sizeof *blocks);
  uint32_t count = 0;
  CHECK(akv_sequence_read_blocks(kv->cache, created.sequence, 0, blocks, room.blocks_available, &count));
  CHECK(akv_copy_zero(kv->stores[0], blocks, count, NULL));
  CHECK(akv_sequence_free(kv->cache, created.sequence));
  free(blocks);
}

void kv_swap(struct kv *kv, struct kv_sequence *const *sequences, uint32_t count) {
  int32_t *tails[STEP_TOKENS] = {NULL};
  uint32_t stored[STEP_TOKENS];
  for (uint32_t i = 0; i < count; i++) {
    stored[i] = kv->two_tier ? kv_tail_stored(kv, sequences[i]) : sequences[i]->length;
    if (kv->two_tier) tails[i] = drop_tail(kv, sequences[i], stored[i]);
    if (stored[i] > 0) swap_out(kv, sequences[i]);
  }
  use_all_room(kv);
  for (uint32_t i = 0; i < count; i++) {
    if (stored[i] > 0) swap_in(kv, sequences[i]);
    if (kv->two_tier) kv_append(kv, sequences[i], tails[i], sequences[i]->length - stored[i]);
    free(tails[i]);
  }
}
