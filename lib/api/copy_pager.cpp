// copy_pager.cpp: thunks of copy_pager.h.
#include "api/thunk.hpp"
#include "base/object_table.hpp"
#include "data/tier/pager.hpp"

#include <new>

using namespace akv;

namespace {

using Pagers = ObjectTable<Pager, akv_pager>;
constexpr std::uint32_t kPagerConfigV1 = 16;
constexpr std::uint32_t kMaxStores = 64;

Status read_pager_config(akv_cache *cache, const akv_pager_config *from, akv_pager_config &to,
                         akv_cache_config &of_cache) noexcept {
  AKV_TRY(read_struct(from, to, kPagerConfigV1));
  if (to.num_stores == 0 || to.num_stores > kMaxStores)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_stores is %llu, must be 1 to %llu", to.num_stores, kMaxStores);
  AKV_TRY(check_array(to.stores, to.num_stores, "stores"));
  AKV_TRY(akv_cache_read_config(cache, &of_cache));
  if (of_cache.num_swap_blocks != 0) return AKV_OK;
  return fail(AKV_ERROR_UNSUPPORTED, "the cache has no swap blocks: akv_cache_config.num_swap_blocks is 0");
}

}  // namespace

extern "C" {

akv_status akv_pager_create(akv_cache *cache, const akv_pager_config *config, akv_pager **out_pager) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_pager, "out_pager"));
  akv_pager_config wanted;
  akv_cache_config of_cache = AKV_CACHE_CONFIG_INIT;
  AKV_TRY(read_pager_config(cache, config, wanted, of_cache));
  std::unique_ptr<Pager> pager;
  try {
    pager = std::make_unique<Pager>(cache, wanted.stores, wanted.num_stores, of_cache);
  } catch (const std::bad_alloc &) {
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for a pager of %llu sequences, %llu plans",
                of_cache.max_sequences, of_cache.max_plans);
  }
  return Pagers::create(std::move(pager), *out_pager);
}

akv_status akv_pager_destroy(akv_pager *pager) noexcept {
  const KeepErrno keep;
  return Pagers::destroy(pager);
}

akv_status akv_copy_make_resident(akv_pager *pager, const akv_sequence *sequences, const uint32_t *num_tokens,
                                  uint32_t num_sequences, akv_residence *out_residence, akv_stream *stream) noexcept {
  AKV_TRY(check_array(sequences, num_sequences, "sequences"));
  AKV_TRY(check_output(out_residence, kOutputV1));
  Pagers::Ref found;
  AKV_TRY(Pagers::find(pager, found));
  akv_residence residence{};
  AKV_TRY(found->make_resident(sequences, num_tokens, num_sequences, residence, stream));
  write_struct(residence, out_residence);
  return AKV_OK;
}

}  // extern "C"
