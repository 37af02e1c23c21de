// tokens.cpp: the token ids of a sequence: writing them into its blocks, and filling in late ones.
// It knows positions and blocks; not runs, and nothing is published here.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {
namespace {

// Copies and tells whether an unknown one was among them, in one pass over the memory: the prompt is the one thing
// here that does not fit into a cache. Four vectors at a time, which the compiler does not find by itself.
bool copy_tokens(std::int32_t *to, const std::int32_t *from, std::uint32_t count) {
  using Vector = std::int32_t __attribute__((vector_size(16)));
  constexpr std::uint32_t kStep = 16;
  const Vector unknown{AKV_TOKEN_UNKNOWN, AKV_TOKEN_UNKNOWN, AKV_TOKEN_UNKNOWN, AKV_TOKEN_UNKNOWN};
  Vector found{};
  std::uint32_t at = 0;
  for (; at + kStep <= count; at += kStep) {
    Vector tokens[4];
    std::memcpy(tokens, from + at, sizeof tokens);
    found |= (tokens[0] == unknown) | (tokens[1] == unknown) | (tokens[2] == unknown) | (tokens[3] == unknown);
    std::memcpy(to + at, tokens, sizeof tokens);
  }
  bool any = (found[0] | found[1] | found[2] | found[3]) != 0;
  for (; at < count; ++at) {
    to[at] = from[at];
    any |= from[at] == AKV_TOKEN_UNKNOWN;
  }
  return any;
}

}  // namespace

// Write token ids from position `first` on; NULL writes unknown ones. Returns the position of the first unknown one.
std::uint32_t Cache::write_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) noexcept {
  const std::int32_t *table = sequences_[slot].table;
  const std::uint32_t end = first + count;
  bool unknown = false;
  for (std::uint32_t at = first; at < end;) {
    // As many neighbouring blocks as there are: mostly all of what was evicted together.
    const std::uint32_t index = whole_blocks_of(at), offset = at - index * block_tokens_;
    std::uint32_t blocks = 1;
    while (blocks * block_tokens_ - offset < end - at && table[index + blocks] == table[index] + static_cast<std::int32_t>(blocks))
      ++blocks;
    const std::uint32_t part = std::min(end - at, blocks * block_tokens_ - offset);
    std::int32_t *to = tokens_.of(table[index]) + offset;
    if (tokens == nullptr)
      std::fill_n(to, part, AKV_TOKEN_UNKNOWN);
    else
      unknown |= copy_tokens(to, tokens + (at - first), part);
    at += part;
  }
  if (tokens == nullptr) return first;
  return unknown ? first + static_cast<std::uint32_t>(std::find(tokens, tokens + count, AKV_TOKEN_UNKNOWN) - tokens) : end;
}

// `known` ends at the first unknown token.
void Cache::advance_known(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  std::uint32_t known = s.known;
  while (known < s.length) {
    const std::uint32_t index = whole_blocks_of(known), offset = known - index * block_tokens_;
    const std::uint32_t part = std::min(s.length - known, block_tokens_ - offset);
    const std::int32_t *tokens = tokens_.of(s.table[index]) + offset;
    const auto found = static_cast<std::uint32_t>(std::find(tokens, tokens + part, AKV_TOKEN_UNKNOWN) - tokens);
    known += found;
    if (found != part) break;
  }
  s.known = known;
}

Status Cache::read_tokens(Slot slot, std::uint32_t first, std::uint32_t count, std::int32_t *out) noexcept {
  const Sequence &s = sequences_[slot];
  if (first > s.length || count > s.length - first)
    return fail(AKV_ERROR_OUT_OF_RANGE, "tokens %llu to %llu, the sequence has %llu", first, std::uint64_t{first} + count,
                s.length);
  for (std::uint32_t at = first, end = first + count; at < end;) {
    const std::uint32_t index = whole_blocks_of(at), offset = at - index * block_tokens_;
    const std::uint32_t part = std::min(end - at, block_tokens_ - offset);
    std::memcpy(out, tokens_.of(s.table[index]) + offset, part * sizeof(std::int32_t));
    out += part;
    at += part;
  }
  return AKV_OK;
}

Status Cache::check_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) const noexcept {
  const Sequence &s = sequences_[slot];
  if ((s.flags & kLost) != 0) return check_quiet(s);
  if (first > s.length || count > s.length - first)
    return fail(AKV_ERROR_OUT_OF_RANGE, "tokens %llu to %llu, the sequence has %llu", first, std::uint64_t{first} + count,
                s.length);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = first + i, index = whole_blocks_of(at);
    const std::int32_t there = tokens_.of(s.table[index])[at - index * block_tokens_];
    if (tokens[i] == AKV_TOKEN_UNKNOWN)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "the token for position %llu is AKV_TOKEN_UNKNOWN", at);
    if (there != AKV_TOKEN_UNKNOWN && there != tokens[i])
      return fail(AKV_ERROR_INVALID_ARGUMENT, "the token at position %llu is known, and another one", at);
  }
  return AKV_OK;
}

// Known ones are not written again: they may be published, and read by others.
void Cache::write_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) noexcept {
  const Sequence &s = sequences_[slot];
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = first + i, index = whole_blocks_of(at);
    std::int32_t &token = tokens_.of(s.table[index])[at - index * block_tokens_];
    if (token == AKV_TOKEN_UNKNOWN) token = tokens[i];
  }
}

Status Cache::set_tokens_batch(const akv_batch &batch) noexcept {
  std::uint32_t used = 0;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const std::uint32_t count = batch.num_tokens != nullptr ? batch.num_tokens[row] : 1;
    const Status status = check_late_tokens(slot_of(batch.sequences[row]), batch.first[row], batch.tokens + used, count);
    if (status != AKV_OK) {
      name_row(row);
      return status;
    }
    used += count;
  }
  used = 0;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    const std::uint32_t count = batch.num_tokens != nullptr ? batch.num_tokens[row] : 1, first = batch.first[row];
    Sequence &s = sequences_[slot];
    write_late_tokens(slot, first, batch.tokens + used, count);
    used += count;
    if (first <= s.known && first + count > s.known) advance_known(slot);
    if (publishable(s)) publish_later(slot);
  }
  return AKV_OK;
}

}  // namespace akv
