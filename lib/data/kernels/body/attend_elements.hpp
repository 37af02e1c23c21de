// attend_elements.hpp: elements of K/V and of queries as attention takes them: a chunk at a time for each format, in
// the order that is quickest for it; one at a time where rows are shorter than a chunk.
// It knows formats.
#pragma once

#include "data/kernels/body/attend_work.hpp"

namespace akv {
namespace {
namespace attention {

enum class Order : std::uint32_t { kNatural, kSplit, kBf16 };  // kSplit: even elements of a chunk, then the odd ones

// A format as the scores and the values read it. An element is the loops' key_unit or value_unit times what load()
// says.
template <Pair (*kLoad)(const unsigned char *), std::uint32_t kBits, Order kOrderOf>
struct FloatElements {
  static constexpr Order kOrder = kOrderOf;
  static constexpr std::uint32_t kTokens = 1;
  using Chunk = Pair;
  using Weight = Floats;

  static Chunk load(const unsigned char *row, std::uint32_t element) { return kLoad(row + element * kBits / 8); }
  static Chunk load(const unsigned char *const *rows, std::uint32_t element) { return load(*rows, element); }
  static Chunk query(const unsigned char *prepared, std::uint32_t slot) {
    return load_pair(reinterpret_cast<const float *>(prepared) + slot);
  }
  static Floats multiply_add(Chunk a, Chunk b, Floats sum) {
    return akv::multiply_add(a.second, b.second, akv::multiply_add(a.first, b.first, sum));
  }
  static Weight weight(const float *weights, std::uint32_t token) { return splat(weights[token]); }
  static void add(Pair &sums, Weight weight, Chunk values) {
    sums.first = akv::multiply_add(weight, values.first, sums.first);
    sums.second = akv::multiply_add(weight, values.second, sums.second);
  }
  static Pair ordered(Pair sums) { return kOrder == Order::kSplit ? in_order(sums) : sums; }
};

using F32Elements = FloatElements<load_f32, 32, Order::kNatural>;
using F16Elements = FloatElements<load_f16, 16, Order::kNatural>;
using Bf16Elements = FloatElements<split_bf16, 16, Order::kSplit>;
using E4m3Elements = FloatElements<load_e4m3, 8, Order::kNatural>;
using I8Elements = FloatElements<load_i8, 8, Order::kNatural>;
using I4Elements = FloatElements<split_i4, 4, Order::kSplit>;

#if defined(AKV_BF16_PRODUCTS)

// Where elements are exact in bfloat16: pairs of elements for scores, pairs of tokens for values.
template <__m512i (*kLoad)(const unsigned char *), std::uint32_t kBits>
struct ProductElements {
  static constexpr Order kOrder = Order::kBf16;
  static constexpr std::uint32_t kTokens = 2;
  using Chunk = __m512i;
  struct TwoTokens {
    __m512i first, second;
  };
  using Weight = __m512i;

  static Chunk load(const unsigned char *row, std::uint32_t element) { return kLoad(row + element * kBits / 8); }
  static Chunk query(const unsigned char *prepared, std::uint32_t slot) { return halves_of_bf16(prepared + 2 * slot); }
  static Floats multiply_add(Chunk a, Chunk b, Floats sum) { return add_products(sum, a, b); }

