// dtypes.hpp: element types and formats by name, in flags and reports, and by size. It knows nothing of models and
// stores.
#pragma once

#include "arenakv.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace replay {

constexpr std::array<std::string_view, 6> kDtypeNames{"f32", "f16", "bf16", "f8", "i8", "i4"};  // AKV_DTYPE_* from 1 on
constexpr std::array<std::uint32_t, 6> kDtypeBits{32, 16, 16, 8, 8, 4};

constexpr std::array<std::string_view, 8> kFormatNames{"f32",      "f16", "bf16", "f8",
                                                       "f8-token", "i8",  "k8v4", "i4"};  // AKV_FORMAT_* from 1 on

constexpr std::string_view dtype_name(std::uint32_t dtype) {
  return dtype != 0 && dtype <= kDtypeNames.size() ? kDtypeNames[dtype - 1] : "?";
}
constexpr std::string_view format_name(std::uint32_t format) {
  return format != 0 && format <= kFormatNames.size() ? kFormatNames[format - 1] : "?";
}

}  // namespace replay
