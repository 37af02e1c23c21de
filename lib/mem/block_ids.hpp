// block_ids.hpp: who hands out block ids 1 .. num_blocks: a stack, or a buddy system, behind one small interface.
// It knows which ids are free; not who has the others, nor when an id may be given back. It takes no lock.
#pragma once

#include "mem/reservation.hpp"

#include <cstdint>

namespace akv {

class BlockIds {
 public:
  virtual ~BlockIds() = default;

  // Write `count` ids to `out`; count must not be more than free().
  virtual void take(std::uint32_t count, std::int32_t *out) noexcept = 0;
  virtual void give_back(const std::int32_t *ids, std::uint32_t count) noexcept = 0;

  // Take `count` neighbouring ids; `first` is the lowest. False when there are none such, or this way of handing out
  // ids knows no neighbours.
  virtual bool take_extent(std::uint32_t, std::int32_t &) noexcept { return false; }
  virtual bool has_extent(std::uint32_t) const noexcept { return false; }

  virtual std::uint32_t free() const noexcept = 0;
  virtual std::uint32_t never_used() const noexcept = 0;  // of the free ones

  // Write a code to the map byte of each free id, for the block map and the audit. O(free).
  virtual void mark_free(std::uint8_t *map, std::uint8_t code, std::uint8_t never_used_code) const noexcept = 0;

  virtual std::uint64_t used_bytes() const noexcept = 0;
};

// Longest run of neighbouring ids whose map byte is `a` or `b`. O(blocks).
std::uint32_t longest_run(const std::uint8_t *map, std::uint32_t num_blocks, std::uint8_t a, std::uint8_t b) noexcept;

}  // namespace akv
