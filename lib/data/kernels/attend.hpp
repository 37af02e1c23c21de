// attend.hpp: the arguments of the attention kernels: new queries against the paged K/V of their sequences, and the
// merge of partial results (Milakov and Gimelshein 2018; Dao et al., FlashDecoding 2023). It knows addresses, strides
// and numbers; no store, no stream.
//
// Work is counted in *units*: unit u is KV head u % num_heads of split u / num_heads % num_splits of sequence
// u / num_heads / num_splits. A split is an equal share of the tokens that are seen, in all parts together. Who takes
// the heads of a split together reads memory in longer pieces.
#pragma once

#include "data/kernels/formats.hpp"

namespace akv {

// A stretch of all the sequences' tokens that lies in one pool: parts follow each other.
struct AttendPart {
  PoolElements keys;
  PoolElements values;                   // the first value_dim elements of each row
  const std::int32_t *block_table;       // a row for each sequence
  std::int64_t table_stride;             // entries from one row to the next; 0: all have the same blocks
  const std::uint32_t *num_tokens;       // of each sequence in this part
  const std::uint32_t *first_positions;  // of each sequence's first token here; nullptr: behind the part before, or 0
  std::uint32_t block_tokens;
  std::uint32_t unused;  // 0
};

// Rows may not be longer: what a row needs is kept on the stack.
constexpr std::uint32_t kMostAttendDim = 1024;

struct AttendArguments {
  const unsigned char *query;  // [sequence][query][query head][key_dim], strides in bytes
  unsigned char *out;          // [sequence][query][query head][value_dim]
  float *log_sums;             // [sequence][query][query head], packed: log of the sum of exponentials; may be nullptr
  std::int64_t query_strides[3];
  std::int64_t out_strides[3];
  std::uint32_t query_dtype;  // F32, F16, BF16
  std::uint32_t out_dtype;
  std::uint32_t num_sequences;
  std::uint32_t num_queries;  // of each sequence; all see the same tokens
  std::uint32_t num_heads;    // KV heads
  std::uint32_t group;        // query heads of one KV head
  std::uint32_t key_dim;
  std::uint32_t value_dim;
  float scale;
  float soft_cap;                  // 0: none; else cap x tanh(score / cap)
  const float *sink_logits;        // one for each query head; nullptr: none. Takes part in the sum, has no value
  const std::uint32_t *positions;  // of each sequence's queries, for the window; nullptr: its last token's
  std::uint32_t window;            // tokens at positions > position - window are seen; 0: all
  std::uint32_t sink_tokens;       // ... and those at positions below this
  std::uint32_t num_parts;
  std::uint32_t num_splits;
  const AttendPart *parts;
  float *partials;  // num_splits > 1: [unit][query][group]{largest, sum, value_dim values}, and then merge_splits
};

// The results of two halves of the same sequences' tokens become that of both. Packed rows; `out` may be `a` or `b`.
struct MergeArguments {
  const unsigned char *a, *b;  // num_rows x dim of `dtype`
  const float *a_log_sums, *b_log_sums;
  unsigned char *out;
  float *out_log_sums;  // may be nullptr
  std::uint64_t num_rows;
  std::uint32_t dim;
  std::uint32_t dtype;
};

static_assert(std::is_trivially_copyable_v<AttendPart> && sizeof(AttendPart) == 200);
static_assert(std::is_trivially_copyable_v<AttendArguments> && sizeof(AttendArguments) == 160);
static_assert(std::is_trivially_copyable_v<MergeArguments> && sizeof(MergeArguments) == 64);

struct AttendKernels {
  void (*attend)(const AttendArguments &, std::uint64_t first_unit, std::uint64_t end_unit) noexcept;
  // The splits of (sequence, KV head) pairs first .. end - 1.
  void (*merge_splits)(const AttendArguments &, std::uint64_t first, std::uint64_t end) noexcept;
  void (*merge)(const MergeArguments &, std::uint64_t first_row, std::uint64_t end_row) noexcept;
};

}  // namespace akv
