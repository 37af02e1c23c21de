// id_list.hpp: a list of block ids in small chunks, so that lists grow, split and join without moving their ids.
// It knows ids, not what the blocks hold.
//
// 28 ids to a chunk of two cache lines: long lists are read at memory speed, a cut costs one copied chunk at most,
// and no list ever needs a contiguous array of its own length.
#pragma once

#include "mem/slab.hpp"

#include <cstdint>

namespace akv {

struct IdChunk {
  static constexpr std::uint32_t kCapacity = 28;
  std::uint32_t next;
  std::uint32_t previous;
  std::uint32_t count;
  std::uint32_t unused;
  std::int32_t ids[kCapacity];
};
static_assert(sizeof(IdChunk) == 128);

struct IdList {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint32_t count = 0;
};

// All lists of one cache take their chunks here. A chunk of a list is never empty, so a chunk a block is enough for any
// lists in which each block stands once, and a few more for blocks that are on their way from one list to another.
class IdLists {
 public:
  static std::size_t max_chunks(std::size_t num_blocks) noexcept {
    return num_blocks + num_blocks / IdChunk::kCapacity + 2;
  }
  static void plan(Reservation &memory, std::size_t num_blocks) noexcept {
    Slab<IdChunk>::plan(memory, max_chunks(num_blocks));
  }
  void take_memory(Reservation &memory, std::size_t num_blocks) noexcept {
    chunks_.take_memory(memory, max_chunks(num_blocks));
  }

  void append(IdList &list, const std::int32_t *ids, std::uint32_t count) noexcept;

  // Put all of `tail` behind `list`; `tail` is empty afterwards. O(1).
  void join(IdList &list, IdList &tail) noexcept;

  // Cut the list before position `at` (0 < at < count); returns what was behind. O(chunks up to `at`, from the
  // nearer end).
  [[nodiscard]] IdList split(IdList &list, std::uint32_t at) noexcept;

  // Remove the last `count` ids and write them to `out` in the order of the list.
  void pop_back(IdList &list, std::uint32_t count, std::int32_t *out) noexcept;

  // Write all ids to `out`.
  void read(const IdList &list, std::int32_t *out) const noexcept;

  // Write ids first .. first + count - 1 to `out`.
  void read_range(const IdList &list, std::uint32_t first, std::uint32_t count, std::int32_t *out) const noexcept;

  [[nodiscard]] std::int32_t at(const IdList &list, std::uint32_t position) const noexcept;

  // Give the chunks back; the blocks are the caller's business.
  void clear(IdList &list) noexcept;

  const IdChunk &chunk(std::uint32_t index) const noexcept { return chunks_[index]; }
  std::uint64_t used_bytes() const noexcept { return chunks_.used_bytes(); }
  std::uint32_t chunks_taken() const noexcept { return chunks_.taken(); }

 private:
  struct Place {
    std::uint32_t chunk;
    std::uint32_t offset;
  };
  [[nodiscard]] Place find(const IdList &list, std::uint32_t position) const noexcept;

  Slab<IdChunk> chunks_;
};

}  // namespace akv
