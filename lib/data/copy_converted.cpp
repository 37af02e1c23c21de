// copy_converted.cpp: whole blocks from one store to another that keeps its K/V as something else.
// It knows stores, streams and kernels.
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/kernels.hpp"
#include "data/plane_elements.hpp"
#include "data/plane_piece.hpp"

namespace akv {
namespace {

constexpr std::uint64_t kChunk = 256;  // blocks that are made into a list for the kernels at a time

Status check_planes(const Store &from, const Store &to) {
  const StoreShape &a = from.shape(), &b = to.shape();
  if (a.block_tokens != b.block_tokens || a.geometry.group.num_layers != b.geometry.group.num_layers ||
      from.num_planes() != to.num_planes())
    return fail(AKV_ERROR_OTHER_GEOMETRY,
                "the stores are of other geometries: blocks of %llu and %llu tokens, %llu and %llu layers, %llu and "
                "%llu planes",
                a.block_tokens, b.block_tokens, a.geometry.group.num_layers, b.geometry.group.num_layers,
                from.num_planes(), to.num_planes());
  for (std::uint32_t i = 0; i < to.num_planes(); ++i) {
    const akv_plane &its = a.geometry.planes[i], &mine = b.geometry.planes[i];
    if (its.role != mine.role || its.kv_heads != mine.kv_heads || its.head_dim != mine.head_dim)
      return fail(AKV_ERROR_OTHER_GEOMETRY,
                  "plane %llu: the stores have %llu and %llu heads of %llu and %llu elements, or other roles", i,
                  its.kv_heads, mine.kv_heads, its.head_dim, mine.head_dim);
    AKV_TRY(check_conversion(from.layout().plane(i), i, AKV_DTYPE_F32));
    AKV_TRY(check_conversion(to.layout().plane(i), i, AKV_DTYPE_F32));
  }
  return AKV_OK;
}

// What both stores have of one plane of one layer, by their own indices of the layer.
struct Common {
  std::uint32_t from_layer, to_layer, plane;
  Heads heads;  // counted in the cache
};

template <class What>
void for_each_common(const Store &from, const Store &to, What what) noexcept {
  for (std::uint32_t index = 0; index < to.num_layers(); ++index) {
    std::uint32_t there = 0;
    if (!from.has_layer(to.layer_at(index), there)) continue;
    for (std::uint32_t plane = 0; plane < to.num_planes(); ++plane) {
      const Heads a = heads_of(from.layout().plane(plane)), b = heads_of(to.layout().plane(plane));
      const Heads both{std::max(a.first, b.first), std::min(a.end, b.end)};
      if (!both.empty()) what(Common{there, index, plane, both});
    }
  }
}

// Of a plane, from the first of these heads on.
PoolElements elements_of(const Store &store, const float *scales, std::uint32_t layer, std::uint32_t plane,
                         Heads heads) noexcept {
  const PlaneShape &shape = store.layout().plane(plane);
  const std::uint32_t skipped = heads.first - shape.first_head;
  if (scales != nullptr) {
    for (std::uint32_t i = 0; i < store.num_planes(); ++i) {
      const std::uint64_t all = store.layout().plane(i).num_heads;
      scales += layer * all + (i < plane ? all : 0);
    }
    scales += skipped;
  }
  PoolElements elements = pool_elements(store.region(layer, plane), shape, scales);
  elements.rows.data += skipped * elements.rows.head_stride;
  if (elements.scales.data != nullptr) elements.scales.data += skipped * elements.scales.head_stride;
  return elements;
}

struct ConvertedWork {
  BlockSide from, to;
  std::uint32_t num_blocks = 0;
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(num_blocks, part, parts);
    const std::uint32_t block_tokens = to.store->shape().block_tokens;
    BlockCopy copies[kChunk];
    for (std::uint64_t first = share.first; first < share.end; first += kChunk) {
      const std::uint64_t count = std::min(kChunk, share.end - first);
      for (std::uint64_t i = 0; i < count; ++i)
        copies[i] = {from.blocks[first + i], to.blocks[first + i], 0, static_cast<std::uint16_t>(block_tokens), 0, 0};
      for_each_common(*from.store, *to.store, [&](const Common &common) {
        const PlaneShape &shape = to.store->layout().plane(common.plane);
        kernels().format.convert_blocks(
            {elements_of(*from.store, from.scales, common.from_layer, common.plane, common.heads),
             elements_of(*to.store, to.scales, common.to_layer, common.plane, common.heads),
             {shape.head_dim, common.heads.end - common.heads.first, block_tokens, 0},
             copies,
             count});
      });
    }
    return true;
  }
  void finish(bool) noexcept {
    to.store->stats().count_call(AKV_MOVED_CONVERTED, num_blocks);
    to.store->stats().count_bytes(AKV_MOVED_CONVERTED, bytes);
  }
};

}  // namespace

Status copy_converted(BlockSide from, BlockSide to, std::uint32_t num_blocks, Stream *stream) noexcept {
  if (&*from.store == &*to.store)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "one store is on both sides: there is nothing to convert");
  AKV_TRY(check_planes(*from.store, *to.store));
  AKV_TRY(check_targets(*to.store, to.blocks, num_blocks, false, to.store->next_mark()));
  for (std::uint32_t i = 0; i < num_blocks; ++i)
    if (const Status status = from.store->check_block(from.blocks[i], false); status != AKV_OK) {
      name_row(i);
      return status;
    }
  std::uint64_t bytes_per_token = 0;
  for_each_common(*from.store, *to.store, [&](const Common &common) {
    const PlaneShape &plane = to.store->layout().plane(common.plane);
    bytes_per_token += plane.token_bytes() / plane.num_heads * (common.heads.end - common.heads.first);
  });
  if (bytes_per_token == 0)
    return fail(AKV_ERROR_OTHER_GEOMETRY, "no layer or no head is in both stores: %llu and %llu of %llu layers",
                from.store->num_layers(), to.store->num_layers(), to.store->shape().geometry.group.num_layers);
  const std::uint64_t bytes = bytes_per_token * to.store->shape().block_tokens * num_blocks;
  Submission<ConvertedWork> work(stream, 2 * kept_bytes<std::int32_t>(num_blocks));
  AKV_TRY(work.status());
  from.blocks = work.keep(from.blocks, num_blocks);
  to.blocks = work.keep(to.blocks, num_blocks);
  work->from = std::move(from);
  work->to = std::move(to);
  work->num_blocks = num_blocks;
  work->bytes = bytes;
  work.submit(parts_for(stream, bytes));
  return AKV_OK;
}

}  // namespace akv
