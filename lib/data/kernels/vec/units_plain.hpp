// units_plain.hpp: 32 elements, one float each, to and from memory. The reference of the other units_*.hpp.
// It knows floats and bytes. Addresses need not be aligned, except to be streamed.
#pragma once

#include "data/kernels/vec/codes.hpp"
#include "data/kernels/vec/plain.hpp"

namespace akv {
namespace {

using Ints = std::int32_t;
using Words = std::uint32_t;
constexpr std::uint32_t kUnit = 32, kVectors = kUnit / kLanes;

struct Unit {
  Floats part[kVectors];
};
struct CodeUnit {
  Ints part[kVectors];
};

template <class Make>
Unit unit_of(Make make) noexcept {
  Unit unit;
  for (std::uint32_t i = 0; i < kUnit; ++i) unit.part[i] = make(i);
  return unit;
}

inline Unit load_unit_f32(const unsigned char *from) noexcept {
  return unit_of([from](std::uint32_t i) { return element_at<float>(from, i); });
}
inline Unit load_unit_f16(const unsigned char *from) noexcept {
  return unit_of([from](std::uint32_t i) { return float_of_f16(element_at<std::uint16_t>(from, i)); });
}
inline Unit load_unit_bf16(const unsigned char *from) noexcept {
  return unit_of([from](std::uint32_t i) { return float_of_bf16(element_at<std::uint16_t>(from, i)); });
}
inline Unit load_unit_i8(const unsigned char *from) noexcept {
  return unit_of([from](std::uint32_t i) { return float_of_i8(from[i]); });
}
// Times 2^-8: see units_avx2.hpp.
inline Unit load_unit_e4m3(const unsigned char *from) noexcept {
  return unit_of([from](std::uint32_t i) { return float_of_e4m3(from[i]) * 0x1p-8f; });
}
inline Unit load_unit_i4(const unsigned char *from) noexcept {
  return unit_of([from](std::uint32_t i) { return static_cast<float>(from[i / 2] >> i % 2 * 4 & 15); });
}

inline void store_unit_f32(unsigned char *to, const Unit &unit, bool) noexcept {
  for (std::uint32_t i = 0; i < kUnit; ++i) set_element(to, i, unit.part[i]);
}
inline void store_unit_f16(unsigned char *to, const Unit &unit, bool) noexcept {
  for (std::uint32_t i = 0; i < kUnit; ++i) set_element(to, i, f16_of_float(unit.part[i]));
}
inline void store_unit_bf16(unsigned char *to, const Unit &unit, bool) noexcept {
  for (std::uint32_t i = 0; i < kUnit; ++i) set_element(to, i, bf16_of_float(unit.part[i]));
}
// The same for what is 0, a normal number or an E4M3 code's NaN, which has zeroes below.
inline void store_decoded_bf16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  store_unit_bf16(to, unit, stream);
}

// Codes in the lowest bits: -128 .. 127, or 0 .. 15.
inline void store_codes(unsigned char *to, const CodeUnit &codes, bool) noexcept {
  for (std::uint32_t i = 0; i < kUnit; ++i) to[i] = static_cast<unsigned char>(codes.part[i]);
}
inline void store_codes_i4(unsigned char *to, const CodeUnit &codes, bool) noexcept {
  for (std::uint32_t i = 0; i < kUnit; i += 2)
    to[i / 2] = static_cast<unsigned char>(codes.part[i] | codes.part[i + 1] << 4);
}
// Numbers, times 2^-8.
inline void store_unit_e4m3(unsigned char *to, const Unit &unit, bool) noexcept {
  for (std::uint32_t i = 0; i < kUnit; ++i) to[i] = e4m3_of_float(unit.part[i] * 256.0f);
}

constexpr bool kGroupsToBF16 = false;  // in a way of its own
inline void store_group_bf16(unsigned char *, const unsigned char *, float, float, bool) noexcept {}

// To the nearest, to even where there are two. |x| < 2^22.
inline Ints rounded(Floats x) noexcept { return static_cast<Ints>(bits_of_float(x + kRounder) - 0x4b400000u); }

// The largest magnitude's bits. A NaN counts as larger than all numbers.
inline std::uint32_t largest_16(const unsigned char *row, std::uint32_t n) noexcept {
  std::uint32_t largest = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t bits = element_at<std::uint16_t>(row, i) & 0x7fffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}
inline std::uint32_t largest_32(const unsigned char *row, std::uint32_t n) noexcept {
  std::uint32_t largest = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t bits = element_at<std::uint32_t>(row, i) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

}  // namespace
}  // namespace akv
