// realtime.cpp: the decode step of 256 sequences on a full pool, and pages and tensors, for clang's RealtimeSanitizer:
// inside a function that is [[clang::nonblocking]] every allocation, lock and system call ends the program, but for the
// marked refill. It knows the public API; realtime.py builds and runs it.
//
//   realtime steps | pages | malloc | lock | library
//
// `steps` and `pages` must end well. The others are the controls: each does one thing that must be reported.
//
// Promises: A13 (pages and tensors take no lock), B12, B16 (a decode step allocates nothing and takes no lock but one
// for a magazine of new blocks).
#include "arenakv.h"

#include <pthread.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#if __has_cpp_attribute(clang::nonblocking)
#define NONBLOCKING [[clang::nonblocking]]
#else
#define NONBLOCKING
#endif

// How often the library took a mutex. The linker sends its calls here (--wrap).
static unsigned long locks_taken = 0;
extern "C" int __real_pthread_mutex_trylock(pthread_mutex_t *);
extern "C" int __wrap_pthread_mutex_trylock(pthread_mutex_t *);
extern "C" int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex) {
  ++locks_taken;
  return __real_pthread_mutex_trylock(mutex);
}

namespace {

constexpr std::uint32_t kSequences = 256;
constexpr std::uint32_t kBlockTokens = 16;
constexpr std::uint32_t kWidth = 128;
constexpr std::uint32_t kSteps = 100;

void ok(akv_status status, const char *what) {
  if (status == AKV_OK) return;
  char text[300];
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, "%s: %s: %s\n", what, akv_status_name(status), text);
  std::exit(1);
}

akv_cache *cache = nullptr;

akv_sequence create(std::int32_t first, std::uint32_t count) {
  std::vector<std::int32_t> tokens(count);
  for (std::uint32_t i = 0; i < count; ++i) tokens[i] = first + static_cast<std::int32_t>(i);
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = count;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_COMMITTED;
  akv_created created = AKV_CREATED_INIT;
  ok(akv_sequence_create(cache, &prompt, &options, &created), "create a sequence");
  return created.sequence;
}

struct Batch {
  akv_sequence sequences[kSequences];
  std::int32_t tokens[kSequences];
  std::uint32_t first[kSequences];
  std::int64_t slots[kSequences], positions[kSequences];
  std::int32_t starts[kSequences + 1], indptr[kSequences + 1], last_page[kSequences], lens[kSequences];
  std::int32_t indices[kSequences * kWidth], table[kSequences * kWidth];
  akv_row_state rows[kSequences];
  akv_batch batch = AKV_BATCH_INIT;
  akv_tables tables = AKV_TABLES_INIT;
};
Batch b;

// Every length modulo the block is there as often as any other, and the pool is full of cached prefixes. No sequence
// outgrows the row of its table, which would take a lock (each row is about twice as long as the one before).
void prepare() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 36000;
  config.block_tokens = kBlockTokens;
  config.max_sequences = kSequences + 8;
  config.max_tokens_per_sequence = kWidth * kBlockTokens;
  ok(akv_cache_create(&config, &cache), "create");
  for (std::int32_t i = 0; i < 60; ++i) ok(akv_sequence_free(cache, create(10000000 + i * 10000, 64 * 16 + i)), "free");
  for (std::uint32_t i = 0; i < kSequences; ++i)
    b.sequences[i] = create(static_cast<std::int32_t>(i) * 10000, 1300 + i);
  for (std::int32_t i = 0; i < 1000; ++i) ok(akv_sequence_free(cache, create(20000000 + i * 10000, 1024)), "free");
  b.batch.num_sequences = kSequences;
  b.batch.sequences = b.sequences;
  b.tables.slot_mapping = b.slots;
  b.tables.positions = b.positions;
  b.tables.slot_capacity = kSequences;
  b.tables.query_start_loc = b.starts;
  b.tables.kv_indptr = b.indptr;
  b.tables.kv_indices = b.indices;
  b.tables.kv_last_page_len = b.last_page;
  b.tables.kv_indices_capacity = kSequences * kWidth;
  b.tables.sequence_capacity = kSequences;
  b.tables.block_table = b.table;
  b.tables.row_states = b.rows;
  b.tables.seq_lens = b.lens;
  b.tables.row_stride = b.tables.row_width = kWidth;
  b.tables.num_rows = kSequences;
}

akv_cache_state read_state() {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  ok(akv_cache_read_state(cache, &state), "read_state");
  return state;
}

