// page_pool.hpp: fixed pages of one memory, handed out and recycled without a lock, and who had each of them last.
// It knows pages and their holders' numbers; not tickets: who gives a page back says that nobody uses it any more.
//
// A page's record is one word: who holds it, in what kind of hold, and a generation that no other hold ever has; so a
// release that comes a second time is refused, whoever has the page by then.
#pragma once

#include "base/thread_index.hpp"
#include "mem/free_pages.hpp"
#include "mem/page_memory.hpp"
#include "mem/reservation.hpp"

#include <atomic>
#include <cstdint>

namespace akv {

// What is in memory that was just handed out.
enum class Content : std::uint32_t { zero = 0, own = 1, foreign = 2 };

struct PageHold {
  enum Kind : std::uint32_t { none = 0, raw = 1, in_arena = 2 };
  static constexpr std::uint32_t kArenaBits = 20;

  std::uint32_t generation;
  Kind kind;
  Content content;
  std::uint32_t arena;  // for in_arena

  std::uint64_t encode() const noexcept {
    return std::uint64_t{generation} << 32 | std::uint64_t{kind} << 30 | static_cast<std::uint64_t>(content) << 28 |
           arena;
  }
  static PageHold decode(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<Kind>(word >> 30 & 3),
            static_cast<Content>(word >> 28 & 3), static_cast<std::uint32_t>(word & ((1u << kArenaBits) - 1))};
  }
};

// Pages linked through their links, from first to last.
struct PageChain {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint32_t count = 0;
};

class PagePool {
 public:
  using Free = FreePages<StdAtomics>;
  static constexpr std::uint32_t kMaxPages = PageStack<StdAtomics>::kMaxPages;

  // `dirty`: the memory was not zero at the start.
  static void plan(Reservation &tables, std::uint32_t max_pages) noexcept {
    tables.plan<Free::Link>(max_pages + std::size_t{1});
    tables.plan<Record>(max_pages + std::size_t{1});
  }
  PagePool(Reservation &tables, std::uint32_t max_pages, bool dirty) noexcept
      : links_(tables.take<Free::Link>(max_pages + std::size_t{1})),
        records_(tables.take<Record>(max_pages + std::size_t{1})),
        free_(links_.data),
        dirty_(dirty) {}

  PageMemory &memory() noexcept { return memory_; }
  const PageMemory &memory() const noexcept { return memory_; }
  // One caller at a time; all or nothing.
  [[nodiscard]] Status grow(std::uint32_t count, bool prefault) noexcept;

  // Take pages, all or none. Never grows.
  [[nodiscard]] bool take(std::uint32_t count, std::uint32_t *out) noexcept {
    return free_.pop(thread_index(), count, out);
  }
  [[nodiscard]] bool take_chain(std::uint32_t count, PageChain &out) noexcept;
  void give_back(const PageChain &pages) noexcept {
    if (pages.count == 1) free_.push(thread_index(), pages.first);
    else if (pages.count != 0) free_.push_chain(pages.first, pages.last, pages.count);
  }
  void append(PageChain &chain, std::uint32_t page) noexcept {
    if (chain.count++ == 0) chain.first = page;
    else free_.set_next(chain.last, page);
    chain.last = page;
  }
  // Put `more` behind `chain`.
  void join(PageChain &chain, const PageChain &more) noexcept {
    if (more.count == 0) return;
    if (chain.count == 0) chain.first = more.first;
    else free_.set_next(chain.last, more.first);
    chain.last = more.last;
    chain.count += more.count;
  }
  std::uint32_t next(std::uint32_t page) const noexcept { return free_.next(page); }

  // The holder of a page that was just taken; tells what is in it.
  Content hold(std::uint32_t page, std::uint32_t generation, PageHold::Kind kind, std::uint32_t arena,
               std::uint64_t owner) noexcept {
    Record &record = records_[page];
    const bool used = record.word.load(std::memory_order_relaxed) != 0;
    const Content content = !used ? (dirty_ ? Content::foreign : Content::zero)
                            : record.owner.load(std::memory_order_relaxed) == owner ? Content::own
                                                                                    : Content::foreign;
    if (!used) first_uses_.fetch_add(1, std::memory_order_relaxed);
    record.owner.store(owner, std::memory_order_relaxed);
    // Release: who finds the hold sees all that its holder had prepared.
    record.word.store(PageHold{generation, kind, content, arena}.encode(), std::memory_order_release);
    return content;
  }
  PageHold held(std::uint32_t page) const noexcept {
    return PageHold::decode(records_[page].word.load(std::memory_order_acquire));
  }
  std::uint64_t owner(std::uint32_t page) const noexcept {
    return records_[page].owner.load(std::memory_order_relaxed);
  }
  // End a raw hold, once. False: it is not held so.
  [[nodiscard]] bool let_go(std::uint32_t page, std::uint32_t generation) noexcept;
  // A hold that was just let go is there again.
  void hold_again(std::uint32_t page) noexcept;

  const Free &free() const noexcept { return free_; }
  // Of the pages that were handed out, those that had been used before.
  std::uint64_t reused() const noexcept {
    const std::uint64_t first = first_uses_.load(std::memory_order_relaxed), all = free_.handed_out();
    return all < first ? 0 : all - first;
  }
  std::uint32_t max_pages() const noexcept { return static_cast<std::uint32_t>(records_.count) - 1; }

  // A number that no hold of any pool has had before (in four billion). Threads draw many at a time: they would meet
  // here with every page.
  static std::uint32_t next_generation() noexcept {
    if (next_number_ == end_of_numbers_) {
      next_number_ = numbers_.fetch_add(kNumbersDrawn, std::memory_order_relaxed);
      end_of_numbers_ = next_number_ + kNumbersDrawn;
    }
    const std::uint32_t generation = next_number_++;
    return generation != 0 ? generation : next_generation();
  }

 private:
  struct Record {
    std::atomic<std::uint64_t> word;   // a PageHold; 0: never handed out
    std::atomic<std::uint64_t> owner;  // of the last hold
  };
  static constexpr std::uint32_t kNumbersDrawn = 256;
  static inline constinit std::atomic<std::uint32_t> numbers_{0};
  static inline thread_local constinit std::uint32_t next_number_ = 0, end_of_numbers_ = 0;

  Array<Free::Link> links_;
  Array<Record> records_;
  Free free_;
  PageMemory memory_;
  std::atomic<std::uint64_t> first_uses_{0};
  const bool dirty_;
};

}  // namespace akv
