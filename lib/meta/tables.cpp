// tables.cpp: the arrays that kernels read: slot mapping, block tables kept in place, FlashInfer's CSR arrays.
// It knows tables and positions; it changes no sequence.
//
// Layouts: slot mapping and block tables as vLLM's (slot = block x block_tokens + offset, padding -1), kv_indptr /
// kv_indices / kv_last_page_len as FlashInfer's.
#include "meta/tables.hpp"

#include <algorithm>
#include <cstring>

namespace akv {
namespace {

constexpr std::uint32_t kEmptyRow = 1;  // version of a row that belongs to nobody and holds only padding

// A sequence's context: its tokens up to the last query token, and their blocks.
struct Extent {
  std::uint32_t end;
  std::uint32_t blocks;
};

// Bring one row of the block table up to date: only new entries where the row was this sequence's before.
void write_row(const akv_tables &tables, std::uint32_t row, akv_sequence sequence, std::uint32_t version,
               std::uint32_t blocks, const std::int32_t *table) {
  std::int32_t *to = tables.block_table + row * tables.row_stride;
  std::uint32_t from = 0, stale_end = tables.row_width;
  if (tables.row_states != nullptr) {
    akv_row_state &state = tables.row_states[row];
    if (state.sequence != 0 || state.version == kEmptyRow) stale_end = std::min(state.blocks_written, tables.row_width);
    if (state.sequence == sequence && state.version == version) from = std::min(state.blocks_written, blocks);
    state = {sequence, version, blocks};
  }
  if (from < blocks) std::memcpy(to + from, table + from, (blocks - from) * sizeof(std::int32_t));
  for (std::uint32_t at = blocks; at < stale_end; ++at) to[at] = tables.pad_block;
}

}  // namespace

Status TableWriter::check_room(const akv_tables &t, std::uint32_t num_sequences, std::uint64_t query_tokens,
                               std::uint64_t indices, std::uint32_t widest) const noexcept {
  const auto too_small = [](std::uint64_t needed, std::uint64_t available, const char *format) {
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, needed, available, format, needed, available);
  };
  const std::uint64_t slots = std::max(query_tokens, t.padded_slots);
  const std::uint32_t sequences = std::max(num_sequences, t.padded_sequences);
  if ((t.slot_mapping != nullptr || t.positions != nullptr) && slots > t.slot_capacity)
    return too_small(slots, t.slot_capacity, "slot_mapping needs %llu elements, slot_capacity is %llu");
  const bool per_sequence = t.query_start_loc != nullptr || t.kv_indptr != nullptr || t.kv_last_page_len != nullptr;
  if (per_sequence && sequences > t.sequence_capacity)
    return too_small(sequences, t.sequence_capacity,
                     "arrays per sequence need %llu elements, sequence_capacity is %llu");
  if (t.kv_indices != nullptr && indices > t.kv_indices_capacity)
    return too_small(indices, t.kv_indices_capacity, "kv_indices needs %llu elements, kv_indices_capacity is %llu");
  if ((t.kv_indptr != nullptr && indices > INT32_MAX) || (t.query_start_loc != nullptr && query_tokens > INT32_MAX))
    return too_small(std::max(indices, query_tokens), INT32_MAX,
                     "an int32 index array would count to %llu, at most %llu");
  if (t.block_table != nullptr && widest > t.row_width)
    return too_small(widest, t.row_width, "the longest row has %llu blocks, row_width is %llu");
  if (t.block_table == nullptr && t.seq_lens == nullptr && t.first_positions == nullptr) return AKV_OK;
  if (t.row_of == nullptr && sequences > t.num_rows)
    return too_small(sequences, t.num_rows, "%llu rows are to be written, num_rows is %llu");
  for (std::uint32_t i = 0; t.row_of != nullptr && i < sequences; ++i)
    if (t.row_of[i] >= t.num_rows)
      return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, std::uint64_t{t.row_of[i]} + 1, t.num_rows,
                       "row_of[%llu] is row %llu, num_rows is %llu", i, t.row_of[i], t.num_rows);
  return AKV_OK;
}

