/* shim.h: C functions that take flat arguments and build the structs that have pointers in them.
 *
 * A Go struct that holds Go pointers may not be handed to C. So on the hot path every array is an argument of its own,
 * and the struct is put together here, on C's stack. It knows nothing of Go and changes no argument.
 */
#ifndef ARENAKV_GO_SHIM_H
#define ARENAKV_GO_SHIM_H

#include <arenakv.h>

#include <string.h>

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

/* Structs of data, with addresses as numbers: cgo looks at every pointer in a struct, and at all of the Go object that it
 * leads into, where a slice is a part of that which may be handed over. What these lead to is pinned, or not Go's. */
typedef struct go_token_data {
  uintptr_t data;
  int64_t token_stride;
  int64_t head_stride;
  uintptr_t scales;
  int64_t scale_stride;
  uint32_t plane;
  uint32_t dtype;
} go_token_data;

typedef struct go_span {
  uintptr_t blocks;
  uint32_t num_blocks;
  uint32_t first_token;
  uint32_t num_tokens;
  uint32_t first_layer;
  uint32_t num_layers;
  uint32_t dtype;
  uintptr_t data;
  uint64_t bytes;
  uintptr_t head_scales;
} go_span;

typedef struct go_overflow {
  akv_tail_row row;
  uintptr_t blocks;
  uint32_t num_blocks;
  uint32_t length;
  uint32_t keep_tokens;
  uint32_t unused;
} go_overflow;

typedef struct go_attention_part {
  uintptr_t store;
  uintptr_t block_table;
  int64_t table_stride;
  uintptr_t lengths;
  uintptr_t first_positions;
  uintptr_t key_scales;
  uintptr_t value_scales;
} go_attention_part;

typedef struct go_attention {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t layer;
  uint32_t num_sequences;
  uint32_t num_queries;
  uint32_t query_heads;
  uint32_t dtype;
  uint32_t value_dim;
  uintptr_t query;
  uintptr_t out;
  uintptr_t log_sums;
  int64_t query_strides[3];
  int64_t out_strides[3];
  float scale;
  float soft_cap;
  uint32_t window;
  uint32_t sink_tokens;
  uintptr_t sink_logits;
  uintptr_t positions;
  uintptr_t parts;
  uint32_t num_parts;
  uint32_t part_size;
} go_attention;

