// free_pages.hpp: the free pages of a pool, lock-free: slots for one page each in front of the shared stack, and exact
// counts. It knows numbers of pages; not their bytes, nor who has them.
//
// A page that a thread has given back is mostly wanted next by the same thread, so it waits in that thread's slot: one
// exchange, on a cache line of its own, and the page is still warm. Everybody may empty every slot, so no page is ever
// out of reach. (The idea is that of an elimination array, Hendler, Shavit and Yerushalmi 2004: opposite operations
// meet before they come to the stack.)
//
// A slot is filled and emptied in turn, and its word counts how often: pages that went through slots are counted
// exactly, and for nothing. The stack's tag counts its pops; only its pushes have a counter of their own. (Tags and
// turns have 44 bits, which a program that does nothing else uses up in days: what follows from them is taken modulo
// 2^44, or counts on.)
#pragma once

#include "base/annotations.hpp"
#include "mem/page_stack.hpp"

namespace akv {

template <class Atomics, std::uint32_t kSlots = 32>
class FreePages {
 public:
  using Link = typename PageStack<Atomics>::Link;

  // `counted`: as if so many pages had been handed out from the stack and from every slot (an even number; for tests).
  explicit FreePages(Link *links, std::uint64_t counted = 0) noexcept : stack_(links, counted), stack_pushed_(counted) {
    if (counted != 0)
      for (Slot &slot : slots_) {
        slot.word.store(2 * counted << kPageBits, std::memory_order_relaxed);
        slot.rounds.store(2 * counted >> kTurnBits, std::memory_order_relaxed);
      }
  }

  // Take `count` pages, all or none. It never grows the pool. `thread` is the caller's thread_index(): any number is
  // right, and two threads with different ones meet less.
  [[nodiscard]] bool pop(std::uint32_t thread, std::uint32_t count, std::uint32_t *out) noexcept {
    if (count == 1 && (out[0] = take(slots_[thread % kSlots])) != 0) return true;
    return pop_slowly(count, out);
  }

  void push(std::uint32_t thread, std::uint32_t page) noexcept {
    Slot &slot = slots_[thread % kSlots];
    const std::uint64_t word = slot.word.load(std::memory_order_relaxed);
    if ((word & kPageMask) != 0 || gathering_.load(std::memory_order_relaxed) != 0 ||
        !slot.turn(word, word + kTurn + page, std::memory_order_release))
      push_chain(page, page, 1);
  }

  // `count` pages that are linked from `first` to `last`, with one exchange.
  void push_chain(std::uint32_t first, std::uint32_t last, std::uint32_t count) noexcept {
    stack_pushed_.fetch_add(count, std::memory_order_relaxed);
    stack_.push(first, last);
  }
  // The same for pages that were taken in vain: they do not count as handed out.
  void undo_chain(std::uint32_t first, std::uint32_t last, std::uint32_t count) noexcept {
    undone_.fetch_add(count, std::memory_order_relaxed);
    push_chain(first, last, count);
  }

  // `count` pages more exist; one caller at a time.
  void grow(std::uint32_t count) noexcept { stack_.add(count); }

  // Links of pages that the caller holds.
  std::uint32_t next(std::uint32_t page) const noexcept { return stack_.next(page); }
  void set_next(std::uint32_t page, std::uint32_t next) noexcept { stack_.set_next(page, next); }

  // Numbers for reports: exact while nobody is inside a call.
  std::uint32_t reserved() const noexcept { return stack_.reserved(); }
  std::uint32_t fresh_used() const noexcept { return stack_.fresh_used(); }
  std::uint32_t in_use() const noexcept {
    std::int64_t used = std::int64_t{fresh_used()} - on_stack();
    for (const Slot &slot : slots_) used -= (slot.word.load(std::memory_order_relaxed) & kPageMask) != 0;
    return used > 0 ? static_cast<std::uint32_t>(used) : 0;
  }
  std::uint32_t left() const noexcept {
    const std::uint32_t used = in_use(), there = reserved();
    return used < there ? there - used : 0;
  }
  // How many pages calls have got.
  std::uint64_t handed_out() const noexcept {
    const std::int64_t back = on_stack();
    std::uint64_t sum = stack_pushed_.load(std::memory_order_relaxed) - static_cast<std::uint64_t>(back);
    sum += fresh_used() - undone_.load(std::memory_order_relaxed);
    for (const Slot &slot : slots_) sum += slot.emptied();
    return sum;
  }
  std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

  // Every free page once, while nobody else is inside.
  template <class What>
  void for_each(What what) const noexcept {
    for (const Slot &slot : slots_)
      if (const auto word = slot.word.load(std::memory_order_acquire); (word & kPageMask) != 0)
        what(static_cast<std::uint32_t>(word & kPageMask));
    for (std::uint32_t page = stack_.top(); page != 0; page = stack_.next(page)) what(page);
    for (std::uint32_t page = stack_.fresh_used() + 1; page <= stack_.reserved(); ++page) what(page);
  }

