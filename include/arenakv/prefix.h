/* prefix.h: which beginnings of prompts are cached.
 *
 * The index is a radix tree over runs of blocks, one root per domain (the idea of SGLang's RadixAttention, here with
 * one node per run of blocks). A hit compares token ids one by one, so two prompts can never be taken for each
 * other: there is no hash to collide. Domains are exact too: equal tokens in two domains share nothing.
 *
 * Content enters the index when it is committed and known (sequence.h) and leaves it from the tail of the least
 * recently used run, when blocks are short. What a live sequence, a pin or a lease holds never leaves.
 */
#ifndef ARENAKV_PREFIX_H
#define ARENAKV_PREFIX_H

#include "base.h"

AKV_BEGIN_DECLS

/* The beginning of a sequence: token ids in a domain. */
typedef struct akv_prompt {
  uint32_t struct_size;
  uint32_t num_tokens;
  const int32_t *tokens; /* num_tokens ids; may be NULL when there are none */
  uint64_t domain;       /* the trust domain and everything else that changes K/V: tenant, adapter. Interned by the
                          * caller (never a hash of a name), compared exactly; 0 is a domain like any other */
} akv_prompt;

#define AKV_PROMPT_INIT {sizeof(akv_prompt), 0u, NULL, 0u}

typedef struct akv_match {
  uint32_t struct_size;
  uint32_t cached_tokens;  /* in whole blocks. The last token of a prompt is never counted: it must be computed to
                            * have something to sample from, so at most (num_tokens - 1) / block_tokens blocks hit */
  uint32_t partial_tokens; /* and so many more inside the next block, to be had for one copy (AKV_SEQUENCE_PARTIAL);
                            * the last token is kept back here too */
  uint32_t cached_blocks;  /* cached_tokens / block_tokens */
  akv_ticket wait;         /* its writer has not finished: what to wait for, see ticket.h. 0: nothing */
} akv_match;

#define AKV_MATCH_INIT {sizeof(akv_match), 0u, 0u, 0u, 0u}

/* How much of this prompt is cached? Nothing is acquired and nothing moves in the eviction order, so the answer may
 * have changed by the time of akv_sequence_create(), which asks again itself.
 * META     O(cached blocks), one comparison of tokens each; one short lock.
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status
akv_prefix_match(akv_cache *cache, const akv_prompt *prompt, akv_match *out_match) AKV_NOEXCEPT;

enum {
  AKV_MISS_NONE = 0,          /* all that may hit does, and it is settled */
  AKV_MISS_NEVER_STORED = 1,  /* nobody has published the next block here, or it was evicted */
  AKV_MISS_OTHER_DOMAIN = 2,  /* another domain has it: equal tokens, no sharing */
  AKV_MISS_NOT_COMMITTED = 3, /* a live sequence of this domain has it; K/V not committed, or a token unknown */
  AKV_MISS_IN_FLIGHT = 4,     /* it hits, and its writer has not finished: wait for the ticket */
  AKV_MISS_LAST_TOKEN = 5     /* the next block is cached, and kept back for the last token's sake */
};

/* Why a prompt hits as far as it does, and no further. */
typedef struct akv_explanation {
  uint32_t struct_size;
  uint32_t reason;         /* AKV_MISS_*: the first that holds, in the order 5, 4, 3, 2, 1 */
  uint32_t cached_tokens;
  uint32_t partial_tokens;
  uint32_t first_missed;   /* position of the first token that does not hit */
  uint32_t unused;
  akv_ticket wait;         /* IN_FLIGHT: what to wait for */
  akv_sequence sequence;   /* NOT_COMMITTED: who has it */
} akv_explanation;

#define AKV_EXPLANATION_INIT {sizeof(akv_explanation), 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* Explain a match, for the operator: it tells that another domain has the same tokens, so do not show it to tenants.
 * SETUP    O(live sequences x blocks + prompts' first runs x cached blocks): for diagnosis, not for every request;
 *          holds the cache's lock.
 * Thread   any; sequences that are inside another call at this moment are passed over.
 * Fails    as every call. */
AKV_SETUP AKV_NODISCARD akv_status
akv_prefix_explain(akv_cache *cache, const akv_prompt *prompt, akv_explanation *out_explanation) AKV_NOEXCEPT;

/* Pin the cached blocks of a prompt (whole blocks, the last token not kept back) until the pin is released: they
 * don't leave by eviction. `out_tokens` (may be NULL) tells how many tokens that is.
 * Blocks count against max_pinned_blocks once, however many pins hold them.
 * META     O(cached blocks); one short lock.
 * Thread   any.
 * Fails    as every call, NOT_FOUND if nothing of it is cached, PIN_BUDGET, NO_HOLDS.
 * Owns     release it with akv_prefix_unpin(), or all of an owner's with akv_cache_drop_owner(). */
AKV_META AKV_NODISCARD akv_status
akv_prefix_pin(akv_cache *cache, const akv_prompt *prompt, uint64_t owner, akv_pin *out_pin,
               uint32_t *out_tokens) AKV_NOEXCEPT;

/* Release a pin.
 * META     O(runs on its path).
 * Thread   any.
 * Fails    as every call. */
AKV_META AKV_NODISCARD akv_status akv_prefix_unpin(akv_cache *cache, akv_pin pin) AKV_NOEXCEPT;

#define AKV_CLEAR_KEEP_PINNED 1u /* what pins hold stays findable */

/* Make all that is in the index unfindable: for new weights, a changed adapter, a tenant that left. What nobody
 * holds goes back to the pool. Live sequences go on, but neither they nor their forks publish anything any more: all
 * of it may rest on the old weights. Pins keep their blocks until they are released, and nobody finds them.
 * `domain` may be NULL: all domains. `out_blocks` (may be NULL) tells how many blocks left the index.
 * SETUP    O(runs + live sequences + blocks that go back); holds the cache's lock.
 * Thread   any.
 * Fails    as every call. */
AKV_SETUP AKV_NODISCARD akv_status
akv_prefix_clear(akv_cache *cache, const uint64_t *domain, uint32_t flags, uint32_t *out_blocks) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_PREFIX_H */
