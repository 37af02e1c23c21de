// units_avx2.hpp: 32 elements in four vectors, to and from memory, packed and unpacked. What they mean:
// units_plain.hpp. It knows registers. Included by avx2.cpp alone.
#pragma once

#include "data/kernels/vec/avx2.hpp"
#include "data/kernels/vec/codes.hpp"

namespace akv {
namespace {

using Ints = std::int32_t __attribute__((vector_size(32)));
using Words = std::uint32_t __attribute__((vector_size(32)));
constexpr std::uint32_t kUnit = 32, kVectors = kUnit / kLanes;

struct Unit {
  Floats part[kVectors];
};
struct CodeUnit {
  Ints part[kVectors];
};

inline __m256i integers(Ints x) noexcept { return reinterpret_cast<__m256i>(x); }
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

inline Unit load_unit_f32(const unsigned char *from) noexcept {
  const auto part = [from](int i) { return _mm256_castsi256_ps(load_32(from + 32 * i)); };
  return {{part(0), part(1), part(2), part(3)}};
}
inline Unit load_unit_f16(const unsigned char *from) noexcept {
  const auto part = [from](int i) { return _mm256_cvtph_ps(load_16(from + 16 * i)); };
  return {{part(0), part(1), part(2), part(3)}};
}
inline Unit load_unit_bf16(const unsigned char *from) noexcept {
  const auto part = [from](int i) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(from + 16 * i)), 16));
  };
  return {{part(0), part(1), part(2), part(3)}};
}
inline Unit load_unit_i8(const unsigned char *from) noexcept {
  const auto part = [from](int i) {
    const auto *eight = reinterpret_cast<const __m128i *>(from + 8 * i);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(eight)));
  };
  return {{part(0), part(1), part(2), part(3)}};
}
// E4M3 is the upper byte of a half, one bit further up: exact for all, subnormals too, but with another bias: times
// 2^-8. NaN, all ones, carries into the bit that a half's NaN lacks.
inline Unit load_unit_e4m3(const unsigned char *from) noexcept {
  const auto halves = [](__m128i codes) {
    const __m256i wide = _mm256_slli_epi16(_mm256_cvtepi8_epi16(codes), 7);  // twice the sign, and the rest
    const __m256i rest = _mm256_and_si256(wide, _mm256_set1_epi16(0x3f80));
    const __m256i nan = _mm256_and_si256(_mm256_add_epi16(rest, _mm256_set1_epi16(0x80)), _mm256_set1_epi16(0x4000));
    return _mm256_or_si256(_mm256_andnot_si256(_mm256_set1_epi16(0x4000), wide), nan);
  };
  const __m256i first = halves(load_16(from)), second = halves(load_16(from + 16));
  return {{_mm256_cvtph_ps(_mm256_castsi256_si128(first)), _mm256_cvtph_ps(_mm256_extracti128_si256(first, 1)),
           _mm256_cvtph_ps(_mm256_castsi256_si128(second)), _mm256_cvtph_ps(_mm256_extracti128_si256(second, 1))}};
}
inline Unit load_unit_i4(const unsigned char *from) noexcept {
  const auto part = [from](int i) {
    int eight;
    __builtin_memcpy(&eight, from + 4 * i, 4);
    const __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32(eight), _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
    return _mm256_cvtepi32_ps(_mm256_and_si256(codes, _mm256_set1_epi32(15)));
  };
  return {{part(0), part(1), part(2), part(3)}};
}

inline void store_unit_f32(unsigned char *to, const Unit &unit, bool stream) noexcept {
  for (std::uint32_t i = 0; i < kVectors; ++i) store_32(to + 32 * i, _mm256_castps_si256(unit.part[i]), stream);
}
inline void store_unit_f16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  for (std::uint32_t i = 0; i < kVectors; ++i)
    store_16(to + 16 * i, _mm256_cvtps_ph(unit.part[i], _MM_FROUND_TO_NEAREST_INT), stream);
}
// Upper halves, of two vectors.
inline __m256i two_of_16_bits(__m256i a, __m256i b) noexcept {
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}
inline void store_unit_bf16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  store_32(to, two_of_16_bits(bf16_bits(unit.part[0]), bf16_bits(unit.part[1])), stream);
  store_32(to + 32, two_of_16_bits(bf16_bits(unit.part[2]), bf16_bits(unit.part[3])), stream);
}
inline void store_decoded_bf16(unsigned char *to, const Unit &unit, bool stream) noexcept {
  const auto part = [&unit](int i) {  // few shifts: they are where shuffles are
    const __m256i bits = _mm256_castps_si256(unit.part[i]);
    const __m256i odd = _mm256_and_si256(bits, _mm256_set1_epi32(0x10000));
    const __m256i even = _mm256_cmpeq_epi32(odd, _mm256_setzero_si256());  // -1
    const __m256i up = _mm256_add_epi32(bits, _mm256_set1_epi32(0x8000));
    return _mm256_srli_epi32(_mm256_add_epi32(up, even), 16);
  };
  store_32(to, two_of_16_bits(part(0), part(1)), stream);
  store_32(to + 32, two_of_16_bits(part(2), part(3)), stream);
}

