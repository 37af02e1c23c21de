/* llamacpp_like.c: an inference program that embeds the cache, in llama.cpp's manner.
 *
 * One process, one conversation at a time, no scheduler: decode() places tokens and says "no slot" instead of
 * failing; a conversation is forked for two samples, the worse one is dropped, a speculative draft is rejected in
 * part, the context is cut, and the next prompt finds the old conversation cached. No tickets: the program waits for
 * each step. Compare llama_memory_seq_rm, llama_memory_seq_cp and "llama_decode returns 1".
 */
#include "engine.h"

typedef struct context {
  akv_cache *cache;
  int32_t blocks[64]; /* the table that the attention of this program reads */
} context;

/* 0: decoded; 1: no room, nothing has changed. */
static int decode(context *c, akv_sequence sequence, const int32_t *tokens, uint32_t count) {
  akv_plan plan = AKV_NONE;
  akv_status status = akv_sequence_append(c->cache, sequence, tokens, count, 0, &plan);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_CAPACITY) return 1;
  check(status);
  run_plan(c->cache, plan, AKV_NONE);
  uint32_t num_blocks = 0;
  check(akv_sequence_read_blocks(c->cache, sequence, 0, c->blocks, 64, &num_blocks));
  /* ... compute K/V into c->blocks, attend ... then all that is placed has K/V: */
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  check(akv_sequence_read_info(c->cache, sequence, &info));
  check(akv_sequence_commit(c->cache, sequence, info.length, AKV_NONE));
  return 0;
}

int main(void) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 24;
  config.block_tokens = 8;
  config.max_tokens_per_sequence = 128;
  context c = {0};
  check(akv_cache_create(&config, &c.cache));

  int32_t prompt[60];
  for (int32_t i = 0; i < 60; i++) prompt[i] = 100 + i;
  akv_created chat = AKV_CREATED_INIT;
  check(akv_sequence_create(c.cache, NULL, NULL, &chat)); /* empty: this program thinks in decode() */
  expect(decode(&c, chat.sequence, prompt, 60) == 0);

  /* two samples from one prompt: llama_memory_seq_cp, and it says that no byte moves */
  akv_sequence other = AKV_NONE;
  check(akv_sequence_fork(c.cache, chat.sequence, AKV_UNSET, NULL, &other));
  int32_t yes[3] = {1, 2, 3}, no[3] = {4, 5, 6};
  expect(decode(&c, chat.sequence, yes, 3) == 0);
  expect(decode(&c, other, no, 3) == 0);
  check(akv_sequence_free(c.cache, other));

  /* speculative decoding: four drafts are placed, two are accepted: llama_memory_seq_rm(seq, p0, -1) */
  int32_t draft[4] = {7, 8, 9, 10};
  check(akv_sequence_append(c.cache, chat.sequence, draft, 4, 0, NULL));
  check(akv_sequence_truncate(c.cache, chat.sequence, 65, 0));
  check(akv_sequence_commit(c.cache, chat.sequence, 65, AKV_NONE));

  /* a draft that does not fit is "no slot", and the conversation is as it was */
  int32_t flood[200] = {0};
  expect(decode(&c, chat.sequence, flood, 200) == 1);

  /* cut the context back, into the middle of a published block, and go on: the cached block is not written to */
  check(akv_sequence_truncate(c.cache, chat.sequence, 20, 0));
  expect(decode(&c, chat.sequence, no, 3) == 0);
  check(akv_sequence_free(c.cache, chat.sequence));

  /* the next conversation starts alike */
  akv_prompt p = AKV_PROMPT_INIT;
  p.tokens = prompt;
  p.num_tokens = 60;
  akv_match match = AKV_MATCH_INIT;
  check(akv_prefix_match(c.cache, &p, &match));
  expect(match.cached_tokens == 56 && match.wait == AKV_NONE);
  expect_nothing_live(c.cache);
  check(akv_cache_destroy(c.cache));
  puts("llamacpp_like: fork, draft, cut and come back: 56 of 60 tokens found again");
  return 0;
}
