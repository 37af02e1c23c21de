// attend_avx512.hpp: what attention needs of AVX-512 beside sums and products: elements of every format as floats, a
// chunk of two vectors at a time, products of pairs of bfloat16, and sums across registers.
// It knows registers. Included by avx512.cpp alone.
#pragma once

#include "data/kernels/vec/avx512.hpp"

namespace akv {
namespace {
namespace attention {

struct Pair {
  Floats first, second;
};

constexpr std::uint32_t kScoreSums = 16, kMostValueRows = 8;  // thirty-two registers
constexpr float kE4m3Unit = 256.0f;                           // load_e4m3() is that much too small

inline Floats divide(Floats a, Floats b) noexcept { return _mm512_div_ps(a, b); }
// y, or 0 where x is below the limit.
inline Floats zero_below(Floats y, Floats x, Floats limit) noexcept {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
}
inline Floats with_sign_of(Floats x, Floats sign) noexcept {
  return _mm512_or_ps(absolute(x), _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}
// 2^n of n + kRounder, for n from -126 to 127.
inline Floats power_of_two(Floats rounded) noexcept {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(rounded), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3f800000)));
}

// -- chunks: in order, but for two: bfloat16 and I4 come as the even elements and then the odd ones --

inline __m128i load_16(const unsigned char *from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
}
inline __m256i load_32(const unsigned char *from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
}
inline Pair load_pair(const float *from) noexcept { return {load(from), load(from + kLanes)}; }
inline Pair load_f32(const unsigned char *from) noexcept {
  return {_mm512_castsi512_ps(_mm512_loadu_si512(from)), _mm512_castsi512_ps(_mm512_loadu_si512(from + 64))};
}
inline Pair load_f16(const unsigned char *from) noexcept {
  return {_mm512_cvtph_ps(load_32(from)), _mm512_cvtph_ps(load_32(from + 32))};
}
inline Pair split_bf16(const unsigned char *from) noexcept {
  const __m512i both = _mm512_loadu_si512(from);
  const __m512i odd = _mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(both, 16)), _mm512_castsi512_ps(odd)};
}
inline Pair load_i8(const unsigned char *from) noexcept {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(from))),
          _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(from + 16)))};
}
// The code, moved, is a half whose exponent is 8 too small: also where it is subnormal.
inline Pair load_e4m3(const unsigned char *from) noexcept {
  const __m512i wide = _mm512_slli_epi16(_mm512_cvtepi8_epi16(load_32(from)), 7);
  const __m512i half = _mm512_and_si512(wide, _mm512_set1_epi16(static_cast<short>(0xbf80)));
  const __m512i all = _mm512_set1_epi16(0x3f80);
  const __mmask32 nan = _mm512_cmpeq_epi16_mask(_mm512_and_si512(half, all), all);
  const __m512i bits = _mm512_mask_mov_epi16(half, nan, _mm512_set1_epi16(0x7e00));
  return {_mm512_cvtph_ps(_mm512_castsi512_si256(bits)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(bits, 1))};
}
// All codes of four bits as floats are one register to look up in.
inline Pair split_i4(const unsigned char *from) noexcept {
  const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i both = _mm512_cvtepu8_epi32(load_16(from));
  return {_mm512_permutexvar_ps(both, codes), _mm512_permutexvar_ps(_mm512_srli_epi32(both, 4), codes)};
}
inline Pair evens_and_odds(Pair x) noexcept {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  return {_mm512_permutex2var_ps(x.first, even, x.second), _mm512_permutex2var_ps(x.first, odd, x.second)};
}
inline Pair in_order(Pair evens_odds) noexcept {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  return {_mm512_permutex2var_ps(evens_odds.first, low, evens_odds.second),
          _mm512_permutex2var_ps(evens_odds.first, high, evens_odds.second)};
}

// The sum of each of sixteen vectors.
inline Floats sums_of(const Floats *x) noexcept {
  __m512 eight[8], four[4], two[2];
  for (int i = 0; i < 8; ++i)
    eight[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x[i], x[i + 8], 0x44), _mm512_shuffle_f32x4(x[i], x[i + 8], 0xee));
  for (int i = 0; i < 4; ++i)
    four[i] = _mm512_add_ps(_mm512_shuffle_f32x4(eight[i], eight[i + 4], 0x88),
                            _mm512_shuffle_f32x4(eight[i], eight[i + 4], 0xdd));
  for (int i = 0; i < 2; ++i)
    two[i] = _mm512_add_ps(_mm512_unpacklo_ps(four[2 * i], four[2 * i + 1]),
                           _mm512_unpackhi_ps(four[2 * i], four[2 * i + 1]));
  const __m512 sums = _mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], 0x44), _mm512_shuffle_ps(two[0], two[1], 0xee));
  return _mm512_shuffle_f32x4(sums, sums, 0xd8);
}

// -- pairs of bfloat16: 32 products in the time of 16. Codes of 8 bits are exact in bfloat16 --

#define AKV_BF16_PRODUCTS 1

inline Floats add_products(Floats sum, __m512i a, __m512i b) noexcept {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}
inline __m512i halves_of_bf16(const unsigned char *from) noexcept { return _mm512_loadu_si512(from); }
inline __m512i halves_of_i8(const unsigned char *from) noexcept {
  const Pair codes = load_i8(from);
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(codes.second, codes.first));
}

struct E4m3Table {
  std::uint16_t bf16[128];
  constexpr E4m3Table() : bf16() {
    for (unsigned code = 0; code < 127; ++code) {
      const unsigned exponent = code >> 3, mantissa = code & 7;
      if (exponent != 0) bf16[code] = static_cast<std::uint16_t>((exponent + 120) << 7 | mantissa << 4);
      for (unsigned top = 0; exponent == 0 && top < 3; ++top)  // of 2^-9 each
        if (mantissa >> top == 1)
          bf16[code] = static_cast<std::uint16_t>((118 + top) << 7 | (mantissa << (7 - top) & 0x7f));
    }
    bf16[127] = 0x7fc0;
  }
};
alignas(64) constexpr E4m3Table kE4m3Table;

inline __m512i halves_of_e4m3(const unsigned char *from) noexcept {
  const __m512i codes = _mm512_cvtepu8_epi16(load_32(from));
  const __m512i *table = reinterpret_cast<const __m512i *>(kE4m3Table.bf16);
  const __m512i low = _mm512_permutex2var_epi16(table[0], codes, table[1]);
  const __m512i high = _mm512_permutex2var_epi16(table[2], codes, table[3]);
  const __m512i size = _mm512_mask_mov_epi16(low, _mm512_test_epi16_mask(codes, _mm512_set1_epi16(64)), high);
  const __m512i sign = _mm512_slli_epi16(codes, 8);  // 0xf8: the sign's bit of one, or the other
  return _mm512_ternarylogic_epi32(size, sign, _mm512_set1_epi16(static_cast<short>(0x8000)), 0xf8);
}
// The pairs (a[i], b[i]): of sums over them, sums_in_order() are those of the elements in order.
inline void interleave(__m512i &a, __m512i &b) noexcept {
  const __m512i low = _mm512_unpacklo_epi16(a, b), high = _mm512_unpackhi_epi16(a, b);
  a = low;
  b = high;
}
inline Pair sums_in_order(Pair x) noexcept {
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  return {_mm512_permutex2var_ps(x.first, first, x.second), _mm512_permutex2var_ps(x.first, second, x.second)};
}

}  // namespace attention
}  // namespace
}  // namespace akv
