// id_stack.cpp: free block ids as a stack.
// It knows nothing about neighbours.
#include "mem/id_stack.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

void IdStack::take(std::uint32_t count, std::int32_t *out) noexcept {
  if (count == 0) return;  // `out` may be NULL then
  const std::uint32_t recycled = std::min(count, depth_);
  depth_ -= recycled;
  // In the order in which they were given back: a run that was evicted is laid out again as it was.
  std::memcpy(out, ids_.data + depth_, recycled * sizeof(std::int32_t));
  for (std::uint32_t i = recycled; i < count; ++i) out[i] = static_cast<std::int32_t>(++handed_out_);
}

void IdStack::give_back(const std::int32_t *ids, std::uint32_t count) noexcept {
  if (count == 0) return;
  std::memcpy(ids_.data + depth_, ids, count * sizeof(std::int32_t));
  depth_ += count;
  deepest_ = std::max(deepest_, depth_);
}

void IdStack::mark_free(std::uint8_t *map, std::uint8_t code, std::uint8_t never_used_code) const noexcept {
  for (std::uint32_t i = 0; i < depth_; ++i) map[ids_[i]] = code;
  for (std::uint32_t id = handed_out_ + 1; id <= num_blocks_; ++id) map[id] = never_used_code;
}

std::uint32_t longest_run(const std::uint8_t *map, std::uint32_t num_blocks, std::uint8_t a, std::uint8_t b) noexcept {
  std::uint32_t longest = 0, run = 0;
  for (std::uint32_t id = 1; id <= num_blocks; ++id) {
    run = map[id] == a || map[id] == b ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

}  // namespace akv
