// step.cpp: thunks of step.h.
#include "api/thunk.hpp"

using namespace akv;

namespace {

Status read_batch(const akv_batch *from, akv_batch &to, std::uint32_t known_flags) noexcept {
  AKV_TRY(read_struct(from, to, kBatchV1));
  AKV_TRY(check_flags(to.flags, known_flags));
  AKV_TRY(check_array(to.sequences, to.num_sequences, "batch.sequences"));
  return check_array(to.tokens, to.tokens_count, "batch.tokens");
}

Status read_tables_struct(const akv_tables *from, akv_tables &to) noexcept {
  AKV_TRY(read_struct(from, to, kTablesV1));
  if (to.group != 0 || to.part != 0)
    return fail(AKV_ERROR_OUT_OF_RANGE, "layer group %llu, part %llu: the cache has one of each", to.group, to.part);
  if (to.block_table != nullptr && to.row_stride < to.row_width)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "row_stride is %llu, row_width %llu", to.row_stride, to.row_width);
  if (to.row_states != nullptr && to.block_table == nullptr)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "row_states without a block_table");
  return AKV_OK;
}

}  // namespace

extern "C" {

akv_status akv_sequence_append_batch(akv_cache *cache, const akv_batch *batch, const akv_tables *tables,
                                     akv_plan *out_plan) noexcept {
  akv_batch wanted;
  AKV_TRY(read_batch(batch, wanted, AKV_APPEND_COMMITTED));
  if (wanted.first != nullptr)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "batch.first is for read_tables and set_tokens, not for append");
  akv_tables arrays;
  if (tables != nullptr) AKV_TRY(read_tables_struct(tables, arrays));
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gates gates(*home, wanted.sequences, wanted.num_sequences);
  AKV_TRY(gates.status());
  return home->cache().append_batch(wanted, tables != nullptr ? &arrays : nullptr, out_plan);
}

akv_status akv_sequence_read_tables(akv_cache *cache, const akv_batch *batch, const akv_tables *tables) noexcept {
  akv_batch wanted;
  akv_tables arrays;
  AKV_TRY(read_batch(batch, wanted, 0));
  AKV_TRY(read_tables_struct(tables, arrays));
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gates gates(*home, wanted.sequences, wanted.num_sequences);
  AKV_TRY(gates.status());
  return home->cache().read_tables(wanted, arrays);
}

akv_status akv_sequence_commit_batch(akv_cache *cache, const akv_sequence *sequences, const uint32_t *lengths,
                                     uint32_t count, akv_ticket ticket) noexcept {
  AKV_TRY(check_array(sequences, count, "sequences"));
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gates gates(*home, sequences, count);
  AKV_TRY(gates.status());
  return home->cache().commit_batch(sequences, lengths, count, ticket);
}

akv_status akv_sequence_set_tokens_batch(akv_cache *cache, const akv_batch *batch) noexcept {
  akv_batch wanted;
  AKV_TRY(read_batch(batch, wanted, 0));
  AKV_TRY(check_array(wanted.first, wanted.num_sequences, "batch.first"));
  std::uint64_t tokens = 0;
  for (std::uint32_t i = 0; i < wanted.num_sequences; ++i)
    tokens += wanted.num_tokens != nullptr ? wanted.num_tokens[i] : 1;
  if (tokens != wanted.tokens_count)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "tokens_count is %llu, the num_tokens add up to %llu", wanted.tokens_count,
                tokens);
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gates gates(*home, wanted.sequences, wanted.num_sequences);
  AKV_TRY(gates.status());
  return home->cache().set_tokens_batch(wanted);
}

akv_status akv_sequence_truncate_batch(akv_cache *cache, const akv_sequence *sequences, const uint32_t *lengths,
                                       uint32_t count, uint32_t flags) noexcept {
  AKV_TRY(check_flags(flags, AKV_TRUNCATE_KEEP_BLOCKS));
  AKV_TRY(check_array(sequences, count, "sequences"));
  AKV_TRY(check_array(lengths, count, "lengths"));
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gates gates(*home, sequences, count);
  AKV_TRY(gates.status());
  return home->cache().truncate_batch(sequences, lengths, count, (flags & AKV_TRUNCATE_KEEP_BLOCKS) != 0);
}

}  // extern "C"
