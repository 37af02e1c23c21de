// page_record.hpp: who holds each page, in what kind of hold: two words a page, changed without a lock.
// It knows numbers of pages, owners and generations; not where a page lies, nor who wants it next.
//
// A record is one word, with a generation that no other hold ever has, and the owner beside it. So a release that comes
// a second time is refused, whoever has the page by then.
//
// Several pages are given back all or none: first each is *leaving*, then each has left, or all of them stay. Whoever
// drops their owner meanwhile can neither take such a page nor wait for it: he leaves a mark, and a page that was
// marked does not stay, but goes back to the pool with the call that was giving it back.
#pragma once

#include "base/atomics.hpp"

#include <cstdint>

namespace akv {

// What is in memory that was just handed out.
enum class Content : std::uint32_t { zero = 0, own = 1, foreign = 2 };

struct PageHold {
  enum Kind : std::uint32_t {
    none = 0,
    raw = 1,
    in_arena = 2,
    leaving = 3,  // raw, and a call is giving it back with others
    dropped = 4   // leaving, and it will not stay
  };
  static constexpr std::uint32_t kArenaBits = 20;

  std::uint32_t generation;
  Kind kind;
  Content content;
  std::uint32_t arena;  // for in_arena

  std::uint64_t encode() const noexcept {
    return std::uint64_t{generation} << 32 | std::uint64_t{kind} << 29 | static_cast<std::uint64_t>(content) << 27 |
           arena;
  }
  static PageHold decode(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<Kind>(word >> 29 & 7),
            static_cast<Content>(word >> 27 & 3), static_cast<std::uint32_t>(word & ((1u << kArenaBits) - 1))};
  }
  PageHold as(Kind other) const noexcept { return {generation, other, content, arena}; }
  // Somebody has the page as a page, by a handle of this generation.
  bool is_raw(std::uint32_t wanted) const noexcept { return generation == wanted && (kind == raw || kind == leaving); }
};

template <class Atomics>
class PageRecord {
 public:
  bool used() const noexcept { return word_.load(std::memory_order_relaxed) != 0; }
  PageHold held() const noexcept { return PageHold::decode(word_.load(std::memory_order_acquire)); }

  // For whoever took the page. `unused` is what is in it if nobody had it before.
  Content hold(std::uint32_t generation, PageHold::Kind kind, std::uint32_t arena, std::uint64_t owner,
               Content unused) noexcept {
    const Content content = !used()                                           ? unused
                            : owner_.load(std::memory_order_relaxed) == owner ? Content::own
                                                                              : Content::foreign;
    // Release, both: who sees the owner sees that the hold before has ended, and who finds the hold all that was
    // prepared for it.
    owner_.store(owner, std::memory_order_release);
    word_.store(PageHold{generation, kind, content, arena}.encode(), std::memory_order_release);
    return content;
  }

  // Owner and content of this raw hold. False: it has ended.
  [[nodiscard]] bool read(std::uint32_t generation, std::uint64_t &owner, Content &content) const noexcept {
    const PageHold hold = held();
    if (!hold.is_raw(generation)) return false;
    content = hold.content;
    owner = owner_.load(std::memory_order_acquire);  // acquire: and only then look again
    return PageHold::decode(word_.load(std::memory_order_relaxed)).is_raw(generation);
  }

  // End a raw hold, once. False: it is not held so, or another call is giving it back.
  [[nodiscard]] bool let_go(std::uint32_t generation) noexcept { return end(generation, PageHold::none); }
  [[nodiscard]] bool start_to_leave(std::uint32_t generation) noexcept { return end(generation, PageHold::leaving); }
  // What was leaving has left.
  void leave() noexcept {
    const PageHold hold = PageHold::decode(word_.load(std::memory_order_relaxed));
    word_.store(hold.as(PageHold::none).encode(), std::memory_order_release);
  }
  // What was leaving stays. False: it was dropped meanwhile, and has left.
  [[nodiscard]] bool stay() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    const PageHold hold = PageHold::decode(word);
    if (hold.kind == PageHold::leaving && change(word, hold.as(PageHold::raw))) return true;
    leave();
    return false;
  }

  // End a raw hold of this owner, or of anybody. True: the page is the caller's. One that is leaving is marked.
  [[nodiscard]] bool drop(std::uint64_t owner, bool everybody) noexcept {
    for (;;) {
      std::uint64_t word = word_.load(std::memory_order_acquire);
      const PageHold hold = PageHold::decode(word);
      if (hold.kind != PageHold::raw && hold.kind != PageHold::leaving) return false;
      // (An owner that is newer than the word is one who comes after this drop: the word has changed.)
      if (!everybody && owner_.load(std::memory_order_relaxed) != owner) return false;
      const bool is_leaving = hold.kind == PageHold::leaving;
      if (change(word, hold.as(is_leaving ? PageHold::dropped : PageHold::none))) return !is_leaving;
    }
  }

 private:
  bool change(std::uint64_t &word, const PageHold &to) noexcept {
    return word_.compare_exchange_strong(word, to.encode(), std::memory_order_acq_rel, std::memory_order_relaxed);
  }
  bool end(std::uint32_t generation, PageHold::Kind as) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    const PageHold hold = PageHold::decode(word);
    return hold.generation == generation && hold.kind == PageHold::raw && change(word, hold.as(as));
  }

  typename Atomics::template Atomic<std::uint64_t> word_{0};   // a PageHold; 0: never handed out
  typename Atomics::template Atomic<std::uint64_t> owner_{0};  // of the last hold
};

// A page and the generation of its hold; page 0 is none.
struct NamedPage {
  std::uint32_t page, generation;
};

// End the holds of `count` pages, all or none; each is `row(i)`, a NamedPage, and `records(page)` its record. Returns
// the row that is not held so, or `count`. Pages that were dropped meanwhile are told to `left` and are the caller's.
template <class Records, class Row, class Left>
[[nodiscard]] std::uint32_t let_go_of_all(Records records, std::uint32_t count, Row row, Left left) noexcept {
  for (std::uint32_t i = 0; i < count; ++i) {
    const NamedPage named = row(i);
    if (named.page != 0 && records(named.page).start_to_leave(named.generation)) continue;
    for (std::uint32_t back = i; back-- > 0;)
      if (const std::uint32_t page = row(back).page; !records(page).stay()) left(page);
    return i;
  }
  for (std::uint32_t i = 0; i < count; ++i) records(row(i).page).leave();
  return count;
}

}  // namespace akv
