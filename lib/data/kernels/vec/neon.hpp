// neon.hpp: a vector of four floats, on any arm64.
// It knows registers. Included by neon.cpp alone.
#pragma once

#include <arm_neon.h>

#include "data/kernels/vec/scalar.hpp"

namespace akv {
namespace {

using Floats = float32x4_t;
constexpr std::uint32_t kLanes = 4;

inline Floats zeroes() noexcept { return vdupq_n_f32(0.0f); }
inline Floats splat(float x) noexcept { return vdupq_n_f32(x); }

inline Floats load(const float *from) noexcept { return vld1q_f32(from); }
inline Floats load_bf16(const std::uint16_t *from) noexcept {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from), 16));
}
inline void store(float *to, Floats x) noexcept { vst1q_f32(to, x); }
inline void store_bf16(std::uint16_t *to, Floats x) noexcept {
  const uint32x4_t bits = vreinterpretq_u32_f32(x), even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(even, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  vst1_u16(to, vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), 16));
}
inline void store_f16(std::uint16_t *to, Floats x) noexcept { vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(x))); }

inline Floats add(Floats a, Floats b) noexcept { return vaddq_f32(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return vsubq_f32(a, b); }
inline Floats multiply(Floats a, Floats b) noexcept { return vmulq_f32(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) noexcept { return vfmaq_f32(c, a, b); }
inline Floats larger(Floats a, Floats b) noexcept { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Floats absolute(Floats x) noexcept { return vabsq_f32(x); }

inline float sum_of(Floats x) noexcept { return vaddvq_f32(x); }
inline float largest_of(Floats x) noexcept { return vmaxvq_f32(x); }
inline float smallest_of(Floats x) noexcept { return vminvq_f32(x); }

// -- bytes --

using Chunk = uint8x16x4_t;

inline Chunk zero_chunk() noexcept { return {{vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)}}; }
inline Chunk load_chunk(const unsigned char *from) noexcept { return vld1q_u8_x4(from); }
inline void store_chunk(unsigned char *to, Chunk x) noexcept { vst1q_u8_x4(to, x); }
// Through the caches: these processors see by themselves when lines are written whole.
inline void stream_chunk(unsigned char *to, Chunk x) noexcept { store_chunk(to, x); }
inline void end_streaming() noexcept {}

}  // namespace
}  // namespace akv
