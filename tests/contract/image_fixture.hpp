// image_fixture.hpp: caches of a given geometry with stores of any shards, and K/V that every byte of can be told.
// It knows the public API only; it finds bytes by akv_store_read_region(), so it shares no code with what it tests.
#pragma once

#include "fixture.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace akv::test {

struct Geometry {
  std::vector<akv_plane> planes;
  std::uint32_t layers = 1;

  static Geometry scaled() {  // keys of 8 bits with scales, two heads; values of 16
    return {{{AKV_PLANE_KEYS, AKV_DTYPE_I8, 2, 6, 4, 0}, {AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 3, 0, 0}}, 3};
  }
  static Geometry latent() { return {{{AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, 40, 0, 0}}, 2}; }
  static Geometry nibbles() { return {{{AKV_PLANE_KEYS, AKV_DTYPE_I4, 2, 3, 5, 0}}, 2}; }  // heads can't be told apart
  static Geometry mixed() {  // a plane that every shard of heads has
    return {{{AKV_PLANE_KEYS, AKV_DTYPE_F16, 4, 2, 0, 0}, {AKV_PLANE_LATENT, AKV_DTYPE_F32, 1, 5, 0, 0}}, 2};
  }

  // What a plane's token is made of.
  static std::uint32_t bits(std::uint32_t dtype) {
    return dtype == AKV_DTYPE_F32 ? 32 : dtype <= AKV_DTYPE_BF16 ? 16 : dtype == AKV_DTYPE_I4 ? 4 : 8;
  }
  std::uint32_t heads(std::uint32_t plane) const {
    return planes[plane].head_dim * bits(planes[plane].dtype) % 8 == 0 ? planes[plane].kv_heads : 1;
  }
  std::uint32_t head_bytes(std::uint32_t plane) const {
    const akv_plane &p = planes[plane];
    return p.kv_heads * p.head_dim * bits(p.dtype) / 8 / heads(plane);
  }
  std::uint64_t token_bytes() const {
    std::uint64_t bytes = 0;
    for (std::uint32_t i = 0; i < planes.size(); ++i) bytes += heads(i) * head_bytes(i) + planes[i].scale_bytes;
    return bytes * layers;
  }
};

// What a byte of K/V is to hold.
inline unsigned char byte_of(std::uint32_t position, std::uint32_t layer, std::uint32_t plane, std::uint32_t index) {
  std::uint32_t x = position * 0x9e3779b1u ^ layer * 0x85ebca6bu ^ plane * 0xc2b2ae35u ^ index * 0x27d4eb2fu;
  x ^= x >> 15;
  x *= 0x2c1b3c6du;
  return static_cast<unsigned char>(x >> 13 | 1);  // never 0: a byte that was not written is found
}

struct Config {
  std::uint32_t block_tokens = 4;
  std::uint32_t num_blocks = 32;
  void (*more)(akv_cache_config &) = nullptr;
};

struct ImageCache : Cache {
  explicit ImageCache(const Geometry &its, const Config &config = {}) : Cache(prepare(its, config)), geometry(its) {}
  Geometry geometry;

 private:
  using Change = void (*)(akv_cache_config &);
  static Change prepare(const Geometry &its, const Config &config) {
    static akv_layer_group group;
    static Config wanted;
    group = {AKV_RULE_FULL,
             its.layers,
             static_cast<std::uint32_t>(its.planes.size()),
             sizeof(akv_plane),
             its.planes.data(),
             0,
             0};
    wanted = config;
    return [](akv_cache_config &c) {
      c.block_tokens = wanted.block_tokens;
      c.num_blocks = wanted.num_blocks;
      c.groups = &group;
      c.num_groups = 1;
      c.group_size = sizeof group;
      if (wanted.more != nullptr) wanted.more(c);
    };
  }
};

