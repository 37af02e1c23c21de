// pool_fixture.hpp: a page pool for one test, and calls that a test wants to succeed.
// It knows the public API only.
#pragma once

#include "fixture.hpp"

namespace akv::test {

// 16 pages of 4 KiB, 8 of them with memory.
struct PagePool {
  explicit PagePool(void (*change)(akv_page_pool_config &) = nullptr) {
    akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
    config.page_bytes = 4096;
    config.num_pages = 8;
    config.max_pages = 16;
    config.max_arenas = 4;
    if (change != nullptr) change(config);
    OK(akv_page_pool_create(&config, &handle));
  }
  ~PagePool() { CHECK(akv_page_pool_destroy(handle) == AKV_OK); }
  PagePool(const PagePool &) = delete;
  PagePool &operator=(const PagePool &) = delete;
  operator akv_page_pool *() const { return handle; }

  std::vector<akv_page> acquire(std::uint32_t count, std::uint64_t owner = 1) const {
    std::vector<akv_page> pages(count);
    OK(akv_page_acquire(handle, owner, pages.data(), nullptr, count));
    return pages;
  }
  void release(const std::vector<akv_page> &pages) const {
    OK(akv_page_release(handle, pages.data(), static_cast<std::uint32_t>(pages.size())));
  }
  akv_arena arena(std::uint64_t owner = 1) const {
    akv_arena made = AKV_NONE;
    OK(akv_arena_create(handle, owner, &made));
    return made;
  }
  void drop(akv_arena arena) const { OK(akv_arena_drop(handle, arena)); }
  akv_tensor tensor(akv_arena arena, std::uint64_t bytes) const {
    akv_tensor made = AKV_NONE;
    OK(akv_tensor_create(handle, arena, bytes, &made, nullptr));
    return made;
  }
  std::uint64_t extend(akv_tensor tensor, std::uint64_t bytes) const {
    std::uint64_t offset = 99;
    OK(akv_tensor_extend(handle, tensor, bytes, &offset));
    return offset;
  }
  akv_memory_view view(akv_tensor tensor) const {
    akv_memory_view v = AKV_MEMORY_VIEW_INIT;
    OK(akv_tensor_read_view(handle, tensor, &v));
    return v;
  }
  akv_memory_view page_view(akv_page page) const {
    akv_memory_view v = AKV_MEMORY_VIEW_INIT;
    OK(akv_page_read_view(handle, page, &v));
    return v;
  }
  akv_arena_info info(akv_arena arena) const {
    akv_arena_info i = AKV_ARENA_INFO_INIT;
    OK(akv_arena_read_info(handle, arena, &i));
    return i;
  }
  akv_ticket open_ticket() const {
    akv_ticket ticket = AKV_NONE;
    OK(akv_page_pool_ticket_open(handle, &ticket));
    return ticket;
  }
  void retire(akv_ticket ticket) const { OK(akv_page_pool_ticket_retire(handle, ticket)); }
  std::uint32_t ticket_state(akv_ticket ticket) const {
    std::uint32_t where = 0;
    OK(akv_page_pool_ticket_read(handle, ticket, &where));
    return where;
  }
  akv_page_pool_state state() const {
    akv_page_pool_state s = AKV_PAGE_POOL_STATE_INIT;
    OK(akv_page_pool_read_state(handle, &s));
    CHECK(s.free_pages + s.live_pages + s.quarantined_pages + s.unreserved_pages == s.max_pages);
    CHECK(s.arena_pages <= s.live_pages);
    CHECK(s.fresh_pages <= s.free_pages);
    return s;
  }

  akv_page_pool *handle = nullptr;
};

}  // namespace akv::test
