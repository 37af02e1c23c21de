/* step.c: the loop of decode_step.py in C, on the same sequences of the same library. It knows no Python.
 */
#include <arenakv.h>

#include <time.h>

/* Nanoseconds for this many steps; 0 if one failed. */
uint64_t bench_steps(akv_cache *cache, const akv_batch *batch, const akv_tables *tables, uint64_t steps) {
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (uint64_t i = 0; i < steps; i++) {
    akv_plan plan = AKV_NONE;
    if (akv_sequence_append_batch(cache, batch, tables, &plan) != AKV_OK || plan != AKV_NONE) return 0;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  return (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000u + (uint64_t)(end.tv_nsec - begin.tv_nsec);
}
