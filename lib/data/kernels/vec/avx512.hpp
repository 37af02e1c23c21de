// avx512.hpp: a vector of sixteen floats, on x86-64-v4 with AVX512-BF16 and VNNI (Zen 4, Sapphire Rapids on).
// It knows registers. Included by avx512.cpp alone.
#pragma once

#include <immintrin.h>

#include "data/kernels/vec/scalar.hpp"

namespace akv {
namespace {

using Floats = __m512;
constexpr std::uint32_t kLanes = 16;

inline Floats zeroes() noexcept { return _mm512_setzero_ps(); }
inline Floats splat(float x) noexcept { return _mm512_set1_ps(x); }

inline __m256i load_halves(const std::uint16_t *from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
}
inline Floats load(const float *from) noexcept { return _mm512_loadu_ps(from); }
inline Floats load_bf16(const std::uint16_t *from) noexcept {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_halves(from)), 16));
}
inline void store(float *to, Floats x) noexcept { _mm512_storeu_ps(to, x); }
// Not VCVTNEPS2BF16: that one takes subnormals for zero.
inline void store_bf16(std::uint16_t *to, Floats x) noexcept {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i chosen = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16)));
}
inline void store_f16(std::uint16_t *to, Floats x) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

inline Floats add(Floats a, Floats b) noexcept { return _mm512_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return _mm512_sub_ps(a, b); }
inline Floats multiply(Floats a, Floats b) noexcept { return _mm512_mul_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) noexcept { return _mm512_fmadd_ps(a, b, c); }
inline Floats larger(Floats a, Floats b) noexcept { return _mm512_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return _mm512_min_ps(a, b); }
inline Floats absolute(Floats x) noexcept { return _mm512_abs_ps(x); }

inline float sum_of(Floats x) noexcept { return _mm512_reduce_add_ps(x); }
inline float largest_of(Floats x) noexcept { return _mm512_reduce_max_ps(x); }
inline float smallest_of(Floats x) noexcept { return _mm512_reduce_min_ps(x); }

// -- bytes --

using Chunk = __m512i;

inline Chunk zero_chunk() noexcept { return _mm512_setzero_si512(); }
inline Chunk load_chunk(const unsigned char *from) noexcept { return _mm512_loadu_si512(from); }
inline void store_chunk(unsigned char *to, Chunk x) noexcept { _mm512_storeu_si512(to, x); }
// Past the caches; `to` is a multiple of a chunk.
inline void stream_chunk(unsigned char *to, Chunk x) noexcept {
  _mm512_stream_si512(reinterpret_cast<__m512i *>(to), x);
}
inline void end_streaming() noexcept { _mm_sfence(); }

}  // namespace
}  // namespace akv
