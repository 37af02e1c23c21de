// buddy.hpp: free block ids as a buddy system (Knowlton 1965): extents of 2^k ids, split and joined in O(log n).
// It knows neighbours, not sequences.
//
// take() hands out the largest extents that fit, so a sequence gets long stretches of neighbouring ids; give_back()
// joins buddies again, so long extents come back. num_blocks need not be a power of two.
#pragma once

#include "mem/block_ids.hpp"

#include <bit>

namespace akv {

class Buddy final : public BlockIds {
 public:
  static void plan(Reservation &memory, std::uint32_t num_blocks) noexcept;
  Buddy(Reservation &memory, std::uint32_t num_blocks) noexcept;

  void take(std::uint32_t count, std::int32_t *out) noexcept override;
  // O(log n) where an aligned extent of at least that size is free; else O(n): neighbours that are no buddies are found
  // by walking.
  bool take_extent(std::uint32_t count, std::int32_t &first) noexcept override;
  bool has_extent(std::uint32_t count) const noexcept override {
    return count != 0 && count <= free_ && (aligned(count) != 0 || find_neighbours(count) != 0);
  }
  void give_back(const std::int32_t *ids, std::uint32_t count) noexcept override;
  void give_back_extent(std::int32_t first, std::uint32_t count) noexcept {
    give_back_range(static_cast<std::uint32_t>(first), count);
  }
  std::uint32_t free() const noexcept override { return free_; }
  std::uint32_t never_used() const noexcept override { return never_used_; }
  void mark_free(std::uint8_t *map, std::uint8_t code, std::uint8_t never_used_code) const noexcept override;
  std::uint64_t used_bytes() const noexcept override {
    return std::uint64_t{num_blocks_ - never_used_} * sizeof(Extent);
  }

  // Length of the longest extent that one take() could hand out, a power of two; 0 when nothing is free.
  std::uint32_t largest_extent() const noexcept;

 private:
  static constexpr std::uint32_t kOrders = 31;
  // One per id; links and order count for the first id of a free extent. All zeroes at first, and not touched before.
  struct Extent {
    std::uint32_t next;  // ids, 0: none
    std::uint32_t previous;
    std::uint8_t order_plus_1;  // 0: not the first id of a free extent
    std::uint8_t used_before;
  };

  void push(std::uint32_t id, std::uint32_t order) noexcept;
  void remove(std::uint32_t id, std::uint32_t order) noexcept;
  void join(std::uint32_t id, std::uint32_t order) noexcept;
  void mark_used(std::uint32_t id, std::uint32_t count) noexcept;
  // Orders that have extents of at least `count` ids, the lowest bit for the smallest of these orders; 0: none.
  std::uint32_t aligned(std::uint32_t count) const noexcept {
    const auto order = static_cast<std::uint32_t>(std::bit_width(count - 1));
    return order < kOrders ? orders_with_extents_ >> order << order : 0;
  }
  std::uint32_t find_neighbours(std::uint32_t count) const noexcept;
  void give_back_range(std::uint32_t id, std::uint32_t count) noexcept;

  Array<Extent> extents_;
  std::uint32_t heads_[kOrders] = {};
  std::uint32_t orders_with_extents_ = 0;  // one bit each
  std::uint32_t num_blocks_;
  std::uint32_t free_ = 0;
  std::uint32_t never_used_ = 0;
};

}  // namespace akv
