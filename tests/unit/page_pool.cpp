// page_pool.cpp: pages that are handed out, come back and are counted, by one thread and by several.
// It knows mem/; every interleaving of few operations is page_interleavings.cpp's.
#include "mem/page_pool.hpp"

#include <functional>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "unit/memory.hpp"

using namespace akv;

namespace {

struct Pool {
  explicit Pool(std::uint32_t max_pages, std::uint32_t there, bool dirty = false) {
    PagePool::plan(tables, max_pages);
    REQUIRE(tables.commit(nullptr, false) == AKV_OK);
    pool = std::make_unique<PagePool>(tables, max_pages, dirty);
    REQUIRE(pool->memory().reserve(4096, max_pages) == AKV_OK);
    REQUIRE(pool->grow(there, false) == AKV_OK);
  }
  PagePool *operator->() const { return pool.get(); }
  std::uint32_t take() const {
    std::uint32_t page = 0;
    REQUIRE(pool->take(1, &page));
    return page;
  }
  void give(std::uint32_t page) const { pool->give_back({page, page, 1}); }
  std::set<std::uint32_t> free() const {
    std::set<std::uint32_t> pages;
    pool->free().for_each([&](std::uint32_t page) { REQUIRE(pages.insert(page).second); });
    return pages;
  }
  Reservation tables;
  std::unique_ptr<PagePool> pool;
};

// Atomics of one thread, and whoever may act before each of their operations.
struct Interrupted {
  static inline std::function<void()> somebody;
  static void act() {
    if (!somebody) return;
    std::function<void()> once;
    once.swap(somebody);  // what it does itself is not interrupted
    once();
    once.swap(somebody);
  }
  template <class T>
  class Atomic {
   public:
    static constexpr bool is_always_lock_free = true;
    Atomic(T value = 0) : value_(value) {}
    T load(std::memory_order) const {
      act();
      return value_;
    }
    void store(T value, std::memory_order) {
      act();
      value_ = value;
    }
    T fetch_add(T value, std::memory_order) {
      act();
      return std::exchange(value_, static_cast<T>(value_ + value));
    }
    T fetch_sub(T value, std::memory_order order) { return fetch_add(static_cast<T>(T{0} - value), order); }
    bool compare_exchange_strong(T &expected, T desired, std::memory_order, std::memory_order) {
      act();
      const bool equal = value_ == expected;
      (equal ? value_ : expected) = equal ? desired : value_;
      return equal;
    }
    bool compare_exchange_weak(T &expected, T desired, std::memory_order a, std::memory_order b) {
      return compare_exchange_strong(expected, desired, a, b);
    }

   private:
    T value_;
  };
  static void pause() {}
};

}  // namespace

// Three pages that were used before, of which somebody has one at a time: he gives it back as one thread or another,
// and takes one again, several times before every other atomic operation of a batch.
struct Moving {
  using Free = FreePages<Interrupted, 2>;
  explicit Moving(std::uint32_t seed) : random(seed) {
    std::uint32_t all[3];
    free.grow(3);
    REQUIRE(free.pop(0, 3, all));
    his = all[0];
    for (const std::uint32_t page : {all[1], all[2]}) free.push(page % 2, page);
  }
  bool pop(std::uint32_t count, std::uint32_t *out) {
    Interrupted::somebody = [this] {
      for (std::uint64_t times = random() % 2 * (1 + random() % 3); times != 0; --times) {
        if (his != 0) free.push(random() % 2, his);
        if (++moves > 10000 || !free.pop(random() % 2, 1, &his)) his = 0;
      }
    };
    const bool got = free.pop(0, count, out);
    Interrupted::somebody = nullptr;
    return got;
  }
  std::vector<Free::Link> links = std::vector<Free::Link>(4);  // {4} would be one link
  Free free{links.data()};
  std::mt19937 random;
  std::uint32_t his = 0, moves = 0;
};

TEST_CASE("page_pool: A13 a batch for which there are pages gets them, however long they are moved about") {
  for (std::uint32_t seed = 0; seed < 5000; ++seed) {
    Moving with(seed);
    std::uint32_t mine[2];
    INFO("seed " << seed);
    REQUIRE(with.pop(2, mine));
    REQUIRE((mine[0] != mine[1] && mine[0] != with.his && mine[1] != with.his));
    REQUIRE((with.his != 0 && with.free.in_use() == 3));
  }
}

TEST_CASE("page_pool: A13 a batch for which there are too few pages is refused, however long they are moved about") {
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    Moving with(seed);
    std::uint32_t mine[3];
    INFO("seed " << seed);
    REQUIRE(!with.pop(3, mine));
    REQUIRE(with.moves < 1000);
    REQUIRE((with.his != 0 && with.free.in_use() == 1));
  }
}

TEST_CASE("page_pool: A2 a page given back is the next one handed out") {
  const Pool pool(8, 8);
  const std::uint32_t a = pool.take(), b = pool.take();
  pool.give(a);
  CHECK(pool.take() == a);
  pool.give(a);
  pool.give(b);
  CHECK(pool.take() == a);  // it is in the thread's slot
  CHECK(pool.take() == b);
  CHECK(pool.take() == 3);  // nobody had it before
}

