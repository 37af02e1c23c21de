// pages.cpp: what a page and a tensor cost against the plainest code for the same: a mutex around a vector, and one
// relaxed atomic addition. It knows the public API, and the parts of lib/mem/ that it measures by themselves.
//
//   bench_pages
//
// Rounds of the two sides are taken in turn, and the best of each compared.
#include "bench.hpp"

#include "mem/buddy.hpp"
#include "mem/page_pool.hpp"
#include "mem/tensor_entry.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace {

constexpr std::uint32_t kPages = 2048, kRounds = 15, kTimes = 1000000;

// Nanoseconds of one of `times` in each of `threads` threads, from when all have started to when the last has ended.
double time_of(std::uint32_t threads, std::uint32_t times, const std::function<void(std::uint32_t)> &work) {
  std::atomic<std::uint32_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<double> ends(threads);
  std::vector<std::thread> running;
  for (std::uint32_t i = 0; i < threads; ++i)
    running.emplace_back([&, i] {
      ready.fetch_add(1);
      while (!go.load()) {
      }
      work(times);
      ends[i] = bench::now_ns();
    });
  while (ready.load() != threads) {
  }
  const double start = bench::now_ns();
  go.store(true);
  for (std::thread &thread : running) thread.join();
  return (*std::max_element(ends.begin(), ends.end()) - start) / times / threads;
}

struct Side {
  const char *name;
  std::function<void(std::uint32_t)> work;
  std::vector<double> times = {};
};

// One line: the first side is measured, the second is what it is compared with.
double compare(const char *what, std::uint32_t threads, std::uint32_t times, Side a, Side b) {
  for (std::uint32_t round = 0; round < kRounds; ++round)
    for (Side *side : {&a, &b}) side->times.push_back(time_of(threads, times, side->work));
  const bench::Summary mine = bench::summarize(a.times), theirs = bench::summarize(b.times);
  std::printf("%-34s %-26s %6.1f ns  %-30s %6.1f ns  ratio %5.2f  (medians %.2f)\n", what, a.name, mine.best, b.name,
              theirs.best, mine.best / theirs.best, mine.median / theirs.median);
  return mine.best;
}

// -- the sides --

struct MutexVector {
  MutexVector() {
    for (std::uint32_t i = 1; i <= kPages; ++i) pages.push_back(i);
  }
  void pairs(std::uint32_t times) {
    for (std::uint32_t i = 0; i < times; ++i) {
      std::uint32_t page = 0;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        if (pages.empty()) std::exit(1);
        page = pages.back();
        pages.pop_back();
      }
      const std::lock_guard<std::mutex> lock(mutex);
      pages.push_back(page);
    }
  }
  std::mutex mutex;
  std::vector<std::uint32_t> pages;
};

struct Pool {
  Pool() {
    akv::PagePool::plan(tables, kPages);
    if (tables.commit(nullptr, false) != AKV_OK) std::exit(1);
    pool = std::make_unique<akv::PagePool>(tables, kPages, false);
    BENCH_CHECK(pool->memory().reserve(4096, kPages));
    BENCH_CHECK(pool->grow(kPages, false));
    akv::PageChain all;
    if (!pool->take_chain(kPages, all)) std::exit(1);
    pool->give_back(all);  // all of them recycled from now on
  }
  void pairs(std::uint32_t times) {
    for (std::uint32_t i = 0; i < times; ++i) {
      std::uint32_t page = 0;
      if (!pool->take(1, &page)) std::exit(1);
      pool->give_back({page, page, 1});
    }
  }
  akv::Reservation tables;
  std::unique_ptr<akv::PagePool> pool;
};

