// groups.hpp: rows of 4 bits an element, with {scale, lowest} for each 32 elements of a head.
// It knows a row; no block. What codes mean is in vec/codes.hpp.
#pragma once

#include "data/kernels/body/codes.hpp"

namespace akv {
namespace {

// {scale, lowest} of which no NaN comes, and no subnormal number: both are 0 or at least 2^-118 (a number is then 0 or
// a multiple of 2^-125).
inline bool is_plain_half(std::uint32_t half) noexcept {
  const std::uint32_t size = half & 0x7fffu;
  return size == 0 || size - 0x480u < 0x7f80u - 0x480u;
}
inline bool is_plain_group(std::uint32_t group) noexcept { return is_plain_half(group) && is_plain_half(group >> 16); }

// Of numbers in one group.
inline CodeUnit codes_i4(const Unit &unit, Floats lowest, Floats inverse) noexcept {
  CodeUnit codes;
#pragma GCC unroll 8
  for (std::uint32_t i = 0; i < kVectors; ++i) codes.part[i] = rounded((unit.part[i] - lowest) * inverse);
  return codes;
}

// The definition, for any elements.
template <class E>
[[gnu::cold, gnu::noinline]] std::uint32_t encode_group_plainly(const unsigned char *from, unsigned char *to,
                                                                std::uint32_t size) noexcept {
  float low = float_of_bits(kLargestInI4), high = -low;
  for (std::uint32_t i = 0; i < size; ++i) {
    const float x = E::get(from, i);
    if (magnitude_of(x) > kLargestInI4) continue;
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  const std::uint32_t group = group_scale<std::uint32_t>(low, high);
  const float lowest = lowest_in(group), inverse = inverse_of(scale_in(group));
  for (std::uint32_t i = 0; i < size; i += 2)
    to[i / 2] = static_cast<unsigned char>(i4_of_float(E::get(from, i), lowest, inverse) |
                                           i4_of_float(E::get(from, i + 1), lowest, inverse) << 4);
  return group;
}

template <class E>
[[gnu::cold, gnu::noinline]] void decode_group_plainly(const unsigned char *from, unsigned char *to, std::uint32_t size,
                                                       std::uint32_t group) noexcept {
  for (std::uint32_t i = 0; i < size; ++i)
    E::set(to, i, float_of_i4(from[i / 2] >> i % 2 * 4 & 15u, scale_in(group), lowest_in(group)));
}

struct TokenGroupRows {
  static constexpr std::uint32_t kBits = 4, kGroupBytes = 4;

  template <class E>
  static std::uint32_t encode_group(const unsigned char *from, unsigned char *to, bool stream) noexcept {
    const Unit unit = E::load(from);
    Floats low = unit.part[0], high = unit.part[0];
#pragma GCC unroll 8
    for (std::uint32_t i = 1; i < kVectors; ++i) {
      low = smaller(low, unit.part[i]);
      high = larger(high, unit.part[i]);
    }
    const std::uint32_t group = group_scale<std::uint32_t>(smallest_of(low), largest_of(high));
    store_codes_i4(to, codes_i4(unit, splat(lowest_in(group)), splat(inverse_of(scale_in(group)))), stream);
    return group;
  }

  // A short group is one of 32 that repeats its first element.
  template <class E>
  static std::uint32_t encode_short(const unsigned char *from, unsigned char *to, std::uint32_t size) noexcept {
    unsigned char source[kUnit * E::kBytes], target[kUnit / 2];
    for (std::uint32_t i = 0; i < kUnit; ++i)
      __builtin_memcpy(source + i * E::kBytes, from + (i < size ? i * E::kBytes : 0), E::kBytes);
    const std::uint32_t group = encode_group<E>(source, target, false);
    __builtin_memcpy(to, target, size / 2);
    return group;
  }

  template <class E>
  [[gnu::always_inline]] static Measure measure(const Row &row) noexcept {
    return {0.0f, largest_in<E>(row.elements, row.size) <= kLargestInI4};
  }
  template <class E>
  static void write(const Row &row, const Measure &measure) noexcept {
    for (std::uint32_t at = 0; at < row.size; at += kUnit) {
      const unsigned char *from = row.elements + std::uint64_t{at} * E::kBytes;
      unsigned char *to = row.codes + at / 2;
      const std::uint32_t size = row.size - at < kUnit ? row.size - at : kUnit;
      set_element(row.scales, at / kUnit,
                  !measure.finite ? encode_group_plainly<E>(from, to, size)
                  : size == kUnit ? encode_group<E>(from, to, row.stream)
                                  : encode_short<E>(from, to, size));
    }
  }

  template <class E>
  [[gnu::always_inline]] static void decode_group(const unsigned char *from, unsigned char *to, std::uint32_t group,
                                                  bool stream) noexcept {
    if constexpr (kGroupsToBF16 && __is_same(E, BF16))
      return store_group_bf16(to, from, scale_in(group), lowest_in(group), stream);
    const Floats scale = splat(scale_in(group)), lowest = splat(lowest_in(group));
    Unit unit = load_unit_i4(from);
#pragma GCC unroll 8
    for (std::uint32_t i = 0; i < kVectors; ++i) unit.part[i] = lowest + unit.part[i] * scale;
    E::store_decoded(to, unit, stream);
  }

  template <class E>
  static void read(const Row &row) noexcept {
    for (std::uint32_t at = 0; at < row.size; at += kUnit) {
      unsigned char *to = row.elements + std::uint64_t{at} * E::kBytes;
      const unsigned char *from = row.codes + at / 2;
      const auto group = element_at<std::uint32_t>(row.scales, at / kUnit);
      const std::uint32_t size = row.size - at < kUnit ? row.size - at : kUnit;
      if (!is_plain_group(group)) [[unlikely]]
        decode_group_plainly<E>(from, to, size, group);
      else
        for_each_unit<4, E::kBytes * 8>(from, to, size, [group, &row](const unsigned char *f, unsigned char *t) {
          decode_group<E>(f, t, group, row.stream);
        });
    }
  }
};

}  // namespace
}  // namespace akv
