/* planner.h: how much fits into a memory, and what memory so much takes. Numbers only: nothing here allocates.
 *
 * What is counted is a store in the default layout: a region for each layer and plane, in each of them a place for
 * every block and for the null block, and each region padded to the alignment. Not counted: what the system adds to a
 * reservation (its whole last page: on the host 2 MiB, or 4 KiB with AKV_STORE_SMALL_PAGES), and the metadata on the
 * host, which akv_cache_config_sizes() tells.
 * A call refuses the fields of a request that it has no use for: they must be 0.
 *
 *   akv_planner_fit        bytes -> blocks, tokens, sequences
 *   akv_planner_need       sequences x context -> bytes
 *   akv_planner_page_size  a context -> the size of the pages in which a sequence's tensors lie one by one
 */
#ifndef ARENAKV_PLANNER_H
#define ARENAKV_PLANNER_H

#include "base.h"
#include "model.h"

AKV_BEGIN_DECLS

/* What is asked. Zero means default. */
typedef struct akv_planner_request {
  uint32_t struct_size;
  uint32_t dtype;            /* AKV_DTYPE_* of K/V; default the model's */
  uint32_t num_layers;       /* that are cached; default all of the model's */
  uint32_t block_tokens;     /* default 16; page_size: with a format only, whose scales may follow it */
  uint32_t alignment;        /* of regions and pages, a power of two up to 2^30; default 256 */
  uint32_t num_sequences;    /* need: sequences of that context; default 1 */
  uint64_t context_tokens;   /* of a sequence, default the model's max_context */
  uint64_t expected_tokens;  /* page_size: what a sequence really comes to; default context_tokens */
  uint64_t budget_bytes;     /* fit: for the cache; 0: what total_bytes leaves */
  uint64_t total_bytes;      /* fit: of the device; not together with budget_bytes */
  uint64_t weight_bytes;     /* of total_bytes: the model's weights */
  uint64_t activation_bytes; /* of total_bytes: activations, at their peak */
  uint64_t overhead_bytes;   /* of total_bytes: runtime, graphs, fragmentation, a margin */
  uint32_t format;           /* AKV_FORMAT_* of K/V, scales included (geometry.h); default numbers of `dtype`; not
                              * together with that */
  uint32_t unused;           /* 0 */
} akv_planner_request;

#define AKV_PLANNER_REQUEST_INIT {sizeof(akv_planner_request), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* What comes out: store_bytes = num_blocks x bytes_per_block + null_block_bytes + padding_bytes, and
 * budget_bytes = store_bytes + slack_bytes. */
typedef struct akv_planner_result {
  uint32_t struct_size;
  uint32_t dtype;                 /* counted with */
  uint32_t num_layers;            /* counted */
  uint32_t block_tokens;
  uint32_t num_blocks;            /* for akv_cache_config: without the null block */
  uint32_t num_sequences;         /* of that context, sharing nothing; AKV_MAX_SEQUENCES at most. fit: may be 0 */
  uint64_t num_tokens;            /* num_blocks x block_tokens */
  uint64_t context_tokens;
  uint64_t blocks_per_sequence;   /* ceil(context_tokens / block_tokens) */
  uint64_t spare_blocks;          /* num_blocks - num_sequences x blocks_per_sequence */
  uint64_t bytes_per_token;
  uint64_t bytes_per_block;       /* of all layers and planes */
  uint64_t sequence_block_bytes;  /* blocks_per_sequence x bytes_per_block */
  uint64_t rounding_bytes;        /* of sequence_block_bytes, behind the last token of its last block: waste */
  uint64_t null_block_bytes;      /* block 0, which every store has */
  uint64_t padding_bytes;         /* regions rounded up to the alignment: waste */
  uint64_t store_bytes;           /* what the store reserves */
  uint64_t budget_bytes;          /* fit: what there is for it; need: store_bytes */
  uint64_t slack_bytes;           /* fit: what is left over: less than one block more would take; need: 0 */
} akv_planner_result;

#define AKV_PLANNER_RESULT_INIT \
  {sizeof(akv_planner_result), 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* The most blocks that a budget holds (AKV_MAX_BLOCKS at most), and how many sequences that is.
 * META     O(planes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT (no budget, or two), OUT_OF_RANGE (not one block fits beside the null block:
 *          the detail has the bytes needed and available; the parts exceed total_bytes; a size of 2^64 or more). */
AKV_META AKV_NODISCARD akv_status akv_planner_fit(const akv_model *model, const akv_planner_request *request,
                                                  akv_planner_result *out_result) AKV_NOEXCEPT;

/* The memory that num_sequences sequences of context_tokens take.
 * META     O(planes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, OUT_OF_RANGE (more than AKV_MAX_BLOCKS blocks, or a size of 2^64 or more). */
AKV_META AKV_NODISCARD akv_status akv_planner_need(const akv_model *model, const akv_planner_request *request,
                                                   akv_planner_result *out_result) AKV_NOEXCEPT;

/* A page that holds any one tensor of a sequence: page_bytes = ceil(tensor_bytes) to the alignment. */
typedef struct akv_page_size {
  uint32_t struct_size;
  uint32_t alignment;
  uint64_t page_bytes;
  uint64_t tensor_bytes;         /* of the largest tensor: the largest plane of a layer, at context_tokens */
  uint64_t tensors_per_sequence; /* layers x planes: as many pages */
  uint64_t sequence_page_bytes;  /* tensors_per_sequence x page_bytes */
  uint64_t full_waste_bytes;     /* of sequence_page_bytes, unused when all hold context_tokens */
  uint64_t expected_waste_bytes; /* of sequence_page_bytes, unused when all hold expected_tokens */
} akv_page_size;

#define AKV_PAGE_SIZE_INIT {sizeof(akv_page_size), 0u, 0u, 0u, 0u, 0u, 0u, 0u}

/* The page size for a model's tensors at a context.
 * META     O(planes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, OUT_OF_RANGE (expected_tokens beyond context_tokens, a size of 2^64 or more). */
AKV_META AKV_NODISCARD akv_status akv_planner_page_size(const akv_model *model, const akv_planner_request *request,
                                                        akv_page_size *out_page_size) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_PLANNER_H */
