// store_set.cpp: which stores may be in one run, and whether they have all that it needs.
// It knows stores; not records, and no stream.
#include "data/store_set.hpp"

namespace akv {
namespace {

// The KV heads that were asked for, of planes that have more than one.
Heads asked_heads(const Store &store) {
  const LayoutRequest &request = store.layout().request();
  return request.num_heads == 0 ? Heads{0, UINT32_MAX}
                                : Heads{request.first_head, request.first_head + request.num_heads};
}

bool share_a_layer(const Store &a, const Store &b) {
  for (std::uint32_t i = 0; i < a.num_layers(); ++i)
    if (b.has_layer(a.layer_at(i))) return true;
  return false;
}

}  // namespace

Status StoreSet::find(akv_store *const *stores, std::uint32_t num_stores) noexcept {
  if (num_stores > AKV_MAX_OBJECTS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_stores is %llu, a process has at most %llu", num_stores,
                AKV_MAX_OBJECTS);
  for (; count_ < num_stores; ++count_) {
    Status status = Stores::find(stores[count_], stores_[count_]);
    if (status == AKV_OK && !stores_[0]->shape().same_tokens(stores_[count_]->shape()))
      status = fail(AKV_ERROR_OTHER_GEOMETRY, "the store is of another geometry than the first of this call");
    for (std::uint32_t i = 0; status == AKV_OK && i < count_; ++i) status = check_overlap(i, count_);
    if (status != AKV_OK) {
      name_row(count_);
      return status;
    }
  }
  return AKV_OK;
}

Status StoreSet::check_overlap(std::uint32_t first, std::uint32_t second) const noexcept {
  const Store &a = *stores_[first], &b = *stores_[second];
  if (a.columns_kind() != b.columns_kind()) return AKV_OK;
  const Heads mine = asked_heads(a), others = asked_heads(b);
  if (mine.end <= others.first || others.end <= mine.first || !share_a_layer(a, b)) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "stores %llu and %llu overlap: both have the same heads of the same layer",
              first, second);
}

Status StoreSet::check_shape(const StoreShape &shape, std::uint32_t num_swap_blocks) const noexcept {
  for (std::uint32_t i = 0; i < count_; ++i) {
    const Store &store = *stores_[i];
    const std::uint32_t blocks = store.columns_kind() == AKV_STORE_BLOCKS ? shape.num_blocks : num_swap_blocks;
    if (store.shape().same_tokens(shape) && store.shape().num_blocks == blocks) continue;
    return fail(AKV_ERROR_OTHER_GEOMETRY,
                "store %llu is of another geometry than the cache: %llu blocks of %llu tokens, the cache has %llu of "
                "%llu; or their layers or planes differ",
                i, store.shape().num_blocks, store.shape().block_tokens, blocks, shape.block_tokens);
  }
  return AKV_OK;
}

Status StoreSet::check_side(std::uint32_t columns) const noexcept {
  for (std::uint32_t i = 0; i < count_; ++i)
    if (stores_[i]->columns_kind() == columns) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT,
              columns == AKV_STORE_BLOCKS ? "none of the %llu stores has the cache's blocks"
                                          : "none of the %llu stores has the cache's swap blocks",
              count_);
}

bool StoreSet::has(std::uint32_t store, std::uint32_t columns, std::uint32_t layer, std::uint32_t plane,
                   std::uint32_t head, std::uint32_t &index) const noexcept {
  const Store &candidate = *stores_[store];
  if (candidate.columns_kind() != columns) return false;
  const Heads heads = heads_of(candidate.layout().plane(plane));
  return heads.first <= head && head < heads.end && candidate.has_layer(layer, index);
}

Status StoreSet::check_covered(std::uint32_t targets, std::uint32_t sources) const noexcept {
  std::uint64_t unit = 0;
  std::uint32_t missing = 0;
  const auto covered = [&](std::uint32_t store, std::uint32_t layer_index, std::uint32_t plane) {
    missing = store;
    return for_each_source(store, layer_index, plane, sources, [](const PlanePiece &) { return true; });
  };
  for (const std::uint64_t all = num_units(); unit < all; ++unit)
    if (!for_each_place(unit, targets, covered))
      return fail(AKV_ERROR_INVALID_ARGUMENT,
                  targets == AKV_STORE_BLOCKS
                      ? "layer %llu, plane %llu of store %llu is not in the stores of swap blocks"
                      : "layer %llu, plane %llu of store %llu is not in the stores of blocks",
                  unit / stores_[0]->num_planes(), unit % stores_[0]->num_planes(), missing);
  return AKV_OK;
}

Status StoreSet::check_crossing(std::uint32_t from, std::uint32_t to) const noexcept {
  AKV_TRY(check_covered(to, from));
  return check_covered(from, to);
}

Status StoreSet::check_block(std::uint32_t columns, std::int32_t block, bool to_write) const noexcept {
  for (std::uint32_t i = 0; i < count_; ++i)
    if (stores_[i]->columns_kind() == columns) AKV_TRY(stores_[i]->check_block(block, to_write));
  return AKV_OK;
}

std::uint64_t StoreSet::num_units() const noexcept {
  return count_ == 0 ? 0 : std::uint64_t{stores_[0]->shape().geometry.group.num_layers} * stores_[0]->num_planes();
}

}  // namespace akv
