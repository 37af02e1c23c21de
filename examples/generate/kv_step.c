/* kv_step.c: one step: where its tokens go, what each of them sees, and that it is done.
 *
 * A chunk of a prompt is attended to as so many sequences over one row of blocks, each with a length of its own: that
 * is the causal mask, and every token of the chunk is computed at once.
 */
#include "kv.h"

#include "fail.h"

#include <string.h>

/* Where the last tables of a step go: one row for each sequence. */
static akv_tables tables_of(struct kv *kv) {
  struct kv_step *const step = &kv->step;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = step->slots;
  tables.positions = step->positions;
  tables.slot_capacity = STEP_TOKENS;
  tables.block_table = step->table;
  tables.num_rows = step->num_sequences;
  tables.row_stride = tables.row_width = kv->table_width;
  return tables;
}

/* What each token sees: all before it, and itself. */
static void place(struct kv *kv) {
  struct kv_step *const step = &kv->step;
  for (uint32_t i = 0; i < step->count; i++) step->lengths[i] = (uint32_t)step->positions[i] + 1;
  if (kv->two_tier) kv_tail_place(kv);
}

void kv_prefill(struct kv *kv, struct kv_sequence *sequence, const int32_t *prompt, uint32_t first, uint32_t count) {
  struct kv_step *const step = &kv->step;
  step->count = count;
  step->num_sequences = 1;
  step->sequences[0] = sequence;
  memcpy(step->tokens, prompt + first, count * sizeof *prompt);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &sequence->handle;
  batch.first = &first;
  batch.num_tokens = &count;
  const akv_tables tables = tables_of(kv);
  CHECK(akv_sequence_read_tables(kv->cache, &batch, &tables));
  place(kv);
}

/* [core: begin] */
void kv_decode(struct kv *kv, struct kv_sequence *const *sequences, const int32_t *tokens, uint32_t count) {
  struct kv_step *const step = &kv->step;
  akv_sequence handles[STEP_TOKENS];
  step->count = step->num_sequences = count;
  for (uint32_t i = 0; i < count; i++) {
    step->sequences[i] = sequences[i];
    step->tokens[i] = tokens[i];
    handles[i] = sequences[i]->handle;
    sequences[i]->length++;
  }
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = batch.tokens_count = count;
  batch.sequences = handles;
  batch.tokens = tokens;
  const akv_tables tables = tables_of(kv);
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_append_batch(kv->cache, &batch, &tables, &plan));
  kv_run(kv, plan); /* copy-on-write: a last block that is shared with another sample */
  place(kv);
}

void kv_write(struct kv *kv, uint32_t layer, float *keys, float *values) {
  akv_token_data planes[2];
  memset(planes, 0, sizeof planes);
  for (uint32_t i = 0; i < 2; i++) {
    planes[i].data = i == 0 ? keys : values;
    planes[i].plane = i;
    planes[i].dtype = AKV_DTYPE_F32; /* converted to what the store keeps */
  }
  akv_store *const store = kv->two_tier ? kv->tail_store : kv->stores[0];
  CHECK(akv_copy_write_tokens(store, layer, kv->step.slots, kv->step.count, planes, 2, sizeof planes[0], NULL));
}

void kv_attend(struct kv *kv, uint32_t layer, const float *queries, float *out) {
  const struct kv_step *const step = &kv->step;
  akv_attention_part parts[2];
  memset(parts, 0, sizeof parts);
  parts[0].store = kv->stores[0];
  parts[0].block_table = step->table;
  parts[0].table_stride = step->num_sequences == step->count ? kv->table_width : 0; /* 0: one row for all */
  parts[0].lengths = step->lengths;
  parts[1].store = kv->tail_store;
  parts[1].block_table = step->tail_table;
  parts[1].table_stride = step->num_sequences == step->count ? kv->tail_width : 0;
  parts[1].lengths = step->tail_lengths;
  akv_attention attention = AKV_ATTENTION_INIT;
  attention.layer = layer;
  attention.num_sequences = step->count;
  attention.query_heads = kv->model->heads;
  attention.dtype = AKV_DTYPE_F32;
  attention.query = queries;
  attention.out = out;
  attention.parts = parts;
  attention.num_parts = kv->two_tier ? 2 : 1;
  attention.part_size = sizeof parts[0];
  CHECK(akv_attention_decode(&attention, NULL));
}
/* [core: end] */

void kv_step_done(struct kv *kv) {
  const struct kv_step *const step = &kv->step;
  akv_sequence handles[STEP_TOKENS];
  uint32_t lengths[STEP_TOKENS];
  if (kv->two_tier) kv_tail_overflow(kv);
  for (uint32_t i = 0; i < step->num_sequences; i++) {
    handles[i] = step->sequences[i]->handle;
    const uint32_t last = step->num_sequences == 1 ? step->count - 1 : i;
    lengths[i] = kv->two_tier ? kv_tail_stored(kv, step->sequences[i]) : (uint32_t)step->positions[last] + 1;
  }
  CHECK(akv_sequence_commit_batch(kv->cache, handles, lengths, step->num_sequences, AKV_NONE));
}
