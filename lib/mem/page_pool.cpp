// page_pool.cpp: growing, chains, and holds that end once.
// It knows pages and their holders' numbers; not tickets.
#include "mem/page_pool.hpp"

#include <algorithm>

namespace akv {

Status PagePool::grow(std::uint32_t count, bool prefault) noexcept {
  const std::uint32_t there = free_.reserved();
  AKV_TRY(memory_.commit(there, there + count, prefault));
  free_.grow(count);
  return AKV_OK;
}

bool PagePool::take_chain(std::uint32_t count, PageChain &out) noexcept {
  PageChain chain;
  std::uint32_t pages[64];
  while (chain.count < count) {
    const std::uint32_t some = std::min<std::uint32_t>(count - chain.count, 64);
    if (!take(some, pages)) {
      if (chain.count != 0) free_.undo_chain(chain.first, chain.last, chain.count);
      return false;
    }
    for (std::uint32_t i = 0; i < some; ++i) append(chain, pages[i]);
  }
  out = chain;
  return true;
}

bool PagePool::let_go(std::uint32_t page, std::uint32_t generation) noexcept {
  std::uint64_t word = records_[page].word.load(std::memory_order_relaxed);
  PageHold hold = PageHold::decode(word);
  if (hold.generation != generation || hold.kind != PageHold::raw) return false;
  hold.kind = PageHold::none;
  return records_[page].word.compare_exchange_strong(word, hold.encode(), std::memory_order_acq_rel,
                                                     std::memory_order_relaxed);
}

void PagePool::hold_again(std::uint32_t page) noexcept {
  PageHold hold = held(page);
  hold.kind = PageHold::raw;
  records_[page].word.store(hold.encode(), std::memory_order_release);
}

}  // namespace akv
