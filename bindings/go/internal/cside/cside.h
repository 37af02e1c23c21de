/* cside.h: what benchmarks and tests want to have done in C: the decode loop to compare Go's with, and a child of fork(). */
#ifndef ARENAKV_GO_CSIDE_H
#define ARENAKV_GO_CSIDE_H

#include <arenakv.h>

/* `steps` decode steps of all sequences, with slot mapping and block tables in place; the nanoseconds they took, or 0 when
 * a call failed. It is the loop of an engine: arrays that are there, one call a step. */
uint64_t cside_decode(akv_cache *cache, const akv_sequence *sequences, uint32_t count, const int32_t *sampled,
                      int64_t *slots, int32_t *table, akv_row_state *rows, uint32_t width, uint32_t steps);

/* A child of fork() calls the parent's cache, and destroys it. What it was answered: 0 when each call said FORKED and the
 * destruction was fine, else the number of the call that did not. */
int32_t cside_child(akv_cache *cache, akv_sequence sequence);

#endif /* ARENAKV_GO_CSIDE_H */
