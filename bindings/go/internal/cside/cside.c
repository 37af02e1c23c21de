/* cside.c: the decode loop in C, and the child of a fork(): a Go program can't fork by itself, the C in it can. */
#include "cside.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t cside_decode(akv_cache *cache, const akv_sequence *sequences, uint32_t count, const int32_t *sampled,
                      int64_t *slots, int32_t *table, akv_row_state *rows, uint32_t width, uint32_t steps) {
  const uint64_t start = now();
  for (uint32_t step = 0; step < steps; ++step) {
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = batch.tokens_count = count;
    batch.sequences = sequences;
    batch.tokens = sampled;
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = slots;
    tables.slot_capacity = count;
    tables.block_table = table;
    tables.row_states = rows;
    tables.row_stride = tables.row_width = width;
    tables.num_rows = count;
    akv_plan plan = AKV_NONE;
    if (akv_sequence_append_batch(cache, &batch, &tables, &plan) != AKV_OK) return 0;
  }
  return now() - start;
}

static int32_t calls(akv_cache *cache, akv_sequence sequence) {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  akv_created created = AKV_CREATED_INIT;
  if (akv_cache_read_state(cache, &state) != AKV_ERROR_FORKED) return 1;
  if (akv_sequence_read_info(cache, sequence, &info) != AKV_ERROR_FORKED) return 2;
  if (akv_sequence_create(cache, NULL, NULL, &created) != AKV_ERROR_FORKED) return 3;
  if (akv_sequence_free(cache, sequence) != AKV_ERROR_FORKED) return 4;
  if (akv_cache_destroy(cache) != AKV_OK) return 5;
  return 0;
}

int32_t cside_child(akv_cache *cache, akv_sequence sequence) {
  const pid_t child = fork();
  if (child == 0) _exit(calls(cache, sequence));
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}