TEST_CASE("page_pool: A2 every page is handed out once, all or none, and the counts are exact") {
  const Pool pool(100, 64);
  std::set<std::uint32_t> held;
  std::uint64_t handed_out = 0, refused = 0;
  std::mt19937 random(3);
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      const auto count = static_cast<std::uint32_t>(random() % (random() % 8 == 0 ? 80 : 6));
      PageChain chain;
      const bool got = pool->take_chain(count, chain);
      REQUIRE(got == (held.size() + count <= pool->free().reserved()));
      if (got) {
        REQUIRE(chain.count == count);
        for (std::uint32_t i = 0, page = chain.first; i < count; ++i, page = pool->next(page))
          REQUIRE(held.insert(page).second);
        handed_out += count;
      }
      refused += !got;
    } else {
      PageChain chain;
      for (auto at = held.begin(); at != held.end();) {
        if (random() % 3 != 0) {
          ++at;
          continue;
        }
        pool->append(chain, *at);
        at = held.erase(at);
      }
      pool->give_back(chain);
    }
    if (step == 10000) REQUIRE(pool->grow(36, false) == AKV_OK);
    REQUIRE(pool->free().in_use() == held.size());
    REQUIRE(pool->free().handed_out() == handed_out);
    REQUIRE(pool->free().refused() == refused);
    if (step % 100 == 0) {
      const std::set<std::uint32_t> free = pool.free();
      REQUIRE(free.size() + held.size() == pool->free().reserved());
      for (const std::uint32_t page : held) REQUIRE(free.count(page) == 0);
    }
  }
  CHECK(refused != 0);
}

TEST_CASE("page_pool: E4 counts hold when the 44 bits of tags and turns begin anew") {
  using Free = FreePages<StdAtomics, 2>;
  constexpr std::uint64_t kBefore = (std::uint64_t{1} << 44) - 40;
  std::vector<Free::Link> links(9);
  Free free(links.data(), kBefore);
  free.grow(8);
  const std::uint64_t start = free.handed_out();
  CHECK(start == 3 * kBefore);  // the stack's, and two slots'
  std::vector<std::uint32_t> held;
  std::uint64_t taken = 0;
  std::mt19937 random(5);
  for (int step = 0; step < 2000; ++step) {
    std::uint32_t pages[4];
    const auto count = static_cast<std::uint32_t>(1 + random() % 4);
    if (random() % 2 == 0 && free.pop(random() % 2, count, pages)) {
      held.insert(held.end(), pages, pages + count);
      taken += count;
    } else if (!held.empty()) {
      free.push(random() % 2, held.back());
      held.pop_back();
    }
    REQUIRE(free.in_use() == held.size());
    REQUIRE(free.left() == 8 - held.size());
    REQUIRE(free.handed_out() == start + taken);
  }
  CHECK(taken > 1000);
}

TEST_CASE("page_pool: A2 it grows only when it is told to, and what is there then has memory") {
  const Pool pool(4, 1);
  const std::uint32_t first = pool.take();
  std::uint32_t page = 0;
  CHECK(!pool->take(1, &page));
  REQUIRE(pool->grow(3, true) == AKV_OK);
  for (int i = 0; i < 3; ++i) {
    page = pool.take();
    for (std::uint32_t byte = 0; byte < 4096; ++byte) REQUIRE(pool->memory().page(page)[byte] == 0);
  }
  CHECK(pool->memory().page(4) - pool->memory().page(first) == 3 * 4096);
  CHECK(!pool->take(1, &page));
}

TEST_CASE("page_pool: A13 a hold ends once, whoever has the page by then; and tells what is in the page") {
  const Pool pool(4, 4);
  const std::uint32_t page = pool.take();
  CHECK(pool->hold(page, 11, PageHold::raw, 0, 5) == Content::zero);
  CHECK(!pool->let_go({page, 10}));
  CHECK(pool->let_go({page, 11}));
  CHECK(!pool->let_go({page, 11}));
  CHECK(pool->hold(page, 12, PageHold::raw, 0, 5) == Content::own);
  CHECK(!pool->let_go({page, 11}));
  CHECK(pool->let_go({page, 12}));
  CHECK(pool->hold(page, 13, PageHold::in_arena, 1, 6) == Content::foreign);
  CHECK(!pool->let_go({page, 13}));  // it is an arena's
  CHECK(pool->reused() == 0);        // one page, taken once
  const Pool dirty(4, 4, true);
  CHECK(dirty->hold(dirty.take(), 1, PageHold::raw, 0, 0) == Content::foreign);
}

TEST_CASE("page_pool: A2 many threads: no page is there twice, none is lost, and counts are exact") {
  const Pool pool(64, 64);
  constexpr std::uint32_t kThreads = 40;  // more than there are slots
  std::vector<std::uint64_t> taken(kThreads);
  std::vector<std::atomic<std::uint32_t>> holders(65);
  std::atomic<bool> twice{false};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      std::mt19937 random(i);
      for (int round = 0; round < 2000; ++round) {
        PageChain chain;
        const auto count = static_cast<std::uint32_t>(1 + random() % 3);
        if (!pool->take_chain(count, chain)) continue;
        taken[i] += count;
        for (std::uint32_t k = 0, page = chain.first; k < count; ++k, page = pool->next(page)) {
          if (holders[page].fetch_add(1) != 0) twice = true;
          *pool->memory().page(page) = static_cast<unsigned char>(i);
        }
        for (std::uint32_t k = 0, page = chain.first; k < count; ++k, page = pool->next(page)) {
          if (*pool->memory().page(page) != static_cast<unsigned char>(i)) twice = true;
          holders[page].fetch_sub(1);
        }
        pool->give_back(chain);
      }
    });
  std::uint64_t sum = 0;
  for (std::thread &thread : threads) thread.join();
  for (const std::uint64_t one : taken) sum += one;
  CHECK(!twice);
  CHECK(pool.free().size() == 64);
  CHECK(pool->free().in_use() == 0);
  CHECK(pool->free().handed_out() == sum);
}

TEST_CASE("page_pool: A13 this machine hands out pages without a lock, and it is said at compile time") {
  STATIC_REQUIRE(PagePool::Free::is_lock_free());
}
