// late_tokens.cpp: reading token ids, and setting those that were not known when they were appended.
// It knows positions; not how a token gets into its block.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {
namespace {

Status check_range(const Sequence &s, std::uint32_t first, std::uint32_t count) noexcept {
  if (first <= s.length && count <= s.length - first) return AKV_OK;
  return fail(AKV_ERROR_OUT_OF_RANGE, "tokens %llu to %llu, the sequence has %llu", first, std::uint64_t{first} + count,
              s.length);
}

}  // namespace

Status Cache::read_tokens(Slot slot, std::uint32_t first, std::uint32_t count, std::int32_t *out) noexcept {
  const Sequence &s = sequences_[slot];
  AKV_TRY(check_range(s, first, count));
  for (std::uint32_t at = first, end = first + count; at < end;) {
    const std::uint32_t index = math_.whole_blocks(at), offset = at - index * block_tokens_;
    const std::uint32_t part = std::min(end - at, block_tokens_ - offset);
    std::memcpy(out, tokens_.of(s.table[index]) + offset, part * sizeof(std::int32_t));
    out += part;
    at += part;
  }
  return AKV_OK;
}

Status Cache::check_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens,
                                std::uint32_t count) const noexcept {
  const Sequence &s = sequences_[slot];
  if ((s.flags & kLost) != 0) return check_quiet(s);
  AKV_TRY(check_range(s, first, count));
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = first + i, index = math_.whole_blocks(at);
    const std::int32_t there = tokens_.of(s.table[index])[at - index * block_tokens_];
    if (tokens[i] == AKV_TOKEN_UNKNOWN)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "the token for position %llu is AKV_TOKEN_UNKNOWN", at);
    if (there != AKV_TOKEN_UNKNOWN && there != tokens[i])
      return fail(AKV_ERROR_INVALID_ARGUMENT, "the token at position %llu is known, and another one", at);
  }
  return AKV_OK;
}

Status Cache::set_tokens_batch(const akv_batch &batch) noexcept {
  std::uint32_t used = 0;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const std::uint32_t count = count_of(batch, row);
    const Status status =
        check_late_tokens(slot_of(batch.sequences[row]), batch.first[row], batch.tokens + used, count);
    if (status != AKV_OK) {
      name_row(row);
      return status;
    }
    used += count;
  }
  used = 0;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    const std::uint32_t count = count_of(batch, row), first = batch.first[row];
    Sequence &s = sequences_[slot];
    write_late_tokens(slot, first, batch.tokens + used, count);
    used += count;
    if (first <= s.known && first + count > s.known) advance_known(slot);
    if (publishable(s)) publish_later(slot);
  }
  return AKV_OK;
}

}  // namespace akv