// A shard: some layers (none: all) and heads (0: all), in a layout.
struct Shard {
  std::vector<std::uint32_t> layers;
  std::uint32_t first_head = 0;
  std::uint32_t num_heads = 0;
  std::uint32_t layout = AKV_LAYOUT_LAYER_OUTER;
  std::uint32_t heads = AKV_HEADS_INNER;
  std::uint32_t columns = AKV_STORE_BLOCKS;
};

class ImageStores {
 public:
  ImageStores(const ImageCache &cache, std::vector<Shard> shards = {Shard{}})
      : cache_(cache), shards_(std::move(shards)) {
    for (const Shard &shard : shards_) {
      akv_store_config config = AKV_STORE_CONFIG_INIT;
      config.layout = shard.layout;
      config.heads = shard.heads;
      config.columns = shard.columns;
      config.first_head = shard.first_head;
      config.num_heads = shard.num_heads;
      config.layers = shard.layers.empty() ? nullptr : shard.layers.data();
      config.num_layers = static_cast<std::uint32_t>(shard.layers.size());
      akv_store *store = nullptr;
      OK(akv_store_create(cache, &config, &store));
      handles_.push_back(store);
    }
  }
  ~ImageStores() {
    for (akv_store *const store : handles_) CHECK(akv_store_destroy(store) == AKV_OK);
  }
  ImageStores(const ImageStores &) = delete;
  ImageStores &operator=(const ImageStores &) = delete;

  akv_store *const *data() const { return handles_.data(); }
  std::uint32_t count() const { return static_cast<std::uint32_t>(handles_.size()); }

  // what(byte, position, expected) for every byte of tokens first .. end - 1, wherever it lies.
  template <class What>
  void for_each_byte(const std::vector<std::int32_t> &blocks, std::uint32_t first, std::uint32_t end, What what) const {
    const Geometry &g = cache_.geometry;
    const std::uint32_t block_tokens = cache_.state().block_tokens;
    for (std::size_t i = 0; i < handles_.size(); ++i)
      for (std::uint32_t layer = 0; layer < g.layers; ++layer) {
        const Shard &shard = shards_[i];
        if (!shard.layers.empty() && std::count(shard.layers.begin(), shard.layers.end(), layer) == 0) continue;
        for (std::uint32_t plane = 0; plane < g.planes.size(); ++plane) {
          akv_region region;
          OK(akv_store_read_region(handles_[i], layer, plane, &region, sizeof region));
          const bool part = shard.num_heads != 0 && g.heads(plane) > 1;
          const std::uint32_t heads = part ? shard.num_heads : g.heads(plane);
          const std::uint32_t first_head = part ? shard.first_head : 0, width = g.head_bytes(plane);
          const std::uint32_t all_scales = g.planes[plane].scale_bytes;
          const std::uint32_t scales = all_scales / g.heads(plane) * heads;
          for (std::uint32_t at = first; at < end; ++at) {
            const std::int64_t block = blocks[at / block_tokens], token = at % block_tokens;
            auto *row =
                static_cast<unsigned char *>(region.data) + block * region.block_stride + token * region.token_stride;
            for (std::uint32_t h = 0; h < heads; ++h)
              for (std::uint32_t b = 0; b < width; ++b)
                what(row[h * region.head_stride + b], byte_of(at, layer, plane, (first_head + h) * width + b));
            if (all_scales == 0) continue;
            row = static_cast<unsigned char *>(region.scales) + block * region.scales_block_stride +
                  token * region.scales_token_stride;
            const std::uint32_t first_scale = part ? all_scales / g.heads(plane) * first_head : 0;
            for (std::uint32_t b = 0; b < (part ? scales : all_scales); ++b)
              what(row[b], byte_of(at, layer, plane, 10000 + first_scale + b));
          }
        }
      }
  }
  void write(akv_sequence sequence, std::uint32_t first, std::uint32_t end) const {
    for_each_byte(cache_.blocks(sequence), first, end,
                  [](unsigned char &byte, unsigned char wanted) { byte = wanted; });
  }
  std::uint64_t wrong(const std::vector<std::int32_t> &blocks, std::uint32_t end) const {
    std::uint64_t count = 0;
    for_each_byte(blocks, 0, end, [&count](unsigned char byte, unsigned char wanted) { count += byte != wanted; });
    return count;
  }
  std::uint64_t wrong(akv_sequence sequence, std::uint32_t end) const { return wrong(cache_.blocks(sequence), end); }
  // Bytes of all blocks, one behind the other.
  std::vector<unsigned char> everything() const {
    const akv_cache_state state = cache_.state();
    std::vector<std::int32_t> all(state.num_blocks + 1);
    std::iota(all.begin(), all.end(), 0);
    std::vector<unsigned char> bytes;
    for_each_byte(all, 0, (state.num_blocks + 1) * state.block_tokens,
                  [&bytes](unsigned char byte, unsigned char) { bytes.push_back(byte); });
    return bytes;
  }
  // What was moved, by kind, of all stores together.
  std::uint64_t moved(std::uint32_t kind) const {
    std::uint64_t bytes = 0;
    for (akv_store *const store : handles_) {
      akv_copy_stats lines[32];
      std::uint32_t count = 0;
      OK(akv_store_read_stats(store, lines, sizeof lines[0], 32, &count));
      for (std::uint32_t i = 0; i < count; ++i)
        if (lines[i].kind == kind) bytes += lines[i].bytes;
    }
    return bytes;
  }

