// store_config.hpp: akv_store_config as it comes from a caller, for whoever makes stores.
#pragma once

#include "api/thunk.hpp"
#include "data/store.hpp"

namespace akv {

inline constexpr std::uint32_t kStoreConfigV1 = 72, kRegionV1 = 72;
static_assert(sizeof(akv_store_config) == kStoreConfigV1 && sizeof(akv_region) == kRegionV1);

inline Status read_store_config(const akv_store_config *from, akv_store_config &to) noexcept {
  to = AKV_STORE_CONFIG_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, to, kStoreConfigV1));
  AKV_TRY(check_flags(to.flags, AKV_STORE_SMALL_PAGES));
  if (to.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "unused is %llu, must be 0", to.unused);
  if (to.device != AKV_DEVICE_HOST)
    return fail(AKV_ERROR_UNSUPPORTED, "device %llu: this build has stores of the host (0) only", to.device);
  if (to.columns > AKV_STORE_SWAP_BLOCKS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "columns is %llu, must be 0 or 1", to.columns);
  AKV_TRY(check_array(to.layers, to.num_layers, "layers"));
  AKV_TRY(check_array(to.regions, to.num_regions, "regions"));
  return to.num_regions == 0 ? AKV_OK : check_element_size("region_size", to.region_size, kRegionV1);
}

// Make it and hand it out; `config` has been read.
inline Status create_store(const StoreShape &shape, const akv_store_config &config, akv_store *&out) noexcept {
  Trackers::Ref tracker;
  if (config.tracker != nullptr) AKV_TRY(Trackers::find(config.tracker, tracker));
  std::unique_ptr<Store> store;
  AKV_TRY(Store::create(shape, config, std::move(tracker), store));
  return Stores::create(std::move(store), out);
}

}  // namespace akv
