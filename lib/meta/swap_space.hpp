// swap_space.hpp: the swap blocks: a second set of block ids for sequences that have left the cache's blocks.
// It knows ids and epochs; not sequences, and no byte. No lock: the cache's lock is held.
//
// Inside the library swap block i is block num_blocks + i: so a swapped sequence's table and token ids are kept in the
// same arrays as everybody's. Outside they are numbered from 1, as the columns of their stores are.
#pragma once

#include "meta/block_pool.hpp"

#include <algorithm>

namespace akv {

class SwapSpace {
 public:
  explicit SwapSpace(Tickets &tickets) noexcept : pool_(tickets, lists_) {}

  static void plan(Reservation &memory, std::uint32_t num_blocks, std::uint32_t max_open_tickets) noexcept {
    if (num_blocks == 0) return;
    IdLists::plan(memory, num_blocks);
    BlockPool::plan(memory, num_blocks, false, max_open_tickets);
    memory.plan<std::uint8_t>(std::size_t{num_blocks} + 1);
  }
  // Ids inside the library start behind `offset`.
  void take_memory(Reservation &memory, std::uint32_t num_blocks, std::uint32_t offset,
                   std::uint32_t max_open_tickets) noexcept {
    if (num_blocks == 0) return;
    num_blocks_ = num_blocks;
    offset_ = static_cast<std::int32_t>(offset);
    lists_.take_memory(memory, num_blocks);
    pool_.take_memory(memory, num_blocks, false, max_open_tickets);
    acquired_ = memory.take<std::uint8_t>(std::size_t{num_blocks} + 1);
  }

  std::uint32_t num_blocks() const noexcept { return num_blocks_; }
  std::uint32_t free() const noexcept { return num_blocks_ == 0 ? 0 : pool_.free(); }
  std::uint32_t quarantined() const noexcept { return num_blocks_ == 0 ? 0 : pool_.quarantined(); }
  std::uint32_t ever_used() const noexcept { return num_blocks_ == 0 ? 0 : num_blocks_ - pool_.never_used(); }
  std::uint32_t acquired() const noexcept { return num_acquired_; }
  bool is_one(std::int32_t block) const noexcept { return block > offset_; }
  std::int32_t outside(std::int32_t block) const noexcept { return block - offset_; }
  std::int32_t inside(std::int32_t block) const noexcept { return block + offset_; }

  // count must not be more than free().
  void take(std::uint32_t count, std::int32_t *out) noexcept {
    pool_.take(count, out);
    for (std::uint32_t i = 0; i < count; ++i) out[i] += offset_;
  }
  // They wait for open tickets, as all blocks do.
  void give_back(const std::int32_t *ids, std::uint32_t count) noexcept {
    std::int32_t outside[64];
    for (std::uint32_t at = 0; at < count;) {
      const std::uint32_t part = std::min(count - at, 64u);
      for (std::uint32_t i = 0; i < part; ++i) outside[i] = ids[at + i] - offset_;
      pool_.give_back(outside, part);
      at += part;
    }
  }
  void settle(std::uint64_t first, std::uint64_t last) noexcept {
    if (num_blocks_ != 0) pool_.settle(first, last);
  }

  // For the caller's own use, numbered as outside.
  void acquire(std::uint32_t count, std::int32_t *out) noexcept {
    pool_.take(count, out);
    for (std::uint32_t i = 0; i < count; ++i) acquired_[out[i]] = 1;
    num_acquired_ += count;
  }
  // All or none: the index of the first that was not acquired, or is there twice; count if there is none such.
  std::uint32_t release(const std::int32_t *ids, std::uint32_t count) noexcept {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (ids[i] > 0 && static_cast<std::uint32_t>(ids[i]) <= num_blocks_ && acquired_[ids[i]] != 0) {
        acquired_[ids[i]] = 0;
        continue;
      }
      for (std::uint32_t undone = 0; undone < i; ++undone) acquired_[ids[undone]] = 1;
      return i;
    }
    if (count != 0) pool_.give_back(ids, count);  // without swap blocks there is no pool
    num_acquired_ -= count;
    return count;
  }

  // For the audit: one byte a block, numbered as outside, grows by one for each free, quarantined or acquired one.
  void count(std::uint8_t *seen) const noexcept {
    if (num_blocks_ == 0) return;
    pool_.mark(seen, 1, 1, 1);
    for (std::uint32_t block = 1; block <= num_blocks_; ++block) seen[block] += acquired_[block];
  }
  std::uint64_t used_bytes() const noexcept {
    return num_blocks_ == 0 ? 0 : pool_.used_bytes() + lists_.used_bytes() + ever_used();
  }

 private:
  IdLists lists_;
  BlockPool pool_;
  std::uint32_t num_blocks_ = 0;
  std::int32_t offset_ = 0;
  std::uint32_t num_acquired_ = 0;
  Array<std::uint8_t> acquired_;  // [block] 1: the caller has it
};

}  // namespace akv
