// kv_shape.cpp: geometries to choose from, and the arithmetic of shards, done without the library.
// It knows the public API's constants only.
#include "kv_shape.hpp"

#include "reference_numbers.hpp"

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
      {P{AKV_PLANE_KEYS, AKV_DTYPE_I8, 2, 6, 8, AKV_SCALING_TOKEN_HEAD},
       P{AKV_PLANE_VALUES, AKV_DTYPE_F8_E4M3, 2, 10, 8, AKV_SCALING_TOKEN_HEAD}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_F8_E4M3, 4, 8, 16, AKV_SCALING_TOKEN_HEAD},
       P{AKV_PLANE_VALUES, AKV_DTYPE_I4, 4, 34, 32, AKV_SCALING_TOKEN_GROUP}},
      {P{AKV_PLANE_KEYS, AKV_DTYPE_F8_E4M3, 3, 5, 0, AKV_SCALING_HEAD},
       P{AKV_PLANE_VALUES, AKV_DTYPE_I8, 3, 9, 0, AKV_SCALING_HEAD}},
      {P{AKV_PLANE_LATENT, AKV_DTYPE_I8, 1, 36, 4, AKV_SCALING_TOKEN_HEAD}},
  };
  planes = choices[random.below(static_cast<std::uint32_t>(choices.size()))];
  layers = random.between(1, 4);
  if (random.one_in(12))  // so large that workers share a piece of work
    for (akv_plane &plane : planes) {
      plane.head_dim *= 64;
      if (plane.scaling == AKV_SCALING_TOKEN_GROUP) plane.scale_bytes = plane.kv_heads * (plane.head_dim / 32) * 4;
    }
  head_seed = random.next();
  work_out();
}

KvShape KvShape::as(std::uint32_t dtype) const {
  KvShape shape;
  shape.layers = layers;
  shape.planes = planes;
  for (akv_plane &plane : shape.planes) {
    plane.dtype = dtype;
    plane.scaling = AKV_SCALING_NONE;
    plane.scale_bytes = 0;
  }
  shape.work_out();
  return shape;
}

