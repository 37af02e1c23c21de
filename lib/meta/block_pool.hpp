// block_pool.hpp: the blocks nobody has: free ones, and those in quarantine.
// It knows ids and epochs; not runs or sequences. No lock: the cache's lock is held.
#pragma once

#include "mem/buddy.hpp"
#include "mem/id_list.hpp"
#include "mem/id_stack.hpp"
#include "order/quarantine.hpp"
#include "order/tickets.hpp"

#include <variant>

namespace akv {

class BlockPool {
 public:
  BlockPool(Tickets &tickets, IdLists &lists) noexcept : tickets_(tickets), lists_(lists) {}

  static void plan(Reservation &memory, std::uint32_t num_blocks, bool buddy, std::uint32_t max_open_tickets) noexcept {
    buddy ? Buddy::plan(memory, num_blocks) : IdStack::plan(memory, num_blocks);
    Quarantine::plan(memory, max_open_tickets);
  }
  void take_memory(Reservation &memory, std::uint32_t num_blocks, bool buddy, std::uint32_t max_open_tickets) noexcept {
    if (buddy) ids_ = &allocator_.emplace<Buddy>(memory, num_blocks);
    else ids_ = &allocator_.emplace<IdStack>(memory, num_blocks);
    quarantine_.take_memory(memory, max_open_tickets);
  }

  // count must not be more than free().
  void take(std::uint32_t count, std::int32_t *out) noexcept { ids_->take(count, out); }

  bool take_extent(std::uint32_t count, std::int32_t &first) noexcept { return ids_->take_extent(count, first); }

  bool has_extent(std::uint32_t count) const noexcept { return ids_->has_extent(count); }

  // Blocks that nobody's tables name any more. Device work that was queued before may still touch them, so they are
  // free only when every ticket that is open now has ended.
  void give_back(const std::int32_t *ids, std::uint32_t count) noexcept {
    if (tickets_.settled(tickets_.newest())) ids_->give_back(ids, count);
    else quarantine_.add(lists_, tickets_.newest(), ids, count);
  }
  // The same for blocks that no device work can touch.
  void give_back_settled(const std::int32_t *ids, std::uint32_t count) noexcept { ids_->give_back(ids, count); }

  void settle(std::uint64_t first, std::uint64_t last) noexcept { quarantine_.release(lists_, first, last, *ids_); }

  std::uint32_t free() const noexcept { return ids_->free(); }
  std::uint32_t never_used() const noexcept { return ids_->never_used(); }
  std::uint32_t quarantined() const noexcept { return quarantine_.count(); }
  void mark(std::uint8_t *map, std::uint8_t free, std::uint8_t never_used, std::uint8_t quarantined) const noexcept {
    ids_->mark_free(map, free, never_used);
    quarantine_.mark(lists_, map, quarantined);
  }
  // `what(ids, count)` for all that were given back since ticket `first` was opened.
  template <class What>
  void for_each_quarantined(std::uint64_t first, What what) const noexcept {
    for (std::uint64_t epoch = first; epoch <= tickets_.newest(); ++epoch) quarantine_.for_each(lists_, epoch, what);
  }
  std::uint64_t used_bytes() const noexcept { return ids_->used_bytes(); }

 private:
  Tickets &tickets_;
  IdLists &lists_;
  std::variant<std::monostate, IdStack, Buddy> allocator_;
  BlockIds *ids_ = nullptr;
  Quarantine quarantine_;
};

}  // namespace akv
