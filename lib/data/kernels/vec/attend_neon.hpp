// attend_neon.hpp: what attention needs of NEON beside sums and products: elements of every format as floats, a chunk
// of two vectors at a time, and sums across registers. It knows registers. Included by neon.cpp alone.
#pragma once

#include "data/kernels/vec/neon.hpp"

namespace akv {
namespace {
namespace attention {

struct Pair {
  Floats first, second;
};

constexpr std::uint32_t kScoreSums = 8, kMostValueRows = 8;  // thirty-two registers
constexpr float kE4m3Unit = 256.0f;                          // load_e4m3() is that much too small

inline Floats divide(Floats a, Floats b) noexcept { return vdivq_f32(a, b); }
// y, or 0 where x is below the limit.
inline Floats zero_below(Floats y, Floats x, Floats limit) noexcept {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(y), vcltq_f32(x, limit)));
}
inline Floats with_sign_of(Floats x, Floats sign) noexcept { return vbslq_f32(vdupq_n_u32(0x7fffffffu), x, sign); }
// 2^n of n + kRounder, for n from -126 to 127.
inline Floats power_of_two(Floats rounded) noexcept {
  const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(rounded), 23);
  return vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(0x3f800000u)));
}

// -- chunks: in order, but for two: bfloat16 and I4 come as the even elements and then the odd ones --

inline Pair load_pair(const float *from) noexcept { return {load(from), load(from + kLanes)}; }
inline Pair load_f32(const unsigned char *from) noexcept {
  return {vreinterpretq_f32_u8(vld1q_u8(from)), vreinterpretq_f32_u8(vld1q_u8(from + 16))};
}
inline Pair halves(uint16x8_t x) noexcept {
  const float16x8_t both = vreinterpretq_f16_u16(x);
  return {vcvt_f32_f16(vget_low_f16(both)), vcvt_f32_f16(vget_high_f16(both))};
}
inline Pair load_f16(const unsigned char *from) noexcept { return halves(vreinterpretq_u16_u8(vld1q_u8(from))); }
inline Pair split_bf16(const unsigned char *from) noexcept {
  const uint32x4_t both = vreinterpretq_u32_u8(vld1q_u8(from));
  return {vreinterpretq_f32_u32(vshlq_n_u32(both, 16)),
          vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000u)))};
}
inline Pair load_i8(const unsigned char *from) noexcept {
  const int16x8_t codes = vmovl_s8(vreinterpret_s8_u8(vld1_u8(from)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(codes))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(codes)))};
}
// The code, moved, is a half whose exponent is 8 too small: also where it is subnormal.
inline Pair load_e4m3(const unsigned char *from) noexcept {
  const int16x8_t wide = vshlq_n_s16(vmovl_s8(vreinterpret_s8_u8(vld1_u8(from))), 7);
  const uint16x8_t half = vandq_u16(vreinterpretq_u16_s16(wide), vdupq_n_u16(0xbf80u));
  const uint16x8_t all = vdupq_n_u16(0x3f80u);
  return halves(vorrq_u16(half, vceqq_u16(vandq_u16(half, all), all)));
}
inline Pair split_i4(const unsigned char *from) noexcept {
  std::uint32_t bytes;
  __builtin_memcpy(&bytes, from, sizeof(bytes));
  const uint32x4_t codes = vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes))));
  return {vcvtq_f32_u32(vandq_u32(codes, vdupq_n_u32(15))), vcvtq_f32_u32(vshrq_n_u32(codes, 4))};
}
inline Pair evens_and_odds(Pair x) noexcept { return {vuzp1q_f32(x.first, x.second), vuzp2q_f32(x.first, x.second)}; }
inline Pair in_order(Pair evens_odds) noexcept {
  return {vzip1q_f32(evens_odds.first, evens_odds.second), vzip2q_f32(evens_odds.first, evens_odds.second)};
}

// The sum of each of four vectors.
inline Floats sums_of(const Floats *x) noexcept { return vpaddq_f32(vpaddq_f32(x[0], x[1]), vpaddq_f32(x[2], x[3])); }

}  // namespace attention
}  // namespace
}  // namespace akv
