// shadow_map.cpp: see shadow_map.hpp.
#include "verify/shadow_map.hpp"

#include "error.hpp"
#include "verify/token_chain.hpp"

#include <algorithm>

namespace replay {
namespace {

std::string text(std::uint64_t number) { return std::to_string(number); }

[[noreturn]] void refuse(std::uint64_t request, const std::string &what) {
  throw Refused("verify: request " + text(request) + ": " + what);
}

std::string block_text(std::int32_t id) { return "block " + std::to_string(id); }

}  // namespace

ShadowMap::ShadowMap(std::uint32_t num_blocks, std::uint32_t block_tokens)
    : num_blocks_(num_blocks),
      block_tokens_(block_tokens),
      blocks_(std::size_t{num_blocks} + 1),
      tokens_((std::size_t{num_blocks} + 1) * block_tokens) {}

ShadowMap::Block &ShadowMap::block_of(std::uint64_t request, std::int32_t id) {
  if (id < 1 || static_cast<std::uint32_t>(id) > num_blocks_)
    refuse(request, block_text(id) + " is in its table, the cache has blocks 1 to " + text(num_blocks_));
  return blocks_[static_cast<std::size_t>(id)];
}

ShadowMap::Tokens ShadowMap::tokens_of(std::int32_t id, std::uint32_t count) const {
  return Tokens(tokens_).subspan(static_cast<std::size_t>(id) * block_tokens_, count);
}

ShadowMap::Sequence &ShadowMap::live(std::uint64_t request) {
  const auto found = live_.find(request);
  if (found == live_.end()) refuse(request, "it is not alive");
  return found->second;
}

void ShadowMap::admit(std::uint64_t request, Tokens prompt, Table table, std::uint32_t cached_tokens,
                      const PartialHit &partial) {
  if (cached_tokens % block_tokens_ != 0 || (cached_tokens != 0 && cached_tokens >= prompt.size()))
    refuse(request, text(cached_tokens) + " of " + text(prompt.size()) +
                        " prompt tokens are said to be cached; it must be "
                        "whole blocks of " +
                        text(block_tokens_) + " and leave the last token");
  const auto [place, fresh] = live_.try_emplace(request);
  if (!fresh) refuse(request, "it was admitted twice");
  Sequence &sequence = place->second;
  share(request, sequence, prompt.first(cached_tokens), table);
  check_partial(request, sequence, prompt.subspan(cached_tokens), table, partial);
  write(request, sequence, prompt.subspan(cached_tokens), table);
  compare_tables(request, sequence, table);
}

// The cached part: every block must be whole, and right for its place.
void ShadowMap::share(std::uint64_t request, Sequence &sequence, Tokens tokens, Table table) {
  for (std::size_t index = 0; index < tokens.size() / block_tokens_; ++index) {
    if (index >= table.size()) refuse(request, "its table ends before its cached prefix");
    const std::int32_t id = table[index];
    const Block &block = block_of(request, id);
    const Tokens wanted = tokens.subspan(index * block_tokens_, block_tokens_);
    const auto refuse_match = [&](const std::string &what) {
      refuse(request, block_text(id) + ", said to hold tokens " + text(sequence.length) + " to " +
                          text(sequence.length + block_tokens_ - 1) + " of the prompt, " + what);
    };
    if (block.filled != block_tokens_) refuse_match("has only " + text(block.filled) + " tokens written");
    if (!std::ranges::equal(wanted, tokens_of(id, block_tokens_)))
      refuse_match("holds other tokens, written by request " + text(block.writer));
    if (block.prefix != sequence.chain)
      refuse_match("was written behind another prefix, by request " + text(block.writer));
    take(request, sequence, id);
    sequence.length += block_tokens_;
    sequence.chain = chain(sequence.chain, wanted);
  }
  sequence_tokens_ += tokens.size();
}

void ShadowMap::check_partial(std::uint64_t request, const Sequence &sequence, Tokens rest, Table table,
                              const PartialHit &partial) {
  if (partial.tokens == 0) return;
  const Block &source = block_of(request, partial.source);
  const std::string where = block_text(partial.source) + ", said to begin with " + text(partial.tokens) +
                            " tokens from " + text(sequence.length) + " on, ";
  if (partial.tokens >= block_tokens_ || partial.tokens >= rest.size())
    refuse(request, where + "can't be a partial hit: it must leave the last token, and be less than a block");
  if (source.filled != block_tokens_) refuse(request, where + "has only " + text(source.filled) + " tokens written");
  if (source.prefix != sequence.chain ||
      !std::ranges::equal(rest.first(partial.tokens), tokens_of(partial.source, partial.tokens)))
    refuse(request, where + "holds other tokens, written by request " + text(source.writer));
  const std::size_t index = sequence.table.size();
  if (index >= table.size() || table[index] != partial.target)
    refuse(request, block_text(partial.target) + ", the target of its partial hit, is not the next one of its table");
  if (std::ranges::find(table, partial.source) != table.end())
    refuse(request, where + "is in its own table, and would be overwritten before it is copied");
}

// New tokens: into a block that is its own already, or into one that nobody holds.
void ShadowMap::write(std::uint64_t request, Sequence &sequence, Tokens tokens, Table table) {
  for (const std::int32_t token : tokens) {
    const std::size_t index = sequence.length / block_tokens_;
    const std::uint32_t offset = sequence.length % block_tokens_;
    if (offset == 0) {
      if (index >= table.size())
        refuse(request, "its table has " + text(table.size()) + " blocks, too few for its " +
                            text(sequence.length + 1) + "th token");
      const std::int32_t id = table[index];
      Block &block = block_of(request, id);
      if (block.holders != 0)
        refuse(request, block_text(id) + " was given to it to write to, and is held by " + text(block.holders) +
                            " other(s): two writers; the other is request " + text(block.writer));
      block = {sequence.chain, request, 0, 0};
      take(request, sequence, id);
    }
    const std::int32_t id = sequence.table[index];
    Block &block = blocks_[static_cast<std::size_t>(id)];
    if (block.writer != request || block.holders != 1 || block.filled != offset)
      refuse(request, block_text(id) + " is written to at token " + text(offset) + "; it has " + text(block.filled) +
                          " tokens of request " + text(block.writer) + " and " + text(block.holders) +
                          " holder(s): two writers");
    tokens_[static_cast<std::size_t>(id) * block_tokens_ + offset] = token;
    block.filled += 1;
    sequence.length += 1;
    sequence.chain = chain(sequence.chain, token);
  }
  sequence_tokens_ += tokens.size();
}

void ShadowMap::take(std::uint64_t request, Sequence &sequence, std::int32_t id) {
  Block &block = block_of(request, id);
  if (block.holders++ == 0) held_blocks_ += 1;
  sequence.table.push_back(id);
}

void ShadowMap::compare_tables(std::uint64_t request, const Sequence &sequence, Table table) const {
  const auto [seen, said] = std::ranges::mismatch(sequence.table, table);
  if (seen == sequence.table.end() && said == table.end()) return;
  const auto place = static_cast<std::uint64_t>(seen - sequence.table.begin());
  if (seen == sequence.table.end())
    refuse(request, block_text(*said) + " is in its table at place " + text(place) + ", behind its last token");
  refuse(request, block_text(*seen) + " was in its table at place " + text(place) + ", and now " +
                      (said == table.end() ? std::string("the table ends there") : block_text(*said) + " is there"));
}

void ShadowMap::append(std::uint64_t request, Tokens tokens, Table table) {
  Sequence &sequence = live(request);
  write(request, sequence, tokens, table);
  compare_tables(request, sequence, table);
}

void ShadowMap::release(std::uint64_t request, Table table) {
  Sequence &sequence = live(request);
  compare_tables(request, sequence, table);
  drop_table(sequence);
  live_.erase(request);
}

void ShadowMap::drop_table(Sequence &sequence) {
  for (const std::int32_t id : sequence.table)
    if (--blocks_[static_cast<std::size_t>(id)].holders == 0) held_blocks_ -= 1;
  sequence_tokens_ -= sequence.length;
  sequence = {};
}

void ShadowMap::swap(std::uint64_t request, Tokens tokens, Table table, std::uint32_t cached_tokens) {
  Sequence &sequence = live(request);
  if (tokens.size() != sequence.length || cached_tokens % block_tokens_ != 0 || cached_tokens > tokens.size())
    refuse(request, text(cached_tokens) + " of " + text(sequence.length) +
                        " tokens are said to have been cached when it was swapped in; it must be whole blocks");
  drop_table(sequence);
  share(request, sequence, tokens.first(cached_tokens), table);
  write(request, sequence, tokens.subspan(cached_tokens), table);
  compare_tables(request, sequence, table);
}

}  // namespace replay
