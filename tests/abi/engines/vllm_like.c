/* vllm_like.c: a scheduler in vLLM's manner, on arenakv's metadata alone.
 *
 * Continuous batching with a persistent batch: a request keeps its row of the block table while the order of the batch
 * changes, prefill goes in chunks, sampled tokens arrive one step late, a ticket covers every step in flight, and when
 * blocks run out the youngest request is preempted and starts again. The "GPU" is a queue of one step.
 * It shows that the headers suffice; as a test it runs to the end and checks that nothing is left over.
 */
#include "engine.h"

#include <string.h>

enum { ROWS = 8, WIDTH = 64, CHUNK = 48, REQUESTS = 60, MAX_QUERY = ROWS * CHUNK, BLOCKS = 40, MAX_PROMPT = 256 };

typedef struct request {
  uint32_t number;
  akv_sequence sequence;
  uint32_t prompt_tokens;
  uint32_t placed;    /* tokens of the prompt that have a place */
  uint32_t generated; /* tokens appended behind the prompt */
  uint32_t wanted;
  uint32_t row;
  int32_t prompt[MAX_PROMPT];
} request;

/* What one step in flight will deliver: one sampled token for each sequence that decoded. */
typedef struct in_flight {
  akv_ticket ticket;
  uint32_t count;
  akv_sequence sequences[ROWS];
  uint32_t positions[ROWS];
  int32_t tokens[ROWS];
} in_flight;

static akv_cache *cache;
static int32_t block_table[ROWS][WIDTH];
static akv_row_state row_states[ROWS];
static int64_t slot_mapping[MAX_QUERY];
static int32_t seq_lens[ROWS], query_start_loc[ROWS + 1], kv_indptr[ROWS + 1], kv_indices[ROWS * WIDTH], last_page_len[ROWS];

static request running[ROWS];
static uint32_t count, preempted;

static void make_prompt(request *r, uint32_t number) {
  r->number = number;
  r->prompt_tokens = 40 + number * 7 % 160;
  for (uint32_t i = 0; i < r->prompt_tokens; i++)
    r->prompt[i] = i < 32 ? (int32_t)(1000 + i) /* everybody's system prompt */ : (int32_t)(number * 1000 + i);
  r->wanted = 5 + number % 11;
}

static uint32_t free_row(void) {
  uint32_t used[ROWS] = {0}, row = 0;
  for (uint32_t i = 0; i < count; i++) used[running[i].row] = 1;
  while (used[row]) row++;
  return row;
}

static int admit(uint32_t number) {
  request *r = &running[count];
  make_prompt(r, number);
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = r->prompt;
  prompt.num_tokens = r->prompt_tokens;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.request_id = number + 1;
  options.flags = AKV_SEQUENCE_PREFIX_ONLY; /* the rest comes in chunks */
  akv_created created = AKV_CREATED_INIT;
  akv_status status = akv_sequence_create(cache, &prompt, &options, &created);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_SEQUENCES) return 0;
  check(status);
  /* created.wait needs no event here: the steps that write and the steps that read follow each other on one stream */
  expect(created.plan == AKV_NONE);
  r->sequence = created.sequence;
  r->placed = created.length;
  r->generated = 0;
  r->row = free_row();
  count++;
  return 1;
}

/* The late tokens of the step before arrive; then its ticket retires. Those of preempted requests are dropped. */
static void land(in_flight *step) {
  if (step->ticket == AKV_NONE) return;
  uint32_t alive = 0;
  for (uint32_t i = 0; i < step->count; i++) {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    if (akv_sequence_read_info(cache, step->sequences[i], &info) == AKV_ERROR_BAD_HANDLE) continue;
    step->sequences[alive] = step->sequences[i];
    step->positions[alive] = step->positions[i];
    step->tokens[alive++] = step->tokens[i];
  }
  akv_batch late = AKV_BATCH_INIT;
  late.num_sequences = late.tokens_count = alive;
  late.sequences = step->sequences;
  late.first = step->positions;
  late.tokens = step->tokens;
  check(akv_sequence_set_tokens_batch(cache, &late));
  check(akv_ticket_retire(cache, step->ticket));
  step->ticket = AKV_NONE;
}

/* The batch of this step, in any order; tokens to decode are not known yet: the step before has not delivered them. */
static uint32_t fill(akv_sequence *sequences, uint32_t *num_tokens, uint32_t *row_of, int32_t *tokens) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) {
    const request *r = &running[count - 1 - i];
    uint32_t left = r->prompt_tokens - r->placed;
    uint32_t now = left == 0 ? 1 : left < CHUNK ? left : CHUNK;
    sequences[i] = r->sequence;
    num_tokens[i] = now;
    row_of[i] = r->row;
    for (uint32_t t = 0; t < now; t++) tokens[used++] = left ? r->prompt[r->placed + t] : AKV_TOKEN_UNKNOWN;
  }
  for (uint32_t row = 0, at = count; row < ROWS; row++) { /* the rows nobody has are padding */
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count; i++) taken |= running[i].row == row;
    if (!taken) row_of[at++] = row;
  }
  return used;
}

