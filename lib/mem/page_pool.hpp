// page_pool.hpp: fixed pages of one memory, handed out and recycled without a lock, and who had each of them last.
// It knows pages and their holders' numbers; not tickets: who gives a page back says that nobody uses it any more.
#pragma once

#include "base/process.hpp"
#include "base/thread_index.hpp"
#include "mem/free_pages.hpp"
#include "mem/page_memory.hpp"
#include "mem/page_record.hpp"
#include "mem/reservation.hpp"

#include <atomic>
#include <cstdint>

namespace akv {

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
    Record &one = record(page);
    if (!one.used()) first_uses_.fetch_add(1, std::memory_order_relaxed);
    return one.hold(generation, kind, arena, owner, dirty_ ? Content::foreign : Content::zero);
  }
  PageHold held(std::uint32_t page) const noexcept { return record(page).held(); }
  [[nodiscard]] bool read(const NamedPage &named, std::uint64_t &owner, Content &content) const noexcept {
    return exists(named.page) && record(named.page).read(named.generation, owner, content);
  }
  // End a raw hold, once. False: it is not held so.
  [[nodiscard]] bool let_go(const NamedPage &named) noexcept {
    return exists(named.page) && record(named.page).let_go(named.generation);
  }
  // As let_go_of_all() in page_record.hpp.
  template <class Row, class Left>
  [[nodiscard]] std::uint32_t let_go_of_all(std::uint32_t count, Row row, Left left) noexcept {
    const auto existing = [&](std::uint32_t i) {
      const NamedPage named = row(i);
      return exists(named.page) ? named : NamedPage{};
    };
    return akv::let_go_of_all([this](std::uint32_t page) -> Record & { return record(page); }, count, existing, left);
  }
  // End the raw hold of a page that this owner has, or anybody. True: it is the caller's now.
  [[nodiscard]] bool drop(std::uint32_t page, std::uint64_t owner, bool everybody) noexcept {
    return record(page).drop(owner, everybody);
  }

  const Free &free() const noexcept { return free_; }
  // Of the pages that were handed out, those that had been used before.
  std::uint64_t reused() const noexcept {
    const std::uint64_t first = first_uses_.load(std::memory_order_relaxed), all = free_.handed_out();
    return all < first ? 0 : all - first;
  }
  std::uint32_t max_pages() const noexcept { return static_cast<std::uint32_t>(records_.count) - 1; }

  // Each copy of the library begins at a number of its own: a page of another copy is none of this one.
  static void begin_generations() noexcept {
    static const std::uint32_t first = numbers_.fetch_add(static_cast<std::uint32_t>(random_number()));
    static_cast<void>(first);
  }
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
  // Neighbours are mostly different threads', and written with every hold: each has a cache line of its own.
  struct alignas(64) Record : PageRecord<StdAtomics> {};
  bool exists(std::uint32_t page) const noexcept { return page != 0 && page <= max_pages(); }
  Record &record(std::uint32_t page) noexcept { return records_[page]; }
  const Record &record(std::uint32_t page) const noexcept { return records_[page]; }

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
