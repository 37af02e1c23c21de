// measure.hpp: the image that a sequence would make.
// It knows a sequence's lengths and its cache's geometry; no K/V.
#pragma once

#include "data/image/format.hpp"
#include "meta/cache.hpp"

namespace akv {

// For the first `num_tokens` tokens, 0: all that are committed. The sequence's gate is shut.
[[nodiscard]] Status measure_image(Cache &cache, Slot slot, std::uint32_t num_tokens, ImageShape &out) noexcept;

}  // namespace akv
