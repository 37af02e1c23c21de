// view.hpp: slices, shapes and orders of strided tensors, without touching a byte.
// Numbers only: it knows no memory. The views have been read, and are checked by check_view().
#pragma once

#include "arenakv/view.h"
#include "base/error.hpp"

namespace akv {

[[nodiscard]] Status check_view(const akv_view &view) noexcept;

// `bytes` bytes at `data` as a packed tensor; the shape may leave some of them over, where no size is -1.
[[nodiscard]] Status view_of_bytes(void *data, std::uint64_t bytes, std::uint32_t dtype, const std::int64_t *shape,
                                   std::uint32_t num_dimensions, akv_view &out) noexcept;

[[nodiscard]] Status slice_view(akv_view &view, std::uint32_t dimension, std::uint64_t first,
                                std::uint64_t count) noexcept;
[[nodiscard]] Status reshape_view(akv_view &view, const std::int64_t *shape, std::uint32_t num_dimensions) noexcept;
[[nodiscard]] Status permute_view(akv_view &view, const std::uint32_t *order) noexcept;
[[nodiscard]] Status measure_view(const akv_view &view, bool &out_contiguous, std::uint64_t &out_bytes) noexcept;

}  // namespace akv
