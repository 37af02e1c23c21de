// tokens.cpp: the token ids of a sequence, in its blocks.
// It knows positions and blocks; not runs, and nothing is published here.
#include "meta/books.hpp"

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
std::uint32_t Books::write_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens,
                                  std::uint32_t count) noexcept {
  const std::int32_t *table = sequences_[slot].table;
  const std::uint32_t end = first + count;
  bool unknown = false;
  for (std::uint32_t at = first; at < end;) {
    // As many neighbouring blocks as there are: mostly all of what was evicted together.
    const std::uint32_t index = math_.whole_blocks(at), offset = at - index * block_tokens_;
    std::uint32_t blocks = 1;
    while (blocks * block_tokens_ - offset < end - at &&
           table[index + blocks] == table[index] + static_cast<std::int32_t>(blocks))
      ++blocks;
    const std::uint32_t part = std::min(end - at, blocks * block_tokens_ - offset);
    std::int32_t *to = tokens_.of(table[index]) + offset;
    if (tokens == nullptr) std::fill_n(to, part, AKV_TOKEN_UNKNOWN);
    else unknown |= copy_tokens(to, tokens + (at - first), part);
    at += part;
  }
  if (tokens == nullptr) return first;
  return unknown ? first + static_cast<std::uint32_t>(std::find(tokens, tokens + count, AKV_TOKEN_UNKNOWN) - tokens)
                 : end;
}

// `known` ends at the first unknown token.
void Books::advance_known(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  std::uint32_t known = s.known;
  while (known < s.length) {
    const std::uint32_t index = math_.whole_blocks(known), offset = known - index * block_tokens_;
    const std::uint32_t part = std::min(s.length - known, block_tokens_ - offset);
    const std::int32_t *tokens = tokens_.of(s.table[index]) + offset;
    const auto found = static_cast<std::uint32_t>(std::find(tokens, tokens + part, AKV_TOKEN_UNKNOWN) - tokens);
    known += found;
    if (found != part) break;
  }
  s.known = known;
}

// Known ones are not written again: they may be published, and read by others.
void Books::write_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens,
                              std::uint32_t count) noexcept {
  const Sequence &s = sequences_[slot];
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = first + i, index = math_.whole_blocks(at);
    std::int32_t &token = tokens_.of(s.table[index])[at - index * block_tokens_];
    if (token == AKV_TOKEN_UNKNOWN) token = tokens[i];
  }
}

}  // namespace akv