static void advance(in_flight *step) {
  step->count = 0;
  for (uint32_t i = 0; i < count; i++) {
    request *r = &running[i];
    uint32_t left = r->prompt_tokens - r->placed;
    if (left) {
      r->placed += left < CHUNK ? left : CHUNK;
      continue;
    }
    step->sequences[step->count] = r->sequence;
    step->positions[step->count] = r->prompt_tokens + r->generated;
    step->tokens[step->count++] = (int32_t)(7 * r->prompt_tokens + r->generated);
    r->generated++;
  }
}

/* Schedule, launch, commit. 0: no blocks; the message says how many are missing. */
static int run_step(in_flight *step) {
  akv_sequence sequences[ROWS];
  uint32_t num_tokens[ROWS], row_of[ROWS];
  int32_t tokens[MAX_QUERY];
  akv_batch batch = AKV_BATCH_INIT;
  batch.tokens_count = fill(sequences, num_tokens, row_of, tokens);
  batch.num_sequences = count;
  batch.sequences = sequences;
  batch.num_tokens = num_tokens;
  batch.tokens = tokens;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slot_mapping;
  tables.slot_capacity = tables.padded_slots = MAX_QUERY; /* a CUDA graph of a fixed size */
  tables.query_start_loc = query_start_loc;
  tables.kv_indptr = kv_indptr;
  tables.kv_indices = kv_indices;
  tables.kv_indices_capacity = ROWS * WIDTH;
  tables.kv_last_page_len = last_page_len;
  tables.sequence_capacity = tables.padded_sequences = ROWS;
  tables.block_table = &block_table[0][0];
  tables.row_stride = tables.row_width = WIDTH;
  tables.num_rows = ROWS;
  tables.row_of = row_of;
  tables.row_states = row_states;
  tables.seq_lens = seq_lens;

  check(akv_ticket_open(cache, &step->ticket)); /* before the tables: whatever is freed from here on waits */
  akv_plan plan = AKV_NONE;
  akv_status status = akv_sequence_append_batch(cache, &batch, &tables, &plan);
  if (status == AKV_ERROR_NO_BLOCKS) {
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    check(akv_last_error_detail(&detail));
    expect(detail.needed > detail.available);
    check(akv_ticket_retire(cache, step->ticket));
    step->ticket = AKV_NONE;
    return 0;
  }
  check(status);
  run_plan(cache, plan, step->ticket);
  /* ... launch the model on slot_mapping, block_table and seq_lens; what a kernel would find: */
  expect(slot_mapping[batch.tokens_count - 1] >= 0);
  expect(batch.tokens_count == MAX_QUERY || slot_mapping[batch.tokens_count] == AKV_PAD_SLOT);
  expect(query_start_loc[ROWS] == (int32_t)batch.tokens_count && kv_indptr[ROWS] == kv_indptr[count]);
  for (uint32_t i = 0; i < count; i++) {
    int32_t pages = kv_indptr[i + 1] - kv_indptr[i];
    expect(memcmp(block_table[row_of[i]], kv_indices + kv_indptr[i], (size_t)pages * sizeof(int32_t)) == 0);
    expect(block_table[row_of[i]][pages] == AKV_NULL_BLOCK);
    expect((pages - 1) * 16 + last_page_len[i] == seq_lens[row_of[i]]);
  }
  for (uint32_t i = count; i < ROWS; i++) expect(seq_lens[row_of[i]] == 0 && block_table[row_of[i]][0] == AKV_NULL_BLOCK);
  check(akv_sequence_commit_batch(cache, sequences, NULL, count, step->ticket));
  advance(step);
  return 1;
}

static void leave(uint32_t i) {
  check(akv_sequence_free(cache, running[i].sequence));
  running[i] = running[--count];
}

int main(void) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = BLOCKS;
  config.max_sequences = ROWS;
  check(akv_cache_create(&config, &cache));

  uint32_t waiting[REQUESTS + ROWS], first = 0, last = 0, finished = 0;
  for (uint32_t i = 0; i < REQUESTS; i++) waiting[last++] = i;
  in_flight flying = {0};
  while (finished < REQUESTS) {
    while (first < last && count < ROWS && admit(waiting[first])) first++;
    in_flight launched = {0};
    while (!run_step(&launched)) {
      land(&flying); /* what it holds in quarantine may be enough */
      if (run_step(&launched)) break;
      expect(count > 1);
      waiting[--first] = running[count - 1].number; /* the youngest starts again, and finds what it had committed */
      leave(count - 1);
      preempted++;
    }
    land(&flying); /* one step late */
    flying = launched;
    for (uint32_t i = 0; i < count;) {
      if (running[i].generated < running[i].wanted) {
        i++;
        continue;
      }
      leave(i); /* with its last step in flight: the ticket keeps its blocks */
      finished++;
    }
  }
  land(&flying);
  expect(preempted > 0);
  expect_nothing_live(cache);
  check(akv_cache_destroy(cache));
  printf("vllm_like: %d requests in permuted rows, late tokens, one step in flight, %u preempted: nothing left over\n", REQUESTS,
         preempted);
  return 0;
}
