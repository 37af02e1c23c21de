// growth.hpp: what a batch is about to take, summed up before anything is changed.
// It knows counts and rows; not sequences.
#pragma once

#include "meta/cache.hpp"

namespace akv {

struct Cache::Growth {
  std::uint64_t query_tokens = 0;
  std::uint64_t new_blocks = 0;
  std::uint64_t indices = 0;       // blocks of all contexts
  std::uint32_t widest = 0;        // blocks of the longest
  std::uint32_t shared_tails = 0;  // sequences that would write into a shared block
  std::uint32_t copies = 0;        // of these, the ones that need a copy
  std::uint32_t full_rows = 0;     // sequences whose table must move to a longer row
  bool plan = false;               // there may be something to copy or to zero
  akv_plan made = AKV_NONE;        // the plan, if there was

  // The rows that need more than their last block has room for, so that the others are not looked at again. In a
  // decode step that is one row of sixteen; where there are more than fit here, all rows are looked at.
  static constexpr std::uint32_t kMostNeedy = 64;
  std::uint32_t num_needy = 0;
  std::uint32_t needy[kMostNeedy];

  template <class Do>
  void for_each_needy(std::uint32_t num_rows, Do what) const noexcept {
    if (num_needy <= kMostNeedy)
      for (std::uint32_t i = 0; i < num_needy; ++i) what(needy[i]);
    else
      for (std::uint32_t row = 0; row < num_rows; ++row) what(row);
  }
};

}  // namespace akv
