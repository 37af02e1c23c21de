// numbers.hpp: K/V as numbers: caches in each format, random tokens, and how far they may be off.
// It knows the public API only. What codes mean, and attention by its definition: reference_numbers.hpp.
#pragma once

#include "reference_numbers.hpp"
#include "stores.hpp"

#include <cmath>

namespace akv::test {

using Numbers = std::vector<float>;

constexpr std::uint32_t kFormats[] = {AKV_FORMAT_F32,      AKV_FORMAT_F16, AKV_FORMAT_BF16, AKV_FORMAT_F8,
                                      AKV_FORMAT_F8_TOKEN, AKV_FORMAT_I8,  AKV_FORMAT_K8V4, AKV_FORMAT_I4};

struct NumberShape {
  std::uint32_t layers = 2, heads = 2, head_dim = 32, blocks = 12, block_tokens = 8;
};

inline KvShape format_shape(std::uint32_t format, const NumberShape &of = {}) {
  KvShape shape{of.layers,
                {{AKV_PLANE_KEYS, 0, of.heads, of.head_dim, 0, 0}, {AKV_PLANE_VALUES, 0, of.heads, of.head_dim, 0, 0}},
                of.blocks,
                of.block_tokens,
                0};
  OK(akv_planes_choose(shape.planes.data(), 2, sizeof(akv_plane), format, of.block_tokens));
  return shape;
}

inline bool by_channel(const KvShape &shape) {
  for (const akv_plane &plane : shape.planes)
    if (plane.scaling == AKV_SCALING_CHANNEL) return true;
  return false;
}

inline Numbers random_numbers(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Numbers numbers(count);
  for (float &x : numbers) x = normal(random);
  return numbers;
}

// Of one head of one token: how far a number may be from what was written. `largest`: of what shares its scale.
inline double error_bound(const akv_plane &plane, double x, double largest, double spread) {
  switch (plane.dtype) {
    case AKV_DTYPE_F32: return 0;
    case AKV_DTYPE_F16: return std::abs(x) / 2048 + 1e-7;
    case AKV_DTYPE_BF16: return std::abs(x) / 256;
    case AKV_DTYPE_F8_E4M3: return std::abs(x) / 16 + largest / 448 / 512;
    case AKV_DTYPE_I8: return largest / 127 / 2 * 1.01;
    default: return spread / 15 / 2 * 1.02;
  }
}

// [layer][plane][token][head][dim] of a sequence's first tokens, as float32.
inline Numbers gathered(akv_store *store, const std::vector<std::int32_t> &blocks, std::uint32_t num_tokens,
                        const float *head_scales = nullptr) {
  akv_span span{};
  span.blocks = blocks.data();
  span.num_blocks = static_cast<std::uint32_t>(blocks.size());
  span.num_tokens = num_tokens;
  span.dtype = AKV_DTYPE_F32;
  span.head_scales = head_scales;
  OK(akv_store_span_bytes(store, 0, 0, num_tokens, AKV_DTYPE_F32, &span.bytes));
  Numbers numbers(span.bytes / sizeof(float));
  span.data = numbers.data();
  OK(akv_copy_gather(store, &span, 1, sizeof span, nullptr));
  return numbers;
}

inline void scatter(akv_store *store, const std::vector<std::int32_t> &blocks, Numbers numbers,
                    std::uint32_t num_tokens, akv_stream *stream = nullptr, const float *head_scales = nullptr) {
  akv_span span{};
  span.blocks = blocks.data();
  span.num_blocks = static_cast<std::uint32_t>(blocks.size());
  span.num_tokens = num_tokens;
  span.dtype = AKV_DTYPE_F32;
  span.head_scales = head_scales;
  span.data = numbers.data();
  span.bytes = numbers.size() * sizeof(float);
  OK(akv_copy_scatter(store, &span, 1, sizeof span, stream));
  if (stream != nullptr) OK(akv_stream_wait(stream, AKV_POINT_ALL, 60'000'000'000u));
}

// Attention of one sequence's one query, in float32, over these parts.
inline akv_attention attention_call(const akv_attention_part *parts, std::uint32_t num_parts, std::uint32_t query_heads,
                                    const void *query, void *out) {
  akv_attention call = AKV_ATTENTION_INIT;
  call.num_sequences = 1;
  call.query_heads = query_heads;
  call.dtype = AKV_DTYPE_F32;
  call.query = query;
  call.out = out;
  call.parts = parts;
  call.num_parts = num_parts;
  call.part_size = sizeof *parts;
  return call;
}

}  // namespace akv::test
