// block_lru.hpp: the plainest prefix cache there is: one entry a block, least recently used out first. The hit ratio of
// the library's index is compared with it. It knows tokens; it has blocks of its own and never sees the library.
//
// Output blocks are taken when a request is admitted, and keep their places for as long as it lives; a request gives
// its blocks back from the last to the first, so that a prefix never leaves before what is built on it.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

namespace replay {

class BlockLru {
 public:
  using Tokens = std::span<const std::int32_t>;

  BlockLru(std::uint32_t num_blocks, std::uint32_t block_tokens, std::uint32_t max_live);

  // The next request. One that needs more blocks than there are is passed over.
  void replay(Tokens prompt, Tokens output);

  double hit_ratio() const;
  std::uint64_t cached_tokens() const { return cached_tokens_; }
  std::uint64_t evicted_blocks() const { return evicted_blocks_; }

 private:
  using Index = std::uint32_t;  // of a block; num_blocks is the list's head

  struct Block {
    std::uint64_t key = 0;
    bool keyed = false;
    std::uint32_t holders = 0;
    Index previous = 0;  // in the order of use, if nobody holds it
    Index next = 0;
  };

  void chain_keys(Tokens prompt, Tokens output);
  void share_prefix(std::size_t most, std::vector<Index> &blocks);
  Index take();
  void publish(Index block, std::uint64_t key);
  void retire_oldest();
  void unlink(Index block);
  void link_newest(Index block);
  std::uint64_t available() const { return free_.size() + evictable_; }

  std::uint32_t num_blocks_;
  std::uint32_t block_tokens_;
  std::uint32_t max_live_;
  std::vector<Block> blocks_;  // and the head of the list of evictable ones behind them
  std::deque<Index> free_;
  std::unordered_map<std::uint64_t, Index> index_;
  std::deque<std::vector<Index>> live_;
  std::vector<std::uint64_t> keys_;  // of the request at hand: a chain for each whole block
  std::uint64_t evictable_ = 0;
  std::uint64_t input_tokens_ = 0;
  std::uint64_t cached_tokens_ = 0;
  std::uint64_t evicted_blocks_ = 0;
};

}  // namespace replay
