// id_stack.hpp: free block ids as a stack: the last block given back is the next one used, while it is warm.
// It knows nothing about neighbours.
#pragma once

#include "mem/block_ids.hpp"

namespace akv {

class IdStack final : public BlockIds {
 public:
  static void plan(Reservation &memory, std::uint32_t num_blocks) noexcept { memory.plan<std::int32_t>(num_blocks); }
  IdStack(Reservation &memory, std::uint32_t num_blocks) noexcept
      : ids_(memory.take<std::int32_t>(num_blocks)), num_blocks_(num_blocks) {}

  void take(std::uint32_t count, std::int32_t *out) noexcept override;
  void give_back(const std::int32_t *ids, std::uint32_t count) noexcept override;
  std::uint32_t free() const noexcept override { return depth_ + never_used(); }
  std::uint32_t never_used() const noexcept override { return num_blocks_ - handed_out_; }
  void mark_free(std::uint8_t *map, std::uint8_t code, std::uint8_t never_used_code) const noexcept override;
  std::uint64_t used_bytes() const noexcept override { return deepest_ * sizeof(std::int32_t); }

 private:
  Array<std::int32_t> ids_;
  std::uint32_t num_blocks_;
  std::uint32_t depth_ = 0;
  std::uint32_t deepest_ = 0;
  std::uint32_t handed_out_ = 0;  // ids 1 .. handed_out_ have been used; the stack need not be filled at the start
};

}  // namespace akv
