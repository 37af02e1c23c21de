// kv_shape.cpp: geometries to choose from, and the arithmetic of shards, done without the library.
// It knows the public API's constants only.
#include "kv_shape.hpp"

#include <algorithm>
#include <cstring>

namespace bytes_test {

KvShape::KvShape(Random &random) {
  using P = akv_plane;
  static const std::vector<std::vector<akv_plane>> choices = {
      {P{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 0, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 4, 0, 0}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_F32, 1, 3, 0, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_BF16, 1, 5, 0, 0}},
      {P{AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, 18, 0, 0}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_I8, 4, 8, 16, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_I8, 4, 8, 8, 0}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_I8, 2, 6, 3, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_F8_E4M3, 2, 6, 0, 0}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_I4, 2, 8, 4, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_I4, 2, 6, 2, 0}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_I4, 2, 3, 2, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_I4, 4, 5, 0, 0}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_F16, 4, 2, 0, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_I4, 4, 2, 4, 0},
       P{AKV_PLANE_LATENT, AKV_DTYPE_I8, 1, 7, 1, 0}},
  };
  planes = choices[random.below(static_cast<std::uint32_t>(choices.size()))];
  layers = random.between(1, 4);
  if (random.one_in(12))  // so large that workers share a piece of work
    for (akv_plane &plane : planes) plane.head_dim *= 64;
  work_out();
}

void KvShape::work_out() {
  static const std::uint32_t bits_of[] = {0, 32, 16, 16, 8, 8, 4};
  bool splits = true;
  for (const akv_plane &plane : planes) {
    const std::uint32_t bits = plane.head_dim * bits_of[plane.dtype];
    const bool apart = bits % 8 == 0;
    PlaneBytes of{plane.kv_heads, bits / 8, plane.scale_bytes, layer_bytes, plane.kv_heads > 1};
    if (!apart) {
      of = {1, plane.kv_heads * bits / 8, plane.scale_bytes, layer_bytes, false};
      if (plane.kv_heads > 1) splits = heads_outer = false;
    }
    if (of.splits) {
      if (shard_heads != 0 && shard_heads != plane.kv_heads) splits = false;
      if (plane.scale_bytes % plane.kv_heads != 0) splits = false;
      shard_heads = plane.kv_heads;
    }
    bytes.push_back(of);
    layer_bytes += std::size_t{of.heads} * of.dim_bytes + of.scale_bytes;
  }
  if (!splits) shard_heads = 0;
}

std::vector<Slice> slices_of(const KvShape &shape, const std::vector<std::uint32_t> &layers, std::uint32_t first_head,
                             std::uint32_t num_heads) {
  std::vector<Slice> slices;
  for (const std::uint32_t layer : layers)
    for (std::uint32_t plane = 0; plane < shape.bytes.size(); ++plane) {
      const PlaneBytes &all = shape.bytes[plane];
      const bool part = all.splits && num_heads != 0;
      const std::uint32_t first = part ? first_head : 0, heads = part ? num_heads : all.heads;
      const std::uint32_t scales_of_a_head = part ? all.scale_bytes / all.heads : 0;
      const std::size_t at = layer * shape.layer_bytes + all.at;
      slices.push_back({layer, plane, heads, all.dim_bytes, part ? scales_of_a_head * heads : all.scale_bytes,
                        at + std::size_t{first} * all.dim_bytes,
                        at + std::size_t{all.heads} * all.dim_bytes + std::size_t{first} * scales_of_a_head});
    }
  return slices;
}

namespace {

std::size_t overlap(std::size_t a, std::size_t a_bytes, std::size_t b, std::size_t b_bytes) {
  const std::size_t first = std::max(a, b), end = std::min(a + a_bytes, b + b_bytes);
  return first < end ? end - first : 0;
}

}  // namespace

std::size_t common_bytes(const std::vector<Slice> &a, const std::vector<Slice> &b) {
  std::size_t sum = 0;
  for (const Slice &x : a)
    for (const Slice &y : b)
      sum += overlap(x.elements_at, x.row_bytes(), y.elements_at, y.row_bytes()) +
             overlap(x.scales_at, x.scale_bytes, y.scales_at, y.scale_bytes);
  return sum;
}

void fill_token(std::uint64_t stamp, Byte *token, std::size_t bytes) {
  std::memset(token, 0, bytes);
  if (stamp == 0) return;
  Random random{stamp};
  for (std::size_t at = 0; at < bytes; at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(token + at, &word, std::min<std::size_t>(8, bytes - at));
  }
}

}  // namespace bytes_test
