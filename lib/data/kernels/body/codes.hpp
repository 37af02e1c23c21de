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

// What a look at a row has told, before its codes are made.
struct Measure {
  float scale;
  bool finite;
};

struct I8 {
  static constexpr float kLargest = kLargestI8;
  static constexpr float kStored = 1.0f, kLoaded = 1.0f;  // store() wants code x kStored; load() makes code / kLoaded
  static std::uint8_t code_of(float x) noexcept { return i8_of_float(x); }
  static float number_of(std::uint8_t code) noexcept { return float_of_i8(code); }
  static Unit load(const unsigned char *from) noexcept { return load_unit_i8(from); }
  // Of numbers. kMeasured: the scale was made for them, so none is beyond the largest code.
  template <bool kMeasured>
  static void store(unsigned char *to, const Unit &unit, bool stream) noexcept {
    CodeUnit codes;
#pragma GCC unroll 8
    for (std::uint32_t i = 0; i < kVectors; ++i) {
      const Floats x = unit.part[i];
      codes.part[i] = rounded(kMeasured ? x : smaller(larger(x, splat(-kLargestI8)), splat(kLargestI8)));
    }
    store_codes(to, codes, stream);
  }
};

struct E4M3 {
  static constexpr float kLargest = kLargestE4M3;
  static constexpr float kStored = 0x1p-8f, kLoaded = 256.0f;
  static std::uint8_t code_of(float x) noexcept { return e4m3_of_float(x); }
  static float number_of(std::uint8_t code) noexcept { return float_of_e4m3(code); }
  static Unit load(const unsigned char *from) noexcept { return load_unit_e4m3(from); }
  template <bool>
  static void store(unsigned char *to, const Unit &unit, bool stream) noexcept {
    store_unit_e4m3(to, unit, stream);
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
[[gnu::always_inline]] inline void encode(const Row &row, float scale, bool finite) noexcept {
  const float inverse = inverse_of(scale), stored = inverse * Code::kStored;
  const bool exact = stored >= kSmallestScale;  // or scaling has cost a bit
  if (!finite || !exact) [[unlikely]]
    return encode_plainly<Code, E>(row, inverse);
  const Floats factor = splat(stored);
  const bool stream = row.stream;
  for_each_unit<E::kBytes * 8, 8>(row.elements, row.codes, row.size,
                                  [factor, stream](const unsigned char *from, unsigned char *to) {
                                    Unit unit = E::load(from);
#pragma GCC unroll 8
                                    for (std::uint32_t i = 0; i < kVectors; ++i) unit.part[i] = unit.part[i] * factor;
                                    Code::template store<kMeasured>(to, unit, stream);
                                  });
}

// Scales of which no NaN comes, and no subnormal number: then rounding is simpler.
inline bool is_plain_scale(float scale) noexcept {
  const std::uint32_t size = magnitude_of(scale), least = bits_of_float(0x1p-117f), end = bits_of_float(0x1p119f);
  return size == 0 || size - least < end - least;
}

template <class Code, class E>
[[gnu::always_inline]] inline void decode(const Row &row, float scale) noexcept {
  if (!is_plain_scale(scale)) [[unlikely]]
    return decode_plainly<Code, E>(row, scale);
  const Floats factor = splat(scale * Code::kLoaded);
  const bool stream = row.stream;
  for_each_unit<8, E::kBytes * 8>(row.codes, row.elements, row.size,
                                  [factor, stream](const unsigned char *from, unsigned char *to) {
                                    Unit unit = Code::load(from);
#pragma GCC unroll 8
                                    for (std::uint32_t i = 0; i < kVectors; ++i) unit.part[i] = unit.part[i] * factor;
                                    E::store_decoded(to, unit, stream);
                                  });
}

// HEAD: the caller's scale.
template <class Code>
struct HeadRows {
  static constexpr std::uint32_t kBits = 8, kGroupBytes = 0;
  template <class E>
  [[gnu::always_inline]] static Measure measure(const Row &row) noexcept {
    return {row.head_scale, largest_in<E>(row.elements, row.size) < kInfinity};
  }
  template <class E>
  [[gnu::always_inline]] static void write(const Row &row, const Measure &measure) noexcept {
    encode<Code, E, false>(row, measure.scale, measure.finite);
  }
  template <class E>
  [[gnu::always_inline]] static void read(const Row &row) noexcept {
    decode<Code, E>(row, row.head_scale);
  }
};

// TOKEN_HEAD: a scale of its own.
template <class Code>
struct TokenHeadRows {
  static constexpr std::uint32_t kBits = 8, kGroupBytes = 0;
  template <class E>
  [[gnu::always_inline]] static Measure measure(const Row &row) noexcept {
    std::uint32_t largest = largest_in<E>(row.elements, row.size);
    const bool finite = largest < kInfinity;
    if (!finite) [[unlikely]]
      largest = largest_finite_in<E>(row.elements, row.size);
    return {scale_for(row.largest == kUnknown ? largest : row.largest, Code::kLargest), finite};
  }
  template <class E>
  [[gnu::always_inline]] static void write(const Row &row, const Measure &measure) noexcept {
    set_element(row.scales, 0, measure.scale);
    encode<Code, E, true>(row, measure.scale, measure.finite);
  }
  template <class E>
  [[gnu::always_inline]] static void read(const Row &row) noexcept {
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
  static Measure measure(const Row &) noexcept {
    return {};
  }
  template <class E>
  [[gnu::always_inline]] static void write(const Row &row, const Measure &) noexcept {
    convert<E, Stored>(row.elements, row.codes, row);
  }
  template <class E>
  [[gnu::always_inline]] static void read(const Row &row) noexcept {
    convert<Stored, E>(row.codes, row.elements, row);
  }
};

}  // namespace
}  // namespace akv