 private:
  const ImageCache &cache_;
  std::vector<Shard> shards_;
  std::vector<akv_store *> handles_;
};

// An image in memory that is aligned for any use.
struct Image {
  std::vector<std::uint64_t> words;
  std::uint64_t bytes = 0;

  unsigned char *data() { return reinterpret_cast<unsigned char *>(words.data()); }
  const unsigned char *data() const { return reinterpret_cast<const unsigned char *>(words.data()); }
  void resize(std::uint64_t size) {
    words.resize((size + 7) / 8);
    bytes = size;
  }
  bool operator==(const Image &other) const {
    return bytes == other.bytes && std::memcmp(data(), other.data(), bytes) == 0;
  }
};

// A sequence of these tokens, with all its bytes.
inline akv_sequence filled(const ImageCache &cache, const ImageStores &stores, const Tokens &tokens,
                           std::uint64_t domain = 0) {
  const akv_created created = cache.create(tokens, 0, domain);
  if (created.plan != AKV_NONE) cache.finish(created.plan);
  stores.write(created.sequence, 0, created.length);
  cache.commit(created.sequence, created.length);
  return created.sequence;
}

inline akv_status try_save(const ImageCache &cache, const ImageStores &stores, akv_sequence sequence, Image &image,
                           const akv_save_options *options = nullptr, akv_stream *stream = nullptr) {
  std::uint64_t size = 0;
  if (const akv_status status = akv_image_bytes(cache, sequence, options != nullptr ? options->num_tokens : 0, &size);
      status != AKV_OK)
    return status;
  image.resize(size);
  std::uint64_t written = 0;
  const akv_status status = akv_copy_save(cache, sequence, stores.data(), stores.count(), options, image.data(),
                                          image.bytes, &written, stream);
  if (status == AKV_OK) CHECK(written == size);
  return status;
}
inline Image saved(const ImageCache &cache, const ImageStores &stores, akv_sequence sequence,
                   const akv_save_options *options = nullptr) {
  Image image;
  OK(try_save(cache, stores, sequence, image, options));
  OK(akv_image_check(image.data(), image.bytes, nullptr));
  return image;
}
inline akv_status try_load(const ImageCache &cache, const ImageStores &stores, const Image &image, akv_created &created,
                           const akv_load_options *options = nullptr, akv_stream *stream = nullptr) {
  return akv_copy_load(cache, image.data(), image.bytes, options, stores.data(), stores.count(), &created, stream);
}
inline akv_created loaded(const ImageCache &cache, const ImageStores &stores, const Image &image,
                          const akv_load_options *options = nullptr) {
  akv_created created = AKV_CREATED_INIT;
  OK(try_load(cache, stores, image, created, options));
  return created;
}

}  // namespace akv::test
