// store.cpp: thunks of store.h.
#include "data/store.hpp"

#include "api/store_config.hpp"
#include "api/thunk.hpp"

using namespace akv;

namespace {

// The numbers of a cache that a store is made for.
Status read_shape(akv_cache *cache, std::uint32_t columns, StoreShape &to) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  const Config &config = locked->config();
  if (columns == AKV_STORE_SWAP_BLOCKS && config.num_swap_blocks == 0)
    return fail(AKV_ERROR_UNSUPPORTED, "the cache has no swap blocks: set num_swap_blocks");
  to.geometry = config.geometry;
  to.block_tokens = config.block_tokens;
  to.num_blocks = columns == AKV_STORE_SWAP_BLOCKS ? config.num_swap_blocks : config.num_blocks;
  return AKV_OK;
}

}  // namespace

extern "C" {

akv_status akv_store_create(akv_cache *cache, const akv_store_config *config, akv_store **out_store) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_store, "out_store"));
  akv_store_config ours;
  AKV_TRY(read_store_config(config, ours));
  StoreShape shape;
  AKV_TRY(read_shape(cache, ours.columns, shape));
  return create_store(shape, ours, *out_store);
}

akv_status akv_store_destroy(akv_store *store) noexcept {
  const KeepErrno keep;
  return Stores::destroy(store);
}

akv_status akv_store_warm_up(akv_store *store, akv_progress_function progress, void *context) noexcept {
  const KeepErrno keep;
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  return ref->warm_up(progress, context);
}

akv_status akv_store_read_info(akv_store *store, akv_store_info *out_info) noexcept {
  AKV_TRY(check_output(out_info, kOutputV1));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  akv_store_info info{};
  ref->info(info);
  write_struct(info, out_info);
  return AKV_OK;
}

akv_status akv_store_read_region(akv_store *store, uint32_t layer, uint32_t plane, akv_region *out_region,
                                 uint32_t region_size) noexcept {
  AKV_TRY(check_pointer(out_region, "out_region"));
  AKV_TRY(check_element_size("region_size", region_size, kRegionV1));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  akv_region region{};
  AKV_TRY(ref->find_region(layer, plane, region));
  write_element(region, reinterpret_cast<unsigned char *>(out_region), region_size);
  return AKV_OK;
}

akv_status akv_store_read_view(akv_store *store, uint32_t layer, uint32_t plane, akv_view *out_view) noexcept {
  AKV_TRY(check_output(out_view, kOutputV1));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  akv_view view{};
  AKV_TRY(ref->view(layer, plane, view));
  write_struct(view, out_view);
  return AKV_OK;
}

akv_status akv_store_read_sequence_view(akv_store *store, uint32_t layer, uint32_t plane, const int32_t *blocks,
                                        uint32_t num_blocks, uint32_t num_tokens, akv_view *out_view) noexcept {
  AKV_TRY(check_output(out_view, kOutputV1));
  AKV_TRY(check_array(blocks, num_blocks, "blocks"));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  akv_view view{};
  AKV_TRY(ref->sequence_view(layer, plane, blocks, num_blocks, num_tokens, view));
  write_struct(view, out_view);
  return AKV_OK;
}

akv_status akv_store_check_view(akv_store *store, const akv_view *view) noexcept {
  akv_view ours;
  AKV_TRY(read_struct(view, ours, kViewV1));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  if (ours.epoch == ref->epoch()) return AKV_OK;
  return fail(AKV_ERROR_BAD_HANDLE, "the view's epoch is %llu, this store's is %llu: it is of another one", ours.epoch,
              ref->epoch());
}

}  // extern "C"