  static constexpr bool is_lock_free() noexcept {
    return Word::is_always_lock_free && Atomics::template Atomic<std::uint32_t>::is_always_lock_free;
  }

 private:
  using Word = typename Atomics::template Atomic<std::uint64_t>;
  static constexpr std::uint32_t kPageBits = PageStack<Atomics>::kIndexBits;
  static constexpr std::uint32_t kTurnBits = 64 - kPageBits;
  static constexpr std::uint64_t kPageMask = PageStack<Atomics>::kMaxPages;
  static constexpr std::uint64_t kTurn = std::uint64_t{1} << kPageBits;

  struct alignas(64) Slot {
    Word word{0};    // turns 44 | page 20
    Word rounds{0};  // how often the turns have begun anew

    bool turn(std::uint64_t from, std::uint64_t to, std::memory_order success) noexcept {
      if (!word.compare_exchange_strong(from, to, success, std::memory_order_relaxed)) return false;
      if (AKV_UNLIKELY(to < from)) rounds.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
    std::uint64_t emptied() const noexcept {
      return (rounds.load(std::memory_order_relaxed) << (kTurnBits - 1)) +
             (word.load(std::memory_order_relaxed) >> kPageBits) / 2;
    }
  };

  static std::uint32_t take(Slot &slot) noexcept {
    const std::uint64_t word = slot.word.load(std::memory_order_relaxed), page = word & kPageMask;
    if (page == 0 || !slot.turn(word, word + kTurn - page, std::memory_order_acquire)) return 0;
    return static_cast<std::uint32_t>(page);
  }

  // Pages that came back to the stack and were not popped again, from two counts that may be of different moments.
  std::int64_t on_stack() const noexcept {
    const std::uint64_t popped = stack_.popped(), pushed = stack_pushed_.load(std::memory_order_relaxed);
    return static_cast<std::int64_t>((pushed - popped) << kPageBits) >> kPageBits;
  }

  // Those that were used before come first, wherever they are: they are warm, and the others cost nothing yet.
  [[gnu::noinline]] bool pop_slowly(std::uint32_t count, std::uint32_t *out) noexcept {
    std::uint32_t found = stack_.pop(count, out);
    for (Slot &slot : slots_) {
      if (found == count) return true;
      if (const std::uint32_t page = take(slot); page != 0) out[found++] = page;
    }
    return found == count || stack_.take_fresh(count - found, out + found) || gather(count, found, out);
  }

  // Take what slots have, up to `count` pages, and remember how each was left.
  std::uint32_t empty_slots(std::uint32_t count, std::uint32_t *out, std::uint64_t (&seen)[kSlots]) noexcept {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < kSlots && found < count; ++i) {
      const std::uint64_t word = slots_[i].word.load(std::memory_order_acquire), page = word & kPageMask;
      seen[i] = word;
      if (page == 0 || !slots_[i].turn(word, word + kTurn - page, std::memory_order_acquire)) continue;
      seen[i] = word + kTurn - page;
      out[found++] = static_cast<std::uint32_t>(page);
    }
    return found;
  }
  bool empty_still(const std::uint64_t (&seen)[kSlots]) const noexcept {
    for (std::uint32_t i = 0; i < kSlots; ++i)
      if ((seen[i] & kPageMask) != 0 || slots_[i].word.load(std::memory_order_acquire) != seen[i]) return false;
    return true;
  }

  // Refused is only who has seen that, counting what he has got, there were too few: when he came to the end of the
  // stack all slots were empty, as they were before and after it, and no more pages were fresh than before it.
  // While somebody gathers, pages come back to the stack only: they can't move from slot to slot behind his back, and
  // he looks again only as often as there are pages to find, and threads that were about to fill a slot.
  bool gather(std::uint32_t count, std::uint32_t found, std::uint32_t *out) noexcept {
    gathering_.fetch_add(1, std::memory_order_seq_cst);
    bool enough = false;
    for (;; Atomics::pause()) {
      std::uint64_t seen[kSlots];
      const std::uint32_t reserved = stack_.reserved(), fresh = stack_.fresh_left(reserved);
      found += empty_slots(count - found, out + found, seen);
      if (found != count) found += stack_.pop(count - found, out + found);
      enough = found == count || stack_.take_fresh(count - found, out + found);
      if (enough || (found + fresh < count && empty_still(seen) && stack_.reserved() == reserved)) break;
    }
    gathering_.fetch_sub(1, std::memory_order_relaxed);
    if (enough) return true;
    for (std::uint32_t i = 0; i + 1 < found; ++i) set_next(out[i], out[i + 1]);
    if (found != 0) undo_chain(out[0], out[found - 1], found);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

  PageStack<Atomics> stack_;
  Slot slots_[kSlots];
  // Read with every page that comes back, written by those who are short of pages.
  alignas(64) typename Atomics::template Atomic<std::uint32_t> gathering_{0};
  alignas(64) Word stack_pushed_;
  Word undone_{0}, refused_{0};
};

}  // namespace akv
