// units_avx512.hpp: 32 elements in two vectors, to and from memory, packed and unpacked. What they mean:
// units_plain.hpp. It knows registers. Included by avx512.cpp alone.
#pragma once

// gcc 12 takes its own _mm512_undefined_*() for a mistake (PR 105593).
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "data/kernels/vec/avx512.hpp"
#include "data/kernels/vec/codes.hpp"

namespace akv {
namespace {

using Ints = std::int32_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
constexpr std::uint32_t kUnit = 32, kVectors = kUnit / kLanes;

struct Unit {
  Floats part[kVectors];
};
struct CodeUnit {
  Ints part[kVectors];
};

inline __m128i load_16(const unsigned char *from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
}
inline __m256i load_32(const unsigned char *from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
}
inline void store_16(unsigned char *to, __m128i bytes, bool stream) noexcept {
  if (stream) _mm_stream_si128(reinterpret_cast<__m128i *>(to), bytes);
  else _mm_storeu_si128(reinterpret_cast<__m128i *>(to), bytes);
}
inline void store_32(unsigned char *to, __m256i bytes, bool stream) noexcept {
  if (stream) _mm256_stream_si256(reinterpret_cast<__m256i *>(to), bytes);
  else _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), bytes);
}
inline void store_64(unsigned char *to, __m512i bytes, bool stream) noexcept {
  if (stream) _mm512_stream_si512(reinterpret_cast<__m512i *>(to), bytes);
  else _mm512_storeu_si512(to, bytes);
}

inline Unit load_unit_f32(const unsigned char *from) noexcept {
  return {{_mm512_loadu_ps(from), _mm512_loadu_ps(from + 64)}};
}
inline Unit load_unit_f16(const unsigned char *from) noexcept {
  return {{_mm512_cvtph_ps(load_32(from)), _mm512_cvtph_ps(load_32(from + 32))}};
}
inline Unit load_unit_bf16(const unsigned char *from) noexcept {
  const auto part = [from](int i) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_32(from + 32 * i)), 16));
  };
  return {{part(0), part(1)}};
}
inline Unit load_unit_i8(const unsigned char *from) noexcept {
  return {{_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(from))),
           _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(from + 16)))}};
}
// As halves: see units_avx2.hpp.
inline Unit load_unit_e4m3(const unsigned char *from) noexcept {
  const __m512i wide = _mm512_slli_epi16(_mm512_cvtepi8_epi16(load_32(from)), 7);
  const __m512i rest = _mm512_and_si512(wide, _mm512_set1_epi16(0x3f80));
  const __m512i carried = _mm512_add_epi16(rest, _mm512_set1_epi16(0x80));
  const __m512i halves = _mm512_ternarylogic_epi32(_mm512_set1_epi16(0x4000), carried, wide, 0xca);  // one bit of it
  return {{_mm512_cvtph_ps(_mm512_castsi512_si256(halves)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1))}};
}
inline Unit load_unit_i4(const unsigned char *from) noexcept {
  const __m128i both = load_16(from), low = _mm_set1_epi8(15);
  const __m128i even = _mm_and_si128(both, low), odd = _mm_and_si128(_mm_srli_epi16(both, 4), low);
  return {{_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(even, odd))),
           _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpackhi_epi8(even, odd)))}};
}

inline void store_unit_f32(unsigned char *to, const Unit &unit, bool stream) noexcept {
  for (std::uint32_t i = 0; i < kVectors; ++i) store_64(to + 64 * i, _mm512_castps_si512(unit.part[i]), stream);
}
inline void store_unit_f16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  for (std::uint32_t i = 0; i < kVectors; ++i)
    store_32(to + 32 * i, _mm512_cvtps_ph(unit.part[i], _MM_FROUND_TO_NEAREST_INT), stream);
}
// The upper halves of two vectors, after rounding by what is added.
inline __m512i upper_halves(__m512i a, __m512i b) noexcept {
  const __m512i odd =
      _mm512_add_epi16(_mm512_set1_epi16(1),
                       _mm512_slli_epi16(_mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
                                                          16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                         1));
  return _mm512_permutex2var_epi16(a, odd, b);
}
inline __m512i rounded_up_half(__m512i bits) noexcept {
  const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
}
inline void store_unit_bf16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  const auto part = [&unit](int i) {
    const __m512i bits = _mm512_castps_si512(unit.part[i]);
    const __mmask16 nan = _mm512_cmp_ps_mask(unit.part[i], unit.part[i], _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(rounded_up_half(bits), nan, bits, _mm512_set1_epi32(0x400000));
  };
  store_64(to, upper_halves(part(0), part(1)), stream);
}
// The instruction for it takes subnormal numbers for zeroes: here there are none.
inline void store_decoded_bf16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  store_64(to, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(unit.part[1], unit.part[0])), stream);
}
// 4 bits can be 16 numbers, and they are one vector: rounded once, and found by their codes.
constexpr bool kGroupsToBF16 = true;
inline void store_group_bf16(unsigned char *to, const unsigned char *codes, float scale, float lowest,
                             bool stream) noexcept {
  const Floats all = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i bits = _mm512_castps_si512(splat(lowest) + all * splat(scale));
  const __m512i numbers = _mm512_srli_epi32(rounded_up_half(bits), 16);
  const __m256i table = _mm512_cvtepi32_epi16(numbers);
  const __m512i bytes = _mm512_cvtepu8_epi32(load_16(codes));  // even code in the lower half, odd in the upper
  const __m512i pairs = _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12));
  const __m512i indices = _mm512_and_si512(pairs, _mm512_set1_epi16(15));
  store_64(to, _mm512_permutexvar_epi16(indices, _mm512_castsi256_si512(table)), stream);
}

