// write_stats.hpp: the lines of what was moved, into a caller's array whose elements have a size of their own.
#pragma once

#include "api/thunk.hpp"
#include "obs/copy_stats.hpp"

namespace akv {

inline constexpr std::uint32_t kStatsLineV1 = 48;
static_assert(sizeof(akv_copy_stats) == kStatsLineV1);

inline Status check_stats_arguments(const akv_copy_stats *lines, std::uint32_t line_size, std::uint32_t capacity,
                                    const std::uint32_t *out_count) noexcept {
  AKV_TRY(check_array(lines, capacity, "out_lines"));
  AKV_TRY(check_pointer(out_count, "out_count"));
  return check_element_size("line_size", line_size, kStatsLineV1);
}

inline Status write_stats(const CopyStats &stats, akv_copy_stats *lines, std::uint32_t line_size,
                          std::uint32_t capacity, std::uint32_t &out_count) noexcept {
  auto *to = reinterpret_cast<unsigned char *>(lines);
  std::uint32_t count = 0;
  akv_copy_stats line{};
  for (std::uint32_t kind = 1; kind <= CopyStats::kKinds; ++kind) {
    if (!stats.read(kind, line)) continue;
    if (count < capacity) write_element(line, to + std::size_t{count} * line_size, line_size);
    ++count;
  }
  out_count = count;
  if (count <= capacity) return AKV_OK;
  return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, count, capacity, "%llu lines, the buffer holds %llu", count, capacity);
}

}  // namespace akv
