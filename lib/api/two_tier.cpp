// two_tier.cpp: thunks of two_tier.h.
#include "api/store_config.hpp"
#include "api/thunk.hpp"
#include "data/tier/tail.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kTailConfigV1 = 32;
static_assert(sizeof(akv_tail_config) == kTailConfigV1);

Status read_tail_config(const akv_tail_config *from, const Store &store, akv_tail_config &to,
                        TailShape &shape) noexcept {
  to = AKV_TAIL_CONFIG_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, to, kTailConfigV1));
  if (to.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "unused is %llu, must be 0", to.unused);
  return shape.read(to, store.shape().block_tokens);
}

}  // namespace

extern "C" {

akv_status akv_tail_create_store(akv_store *store, const akv_tail_config *tail, const akv_store_config *config,
                                 akv_store **out_tail_store) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_tail_store, "out_tail_store"));
  Stores::Ref quantized;
  AKV_TRY(Stores::find(store, quantized));
  akv_tail_config wanted;
  TailShape rows;
  AKV_TRY(read_tail_config(tail, *quantized, wanted, rows));
  akv_store_config ours;
  AKV_TRY(read_store_config(config, ours));
  if (ours.num_layers != 0 || ours.first_head != 0 || ours.num_heads != 0 || ours.columns != AKV_STORE_BLOCKS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "layers, heads and columns are those of the quantized store: leave them 0");
  StoreShape shape;
  AKV_TRY(rows.store_shape(*quantized, shape));
  std::unique_ptr<std::uint32_t[]> layers;
  if (quantized->num_layers() != shape.geometry.group.num_layers) {
    layers.reset(new (std::nothrow) std::uint32_t[quantized->num_layers()]);
    if (layers == nullptr)
      return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for %llu layers of a store",
                  quantized->num_layers());
    for (std::uint32_t i = 0; i < quantized->num_layers(); ++i) layers[i] = quantized->layer_at(i);
    ours.num_layers = quantized->num_layers();
    ours.layers = layers.get();
  }
  ours.first_head = quantized->layout().request().first_head;
  ours.num_heads = quantized->layout().request().num_heads;
  return create_store(shape, ours, *out_tail_store);
}

akv_status akv_tail_create(akv_store *store, akv_store *tail_store, const akv_tail_config *config,
                           akv_tail **out_tail) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_tail, "out_tail"));
  Stores::Ref quantized, rings;
  AKV_TRY(Stores::find(store, quantized));
  AKV_TRY(Stores::find(tail_store, rings));
  akv_tail_config wanted;
  TailShape shape;
  AKV_TRY(read_tail_config(config, *quantized, wanted, shape));
  std::unique_ptr<Tail> tail;
  AKV_TRY(Tail::create(std::move(quantized), std::move(rings), shape, wanted.head_scales, tail));
  return Tails::create(std::move(tail), *out_tail);
}

akv_status akv_tail_destroy(akv_tail *tail) noexcept {
  const KeepErrno keep;
  return Tails::destroy(tail);
}

akv_status akv_tail_read_info(akv_tail *tail, akv_tail_info *out_info) noexcept {
  AKV_TRY(check_output(out_info, kOutputV1));
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  const TailShape &shape = found->shape();
  const akv_tail_info info = {sizeof info,        shape.dtype,       shape.block_tokens, shape.tail_tokens,
                              shape.slack_tokens, shape.ring_blocks, shape.max_rows,     found->open_rows()};
  write_struct(info, out_info);
  return AKV_OK;
}

akv_status akv_tail_open(akv_tail *tail, uint32_t stored_tokens, akv_tail_row *out_row) noexcept {
  AKV_TRY(check_pointer(out_row, "out_row"));
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  return found->open(stored_tokens, *out_row);
}

akv_status akv_tail_close(akv_tail *tail, akv_tail_row row) noexcept {
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  return found->close(row);
}

akv_status akv_tail_read_slots(akv_tail *tail, const akv_tail_row *rows, const uint32_t *positions, uint32_t num_tokens,
                               int64_t *out_slots) noexcept {
  AKV_TRY(check_array(rows, num_tokens, "rows"));
  AKV_TRY(check_array(positions, num_tokens, "positions"));
  AKV_TRY(check_array(out_slots, num_tokens, "out_slots"));
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  return found->read_slots(rows, positions, num_tokens, out_slots);
}

akv_status akv_tail_read_tables(akv_tail *tail, const akv_tail_row *rows, uint32_t num_rows, int32_t *out_table,
                                uint32_t table_stride, uint32_t *out_stored) noexcept {
  AKV_TRY(check_array(rows, num_rows, "rows"));
  AKV_TRY(check_array(out_table, num_rows, "out_table"));
  AKV_TRY(check_array(out_stored, num_rows, "out_stored"));
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  return found->read_tables(rows, num_rows, out_table, table_stride, out_stored);
}

}  // extern "C"
