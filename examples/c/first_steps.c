/* first_steps.c: three prompts in a small cache, to learn the library from.
 * It has no model and no K/V memory: where those come in, a comment says so. Against an installed library:
 *   cc first_steps.c $(pkg-config --cflags --libs arenakv) -Wl,-rpath,$(pkg-config --variable=libdir arenakv)
 */
#include <arenakv.h>

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_TOKENS = 4, NUM_BLOCKS = 16, BATCH = 2, ROW = 8 };

/* What the attention kernels of a step read: in an engine, memory at a fixed address that the device sees. */
struct step {
  int64_t slots[BATCH];
  int32_t rows[BATCH][ROW];
  akv_row_state row_states[BATCH]; /* zeroes at first: which row holds what, so that only new entries are written */
};

/* Every call answers a status. One that failed has changed nothing, and left a message. */
#define CHECK(call) check((call), #call)

static void check(akv_status status, const char *call) {
  if (status == AKV_OK) return;
  char message[256];
  akv_last_error(message, sizeof message);
  fprintf(stderr, "%s\nanswered %s: %s\n", call, akv_status_name(status), message);
  exit(EXIT_FAILURE);
}

/* [core: begin] */
/* A prompt: what is cached of it is shared, the rest gets blocks of its own. */
static akv_sequence start(akv_cache *cache, const int32_t *tokens, uint32_t num_tokens) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = num_tokens;
  akv_created created = AKV_CREATED_INIT;
  CHECK(akv_sequence_create(cache, &prompt, NULL, &created));
  printf("%u of %u tokens were cached\n", created.cached_tokens, num_tokens);
  /* Your kernels write the K/V of the others here. To commit is to say that they exist: now they can be shared. */
  CHECK(akv_sequence_commit(cache, created.sequence, num_tokens, AKV_NONE));
  return created.sequence;
}

/* A decode step: a token more for every sequence, in one call, and the tables for it. */
static void decode(akv_cache *cache, const akv_sequence *running, const int32_t *sampled, struct step *step) {
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = batch.tokens_count = BATCH;
  batch.sequences = running;
  batch.tokens = sampled;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = step->slots; /* where the K/V of each new token go */
  tables.slot_capacity = BATCH;
  tables.block_table = step->rows[0]; /* where those of all before it are */
  tables.row_states = step->row_states;
  tables.num_rows = BATCH;
  tables.row_stride = tables.row_width = ROW;
  CHECK(akv_sequence_append_batch(cache, &batch, &tables, NULL));
  CHECK(akv_sequence_commit_batch(cache, running, NULL, BATCH, AKV_NONE));
}
/* [core: end] */

static void print_step(const struct step *step) {
  for (int i = 0; i < BATCH; i++) {
    printf("sequence %d: new token in slot %d, block table", i, (int)step->slots[i]);
    for (int j = 0; j < ROW; j++) printf(" %d", (int)step->rows[i][j]);
    printf("\n");
  }
}

static void print_block_map(akv_cache *cache, const char *when) {
  char map[1024];
  CHECK(akv_report_block_map(cache, 0, map, sizeof map, NULL));
  printf("\n%s\n%s", when, map);
}

int main(void) {
  /* Token ids come from your tokenizer. These prompts begin with the same nine. */
  static const int32_t first[10] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
  static const int32_t second[11] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 31, 32};
  static const int32_t third[12] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 41, 42, 43};
  static const int32_t sampled[BATCH] = {33, 44};

  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = NUM_BLOCKS;
  config.block_tokens = BLOCK_TOKENS;
  akv_cache *cache = NULL;
  CHECK(akv_cache_create(&config, &cache));

  /* When the first one leaves, its two whole blocks stay cached: the others begin with them. */
  CHECK(akv_sequence_free(cache, start(cache, first, 10)));
  const akv_sequence running[BATCH] = {start(cache, second, 11), start(cache, third, 12)};
  struct step step = {{0}, {{0}}, {{0}}};
  decode(cache, running, sampled, &step);
  print_step(&step);
  print_block_map(cache, "while both run:");

  CHECK(akv_sequence_free_batch(cache, running, BATCH, NULL, NULL, NULL));
  print_block_map(cache, "when both have left:");
  CHECK(akv_cache_destroy(cache));
  return EXIT_SUCCESS;
}
