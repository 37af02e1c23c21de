// avx2.hpp: a vector of eight floats, on x86-64 with AVX2, FMA and F16C (2013 on).
// It knows registers. Included by avx2.cpp alone.
#pragma once

#include <immintrin.h>

#include "data/kernels/vec/scalar.hpp"

namespace akv {
namespace {

using Floats = __m256;
constexpr std::uint32_t kLanes = 8;

inline Floats zeroes() noexcept { return _mm256_setzero_ps(); }
inline Floats splat(float x) noexcept { return _mm256_set1_ps(x); }

inline __m128i load_halves(const std::uint16_t *from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
}
inline Floats load(const float *from) noexcept { return _mm256_loadu_ps(from); }
inline Floats load_bf16(const std::uint16_t *from) noexcept {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(from)), 16));
}
inline void store(float *to, Floats x) noexcept { _mm256_storeu_ps(to, x); }
inline __m256i bf16_bits(Floats x) noexcept {  // in the lower half of each lane
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}
inline void store_bf16(std::uint16_t *to, Floats x) noexcept {
  const __m256i bits = bf16_bits(x);
  _mm_storeu_si128(reinterpret_cast<__m128i *>(to),
                   _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1)));
}
inline void store_f16(std::uint16_t *to, Floats x) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i *>(to), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

inline Floats add(Floats a, Floats b) noexcept { return _mm256_add_ps(a, b); }
inline Floats subtract(Floats a, Floats b) noexcept { return _mm256_sub_ps(a, b); }
inline Floats multiply(Floats a, Floats b) noexcept { return _mm256_mul_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) noexcept { return _mm256_fmadd_ps(a, b, c); }
inline Floats larger(Floats a, Floats b) noexcept { return _mm256_max_ps(a, b); }
inline Floats smaller(Floats a, Floats b) noexcept { return _mm256_min_ps(a, b); }
inline Floats absolute(Floats x) noexcept { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

inline float sum_of(Floats x) noexcept {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest_of(Floats x) noexcept {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline float smallest_of(Floats x) noexcept {
  const __m128 four = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}

// -- bytes --

using Chunk = __m256i;

inline Chunk zero_chunk() noexcept { return _mm256_setzero_si256(); }
inline Chunk load_chunk(const unsigned char *from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
}
inline void store_chunk(unsigned char *to, Chunk x) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), x);
}
// Past the caches; `to` is a multiple of a chunk.
inline void stream_chunk(unsigned char *to, Chunk x) noexcept {
  _mm256_stream_si256(reinterpret_cast<__m256i *>(to), x);
}
inline void end_streaming() noexcept { _mm_sfence(); }

}  // namespace
}  // namespace akv