// One step of the engine: append, with all tables; late tokens; commit. Returns the worst status.
akv_status step(std::uint32_t number) NONBLOCKING {
  const bool late = number % 2 == 1;
  b.batch.first = nullptr;
  b.batch.tokens = late ? nullptr : b.tokens;
  b.batch.tokens_count = late ? 0 : kSequences;
  akv_status status = akv_sequence_append_batch(cache, &b.batch, &b.tables, nullptr);
  if (status != AKV_OK) return status;
  if (late) {
    for (std::uint32_t i = 0; i < kSequences; ++i) b.first[i] = static_cast<std::uint32_t>(b.lens[i]) - 1;
    b.batch.first = b.first;
    b.batch.tokens = b.tokens;
    b.batch.tokens_count = kSequences;
    status = akv_sequence_set_tokens_batch(cache, &b.batch);
    if (status != AKV_OK) return status;
  }
  return akv_sequence_commit_batch(cache, b.sequences, nullptr, kSequences, AKV_NONE);
}

akv_status look_again() NONBLOCKING {
  b.batch.first = nullptr;
  b.batch.tokens = nullptr;
  b.batch.tokens_count = 0;
  return akv_sequence_read_tables(cache, &b.batch, &b.tables);
}

int steps() {
  // A thread's first calls are steps like all others.
  const akv_cache_state before = read_state();
  const unsigned long locks_before = locks_taken;
  for (std::uint32_t i = 0; i < kSteps; ++i) ok(step(i), "a step");
  const unsigned long locks = locks_taken - locks_before;
  const akv_cache_state after = read_state();
  const std::uint64_t refills = after.refills - before.refills;
  for (std::uint32_t i = 0; i < kSteps; ++i) {
    ok(step(i), "a step");
    ok(look_again(), "read_tables");
  }
  ok(akv_cache_audit_all(cache), "audit_all");
  std::printf("%u steps of %u sequences: %lu locks, %llu refills of magazines, %llu blocks evicted\n", kSteps,
              kSequences, locks, static_cast<unsigned long long>(refills),
              static_cast<unsigned long long>(after.evicted_blocks - before.evicted_blocks));
  if (refills == 0 || after.evicted_blocks == before.evicted_blocks || after.copy_on_writes != before.copy_on_writes) {
    std::fprintf(stderr, "not the step that was meant: the pool is not full\n");
    return 1;
  }
  if (locks > refills) {
    std::fprintf(stderr, "more locks were taken than magazines filled\n");
    return 1;
  }
  return 0;
}

// Pages and tensors: no lock at all, where no ticket is open.
akv_page_pool *pool = nullptr;
akv_status use_pages(akv_arena arena) NONBLOCKING {
  akv_page pages[4];
  akv_tensor tensor = AKV_NONE;
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  for (std::uint32_t i = 0; i < 4; ++i) {
    if (const akv_status s = akv_page_acquire(pool, 1, pages, nullptr, 1 + i); s != AKV_OK) return s;
    if (const akv_status s = akv_page_read_view(pool, pages[i], &view); s != AKV_OK) return s;
    if (const akv_status s = akv_page_release(pool, pages, 1 + i); s != AKV_OK) return s;
    if (const akv_status s = akv_tensor_create(pool, arena, 300, &tensor, nullptr); s != AKV_OK) return s;
    if (const akv_status s = akv_tensor_extend(pool, tensor, 300, nullptr); s != AKV_OK) return s;
    if (const akv_status s = akv_tensor_read_view(pool, tensor, &view); s != AKV_OK) return s;
  }
  akv_page_pool_state state = AKV_PAGE_POOL_STATE_INIT;
  return akv_page_pool_read_state(pool, &state);
}

int pages() {
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 4096;
  ok(akv_page_pool_create(&config, &pool), "create a page pool");
  for (std::uint32_t i = 0; i < kSteps; ++i) {
    akv_arena arena = AKV_NONE;
    ok(akv_arena_create(pool, 1, &arena), "create an arena");
    const unsigned long locks_before = locks_taken;
    ok(use_pages(arena), "pages");
    if (locks_taken != locks_before) {
      std::fprintf(stderr, "a page or a tensor took a mutex\n");
      return 1;
    }
    ok(akv_arena_drop(pool, arena), "drop");
  }
  return 0;
}

// -- the controls --

void *volatile kept;
void control_malloc() NONBLOCKING { kept = std::malloc(64); }

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
void control_lock() NONBLOCKING {
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
}

// A call of the library that is no part of a step: its lock is not marked.
akv_status control_library() NONBLOCKING { return akv_cache_audit(cache); }

}  // namespace

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  prepare();
  if (std::strcmp(what, "steps") == 0) return steps();
  if (std::strcmp(what, "pages") == 0) return pages();
  if (std::strcmp(what, "malloc") == 0) control_malloc();
  else if (std::strcmp(what, "lock") == 0) control_lock();
  else if (std::strcmp(what, "library") == 0) ok(control_library(), "audit");
  else return 2;
  std::printf("nothing was reported\n");
  return 0;
}
