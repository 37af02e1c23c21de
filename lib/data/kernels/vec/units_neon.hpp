// units_neon.hpp: 32 elements in eight vectors, to and from memory, packed and unpacked. What they mean:
// units_plain.hpp. It knows registers. Included by neon.cpp alone. Nothing is streamed.
#pragma once

#include "data/kernels/vec/codes.hpp"
#include "data/kernels/vec/neon.hpp"

namespace akv {
namespace {

using Ints = std::int32_t __attribute__((vector_size(16)));
using Words = std::uint32_t __attribute__((vector_size(16)));
constexpr std::uint32_t kUnit = 32, kVectors = kUnit / kLanes;

struct Unit {
  Floats part[kVectors];
};
struct CodeUnit {
  Ints part[kVectors];
};

// Bytes and halves by eight: vld1q_u8 has no wish for alignment.
inline uint16x8_t load_eight(const unsigned char *from) noexcept { return vreinterpretq_u16_u8(vld1q_u8(from)); }
inline void store_eight(unsigned char *to, uint16x8_t halves) noexcept { vst1q_u8(to, vreinterpretq_u8_u16(halves)); }

inline Unit load_unit_f32(const unsigned char *from) noexcept {
  Unit unit;
  for (std::uint32_t i = 0; i < kVectors; ++i) unit.part[i] = vreinterpretq_f32_u8(vld1q_u8(from + 16 * i));
  return unit;
}
template <class Widen>
Unit widened(const unsigned char *from, Widen widen) noexcept {
  Unit unit;
  for (std::uint32_t i = 0; i < kVectors; i += 2) {
    const uint16x8_t halves = load_eight(from + 8 * i);
    unit.part[i] = widen(vget_low_u16(halves));
    unit.part[i + 1] = widen(vget_high_u16(halves));
  }
  return unit;
}
inline Unit load_unit_f16(const unsigned char *from) noexcept {
  return widened(from, [](uint16x4_t halves) { return vcvt_f32_f16(vreinterpret_f16_u16(halves)); });
}
inline Unit load_unit_bf16(const unsigned char *from) noexcept {
  return widened(from, [](uint16x4_t halves) { return vreinterpretq_f32_u32(vshll_n_u16(halves, 16)); });
}
inline Unit load_unit_i8(const unsigned char *from) noexcept {
  Unit unit;
  for (std::uint32_t i = 0; i < kVectors; i += 2) {
    const int16x8_t eight = vmovl_s8(vreinterpret_s8_u8(vld1_u8(from + 4 * i)));
    unit.part[i] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(eight)));
    unit.part[i + 1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(eight)));
  }
  return unit;
}
// As halves: see units_avx2.hpp.
inline Unit load_unit_e4m3(const unsigned char *from) noexcept {
  Unit unit;
  for (std::uint32_t i = 0; i < kVectors; i += 2) {
    const int16x8_t codes = vmovl_s8(vreinterpret_s8_u8(vld1_u8(from + 4 * i)));
    const uint16x8_t wide = vreinterpretq_u16_s16(vshlq_n_s16(codes, 7));
    const uint16x8_t carried = vaddq_u16(vandq_u16(wide, vdupq_n_u16(0x3f80)), vdupq_n_u16(0x80));
    const uint16x8_t halves = vbslq_u16(vdupq_n_u16(0x4000), carried, wide);
    unit.part[i] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(halves)));
    unit.part[i + 1] = vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(halves)));
  }
  return unit;
}
inline Unit load_unit_i4(const unsigned char *from) noexcept {
  const uint8x16_t both = vld1q_u8(from);
  const uint8x16_t even = vandq_u8(both, vdupq_n_u8(15)), odd = vshrq_n_u8(both, 4);
  const uint8x16_t halves[2] = {vzip1q_u8(even, odd), vzip2q_u8(even, odd)};
  Unit unit;
  for (std::uint32_t i = 0; i < 2; ++i) {
    const uint16x8_t first = vmovl_u8(vget_low_u8(halves[i])), second = vmovl_u8(vget_high_u8(halves[i]));
    unit.part[4 * i] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(first)));
    unit.part[4 * i + 1] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(first)));
    unit.part[4 * i + 2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(second)));
    unit.part[4 * i + 3] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(second)));
  }
  return unit;
}

