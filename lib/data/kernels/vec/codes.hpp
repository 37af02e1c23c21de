// codes.hpp: one element at a time: the codes of 8 and 4 bits, the scales they are measured with, and back. This is
// the definition: every variant makes these bits, and runs these lines where a row holds what is not a number.
// It knows bits. Each operation is rounded by itself, as a device does it with __fmul_rn, __fadd_rn and __fdiv_rn.
#pragma once

#include "data/kernels/vec/scalar.hpp"

namespace akv {
namespace {

constexpr std::uint32_t kInfinity = 0x7f800000u;     // magnitudes of floats, as bits
constexpr std::uint32_t kLargestInI4 = 0x7e800000u;  // 2^126: what lies beyond is infinite to 4 bits
constexpr float kSmallestScale = 0x1p-126f;          // its inverse is a number
constexpr float kLargestI8 = 127.0f, kLargestE4M3 = 448.0f, kLargestI4 = 15.0f;

constexpr std::uint32_t bits_of(std::uint32_t dtype) {  // AKV_DTYPE_*
  constexpr std::uint32_t bits[] = {0, 32, 16, 16, 8, 8, 4};
  return bits[dtype];
}

// Where it need not be aligned.
template <class Element>
Element element_at(const unsigned char *from, std::uint32_t i) noexcept {
  Element element;
  __builtin_memcpy(&element, from + i * sizeof(Element), sizeof(Element));
  return element;
}
template <class Element>
void set_element(unsigned char *to, std::uint32_t i, Element element) noexcept {
  __builtin_memcpy(to + i * sizeof(Element), &element, sizeof(Element));
}

inline std::uint32_t magnitude_of(float x) noexcept { return bits_of_float(x) & 0x7fffffffu; }

// -- scales --

// For a row whose largest finite magnitude is this.
inline float scale_for(std::uint32_t magnitude, float largest_code) noexcept {
  const float scale = float_of_bits(magnitude) / largest_code;
  if (magnitude == 0) return 0.0f;
  return scale < kSmallestScale ? kSmallestScale : scale;
}

inline float inverse_of(float scale) noexcept { return scale >= kSmallestScale ? 1.0f / scale : 1.0f; }

// Of 4 bits: {scale, lowest} in bfloat16, of a group between these, neither beyond 2^126; or of nothing finite: then
// low is above high. Lowest is rounded down and the scale up. For a float, or for many at once, which are chosen one by
// one (GNU vectors).
template <class Bits, class Number>
Bits group_scale(Number low, Number high) noexcept {
  const Bits zero = {}, low_bits = __builtin_bit_cast(Bits, low);
  Bits lowest = (low_bits >> 31 != zero ? low_bits + 0xffffu : low_bits) & 0xffff0000u;
  lowest = lowest == zero + 0x80000000u ? zero : lowest;  // which zero was the lowest is chance
  const Number none = {}, range = high - __builtin_bit_cast(Number, lowest);
  const Number exact = range / kLargestI4, smallest = none + kSmallestScale;
  const Bits scale = (__builtin_bit_cast(Bits, exact < smallest ? smallest : exact) + 0xffffu) >> 16;
  return low > high ? zero : lowest | (range > none ? scale : zero);
}
inline float scale_in(std::uint32_t group) noexcept { return float_of_bits(group << 16); }
inline float lowest_in(std::uint32_t group) noexcept { return float_of_bits(group & 0xffff0000u); }

// -- codes of a number that has been multiplied by its scale's inverse --

inline std::uint8_t i8_of_float(float x) noexcept {
  if (x != x) return 0;
  const float bounded = x > kLargestI8 ? kLargestI8 : x < -kLargestI8 ? -kLargestI8 : x;
  return static_cast<std::uint8_t>(bits_of_float(bounded + kRounder) - bits_of_float(kRounder));
}

inline std::uint8_t e4m3_of_float(float x) noexcept {
  if (x != x) return 0x7fu;
  const std::uint32_t sign = bits_of_float(x) >> 24 & 0x80u;
  const float size = float_of_bits(magnitude_of(x));
  const float bounded = size < kLargestE4M3 ? size : kLargestE4M3;
  const std::uint32_t bits = bits_of_float(bounded);
  const std::uint32_t code = bounded < 0x1p-6f
                                 ? bits_of_float(bounded + 0x1p14f) - bits_of_float(0x1p14f)  // of 2^-9 each
                                 : ((bits + 0x7ffffu + (bits >> 20 & 1u)) >> 20) - 960u;
  return static_cast<std::uint8_t>(sign | code);
}

// The number as it is, against its group's lowest and the inverse of its scale.
inline std::uint8_t i4_of_float(float x, float lowest, float inverse) noexcept {
  if (x != x) return 0;
  const float distance = (x - lowest) * inverse;
  const float bounded = distance > kLargestI4 ? kLargestI4 : distance < 0.0f ? 0.0f : distance;
  return static_cast<std::uint8_t>(bits_of_float(bounded + kRounder) - bits_of_float(kRounder));
}

// -- and back, before the scale --

inline float float_of_i8(std::uint8_t code) noexcept { return static_cast<float>(static_cast<std::int8_t>(code)); }

inline float float_of_e4m3(std::uint8_t code) noexcept {
  const std::uint32_t sign = std::uint32_t{code & 0x80u} << 24, rest = code & 0x7fu;
  if (rest == 0x7fu) return float_of_bits(sign | 0x7ff00000u);  // a quiet NaN with the code's mantissa
  if (rest < 8) return float_of_bits(sign | bits_of_float(static_cast<float>(rest) * 0x1p-9f));
  return float_of_bits(sign | ((rest << 20) + 0x3c000000u));
}

inline float float_of_i4(std::uint32_t code, float scale, float lowest) noexcept {
  return lowest + static_cast<float>(code) * scale;
}

}  // namespace
}  // namespace akv
