// arena_threads.cpp: the promises of arena.h to many threads: extends one after the other, drops in flight, late calls.
// It knows the public API only; long runs with a shadow of the bytes are tests/stress/page_threads.cpp's.
#include "pool_fixture.hpp"

#include <atomic>
#include <thread>

using namespace akv::test;

TEST_CASE("arena: A3 extends of one tensor from many threads get one stretch each, and fill it exactly") {
  PagePool pool;
  const akv_tensor tensor = pool.tensor(pool.arena(), 4096);
  std::vector<std::atomic<std::uint32_t>> taken(4096);
  std::atomic<std::uint32_t> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const std::uint64_t bytes = 1 + i;
      for (;;) {
        std::uint64_t offset = 0;
        const akv_status status = akv_tensor_extend(pool, tensor, bytes, &offset);
        if (status == AKV_ERROR_NO_CAPACITY) return;
        if (status != AKV_OK) wrong.fetch_add(1);
        for (std::uint64_t k = offset; k < offset + bytes; ++k) taken[k].fetch_add(1);
      }
    });
  for (std::thread &thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(pool.view(tensor).bytes == 4096);
  for (const auto &one : taken) REQUIRE(one.load() == 1);
}

TEST_CASE("arena: B14 whoever uses an arena while it is dropped is done, or told BAD_HANDLE; nothing else") {
  PagePool pool;
  std::atomic<akv_arena> current{AKV_NONE};
  std::atomic<akv_tensor> newest{AKV_NONE};
  std::atomic<bool> stop{false};
  std::atomic<std::uint32_t> wrong{0}, done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        akv_tensor tensor = AKV_NONE;
        akv_status status = akv_tensor_create(pool, current, 512, &tensor, nullptr);
        if (status == AKV_OK) newest = tensor;
        else if (status != AKV_ERROR_BAD_HANDLE && status != AKV_ERROR_NO_PAGES && status != AKV_ERROR_INVALID_ARGUMENT)
          wrong.fetch_add(1);
        akv_memory_view view = AKV_MEMORY_VIEW_INIT;
        const akv_tensor old = newest;
        status = akv_tensor_extend(pool, old, 1, nullptr);
        if (status != AKV_OK && status != AKV_ERROR_BAD_HANDLE && status != AKV_ERROR_NO_CAPACITY &&
            status != AKV_ERROR_INVALID_ARGUMENT)
          wrong.fetch_add(1);
        if (akv_tensor_read_view(pool, old, &view) == AKV_OK && (view.capacity_bytes != 512 || view.bytes > 512))
          wrong.fetch_add(1);
        done.fetch_add(1);
      }
    });
  for (int i = 0; i < 2000; ++i) {
    akv_arena arena = AKV_NONE;
    OK(akv_arena_create(pool, 1, &arena));
    current = arena;
    if (i % 3 == 0) std::this_thread::yield();
    const akv_ticket ticket = i % 2 == 0 ? pool.open_ticket() : AKV_NONE;
    OK(akv_arena_drop(pool, arena));
    if (ticket != AKV_NONE) pool.retire(ticket);
  }
  while (done < 100) std::this_thread::yield();
  stop = true;
  for (std::thread &thread : threads) thread.join();
  CHECK(wrong == 0);
  const akv_page_pool_state s = pool.state();
  CHECK((s.free_pages == 8 && s.arenas == 0 && s.tensors == 0 && s.capacity_bytes == 0));
}

TEST_CASE("arena: B14 one page offered twice at once is taken once") {
  PagePool pool;
  for (int i = 0; i < 500; ++i) {
    const auto pages = pool.acquire(1);
    std::atomic<std::uint32_t> released{0};
    std::thread other([&] { released += akv_page_release(pool, pages.data(), 1) == AKV_OK; });
    released += akv_page_release(pool, pages.data(), 1) == AKV_OK;
    other.join();
    REQUIRE(released == 1);
  }
  CHECK(pool.state().free_pages == 8);
}

// The release fails at its last row, so it has to put back what it has begun: the drop comes in the middle of that.
TEST_CASE("arena: A13 no page is left behind by a drop that meets a release, whatever the release answers") {
  constexpr std::uint32_t kPages = 1024;
  PagePool pool([](akv_page_pool_config &c) {
    c.page_bytes = 256;
    c.num_pages = c.max_pages = kPages;
  });
  std::vector<akv_page> pages = pool.acquire(kPages, 7);
  std::atomic<std::uint32_t> round{0}, ended{0};
  std::atomic<bool> with_none{false};
  std::uint32_t refused = 0;
  constexpr std::uint32_t kRounds = 1000;
  std::thread other([&] {
    for (std::uint32_t i = 1; i <= kRounds; ++i) {
      while (round.load() != i) std::this_thread::yield();
      std::vector<akv_page> rows = pages;
      if (with_none) rows.push_back(rows[0]);
      refused += akv_page_release(pool, rows.data(), static_cast<std::uint32_t>(rows.size())) != AKV_OK;
      ended = i;
    }
  });
  std::uint32_t left = 0, lost = 0;
  for (std::uint32_t i = 1; i <= kRounds; ++i) {
    with_none = i % 2 == 0;
    round = i;
    akv_dropped dropped = AKV_DROPPED_INIT;
    for (std::uint32_t wait = i * 37 % 4000; wait != 0; --wait) std::atomic_signal_fence(std::memory_order_seq_cst);
    OK(akv_page_pool_drop_owner(pool, 7, &dropped));
    while (ended.load() != i) std::this_thread::yield();
    const akv_page_pool_state s = pool.state();
    left += s.live_pages;
    lost += kPages - s.free_pages - s.live_pages;
    if (s.live_pages != 0) OK(akv_page_pool_drop_all(pool, &dropped));
    OK(akv_page_acquire(pool, 7, pages.data(), nullptr, kPages));
  }
  other.join();
  CHECK((left == 0 && lost == 0 && refused >= kRounds / 2));
}

// (Calls that take a while: whoever ends the pool without looking who is inside takes the tables from under them.)
TEST_CASE("arena: B14 late calls on a pool that is destroyed meanwhile are BAD_HANDLE, and destroy is never torn") {
  constexpr std::uint32_t kPages = 4096;
  for (int i = 0; i < 200; ++i) {
    akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
    config.page_bytes = 4096;
    config.num_pages = config.max_pages = kPages;
    akv_page_pool *pool = nullptr;
    OK(akv_page_pool_create(&config, &pool));
    std::atomic<std::uint32_t> wrong{0}, taken{0};
    std::thread other([&] {
      std::vector<akv_page> pages(kPages);
      for (;;) {
        const akv_status status = akv_page_acquire(pool, 1, pages.data(), nullptr, kPages);
        taken.fetch_add(1);
        if (status == AKV_ERROR_BAD_HANDLE) return;
        const akv_status back = akv_page_release(pool, pages.data(), kPages);
        if (back == AKV_ERROR_BAD_HANDLE) return;  // destroyed in between
        if (status != AKV_OK || back != AKV_OK) {
          wrong.fetch_add(1);
          return;
        }
      }
    });
    while (taken.load() == 0) std::this_thread::yield();
    akv_status ended = AKV_ERROR_BUSY;
    while (ended == AKV_ERROR_BUSY) ended = akv_page_pool_destroy(pool);
    other.join();
    REQUIRE(ended == AKV_OK);
    REQUIRE(wrong == 0);
  }
}
