// arena_config.cpp: what a page pool may be made of.
// It knows the struct and its limits; not what a pool does.
#include "api/arena_config.hpp"

#include "api/thunk.hpp"

#include <algorithm>
#include <bit>

namespace akv {
namespace {

constexpr std::uint32_t kMostTensors = 1u << ObjectHandle::kIndexBits;

void fill_in(akv_page_pool_config &c) noexcept {
  if (c.page_bytes == 0) c.page_bytes = std::uint64_t{2} << 20;
  if (c.num_pages == 0) c.num_pages = c.max_pages != 0 ? c.max_pages : 64;
  if (c.max_pages == 0) c.max_pages = c.num_pages;
  if (c.max_arenas == 0) c.max_arenas = 256;
  if (c.max_open_tickets == 0) c.max_open_tickets = 1024;
  if (c.purpose == 0) c.purpose = AKV_PURPOSE_KV_CACHE;
  if (c.tensors_per_page == 0)
    c.tensors_per_page = std::min(16u, std::bit_floor(kMostTensors / std::max(1u, c.max_pages)));
}

Status check_pages(const akv_page_pool_config &c) noexcept {
  constexpr std::uint64_t unit = Arenas::Entry::kUnit, most = Arenas::Entry::kMaxBytes / 2;
  if (c.page_bytes % unit != 0 || c.page_bytes > most)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "page_bytes is %llu, must be a multiple of %llu up to %llu", c.page_bytes,
                unit, most);
  if (c.max_pages > PagePool::kMaxPages)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_pages is %llu, at most %llu", c.max_pages, PagePool::kMaxPages);
  if (c.num_pages > c.max_pages)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_pages is %llu, max_pages is %llu", c.num_pages, c.max_pages);
  if (c.page_bytes > kMostMappedBytes / c.max_pages)
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu pages of %llu bytes exceed %llu bytes", c.max_pages, c.page_bytes,
                kMostMappedBytes);
  return AKV_OK;
}

Status check_tables(const akv_page_pool_config &c) noexcept {
  if (!std::has_single_bit(c.tensors_per_page) || c.tensors_per_page > kMostTensors / c.max_pages)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "tensors_per_page is %llu, must be a power of two, and times max_pages (%llu) at most %llu",
                c.tensors_per_page, c.max_pages, kMostTensors);
  if (c.max_arenas > ObjectHandle::kMaxIndex)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_arenas is %llu, at most %llu", c.max_arenas, ObjectHandle::kMaxIndex);
  if (!std::has_single_bit(c.max_open_tickets) || c.max_open_tickets > 1u << 20)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_open_tickets is %llu, must be a power of two up to %llu",
                c.max_open_tickets, 1u << 20);
  if (c.purpose > AKV_PURPOSE_OTHER)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "purpose is %llu, at most %llu", c.purpose, AKV_PURPOSE_OTHER);
  return AKV_OK;
}

Status check_memory(const akv_page_pool_config &c) noexcept {
  if (c.memory == nullptr) {
    if ((c.flags & AKV_PAGE_POOL_DIRTY) == 0 && c.memory_bytes == 0) return AKV_OK;
    return fail(AKV_ERROR_INVALID_ARGUMENT, "memory is NULL, but flags (0x%llx) or memory_bytes (%llu) speak of it",
                c.flags, c.memory_bytes);
  }
  if ((c.flags & AKV_PAGE_POOL_PREFAULT) != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "AKV_PAGE_POOL_PREFAULT is for the library's memory, not for the caller's");
  if (reinterpret_cast<std::uintptr_t>(c.memory) % Arenas::Entry::kUnit != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "memory is at 0x%llx, which is not aligned to %llu",
                reinterpret_cast<std::uintptr_t>(c.memory), Arenas::Entry::kUnit);
  if (c.memory_bytes / c.page_bytes < c.max_pages)
    return fail_with(AKV_ERROR_INVALID_ARGUMENT, c.max_pages * c.page_bytes, c.memory_bytes,
                     "memory_bytes is %llu, %llu pages of %llu bytes need %llu", c.memory_bytes, c.max_pages,
                     c.page_bytes, c.max_pages * c.page_bytes);
  return AKV_OK;
}

}  // namespace

Status read_pool_config(const akv_page_pool_config *from, akv_page_pool_config &raw, ArenaPoolConfig &config) noexcept {
  raw = AKV_PAGE_POOL_CONFIG_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, raw, kPoolConfigV1));
  AKV_TRY(check_flags(raw.flags, AKV_PAGE_POOL_PREFAULT | AKV_PAGE_POOL_DIRTY));
  if (raw.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "the config's `unused` is %llu, not 0", raw.unused);
  if (raw.device != AKV_DEVICE_HOST)
    return fail(AKV_ERROR_UNSUPPORTED, "device %llu: this release has page pools on the host only", raw.device);
  fill_in(raw);
  AKV_TRY(check_pages(raw));
  AKV_TRY(check_tables(raw));
  AKV_TRY(check_memory(raw));
  config = {raw.page_bytes,
            raw.num_pages,
            raw.max_pages,
            raw.max_arenas,
            raw.tensors_per_page,
            raw.max_open_tickets,
            raw.purpose - 1,
            (raw.flags & AKV_PAGE_POOL_DIRTY) != 0,
            (raw.flags & AKV_PAGE_POOL_PREFAULT) != 0,
            raw.memory};
  return AKV_OK;
}

akv_page_pool_config raw_pool_config(const ArenaPoolConfig &c, void *memory) noexcept {
  akv_page_pool_config raw = AKV_PAGE_POOL_CONFIG_INIT;
  raw.flags = (c.prefault ? AKV_PAGE_POOL_PREFAULT : 0u) | (c.dirty ? AKV_PAGE_POOL_DIRTY : 0u);
  raw.page_bytes = c.page_bytes;
  raw.num_pages = c.num_pages;
  raw.max_pages = c.max_pages;
  raw.max_arenas = c.max_arenas;
  raw.tensors_per_page = c.tensors_per_page;
  raw.max_open_tickets = c.max_open_tickets;
  raw.device = AKV_DEVICE_HOST;
  raw.purpose = c.purpose + 1;
  raw.memory = memory;
  raw.memory_bytes = c.page_bytes * c.max_pages;
  return raw;
}

}  // namespace akv
