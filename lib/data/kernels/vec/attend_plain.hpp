// attend_plain.hpp: what attention needs beside sums and products: elements of every format as floats, two at a time.
// It knows floats.
#pragma once

#include "data/kernels/vec/plain.hpp"

namespace akv {
namespace {
namespace attention {

struct Pair {
  Floats first, second;
};

constexpr std::uint32_t kScoreSums = 8, kMostValueRows = 4;
constexpr float kE4m3Unit = 256.0f;  // load_e4m3() is that much too small

inline Floats divide(Floats a, Floats b) noexcept { return a / b; }
// y, or 0 where x is below the limit.
inline Floats zero_below(Floats y, Floats x, Floats limit) noexcept { return x < limit ? 0.0f : y; }
inline Floats with_sign_of(Floats x, Floats sign) noexcept {
  return float_of_bits((bits_of_float(x) & 0x7fffffffu) | (bits_of_float(sign) & 0x80000000u));
}
// 2^n of n + kRounder, for n from -126 to 127.
inline Floats power_of_two(Floats rounded) noexcept {
  return float_of_bits((bits_of_float(rounded) << 23) + 0x3f800000u);
}

// -- chunks of two elements --

inline std::uint16_t half_at(const unsigned char *from) noexcept {
  std::uint16_t bits;
  __builtin_memcpy(&bits, from, sizeof(bits));
  return bits;
}
inline float e4m3_code(unsigned code) noexcept {
  const std::uint32_t nan = (code & 0x7fu) == 0x7fu ? 0x7e00u : 0u;
  return float_of_f16(static_cast<std::uint16_t>((code & 0x80u) << 8 | (code & 0x7fu) << 7 | nan));
}
inline Pair load_pair(const float *from) noexcept { return {from[0], from[1]}; }
inline Pair load_f32(const unsigned char *from) noexcept {
  Pair both;
  __builtin_memcpy(&both, from, sizeof(both));
  return both;
}
inline Pair load_f16(const unsigned char *from) noexcept {
  return {float_of_f16(half_at(from)), float_of_f16(half_at(from + 2))};
}
inline Pair split_bf16(const unsigned char *from) noexcept {
  return {float_of_bf16(half_at(from)), float_of_bf16(half_at(from + 2))};
}
inline Pair load_i8(const unsigned char *from) noexcept {
  return {static_cast<float>(static_cast<signed char>(from[0])), static_cast<float>(static_cast<signed char>(from[1]))};
}
inline Pair load_e4m3(const unsigned char *from) noexcept { return {e4m3_code(from[0]), e4m3_code(from[1])}; }
inline Pair split_i4(const unsigned char *from) noexcept {
  return {static_cast<float>(*from & 15), static_cast<float>(*from >> 4)};
}
inline Pair evens_and_odds(Pair x) noexcept { return x; }
inline Pair in_order(Pair evens_odds) noexcept { return evens_odds; }

inline Floats sums_of(const Floats *x) noexcept { return *x; }

}  // namespace attention
}  // namespace
}  // namespace akv
