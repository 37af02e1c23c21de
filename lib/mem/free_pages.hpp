// free_pages.hpp: the free pages of a pool, lock-free: slots for one page each in front of the shared stack, and exact
// counts. It knows numbers of pages; not their bytes, nor who has them.
//
// A page that a thread has given back is mostly wanted next by the same thread, so it waits in that thread's slot: one
// exchange, on a cache line of its own, and the page is still warm. Everybody may empty every slot, so no page is ever
// out of reach. (The idea is that of an elimination array, Hendler, Shavit and Yerushalmi 2004: opposite operations
// meet before they come to the stack.)
//
// A slot is filled and emptied in turn, and its word counts how often: pages that went through slots are counted
// exactly, and for nothing. The stack's tag counts its pops; only its pushes have a counter of their own.
#pragma once

#include "mem/page_stack.hpp"

namespace akv {

template <class Atomics, std::uint32_t kSlots = 32>
class FreePages {
 public:
  using Link = typename PageStack<Atomics>::Link;

  explicit FreePages(Link *links) noexcept : stack_(links) {}

  // Take `count` pages, all or none. It never grows the pool. `thread` is the caller's thread_index(): any number is
  // right, and two threads with different ones meet less.
  [[nodiscard]] bool pop(std::uint32_t thread, std::uint32_t count, std::uint32_t *out) noexcept {
    if (count == 1 && (out[0] = take(slots_[thread % kSlots])) != 0) return true;
    return pop_slowly(count, out);
  }

  void push(std::uint32_t thread, std::uint32_t page) noexcept {
    Word &slot = slots_[thread % kSlots].word;
    std::uint64_t word = slot.load(std::memory_order_relaxed);
    if ((word & kPageMask) != 0 ||
        !slot.compare_exchange_strong(word, word + kTurn + page, std::memory_order_release, std::memory_order_relaxed))
      push_chain(page, page, 1);
  }

  // `count` pages that are linked from `first` to `last`, with one exchange.
  void push_chain(std::uint32_t first, std::uint32_t last, std::uint32_t count) noexcept {
    // Counted before they can be seen: who reads the same count twice knows that nothing came back meanwhile.
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
    std::uint64_t back = stack_pushed_.load(std::memory_order_relaxed) - stack_.popped();
    for (const Slot &slot : slots_) back += (slot.word.load(std::memory_order_relaxed) & kPageMask) != 0;
    const std::uint64_t used = fresh_used();
    return back < used ? static_cast<std::uint32_t>(used - back) : 0;
  }
  std::uint32_t left() const noexcept {
    const std::uint32_t used = in_use(), there = reserved();
    return used < there ? there - used : 0;
  }
  // How many pages calls have got.
  std::uint64_t handed_out() const noexcept {
    std::uint64_t sum = stack_.popped() + fresh_used() - undone_.load(std::memory_order_relaxed);
    for (const Slot &slot : slots_) sum += (slot.word.load(std::memory_order_relaxed) >> kPageBits) / 2;
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
  static constexpr std::uint64_t kPageMask = PageStack<Atomics>::kMaxPages;
  static constexpr std::uint64_t kTurn = std::uint64_t{1} << kPageBits;
  static constexpr std::uint32_t kRounds = 8;
  struct alignas(64) Slot {
    Word word{0};  // turns 44 | page 20
  };

  static std::uint32_t take(Slot &slot) noexcept {
    std::uint64_t word = slot.word.load(std::memory_order_relaxed);
    const std::uint64_t page = word & kPageMask;
    if (page == 0 || !slot.word.compare_exchange_strong(word, word + kTurn - page, std::memory_order_acquire,
                                                        std::memory_order_relaxed))
      return 0;
    return static_cast<std::uint32_t>(page);
  }

  // Those that were used before come first, wherever they are: they are warm, and the others cost nothing yet.
  // `emptied` counts the slots that gave one.
  std::uint32_t gather(std::uint32_t count, std::uint32_t *out, std::uint32_t &emptied) noexcept {
    std::uint32_t found = stack_.pop(count, out);
    for (Slot &slot : slots_) {
      if (found == count) return found;
      const std::uint32_t page = take(slot);
      if (page == 0) continue;
      out[found++] = page;
      ++emptied;
    }
    return found == count || stack_.take_fresh(count - found, out + found) ? count : found;
  }

  // Grows with every page that comes back to the stack, and every time a slot is filled or emptied.
  std::uint64_t turns() const noexcept {
    std::uint64_t sum = stack_pushed_.load(std::memory_order_relaxed);
    for (const Slot &slot : slots_) sum += slot.word.load(std::memory_order_relaxed) >> kPageBits;
    return sum;
  }

  // Refused is only who found every place empty while no page came back; of batches that take each other's pages and
  // put them back, none may go on for ever.
  [[gnu::noinline]] bool pop_slowly(std::uint32_t count, std::uint32_t *out) noexcept {
    for (std::uint32_t round = 0; count == 1 || round < kRounds; ++round) {
      const std::uint64_t before = turns();
      std::uint32_t emptied = 0;
      const std::uint32_t found = gather(count, out, emptied);
      if (found == count) return true;
      const bool settled = turns() == before + emptied;
      if (found != 0) {
        for (std::uint32_t i = 0; i + 1 < found; ++i) set_next(out[i], out[i + 1]);
        undo_chain(out[0], out[found - 1], found);
      }
      if (settled) break;
      Atomics::pause();
    }
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

  PageStack<Atomics> stack_;
  Slot slots_[kSlots];
  Word stack_pushed_{0}, undone_{0}, refused_{0};
};

}  // namespace akv
