/* kv.c: the cache and its stores; sequences that begin, fork and end. Steps are in kv_step.c. */
#include "kv.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

static void choose_planes(const struct kv *kv, akv_plane *planes) {
  static const uint32_t formats[] = {AKV_FORMAT_F32, AKV_FORMAT_BF16, AKV_FORMAT_I8, AKV_FORMAT_I8};
  memset(planes, 0, 2 * sizeof *planes);
  for (uint32_t i = 0; i < 2; i++) {
    planes[i].role = i == 0 ? AKV_PLANE_KEYS : AKV_PLANE_VALUES;
    planes[i].kv_heads = kv->model->kv_heads;
    planes[i].head_dim = kv->model->head_dim;
  }
  CHECK(akv_planes_choose(planes, 2, sizeof *planes, formats[kv->options->format], kv->options->block_tokens));
}

static void create_cache(struct kv *kv) {
  akv_plane planes[2];
  choose_planes(kv, planes);
  akv_layer_group group = {AKV_RULE_FULL, kv->model->layers, 2, sizeof planes[0], NULL, kv->model->heads, 0};
  group.planes = planes;
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  const uint64_t blocks = 2 * (uint64_t)kv->options->samples * kv->table_width;
  if (blocks > AKV_MAX_BLOCKS) fail("%llu blocks are more than a cache may have", (unsigned long long)blocks);
  config.num_blocks = (uint32_t)blocks;
  config.block_tokens = kv->options->block_tokens;
  config.max_sequences = kv->options->samples + 1;
  const uint64_t room = blocks * config.block_tokens; /* whoever takes all of it while ours are swapped out */
  config.max_tokens_per_sequence = room < AKV_MAX_SEQUENCE_TOKENS ? (uint32_t)room : AKV_MAX_SEQUENCE_TOKENS;
  config.num_swap_blocks = kv->options->swap_every > 0 ? config.num_blocks / 2 : 0;
  config.block_allocator = kv->options->contiguous ? AKV_BLOCK_ALLOCATOR_BUDDY : AKV_BLOCK_ALLOCATOR_STACK;
  config.num_groups = 1;
  config.groups = &group;
  config.group_size = sizeof group;
  CHECK(akv_cache_create(&config, &kv->cache));
}

static void create_stores(struct kv *kv) {
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  CHECK(akv_store_create(kv->cache, &config, &kv->stores[kv->num_stores++]));
  if (kv->options->swap_every == 0) return;
  config.columns = AKV_STORE_SWAP_BLOCKS;
  CHECK(akv_store_create(kv->cache, &config, &kv->stores[kv->num_stores++]));
}

void kv_open(struct kv *kv, const struct model *model, const struct options *options, uint32_t sequence_tokens) {
  memset(kv, 0, sizeof *kv);
  kv->model = model;
  kv->options = options;
  kv->sequence_tokens = sequence_tokens;
  kv->two_tier = options->format == FORMAT_TWO_TIER;
  kv->table_width = (uint32_t)akv_blocks_for(sequence_tokens, options->block_tokens);
  create_cache(kv);
  create_stores(kv);
  if (kv->two_tier) kv_tail_create(kv);
  kv->step.table = allocate((size_t)STEP_TOKENS * kv->table_width, sizeof(int32_t));
}

void kv_close(struct kv *kv) {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  CHECK(akv_cache_read_state(kv->cache, &state));
  if (state.sequences + state.live_blocks + state.reserved_blocks + state.plans > 0 ||
      state.free_swap_blocks != state.num_swap_blocks)
    fail("%u blocks were not given back", state.live_blocks + state.reserved_blocks);
  CHECK(akv_cache_audit_all(kv->cache));
  free(kv->step.table);
  if (kv->two_tier) kv_tail_destroy(kv);
  for (uint32_t i = 0; i < kv->num_stores; i++) CHECK(akv_store_destroy(kv->stores[i]));
  CHECK(akv_cache_destroy(kv->cache));
}

void kv_run(struct kv *kv, akv_plan plan) {
  if (plan != AKV_NONE) CHECK(akv_copy_run(kv->cache, plan, kv->stores, kv->num_stores, AKV_RUN_FINISH, NULL));
}

/* [core: begin] */
uint32_t kv_start(struct kv *kv, struct kv_sequence *sequence, const int32_t *tokens, uint32_t count, uint32_t most) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = count;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.max_tokens = most;
  if (kv->options->contiguous) {
    options.flags = AKV_SEQUENCE_CONTIGUOUS;
    options.reserve_tokens = most;
  } else if (!kv->two_tier) {
    options.flags = AKV_SEQUENCE_PARTIAL; /* the quantized tier takes whole blocks only */
  }
  akv_created created = AKV_CREATED_INIT;
  CHECK(akv_sequence_create(kv->cache, &prompt, &options, &created));
  kv_run(kv, created.plan);
  sequence->handle = created.sequence;
  sequence->length = count;
  const uint32_t there = created.cached_tokens + created.partial_tokens;
  if (kv->two_tier) CHECK(akv_tail_open(kv->tail, there, &sequence->row));
  return there;
}

void kv_fork(struct kv *kv, struct kv_sequence *parent, struct kv_sequence *child) {
  child->length = parent->length;
  if (kv->two_tier) {
    kv_tail_fork(kv, parent, child);
    return;
  }
  CHECK(akv_sequence_fork(kv->cache, parent->handle, AKV_UNSET, NULL, &child->handle));
  if (child->length >= kv->sequence_tokens) return;
  /* A last block that is shared is copied now, for the child: in the first step both would ask for a copy. */
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_reserve(kv->cache, child->handle, child->length + 1, &plan));
  kv_run(kv, plan);
}
/* [core: end] */

void kv_end(struct kv *kv, struct kv_sequence *sequence) {
  if (kv->two_tier) CHECK(akv_tail_close(kv->tail, sequence->row));
  CHECK(akv_sequence_free(kv->cache, sequence->handle));
}

void kv_append(struct kv *kv, struct kv_sequence *sequence, const int32_t *tokens, uint32_t count) {
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_append(kv->cache, sequence->handle, tokens, count, 0, &plan));
  kv_run(kv, plan);
}

uint32_t kv_stretch(struct kv *kv, const struct kv_sequence *sequence) {
  int32_t *const blocks = allocate(kv->table_width, sizeof *blocks);
  uint32_t count = 0;
  CHECK(akv_sequence_read_blocks(kv->cache, sequence->handle, 0, blocks, kv->table_width, &count));
  akv_view view = AKV_VIEW_INIT;
  CHECK(akv_store_read_sequence_view(kv->stores[0], 0, 0, blocks, count, count * kv->options->block_tokens, &view));
  free(blocks);
  return (uint32_t)view.shape[0];
}

uint64_t kv_moved(struct kv *kv, uint32_t kind) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < kv->num_stores + (kv->two_tier ? 1u : 0u); i++) {
    akv_store *const store = i < kv->num_stores ? kv->stores[i] : kv->tail_store;
    akv_copy_stats lines[64];
    uint32_t count = 0;
    CHECK(akv_store_read_stats(store, lines, sizeof lines[0], 64, &count));
    for (uint32_t line = 0; line < count; line++)
      if (lines[line].kind == kind) bytes += lines[line].bytes;
  }
  return bytes;
}
