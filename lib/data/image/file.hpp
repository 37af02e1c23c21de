// file.hpp: an image goes into a file, whole or not at all, and comes back.
// It knows names and bytes; of images only where their header ends.
#pragma once

#include "base/error.hpp"

#include <cstdint>

namespace akv {

// Replace what is at `path` by these bytes.
[[nodiscard]] Status write_image_file(const char *path, const unsigned char *image, std::uint64_t bytes) noexcept;

// Read all of the file; `out_bytes` is its size, told also where the buffer is too small.
[[nodiscard]] Status read_image_file(const char *path, unsigned char *buffer, std::uint64_t capacity,
                                     std::uint64_t &out_bytes) noexcept;

}  // namespace akv
