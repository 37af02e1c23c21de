// buddy.cpp: extents of 2^k block ids, split and joined.
// It knows neighbours, not sequences.
//
// Ids start at 1, positions at 0: the buddy of the extent at position p and order k is at p ^ 2^k.
#include "mem/buddy.hpp"

#include <algorithm>
#include <bit>

namespace akv {

void Buddy::plan(Reservation &memory, std::uint32_t num_blocks) noexcept {
  memory.plan<Extent>(num_blocks + std::size_t{1});
}

Buddy::Buddy(Reservation &memory, std::uint32_t num_blocks) noexcept
    : extents_(memory.take<Extent>(num_blocks + std::size_t{1})), num_blocks_(num_blocks) {
  never_used_ = num_blocks;
  give_back_range(1, num_blocks);
}

void Buddy::push(std::uint32_t id, std::uint32_t order) noexcept {
  Extent &extent = extents_[id];
  extent.order_plus_1 = static_cast<std::uint8_t>(order + 1);
  extent.previous = 0;
  extent.next = heads_[order];
  if (heads_[order] != 0) extents_[heads_[order]].previous = id;
  heads_[order] = id;
  orders_with_extents_ |= 1u << order;
}

void Buddy::remove(std::uint32_t id, std::uint32_t order) noexcept {
  Extent &extent = extents_[id];
  (extent.previous != 0 ? extents_[extent.previous].next : heads_[order]) = extent.next;
  if (extent.next != 0) extents_[extent.next].previous = extent.previous;
  if (heads_[order] == 0) orders_with_extents_ &= ~(1u << order);
  extent.order_plus_1 = 0;
}

// Split the smallest extent that is large enough for what is wanted; when none is, use up the largest one.
void Buddy::take(std::uint32_t count, std::int32_t *out) noexcept {
  free_ -= count;
  while (count != 0) {
    const std::uint32_t wanted = static_cast<std::uint32_t>(std::bit_width(count) - 1);
    const std::uint32_t fitting = orders_with_extents_ >> wanted;
    std::uint32_t order = fitting != 0 ? wanted + static_cast<std::uint32_t>(std::countr_zero(fitting))
                                       : static_cast<std::uint32_t>(std::bit_width(orders_with_extents_) - 1);
    const std::uint32_t id = heads_[order];
    remove(id, order);
    while (order > wanted) {
      --order;
      push(id + (1u << order), order);
    }
    mark_used(id, 1u << order);
    for (std::uint32_t i = 0; i < 1u << order; ++i) *out++ = static_cast<std::int32_t>(id + i);
    count -= 1u << order;
  }
}

void Buddy::mark_used(std::uint32_t id, std::uint32_t count) noexcept {
  if (never_used_ == 0) return;
  for (std::uint32_t i = id; i < id + count; ++i) {
    never_used_ -= extents_[i].used_before == 0;
    extents_[i].used_before = 1;
  }
}

// The smallest aligned extent that is large enough, and what is left of it goes back.
bool Buddy::take_extent(std::uint32_t count, std::int32_t &first) noexcept {
  if (count == 0 || count > free_) return false;
  std::uint32_t id = 0, size = 0;
  if (const std::uint32_t fitting = aligned(count); fitting != 0) {
    const auto order = static_cast<std::uint32_t>(std::countr_zero(fitting));
    id = heads_[order];
    size = 1u << order;
    remove(id, order);
  } else {
    id = find_neighbours(count);
    if (id == 0) return false;
    while (size < count) {
      const std::uint32_t order = extents_[id + size].order_plus_1 - 1u;
      remove(id + size, order);
      size += 1u << order;
    }
  }
  free_ -= size;
  mark_used(id, count);
  if (size != count) give_back_range(id + count, size - count);
  first = static_cast<std::int32_t>(id);
  return true;
}

// The first id of free extents that follow each other and hold `count` ids together, or 0.
std::uint32_t Buddy::find_neighbours(std::uint32_t count) const noexcept {
  std::uint32_t start = 1, id = 1;
  while (id <= num_blocks_) {
    const std::uint32_t order_plus_1 = extents_[id].order_plus_1;
    id += order_plus_1 == 0 ? 1 : 1u << (order_plus_1 - 1);
    if (order_plus_1 == 0) start = id;
    else if (id - start >= count) return start;
  }
  return 0;
}

void Buddy::join(std::uint32_t id, std::uint32_t order) noexcept {
  while (order + 1 < kOrders) {
    const std::uint32_t buddy = ((id - 1) ^ 1u << order) + 1;
    if (buddy > num_blocks_ || extents_[buddy].order_plus_1 != order + 1) break;
    remove(buddy, order);
    id = std::min(id, buddy);
    ++order;
  }
  push(id, order);
}

// The largest aligned extents first: a range of n ids costs O(log n) joins, not n.
void Buddy::give_back_range(std::uint32_t id, std::uint32_t count) noexcept {
  free_ += count;
  while (count != 0) {
    const std::uint32_t position = id - 1;
    std::uint32_t order = static_cast<std::uint32_t>(std::bit_width(count) - 1);
    if (position != 0) order = std::min(order, static_cast<std::uint32_t>(std::countr_zero(position)));
    join(id, order);
    id += 1u << order;
    count -= 1u << order;
  }
}

void Buddy::give_back(const std::int32_t *ids, std::uint32_t count) noexcept {
  for (std::uint32_t i = 0; i < count;) {
    std::uint32_t run = 1;
    while (i + run < count && ids[i + run] == ids[i] + static_cast<std::int32_t>(run)) ++run;
    give_back_range(static_cast<std::uint32_t>(ids[i]), run);
    i += run;
  }
}

std::uint32_t Buddy::largest_extent() const noexcept {
  return orders_with_extents_ == 0 ? 0 : 1u << (std::bit_width(orders_with_extents_) - 1);
}

void Buddy::mark_free(std::uint8_t *map, std::uint8_t code, std::uint8_t never_used_code) const noexcept {
  for (std::uint32_t order = 0; order < kOrders; ++order)
    for (std::uint32_t id = heads_[order]; id != 0; id = extents_[id].next)
      for (std::uint32_t i = id; i < id + (1u << order); ++i)
        map[i] = extents_[i].used_before != 0 ? code : never_used_code;
}

}  // namespace akv
