// format_pools.hpp: pools of any format, layout and alignment in plain memory, and the numbers beside them: for tests
// of the kernels that convert. It knows data/kernels and the headers; nothing of how codes are made.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <vector>

#include "arenakv/geometry.h"
#include "arenakv/host.h"
#include "data/kernels/isa.hpp"
#include "data/kernels/kernels.hpp"

namespace test {

using akv::RowFormat;

// On a cache line's boundary: what is streamed must be, and tests then shift it away.
template <class T>
struct OnLines {
  using value_type = T;
  OnLines() = default;
  template <class U>
  OnLines(const OnLines<U> &) {}
  T *allocate(std::size_t n) { return static_cast<T *>(::operator new(n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T *all, std::size_t) { ::operator delete(all, std::align_val_t{64}); }
  friend bool operator==(const OnLines &, const OnLines &) { return true; }
};
using Bytes = std::vector<unsigned char, OnLines<unsigned char>>;

inline constexpr std::uint32_t kIsas[] = {AKV_ISA_PLAIN, AKV_ISA_AVX2, AKV_ISA_AVX512, AKV_ISA_NEON};
inline constexpr std::uint32_t kNumbers[] = {AKV_DTYPE_F32, AKV_DTYPE_F16, AKV_DTYPE_BF16};
inline constexpr RowFormat kFormats[] = {
    {AKV_DTYPE_F32, AKV_SCALING_NONE},      {AKV_DTYPE_F16, AKV_SCALING_NONE},
    {AKV_DTYPE_BF16, AKV_SCALING_NONE},     {AKV_DTYPE_F8_E4M3, AKV_SCALING_HEAD},
    {AKV_DTYPE_I8, AKV_SCALING_HEAD},       {AKV_DTYPE_F8_E4M3, AKV_SCALING_TOKEN_HEAD},
    {AKV_DTYPE_I8, AKV_SCALING_TOKEN_HEAD}, {AKV_DTYPE_I4, AKV_SCALING_TOKEN_GROUP},
    {AKV_DTYPE_I4, AKV_SCALING_CHANNEL}};

// What this processor runs of the library's kernels.
template <class What>
void for_each_isa(What what) {
  for (std::uint32_t isa : kIsas)
    if (const akv::Kernels *kernels = akv::kernels_for(isa)) what(kernels->format, akv::isa_name(isa));
}

inline std::uint32_t bits_of(std::uint32_t dtype) {
  return dtype == AKV_DTYPE_F32 ? 32 : dtype <= AKV_DTYPE_BF16 ? 16 : dtype == AKV_DTYPE_I4 ? 4 : 8;
}

// -- numbers of 16 bits, by definition --

inline float bf16_value(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float x;
  std::memcpy(&x, &wide, 4);
  return x;
}
inline float f16_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float sign = bits >> 15 != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : std::numeric_limits<float>::quiet_NaN();
  return exponent == 0 ? sign * std::ldexp(static_cast<float>(fraction), -24)
                       : sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}
inline float number_at(std::uint32_t dtype, const unsigned char *from, std::size_t i) {
  float x;
  std::uint16_t half;
  if (dtype == AKV_DTYPE_F32) std::memcpy(&x, from + 4 * i, 4);
  else std::memcpy(&half, from + 2 * i, 2), x = dtype == AKV_DTYPE_F16 ? f16_value(half) : bf16_value(half);
  return x;
}

// -- a pool --

enum class Layout { kTokensFirst, kHeadsFirst };  // NHD, HND

struct Shape {
  std::uint32_t head_dim, num_heads, block_tokens, num_blocks;
  std::uint32_t past_caches = 0;
  akv::ElementShape element_shape() const { return {head_dim, num_heads, block_tokens, past_caches}; }
  std::uint64_t tokens() const { return std::uint64_t{block_tokens} * num_blocks; }
};

inline std::uint32_t scale_bytes(const RowFormat &format, const Shape &shape) {
  const std::uint32_t group = shape.block_tokens < 32 ? shape.block_tokens : 32;
  switch (format.scaling) {
    case AKV_SCALING_TOKEN_HEAD: return 4;
    case AKV_SCALING_TOKEN_GROUP: return (shape.head_dim + 31) / 32 * 4;
    case AKV_SCALING_CHANNEL: return (shape.head_dim * 4 + group - 1) / group;
    default: return 0;
  }
}

struct Pool {
  Shape shape;
  RowFormat format;
  akv::PoolRows rows{}, scales{};
  std::vector<float> head_scales;
  Bytes codes, scale_bytes;

