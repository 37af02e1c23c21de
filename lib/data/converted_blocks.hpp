// converted_blocks.hpp: whole blocks of one store made into another's, whatever each keeps its K/V as.
// It knows stores and kernels; not who asks.
#pragma once

#include "data/kernels/rows.hpp"
#include "data/store.hpp"

namespace akv {

// A store, and the scales of its planes with SCALING_HEAD: [stored layer][plane][head of the store]; nullptr: all
// are 1.
struct ScaledStore {
  const Store &store;
  const float *head_scales;
};

// Can blocks of one become blocks of the other? `bytes_per_token`: that are written to `to`, of what both have.
[[nodiscard]] Status check_convertible(const Store &from, const Store &to, std::uint64_t &bytes_per_token) noexcept;

// The layers and heads that both have, in the order of the list. `past_caches`: as kernels/caches.hpp says of the whole
// work.
void convert_blocks(const ScaledStore &from, const ScaledStore &to, const BlockCopy *copies, std::uint64_t count,
                    std::uint32_t past_caches) noexcept;

// The scales of one plane of a stored layer, from the store's first head on; nullptr where there are none.
const float *plane_scales(const ScaledStore &from, std::uint32_t layer_index, std::uint32_t plane) noexcept;

}  // namespace akv
