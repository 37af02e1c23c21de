// kv_shape.hpp: what the K/V of a token are in bytes, worked out from planes alone, and which part of them a store has.
// It knows the public API; nothing of how the library lays a store out.
//
// In the shadow a token is one string of bytes: [layer][plane][head][dim], a plane's scales behind its elements. Where
// all planes can be converted, most tokens are numbers that all of F32, F16 and BF16 can hold, in the codes and scales
// that quantizing them gives: then what is read as numbers and written again is the same bytes.
#pragma once

#include "arenakv.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bytes_test {

using Byte = unsigned char;
using ByteString = std::vector<Byte>;

struct Random {
  std::uint64_t state;
  std::uint64_t next() { return mix(state += 0x9e3779b97f4a7c15u); }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  std::uint32_t between(std::uint32_t low, std::uint32_t high) { return low + below(high - low + 1); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }
};

// A plane of one layer: all its heads.
struct PlaneBytes {
  std::uint32_t heads, dim_bytes, scale_bytes;
  std::size_t at;  // in the token's layer
  bool splits;     // its heads can be shards
};

// What of a token comes back from numbers as it was.
enum class Exact {
  in_all,  // F32, F16, BF16
  in_f32,
  never,  // any bytes, NaN and infinity among them
};

struct KvShape {
  std::uint32_t layers = 0;
  std::vector<akv_plane> planes;
  std::vector<PlaneBytes> bytes;
  std::size_t layer_bytes = 0;
  std::uint32_t shard_heads = 0;  // 0: heads can't be shards
  bool heads_outer = true;        // they may be
  bool converts = true;           // all planes are numbers, or codes with a scaling
  std::uint64_t head_seed = 0;    // of the scales of planes with SCALING_HEAD

  explicit KvShape(Random &random);
  KvShape() = default;
  // The same planes as numbers of a dtype.
  KvShape as(std::uint32_t dtype) const;
  std::size_t token_bytes() const { return layers * layer_bytes; }
  // The K/V of the token whose identity is `stamp`; 0: zeroes.
  void fill(std::uint64_t stamp, Byte *token) const;
  static Exact exact(std::uint64_t stamp);
  float head_scale(std::uint32_t layer, std::uint32_t plane, std::uint32_t head) const;

 private:
  void work_out();
  void make_exact(std::uint32_t plane, Byte *data, Random &random, bool in_all) const;
};

// What a store has of one plane of one layer.
struct Slice {
  std::uint32_t layer, plane, first_head, heads, dim_bytes, scale_bytes;
  std::size_t elements_at, scales_at;  // in a token of the shadow
  std::size_t row_bytes() const { return std::size_t{heads} * dim_bytes; }
  std::size_t bytes() const { return row_bytes() + scale_bytes; }
};

// The slices of a shard, layers outermost. `num_heads` 0: all.
std::vector<Slice> slices_of(const KvShape &shape, const std::vector<std::uint32_t> &layers, std::uint32_t first_head,
                             std::uint32_t num_heads);

// Bytes of a token that are in both.
std::size_t common_bytes(const std::vector<Slice> &a, const std::vector<Slice> &b);

// These slices of tokens as numbers of a dtype that can hold them, packed as akv_span has them: the reference.
ByteString numbers_of(const KvShape &shape, const std::vector<Slice> &slices, const std::vector<const Byte *> &tokens,
                      std::uint32_t dtype);

// As `dtype` (0: as they are), NaN being NaN: the first byte of the first difference; `bytes`: there is none.
std::size_t first_difference(const Byte *got, const Byte *want, std::size_t bytes, std::uint32_t dtype);

}  // namespace bytes_test
