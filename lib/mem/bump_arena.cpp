// bump_arena.cpp: placing tensors, and dropping an arena in one step.
// It knows pages, offsets and generations; not tickets, and no byte of a tensor.
#include "mem/bump_arena.hpp"

#include <algorithm>
#include <bit>

namespace akv {

Arenas::Arenas(Reservation &tables, PagePool &pages, std::uint32_t max_arenas, std::uint32_t tensors_per_page) noexcept
    : pages_(pages), entry_bits_(static_cast<std::uint32_t>(std::countr_zero(tensors_per_page))) {
  arenas_.take_memory(tables, max_arenas);
  entries_ = tables.take<Entry>(std::size_t{pages.max_pages()} * tensors_per_page);
  page_units_ = units(pages.memory().page_bytes());
}

std::uint32_t Arenas::create_locked(std::uint64_t owner) noexcept {
  const std::uint32_t index = arenas_.take();
  if (index == 0) return 0;
  arenas_[index].life.begin(PagePool::next_generation(), owner);
  living_ += 1;
  return index;
}

// One store ends all its tensors, whoever reads or grows them at this moment. Its pages are a chain already.
void Arenas::drop_locked(std::uint32_t index, PageChain &pages, ArenaCounts &counted) noexcept {
  Arena &arena = arenas_[index];
  {
    const std::lock_guard<TryLock> lock(arena.lock);  // a tensor is being placed, for a moment
    arena.life.end();
    counted = counts(index);
    pages = arena.pages;
    arena.pages = {};
    arena.next_unit = arena.next_ordinal = 0;
    arena.tensors = arena.num_pages = arena.capacity_bytes = arena.rounding_bytes = arena.closed_bytes = 0;
  }
  arenas_.give_back(index);
  living_ -= 1;
}

std::uint32_t Arenas::pages_needed(const Arena &arena, const std::uint64_t *bytes, std::uint32_t count) const noexcept {
  std::uint32_t needed = 0;
  Place at = {arena.pages.count != 0 ? arena.next_unit : page_units_, arena.next_ordinal};
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!fits(at, units(bytes[i]))) {
      ++needed;
      at = {0, 0};
    }
    at.unit += units(bytes[i]);
    ++at.ordinal;
  }
  return needed;
}

Status Arenas::no_pages(const Arena &arena, std::uint64_t bytes, std::uint32_t needed) const noexcept {
  const PagePool::Free &free = pages_.free();
  const std::uint32_t left = free.left();
  if (arena.pages.count != 0 && arena.next_ordinal == 1u << entry_bits_ &&
      units(bytes) <= page_units_ - arena.next_unit)
    return fail_with(AKV_ERROR_NO_TENSORS, needed, left,
                     "the arena's newest page has all %llu tensors (tensors_per_page), and of the %llu more pages "
                     "that are needed %llu are free",
                     1u << entry_bits_, needed, left);
  return fail_with(AKV_ERROR_NO_PAGES, needed, left,
                   "%llu more pages are needed, %llu of the %llu reserved ones are free: drop arenas, or reserve more",
                   needed, left, free.reserved());
}

// Go on in the first page of `fresh`.
Content Arenas::open_page(std::uint32_t index, std::uint32_t generation, PageChain &fresh) noexcept {
  Arena &arena = arenas_[index];
  const std::uint32_t page = fresh.first;
  fresh.first = pages_.next(page);
  --fresh.count;
  if (arena.pages.count != 0) arena.closed_bytes += std::uint64_t{page_units_ - arena.next_unit} * Entry::kUnit;
  const Content content = pages_.hold(page, generation, PageHold::in_arena, index, arena.life.owner());
  pages_.append(arena.pages, page);
  arena.num_pages += 1;
  arena.next_unit = arena.next_ordinal = 0;
  return content;
}

// In the newest page, which has room for it.
std::uint32_t Arenas::place(Arena &arena, std::uint32_t generation, std::uint64_t bytes) noexcept {
  const std::uint32_t wanted = units(bytes), tensor = (arena.pages.last - 1) << entry_bits_ | arena.next_ordinal++;
  entries_[tensor].begin(generation, arena.next_unit, wanted);
  arena.next_unit += wanted;
  arena.tensors += 1;
  arena.capacity_bytes += std::uint64_t{wanted} * Entry::kUnit;
  arena.rounding_bytes += std::uint64_t{wanted} * Entry::kUnit - bytes;
  return tensor;
}

bool Arenas::read(std::uint32_t tensor, std::uint32_t generation, View &out) const noexcept {
  const std::uint32_t page = (tensor >> entry_bits_) + 1;
  if (page > pages_.max_pages()) return false;
  const PageHold hold = pages_.held(page);
  if (hold.kind != PageHold::in_arena || hold.generation != generation) return false;
  out.page = page;
  out.content = hold.content;
  return entries_[tensor].read(arenas_[hold.arena].life, generation, out.at);
}

ArenaCounts Arenas::counts(std::uint32_t index) const noexcept {
  const Arena &arena = arenas_[index];
  return {arena.tensors, arena.num_pages, arena.capacity_bytes, arena.rounding_bytes, arena.closed_bytes};
}

ArenaCounts Arenas::totals() const noexcept {
  ArenaCounts sum;
  for (std::uint32_t index = 1; index <= arenas_.capacity(); ++index) {
    const ArenaCounts one = counts(index);
    sum.tensors += one.tensors;
    sum.pages += one.pages;
    sum.capacity_bytes += one.capacity_bytes;
    sum.rounding_bytes += one.rounding_bytes;
    sum.closed_bytes += one.closed_bytes;
  }
  return sum;
}

}  // namespace akv
