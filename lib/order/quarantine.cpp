// quarantine.cpp: blocks that wait for device work to end.
// It knows epochs and ids; not tickets, nor who had the blocks.
#include "order/quarantine.hpp"

namespace akv {

void Quarantine::add(IdLists &lists, std::uint64_t epoch, const std::int32_t *ids, std::uint32_t count) noexcept {
  lists.append(lists_[epoch & mask_], ids, count);
  count_ += count;
}

void Quarantine::release(IdLists &lists, std::uint64_t first, std::uint64_t last, BlockIds &blocks) noexcept {
  for (std::uint64_t epoch = first; epoch < last; ++epoch) {
    IdList &list = lists_[epoch & mask_];
    count_ -= list.count;
    for (std::uint32_t index = list.first; index != 0; index = lists.chunk(index).next)
      blocks.give_back(lists.chunk(index).ids, lists.chunk(index).count);
    lists.clear(list);
  }
}

void Quarantine::mark(const IdLists &lists, std::uint8_t *map, std::uint8_t code) const noexcept {
  for (std::size_t i = 0; i < lists_.count; ++i)
    for (std::uint32_t index = lists_[i].first; index != 0; index = lists.chunk(index).next)
      for (std::uint32_t k = 0; k < lists.chunk(index).count; ++k) map[lists.chunk(index).ids[k]] = code;
}

}  // namespace akv