void KvShape::work_out() {
  bool splits = true;
  for (const akv_plane &plane : planes) {
    const std::uint32_t bits = plane.head_dim * akv::test::dtype_bits(plane.dtype);
    const bool numbers = plane.dtype <= AKV_DTYPE_BF16 && plane.scale_bytes == 0;
    converts = converts && (numbers || plane.scaling != AKV_SCALING_NONE);
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
      slices.push_back({layer, plane, first, heads, all.dim_bytes, part ? scales_of_a_head * heads : all.scale_bytes,
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

// -- numbers --

namespace {

constexpr Byte kHighestE4M3 = 0x7e, kNanE4M3 = 0x7f;

// A power of two; or, if nothing is to fit into 16 bits, with 15 bits behind it: such a scale, times a code, is a
// float.
float some_scale(std::uint64_t random, bool in_all) {
  const double fraction = in_all ? 1 : 1 + static_cast<double>(random >> 40 & 0x7fff) / 0x8000;
  return static_cast<float>(std::ldexp(fraction, static_cast<int>(random & 7) - 5));
}

// Between 2^-7 and 2^9, with the 7 bits of fraction that BF16 has; or as many as the dtype has.
void make_moderate(std::uint32_t dtype, Byte *row, std::uint32_t elements, bool in_all) {
  for (std::uint32_t i = 0; i < elements; ++i) {
    if (dtype == AKV_DTYPE_F32) {
      auto word = akv::test::word_at<std::uint32_t>(row, i);
      word = (word & 0x807fffff) | (120 + (word >> 24 & 15)) << 23;
      if (in_all) word &= 0xffff0000;
      std::memcpy(row + i * 4, &word, 4);
      continue;
    }
    const std::uint32_t word = akv::test::word_at<std::uint16_t>(row, i);
    const std::uint32_t half = dtype == AKV_DTYPE_F16
                                   ? (word & 0x83ff & (in_all ? 0xfff8u : ~0u)) | (8 + (word >> 11 & 15)) << 10
                                   : (word & 0x807f) | (120 + (word >> 8 & 15)) << 7;
    const auto put = static_cast<std::uint16_t>(half);
    std::memcpy(row + i * 2, &put, 2);
  }
}

// Codes that are made, and no NaN.
void make_row(std::uint32_t dtype, Byte *row, std::uint32_t elements) {
  for (std::uint32_t i = 0; i < elements; ++i) {
    if (dtype == AKV_DTYPE_I8 && row[i] == 0x80) row[i] = 0x81;
    if (dtype == AKV_DTYPE_F8_E4M3 && (row[i] & 127) == kNanE4M3) --row[i];
  }
}

// {scale, lowest} of 32 elements: 0 and 15 are among the codes, and numbers are small multiples of the scale.
void make_group(Byte *codes, Byte *scales, std::uint32_t elements, std::uint64_t random) {
  const float scale = some_scale(random, true);
  const auto steps = static_cast<int>(random >> 8 & 127) - 100;
  const bool flat = (random >> 16 & 7) == 0;
  if (flat) std::memset(codes, 0, elements / 2);
  else codes[0] = (random >> 20 & 1) != 0 ? 0xf0 : 0x0f;
  akv::test::put_number(AKV_DTYPE_BF16, scales, 0, flat ? 0 : scale);
  akv::test::put_number(AKV_DTYPE_BF16, scales, 1, scale * static_cast<float>(steps));
}

}  // namespace

Exact KvShape::exact(std::uint64_t stamp) {
  const std::uint64_t kind = stamp >> 1 & 31;
  return stamp == 0 || kind > 3 ? Exact::in_all : kind > 0 ? Exact::in_f32 : Exact::never;
}

float KvShape::head_scale(std::uint32_t layer, std::uint32_t plane, std::uint32_t head) const {
  return some_scale(Random::mix(head_seed + (layer * planes.size() + plane) * 64 + head), true);
}

// Random bytes become codes and scales that quantizing their numbers gives.
void KvShape::make_exact(std::uint32_t plane, Byte *data, Random &random, bool in_all) const {
  const akv_plane &of = planes[plane];
  Byte *scales = data + std::size_t{bytes[plane].heads} * bytes[plane].dim_bytes;
  if (of.scaling == AKV_SCALING_NONE) return make_moderate(of.dtype, data, of.kv_heads * of.head_dim, in_all);
  for (std::uint32_t head = 0; head < of.kv_heads; ++head, data += bytes[plane].dim_bytes) {
    if (of.scaling == AKV_SCALING_TOKEN_GROUP) {
      for (std::uint32_t at = 0; at < of.head_dim; at += 32, scales += 4)
        make_group(data + at / 2, scales, std::min(32u, of.head_dim - at), random.next());
      continue;
    }
    make_row(of.dtype, data, of.head_dim);
    if (of.scaling == AKV_SCALING_HEAD) continue;
    const std::uint64_t how = random.next();
    const bool zero = (how >> 60) == 0;
    const Byte highest = of.dtype == AKV_DTYPE_I8 ? 127 : kHighestE4M3;
    if (zero) std::memset(data, 0, of.head_dim);
    else data[(how >> 32) % of.head_dim] = highest;
    akv::test::put_number(AKV_DTYPE_F32, scales, head, zero ? 0 : some_scale(how, in_all));
  }
}

void KvShape::fill(std::uint64_t stamp, Byte *token) const {
  const std::size_t size = token_bytes();
  if (stamp == 0) {
    std::memset(token, 0, size);
    return;
  }
  Random random{stamp};
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(token + at, &word, std::min<std::size_t>(8, size - at));
  }
  const Exact how = exact(stamp);
  if (!converts || how == Exact::never) return;
  for (std::uint32_t layer = 0; layer < layers; ++layer)
    for (std::uint32_t plane = 0; plane < planes.size(); ++plane)
      make_exact(plane, token + layer * layer_bytes + bytes[plane].at, random, how == Exact::in_all);
}

ByteString numbers_of(const KvShape &shape, const std::vector<Slice> &slices, const std::vector<const Byte *> &tokens,
                      std::uint32_t dtype) {
  const std::size_t size = akv::test::dtype_bits(dtype) / 8;
  std::size_t elements = 0;
  for (const Slice &slice : slices) elements += std::size_t{slice.heads} * shape.planes[slice.plane].head_dim;
  ByteString all(elements * tokens.size() * size);
  std::size_t at = 0;
  for (const Slice &slice : slices)
    for (const Byte *token : tokens)
      for (std::uint32_t head = 0; head < slice.heads; ++head) {
        const akv_plane &plane = shape.planes[slice.plane];
        const Byte *row = token + slice.elements_at + std::size_t{head} * slice.dim_bytes;
        const Byte *scales = token + slice.scales_at + std::size_t{head} * (slice.scale_bytes / slice.heads);
        const float scale = shape.head_scale(slice.layer, slice.plane, slice.first_head + head);
        for (std::uint32_t i = 0; i < plane.head_dim; ++i, ++at)
          akv::test::put_number(dtype, all.data(), at, akv::test::scaled_number(plane, row, scales, scale, i));
      }
  return all;
}

std::size_t first_difference(const Byte *got, const Byte *want, std::size_t bytes, std::uint32_t dtype) {
  const std::size_t step = dtype == 0 ? 1 : akv::test::dtype_bits(dtype) / 8;
  if (bytes == 0 || std::memcmp(got, want, bytes) == 0) return bytes;
  for (std::size_t at = 0; at < bytes; at += step) {
    if (std::memcmp(got + at, want + at, step) == 0) continue;
    if (dtype != 0 && std::isnan(akv::test::element_number(dtype, got + at, 0)) &&
        std::isnan(akv::test::element_number(dtype, want + at, 0)))
      continue;
    return at;
  }
  return bytes;
}

}  // namespace bytes_test