inline void store_unit_f32(unsigned char *to, const Unit &unit, bool) noexcept {
  for (std::uint32_t i = 0; i < kVectors; ++i) vst1q_u8(to + 16 * i, vreinterpretq_u8_f32(unit.part[i]));
}
template <class Narrow>
void store_narrowed(unsigned char *to, const Unit &unit, Narrow narrow) noexcept {
  for (std::uint32_t i = 0; i < kVectors; i += 2)
    store_eight(to + 8 * i, vcombine_u16(narrow(unit.part[i]), narrow(unit.part[i + 1])));
}
inline void store_unit_f16(unsigned char *to, const Unit &unit, bool) noexcept {
  store_narrowed(to, unit, [](Floats x) { return vreinterpret_u16_f16(vcvt_f16_f32(x)); });
}
inline uint32x4_t rounded_up_half(uint32x4_t bits) noexcept {
  return vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1)));
}
inline void store_unit_bf16(unsigned char *to, const Unit &unit, bool) noexcept {
  store_narrowed(to, unit, [](Floats x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x), quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), rounded_up_half(bits), quiet), 16);
  });
}
inline void store_decoded_bf16(unsigned char *to, const Unit &unit, bool) noexcept {
  store_narrowed(to, unit, [](Floats x) { return vshrn_n_u32(rounded_up_half(vreinterpretq_u32_f32(x)), 16); });
}

inline uint8x16_t packed(const CodeUnit &codes, std::uint32_t at) noexcept {
  const auto four = [&codes](std::uint32_t i) { return vmovn_s32(reinterpret_cast<int32x4_t>(codes.part[i])); };
  const int8x8_t first = vmovn_s16(vcombine_s16(four(at), four(at + 1)));
  return vreinterpretq_u8_s8(vcombine_s8(first, vmovn_s16(vcombine_s16(four(at + 2), four(at + 3)))));
}
inline void store_codes(unsigned char *to, const CodeUnit &codes, bool) noexcept {
  vst1q_u8(to, packed(codes, 0));
  vst1q_u8(to + 16, packed(codes, 4));
}
inline void store_codes_i4(unsigned char *to, const CodeUnit &codes, bool) noexcept {
  const uint8x16_t first = packed(codes, 0), second = packed(codes, 4);
  vst1q_u8(to, vorrq_u8(vuzp1q_u8(first, second), vshlq_n_u8(vuzp2q_u8(first, second), 4)));
}
// There is no truncation to a half. But added to 2^20 times its power of two (at least 2^-6, here 2^-14), a number is
// rounded to three bits after the first, and they are the sum's lowest bits: 8 to 16 of them, or 0 to 8 below.
inline void store_unit_e4m3(unsigned char *to, const Unit &unit, bool stream) noexcept {
  CodeUnit codes;
  for (std::uint32_t i = 0; i < kVectors; ++i) {
    const float32x4_t size = vminq_f32(vabsq_f32(unit.part[i]), vdupq_n_f32(kLargestE4M3 * 0x1p-8f));
    const uint32x4_t power =
        vandq_u32(vreinterpretq_u32_f32(vmaxq_f32(size, vdupq_n_f32(0x1p-14f))), vdupq_n_u32(0x7f800000u));
    const uint32x4_t large = vaddq_u32(power, vdupq_n_u32(20u << 23));
    const uint32x4_t steps = vsubq_u32(vreinterpretq_u32_f32(vaddq_f32(size, vreinterpretq_f32_u32(large))), large);
    const uint32x4_t code = vaddq_u32(steps, vsubq_u32(vshrq_n_u32(power, 20), vdupq_n_u32(904)));
    const int32x4_t sign = vandq_s32(vshrq_n_s32(vreinterpretq_s32_f32(unit.part[i]), 24), vdupq_n_s32(-128));
    codes.part[i] = reinterpret_cast<Ints>(vorrq_s32(vreinterpretq_s32_u32(code), sign));
  }
  store_codes(to, codes, stream);
}

constexpr bool kGroupsToBF16 = false;  // in a way of its own
inline void store_group_bf16(unsigned char *, const unsigned char *, float, float, bool) noexcept {}

inline Ints rounded(Floats x) noexcept { return reinterpret_cast<Ints>(vcvtnq_s32_f32(x)); }

// Of at least 8 elements; the last vector may count some twice.
inline std::uint32_t largest_16(const unsigned char *row, std::uint32_t n) noexcept {
  uint16x8_t largest = vdupq_n_u16(0);
  const auto take = [&largest, row](std::uint32_t at) {
    largest = vmaxq_u16(largest, vandq_u16(load_eight(row + 2 * at), vdupq_n_u16(0x7fff)));
  };
  for (std::uint32_t at = 0; at + 8 <= n; at += 8) take(at);
  if (n % 8 != 0) take(n - 8);
  return vmaxvq_u16(largest);
}
inline std::uint32_t largest_32(const unsigned char *row, std::uint32_t n) noexcept {
  uint32x4_t largest = vdupq_n_u32(0);
  const auto take = [&largest, row](std::uint32_t at) {
    const uint32x4_t bits = vreinterpretq_u32_u8(vld1q_u8(row + 4 * at));
    largest = vmaxq_u32(largest, vandq_u32(bits, vdupq_n_u32(0x7fffffffu)));
  };
  for (std::uint32_t at = 0; at + 4 <= n; at += 4) take(at);
  if (n % 4 != 0) take(n - 4);
  return vmaxvq_u32(largest);
}

}  // namespace
}  // namespace akv
