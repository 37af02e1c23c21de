// stores.hpp: caches of any geometry, stores over them in any layout, memory with guard pages around it, and what a
// store holds as one plain string of bytes, read without the library's help.
// It knows the public API only.
#pragma once

#include "fixture.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <random>

#include <sys/mman.h>
#include <unistd.h>

namespace akv::test {

using Byte = unsigned char;
using ByteString = std::vector<Byte>;

struct KvShape {
  std::uint32_t layers = 2;
  std::vector<akv_plane> planes = {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 0, 0},
                                   {AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 4, 0, 0}};
  std::uint32_t blocks = 8;
  std::uint32_t block_tokens = 4;
  std::uint32_t swap_blocks = 0;
};

struct KvCache : Cache {
  explicit KvCache(const KvShape &of) : Cache((wanted() = &of, &configure)), shape(of) {}
  const KvShape shape;

 private:
  static const KvShape *&wanted() {
    static const KvShape *shape = nullptr;
    return shape;
  }
  static void configure(akv_cache_config &config) {
    static akv_layer_group group;
    const KvShape &shape = *wanted();
    group = {AKV_RULE_FULL,
             shape.layers,
             static_cast<std::uint32_t>(shape.planes.size()),
             sizeof(akv_plane),
             shape.planes.data(),
             0,
             0};
    config.num_groups = 1;
    config.group_size = sizeof group;
    config.groups = &group;
    config.num_blocks = shape.blocks;
    config.block_tokens = shape.block_tokens;
    config.num_swap_blocks = shape.swap_blocks;
    config.max_pinned_blocks = 0;
  }
};

// Memory whose last byte lies in front of a page that may not be touched; and so does its first, if it fills its pages.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : bytes_(bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (bytes + page - 1) / page * page + 2 * page;
    base_ = static_cast<Byte *>(mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    REQUIRE(mprotect(base_ + page, mapped_ - 2 * page, PROT_READ | PROT_WRITE) == 0);
    data_ = base_ + mapped_ - page - bytes;
  }
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;
  ~Guarded() { munmap(base_, mapped_); }
  Byte *data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  std::size_t bytes_, mapped_ = 0;
  Byte *base_ = nullptr, *data_ = nullptr;
};

// What one plane has in a store, worked out from the geometry alone.
struct PlaneFacts {
  std::uint32_t first_head, heads, dim_bytes, scale_bytes;
  std::size_t token_bytes() const { return std::size_t{heads} * dim_bytes + scale_bytes; }
};
inline PlaneFacts plane_facts(const akv_plane &plane, std::uint32_t first_head, std::uint32_t num_heads) {
  static const std::uint32_t bits[] = {0, 32, 16, 16, 8, 8, 4};
  const std::uint32_t dim_bits = plane.head_dim * bits[plane.dtype];
  if (dim_bits % 8 != 0) return {0, 1, plane.kv_heads * dim_bits / 8, plane.scale_bytes};
  if (plane.kv_heads == 1 || num_heads == 0) return {0, plane.kv_heads, dim_bits / 8, plane.scale_bytes};
  return {first_head, num_heads, dim_bits / 8, plane.scale_bytes / plane.kv_heads * num_heads};
}

class KvStore {
 public:
  using Change = std::function<void(akv_store_config &)>;
  explicit KvStore(const KvCache &cache, const Change &change = nullptr) : cache_(cache) {
    akv_store_config config = AKV_STORE_CONFIG_INIT;
    if (change != nullptr) change(config);
    OK(akv_store_create(cache, &config, &handle_));
    for (std::uint32_t i = 0; i < (config.num_layers != 0 ? config.num_layers : cache.shape.layers); ++i)
      layers_.push_back(config.num_layers != 0 ? config.layers[i] : i);
    for (const akv_plane &plane : cache.shape.planes)
      planes_.push_back(plane_facts(plane, config.first_head, config.num_heads));
    columns_ = (config.columns == AKV_STORE_BLOCKS ? cache.shape.blocks : cache.shape.swap_blocks) + 1;
  }
  ~KvStore() { CHECK(akv_store_destroy(handle_) == AKV_OK); }
  KvStore(const KvStore &) = delete;
  KvStore &operator=(const KvStore &) = delete;
  operator akv_store *() const { return handle_; }

