// kv_shape.hpp: what the K/V of a token are in bytes, worked out from planes alone, and which part of them a store has.
// It knows the public API; nothing of how the library lays a store out.
//
// In the shadow a token is one string of bytes: [layer][plane][head][dim], a plane's scales behind its elements.
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

struct KvShape {
  std::uint32_t layers = 0;
  std::vector<akv_plane> planes;
  std::vector<PlaneBytes> bytes;
  std::size_t layer_bytes = 0;
  std::uint32_t shard_heads = 0;  // 0: heads can't be shards
  bool heads_outer = true;        // they may be

  explicit KvShape(Random &random);
  KvShape() = default;
  std::size_t token_bytes() const { return layers * layer_bytes; }

 private:
  void work_out();
};

// What a store has of one plane of one layer.
struct Slice {
  std::uint32_t layer, plane, heads, dim_bytes, scale_bytes;
  std::size_t elements_at, scales_at;  // in a token of the shadow
  std::size_t row_bytes() const { return std::size_t{heads} * dim_bytes; }
  std::size_t bytes() const { return row_bytes() + scale_bytes; }
};

// The slices of a shard, layers outermost. `num_heads` 0: all.
std::vector<Slice> slices_of(const KvShape &shape, const std::vector<std::uint32_t> &layers, std::uint32_t first_head,
                             std::uint32_t num_heads);

// Bytes of a token that are in both.
std::size_t common_bytes(const std::vector<Slice> &a, const std::vector<Slice> &b);

// The K/V of the token whose identity is `stamp`; 0: zeroes.
void fill_token(std::uint64_t stamp, Byte *token, std::size_t bytes);

}  // namespace bytes_test