#define GO_SAME(ours, theirs, last)                                                                       \
  _Static_assert(sizeof(ours) <= sizeof(theirs) && offsetof(ours, last) == offsetof(theirs, last), #theirs)
GO_SAME(go_token_data, akv_token_data, dtype);
GO_SAME(go_span, akv_span, head_scales);
GO_SAME(go_overflow, akv_overflow, unused);
GO_SAME(go_attention_part, akv_attention_part, value_scales);
GO_SAME(go_attention, akv_attention, part_size);

static inline akv_status go_copy_write_tokens(akv_store *store, uint32_t layer, const int64_t *slots,
                                              uint32_t num_tokens, const go_token_data *planes, uint32_t num_planes,
                                              akv_stream *stream) {
  return akv_copy_write_tokens(store, layer, slots, num_tokens, (const akv_token_data *)planes, num_planes,
                               sizeof *planes, stream);
}

static inline akv_status go_copy_read_tokens(akv_store *store, uint32_t layer, const int64_t *slots,
                                             uint32_t num_tokens, const go_token_data *planes, uint32_t num_planes,
                                             akv_stream *stream) {
  return akv_copy_read_tokens(store, layer, slots, num_tokens, (const akv_token_data *)planes, num_planes,
                              sizeof *planes, stream);
}

static inline akv_status go_copy_gather(akv_store *store, const go_span *spans, uint32_t count, akv_stream *stream) {
  return akv_copy_gather(store, (const akv_span *)spans, count, sizeof *spans, stream);
}

static inline akv_status go_copy_scatter(akv_store *store, const go_span *spans, uint32_t count, akv_stream *stream) {
  return akv_copy_scatter(store, (const akv_span *)spans, count, sizeof *spans, stream);
}

static inline akv_status go_copy_overflow(akv_tail *tail, const go_overflow *rows, uint32_t count, uint32_t *out_stored,
                                          akv_stream *stream) {
  return akv_copy_overflow(tail, (const akv_overflow *)rows, count, sizeof *rows, out_stored, stream);
}

static inline akv_status go_copy_read_tiers(akv_tail *tail, const go_overflow *row, uint32_t dtype, uint8_t *data,
                                            uint64_t bytes, akv_stream *stream) {
  return akv_copy_read_tiers(tail, (const akv_overflow *)row, sizeof *row, dtype, data, bytes, stream);
}

static inline akv_status go_attention_decode(const go_attention *attention, const go_attention_part *parts,
                                             akv_stream *stream) {
  akv_attention wanted = AKV_ATTENTION_INIT;
  memcpy(&wanted, attention, sizeof *attention);
  wanted.struct_size = sizeof *attention;
  wanted.parts = (const akv_attention_part *)parts;
  wanted.part_size = sizeof *parts;
  return akv_attention_decode(&wanted, stream);
}

/* The same for untyped memory: bytes, which have no pointers in them. */
static inline akv_status go_attention_merge(const uint8_t *a, const float *a_log_sums, const uint8_t *b,
                                            const float *b_log_sums, uint8_t *out, float *out_log_sums,
                                            uint64_t num_rows, uint32_t dim, uint32_t dtype, akv_stream *stream) {
  return akv_attention_merge(a, a_log_sums, b, b_log_sums, out, out_log_sums, num_rows, dim, dtype, stream);
}

static inline akv_status go_copy_to_tensor(akv_page_pool *pool, akv_tensor tensor, uint64_t offset,
                                           const uint8_t *source, uint64_t bytes, akv_stream *stream) {
  return akv_copy_to_tensor(pool, tensor, offset, source, bytes, stream);
}

static inline akv_status go_copy_from_tensor(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, uint8_t *target,
                                             uint64_t bytes, akv_stream *stream) {
  return akv_copy_from_tensor(pool, tensor, offset, target, bytes, stream);
}

static inline akv_status go_copy_save(akv_cache *cache, akv_sequence sequence, akv_store *const *stores,
                                      uint32_t num_stores, uint32_t flags, uint32_t num_tokens, uint64_t owner,
                                      const uint8_t *label, uint8_t *buffer, uint64_t capacity, uint64_t *out_bytes,
                                      akv_stream *stream) {
  akv_save_options options = AKV_SAVE_OPTIONS_INIT;
  options.flags = flags;
  options.num_tokens = num_tokens;
  options.owner = owner;
  options.label = label;
  return akv_copy_save(cache, sequence, stores, num_stores, &options, buffer, capacity, out_bytes, stream);
}

static inline akv_status go_copy_load(akv_cache *cache, const uint8_t *image, uint64_t bytes, uint32_t flags,
                                      uint64_t domain, const uint8_t *label, const akv_sequence_options *sequence,
                                      akv_store *const *stores, uint32_t num_stores, akv_created *out_created,
                                      akv_stream *stream) {
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.flags = flags;
  options.domain = domain;
  options.label = label;
  options.sequence = sequence;
  return akv_copy_load(cache, image, bytes, &options, stores, num_stores, out_created, stream);
}

static inline akv_status go_image_check(const uint8_t *image, uint64_t bytes, akv_image_info *out_info) {
  return akv_image_check(image, bytes, out_info);
}

static inline akv_status go_image_read_group(const uint8_t *image, uint64_t bytes, akv_layer_group *out_group,
                                             akv_plane *out_planes, uint32_t capacity) {
  return akv_image_read_group(image, bytes, out_group, sizeof *out_group, out_planes, capacity);
}

static inline akv_status go_image_read_tokens(const uint8_t *image, uint64_t bytes, uint32_t first, uint32_t count,
                                              int32_t *out_tokens) {
  return akv_image_read_tokens(image, bytes, first, count, out_tokens);
}

static inline akv_status go_image_write_file(const char *path, const uint8_t *image, uint64_t bytes) {
  return akv_image_write_file(path, image, bytes);
}

static inline akv_status go_image_read_file(const char *path, uint8_t *buffer, uint64_t capacity, uint64_t *out_bytes) {
  return akv_image_read_file(path, buffer, capacity, out_bytes);
}

/* callback.c: where the library calls Go. `handle` is a runtime/cgo.Handle, a number. */
akv_status go_store_warm_up(akv_store *store, uintptr_t handle);
akv_status go_stream_call(akv_stream *stream, uintptr_t handle);
akv_status go_set_log(int32_t pipe_end, uint32_t max_level);

#endif /* ARENAKV_GO_SHIM_H */
