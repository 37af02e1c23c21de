// store.hpp: the bytes of a cache's blocks on the host: layout, memory, and what was moved.
// It knows the geometry of a cache, not the cache; what moves its bytes is in copy_engine.hpp.
#pragma once

#include "base/object_table.hpp"
#include "obs/copy_stats.hpp"
#include "data/host_memory.hpp"
#include "data/layout.hpp"
#include "mem/memory_tracker.hpp"

#include <memory>

namespace akv {

// What a store is made for: the numbers of a cache.
struct StoreShape {
  Geometry geometry;
  std::uint32_t block_tokens = 0;
  std::uint32_t num_blocks = 0;

  // The tokens of a block take the same bytes in both, if not the same number of blocks.
  bool same_tokens(const StoreShape &other) const noexcept;
};

class Store {
 public:
  static constexpr ObjectType kType = ObjectType::store;
  static constexpr const char *kName = "store";

  // `config` has been read and its flags checked; its arrays are the caller's. `tracker`: none, or who is told.
  static Status create(const StoreShape &shape, const akv_store_config &config, Trackers::Ref tracker,
                       std::unique_ptr<Store> &out) noexcept;
  Store() noexcept = default;
  ~Store();
  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;

  const Layout &layout() const noexcept { return layout_; }
  const StoreShape &shape() const noexcept { return shape_; }
  std::uint32_t columns_kind() const noexcept { return columns_kind_; }
  std::uint32_t columns() const noexcept { return layout_.request().columns; }
  std::uint32_t num_layers() const noexcept { return layout_.request().num_layers; }
  std::uint32_t num_planes() const noexcept { return layout_.num_planes(); }
  std::uint64_t epoch() const noexcept { return epoch_; }
  CopyStats &stats() noexcept { return stats_; }

  // The layer of the cache that is stored at `index`.
  std::uint32_t layer_at(std::uint32_t index) const noexcept { return layers_ != nullptr ? layers_[index] : index; }
  // Is a layer of the cache stored here, and where?
  bool has_layer(std::uint32_t layer, std::uint32_t &index) const noexcept {
    index = first_at_or_after(layer);
    return index < num_layers() && layer_at(index) == layer;
  }
  bool has_layer(std::uint32_t layer) const noexcept {
    std::uint32_t index = 0;
    return has_layer(layer, index);
  }
  // Where it is, or OUT_OF_RANGE.
  Status find_layer(std::uint32_t layer, std::uint32_t &index) const noexcept;
  // The first stored layer at or behind `layer`.
  std::uint32_t first_at_or_after(std::uint32_t layer) const noexcept;
  akv_region region(std::uint32_t layer_index, std::uint32_t plane) const noexcept;
  Status check_block(std::int32_t block, bool to_write) const noexcept;

  // store_views.cpp
  Status find_region(std::uint32_t layer, std::uint32_t plane, akv_region &out) const noexcept;
  Status view(std::uint32_t layer, std::uint32_t plane, akv_view &out) const noexcept;
  Status sequence_view(std::uint32_t layer, std::uint32_t plane, const std::int32_t *blocks, std::uint32_t num_blocks,
                       std::uint32_t num_tokens, akv_view &out) const noexcept;
  void info(akv_store_info &out) const noexcept;

  Status warm_up(akv_progress_function progress, void *context) noexcept;

  // A store of rings belongs to one tail at a time. False: it has one.
  bool claim_rings() noexcept { return !has_tail_.exchange(true, std::memory_order_acq_rel); }
  void give_back_rings() noexcept { has_tail_.store(false, std::memory_order_release); }

  // A call marks the blocks it will write with a number of its own, and so learns of one that is named twice.
  std::uint64_t next_mark() noexcept { return marks_made_.fetch_add(1, std::memory_order_relaxed) + 1; }
  bool mark(std::int32_t block, std::uint64_t number) noexcept {  // false: it had that mark
    return mark_of(block).exchange(number, std::memory_order_relaxed) != number;
  }
  bool marked(std::int32_t block, std::uint64_t number) noexcept {
    return mark_of(block).load(std::memory_order_relaxed) == number;
  }

 private:
  Status reserve(const akv_store_config &config) noexcept;
  Status choose_layers(const akv_store_config &config) noexcept;
  Status take_regions(const akv_store_config &config) noexcept;
  Status check_region(const akv_region &region, std::uint32_t layer, std::uint32_t plane) const noexcept;
  Status check_scales(const akv_region &region, std::uint32_t layer, std::uint32_t plane) const noexcept;
  void fill_view(const akv_region &region, std::uint32_t plane, akv_view &out) const noexcept;
  std::atomic<std::uint64_t> &mark_of(std::int32_t block) noexcept {
    return reinterpret_cast<std::atomic<std::uint64_t> *>(marks_.data())[block];
  }

  StoreShape shape_;
  Layout layout_;
  std::uint32_t columns_kind_ = AKV_STORE_BLOCKS;
  std::unique_ptr<std::uint32_t[]> layers_;  // nullptr: all, each at its own number
  std::unique_ptr<akv_region[]> regions_;    // the caller's memory; nullptr: ours
  HostMemory memory_;
  HostMemory marks_;
  Trackers::Ref tracker_;
  std::uint64_t record_ = 0;  // of our memory in the tracker
  std::uint64_t bytes_ = 0;
  std::uint64_t epoch_ = 0;
  std::atomic<std::uint64_t> marks_made_{0};
  std::atomic<bool> has_tail_{false};
  CopyStats stats_;
};

using Stores = ObjectTable<Store, akv_store>;

}  // namespace akv
