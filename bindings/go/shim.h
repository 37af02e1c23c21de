/* shim.h: C functions that take flat arguments and build the structs that have pointers in them.
 *
 * A Go struct that holds Go pointers may not be handed to C. So on the hot path every array is an argument of its own,
 * and the struct is put together here, on C's stack. It knows nothing of Go and changes no argument.
 */
#ifndef ARENAKV_GO_SHIM_H
#define ARENAKV_GO_SHIM_H

#include <arenakv.h>

static inline akv_prompt go_prompt(const int32_t *tokens, uint32_t num_tokens, uint64_t domain) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = num_tokens;
  prompt.domain = domain;
  return prompt;
}

static inline akv_status go_sequence_create(akv_cache *cache, const int32_t *tokens, uint32_t num_tokens,
                                            uint64_t domain, const akv_sequence_options *options,
                                            akv_created *out_created) {
  const akv_prompt prompt = go_prompt(tokens, num_tokens, domain);
  return akv_sequence_create(cache, &prompt, options, out_created);
}

static inline akv_status go_cache_can_allocate(akv_cache *cache, const int32_t *tokens, uint32_t num_tokens,
                                               uint64_t domain, const akv_sequence_options *options,
                                               akv_room *out_room) {
  const akv_prompt prompt = go_prompt(tokens, num_tokens, domain);
  return akv_cache_can_allocate(cache, &prompt, options, out_room);
}

static inline akv_status go_prefix_match(akv_cache *cache, const int32_t *tokens, uint32_t num_tokens, uint64_t domain,
                                         akv_match *out_match) {
  const akv_prompt prompt = go_prompt(tokens, num_tokens, domain);
  return akv_prefix_match(cache, &prompt, out_match);
}

static inline akv_status go_prefix_explain(akv_cache *cache, const int32_t *tokens, uint32_t num_tokens,
                                           uint64_t domain, akv_explanation *out_explanation) {
  const akv_prompt prompt = go_prompt(tokens, num_tokens, domain);
  return akv_prefix_explain(cache, &prompt, out_explanation);
}

static inline akv_status go_prefix_pin(akv_cache *cache, const int32_t *tokens, uint32_t num_tokens, uint64_t domain,
                                       uint64_t owner, akv_pin *out_pin, uint32_t *out_tokens) {
  const akv_prompt prompt = go_prompt(tokens, num_tokens, domain);
  return akv_prefix_pin(cache, &prompt, owner, out_pin, out_tokens);
}

/* The numbers of a step, without a pointer in them. */
typedef struct go_step {
  uint32_t flags;
  uint32_t num_sequences;
  uint32_t tokens_count;
  uint32_t with_tables; /* 0: none are asked for */
  uint32_t group;
  uint32_t part;
  int32_t pad_block;
  uint32_t sequence_capacity;
  uint64_t slot_capacity;
  uint64_t padded_slots;
  uint64_t kv_indices_capacity;
  uint64_t row_stride;
  uint32_t padded_sequences;
  uint32_t row_width;
  uint32_t num_rows;
  uint32_t only_read; /* 1: akv_sequence_read_tables() */
} go_step;

static inline akv_status go_sequence_step(akv_cache *cache, const go_step *step, const akv_sequence *sequences,
                                          const uint32_t *num_tokens, const uint32_t *first, const int32_t *tokens,
                                          int64_t *slot_mapping, int64_t *positions, int32_t *query_start_loc,
                                          int32_t *kv_indptr, int32_t *kv_indices, int32_t *kv_last_page_len,
                                          int32_t *block_table, akv_row_state *row_states, int32_t *first_positions,
                                          int32_t *seq_lens, const uint32_t *row_of, akv_plan *out_plan) {
  akv_batch batch = AKV_BATCH_INIT;
  batch.flags = step->flags;
  batch.num_sequences = step->num_sequences;
  batch.tokens_count = step->tokens_count;
  batch.sequences = sequences;
  batch.num_tokens = num_tokens;
  batch.first = first;
  batch.tokens = tokens;
  akv_tables tables = AKV_TABLES_INIT;
  tables.group = step->group;
  tables.part = step->part;
  tables.pad_block = step->pad_block;
  tables.slot_mapping = slot_mapping;
  tables.positions = positions;
  tables.slot_capacity = step->slot_capacity;
  tables.padded_slots = step->padded_slots;
  tables.query_start_loc = query_start_loc;
  tables.kv_indptr = kv_indptr;
  tables.kv_indices = kv_indices;
  tables.kv_last_page_len = kv_last_page_len;
  tables.kv_indices_capacity = step->kv_indices_capacity;
  tables.sequence_capacity = step->sequence_capacity;
  tables.padded_sequences = step->padded_sequences;
  tables.block_table = block_table;
  tables.row_states = row_states;
  tables.first_positions = first_positions;
  tables.seq_lens = seq_lens;
  tables.row_of = row_of;
  tables.row_stride = step->row_stride;
  tables.row_width = step->row_width;
  tables.num_rows = step->num_rows;
  if (step->only_read) return akv_sequence_read_tables(cache, &batch, &tables);
  return akv_sequence_append_batch(cache, &batch, step->with_tables ? &tables : NULL, out_plan);
}

static inline akv_status go_sequence_set_tokens_batch(akv_cache *cache, const akv_sequence *sequences, uint32_t count,
                                                      const uint32_t *num_tokens, const uint32_t *first,
                                                      const int32_t *tokens, uint32_t tokens_count) {
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = count;
  batch.tokens_count = tokens_count;
  batch.sequences = sequences;
  batch.num_tokens = num_tokens;
  batch.first = first;
  batch.tokens = tokens;
  return akv_sequence_set_tokens_batch(cache, &batch);
}

static inline akv_status go_attention_decode(const akv_attention *attention, const akv_attention_part *parts,
                                             akv_stream *stream) {
  akv_attention wanted = *attention;
  wanted.parts = parts;
  return akv_attention_decode(&wanted, stream);
}

/* callback.c: where the library calls Go. `handle` is a runtime/cgo.Handle, a number. */
akv_status go_store_warm_up(akv_store *store, uintptr_t handle);
akv_status go_stream_call(akv_stream *stream, uintptr_t handle);
akv_status go_set_log(int32_t pipe_end, uint32_t max_level);

#endif /* ARENAKV_GO_SHIM_H */
