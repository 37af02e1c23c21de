// payload.cpp: strides of payloads, and whose turn it is where several stores have the same head.
// It knows stores and images; no cache, no stream.
#include "data/image/payload.hpp"

namespace akv {
namespace {

// Does a store in front of this one have all that it has of this plane and layer? Shards overlap in planes of one head
// only: each of them has it.
bool had_before(const StoreSet &stores, const StoreSet::Place &place) {
  const Store &own = stores[place.store];
  const Heads heads = heads_of(own.layout().plane(place.plane));
  for (std::uint32_t i = 0; i < place.store; ++i) {
    const Heads its = heads_of(stores[i].layout().plane(place.plane));
    if (its.first <= heads.first && heads.end <= its.end && stores[i].has_layer(own.layer_at(place.layer_index)))
      return true;
  }
  return false;
}

// The end of what is stored of a layer's plane from `head` on; `head` itself: nothing.
std::uint32_t stored_to(const StoreSet &stores, std::uint32_t layer, std::uint32_t plane, std::uint32_t head) {
  for (std::uint32_t i = 0; i < stores.count(); ++i) {
    const Heads heads = heads_of(stores[i].layout().plane(plane));
    if (heads.first <= head && head < heads.end && stores[i].has_layer(layer)) return heads.end;
  }
  return head;
}

}  // namespace

Status check_whole(const StoreSet &stores, const Geometry &geometry, std::uint32_t num_tokens) noexcept {
  for (std::uint32_t i = 0; i < stores.count(); ++i)
    if (stores[i].columns_kind() != AKV_STORE_BLOCKS)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "store %llu has swap blocks: name the stores of the cache's blocks", i);
  if (stores.count() == 0) return fail(AKV_ERROR_INVALID_ARGUMENT, "num_stores is 0: the K/V are in no store");
  for (std::uint32_t layer = 0; layer < geometry.group.num_layers; ++layer)
    for (std::uint32_t plane = 0; plane < geometry.group.num_planes; ++plane)
      for (std::uint32_t head = 0; head < stores[0].layout().plane(plane).all_heads;) {
        const std::uint32_t end = stored_to(stores, layer, plane, head);
        if (end == head)
          return fail(AKV_ERROR_INVALID_ARGUMENT, "layer %llu, plane %llu, head %llu is in none of the %llu stores",
                      layer, plane, head, stores.count());
        head = end;
      }
  const std::uint32_t together = geometry.tokens_together(stores.block_tokens());
  if (num_tokens % together != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "%llu tokens: %llu tokens share scales by channel and stay together", num_tokens,
                together);
  return AKV_OK;
}

std::uint64_t moved_bytes_per_token(const StoreSet &stores, std::uint32_t store, bool load) noexcept {
  const Layout &layout = stores[store].layout();
  if (load) return layout.bytes_per_token();
  std::uint64_t bytes = 0;
  for (std::uint32_t layer = 0; layer < stores[store].num_layers(); ++layer)
    for (std::uint32_t plane = 0; plane < layout.num_planes(); ++plane)
      if (!had_before(stores, {store, layer, plane})) bytes += layout.plane(plane).token_bytes();
  return bytes;
}

void move_payload(const StoreSet &stores, const StoreSet::Place &place, const ImageShape &shape,
                  const PayloadMove &move) noexcept {
  if (!move.load && had_before(stores, place)) return;
  const Store &store = stores[place.store];
  const PlaneShape &plane = store.layout().plane(place.plane);
  const akv_region region = store.region(place.layer_index, place.plane);
  const std::uint32_t block_tokens = store.shape().block_tokens;
  const std::uint64_t row = std::uint64_t{plane.all_heads} * plane.dim_bytes;
  unsigned char *at = move.image + shape.payload_offset() + store.layer_at(place.layer_index) * shape.layer_bytes() +
                      shape.plane_offset(place.plane);
  const auto run = [&](const PoolRows &pool, const TokenRows &rows, const RowShape &row_shape) {
    const SpanArguments arguments = {
        pool, rows, row_shape, move.blocks, move.first_token, shape.num_tokens() - move.first_token};
    move.load ? kernels().copy.scatter(arguments) : kernels().copy.gather(arguments);
  };
  run(element_rows(region),
      {at + move.first_token * row + std::uint64_t{plane.first_head} * plane.dim_bytes, static_cast<std::int64_t>(row),
       plane.dim_bytes},
      element_shape(plane, block_tokens));
  if (plane.scale_bytes == 0) return;
  // Behind the elements; a shard has those of its heads.
  at += shape.num_tokens() * row + std::uint64_t{move.first_token} * plane.all_scale_bytes;
  if (plane.num_heads != plane.all_heads) at += plane.first_head * (plane.all_scale_bytes / plane.all_heads);
  run(scale_rows(region), {at, plane.all_scale_bytes, 0}, scale_shape(plane, block_tokens));
}

void zero_place(const StoreSet &stores, const StoreSet::Place &place, const std::int32_t *blocks,
                std::uint32_t num_blocks) noexcept {
  const Store &store = stores[place.store];
  const PlanePlace there{store, place.layer_index};
  const PlanePiece piece(there, there, place.plane, heads_of(store.layout().plane(place.plane)));
  for (std::uint32_t i = 0; i < num_blocks; ++i) {
    const BlockCopy zero = {-1, blocks[i], 0, static_cast<std::uint16_t>(store.shape().block_tokens), 0, 0};
    piece.copy(&zero, 1, 0);
  }
}

}  // namespace akv
