// pool_life.cpp: a whole life of a page pool and a tracker in META calls.
// It knows the public API; it allocates nothing, so that whoever counts allocations sees the library's alone.
#include "pool_life.hpp"

#include "calls.hpp"
#include "scenario.hpp"

namespace akv::stress {
namespace {

Calls calls;

}  // namespace

PoolLife::PoolLife() {
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 4096;
  config.num_pages = 8;
  Trial::ok(akv_page_pool_create(&config, &pool_), "create a page pool");
  Trial::ok(akv_tracker_create(nullptr, &tracker_), "create a tracker");
}

PoolLife::~PoolLife() {
  Trial::ok(akv_page_pool_destroy(pool_), "destroy the page pool");
  Trial::ok(akv_tracker_destroy(tracker_), "destroy the tracker");
}

int PoolLife::pages() {
  akv_page pages[9];
  std::uint32_t contents[9];
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  akv_page_pool_state state = AKV_PAGE_POOL_STATE_INIT;
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  WANT(AKV_ERROR_NO_PAGES, akv_page_acquire, pool_, 1, pages, contents, 9);
  WANT(AKV_OK, akv_page_acquire, pool_, 1, pages, contents, 8);
  WANT(AKV_OK, akv_page_read_view, pool_, pages[3], &view);
  WANT(AKV_OK, akv_page_release, pool_, pages, 8);
  WANT(AKV_ERROR_BAD_HANDLE, akv_page_release, pool_, pages, 8);
  WANT(AKV_OK, akv_page_pool_read_config, pool_, &config);
  WANT(AKV_OK, akv_page_pool_read_state, pool_, &state);
  akv_copy_stats stats[4];
  std::uint32_t count = 9;
  WANT(AKV_OK, akv_page_pool_read_stats, pool_, stats, sizeof stats[0], 4, &count);
  return 0;
}

int PoolLife::arenas() {
  akv_arena arena = AKV_NONE;
  akv_tensor tensors[9];
  const std::uint64_t capacities[9] = {4096, 4096, 4096, 4096, 4096, 4096, 4096, 4096, 1};
  std::uint64_t offset = 0;
  std::uint32_t content = 0;
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  akv_arena_info info = AKV_ARENA_INFO_INIT;
  WANT(AKV_OK, akv_arena_create, pool_, 2, &arena);
  WANT(AKV_OK, akv_tensor_create, pool_, arena, 4000, tensors, &content);
  WANT(AKV_ERROR_NO_PAGES, akv_tensor_create_batch, pool_, arena, capacities, 9, tensors, nullptr);
  WANT(AKV_OK, akv_tensor_create_batch, pool_, arena, capacities, 7, tensors, nullptr);
  WANT(AKV_OK, akv_tensor_extend, pool_, tensors[0], 4096, &offset);
  WANT(AKV_ERROR_NO_CAPACITY, akv_tensor_extend, pool_, tensors[0], 1, &offset);
  WANT(AKV_OK, akv_tensor_read_view, pool_, tensors[6], &view);
  const std::int64_t shape[] = {-1, 2};
  akv_view shaped = AKV_VIEW_INIT;
  WANT(AKV_OK, akv_tensor_read_shape, pool_, tensors[6], 0, AKV_DTYPE_I8, shape, 2, &shaped);
  WANT(AKV_OK, akv_arena_read_info, pool_, arena, &info);
  WANT(AKV_OK, akv_arena_drop, pool_, arena);
  WANT(AKV_ERROR_BAD_HANDLE, akv_tensor_extend, pool_, tensors[0], 1, &offset);
  return 0;
}

int PoolLife::tickets() {
  akv_ticket first = AKV_NONE, second = AKV_NONE;
  akv_page page = AKV_NONE;
  std::uint32_t state = 0;
  WANT(AKV_OK, akv_page_acquire, pool_, 1, &page, nullptr, 1);
  WANT(AKV_OK, akv_page_pool_ticket_open, pool_, &first);
  WANT(AKV_OK, akv_page_pool_ticket_open, pool_, &second);
  WANT(AKV_OK, akv_page_release, pool_, &page, 1);
  WANT(AKV_OK, akv_page_pool_ticket_read, pool_, first, &state);
  WANT(AKV_OK, akv_page_pool_ticket_retire, pool_, first);
  WANT(AKV_OK, akv_page_pool_ticket_abandon, pool_, second);
  return 0;
}

int PoolLife::tracker() {
  const akv_allocation rows[] = {{0, AKV_PURPOSE_WEIGHTS, 100}, {1, AKV_PURPOSE_SWAP, 50}};
  akv_memory_record records[2];
  akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
  WANT(AKV_OK, akv_tracker_record, tracker_, rows, sizeof rows[0], 2, records);
  WANT(AKV_OK, akv_tracker_set_limit, tracker_, 0, 150);
  akv_memory_record more[2];
  WANT(AKV_ERROR_NO_CAPACITY, akv_tracker_record, tracker_, rows, sizeof rows[0], 2, more);
  WANT(AKV_OK, akv_tracker_read_totals, tracker_, AKV_UNSET, AKV_UNSET, &totals);
  WANT(AKV_OK, akv_tracker_forget, tracker_, records, 2);
  return 0;
}

int PoolLife::live_once() {
  for (const auto chapter : {&PoolLife::pages, &PoolLife::arenas, &PoolLife::tickets, &PoolLife::tracker})
    if (const int line = (this->*chapter)(); line != 0) return line;
  return 0;
}

std::set<std::string> pool_functions_called() { return calls.names(); }

}  // namespace akv::stress
