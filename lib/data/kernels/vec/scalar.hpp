// scalar.hpp: one element at a time: what each dtype's bits mean as a float, and the float's bits in each dtype. All
// variants of the kernels agree with these, bit for bit; they use them where a row ends inside a vector.
// It knows bits. No library call, and no standard header with code in it: see kernels.hpp.
#pragma once

#include <cstdint>

namespace akv {
namespace {

// Rounded to an integer as the hardware does it, to even where there are two. |x| < 2^22.
constexpr float kRounder = 12582912.0f;  // 1.5 x 2^23

inline float float_of_bits(std::uint32_t bits) noexcept { return __builtin_bit_cast(float, bits); }
inline std::uint32_t bits_of_float(float x) noexcept { return __builtin_bit_cast(std::uint32_t, x); }

// -- bfloat16: the upper half of a float --

inline float float_of_bf16(std::uint16_t bits) noexcept { return float_of_bits(std::uint32_t{bits} << 16); }

inline std::uint16_t bf16_of_float(float x) noexcept {
  const std::uint32_t bits = bits_of_float(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);  // quiet
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// -- IEEE half --

inline float float_of_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) {
    const std::uint32_t quiet = rest > 0x7c00u ? 0x400000u : 0u;
    return float_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13 | quiet);
  }
  if (rest >= 0x400u) return float_of_bits(sign | ((rest << 13) + 0x38000000u));
  const float small = static_cast<float>(rest) * 0x1p-24f;  // exact, also where it is subnormal
  return float_of_bits(sign | bits_of_float(small));
}

inline std::uint16_t f16_of_float(float x) noexcept {
  const std::uint32_t bits = bits_of_float(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  std::uint32_t half = 0;
  if (rest > 0x7f800000u) half = 0x7e00u | (rest >> 13 & 0x3ffu);
  else if (rest >= 0x47800000u) half = 0x7c00u;                                                  // 2^16 and beyond
  else if (rest >= 0x38800000u) half = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;  // may round to inf
  else half = bits_of_float(float_of_bits(rest) + 0.5f) - 0x3f000000u;                           // of 2^-24 each
  return static_cast<std::uint16_t>(sign | half);
}

}  // namespace
}  // namespace akv