  const std::vector<std::uint32_t> &layers() const { return layers_; }
  const std::vector<PlaneFacts> &planes() const { return planes_; }
  std::uint32_t columns() const { return columns_; }
  std::uint32_t block_tokens() const { return cache_.shape.block_tokens; }
  std::size_t bytes_per_token() const {
    std::size_t sum = 0;
    for (const PlaneFacts &plane : planes_) sum += plane.token_bytes();
    return sum * layers_.size();
  }
  akv_region region(std::uint32_t layer, std::uint32_t plane) const {
    akv_region region{};
    OK(akv_store_read_region(handle_, layer, plane, &region, sizeof region));
    return region;
  }
  akv_store_info info() const {
    akv_store_info info = AKV_STORE_INFO_INIT;
    OK(akv_store_read_info(handle_, &info));
    return info;
  }
  akv_copy_stats stats(std::uint32_t kind) const {
    akv_copy_stats lines[16];
    std::uint32_t count = 0;
    OK(akv_store_read_stats(handle_, lines, sizeof lines[0], 16, &count));
    for (std::uint32_t i = 0; i < count; ++i)
      if (lines[i].kind == kind) return lines[i];
    return {kind, 0, 0, 0, 0, 0, 0, 0};
  }

  // Everything that it holds: [layer][plane][block][token], of each the heads and behind them the scales.
  ByteString everything() const {
    ByteString all(offset(layers_.size(), 0, 0, 0));
    for_each_token([&all](Byte *row, std::size_t bytes, std::size_t at) { std::memcpy(&all[at], row, bytes); });
    return all;
  }
  void fill(const ByteString &all) const {
    for_each_token([&all](Byte *row, std::size_t bytes, std::size_t at) { std::memcpy(row, &all[at], bytes); });
  }
  void fill_with(std::uint32_t seed) const {
    ByteString all(offset(layers_.size(), 0, 0, 0));
    std::mt19937 random(seed);
    for (Byte &byte : all) byte = static_cast<Byte>(random());
    fill(all);
  }
  // Where a token of a plane begins in everything(): by the index of the layer in the store.
  std::size_t offset(std::size_t layer, std::size_t plane, std::size_t block, std::size_t token) const {
    std::size_t before = 0, all = 0;
    for (std::size_t i = 0; i < planes_.size(); ++i) (i < plane ? before : all) += planes_[i].token_bytes();
    all += before;
    const std::size_t tokens = std::size_t{columns_} * block_tokens();
    const std::size_t in_plane = plane < planes_.size() ? planes_[plane].token_bytes() : 0;
    return (layer * all + before) * tokens + (block * block_tokens() + token) * in_plane;
  }

 private:
  template <class What>
  void for_each_token(What what) const {
    for (std::size_t layer = 0; layer < layers_.size(); ++layer)
      for (std::uint32_t plane = 0; plane < planes_.size(); ++plane) {
        const akv_region r = region(layers_[layer], plane);
        const PlaneFacts &facts = planes_[plane];
        for (std::uint32_t block = 0; block < columns_; ++block)
          for (std::uint32_t token = 0; token < block_tokens(); ++token) {
            std::size_t at = offset(layer, plane, block, token);
            for (std::uint32_t head = 0; head < facts.heads; ++head, at += facts.dim_bytes)
              what(static_cast<Byte *>(r.data) + block * r.block_stride + token * r.token_stride + head * r.head_stride,
                   facts.dim_bytes, at);
            if (facts.scale_bytes != 0)
              what(static_cast<Byte *>(r.scales) + block * r.scales_block_stride + token * r.scales_token_stride,
                   facts.scale_bytes, at);
          }
      }
  }

  const KvCache &cache_;
  akv_store *handle_ = nullptr;
  std::vector<std::uint32_t> layers_;
  std::vector<PlaneFacts> planes_;
  std::uint32_t columns_ = 0;
};

// No stream, or one with some workers; wait() returns when all is done.
class KvStream {
 public:
  explicit KvStream(int workers) {  // -1: none
    if (workers < 0) return;
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = static_cast<std::uint32_t>(workers);
    OK(akv_stream_create(&config, &handle_));
  }
  ~KvStream() { CHECK(akv_stream_destroy(handle_) == AKV_OK); }
  KvStream(const KvStream &) = delete;
  KvStream &operator=(const KvStream &) = delete;
  operator akv_stream *() const { return handle_; }
  akv_status try_wait() const {
    return handle_ == nullptr ? AKV_OK : akv_stream_wait(handle_, AKV_POINT_ALL, 60'000'000'000u);
  }
  void wait() const { OK(try_wait()); }

 private:
  akv_stream *handle_ = nullptr;
};

// Regions of the caller's, each in guarded memory of its own and not a byte longer than it must be.
class OwnRegions {
 public:
  // `pad`: bytes between heads, tokens and blocks, and in front of all: nothing is aligned then.
  OwnRegions(const KvCache &cache, bool heads_outer, std::size_t pad) {
    for (std::uint32_t layer = 0; layer < cache.shape.layers; ++layer)
      for (const akv_plane &plane : cache.shape.planes) add(cache, plane_facts(plane, 0, 0), heads_outer, pad);
  }
  void put_into(akv_store_config &config) const {
    config.num_regions = static_cast<std::uint32_t>(regions_.size());
    config.region_size = sizeof(akv_region);
    config.regions = regions_.data();
  }
  std::vector<akv_region> &regions() { return regions_; }