// Extents of 1 to 1,024 neighbours in a pool that is half full of others, so that lists are split and joined.
void extents(const Side &pages) {
  akv::Reservation memory;
  akv::Buddy::plan(memory, kPages);
  if (memory.commit(nullptr, false) != AKV_OK) std::exit(1);
  akv::Buddy buddy(memory, kPages);
  std::int32_t all = 0, other = 0;
  if (!buddy.take_extent(kPages, all)) std::exit(1);
  buddy.give_back_extent(all, kPages);  // every id was used before, as in a pool that has run for a while
  for (std::uint32_t i = 0; i < kPages / 64; ++i)
    if (!buddy.take_extent(1 + i % 31, other)) std::exit(1);
  const Side mine = {"lib: Buddy::take_extent", [&buddy](std::uint32_t times) {
                       for (std::uint32_t i = 0; i < times; ++i) {
                         const auto count = static_cast<std::uint32_t>(1 + bench::splitmix64(i) % 1024);
                         std::int32_t first = 0;
                         if (!buddy.take_extent(count, first)) std::exit(1);
                         buddy.give_back_extent(first, count);
                       }
                     }};
  compare("extent of any size (at most 20)", 1, kTimes, mine, pages);
}

akv_page_pool *make_pool(std::uint64_t page_bytes) {
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = page_bytes;
  config.num_pages = kPages;
  akv_page_pool *pool = nullptr;
  BENCH_CHECK(akv_page_pool_create(&config, &pool));
  return pool;
}

void api_pairs(akv_page_pool *pool, std::uint32_t times) {
  for (std::uint32_t i = 0; i < times; ++i) {
    akv_page page = AKV_NONE;
    BENCH_CHECK(akv_page_acquire(pool, 1, &page, nullptr, 1));
    BENCH_CHECK(akv_page_release(pool, &page, 1));
  }
}

void extends(akv_page_pool *pool) {
  akv_arena arena = AKV_NONE;
  akv_tensor tensor = AKV_NONE;
  BENCH_CHECK(akv_arena_create(pool, 1, &arena));
  BENCH_CHECK(akv_tensor_create(pool, arena, std::uint64_t{1} << 30, &tensor, nullptr));
  std::atomic<std::uint64_t> sum{0};
  const Side add = {"relaxed atomic add", [&sum](std::uint32_t times) {
                      for (std::uint32_t i = 0; i < times; ++i) sum.fetch_add(16, std::memory_order_relaxed);
                    }};
  using Entry = akv::TensorEntry<akv::StdAtomics>;
  Entry entry;
  akv::ArenaLife<akv::StdAtomics> arena_life;
  arena_life.begin(7, 1);
  entry.begin(7, 0, 1u << 31);
  const Side bare = {"lib: TensorEntry::extend", [&](std::uint32_t times) {
                       std::uint64_t before = 0, capacity = 0;
                       for (std::uint32_t i = 0; i < times; ++i)
                         if (entry.extend(arena_life, 7, 16, before, capacity) != akv::Extended::done) std::exit(1);
                     }};
  const Side api = {"API: akv_tensor_extend", [&](std::uint32_t times) {
                      for (std::uint32_t i = 0; i < times; ++i) {
                        std::uint64_t offset = 0;
                        BENCH_CHECK(akv_tensor_extend(pool, tensor, 16, &offset));
                      }
                    }};
  compare("extend (at most 4), one thread", 1, kTimes, bare, add);
  compare("the same through the API", 1, kTimes, api, add);
}

}  // namespace

int main() {
  MutexVector plain;
  Pool pool;
  akv_page_pool *small = make_pool(4096), *large = make_pool(std::uint64_t{1} << 30);
  const Side theirs = {"mutex + vector", [&](std::uint32_t times) { plain.pairs(times); }};
  const Side mine = {"lib: PagePool", [&](std::uint32_t times) { pool.pairs(times); }};
  const Side api = {"API: acquire + release", [&](std::uint32_t times) { api_pairs(small, times); }};
  for (const std::uint32_t threads : {1u, 2u}) {
    std::printf("%u thread%s\n", threads, threads == 1 ? "" : "s");
    compare("pop + push (at most 0.6)", threads, kTimes, mine, theirs);
    compare("the same through the API", threads, kTimes, api, theirs);
  }
  extends(large);
  extents(mine);
  BENCH_CHECK(akv_page_pool_destroy(small));
  BENCH_CHECK(akv_page_pool_destroy(large));
  return 0;
}