  static TwoTokens load(const unsigned char *const *rows, std::uint32_t element) {
    TwoTokens both = {load(rows[0], element), load(rows[1], element)};
    interleave(both.first, both.second);
    return both;
  }
  static Weight weight(const float *weights, std::uint32_t token) {
    std::uint32_t both;
    __builtin_memcpy(&both, reinterpret_cast<const unsigned char *>(weights) + 2 * token, sizeof(both));
    return _mm512_set1_epi32(static_cast<int>(both));
  }
  static void add(Pair &sums, Weight weight, TwoTokens values) {
    sums.first = add_products(sums.first, values.first, weight);
    sums.second = add_products(sums.second, values.second, weight);
  }
  static Pair ordered(Pair sums) { return sums_in_order(sums); }
};

using Bf16Products = ProductElements<halves_of_bf16, 16>;
using E4m3Products = ProductElements<halves_of_e4m3, 8>;
using I8Products = ProductElements<halves_of_i8, 8>;

#endif

// -- one element at a time --

// Before its scale.
inline float number_at(const unsigned char *row, std::uint32_t dtype, std::uint32_t i) {
  switch (dtype) {
    case AKV_DTYPE_F32: return element_at<float>(row, i);
    case AKV_DTYPE_F16: return float_of_f16(element_at<std::uint16_t>(row, i));
    case AKV_DTYPE_BF16: return float_of_bf16(element_at<std::uint16_t>(row, i));
    case AKV_DTYPE_F8_E4M3: return float_of_e4m3(row[i]);
    case AKV_DTYPE_I8: return float_of_i8(row[i]);
    default: return static_cast<float>(i % 2 == 0 ? row[i / 2] & 15 : row[i / 2] >> 4);
  }
}

inline void put_number(unsigned char *row, std::uint32_t dtype, std::uint32_t i, float x) {
  switch (dtype) {
    case AKV_DTYPE_F32: return set_element(row, i, x);
    case AKV_DTYPE_F16: return set_element(row, i, f16_of_float(x));
    default: return set_element(row, i, bf16_of_float(x));
  }
}

// -- a chunk of F32, F16 or BF16, in order --

inline Pair chunk_at(const unsigned char *row, std::uint32_t dtype, std::uint32_t element) {
  if (dtype == AKV_DTYPE_F32) return load_f32(row + std::uint64_t{element} * 4);
  if (dtype == AKV_DTYPE_F16) return load_f16(row + std::uint64_t{element} * 2);
  return in_order(split_bf16(row + std::uint64_t{element} * 2));
}

inline void put_chunk(unsigned char *row, std::uint32_t dtype, std::uint32_t element, Pair x) {
  if (dtype == AKV_DTYPE_F32) {
    float numbers[kChunk];
    store(numbers, x.first);
    store(numbers + kLanes, x.second);
    __builtin_memcpy(row + std::uint64_t{element} * 4, numbers, sizeof(numbers));
    return;
  }
  std::uint16_t numbers[kChunk];
  if (dtype == AKV_DTYPE_F16) {
    store_f16(numbers, x.first);
    store_f16(numbers + kLanes, x.second);
  } else {
    store_bf16(numbers, x.first);
    store_bf16(numbers + kLanes, x.second);
  }
  __builtin_memcpy(row + std::uint64_t{element} * 2, numbers, sizeof(numbers));
}

// A row of queries as the scores of a part want it. Elements that the last chunk shares with the one before it count
// once: they are zero in the last.
void prepare_query(unsigned char *to, const unsigned char *from, std::uint32_t dtype, std::uint32_t dim, Extent extent,
                   Order order) {
  float *floats = reinterpret_cast<float *>(to);
  if (dim < kChunk) {
    for (std::uint32_t i = 0; i < kChunk; ++i) floats[i] = i < dim ? number_at(from, dtype, i) : 0.0f;
    return;
  }
  for (std::uint32_t c = 0; c < extent.chunks; ++c) {
    const std::uint32_t start = extent.start(c), again = c * kChunk - start;
    if (order == Order::kBf16) {
      __builtin_memcpy(to + std::uint64_t{c} * kChunk * 2, from + std::uint64_t{start} * 2, kChunk * 2);
      for (std::uint32_t i = 0; i < 2 * again; ++i) to[std::uint64_t{c} * kChunk * 2 + i] = 0;
      continue;
    }
    Pair chunk = chunk_at(from, dtype, start);
    float *at = floats + std::uint64_t{c} * kChunk;
    store(at, chunk.first);
    store(at + kLanes, chunk.second);
    for (std::uint32_t i = 0; i < again; ++i) at[i] = 0.0f;
    if (order != Order::kSplit) continue;
    chunk = evens_and_odds(load_pair(at));
    store(at, chunk.first);
    store(at + kLanes, chunk.second);
  }
}

}  // namespace attention
}  // namespace
}  // namespace akv
