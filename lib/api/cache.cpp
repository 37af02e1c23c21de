// cache.cpp: thunks of cache.h.
#include "api/thunk.hpp"

#include <algorithm>

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
  AKV_TRY(check_pointer(out_group, "out_group"));
  AKV_TRY(check_array(out_planes, capacity, "out_planes"));
  if (group_size < sizeof(akv_layer_group) || group_size > kLargestStruct)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "group_size is %llu, must be sizeof(akv_layer_group) = %llu", group_size,
                sizeof(akv_layer_group));
  const std::uint32_t plane_size = out_group->plane_size;
  if (plane_size < sizeof(akv_plane) || plane_size > kLargestStruct)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "out_group->plane_size is %llu, must be sizeof(akv_plane) = %llu",
                plane_size, sizeof(akv_plane));
  Locked locked(cache);
  AKV_TRY(locked.status());
  const Geometry &geometry = locked->config().geometry;
  if (group != 0) return fail(AKV_ERROR_OUT_OF_RANGE, "layer group %llu, the cache has 1", group);
  akv_layer_group copy = geometry.group;
  copy.plane_size = plane_size;
  write_element(copy, reinterpret_cast<unsigned char *>(out_group), group_size);
  auto *to = reinterpret_cast<unsigned char *>(out_planes);
  for (std::uint32_t i = 0; i < std::min(capacity, copy.num_planes); ++i, to += plane_size)
    write_element(geometry.planes[i], to, plane_size);
  if (capacity >= copy.num_planes) return AKV_OK;
  return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, copy.num_planes, capacity,
                   "the group has %llu planes, the array holds %llu", copy.num_planes, capacity);
}

}  // extern "C"
