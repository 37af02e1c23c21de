// arena_pool.hpp: a page pool with its arenas, its tickets, and the pages that wait for them.
// It knows pages, arenas and tickets; not how the API is spelled, and it touches no byte of a page.
//
// Taking pages, giving them back while no ticket is open, placing, growing and reading tensors take no lock. Tickets,
// arenas that come and go, and pages that must wait want the mutex, for a few instructions each.
#pragma once

#include "arenakv/arena.h"
#include "base/mutex.hpp"
#include "base/object_table.hpp"
#include "mem/bump_arena.hpp"
#include "mem/memory_tracker.hpp"
#include "mem/page_pool.hpp"
#include "order/tickets.hpp"
#include "obs/copy_stats.hpp"

#include <memory>
#include <optional>

namespace akv {

struct ArenaPoolConfig {
  std::uint64_t page_bytes;
  std::uint32_t num_pages, max_pages, max_arenas, tensors_per_page, max_open_tickets, purpose;
  bool dirty, prefault;
  void *memory;  // nullptr: the library's
};

class ArenaPool {
 public:
  static constexpr ObjectType kType = ObjectType::page_pool;
  static constexpr const char *kName = "page pool";

  static Status create(const ArenaPoolConfig &config, Trackers::Ref tracker, std::unique_ptr<ArenaPool> &out) noexcept;
  ~ArenaPool();
  // Its handle, whose index all that it hands out carries; set once, before anybody has it.
  void set_handle(const CacheHandle &handle) noexcept {
    place_ = handle.index;
    ticket_tag_ = TicketHandle::tag_of(handle);
  }

  const ArenaPoolConfig &config() const noexcept { return config_; }
  void *first_page() const noexcept { return pages_->memory().page(1); }
  Status reserve(std::uint32_t num_pages) noexcept;
  Status may_end() noexcept;  // no ticket is open

  Status acquire(std::uint64_t owner, std::uint32_t count, akv_page *out_pages, std::uint32_t *out_contents) noexcept;
  Status release(const akv_page *pages, std::uint32_t count) noexcept;

  Status create_arena(std::uint64_t owner, akv_arena &out) noexcept;
  Status drop_arena(akv_arena arena) noexcept;
  Status add_tensors(akv_arena arena, const std::uint64_t *bytes, std::uint32_t count, akv_tensor *out_tensors,
                     std::uint32_t *out_contents) noexcept;
  Status extend(akv_tensor tensor, std::uint64_t bytes, std::uint64_t &before) noexcept {
    std::uint64_t capacity = 0;
    const std::uint32_t index = ObjectHandle::index(tensor);
    Extended answer = Extended::stale;
    if (AKV_LIKELY(ObjectHandle::place(tensor) == ObjectHandle::place(Kind::tensor, place_) && index < max_tensors()))
      answer = arenas_->extend(index, ObjectHandle::generation(tensor), bytes, before, capacity);
    return AKV_LIKELY(answer == Extended::done) ? AKV_OK : not_extended(tensor, answer, bytes, before, capacity);
  }

  struct PageView {
    unsigned char *data;
    std::uint64_t owner;
    Content content;
  };
  Status read_page(akv_page page, PageView &out) const noexcept;
  Status read_tensor(akv_tensor tensor, unsigned char *&data, Arenas::View &out) const noexcept;
  Status read_arena(akv_arena arena, std::uint64_t &owner, ArenaCounts &out) const noexcept;

  struct Dropped {
    std::uint64_t arenas = 0, tensors = 0, pages = 0, raw_pages = 0;
  };
  // All that an owner has, or everything.
  Dropped drop_owner(std::uint64_t owner, bool everybody) noexcept;

  Status open_ticket(akv_ticket &out) noexcept;
  Status end_ticket(akv_ticket ticket, bool abandoned) noexcept;
  Status read_ticket(akv_ticket ticket, std::uint32_t &state) noexcept;

  struct State {
    std::uint32_t reserved, in_use, quarantined, fresh;
    std::uint32_t arenas, open_tickets;
    akv_ticket oldest_open, newest;
    std::uint64_t handed_out, reused, refused, dropped_arenas, dropped_tensors, abandoned_tickets, table_bytes;
    ArenaCounts tensors;
  };
  State state() noexcept;
  CopyStats &stats() noexcept { return stats_; }

 private:
  explicit ArenaPool(const ArenaPoolConfig &config) noexcept : config_(config) {}
  Status allocate() noexcept;
  Status grow_locked(std::uint32_t count) noexcept;
  std::uint32_t max_tensors() const noexcept { return config_.max_pages * config_.tensors_per_page; }

  Status check_handle(std::uint64_t handle, Kind kind) const noexcept;
  Status gone(std::uint64_t handle, Kind kind) const noexcept;
  NamedPage named(akv_page handle) const noexcept;  // {} if it is no page of this pool
  Status not_a_page(akv_page handle, std::uint32_t row) const noexcept;
  Status find_arena(akv_arena arena, std::uint32_t &index) const noexcept;
  Status not_extended(akv_tensor tensor, Extended answer, std::uint64_t bytes, std::uint64_t before,
                      std::uint64_t capacity) const noexcept;
  Status check_ticket(akv_ticket ticket) const noexcept;
  void tell_tickets() noexcept;

  void give_back(const PageChain &pages) noexcept;
  void give_back_locked(const PageChain &pages) noexcept;
  void drop_arena_locked(std::uint32_t index, Dropped &dropped) noexcept;
  void drop_raw_pages_locked(std::uint64_t owner, bool everybody, Dropped &dropped) noexcept;

  const ArenaPoolConfig config_;
  CopyStats stats_;
  Relaxed<std::uint32_t> place_ = 0;
  Trackers::Ref tracker_;
  std::uint64_t record_ = 0;  // of the tracker
  Reservation tables_;
  std::optional<PagePool> pages_;  // by value, both: each pointer on the way to a tensor's entry is felt
  std::optional<Arenas> arenas_;

  Mutex mutex_;  // for what follows, and for arenas that come and go
  Tickets tickets_;
  std::uint32_t ticket_tag_ = 0;
  Array<std::uint64_t> abandoned_;  // [ticket & mask]
  Array<PageChain> quarantine_;     // [epoch & mask]
  Relaxed<std::uint32_t> open_tickets_ = 0, quarantined_ = 0;
  Relaxed<std::uint64_t> oldest_open_ = 0, newest_ = 0;  // for the report
  Relaxed<std::uint64_t> dropped_arenas_ = 0, dropped_tensors_ = 0, abandoned_tickets_ = 0;
};

}  // namespace akv
