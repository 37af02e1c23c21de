// free_pages.hpp: the free pages of a pool, lock-free: a slot for one page in front of the shared stack for each
// thread, and exact counts. It knows numbers of pages; not their bytes, nor who has them.
//
// A page that a thread has given back is mostly wanted next by the same thread, so it waits in that thread's slot: one
// exchange, on a cache line of its own, and the page is still warm. Everybody may empty every slot, so no page is ever
// out of reach; a slot has no links, so it has no ABA problem. (The idea is that of an elimination array, Hendler,
// Shavit and Yerushalmi 2004: opposite operations meet before they come to the stack.)
#pragma once

#include "mem/page_stack.hpp"

namespace akv {

template <class Atomics, std::uint32_t kPlaces = 32>
class FreePages {
 public:
  using Link = typename PageStack<Atomics>::Link;

  explicit FreePages(Link *links) noexcept : stack_(links) {}

  // Take `count` pages, all or none. It never grows the pool. `thread` is the caller's thread_index().
  [[nodiscard]] bool pop(std::uint32_t thread, std::uint32_t count, std::uint32_t *out) noexcept {
    Place &mine = places_[thread % kPlaces];
    if (count == 1 && (out[0] = take(mine)) != 0) {
      add(thread, &Place::popped, 1);
      return true;
    }
    return pop_slowly(thread, count, out);
  }

  void push(std::uint32_t thread, std::uint32_t page) noexcept {
    Place &mine = places_[thread % kPlaces];
    // Counted before it can be seen: who counts twice and finds no difference knows that nothing came back meanwhile.
    add(thread, &Place::pushed, 1);
    std::uint32_t none = 0;
    if (!mine.slot.compare_exchange_strong(none, page, std::memory_order_release, std::memory_order_relaxed))
      stack_.push(page, page);
  }

  // `count` pages that are linked from `first` to `last`, with one exchange.
  void push_chain(std::uint32_t thread, std::uint32_t first, std::uint32_t last, std::uint32_t count) noexcept {
    add(thread, &Place::pushed, count);
    stack_.push(first, last);
  }

  // The same for pages that were taken in vain: they do not count as handed out.
  void undo_chain(std::uint32_t thread, std::uint32_t first, std::uint32_t last, std::uint32_t count) noexcept {
    undone_.fetch_add(count, std::memory_order_relaxed);
    push_chain(thread, first, last, count);
  }
  // `count` of the pages that were just taken had been used before: their records tell.
  void count_reused(std::uint32_t thread, std::uint64_t count) noexcept { add(thread, &Place::reused, count); }

  // `count` pages more exist; one caller at a time.
  void grow(std::uint32_t count) noexcept { stack_.add(count); }

  // Links of pages that the caller holds.
  std::uint32_t next(std::uint32_t page) const noexcept { return stack_.next(page); }
  void set_next(std::uint32_t page, std::uint32_t next) noexcept { stack_.set_next(page, next); }

  std::uint32_t reserved() const noexcept { return stack_.reserved(); }
  std::uint32_t fresh_used() const noexcept { return stack_.fresh_used(); }
  // Exact when nobody is inside a call. Read in this order, never more are in use than are there.
  std::uint32_t in_use() const noexcept {
    const std::uint64_t pushed = sum(&Place::pushed), popped = sum(&Place::popped);
    return popped < pushed ? 0 : static_cast<std::uint32_t>(popped - pushed);
  }
  std::uint32_t left() const noexcept {
    const std::uint32_t used = in_use(), there = reserved();
    return used < there ? there - used : 0;
  }
  // How many pages calls have got, and how many of these had been used before.
  std::uint64_t pops() const noexcept { return sum(&Place::popped) - undone_.load(std::memory_order_relaxed); }
  std::uint64_t reused() const noexcept { return sum(&Place::reused); }
  std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

  // Every free page once, while nobody else is inside.
  template <class What>
  void for_each(What what) const noexcept {
    for (const Place &place : places_)
      if (const std::uint32_t page = place.slot.load(std::memory_order_acquire); page != 0) what(page);
    for (std::uint32_t page = stack_.top(); page != 0; page = stack_.next(page)) what(page);
    for (std::uint32_t page = stack_.fresh_used() + 1; page <= stack_.reserved(); ++page) what(page);
  }

  static constexpr bool is_lock_free() noexcept {
    return Atomics::template Atomic<std::uint64_t>::is_always_lock_free &&
           Atomics::template Atomic<std::uint32_t>::is_always_lock_free;
  }

 private:
  using Count = typename Atomics::template Atomic<std::uint64_t>;
  struct alignas(64) Place {
    typename Atomics::template Atomic<std::uint32_t> slot{0};
    Count popped{0}, pushed{0}, reused{0};
  };

  // The first threads of a process have a place's counts for themselves: a plain load and store are enough. Later ones
  // share the slots, and one place of counts.
  void add(std::uint32_t thread, Count Place::*which, std::uint64_t count) noexcept {
    if (thread >= kPlaces) {
      (others_.*which).fetch_add(count, std::memory_order_relaxed);
      return;
    }
    Count &mine = places_[thread].*which;
    mine.store(mine.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  std::uint64_t sum(Count Place::*which) const noexcept {
    std::uint64_t sum = (others_.*which).load(std::memory_order_relaxed);
    for (const Place &place : places_) sum += (place.*which).load(std::memory_order_relaxed);
    return sum;
  }

  static std::uint32_t take(Place &place) noexcept {
    if (place.slot.load(std::memory_order_relaxed) == 0) return 0;
    return place.slot.exchange(0, std::memory_order_acquire);
  }

  // Those that were used before come first, wherever they are: they are warm, and the others cost nothing yet.
  std::uint32_t gather(std::uint32_t count, std::uint32_t *out) noexcept {
    std::uint32_t found = stack_.pop(count, out);
    for (Place &place : places_) {
      if (found == count) return found;
      if (const std::uint32_t page = take(place); page != 0) out[found++] = page;
    }
    return found == count || stack_.take_fresh(count - found, out + found) ? count : found;
  }

  // Refused is only who saw every place empty while no page came back.
  [[gnu::noinline]] bool pop_slowly(std::uint32_t thread, std::uint32_t count, std::uint32_t *out) noexcept {
    for (;;) {
      const std::uint64_t before = sum(&Place::pushed);
      const std::uint32_t found = gather(count, out);
      add(thread, &Place::popped, found);
      if (found == count) return true;
      const bool none_came = sum(&Place::pushed) == before;
      if (found != 0) put_back(thread, found, out);
      if (none_came) break;
      Atomics::pause();
    }
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

  void put_back(std::uint32_t thread, std::uint32_t found, const std::uint32_t *pages) noexcept {
    for (std::uint32_t i = 0; i + 1 < found; ++i) set_next(pages[i], pages[i + 1]);
    undo_chain(thread, pages[0], pages[found - 1], found);
  }

  PageStack<Atomics> stack_;
  Place places_[kPlaces];
  Place others_;
  Count undone_{0}, refused_{0};
};

}  // namespace akv
