// block_lru.cpp: see block_lru.hpp.
#include "verify/block_lru.hpp"

#include "verify/token_chain.hpp"

#include <algorithm>
#include <ranges>

namespace replay {

BlockLru::BlockLru(std::uint32_t num_blocks, std::uint32_t block_tokens, std::uint32_t max_live)
    : num_blocks_(num_blocks), block_tokens_(block_tokens), max_live_(max_live), blocks_(std::size_t{num_blocks} + 1) {
  for (Index block = 0; block < num_blocks; ++block) free_.push_back(block);
  blocks_[num_blocks_].previous = blocks_[num_blocks_].next = num_blocks_;
  index_.reserve(num_blocks);
}

void BlockLru::chain_keys(Tokens prompt, Tokens output) {
  keys_.clear();
  std::uint64_t key = kChainStart;
  std::uint32_t filled = 0;
  for (const Tokens part : {prompt, output})
    for (const std::int32_t token : part) {
      key = chain(key, token);
      if (++filled < block_tokens_) continue;
      keys_.push_back(key);
      filled = 0;
    }
}

void BlockLru::replay(Tokens prompt, Tokens output) {
  const std::size_t tokens = prompt.size() + output.size();
  const std::size_t needed = (tokens + block_tokens_ - 1) / block_tokens_;
  if (needed > num_blocks_) return;
  while (live_.size() >= max_live_) retire_oldest();
  chain_keys(prompt, output);

  std::vector<Index> blocks;
  blocks.reserve(needed);
  share_prefix(prompt.empty() ? 0 : (prompt.size() - 1) / block_tokens_, blocks);
  const std::size_t hits = blocks.size();
  while (available() < needed - hits) retire_oldest();
  while (blocks.size() < needed) blocks.push_back(take());
  for (std::size_t i = hits; i < keys_.size(); ++i) publish(blocks[i], keys_[i]);
  live_.push_back(std::move(blocks));
  input_tokens_ += prompt.size();
  cached_tokens_ += hits * block_tokens_;
}

void BlockLru::share_prefix(std::size_t most, std::vector<Index> &blocks) {
  while (blocks.size() < most) {
    const auto found = index_.find(keys_[blocks.size()]);
    if (found == index_.end()) return;
    if (blocks_[found->second].holders++ == 0) unlink(found->second);
    blocks.push_back(found->second);
  }
}

BlockLru::Index BlockLru::take() {
  Index block;
  if (!free_.empty()) {
    block = free_.front();
    free_.pop_front();
  } else {
    block = blocks_[num_blocks_].next;
    unlink(block);
    index_.erase(blocks_[block].key);
    blocks_[block].keyed = false;
    evicted_blocks_ += 1;
  }
  blocks_[block].holders = 1;
  return block;
}

void BlockLru::publish(Index block, std::uint64_t key) {
  if (!index_.try_emplace(key, block).second) return;
  blocks_[block].key = key;
  blocks_[block].keyed = true;
}

void BlockLru::retire_oldest() {
  for (const Index block : std::views::reverse(live_.front())) {
    if (--blocks_[block].holders != 0) continue;
    if (blocks_[block].keyed) link_newest(block);
    else free_.push_front(block);
  }
  live_.pop_front();
}

void BlockLru::unlink(Index block) {
  blocks_[blocks_[block].previous].next = blocks_[block].next;
  blocks_[blocks_[block].next].previous = blocks_[block].previous;
  evictable_ -= 1;
}

void BlockLru::link_newest(Index block) {
  Block &head = blocks_[num_blocks_];
  blocks_[block].previous = head.previous;
  blocks_[block].next = num_blocks_;
  blocks_[head.previous].next = block;
  head.previous = block;
  evictable_ += 1;
}

double BlockLru::hit_ratio() const {
  return input_tokens_ != 0 ? static_cast<double>(cached_tokens_) / static_cast<double>(input_tokens_) : 0;
}

}  // namespace replay
