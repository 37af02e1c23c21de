// sequence.cpp: thunks of sequence.h.
#include "api/thunk.hpp"

using namespace akv;

namespace {

Status read_admission(const akv_prompt *prompt, const akv_sequence_options *options, Prompt &to,
                      akv_sequence_options &wanted) {
  if (prompt != nullptr) AKV_TRY(read_prompt(prompt, to));
  return read_options(options, wanted);
}

}  // namespace

extern "C" {

akv_status akv_sequence_create(akv_cache *cache, const akv_prompt *prompt, const akv_sequence_options *options,
                               akv_created *out_created) noexcept {
  Prompt checked;
  akv_sequence_options wanted;
  AKV_TRY(read_admission(prompt, options, checked, wanted));
  AKV_TRY(check_output(out_created, kOutputV1));
  akv_created created{};
  Locked locked(cache);
  AKV_TRY(locked.status());
  AKV_TRY(bound_max_tokens(wanted, locked->config()));
  AKV_TRY(locked->create_sequence(locked.lock(), checked, wanted, created));
  write_struct(created, out_created);
  return AKV_OK;
}

akv_status akv_cache_can_allocate(akv_cache *cache, const akv_prompt *prompt, const akv_sequence_options *options,
                                  akv_room *out_room) noexcept {
  Prompt checked;
  akv_sequence_options wanted;
  AKV_TRY(read_admission(prompt, options, checked, wanted));
  AKV_TRY(check_output(out_room, kOutputV1));
  akv_room room{};
  Locked locked(cache);
  AKV_TRY(locked.status());
  AKV_TRY(bound_max_tokens(wanted, locked->config()));
  AKV_TRY(locked->can_allocate_locked(checked, wanted, room));
  write_struct(room, out_room);
  return AKV_OK;
}

akv_status akv_sequence_can_extend(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens,
                                   akv_room *out_room) noexcept {
  AKV_TRY(check_output(out_room, kOutputV1));
  AKV_ENTER(cache, sequence);
  akv_room room{};
  AKV_TRY(home->cache().can_extend(gate.slot(), num_tokens, room));
  write_struct(room, out_room);
  return AKV_OK;
}

akv_status akv_sequence_append(akv_cache *cache, akv_sequence sequence, const int32_t *tokens, uint32_t num_tokens,
                               uint32_t flags, akv_plan *out_plan) noexcept {
  AKV_TRY(check_flags(flags, AKV_APPEND_COMMITTED));
  AKV_ENTER(cache, sequence);
  const std::int32_t token = tokens != nullptr && num_tokens == 1 ? *tokens : AKV_TOKEN_UNKNOWN;
  if (num_tokens == 1 && home->cache().append_quickly(gate.slot(), token, (flags & AKV_APPEND_COMMITTED) != 0)) {
    if (out_plan != nullptr) *out_plan = AKV_NONE;
    return AKV_OK;
  }
  return home->cache().append(gate.slot(), tokens, num_tokens, (flags & AKV_APPEND_COMMITTED) != 0, out_plan);
}

akv_status akv_sequence_reserve(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens,
                                akv_plan *out_plan) noexcept {
  AKV_ENTER(cache, sequence);
  return home->cache().reserve(gate.slot(), num_tokens, out_plan);
}

akv_status akv_sequence_set_tokens(akv_cache *cache, akv_sequence sequence, uint32_t first, const int32_t *tokens,
                                   uint32_t num_tokens) noexcept {
  AKV_TRY(check_array(tokens, num_tokens, "tokens"));
  AKV_ENTER(cache, sequence);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.tokens_count = num_tokens;
  batch.sequences = &sequence;
  batch.num_tokens = &num_tokens;
  batch.first = &first;
  batch.tokens = tokens;
  const akv_status status = home->cache().set_tokens_batch(batch);
  if (status != AKV_OK) name_row(AKV_UNSET);
  return status;
}

akv_status akv_sequence_commit(akv_cache *cache, akv_sequence sequence, uint32_t length, akv_ticket ticket) noexcept {
  AKV_ENTER(cache, sequence);
  const akv_status status = home->cache().commit_batch(&sequence, &length, 1, ticket);
  if (status != AKV_OK) name_row(AKV_UNSET);
  return status;
}

akv_status akv_sequence_fork(akv_cache *cache, akv_sequence parent, uint32_t length,
                             const akv_sequence_options *options, akv_sequence *out_child) noexcept {
  akv_sequence_options wanted;
  AKV_TRY(read_options(options, wanted));
  AKV_TRY(check_pointer(out_child, "out_child"));
  AKV_ENTER(cache, parent);
  if (wanted.max_tokens != 0) AKV_TRY(bound_max_tokens(wanted, home->cache().config()));
  return home->cache().fork(gate.slot(), length, wanted, *out_child);
}

akv_status akv_sequence_truncate(akv_cache *cache, akv_sequence sequence, uint32_t length, uint32_t flags) noexcept {
  AKV_TRY(check_flags(flags, AKV_TRUNCATE_KEEP_BLOCKS));
  AKV_ENTER(cache, sequence);
  const akv_status status =
      home->cache().truncate_batch(&sequence, &length, 1, (flags & AKV_TRUNCATE_KEEP_BLOCKS) != 0);
  if (status != AKV_OK) name_row(AKV_UNSET);
  return status;
}

akv_status akv_sequence_set_length(akv_cache *cache, akv_sequence sequence, uint32_t length) noexcept {
  AKV_ENTER(cache, sequence);
  return home->cache().set_length(gate.slot(), length);
}

akv_status akv_sequence_free(akv_cache *cache, akv_sequence sequence) noexcept {
  AKV_ENTER(cache, sequence);
  home->cache().free_sequence(gate.slot());
  gate.buried();
  return AKV_OK;
}

akv_status akv_sequence_free_batch(akv_cache *cache, const akv_sequence *sequences, uint32_t count, uint32_t *out_freed,
                                   uint32_t *out_stale, akv_status *out_statuses) noexcept {
  AKV_TRY(check_array(sequences, count, "sequences"));
  std::uint32_t freed = 0, stale = 0;
  Locked locked(cache);
  AKV_TRY(locked.status());
  locked->free_batch_locked(sequences, count, freed, stale, out_statuses);
  if (out_freed != nullptr) *out_freed = freed;
  if (out_stale != nullptr) *out_stale = stale;
  return AKV_OK;
}

akv_status akv_cache_drop_owner(akv_cache *cache, uint64_t owner, uint32_t flags, uint32_t *out_released) noexcept {
  AKV_TRY(check_flags(flags, AKV_DROP_IN_FLIGHT));
  if (owner == 0) return fail(AKV_ERROR_INVALID_ARGUMENT, "owner 0 is nobody");
  std::uint32_t released = 0;
  {
    Locked locked(cache);
    AKV_TRY(locked.status());
    AKV_TRY(locked->drop_owner_locked(owner, (flags & AKV_DROP_IN_FLIGHT) != 0, released));
  }
  if (out_released != nullptr) *out_released = released;
  if (released != 0)
    log(AKV_LOG_INFO, "owner %llu dropped: %u things released", static_cast<unsigned long long>(owner), released);
  return AKV_OK;
}

akv_status akv_sequence_find(akv_cache *cache, uint64_t request_id, akv_sequence *out_sequence) noexcept {
  AKV_TRY(check_pointer(out_sequence, "out_sequence"));
  if (request_id == 0) return fail(AKV_ERROR_INVALID_ARGUMENT, "request id 0 is none");
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->find_locked(request_id, *out_sequence);
}

akv_status akv_sequence_read_info(akv_cache *cache, akv_sequence sequence, akv_sequence_info *out_info) noexcept {
  AKV_TRY(check_output(out_info, kOutputV1));
  AKV_ENTER(cache, sequence);
  akv_sequence_info info{};
  home->cache().read_info(gate.slot(), info);
  write_struct(info, out_info);
  return AKV_OK;
}

akv_status akv_sequence_read_tokens(akv_cache *cache, akv_sequence sequence, uint32_t first, uint32_t num_tokens,
                                    int32_t *out_tokens) noexcept {
  AKV_TRY(check_array(out_tokens, num_tokens, "out_tokens"));
  AKV_ENTER(cache, sequence);
  return home->cache().read_tokens(gate.slot(), first, num_tokens, out_tokens);
}

akv_status akv_sequence_read_blocks(akv_cache *cache, akv_sequence sequence, uint32_t group, int32_t *out_blocks,
                                    uint32_t capacity, uint32_t *out_count) noexcept {
  AKV_TRY(check_array(out_blocks, capacity, "out_blocks"));
  AKV_TRY(check_pointer(out_count, "out_count"));
  if (group != 0) return fail(AKV_ERROR_OUT_OF_RANGE, "layer group %llu, the cache has 1", group);
  AKV_ENTER(cache, sequence);
  return home->cache().read_blocks(gate.slot(), out_blocks, capacity, *out_count);
}

}  // extern "C"
