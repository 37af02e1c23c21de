// attend_avx2.hpp: what attention needs of AVX2 beside sums and products: elements of every format as floats, a
// chunk of two vectors at a time, and sums across registers. It knows registers. Included by avx2.cpp alone.
#pragma once

#include "data/kernels/vec/avx2.hpp"

namespace akv {
namespace {
namespace attention {

struct Pair {
  Floats first, second;
};

constexpr std::uint32_t kScoreSums = 8, kMostValueRows = 4;  // sixteen registers
constexpr float kE4m3Unit = 256.0f;                          // load_e4m3() is that much too small

inline Floats divide(Floats a, Floats b) noexcept { return _mm256_div_ps(a, b); }
// y, or 0 where x is below the limit.
inline Floats zero_below(Floats y, Floats x, Floats limit) noexcept {
  return _mm256_and_ps(y, _mm256_cmp_ps(x, limit, _CMP_NLT_UQ));
}
inline Floats with_sign_of(Floats x, Floats sign) noexcept {
  return _mm256_or_ps(absolute(x), _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}
// 2^n of n + kRounder, for n from -126 to 127.
inline Floats power_of_two(Floats rounded) noexcept {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(rounded), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(0x3f800000)));
}

// -- chunks: in order, but for two: bfloat16 and I4 come as the even elements and then the odd ones --

inline __m128i load_16(const unsigned char *from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
}
inline Pair load_pair(const float *from) noexcept { return {load(from), load(from + kLanes)}; }
inline Pair load_f32(const unsigned char *from) noexcept {
  return {_mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from))),
          _mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 32)))};
}
inline Pair load_f16(const unsigned char *from) noexcept {
  return {_mm256_cvtph_ps(load_16(from)), _mm256_cvtph_ps(load_16(from + 16))};
}
inline Pair split_bf16(const unsigned char *from) noexcept {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
  const __m256i odd = _mm256_and_si256(both, _mm256_set1_epi32(static_cast<int>(0xffff0000u)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)), _mm256_castsi256_ps(odd)};
}
inline Pair load_i8(const unsigned char *from) noexcept {
  const __m128i codes = load_16(from);
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(codes, codes)))};
}
// The code, moved, is a half whose exponent is 8 too small: also where it is subnormal.
inline Pair load_e4m3(const unsigned char *from) noexcept {
  const __m256i wide = _mm256_slli_epi16(_mm256_cvtepi8_epi16(load_16(from)), 7);
  const __m256i half = _mm256_and_si256(wide, _mm256_set1_epi16(static_cast<short>(0xbf80)));
  const __m256i all = _mm256_set1_epi16(0x3f80);
  const __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(half, all), all);
  const __m256i bits = _mm256_or_si256(half, nan);
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(bits)), _mm256_cvtph_ps(_mm256_extracti128_si256(bits, 1))};
}
inline Pair split_i4(const unsigned char *from) noexcept {
  const __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(from)));
  return {_mm256_cvtepi32_ps(_mm256_and_si256(codes, _mm256_set1_epi32(15))),
          _mm256_cvtepi32_ps(_mm256_srli_epi32(codes, 4))};
}
inline Pair evens_and_odds(Pair x) noexcept {
  const __m256d even = _mm256_castps_pd(_mm256_shuffle_ps(x.first, x.second, 0x88));
  const __m256d odd = _mm256_castps_pd(_mm256_shuffle_ps(x.first, x.second, 0xdd));
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(even, 0xd8)), _mm256_castpd_ps(_mm256_permute4x64_pd(odd, 0xd8))};
}
inline Pair in_order(Pair evens_odds) noexcept {
  const __m256 low = _mm256_unpacklo_ps(evens_odds.first, evens_odds.second);
  const __m256 high = _mm256_unpackhi_ps(evens_odds.first, evens_odds.second);
  return {_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}

// The sum of each of eight vectors.
inline Floats sums_of(const Floats *x) noexcept {
  __m256 four[4];
  for (int i = 0; i < 4; ++i)
    four[i] = _mm256_add_ps(_mm256_permute2f128_ps(x[i], x[i + 4], 0x20), _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
  const __m256 low = _mm256_add_ps(_mm256_unpacklo_ps(four[0], four[1]), _mm256_unpackhi_ps(four[0], four[1]));
  const __m256 high = _mm256_add_ps(_mm256_unpacklo_ps(four[2], four[3]), _mm256_unpackhi_ps(four[2], four[3]));
  return _mm256_add_ps(_mm256_shuffle_ps(low, high, 0x44), _mm256_shuffle_ps(low, high, 0xee));
}

}  // namespace attention
}  // namespace
}  // namespace akv
