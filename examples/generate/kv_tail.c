/* kv_tail.c: two tiers: the last tokens of each sequence in bf16 in a ring of its own, all before them in int8.
 *
 * Only what is in the quantized tier is committed: it can be found by others, forked and swapped. What is in a ring is
 * its sequence's alone; a fork gets a copy of it.
 */
#include "kv.h"

#include "fail.h"

#include <stdlib.h>

void kv_tail_create(struct kv *kv) {
  akv_tail_config config = AKV_TAIL_CONFIG_INIT;
  config.dtype = AKV_DTYPE_BF16;
  config.tail_tokens = kv->options->tail_tokens;
  config.slack_tokens = STEP_TOKENS; /* a chunk of a prompt */
  config.max_sequences = kv->options->samples;
  CHECK(akv_tail_create_store(kv->stores[0], &config, NULL, &kv->tail_store));
  CHECK(akv_tail_create(kv->stores[0], kv->tail_store, &config, &kv->tail));
  akv_tail_info info = AKV_TAIL_INFO_INIT;
  CHECK(akv_tail_read_info(kv->tail, &info));
  kv->tail_width = info.ring_blocks;
  kv->step.tail_table = allocate((size_t)STEP_TOKENS * kv->tail_width, sizeof(int32_t));
}

void kv_tail_destroy(struct kv *kv) {
  free(kv->step.tail_table);
  CHECK(akv_tail_destroy(kv->tail));
  CHECK(akv_store_destroy(kv->tail_store));
}

/* The ring's blocks in order of position, into `table` of tail_width entries; tokens that are in the quantized tier. */
static uint32_t read_ring(struct kv *kv, const struct kv_sequence *sequence, int32_t *table) {
  uint32_t stored = 0;
  CHECK(akv_tail_read_tables(kv->tail, &sequence->row, 1, table, kv->tail_width, &stored));
  return stored;
}

uint32_t kv_tail_stored(struct kv *kv, const struct kv_sequence *sequence) {
  return read_ring(kv, sequence, kv->step.tail_table);
}

/* The child shares the blocks that are stored, and appends the rest anew: what is not stored can't be shared. */
void kv_tail_fork(struct kv *kv, const struct kv_sequence *parent, struct kv_sequence *child) {
  int32_t *const from = allocate(2 * (size_t)kv->tail_width, sizeof *from), *const to = from + kv->tail_width;
  const uint32_t stored = read_ring(kv, parent, from), rest = parent->length - stored;
  CHECK(akv_sequence_fork(kv->cache, parent->handle, stored, NULL, &child->handle));
  int32_t *const tokens = allocate(rest, sizeof *tokens);
  CHECK(akv_sequence_read_tokens(kv->cache, parent->handle, stored, rest, tokens));
  kv_append(kv, child, tokens, rest);
  CHECK(akv_tail_open(kv->tail, stored, &child->row));
  read_ring(kv, child, to);
  const uint32_t blocks = (uint32_t)akv_blocks_for(rest, kv->options->block_tokens);
  CHECK(akv_copy_blocks(kv->tail_store, from, kv->tail_store, to, blocks, 0, NULL));
  free(tokens);
  free(from);
}

/* The step's tokens go to the tail, and see what is stored in one part and what is in the ring in the other. */
void kv_tail_place(struct kv *kv) {
  struct kv_step *const step = &kv->step;
  akv_tail_row rows[STEP_TOKENS];
  uint32_t positions[STEP_TOKENS], stored[STEP_TOKENS];
  for (uint32_t i = 0; i < step->num_sequences; i++)
    stored[i] = read_ring(kv, step->sequences[i], step->tail_table + (size_t)i * kv->tail_width);
  for (uint32_t i = 0; i < step->count; i++) {
    const uint32_t of = step->num_sequences == 1 ? 0 : i;
    rows[i] = step->sequences[of]->row;
    positions[i] = (uint32_t)step->positions[i];
    step->lengths[i] = stored[of];
    step->tail_lengths[i] = positions[i] + 1 - stored[of];
  }
  CHECK(akv_tail_read_slots(kv->tail, rows, positions, step->count, step->slots));
}

/* Whole blocks that are older than the tail become int8. */
void kv_tail_overflow(struct kv *kv) {
  const struct kv_step *const step = &kv->step;
  akv_overflow rows[STEP_TOKENS];
  for (uint32_t i = 0; i < step->num_sequences; i++) {
    const uint32_t last = step->num_sequences == 1 ? step->count - 1 : i;
    const uint32_t length = (uint32_t)step->positions[last] + 1;
    rows[i].row = step->sequences[i]->row;
    rows[i].blocks = step->table + (size_t)i * kv->table_width;
    rows[i].num_blocks = (uint32_t)akv_blocks_for(length, kv->options->block_tokens);
    rows[i].length = length;
    rows[i].keep_tokens = AKV_UNSET;
    rows[i].unused = 0;
  }
  CHECK(akv_copy_overflow(kv->tail, rows, step->num_sequences, sizeof rows[0], NULL, NULL));
}
