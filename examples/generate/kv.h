/* kv.h: the K/V of a Llama model in arenakv: sequences, steps over them, and where their bytes are.
 *
 * It knows no weight and no text. A step is a number of tokens that go through the model together: a chunk of one
 * prompt, or a token of each of several sequences. For a step: kv_prefill() or kv_decode(), then for every layer
 * kv_write() and kv_attend(), then kv_step_done().
 */
#ifndef GENERATE_KV_H
#define GENERATE_KV_H

#include "model.h"
#include "options.h"

#include <arenakv.h>

enum { STEP_TOKENS = 64 }; /* of a step at most; MAX_SAMPLES fit */

struct kv_sequence {
  akv_sequence handle;
  uint32_t length;  /* tokens that have a place */
  akv_tail_row row; /* two-tier: where its last tokens are */
};

/* One row for each token of a step, which is a sequence of its own to the attention: it sees what is before it. */
struct kv_step {
  uint32_t count;
  uint32_t num_sequences; /* 1 with count tokens, or count with a token each */
  struct kv_sequence *sequences[STEP_TOKENS];
  int32_t tokens[STEP_TOKENS];
  int64_t positions[STEP_TOKENS];
  int64_t slots[STEP_TOKENS];    /* where the K/V of a token go */
  int32_t *table;                /* [row][table_width] blocks of all tokens up to it */
  int32_t *tail_table;           /* the same of the tail's store */
  uint32_t lengths[STEP_TOKENS]; /* tokens that a row sees there */
  uint32_t tail_lengths[STEP_TOKENS];
};

struct kv {
  const struct model *model;
  const struct options *options;
  uint32_t sequence_tokens; /* of a sequence at most */
  uint32_t table_width;
  uint32_t tail_width;
  int two_tier;
  akv_cache *cache;
  akv_store *stores[2]; /* of the blocks, and of the swap blocks where there are some */
  uint32_t num_stores;
  akv_store *tail_store;
  akv_tail *tail;
  struct kv_step step;
};

/* Room for options->samples sequences of `sequence_tokens` tokens, and as much again for what stays cached. */
void kv_open(struct kv *kv, const struct model *model, const struct options *options, uint32_t sequence_tokens);
/* Every block must have come back by then. */
void kv_close(struct kv *kv);

/* A sequence for a prompt that may grow to `most` tokens; answers how many of the prompt's need not be computed. */
uint32_t kv_start(struct kv *kv, struct kv_sequence *sequence, const int32_t *tokens, uint32_t count, uint32_t most);
/* Another one with the same tokens: shared, not copied. */
void kv_fork(struct kv *kv, struct kv_sequence *parent, struct kv_sequence *child);
void kv_end(struct kv *kv, struct kv_sequence *sequence);
/* All of these leave, somebody else uses the room, and they come back. */
void kv_swap(struct kv *kv, struct kv_sequence *const *sequences, uint32_t count);

/* A step over tokens first .. first + count - 1 of the prompt that the sequence was started with. */
void kv_prefill(struct kv *kv, struct kv_sequence *sequence, const int32_t *prompt, uint32_t first, uint32_t count);
/* A step over a new token for each of these. */
void kv_decode(struct kv *kv, struct kv_sequence *const *sequences, const int32_t *tokens, uint32_t count);
/* K/V of the step's tokens, [token][KV head][head_dim], for one layer. */
void kv_write(struct kv *kv, uint32_t layer, float *keys, float *values);
/* Queries and results, [token][head][head_dim]. */
void kv_attend(struct kv *kv, uint32_t layer, const float *queries, float *out);
/* All layers have the K/V now: they may be found by others. */
void kv_step_done(struct kv *kv);

/* Two-tier (kv_tail.c): rows of the tail, and the step's place in it. */
void kv_tail_create(struct kv *kv);
void kv_tail_destroy(struct kv *kv);
uint32_t kv_tail_stored(struct kv *kv, const struct kv_sequence *sequence);
void kv_tail_fork(struct kv *kv, const struct kv_sequence *parent, struct kv_sequence *child);
void kv_tail_place(struct kv *kv);
void kv_tail_overflow(struct kv *kv);

/* Run a plan on the stores and finish it; AKV_NONE is fine. */
void kv_run(struct kv *kv, akv_plan plan);
/* Append tokens, whatever has to be copied for it. */
void kv_append(struct kv *kv, struct kv_sequence *sequence, const int32_t *tokens, uint32_t count);
/* Contiguous: tokens of room in the one strided tensor that a layer's keys of this sequence are. */
uint32_t kv_stretch(struct kv *kv, const struct kv_sequence *sequence);
/* What has moved, one kind after the other, in bytes. */
uint64_t kv_moved(struct kv *kv, uint32_t kind);

#endif /* GENERATE_KV_H */
