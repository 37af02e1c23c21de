// payload.hpp: between the payload of an image and blocks: which stores have what of it, and how one plane of one layer
// is moved.
// It knows stores and images; no cache, no stream.
#pragma once

#include "data/image/format.hpp"
#include "data/store_set.hpp"

namespace akv {

// The stores of a whole cache's blocks: every layer and head is in one of them, and no swap block.
[[nodiscard]] Status check_whole(const StoreSet &stores, const Geometry &geometry, std::uint32_t num_tokens) noexcept;

// An image, and the blocks of its tokens in order of position, from 0 on.
struct PayloadMove {
  unsigned char *image = nullptr;  // only read where `load`
  const std::int32_t *blocks = nullptr;
  std::uint32_t first_token = 0;  // and all behind it
  bool load = false;              // into the stores
};

// Bytes of one token that a store moves: all that it has, but in saving what an earlier store has already.
std::uint64_t moved_bytes_per_token(const StoreSet &stores, std::uint32_t store, bool load) noexcept;

void move_payload(const StoreSet &stores, const StoreSet::Place &place, const ImageShape &shape,
                  const PayloadMove &move) noexcept;

// Zero these whole blocks in one plane of one layer.
void zero_place(const StoreSet &stores, const StoreSet::Place &place, const std::int32_t *blocks,
                std::uint32_t num_blocks) noexcept;

}  // namespace akv