// Slots of positions first .. first + count - 1. Where K/V exist in a block that is not the sequence's own to write to,
// there is no slot: a kernel that skips padding leaves them alone.
void TableWriter::write_slots(std::uint32_t slot, std::uint32_t first, std::uint32_t count, bool appended,
                              std::int64_t *out) const noexcept {
  const Sequence &s = sequences_[slot];
  std::uint32_t shared_end = 0;
  if (!appended)
    shared_end = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::uint64_t{rest_[slot].anchored_blocks} * block_tokens_, s.committed));
  std::uint32_t at = first;
  for (const std::uint32_t end = first + count; at < end;) {
    const std::uint32_t index = math_.whole_blocks(at), offset = at - index * block_tokens_;
    const std::uint32_t part = std::min(end - at, block_tokens_ - offset);
    const std::int64_t base = std::int64_t{s.table[index]} * block_tokens_ + offset;
    for (std::uint32_t i = 0; i < part; ++i) *out++ = at + i < shared_end ? AKV_PAD_SLOT : base + i;
    at += part;
  }
}

// A loop for each array, as short as can be: every one of them runs over the whole batch in every step. Pointers are
// taken out of the structs first: for all the compiler knows, what is written to could be what is read from.

// One token each, at the end of the last block, which is the sequence's own.
void TableWriter::write_decode_query(const akv_batch &batch, const akv_tables &t) const noexcept {
  const Sequence *const slots = sequences_.data();
  const akv_sequence *const sequences = batch.sequences;
  const std::uint32_t count = batch.num_sequences, block_tokens = block_tokens_;
  if (std::int64_t *const out = t.slot_mapping; out != nullptr)
    for (std::uint32_t i = 0; i < count; ++i) {
      const Sequence &s = slots[ObjectHandle::index(sequences[i])];
      out[i] = std::int64_t{s.tail_block} * block_tokens + (block_tokens - s.room - 1);
    }
  if (std::int64_t *const out = t.positions; out != nullptr)
    for (std::uint32_t i = 0; i < count; ++i)
      out[i] = std::int64_t{slots[ObjectHandle::index(sequences[i])].length} - 1;
  if (std::int32_t *const out = t.query_start_loc; out != nullptr)
    for (std::uint32_t i = 0; i < count; ++i) out[i] = static_cast<std::int32_t>(i);
}

void TableWriter::write_query(const akv_batch &batch, const akv_tables &t, bool appended) const noexcept {
  std::uint64_t query = 0;
  for (std::uint32_t i = 0; i < batch.num_sequences; ++i) {
    const std::uint32_t slot = ObjectHandle::index(batch.sequences[i]);
    const std::uint32_t count = count_of(batch, i);
    const std::uint32_t first = batch.first != nullptr ? batch.first[i] : sequences_[slot].length - count;
    if (t.query_start_loc != nullptr) t.query_start_loc[i] = static_cast<std::int32_t>(query);
    if (t.positions != nullptr)
      for (std::uint32_t k = 0; k < count; ++k) t.positions[query + k] = std::int64_t{first} + k;
    if (t.slot_mapping != nullptr) write_slots(slot, first, count, appended, t.slot_mapping + query);
    query += count;
  }
}

namespace {

// Where the context of each sequence ends: at its last token, or at its last query token.
struct WholeSequences {
  Extent operator()(const Sequence &s, std::uint32_t) const { return {s.length, s.used_blocks}; }
};
struct UpToQuery {
  const akv_batch &batch;
  BlockMath math;
  Extent operator()(const Sequence &, std::uint32_t i) const {
    const std::uint32_t end = batch.first[i] + count_of(batch, i);
    return {end, math.blocks(end)};
  }
};

}  // namespace

