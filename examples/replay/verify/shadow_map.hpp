// shadow_map.hpp: what every block of a cache must hold, written down from outside, to hold the library's answers
// against. It knows tokens and block ids; it calls nothing and believes nothing that it is told.
//
// A block is right for a position if it holds that position's tokens *and* was written behind the same prefix, since
// K/V depend on all that came before. Whole blocks that were written stay matchable after their writer has left, until
// somebody writes to them; a block that somebody holds is never written to by another.
// Memory: 4 bytes for each token of the pool, and the tables of what is alive.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace replay {

// A hit that ends inside a block: the first `tokens` tokens are copied from `source` to `target`.
struct PartialHit {
  std::int32_t source = 0;
  std::int32_t target = 0;
  std::uint32_t tokens = 0;
};

class ShadowMap {
 public:
  using Tokens = std::span<const std::int32_t>;
  using Table = std::span<const std::int32_t>;

  ShadowMap(std::uint32_t num_blocks, std::uint32_t block_tokens);

  // Request `request` was admitted with this table: its first `cached_tokens` tokens are said to be in the blocks
  // already, the others are written now. Throws Refused if that can't be.
  void admit(std::uint64_t request, Tokens prompt, Table table, std::uint32_t cached_tokens, const PartialHit &partial);

  // `tokens` were appended, and this is the table now.
  void append(std::uint64_t request, Tokens tokens, Table table);

  // It was swapped out and in again: `tokens` are all that it has, the first `cached_tokens` of them are said to have
  // been cached still, the others are in blocks that it took.
  void swap(std::uint64_t request, Tokens tokens, Table table, std::uint32_t cached_tokens);

  // It is about to leave: the table must still be the one that was seen last.
  void release(std::uint64_t request, Table table);

  std::uint32_t held_blocks() const { return held_blocks_; }
  std::uint64_t sequences() const { return live_.size(); }
  std::uint64_t sequence_tokens() const { return sequence_tokens_; }

 private:
  struct Block {
    std::uint64_t prefix = 0;   // chain of all tokens before this block
    std::uint64_t writer = 0;   // the request that wrote it last
    std::uint32_t filled = 0;   // tokens written
    std::uint32_t holders = 0;  // requests alive that have it in their table
  };
  struct Sequence {
    std::vector<std::int32_t> table;
    std::uint32_t length = 0;
    std::uint64_t chain = 0;  // of all its tokens
  };

  Block &block_of(std::uint64_t request, std::int32_t id);
  Tokens tokens_of(std::int32_t id, std::uint32_t count) const;
  Sequence &live(std::uint64_t request);
  void share(std::uint64_t request, Sequence &sequence, Tokens tokens, Table table);
  void check_partial(std::uint64_t request, const Sequence &sequence, Tokens rest, Table table,
                     const PartialHit &partial);
  void write(std::uint64_t request, Sequence &sequence, Tokens tokens, Table table);
  void drop_table(Sequence &sequence);
  void take(std::uint64_t request, Sequence &sequence, std::int32_t id);
  void compare_tables(std::uint64_t request, const Sequence &sequence, Table table) const;

  std::uint32_t num_blocks_;
  std::uint32_t block_tokens_;
  std::vector<Block> blocks_;         // by id
  std::vector<std::int32_t> tokens_;  // block_tokens_ for each block
  std::unordered_map<std::uint64_t, Sequence> live_;
  std::uint32_t held_blocks_ = 0;
  std::uint64_t sequence_tokens_ = 0;
};

}  // namespace replay
