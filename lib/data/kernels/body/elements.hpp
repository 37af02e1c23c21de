// elements.hpp: the numbers of a caller, F32, F16 and BF16, by units of 32 and one by one; and how a row is walked.
// It knows addresses and numbers; no scale.
#pragma once

#include "data/kernels/vec/codes.hpp"

namespace akv {
namespace {

template <std::uint32_t kFromBits, std::uint32_t kToBits, class Step>
[[gnu::noinline]] void do_short_row(const unsigned char *from, unsigned char *to, std::uint32_t size,
                                    Step step) noexcept {
  unsigned char source[kUnit * kFromBits / 8] = {}, target[kUnit * kToBits / 8];
  __builtin_memcpy(source, from, size * kFromBits / 8);
  step(source, target);
  __builtin_memcpy(to, target, size * kToBits / 8);
}

// `step(from, to)` for each unit of a row. The last one may begin inside the one before it, and what it makes again is
// the same; a row shorter than a unit goes through a buffer, the rest of it zeroes.
template <std::uint32_t kFromBits, std::uint32_t kToBits, class Step>
[[gnu::always_inline]] inline void for_each_unit(const unsigned char *from, unsigned char *to, std::uint32_t size,
                                                 Step step) noexcept {
  if (size < kUnit) [[unlikely]]
    return do_short_row<kFromBits, kToBits>(from, to, size, step);
  std::uint32_t left = size;
  for (; left >= kUnit; left -= kUnit) {
    step(from, to);
    from += kUnit * kFromBits / 8;
    to += kUnit * kToBits / 8;
  }
  if (left != 0) step(from - (kUnit - left) * kFromBits / 8, to - (kUnit - left) * kToBits / 8);
}

struct F32 {
  static constexpr std::uint32_t kBytes = 4;
  static Unit load(const unsigned char *from) noexcept { return load_unit_f32(from); }
  static void store(unsigned char *to, const Unit &unit, bool stream) noexcept { store_unit_f32(to, unit, stream); }
  static void store_decoded(unsigned char *to, const Unit &unit, bool stream) noexcept { store(to, unit, stream); }
  static float get(const unsigned char *row, std::uint32_t i) noexcept { return element_at<float>(row, i); }
  static void set(unsigned char *row, std::uint32_t i, float x) noexcept { set_element(row, i, x); }
  static std::uint32_t largest(const unsigned char *row, std::uint32_t size) noexcept { return largest_32(row, size); }
};

struct F16 {
  static constexpr std::uint32_t kBytes = 2;
  static Unit load(const unsigned char *from) noexcept { return load_unit_f16(from); }
  static void store(unsigned char *to, const Unit &unit, bool stream) noexcept { store_unit_f16(to, unit, stream); }
  static void store_decoded(unsigned char *to, const Unit &unit, bool stream) noexcept { store(to, unit, stream); }
  static float get(const unsigned char *row, std::uint32_t i) noexcept {
    return float_of_f16(element_at<std::uint16_t>(row, i));
  }
  static void set(unsigned char *row, std::uint32_t i, float x) noexcept { set_element(row, i, f16_of_float(x)); }
  static std::uint32_t largest(const unsigned char *row, std::uint32_t size) noexcept {
    return bits_of_float(float_of_f16(static_cast<std::uint16_t>(largest_16(row, size))));
  }
};

struct BF16 {
  static constexpr std::uint32_t kBytes = 2;
  static Unit load(const unsigned char *from) noexcept { return load_unit_bf16(from); }
  static void store(unsigned char *to, const Unit &unit, bool stream) noexcept { store_unit_bf16(to, unit, stream); }
  static void store_decoded(unsigned char *to, const Unit &unit, bool stream) noexcept {
    store_decoded_bf16(to, unit, stream);
  }
  static float get(const unsigned char *row, std::uint32_t i) noexcept {
    return float_of_bf16(element_at<std::uint16_t>(row, i));
  }
  static void set(unsigned char *row, std::uint32_t i, float x) noexcept { set_element(row, i, bf16_of_float(x)); }
  static std::uint32_t largest(const unsigned char *row, std::uint32_t size) noexcept {
    return largest_16(row, size) << 16;
  }
};

template <class E>
[[gnu::noinline]] std::uint32_t largest_in_short(const unsigned char *row, std::uint32_t size) noexcept {
  unsigned char padded[kUnit * E::kBytes] = {};
  __builtin_memcpy(padded, row, size * E::kBytes);
  return E::largest(padded, kUnit);
}

// The largest magnitude of a row, as a float's bits: at least kInfinity if something in it is not finite.
template <class E>
[[gnu::always_inline]] inline std::uint32_t largest_in(const unsigned char *row, std::uint32_t size) noexcept {
  return size >= kUnit ? E::largest(row, size) : largest_in_short<E>(row, size);
}

template <class E>
[[gnu::cold, gnu::noinline]] std::uint32_t largest_finite_in(const unsigned char *row, std::uint32_t size) noexcept {
  std::uint32_t largest = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::uint32_t magnitude = magnitude_of(E::get(row, i));
    if (magnitude < kInfinity && magnitude > largest) largest = magnitude;
  }
  return largest;
}

}  // namespace
}  // namespace akv
