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
  std::uint64_t num_units() const noexcept;  // planes of layers, of all stores together
  std::uint32_t block_tokens() const noexcept { return stores_[0]->shape().block_tokens; }

  // `what(unit)` for units first .. end - 1; false stops.
  struct Unit {
    std::uint32_t store, layer_index, plane;
  };
  template <class What>
  bool for_each_unit(std::uint64_t first, std::uint64_t end, What what) const noexcept {
    std::uint64_t at = 0;
    for (std::uint32_t store = 0; store < count_ && at < end; ++store) {
      const std::uint32_t planes = stores_[store]->num_planes();
      const std::uint64_t units = std::uint64_t{stores_[store]->num_layers()} * planes;
      for (std::uint64_t i = first > at ? first - at : 0; i < units && at + i < end; ++i)
        if (!what(Unit{store, static_cast<std::uint32_t>(i / planes), static_cast<std::uint32_t>(i % planes)}))
          return false;
      at += units;
    }
    return true;
  }

  // `what(piece)` for the pieces that make up a unit of the target, out of stores of `from` columns: of itself, if
  // those are its own. False: a head is in no store of them, or `what` said so.
  template <class What>
  bool for_each_source(const Unit &unit, std::uint32_t from, What what) const noexcept {
    const Store &target = *stores_[unit.store];
    const PlanePlace to{target, unit.layer_index};
    const std::uint32_t layer = target.layer_at(unit.layer_index);
    const Heads wanted = heads_of(target.layout().plane(unit.plane));
    if (from == target.columns_kind()) return what(PlanePiece(to, to, unit.plane, wanted));
    for (Heads left = wanted; !left.empty();) {
      std::uint32_t source = 0, index = 0;
      while (source < count_ && !has(source, from, layer, unit.plane, left.first, index)) ++source;
      if (source == count_) return false;
      const std::uint32_t there = heads_of(stores_[source]->layout().plane(unit.plane)).end;
      const Heads piece{left.first, there < left.end ? there : left.end};
      if (!what(PlanePiece({*stores_[source], index}, to, unit.plane, piece))) return false;
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