 private:
  void add(const KvCache &cache, const PlaneFacts &facts, bool heads_outer, std::size_t pad) {
    const std::size_t tokens = cache.shape.block_tokens, columns = cache.shape.blocks + 1;
    akv_region region{};
    const std::size_t inner = facts.dim_bytes + pad;
    const std::size_t middle = inner * (heads_outer ? tokens : facts.heads) + pad;
    const std::size_t outer = middle * (heads_outer ? facts.heads : tokens) + pad;
    region.head_stride = static_cast<std::int64_t>(heads_outer ? middle : inner);
    region.token_stride = static_cast<std::int64_t>(heads_outer ? inner : middle);
    region.block_stride = static_cast<std::int64_t>(outer);
    region.bytes = (columns - 1) * outer + (tokens - 1) * static_cast<std::size_t>(region.token_stride) +
                   (facts.heads - 1) * static_cast<std::size_t>(region.head_stride) + facts.dim_bytes;
    region.data = memory(region.bytes);
    if (facts.scale_bytes != 0) {
      region.scales_token_stride = static_cast<std::int64_t>(facts.scale_bytes + pad);
      region.scales_block_stride = region.scales_token_stride * static_cast<std::int64_t>(tokens + 1);
      region.scales_bytes = (columns - 1) * static_cast<std::size_t>(region.scales_block_stride) +
                            (tokens - 1) * static_cast<std::size_t>(region.scales_token_stride) + facts.scale_bytes;
      region.scales = memory(region.scales_bytes);
    }
    regions_.push_back(region);
  }
  Byte *memory(std::size_t bytes) {
    memory_.push_back(std::make_unique<Guarded>(bytes));
    return memory_.back()->data();
  }
  std::vector<akv_region> regions_;
  std::vector<std::unique_ptr<Guarded>> memory_;
};

// Geometries at the edges: K and V, MLA's one plane, 4 bits in an odd dim, scales by head and by token, one of all.
inline const std::vector<KvShape> &kv_shapes() {
  using P = akv_plane;
  static const std::vector<KvShape> all = {
      {2, {P{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 0, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 4, 0, 0}}, 6, 4, 5},
      {1, {P{AKV_PLANE_KEYS, AKV_DTYPE_F32, 1, 1, 0, 0}}, 1, 1, 1},
      {3, {P{AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, 36, 0, 0}}, 5, 8, 4},
      {2, {P{AKV_PLANE_KEYS, AKV_DTYPE_I8, 4, 8, 16, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_F8_E4M3, 4, 8, 3, 0}}, 5, 3, 7},
      {2, {P{AKV_PLANE_KEYS, AKV_DTYPE_I4, 2, 3, 2, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_I4, 4, 6, 4, 0}}, 4, 5, 4},
      {4,
       {P{AKV_PLANE_KEYS, AKV_DTYPE_F16, 4, 2, 0, 0}, P{AKV_PLANE_VALUES, AKV_DTYPE_F32, 2, 5, 0, 0},
        P{AKV_PLANE_LATENT, AKV_DTYPE_I8, 1, 7, 1, 0}},
       3,
       16,
       3},
  };
  return all;
}

// Every layout; heads apart where the geometry can have them so.
inline std::vector<KvStore::Change> kv_layouts(const KvShape &shape) {
  std::vector<KvStore::Change> all;
  bool apart = true;
  for (const akv_plane &plane : shape.planes)
    if (plane.dtype == AKV_DTYPE_I4 && plane.head_dim % 2 != 0 && plane.kv_heads > 1) apart = false;
  for (const std::uint32_t layout : {AKV_LAYOUT_LAYER_OUTER, AKV_LAYOUT_BLOCK_OUTER})
    for (const std::uint32_t heads : {AKV_HEADS_INNER, AKV_HEADS_OUTER})
      if (apart || heads == AKV_HEADS_INNER)
        all.push_back([=](akv_store_config &config) {
          config.layout = layout;
          config.heads = heads;
        });
  return all;
}

}  // namespace akv::test