inline __m256i packed(const CodeUnit &codes) noexcept {
  return _mm256_set_m128i(_mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(codes.part[1])),
                          _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(codes.part[0])));
}
inline void store_codes(unsigned char *to, const CodeUnit &codes, bool stream) noexcept {
  store_32(to, packed(codes), stream);
}
inline void store_codes_i4(unsigned char *to, const CodeUnit &codes, bool stream) noexcept {
  const __m256i pairs = _mm256_maddubs_epi16(packed(codes), _mm256_set1_epi16(0x1001));
  store_16(to, _mm256_cvtepi16_epi8(pairs), stream);
}
// Cut to halves: see units_avx2.hpp.
inline void store_unit_e4m3(unsigned char *to, const Unit &unit, bool stream) noexcept {
  const auto cut = [&unit](int i) {
    const __m512i bits = _mm512_castps_si512(unit.part[i]);
    const __m512i more = _mm512_add_epi32(bits, _mm512_set1_epi32(0x3ffff));
    const __m512i gathered = _mm512_ternarylogic_epi32(bits, more, _mm512_set1_epi32(0x40000), 0xf8);  // a | b & c
    return _mm512_cvtps_ph(_mm512_castsi512_ps(gathered), _MM_FROUND_TO_ZERO);
  };
  const __m512i halves = _mm512_inserti64x4(_mm512_castsi256_si512(cut(0)), cut(1), 1);
  const __m512i size =
      _mm512_min_epi16(_mm512_and_si512(halves, _mm512_set1_epi16(0x7fff)), _mm512_set1_epi16(0x3f00));  // 448
  const __mmask32 odd = _mm512_test_epi16_mask(size, _mm512_set1_epi16(0x80));
  const __m512i half = _mm512_add_epi16(size, _mm512_set1_epi16(63));
  const __m512i up = _mm512_srli_epi16(_mm512_mask_add_epi16(half, odd, half, _mm512_set1_epi16(1)), 7);
  const __m512i codes = _mm512_ternarylogic_epi32(up, _mm512_srli_epi16(halves, 8), _mm512_set1_epi16(0x80), 0xf8);
  store_32(to, _mm512_cvtepi16_epi8(codes), stream);
}

inline Ints rounded(Floats x) noexcept { return reinterpret_cast<Ints>(_mm512_cvtps_epi32(x)); }

// Of at least 32 elements; the last vector may count some twice.
inline std::uint32_t largest_16(const unsigned char *row, std::uint32_t n) noexcept {
  __m512i largest = _mm512_setzero_si512();
  const auto take = [&largest, row](std::uint32_t at) {
    const __m512i bits = _mm512_and_si512(_mm512_loadu_si512(row + 2 * at), _mm512_set1_epi16(0x7fff));
    largest = _mm512_max_epu16(largest, bits);
  };
  for (std::uint32_t at = 0; at + 32 <= n; at += 32) take(at);
  if (n % 32 != 0) take(n - 32);
  const __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(largest), _mm512_extracti64x4_epi64(largest, 1));
  const __m128i eight = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  const auto least = _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(-1))));
  return ~static_cast<std::uint32_t>(least) & 0xffffu;
}
inline std::uint32_t largest_32(const unsigned char *row, std::uint32_t n) noexcept {
  __m512i largest = _mm512_setzero_si512();
  const auto take = [&largest, row](std::uint32_t at) {
    const __m512i bits = _mm512_and_si512(_mm512_loadu_si512(row + 4 * at), _mm512_set1_epi32(0x7fffffff));
    largest = _mm512_max_epu32(largest, bits);
  };
  for (std::uint32_t at = 0; at + 16 <= n; at += 16) take(at);
  if (n % 16 != 0) take(n - 16);
  return _mm512_reduce_max_epu32(largest);
}

}  // namespace
}  // namespace akv
