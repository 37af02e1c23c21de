// run_match.cpp: following a prompt through the prefix index, token by token.
// It changes nothing.
#include "meta/prefix/run_tree.hpp"

#include <algorithm>

namespace akv {

// The blocks of `run` behind its first that hold these tokens. `next_block` is the first that does not, 0 at the end.
std::uint32_t RunTree::match_rest_of_run(RunId id, const std::int32_t *tokens, std::uint32_t max_blocks,
                                         std::int32_t &next_block) const noexcept {
  const std::uint32_t block_tokens = tokens_.block_tokens();
  std::uint32_t matched = 0, offset = 1;
  for (std::uint32_t index = runs_[id].blocks.first; index != 0; index = lists_.chunk(index).next, offset = 0) {
    const IdChunk &chunk = lists_.chunk(index);
    for (; offset < chunk.count; ++offset, ++matched) {
      next_block = chunk.ids[offset];
      if (matched == max_blocks || !tokens_.equal(next_block, tokens)) return matched;
      tokens += block_tokens;
    }
  }
  next_block = 0;
  return matched;
}

Walk RunTree::match(std::uint64_t domain, const std::int32_t *tokens, std::uint32_t limit) const noexcept {
  const std::uint32_t block_tokens = tokens_.block_tokens();
  Walk walk;
  for (;;) {
    // `walk` ends where a run ends: one of its children may go on.
    const std::int32_t *rest = tokens + std::size_t{walk.blocks} * block_tokens;
    const std::uint32_t left = limit - walk.blocks * block_tokens;
    const std::uint32_t compared = std::min(left, block_tokens);
    const TrieKey key{rest, compared, walk.run == kRoot ? 2u : 0u, domain};
    const RunId child = trie_.nearest(runs_[walk.run].children, key);
    if (child == kNoRun || (walk.run == kRoot && runs_[child].domain != domain)) return walk;
    const std::uint32_t common = tokens_.common_prefix(runs_[child].first_block, rest, compared);
    if (common < block_tokens) {
      if (common != 0) {
        walk.partial_run = child;
        walk.partial_tokens = common;
        walk.partial_wait = wait_for(child, 1);
      }
      return walk;
    }
    std::int32_t next_block = 0;
    const std::uint32_t matched =
        1 + match_rest_of_run(child, rest + block_tokens, left / block_tokens - 1, next_block);
    walk.run = child;
    walk.run_blocks = matched;
    walk.blocks += matched;
    walk.wait = std::max(walk.wait, wait_for(child, matched));
    if (next_block == 0) continue;
    // It ends inside the run: the next block may begin alike.
    const std::uint32_t behind = std::min(limit - walk.blocks * block_tokens, block_tokens);
    walk.partial_tokens = tokens_.common_prefix(next_block, tokens + std::size_t{walk.blocks} * block_tokens, behind);
    if (walk.partial_tokens != 0) {
      walk.partial_run = child;
      walk.partial_index = matched;
      walk.partial_wait = wait_for(child, matched + 1);
    }
    return walk;
  }
}

RunId RunTree::find_child(RunId parent, std::uint64_t domain, const std::int32_t *tokens) const noexcept {
  const TrieKey key{tokens, tokens_.block_tokens(), parent == kRoot ? 2u : 0u, domain};
  const RunId child = trie_.nearest(runs_[parent].children, key);
  if (child == kNoRun || (parent == kRoot && runs_[child].domain != domain)) return kNoRun;
  return tokens_.equal(runs_[child].first_block, tokens) ? child : kNoRun;
}

std::uint32_t RunTree::common_blocks(RunId run, const std::int32_t *ids, std::uint32_t count) const noexcept {
  std::uint32_t common = 0;
  for (std::uint32_t index = runs_[run].blocks.first; index != 0; index = lists_.chunk(index).next) {
    const IdChunk &chunk = lists_.chunk(index);
    for (std::uint32_t i = 0; i < chunk.count; ++i, ++common)
      if (common == count || !tokens_.equal(chunk.ids[i], tokens_.of(ids[common]))) return common;
  }
  return common;
}

}  // namespace akv
