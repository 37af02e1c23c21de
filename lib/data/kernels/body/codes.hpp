// codes.hpp: rows of 8 bits an element and one scale: I8 and E4M3, the scale a head's or the row's own. And rows of
// numbers as they are, in another dtype.
// It knows a row; no block. What codes mean is in vec/codes.hpp.
#pragma once

#include "data/kernels/body/elements.hpp"

namespace akv {
namespace {

constexpr std::uint32_t kUnknown = 0xffffffffu;

// One head of one token, or some of its elements: on the pool's side, and the caller's.
struct Row {
  unsigned char *codes;
  unsigned char *scales;
  unsigned char *elements;
  std::uint32_t size;
  std::uint32_t largest;  // finite magnitude of the whole row, if somebody has looked already
  float head_scale;
  bool stream;  // what is written goes past the caches
};

struct I8 {
  static constexpr float kLargest = kLargestI8;
  static constexpr float kLoaded = 1.0f;  // code = this x what load() makes
  static std::uint8_t code_of(float x) noexcept { return i8_of_float(x); }
  static float number_of(std::uint8_t code) noexcept { return float_of_i8(code); }
  static Unit load(const unsigned char *from) noexcept { return load_unit_i8(from); }
  // Of numbers. kMeasured: the scale was made for them, so none is beyond the largest code.
  template <bool kMeasured>
  static Ints codes_of(Floats x) noexcept {
    if constexpr (kMeasured) return rounded(x);
    else return rounded(smaller(larger(x, splat(-kLargestI8)), splat(kLargestI8)));
  }
};

struct E4M3 {
  static constexpr float kLargest = kLargestE4M3;
  static constexpr float kLoaded = 256.0f;
  static std::uint8_t code_of(float x) noexcept { return e4m3_of_float(x); }
  static float number_of(std::uint8_t code) noexcept { return float_of_e4m3(code); }
  static Unit load(const unsigned char *from) noexcept { return load_unit_e4m3(from); }
  // Added to 2^20 times its power of two (at least 2^-6), a number is rounded to three bits after the first, and they
  // are the sum's lowest bits: 8 to 16 of them, or 0 to 8 below 2^-6.
  template <bool kMeasured>
  static Ints codes_of(Floats x) noexcept {
    const Words bits = __builtin_bit_cast(Words, x);
    Floats size = absolute(x);
    if constexpr (!kMeasured) size = smaller(size, splat(kLargestE4M3));
    const Words power = __builtin_bit_cast(Words, larger(size, splat(0x1p-6f))) & 0x7f800000u;
    const Words large = power + (20u << 23);
    const Words steps = __builtin_bit_cast(Words, size + __builtin_bit_cast(Floats, large)) - large;
    const Ints sign = __builtin_bit_cast(Ints, bits) >> 24 & -128;
    return __builtin_bit_cast(Ints, steps + (power >> 20) - 968u) | sign;
  }
};

// The definition, for any elements and any scale.
template <class Code, class E>
[[gnu::cold, gnu::noinline]] void encode_plainly(const Row &row, float inverse) noexcept {
  for (std::uint32_t i = 0; i < row.size; ++i) row.codes[i] = Code::code_of(E::get(row.elements, i) * inverse);
}
template <class Code, class E>
[[gnu::cold, gnu::noinline]] void decode_plainly(const Row &row, float scale) noexcept {
  for (std::uint32_t i = 0; i < row.size; ++i) E::set(row.elements, i, Code::number_of(row.codes[i]) * scale);
}

template <class Code, class E, bool kMeasured>
void encode(const Row &row, float scale, bool finite) noexcept {
  const float inverse = inverse_of(scale);
  if (!finite) [[unlikely]]
    return encode_plainly<Code, E>(row, inverse);
  const Floats factor = splat(inverse);
  for_each_unit<E::kBytes * 8, 8>(row.elements, row.codes, row.size,
                                  [factor, &row](const unsigned char *from, unsigned char *to) {
                                    const Unit unit = E::load(from);
                                    CodeUnit codes;
#pragma GCC unroll 8
                                    for (std::uint32_t i = 0; i < kVectors; ++i)
                                      codes.part[i] = Code::template codes_of<kMeasured>(unit.part[i] * factor);
                                    store_codes(to, codes, row.stream);
                                  });
}

template <class Code, class E>
void decode(const Row &row, float scale) noexcept {
  const bool may_be_nan = magnitude_of(scale) >= bits_of_float(0x1p119f);
  if (may_be_nan) [[unlikely]]
    return decode_plainly<Code, E>(row, scale);
  const Floats factor = splat(scale * Code::kLoaded);
  for_each_unit<8, E::kBytes * 8>(row.codes, row.elements, row.size,
                                  [factor, &row](const unsigned char *from, unsigned char *to) {
                                    Unit unit = Code::load(from);
#pragma GCC unroll 8
                                    for (std::uint32_t i = 0; i < kVectors; ++i) unit.part[i] = unit.part[i] * factor;
                                    E::store_decoded(to, unit, row.stream);
                                  });
}

// HEAD: the caller's scale.
template <class Code>
struct HeadRows {
  static constexpr std::uint32_t kBits = 8, kGroupBytes = 0;
  template <class E>
  static void write(const Row &row) noexcept {
    encode<Code, E, false>(row, row.head_scale, largest_in<E>(row.elements, row.size) < kInfinity);
  }
  template <class E>
  static void read(const Row &row) noexcept {
    decode<Code, E>(row, row.head_scale);
  }
};

// TOKEN_HEAD: a scale of its own.
template <class Code>
struct TokenHeadRows {
  static constexpr std::uint32_t kBits = 8, kGroupBytes = 0;
  template <class E>
  static void write(const Row &row) noexcept {
    std::uint32_t largest = largest_in<E>(row.elements, row.size);
    const bool finite = largest < kInfinity;
    if (!finite) [[unlikely]]
      largest = largest_finite_in<E>(row.elements, row.size);
    const float scale = scale_for(row.largest == kUnknown ? largest : row.largest, Code::kLargest);
    set_element(row.scales, 0, scale);
    encode<Code, E, true>(row, scale, finite);
  }
  template <class E>
  static void read(const Row &row) noexcept {
    decode<Code, E>(row, element_at<float>(row.scales, 0));
  }
};

// NONE: numbers of the pool's dtype.
template <class Stored>
struct PlainRows {
  static constexpr std::uint32_t kBits = Stored::kBytes * 8, kGroupBytes = 0;
  template <class From, class To>
  static void convert(const unsigned char *from, unsigned char *to, const Row &row) noexcept {
    if constexpr (__is_same(From, To)) __builtin_memcpy(to, from, std::uint64_t{row.size} * From::kBytes);
    else
      for_each_unit<From::kBytes * 8, To::kBytes * 8>(
          from, to, row.size,
          [&row](const unsigned char *f, unsigned char *t) { To::store(t, From::load(f), row.stream); });
  }
  template <class E>
  static void write(const Row &row) noexcept {
    convert<E, Stored>(row.elements, row.codes, row);
  }
  template <class E>
  static void read(const Row &row) noexcept {
    convert<Stored, E>(row.codes, row.elements, row);
  }
};

}  // namespace
}  // namespace akv
