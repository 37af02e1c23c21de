// plane_piece.cpp: the addresses of what two stores have in common.
// It knows stores and kernels; not who asks.
#include "data/plane_piece.hpp"

namespace akv {
namespace {

PoolRows rows_of(const PlanePlace &place, std::uint32_t plane, Heads heads) {
  PoolRows rows = element_rows(place.store.region(place.layer_index, plane));
  rows.data += (heads.first - place.store.layout().plane(plane).first_head) * rows.head_stride;
  return rows;
}

PoolRows scales_of(const PlanePlace &place, std::uint32_t plane, Heads heads) {
  const PlaneShape &shape = place.store.layout().plane(plane);
  PoolRows rows = scale_rows(place.store.region(place.layer_index, plane));
  if (rows.data != nullptr) rows.data += (heads.first - shape.first_head) * (shape.all_scale_bytes / shape.all_heads);
  return rows;
}

}  // namespace

PlanePiece::PlanePiece(const PlanePlace &from, const PlanePlace &to, std::uint32_t plane, Heads heads) noexcept {
  const PlaneShape &shape = to.store.layout().plane(plane);
  const std::uint32_t count = heads.end - heads.first, block_tokens = to.store.shape().block_tokens;
  // Scales that are no equal parts are in both as a whole (Layout refuses to split them).
  const std::uint32_t scale_bytes =
      count == shape.all_heads ? shape.all_scale_bytes : shape.all_scale_bytes / shape.all_heads * count;
  elements_ = {
      rows_of(from, plane, heads), rows_of(to, plane, heads), {shape.dim_bytes, count, block_tokens}, nullptr, 0};
  scales_ = {scales_of(from, plane, heads), scales_of(to, plane, heads), {scale_bytes, 1, block_tokens}, nullptr, 0};
}

void PlanePiece::copy(const BlockCopy *copies, std::uint64_t count, std::uint32_t past_caches) const noexcept {
  for (BlockArguments arguments : {elements_, scales_}) {
    if (arguments.shape.row_bytes == 0) continue;
    arguments.copies = copies;
    arguments.num_copies = count;
    arguments.past_caches = past_caches;
    kernels().copy.copy_blocks(arguments);
  }
}

bool PlanePiece::same(const BlockCopy *copies, std::uint64_t count) const noexcept {
  for (BlockArguments arguments : {elements_, scales_}) {
    if (arguments.shape.row_bytes == 0) continue;
    arguments.copies = copies;
    arguments.num_copies = count;
    if (!kernels().copy.same_blocks(arguments)) return false;
  }
  return true;
}

}  // namespace akv
