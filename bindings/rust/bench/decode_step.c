/* decode_step.c: so many decode steps of one batch in C, for the benchmark to compare with. It knows no clock. */
#include "arenakv.h"

/* The arrays of a step, allocated by the caller; main.rs has the same struct. */
typedef struct decode_arrays {
  akv_cache *cache;
  const akv_sequence *sequences;
  int64_t *slot_mapping;
  int64_t *positions;
  int32_t *query_start_loc;
  int32_t *seq_lens;
  int32_t *block_table;
  akv_row_state *row_states;
  const int32_t *tokens;
  uint32_t num_sequences;
  uint32_t row_width;
} decode_arrays;

/* The first status that is not AKV_OK. */
akv_status decode_steps_in_c(const decode_arrays *arrays, uint32_t steps) {
  for (uint32_t step = 0; step < steps; ++step) {
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = arrays->num_sequences;
    batch.sequences = arrays->sequences;
    batch.tokens = arrays->tokens;
    batch.tokens_count = arrays->num_sequences;
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = arrays->slot_mapping;
    tables.positions = arrays->positions;
    tables.slot_capacity = arrays->num_sequences;
    tables.query_start_loc = arrays->query_start_loc;
    tables.sequence_capacity = arrays->num_sequences;
    tables.seq_lens = arrays->seq_lens;
    tables.block_table = arrays->block_table;
    tables.row_states = arrays->row_states;
    tables.row_stride = tables.row_width = arrays->row_width;
    tables.num_rows = arrays->num_sequences;
    akv_plan plan = AKV_NONE;
    akv_status status = akv_sequence_append_batch(arrays->cache, &batch, &tables, &plan);
    if (status == AKV_OK && plan != AKV_NONE) status = AKV_ERROR_PLAN_NEEDED; /* this workload shares no last block */
    if (status == AKV_OK) status = akv_sequence_commit_batch(arrays->cache, arrays->sequences, NULL, arrays->num_sequences, 0);
    if (status != AKV_OK) return status;
  }
  return AKV_OK;
}
