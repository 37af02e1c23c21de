// bump_arena.hpp: arenas over a page pool: tensors one behind the other in pages of their own, dropped as a whole.
// It knows pages, offsets and generations; not tickets, and no byte of a tensor.
//
// A tensor is placed by offset += align(size, 256) in the newest page of its arena, and lies in one page. Each page has
// a fixed number of entries of 16 bytes for its tensors, so an entry's number tells the page: no list of tensors, no
// link, nothing to give back. An arena is dropped by ending its generation and handing over its list of pages.
#pragma once

#include "base/annotations.hpp"
#include "base/shared_value.hpp"
#include "base/try_lock.hpp"
#include "mem/page_pool.hpp"
#include "mem/slab.hpp"
#include "mem/tensor_entry.hpp"

#include <mutex>

namespace akv {

struct ArenaCounts {
  std::uint64_t tensors = 0, pages = 0;
  std::uint64_t capacity_bytes = 0;  // of its tensors
  std::uint64_t rounding_bytes = 0;  // of these, not asked for
  std::uint64_t closed_bytes = 0;    // at the ends of pages, behind the last tensor there will be
};

// All arenas of a pool. Adding, growing and reading take no lock of the pool; creating and dropping want one.
class Arenas {
 public:
  using Entry = TensorEntry<StdAtomics>;

  static void plan(Reservation &tables, std::uint32_t max_arenas, std::uint64_t max_tensors) noexcept {
    Slab<Arena>::plan(tables, max_arenas);
    tables.plan<Entry>(max_tensors);
  }
  // `tensors_per_page` is a power of two.
  Arenas(Reservation &tables, PagePool &pages, std::uint32_t max_arenas, std::uint32_t tensors_per_page) noexcept;

  // Want the pool's lock. 0: there are max_arenas.
  [[nodiscard]] std::uint32_t create_locked(std::uint64_t owner) noexcept;
  // The caller gives the pages back, or waits with them.
  void drop_locked(std::uint32_t arena, PageChain &pages, ArenaCounts &counts) noexcept;
  std::uint32_t living() const noexcept { return living_; }

  std::uint32_t generation(std::uint32_t arena) const noexcept { return arenas_[arena].life.generation(); }
  bool lives(std::uint32_t arena, std::uint32_t generation) const noexcept {
    return arena != 0 && arena <= arenas_.capacity() && generation != 0 && this->generation(arena) == generation;
  }
  std::uint64_t owner(std::uint32_t arena) const noexcept { return arenas_[arena].life.owner(); }
  std::uint32_t capacity() const noexcept { return arenas_.capacity(); }

  // Place `count` tensors, all or none: `write(row, number, content)` tells where, and what lies in their memory.
  // BAD_HANDLE, without a message: the arena is gone.
  template <class Write>
  Status add(std::uint32_t arena, std::uint32_t generation, const std::uint64_t *bytes, std::uint32_t count,
             Write write) noexcept;

  // A tensor of that generation grows, or is read. `stale` and false: it is not there.
  Extended extend(std::uint32_t tensor, std::uint32_t generation, std::uint64_t bytes, std::uint64_t &before,
                  std::uint64_t &capacity) noexcept {
    const Arena *arena = arena_of(tensor);
    if (AKV_UNLIKELY(arena == nullptr)) return Extended::stale;
    return entries_[tensor].extend(arena->life, generation, bytes, before, capacity);
  }
  struct View {
    std::uint32_t page;
    Content content;
    Entry::View at;
  };
  [[nodiscard]] bool read(std::uint32_t tensor, std::uint32_t generation, View &out) const noexcept;

  ArenaCounts counts(std::uint32_t arena) const noexcept;
  ArenaCounts totals() const noexcept;

  static constexpr std::uint32_t units(std::uint64_t bytes) noexcept {
    return static_cast<std::uint32_t>((bytes + Entry::kUnit - 1) / Entry::kUnit);
  }

 private:
  struct Arena {
    ArenaLife<StdAtomics> life;
    TryLock lock;                // for what follows, while tensors are placed
    PageChain pages;             // in order of their use: the newest is the last
    std::uint32_t next_unit;     // of the newest page
    std::uint32_t next_ordinal;  // of the newest page
    // Released: who sees that they were reset for the next arena sees that this one has ended.
    Released<std::uint64_t> tensors, num_pages, capacity_bytes, rounding_bytes, closed_bytes;
  };
  struct Place {
    std::uint32_t unit, ordinal;
  };

  const Arena *arena_of(std::uint32_t tensor) const noexcept {
    const std::uint32_t page = (tensor >> entry_bits_) + 1;
    if (page > pages_.max_pages()) return nullptr;
    const PageHold hold = pages_.held(page);
    return hold.kind == PageHold::in_arena ? &arenas_[hold.arena] : nullptr;
  }
  bool fits(const Place &at, std::uint32_t units) const noexcept {
    return at.ordinal < 1u << entry_bits_ && units <= page_units_ - at.unit;
  }
  std::uint32_t pages_needed(const Arena &arena, const std::uint64_t *bytes, std::uint32_t count) const noexcept;
  Status no_pages(const Arena &arena, std::uint64_t bytes, std::uint32_t needed) const noexcept;
  Content open_page(std::uint32_t index, std::uint32_t generation, PageChain &fresh) noexcept;
  std::uint32_t place(Arena &arena, std::uint32_t generation, std::uint64_t bytes) noexcept;

  PagePool &pages_;
  Slab<Arena> arenas_;
  Array<Entry> entries_;
  std::uint32_t entry_bits_ = 0;
  std::uint32_t page_units_ = 0;
  Relaxed<std::uint32_t> living_ = 0;
};

template <class Write>
Status Arenas::add(std::uint32_t index, std::uint32_t generation, const std::uint64_t *bytes, std::uint32_t count,
                   Write write) noexcept {
  Arena &arena = arenas_[index];
  const std::lock_guard<TryLock> lock(arena.lock);
  if (arena.life.generation() != generation) return AKV_ERROR_BAD_HANDLE;
  PageChain fresh;
  const std::uint32_t needed = pages_needed(arena, bytes, count);
  if (needed != 0 && !pages_.take_chain(needed, fresh)) return no_pages(arena, bytes[0], needed);
  Content content = arena.pages.count != 0 ? pages_.held(arena.pages.last).content : Content::zero;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (arena.pages.count == 0 || !fits({arena.next_unit, arena.next_ordinal}, units(bytes[i])))
      content = open_page(index, generation, fresh);
    write(i, place(arena, generation, bytes[i]), content);
  }
  return AKV_OK;
}

static_assert(sizeof(Arenas::Entry) == 16);

}  // namespace akv