  // Between rows, tokens and blocks lie `padding` bytes; the first byte is `shift` from an aligned one.
  Pool(const Shape &s, const RowFormat &f, Layout layout = Layout::kTokensFirst, std::uint32_t padding = 0,
       std::uint32_t shift = 0)
      : shape(s), format(f), head_scales(s.num_heads, 1.0f) {
    std::int64_t step = std::int64_t{s.head_dim} * bits_of(f.dtype) / 8 + padding;
    const auto take = [&step, padding](std::int64_t &stride, std::uint32_t count) {
      stride = step;
      step = step * count + padding;
    };
    if (layout == Layout::kHeadsFirst) take(rows.token_stride, s.block_tokens), take(rows.head_stride, s.num_heads);
    else take(rows.head_stride, s.num_heads), take(rows.token_stride, s.block_tokens);
    take(rows.block_stride, s.num_blocks);
    codes.assign(static_cast<std::size_t>(step) + shift, 0xa5);
    scales.head_stride = test::scale_bytes(f, s);
    scales.token_stride = scales.head_stride * s.num_heads + padding;
    scales.block_stride = scales.token_stride * s.block_tokens + padding;
    scale_bytes.assign(static_cast<std::size_t>(scales.block_stride * s.num_blocks) + shift, 0x3c);
    shift_ = shift;
  }

  akv::PoolElements elements() {
    akv::PoolRows r = rows, s = scales;
    r.data = codes.data() + shift_;
    s.data = scales.head_stride == 0 ? nullptr : scale_bytes.data() + shift_;
    return {r, s, format.scaling == AKV_SCALING_HEAD ? head_scales.data() : nullptr, format};
  }
  unsigned char *code_row(std::int64_t slot, std::uint32_t head) {
    const std::int64_t tokens = shape.block_tokens;
    return elements().rows.data + slot / tokens * rows.block_stride + slot % tokens * rows.token_stride +
           head * rows.head_stride;
  }
  unsigned char *scale_row(std::int64_t slot, std::uint32_t head) {
    const std::int64_t tokens = shape.block_tokens;
    return elements().scales.data + slot / tokens * scales.block_stride + slot % tokens * scales.token_stride +
           head * scales.head_stride;
  }

 private:
  std::uint32_t shift_ = 0;
};

// Numbers of tokens, beside a pool.
struct Tokens {
  std::uint32_t dtype, head_dim, num_heads;
  std::int64_t token_stride, head_stride;
  std::uint32_t shift;
  Bytes bytes;

  Tokens(std::uint32_t type, const Shape &s, std::uint64_t count, std::uint32_t padding = 0, std::uint32_t offset = 0)
      : dtype(type), head_dim(s.head_dim), num_heads(s.num_heads), shift(offset) {
    head_stride = std::int64_t{s.head_dim} * bits_of(type) / 8 + padding;
    token_stride = head_stride * s.num_heads + padding;
    bytes.assign(static_cast<std::size_t>(token_stride) * count + offset, 0x5a);
  }
  unsigned char *data() { return bytes.data() + shift; }
  akv::TokenElements elements() { return {{data(), token_stride, head_stride}, dtype, 0}; }
  unsigned char *row(std::uint64_t token, std::uint32_t head) {
    return data() + static_cast<std::int64_t>(token) * token_stride + head * head_stride;
  }
  float number(std::uint64_t token, std::uint32_t head, std::uint32_t i) {
    return number_at(dtype, row(token, head), i);
  }
  void set_bits(std::uint64_t token, std::uint32_t head, std::uint32_t i, std::uint32_t bits) {
    const std::size_t size = bits_of(dtype) / 8;
    std::memcpy(row(token, head) + i * size, &bits, size);
  }
  void set(std::uint64_t token, std::uint32_t head, std::uint32_t i, float x) {  // of F32
    std::memcpy(row(token, head) + 4 * i, &x, 4);
  }
};

inline std::vector<std::int32_t> all_blocks(const Shape &shape) {
  std::vector<std::int32_t> blocks(shape.num_blocks);
  for (std::uint32_t i = 0; i < shape.num_blocks; ++i) blocks[i] = static_cast<std::int32_t>(i);
  return blocks;
}
inline void write_all(const akv::FormatKernels &kernels, Pool &pool, Tokens &tokens) {
  const auto blocks = all_blocks(pool.shape);
  kernels.scatter(
      {pool.elements(), tokens.elements(), pool.shape.element_shape(), blocks.data(), 0, pool.shape.tokens()});
}
inline void read_all(const akv::FormatKernels &kernels, Pool &pool, Tokens &tokens) {
  const auto blocks = all_blocks(pool.shape);
  kernels.gather(
      {pool.elements(), tokens.elements(), pool.shape.element_shape(), blocks.data(), 0, pool.shape.tokens()});
}

}  // namespace test