template <class Contexts>
void TableWriter::write_rows(const akv_batch &batch, const akv_tables &t, Contexts contexts) const noexcept {
  const Sequence *const slots = sequences_.data();
  const akv_sequence *const sequences = batch.sequences;
  const std::uint32_t *const row_of = t.row_of;
  const std::uint32_t count = batch.num_sequences;
  if (std::int32_t *const out = t.seq_lens; out != nullptr)
    for (std::uint32_t i = 0; i < count; ++i)
      out[row_of != nullptr ? row_of[i] : i] =
          static_cast<std::int32_t>(contexts(slots[ObjectHandle::index(sequences[i])], i).end);
  if (std::int32_t *const out = t.first_positions; out != nullptr)
    for (std::uint32_t i = 0; i < count; ++i) out[row_of != nullptr ? row_of[i] : i] = 0;
  if (t.block_table == nullptr) return;
  const akv_row_state *const states = t.row_states;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Sequence &s = slots[ObjectHandle::index(sequences[i])];
    const std::uint32_t row = row_of != nullptr ? row_of[i] : i, blocks = contexts(s, i).blocks;
    // In fifteen steps of sixteen there is nothing to do.
    if (AKV_LIKELY(states != nullptr && states[row].sequence == sequences[i] && states[row].version == s.version &&
                   states[row].blocks_written == blocks))
      continue;
    write_row(t, row, sequences[i], s.version, blocks, s.table);
  }
}

template <class Contexts>
void TableWriter::write_csr(const akv_batch &batch, const akv_tables &t, Contexts contexts) const noexcept {
  const Sequence *const slots = sequences_.data();
  const akv_sequence *const sequences = batch.sequences;
  const std::uint32_t count = batch.num_sequences, block_tokens = block_tokens_;
  std::int32_t *const indptr = t.kv_indptr, *const indices = t.kv_indices, *const last_page_len = t.kv_last_page_len;
  std::uint64_t index = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Sequence &s = slots[ObjectHandle::index(sequences[i])];
    const Extent context = contexts(s, i);
    if (indptr != nullptr) indptr[i] = static_cast<std::int32_t>(index);
    if (indices != nullptr) std::memcpy(indices + index, s.table, context.blocks * sizeof(std::int32_t));
    if (last_page_len != nullptr)
      last_page_len[i] =
          static_cast<std::int32_t>(context.blocks != 0 ? context.end - (context.blocks - 1) * block_tokens : 0);
    index += context.blocks;
  }
}

void TableWriter::write(const akv_batch &batch, const akv_tables &t, std::uint64_t query_tokens, std::uint64_t indices,
                        bool appended) const noexcept {
  const bool chunks = batch.first != nullptr,
             rows = t.block_table != nullptr || t.seq_lens != nullptr || t.first_positions != nullptr;
  const bool csr = t.kv_indptr != nullptr || t.kv_indices != nullptr || t.kv_last_page_len != nullptr;
  if (appended && batch.num_tokens == nullptr) write_decode_query(batch, t);
  else write_query(batch, t, appended);
  if (rows && !chunks) write_rows(batch, t, WholeSequences{});
  if (rows && chunks) write_rows(batch, t, UpToQuery{batch, math_});
  if (csr && !chunks) write_csr(batch, t, WholeSequences{});
  if (csr && chunks) write_csr(batch, t, UpToQuery{batch, math_});
  pad(batch.num_sequences, query_tokens, indices, t);
}

void TableWriter::pad(std::uint32_t num_sequences, std::uint64_t query, std::uint64_t index,
                      const akv_tables &t) const noexcept {
  const std::uint32_t sequences = std::max(num_sequences, t.padded_sequences);
  for (std::uint64_t at = query; at < t.padded_slots; ++at) {
    if (t.slot_mapping != nullptr) t.slot_mapping[at] = AKV_PAD_SLOT;
    if (t.positions != nullptr) t.positions[at] = 0;
  }
  for (std::uint32_t i = num_sequences; i <= sequences; ++i) {
    if (t.query_start_loc != nullptr) t.query_start_loc[i] = static_cast<std::int32_t>(query);
    if (t.kv_indptr != nullptr) t.kv_indptr[i] = static_cast<std::int32_t>(index);
    if (i == sequences) break;
    if (t.kv_last_page_len != nullptr) t.kv_last_page_len[i] = 0;
    const std::uint32_t row = t.row_of != nullptr ? t.row_of[i] : i;
    if (t.block_table != nullptr) write_row(t, row, AKV_NONE, kEmptyRow, 0, nullptr);
    if (t.first_positions != nullptr) t.first_positions[row] = 0;
    if (t.seq_lens != nullptr) t.seq_lens[row] = 0;
  }
}

}  // namespace akv
