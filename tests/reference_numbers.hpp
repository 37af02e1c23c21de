// reference_numbers.hpp: what codes and scales mean as numbers (geometry.h), one element at a time, and attention over
// numbers in double precision: written down here once more, in other words than the library's.
// It knows the public API's constants only; no test framework.
#pragma once

#include "arenakv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace akv::test {

template <class Word>
Word word_at(const unsigned char *from, std::size_t index = 0) {
  Word word;
  std::memcpy(&word, from + index * sizeof word, sizeof word);
  return word;
}

// -- dtypes --

inline std::uint32_t dtype_bits(std::uint32_t dtype) {
  static const std::uint32_t bits[] = {0, 32, 16, 16, 8, 8, 4};
  return bits[dtype];
}

inline float bf16_number(std::uint32_t bits) {
  const std::uint32_t word = bits << 16;
  return word_at<float>(reinterpret_cast<const unsigned char *>(&word));
}

// An IEEE number of so many bits of fraction below `exponent_bits` of exponent.
inline double small_float(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1, ones = (1 << exponent_bits) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ones;
  const int fraction = static_cast<int>(bits & ((1u << fraction_bits) - 1));
  const double sign = (bits >> (exponent_bits + fraction_bits) & 1) != 0 ? -1 : 1;
  const int implied = exponent != 0 ? 1 << fraction_bits : 0;
  return sign * std::ldexp(implied + fraction, std::max(exponent, 1) - bias - fraction_bits);
}

inline float f16_number(std::uint32_t bits) {
  if ((bits & 0x7fff) > 0x7c00) return std::numeric_limits<float>::quiet_NaN();
  if ((bits & 0x7fff) == 0x7c00) return (bits & 0x8000) != 0 ? -INFINITY : INFINITY;
  return static_cast<float>(small_float(bits, 5, 10));
}

// All values of E4M3: four bits of exponent, three of fraction, no infinity; the last of each sign is NaN.
inline const std::array<double, 256> &e4m3_numbers() {
  static const std::array<double, 256> all = [] {
    std::array<double, 256> values{};
    for (std::uint32_t code = 0; code < 256; ++code)
      values[code] = (code & 127) == 127 ? std::numeric_limits<double>::quiet_NaN() : small_float(code, 4, 3);
    return values;
  }();
  return all;
}

// Element `index` of a row of some dtype, before any scale.
inline float element_number(std::uint32_t dtype, const unsigned char *row, std::size_t index) {
  switch (dtype) {
    case AKV_DTYPE_F32: return word_at<float>(row, index);
    case AKV_DTYPE_F16: return f16_number(word_at<std::uint16_t>(row, index));
    case AKV_DTYPE_BF16: return bf16_number(word_at<std::uint16_t>(row, index));
    case AKV_DTYPE_F8_E4M3: return static_cast<float>(e4m3_numbers()[row[index]]);
    case AKV_DTYPE_I8: return static_cast<float>(static_cast<signed char>(row[index]));
    default: return static_cast<float>(row[index / 2] >> index % 2 * 4 & 15);
  }
}

// The same number as it lies in memory. It must be one of the dtype's: nothing is rounded here.
inline void put_number(std::uint32_t dtype, unsigned char *row, std::size_t index, float x) {
  const auto bits = word_at<std::uint32_t>(reinterpret_cast<const unsigned char *>(&x));
  if (dtype == AKV_DTYPE_F32) {
    std::memcpy(row + index * 4, &x, 4);
    return;
  }
  std::uint32_t half = bits >> 16;
  if (dtype == AKV_DTYPE_F16) {
    half = bits >> 16 & 0x8000;
    if (std::isnan(x)) half |= 0x7e00;
    else if (std::isinf(x)) half |= 0x7c00;
    else if (std::abs(x) >= 0x1p-14f) half |= ((bits & 0x7fffffff) - 0x38000000) >> 13;
    else half |= static_cast<std::uint32_t>(std::ldexp(std::abs(x), 24));
  }
  const auto word = static_cast<std::uint16_t>(half);
  std::memcpy(row + index * 2, &word, 2);
}

// -- scales --

// Element `index` of one head of one token. `scales`: the head's, of this token; `head_scale`: of SCALING_HEAD.
// SCALING_CHANNEL is not known here: its scales lie all over a block.
inline float scaled_number(const akv_plane &plane, const unsigned char *row, const unsigned char *scales,
                           float head_scale, std::size_t index) {
  const float code = element_number(plane.dtype, row, index);
  switch (plane.scaling) {
    case AKV_SCALING_HEAD: return code * head_scale;
    case AKV_SCALING_TOKEN_HEAD: return code * word_at<float>(scales);
    case AKV_SCALING_TOKEN_GROUP: {
      const volatile float distance = code * bf16_number(word_at<std::uint16_t>(scales, index / 32 * 2));
      return bf16_number(word_at<std::uint16_t>(scales, index / 32 * 2 + 1)) + distance;  // rounded twice
    }
    default: return code;
  }
}

// -- attention --

// What one query sees: a score for each token (or none), in double precision.
struct Seen {
  std::vector<double> scores;
  std::vector<const float *> values;
};

struct Attended {
  std::vector<double> out;
  double log_sum = 0;
};

inline Attended attended(const Seen &seen, std::uint32_t value_dim) {
  Attended result{std::vector<double>(value_dim, 0.0), -INFINITY};
  double largest = -INFINITY, sum = 0;
  for (double score : seen.scores) largest = std::max(largest, score);
  if (seen.scores.empty()) return result;
  for (std::size_t i = 0; i < seen.scores.size(); ++i) {
    const double weight = std::exp(seen.scores[i] - largest);
    sum += weight;
    if (seen.values[i] == nullptr) continue;  // a sink: no value
    for (std::uint32_t e = 0; e < value_dim; ++e) result.out[e] += weight * seen.values[i][e];
  }
  for (double &x : result.out) x /= sum;
  result.log_sum = largest + std::log(sum);
  return result;
}

inline double difference(const std::vector<double> &wanted, const float *got) {
  double distance = 0, length = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    distance += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    length += wanted[i] * wanted[i];
  }
  return std::sqrt(distance) / (std::sqrt(length) + 1e-30);
}

}  // namespace akv::test
