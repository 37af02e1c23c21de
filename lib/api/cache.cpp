// cache.cpp: thunks of cache.h.
#include "api/write_group.hpp"

using namespace akv;

namespace {

Status read_config(const akv_cache_config *from, akv_cache_config &raw, Config &config) noexcept {
  raw = AKV_CACHE_CONFIG_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, raw, kConfigV1));
  return config.read(raw);
}

Status read_allocator(const akv_allocator *from, akv_allocator &to) noexcept {
  AKV_TRY(read_struct(from, to, kAllocatorV1));
  AKV_TRY(check_flags(to.flags, 0));
  AKV_TRY(check_pointer(reinterpret_cast<const void *>(to.allocate), "allocator.allocate"));
  return check_pointer(reinterpret_cast<const void *>(to.release), "allocator.release");
}

}  // namespace

extern "C" {

akv_status akv_cache_config_sizes(const akv_cache_config *config, akv_sizes *out_sizes) noexcept {
  AKV_TRY(check_output(out_sizes, kOutputV1));
  akv_cache_config raw;
  Config wanted;
  AKV_TRY(read_config(config, raw, wanted));
  Reservation memory;
  Cache::plan_memory(wanted, memory);
  if (memory.overflowed())
    return fail(AKV_ERROR_OUT_OF_RANGE, "the metadata of a cache of this size exceeds the address space");
  akv_sizes sizes{};
  AKV_TRY(wanted.sizes(sizes, memory.bytes() + SequenceTable::bytes_for(wanted.max_sequences)));
  write_struct(sizes, out_sizes);
  return AKV_OK;
}

akv_status akv_cache_create(const akv_cache_config *config, akv_cache **out_cache) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_cache, "out_cache"));
  akv_cache_config raw;
  Config wanted;
  AKV_TRY(read_config(config, raw, wanted));
  akv_allocator allocator = AKV_ALLOCATOR_INIT;
  if (raw.allocator != nullptr) AKV_TRY(read_allocator(raw.allocator, allocator));
  akv_sizes sizes{};
  AKV_TRY(wanted.sizes(sizes, 0));
  akv_cache *cache = nullptr;
  AKV_TRY(CacheHome::create(wanted, raw.allocator != nullptr ? &allocator : nullptr, cache));
  *out_cache = cache;
  log(AKV_LOG_INFO, "cache created: %u blocks of %u tokens, %u sequences", wanted.num_blocks, wanted.block_tokens,
      wanted.max_sequences);
  return AKV_OK;
}

akv_status akv_cache_destroy(akv_cache *cache) noexcept {
  const KeepErrno keep;
  return cache == nullptr ? AKV_OK : CacheHome::destroy(cache);
}

akv_status akv_cache_read_config(akv_cache *cache, akv_cache_config *out_config) noexcept {
  AKV_TRY(check_output(out_config, kOutputV1));
  Locked locked(cache);
  AKV_TRY(locked.status());
  const Config &c = locked->config();
  const akv_cache_config config{0,
                                c.flags,
                                c.num_blocks,
                                c.block_tokens,
                                c.max_sequences,
                                c.max_tokens_per_sequence,
                                c.max_open_tickets,
                                c.max_plans,
                                c.max_holds,
                                c.max_pinned_blocks,
                                c.magazine_blocks,
                                c.block_allocator,
                                c.scrub,
                                1,
                                sizeof(akv_layer_group),
                                c.num_swap_blocks,
                                nullptr,
                                nullptr};
  write_struct(config, out_config);
  return AKV_OK;
}

akv_status akv_cache_read_group(akv_cache *cache, uint32_t group, akv_layer_group *out_group, uint32_t group_size,
                                akv_plane *out_planes, uint32_t capacity) noexcept {
  AKV_TRY(check_group(out_group, group_size, out_planes, capacity));
  Locked locked(cache);
  AKV_TRY(locked.status());
  if (group != 0) return fail(AKV_ERROR_OUT_OF_RANGE, "layer group %llu, the cache has 1", group);
  return write_group(locked->config().geometry, out_group, group_size, out_planes, capacity);
}

}  // extern "C"