// Bytes, four of each part after each other: parts 0, 1, 2, 3, and then their upper halves.
inline __m256i packed(const CodeUnit &codes) noexcept {
  return _mm256_packs_epi16(_mm256_packs_epi32(integers(codes.part[0]), integers(codes.part[1])),
                            _mm256_packs_epi32(integers(codes.part[2]), integers(codes.part[3])));
}
inline void store_codes(unsigned char *to, const CodeUnit &codes, bool stream) noexcept {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  store_32(to, _mm256_permutevar8x32_epi32(packed(codes), order), stream);
}
inline void store_codes_i4(unsigned char *to, const CodeUnit &codes, bool stream) noexcept {
  const __m256i pairs = _mm256_maddubs_epi16(packed(codes), _mm256_set1_epi16(0x1001));
  const __m256i bytes = _mm256_packus_epi16(pairs, pairs);
  store_16(to, _mm_unpacklo_epi16(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)), stream);
}
// Halves have E4M3's subnormals as theirs, times 2^-8, and seven bits more. They are cut off, not rounded, after what
// comes beyond the fourth is gathered in the fifth bit after the first: so that rounding sees whether there was more.
inline __m256i e4m3_in_16_bits(Floats a, Floats b) noexcept {
  const auto cut = [](Floats x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i more = _mm256_add_epi32(bits, _mm256_set1_epi32(0x3ffff));
    const __m256i gathered = _mm256_or_si256(bits, _mm256_and_si256(more, _mm256_set1_epi32(0x40000)));
    return _mm256_cvtps_ph(_mm256_castsi256_ps(gathered), _MM_FROUND_TO_ZERO);
  };
  const __m256i halves = _mm256_set_m128i(cut(b), cut(a));
  const __m256i size =
      _mm256_min_epi16(_mm256_and_si256(halves, _mm256_set1_epi16(0x7fff)), _mm256_set1_epi16(0x3f00));  // 448
  const __m256i even = _mm256_and_si256(_mm256_srli_epi16(size, 7), _mm256_set1_epi16(1));
  const __m256i up = _mm256_add_epi16(_mm256_add_epi16(size, _mm256_set1_epi16(63)), even);
  const __m256i sign = _mm256_and_si256(_mm256_srli_epi16(halves, 8), _mm256_set1_epi16(0x80));
  return _mm256_or_si256(_mm256_srli_epi16(up, 7), sign);
}
inline void store_unit_e4m3(unsigned char *to, const Unit &unit, bool stream) noexcept {
  const __m256i bytes =
      _mm256_packus_epi16(e4m3_in_16_bits(unit.part[0], unit.part[1]), e4m3_in_16_bits(unit.part[2], unit.part[3]));
  store_32(to, _mm256_permute4x64_epi64(bytes, 0xd8), stream);
}

// 32 codes of 4 bits, all of one scale. Even ones and odd ones apart, and the odd ones times 16: they need no shifts,
// and put together again need no shuffles.
constexpr bool kGroupsToBF16 = true;
inline void store_group_bf16(unsigned char *to, const unsigned char *codes, float scale, float lowest,
                             bool stream) noexcept {
  const auto rounded_up_half = [lowest](__m256i code, float step) {
    const Floats number = splat(lowest) + _mm256_cvtepi32_ps(code) * splat(step);
    const __m256i bits = _mm256_castps_si256(number);
    const __m256i even = _mm256_cmpeq_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x10000)), _mm256_setzero_si256());
    return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x8000)), even);
  };
  for (int i = 0; i < 2; ++i) {
    const __m256i both = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(codes + 8 * i)));
    const __m256i first = rounded_up_half(_mm256_and_si256(both, _mm256_set1_epi32(15)), scale);
    const __m256i second = rounded_up_half(_mm256_and_si256(both, _mm256_set1_epi32(0xf0)), scale * 0.0625f);
    store_32(to + 32 * i, _mm256_blend_epi16(_mm256_srli_epi32(first, 16), second, 0xaa), stream);
  }
}

inline Ints rounded(Floats x) noexcept { return reinterpret_cast<Ints>(_mm256_cvtps_epi32(x)); }

// Of at least one vector; the last one may count elements twice.
inline std::uint32_t largest_16(const unsigned char *row, std::uint32_t n) noexcept {
  __m256i largest = _mm256_setzero_si256();
  const auto take = [&largest, row](std::uint32_t at) {
    const __m256i bits = _mm256_and_si256(load_32(row + 2 * at), _mm256_set1_epi16(0x7fff));
    largest = _mm256_max_epu16(largest, bits);
  };
  for (std::uint32_t at = 0; at + 16 <= n; at += 16) take(at);
  if (n % 16 != 0) take(n - 16);
  const __m128i eight = _mm_max_epu16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  const auto least = _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(eight, _mm_set1_epi16(-1))));
  return ~static_cast<std::uint32_t>(least) & 0xffffu;
}
inline std::uint32_t largest_32(const unsigned char *row, std::uint32_t n) noexcept {
  __m256i largest = _mm256_setzero_si256();
  const auto take = [&largest, row](std::uint32_t at) {
    const __m256i bits = _mm256_and_si256(load_32(row + 4 * at), _mm256_set1_epi32(0x7fffffff));
    largest = _mm256_max_epu32(largest, bits);
  };
  for (std::uint32_t at = 0; at + 8 <= n; at += 8) take(at);
  if (n % 8 != 0) take(n - 8);
  __m128i four = _mm_max_epu32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
}

}  // namespace
}  // namespace akv
