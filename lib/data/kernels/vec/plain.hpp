// plain.hpp: a vector of one float: the reference that every variant is compared with, and what any processor runs.
// It knows floats.
#pragma once

#include "data/kernels/vec/scalar.hpp"

namespace akv {
namespace {

using Floats = float;
constexpr std::uint32_t kLanes = 1;

inline Floats zeroes() noexcept { return 0.0f; }
inline Floats splat(float x) noexcept { return x; }

inline Floats load(const float *from) noexcept { return *from; }
inline Floats load_bf16(const std::uint16_t *from) noexcept { return float_of_bf16(*from); }
inline void store(float *to, Floats x) noexcept { *to = x; }
inline void store_bf16(std::uint16_t *to, Floats x) noexcept { *to = bf16_of_float(x); }
inline void store_f16(std::uint16_t *to, Floats x) noexcept { *to = f16_of_float(x); }

inline Floats add(Floats a, Floats b) noexcept { return a + b; }
inline Floats subtract(Floats a, Floats b) noexcept { return a - b; }
inline Floats multiply(Floats a, Floats b) noexcept { return a * b; }
inline Floats multiply_add(Floats a, Floats b, Floats c) noexcept { return a * b + c; }  // rounded once or twice
// The second where one is not a number: fold(larger, x, so_far) passes over NaNs.
inline Floats larger(Floats a, Floats b) noexcept { return a > b ? a : b; }
inline Floats smaller(Floats a, Floats b) noexcept { return a < b ? a : b; }
inline Floats absolute(Floats x) noexcept { return float_of_bits(bits_of_float(x) & 0x7fffffffu); }

inline float sum_of(Floats x) noexcept { return x; }
inline float largest_of(Floats x) noexcept { return x; }   // of numbers
inline float smallest_of(Floats x) noexcept { return x; }  // of numbers

}  // namespace
}  // namespace akv
