/* swap.c: K/V in a store, a sequence that leaves for swap blocks and comes back, and what was moved for it.
 * The K/V are made up: in an engine, a kernel or akv_copy_write_tokens() puts the model's there. Against an installed
 * library: cc swap.c $(pkg-config --cflags --libs arenakv) -Wl,-rpath,$(pkg-config --variable=libdir arenakv)
 */
#include <arenakv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 2, HEADS = 2, DIM = 8, BLOCK_TOKENS = 4, TOKENS = 10, ROW = HEADS * DIM };

#define CHECK(call) check((call), #call)

static void check(akv_status status, const char *call) {
  if (status == AKV_OK) return;
  char message[256];
  akv_last_error(message, sizeof message);
  fprintf(stderr, "%s\nanswered %s: %s\n", call, akv_status_name(status), message);
  exit(EXIT_FAILURE);
}

/* A cache knows the model's shape, and how many blocks there are on either side. */
static akv_cache *make_cache(void) {
  const akv_plane planes[2] = {{AKV_PLANE_KEYS, AKV_DTYPE_F32, HEADS, DIM, 0, 0},
                               {AKV_PLANE_VALUES, AKV_DTYPE_F32, HEADS, DIM, 0, 0}};
  akv_layer_group group = {AKV_RULE_FULL, LAYERS, 2, sizeof planes[0], NULL, HEADS, 0};
  group.planes = planes;
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 16;
  config.num_swap_blocks = 32;
  config.block_tokens = BLOCK_TOKENS;
  config.num_groups = 1;
  config.groups = &group;
  config.group_size = sizeof group;
  akv_cache *cache = NULL;
  CHECK(akv_cache_create(&config, &cache));
  return cache;
}

/* Stores are the bytes: one for the blocks, one for the swap blocks. The memory is the library's, or yours. */
static void make_stores(akv_cache *cache, akv_store *stores[2]) {
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  CHECK(akv_store_create(cache, &config, &stores[0]));
  config.columns = AKV_STORE_SWAP_BLOCKS;
  CHECK(akv_store_create(cache, &config, &stores[1]));
}

static float value(int layer, int plane, int token, int i) {
  return (float)(layer * 1000 + plane * 100 + token) + (float)i / 64;
}

/* Write the K/V of all tokens: where each goes, the slot mapping tells. */
static void write_tokens(akv_store *store, const int64_t *slots) {
  float data[2][TOKENS][ROW];
  for (int layer = 0; layer < LAYERS; layer++) {
    akv_token_data planes[2];
    memset(planes, 0, sizeof planes);
    for (int plane = 0; plane < 2; plane++) {
      for (int token = 0; token < TOKENS; token++)
        for (int i = 0; i < ROW; i++) data[plane][token][i] = value(layer, plane, token, i);
      planes[plane].data = data[plane];
      planes[plane].plane = (uint32_t)plane;
    }
    CHECK(akv_copy_write_tokens(store, (uint32_t)layer, slots, TOKENS, planes, 2, sizeof planes[0], NULL));
  }
}

/* Read one layer's keys back, and count what is not as it was written. */
static int count_wrong(akv_store *store, int layer, const int64_t *slots) {
  float keys[TOKENS][ROW];
  akv_token_data plane;
  memset(&plane, 0, sizeof plane);
  plane.data = keys;
  CHECK(akv_copy_read_tokens(store, (uint32_t)layer, slots, TOKENS, &plane, 1, sizeof plane, NULL));
  int wrong = 0;
  for (int token = 0; token < TOKENS; token++)
    for (int i = 0; i < ROW; i++) wrong += keys[token][i] != value(layer, 0, token, i);
  return wrong;
}

/* Where the tokens of a sequence lie now. */
static void read_slots(akv_cache *cache, akv_sequence sequence, int64_t *slots) {
  const uint32_t first = 0, count = TOKENS;
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &sequence;
  batch.first = &first;
  batch.num_tokens = &count;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slots;
  tables.slot_capacity = TOKENS;
  CHECK(akv_sequence_read_tables(cache, &batch, &tables));
}

/* [core: begin] */
/* Out: a plan says what to copy where; run it, and with FINISH the blocks are given up when the copy is verified. */
static void swap_out(akv_cache *cache, akv_store *const *stores, akv_sequence sequence) {
  akv_plan plan = AKV_NONE;
  CHECK(akv_sequence_swap_out(cache, sequence, &plan));
  CHECK(akv_copy_run(cache, plan, stores, 2, AKV_RUN_FINISH, NULL));
}

/* And in again: what is still cached is shared, the rest copied. */
static void swap_in(akv_cache *cache, akv_store *const *stores, akv_sequence sequence) {
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK(akv_sequence_swap_in(cache, sequence, &in));
  printf("back: %u tokens were still cached, %u are copied\n", in.cached_tokens, in.copied_tokens);
  if (in.plan != AKV_NONE) CHECK(akv_copy_run(cache, in.plan, stores, 2, AKV_RUN_FINISH, NULL));
}
/* [core: end] */

static void print_moved(akv_store *store, uint32_t kind, const char *what) {
  akv_copy_stats lines[32];
  uint32_t count = 0;
  CHECK(akv_store_read_stats(store, lines, sizeof lines[0], 32, &count));
  for (uint32_t i = 0; i < count; i++)
    if (lines[i].kind == kind)
      printf("%s: %llu bytes, %llu of them compared\n", what, (unsigned long long)lines[i].bytes,
             (unsigned long long)lines[i].verified_bytes);
}

int main(void) {
  akv_cache *cache = make_cache();
  akv_store *stores[2] = {NULL, NULL};
  make_stores(cache, stores);

  static const int32_t tokens[TOKENS] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = TOKENS;
  akv_created created = AKV_CREATED_INIT;
  CHECK(akv_sequence_create(cache, &prompt, NULL, &created));
  int64_t slots[TOKENS];
  read_slots(cache, created.sequence, slots);
  write_tokens(stores[0], slots);
  CHECK(akv_sequence_commit(cache, created.sequence, TOKENS, AKV_NONE));

  swap_out(cache, stores, created.sequence);
  CHECK(akv_prefix_clear(cache, NULL, 0, NULL)); /* so that nothing of it is left in the blocks */
  swap_in(cache, stores, created.sequence);
  read_slots(cache, created.sequence, slots);
  int wrong = 0;
  for (int layer = 0; layer < LAYERS; layer++) wrong += count_wrong(stores[0], layer, slots);
  printf("%d values are wrong\n", wrong);
  print_moved(stores[1], AKV_MOVED_OUT, "out");
  print_moved(stores[0], AKV_MOVED_IN, "in");

  CHECK(akv_sequence_free(cache, created.sequence));
  for (int i = 0; i < 2; i++) CHECK(akv_store_destroy(stores[i]));
  CHECK(akv_cache_destroy(cache));
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
