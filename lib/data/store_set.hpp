// store_set.hpp: the stores of one run: shards of the cache's blocks and of its swap blocks, and what must be copied
// from which to which. It knows stores; not records, and no stream.
#pragma once

#include "data/plane_piece.hpp"

namespace akv {

class StoreSet {
 public:
  // Find every store. They are of one geometry, and no two of the same columns have a layer and a head in common.
  Status find(akv_store *const *stores, std::uint32_t num_stores) noexcept;
  // They are made for caches of this shape; `num_swap_blocks`: of that cache.
  Status check_shape(const StoreShape &shape, std::uint32_t num_swap_blocks) const noexcept;
  // Some store has these columns.
  Status check_side(std::uint32_t columns) const noexcept;
  // What is in the stores of `from` columns is in those of `to` columns, every layer and head of it, and the other way
  // round: so nothing is lost on the way out, and nothing is missing on the way back.
  Status check_crossing(std::uint32_t from, std::uint32_t to) const noexcept;
  // A block that all stores of these columns have.
  Status check_block(std::uint32_t columns, std::int32_t block, bool to_write) const noexcept;

  std::uint32_t count() const noexcept { return count_; }
  Store &operator[](std::uint32_t index) const noexcept { return *stores_[index]; }
  std::uint32_t block_tokens() const noexcept { return stores_[0]->shape().block_tokens; }
  // Layers of the cache times planes: the bytes of one such unit depend on no other's.
  std::uint64_t num_units() const noexcept;

  // `what(store, layer_index, plane)` for the stores of `columns` that have a unit; false stops.
  template <class What>
  bool for_each_place(std::uint64_t unit, std::uint32_t columns, What what) const noexcept {
    const std::uint32_t planes = stores_[0]->num_planes();
    const auto layer = static_cast<std::uint32_t>(unit / planes), plane = static_cast<std::uint32_t>(unit % planes);
    for (std::uint32_t store = 0; store < count_; ++store) {
      std::uint32_t index = 0;
      if (stores_[store]->columns_kind() == columns && stores_[store]->has_layer(layer, index) &&
          !what(store, index, plane))
        return false;
    }
    return true;
  }

  // The same for units first .. end - 1, as `what(place)`.
  struct Place {
    std::uint32_t store;
    std::uint32_t layer_index;
    std::uint32_t plane;
  };
  template <class What>
  bool for_each_place_of(std::uint64_t first, std::uint64_t end, std::uint32_t columns, What what) const noexcept {
    const auto with_place = [&what](std::uint32_t store, std::uint32_t layer_index, std::uint32_t plane) {
      return what(Place{store, layer_index, plane});
    };
    for (std::uint64_t unit = first; unit < end; ++unit)
      if (!for_each_place(unit, columns, with_place)) return false;
    return true;
  }

  // `what(piece)` for the pieces that make up a plane of one store's layer, out of stores of `from` columns: of itself,
  // if those are its own. False: a head is in none of them, or `what` said so.
  template <class What>
  bool for_each_source(std::uint32_t store, std::uint32_t layer_index, std::uint32_t plane, std::uint32_t from,
                       What what) const noexcept {
    const Store &target = *stores_[store];
    const PlanePlace to{target, layer_index};
    const std::uint32_t layer = target.layer_at(layer_index);
    Heads left = heads_of(target.layout().plane(plane));
    if (from == target.columns_kind()) return what(PlanePiece(to, to, plane, left));
    while (!left.empty()) {
      std::uint32_t source = 0, index = 0;
      while (source < count_ && !has(source, from, layer, plane, left.first, index)) ++source;
      if (source == count_) return false;
      const std::uint32_t there = heads_of(stores_[source]->layout().plane(plane)).end;
      const Heads piece{left.first, there < left.end ? there : left.end};
      if (!what(PlanePiece({*stores_[source], index}, to, plane, piece))) return false;
      left.first = piece.end;
    }
    return true;
  }

 private:
  bool has(std::uint32_t store, std::uint32_t columns, std::uint32_t layer, std::uint32_t plane, std::uint32_t head,
           std::uint32_t &index) const noexcept;
  Status check_overlap(std::uint32_t first, std::uint32_t second) const noexcept;
  Status check_covered(std::uint32_t targets, std::uint32_t sources) const noexcept;

  Stores::Ref stores_[AKV_MAX_OBJECTS];
  std::uint32_t count_ = 0;
};

}  // namespace akv
