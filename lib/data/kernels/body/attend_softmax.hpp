// attend_softmax.hpp: exponentials, and a tile's scores as weights of the running softmax (Milakov and Gimelshein
// 2018). It knows numbers.
#pragma once

#include "data/kernels/body/attend_work.hpp"

namespace akv {
namespace {
namespace attention {

struct Power {
  Floats fraction_less_one, whole;  // 2^x = whole x (fraction_less_one + 1)
};

// For x from -126 to 127; the series of 2^f for |f| <= 1/2 up to f^7, 1e-8 of what it says.
inline Power power(Floats x) {
  const Floats rounded = add(x, splat(kRounder));
  const Floats f = subtract(x, subtract(rounded, splat(kRounder)));
  Floats sum = splat(1.5252734e-5f);
  sum = multiply_add(sum, f, splat(1.5403530e-4f));
  sum = multiply_add(sum, f, splat(1.3333558e-3f));
  sum = multiply_add(sum, f, splat(9.6181291e-3f));
  sum = multiply_add(sum, f, splat(5.5504109e-2f));
  sum = multiply_add(sum, f, splat(2.4022651e-1f));
  sum = multiply_add(sum, f, splat(6.9314718e-1f));
  return {multiply(sum, f), power_of_two(rounded)};
}

// 2^x for x <= 0; 0 below -126. Not a number stays that.
inline Floats exp2_of(Floats x) {
  const Floats least = splat(-126.0f);
  const Power p = power(larger(least, x));
  return zero_below(multiply(add(p.fraction_less_one, splat(1.0f)), p.whole), x, least);
}

inline float exp2_of_one(float x) {
  float all[kLanes];
  store(all, exp2_of(splat(x)));
  return all[0];
}

// tanh(x) = (1 - e) / (1 + e), where e = 2^(-2 |x| log2(e)); e - 1 is computed without forming e, so that small x keep
// their digits.
inline Floats tanh_of(Floats x) {
  const Floats y = larger(splat(-126.0f), multiply(absolute(x), splat(-2.0f * kLog2E)));
  const Power p = power(y);
  const Floats less_one = multiply_add(p.fraction_less_one, p.whole, subtract(p.whole, splat(1.0f)));
  return with_sign_of(divide(less_one, add(less_one, splat(2.0f))), x);
}

// log2 of a positive number: of its exponent, and of a mantissa around 1 by the series of the inverse tanh.
inline float log2_of_one(float x) {
  std::int32_t shift = 0;
  if (x < 1.17549435e-38f) {
    x *= 16777216.0f;
    shift = 24;
  }
  const std::uint32_t bits = bits_of_float(x);
  if (bits >= 0x7f800000u) return x;
  const std::uint32_t above = (bits - 0x3f3504f3u) & 0xff800000u;  // mantissas from sqrt(1/2) to sqrt(2)
  const float m = float_of_bits(bits - above);
  const float f = (m - 1.0f) / (m + 1.0f), g = f * f;
  const float series = 1.0f + g * (1.0f / 3 + g * (1.0f / 5 + g * (1.0f / 7 + g * (1.0f / 9))));
  return static_cast<float>(static_cast<std::int32_t>(above) / 8388608 - shift) + 2.0f * kLog2E * f * series;
}

// How scores become weights.
struct Softening {
  float factor;             // scores become powers of two; with a cap: what the cap is of
  float cap;                // 0: none; else in powers of two
  const float *factors;     // for each token, besides; nullptr: none
  const float *weighing;    // weights are multiplied by these, the sum is not; nullptr: none
  const float *unweighing;  // one by those, or 0
  bool halves;              // weights are bfloat16
};

// Scores in powers of two; the largest of them.
float scale_scores(float *scores, std::uint32_t padded, const Softening &how) {
  Floats most = splat(kLowest);
  for (std::uint32_t t = 0; t < padded; t += kLanes) {
    Floats factor = splat(how.factor);
    if (how.factors != nullptr) factor = multiply(factor, load(how.factors + t));
    Floats x = multiply(load(scores + t), factor);
    if (how.cap != 0.0f) x = multiply(tanh_of(x), splat(how.cap));
    store(scores + t, x);
    most = larger(x, most);
  }
  return largest_of(most);
}

// Of weights, and of what of them the values are multiplied with.
struct Sums {
  float sum, applied;
};

// Weights out of scores, in their place or, as bfloat16, at `to`.
Sums weigh(float *scores, float *to, std::uint32_t padded, float largest, const Softening &how) {
  Floats sum = zeroes(), rounding = zeroes();
  std::uint16_t *halves = reinterpret_cast<std::uint16_t *>(to);
  for (std::uint32_t t = 0; t < padded; t += kLanes) {
    const Floats x = exp2_of(subtract(load(scores + t), splat(largest)));
    const Floats weight = how.weighing == nullptr ? x : multiply(x, load(how.weighing + t));
    sum = add(sum, x);
    if (!how.halves) {
      store(scores + t, weight);
      continue;
    }
    store_bf16(halves + t, weight);
    const Floats added = subtract(load_bf16(halves + t), weight);
    rounding = how.weighing == nullptr ? add(rounding, added) : multiply_add(added, load(how.unweighing + t), rounding);
  }
  const float all = sum_of(sum);
  return {all, all + sum_of(rounding)};
}

// Row `row` of a tile of `count` tokens.
void soften_row(Pass &pass, std::uint32_t row, std::uint32_t count, const Softening &how) {
  float *scores = pass.scores + row * kTileStride;
  const std::uint32_t padded = (count + kLanes - 1) / kLanes * kLanes;
  for (std::uint32_t t = count; t < padded; ++t) scores[t] = scores[count - 1];
  const float most = scale_scores(scores, padded, how), before = pass.largest[row];
  for (std::uint32_t t = count; t < padded; ++t) scores[t] = -__builtin_inff();
  pass.rescale[row] = 1.0f;
  if (most > before) {
    pass.largest[row] = most;
    pass.rescale[row] = exp2_of_one(before - most);
  }
  const Sums sums = weigh(scores, pass.weights + row * kTileStride, padded, pass.largest[row], how);
  pass.sum[row] = pass.sum[row] * pass.rescale[row] + sums.sum;
  pass.applied[row] = pass.applied[row] * pass.rescale[row] + sums.applied;
}

}  // namespace attention
}  // namespace
}  // namespace akv
