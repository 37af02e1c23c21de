// untouchable.hpp: stores of a cache over memory that nobody may read or write (PROT_NONE): so whoever touches a K/V
// byte dies. Test programs make them beside each of their caches where ARENAKV_TESTS_UNTOUCHABLE is set, and so show
// that META calls touch none. It knows the public API; no test framework.
#pragma once

#include "arenakv.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <sys/mman.h>

namespace akv::test {

class UntouchableStores {
 public:
  static bool wanted() { return std::getenv("ARENAKV_TESTS_UNTOUCHABLE") != nullptr; }

  // Two shards of the layers (one where there is one), the second by heads apart, and one store of the swap blocks.
  explicit UntouchableStores(akv_cache *cache) : cache_(cache) {
    must(akv_cache_read_config(cache, &config_), "read_config");
    akv_layer_group group = {};
    group.plane_size = sizeof(akv_plane);
    planes_.resize(64);
    must(akv_cache_read_group(cache, 0, &group, sizeof group, planes_.data(), 64), "read_group");
    planes_.resize(group.num_planes);
    const std::uint32_t border = group.num_layers > 1 ? group.num_layers / 2 : group.num_layers;
    add(AKV_STORE_BLOCKS, 0, border, AKV_HEADS_INNER);
    if (border != group.num_layers) add(AKV_STORE_BLOCKS, border, group.num_layers, AKV_HEADS_OUTER);
    if (config_.num_swap_blocks != 0) add(AKV_STORE_SWAP_BLOCKS, 0, group.num_layers, AKV_HEADS_INNER);
  }
  ~UntouchableStores() {
    for (const Store &store : stores_) {
      if (store.handle != nullptr) {
        look_at(store);
        must(akv_store_destroy(store.handle), "store_destroy");
      }
      munmap(store.memory, store.bytes);
    }
  }
  UntouchableStores(const UntouchableStores &) = delete;
  UntouchableStores &operator=(const UntouchableStores &) = delete;

  std::size_t count() const { return stores_.size(); }
  akv_store *operator[](std::size_t index) const { return stores_[index].handle; }

 private:
  struct Store {
    akv_store *handle;
    void *memory;
    std::size_t bytes;
    std::uint32_t first_layer;
  };

  void add(std::uint32_t columns, std::uint32_t first_layer, std::uint32_t end_layer, std::uint32_t heads) {
    static const std::uint32_t bits_of[] = {0, 32, 16, 16, 8, 8, 4};
    const std::uint64_t blocks = columns == AKV_STORE_BLOCKS ? config_.num_blocks : config_.num_swap_blocks;
    const std::uint64_t tokens = config_.block_tokens;
    std::vector<akv_region> regions;
    std::vector<std::uint32_t> layers;
    std::uint64_t bytes = 0;
    for (std::uint32_t layer = first_layer; layer < end_layer; ++layer) {
      layers.push_back(layer);
      for (const akv_plane &plane : planes_) {
        // (Heads whose elements of 4 bits can't be apart lie in their token as one.)
        const std::uint64_t bits = std::uint64_t{plane.head_dim} * bits_of[plane.dtype],
                            all = plane.kv_heads * bits / 8;
        const bool apart = bits % 8 == 0, outer = heads == AKV_HEADS_OUTER && apart;
        const std::uint64_t head = apart ? bits / 8 : all;
        akv_region region = {};
        region.bytes = (blocks + 1) * tokens * all;
        region.block_stride = static_cast<std::int64_t>(tokens * all);
        region.token_stride = static_cast<std::int64_t>(outer ? head : all);
        region.head_stride = static_cast<std::int64_t>(outer ? tokens * head : head);
        region.scales_bytes = (blocks + 1) * tokens * plane.scale_bytes;
        region.scales_token_stride = plane.scale_bytes;
        region.scales_block_stride = static_cast<std::int64_t>(tokens * plane.scale_bytes);
        bytes += region.bytes + region.scales_bytes;
        regions.push_back(region);
      }
    }
    if (bytes > std::uint64_t{1} << 40) return;  // a test of sizes, not of bytes
    void *memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;  // a test of a process that has no memory
    auto *at = static_cast<unsigned char *>(memory);
    for (akv_region &region : regions) {
      region.data = at;
      at += region.bytes;
      region.scales = region.scales_bytes != 0 ? at : nullptr;
      at += region.scales_bytes;
    }
    akv_store_config config = AKV_STORE_CONFIG_INIT;
    config.columns = columns;
    config.num_layers = static_cast<std::uint32_t>(layers.size());
    config.layers = layers.data();
    config.num_regions = static_cast<std::uint32_t>(regions.size());
    config.region_size = sizeof(akv_region);
    config.regions = regions.data();
    stores_.push_back({nullptr, memory, bytes, first_layer});
    must(akv_store_create(cache_, &config, &stores_.back().handle), "store_create");
  }

  // Every META call on a store. (None that fails: tests look at their own last error.)
  void look_at(const Store &store) const {
    akv_store_info info = AKV_STORE_INFO_INIT;
    must(akv_store_read_info(store.handle, &info), "read_info");
    akv_copy_stats lines[16];
    std::uint32_t count = 0;
    must(akv_store_read_stats(store.handle, lines, sizeof lines[0], 16, &count), "read_stats");
    akv_region region = {};
    akv_view view = AKV_VIEW_INIT;
    const std::int32_t first = 1;
    must(akv_store_read_region(store.handle, store.first_layer, 0, &region, sizeof region), "read_region");
    must(akv_store_read_view(store.handle, store.first_layer, 0, &view), "read_view");
    must(akv_store_check_view(store.handle, &view), "check_view");
    must(akv_store_read_sequence_view(store.handle, store.first_layer, 0, &first, 1, 1, &view), "sequence_view");
    std::uint64_t bytes = 0;
    must(akv_store_span_bytes(store.handle, store.first_layer, 0, 1, 0, &bytes), "span_bytes");
    if (count != 0) must(AKV_ERROR_DAMAGED, "a byte was moved");
  }

  static void must(akv_status status, const char *what) {
    if (status == AKV_OK) return;
    char text[400];
    akv_last_error(text, sizeof text);
    std::printf("untouchable stores: %s: %s: %s\n", what, akv_status_name(status), text);
    std::fflush(stdout);
    std::abort();
  }

  akv_cache *cache_;
  akv_cache_config config_ = AKV_CACHE_CONFIG_INIT;
  std::vector<akv_plane> planes_;
  std::vector<Store> stores_;
};

}  // namespace akv::test
