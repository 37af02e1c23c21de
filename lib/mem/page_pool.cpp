// page_pool.cpp: growing, and chains.
// It knows pages; their holders are page_record.hpp's.
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

}  // namespace akv
