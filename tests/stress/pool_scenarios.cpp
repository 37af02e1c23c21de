// pool_scenarios.cpp: making page pools and trackers while memory fails, and their META calls, which ask for none.
// It knows configurations; how a trial works is in scenario.cpp.
#include "pool_life.hpp"
#include "scenario.hpp"

#include <iterator>
#include <thread>

namespace akv::stress {
namespace {

akv_page_pool_config small() {
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 4096;
  config.num_pages = 4;
  config.max_pages = 8;
  return config;
}

void destroy(akv_page_pool *pool) { Trial::ok(akv_page_pool_destroy(pool), "destroy a page pool"); }

// It must be whole.
void use(akv_page_pool *pool) {
  akv_page pages[4];
  Trial::ok(akv_page_acquire(pool, 1, pages, nullptr, 4), "acquire");
  Trial::ok(akv_page_release(pool, pages, 4), "release");
}

void create_with(Trial &trial, const akv_page_pool_config &config) {
  akv_page_pool *pool = nullptr;
  trial.try_call([&] { return akv_page_pool_create(&config, &pool); });
  use(pool);
  destroy(pool);
  const Outstanding before = outstanding();
  for (int i = 0; i < 3; ++i) {
    Trial::ok(akv_page_pool_create(&config, &pool), "create again");
    destroy(pool);
  }
  if (!(outstanding() == before)) Trial::fail("a page pool that was made and destroyed leaves something behind");
}

void defaults(Trial &trial) { create_with(trial, small()); }
void prefault(Trial &trial) {
  akv_page_pool_config config = small();
  config.flags = AKV_PAGE_POOL_PREFAULT;
  create_with(trial, config);
}
void huge_pages(Trial &trial) {
  akv_page_pool_config config = small();
  config.page_bytes = std::uint64_t{1} << 26;
  create_with(trial, config);
}

// A create that failed has recorded nothing.
void with_a_tracker(Trial &trial) {
  akv_tracker *tracker = nullptr;
  Trial::ok(akv_tracker_create(nullptr, &tracker), "create a tracker");
  akv_page_pool_config config = small();
  config.tracker = tracker;
  create_with(trial, config);
  akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
  Trial::ok(akv_tracker_read_totals(tracker, AKV_UNSET, AKV_UNSET, &totals), "read_totals");
  if (totals.bytes != 0 || totals.records != 0) Trial::fail("records are left");
  Trial::ok(akv_tracker_destroy(tracker), "destroy the tracker");
}

// What was asked for and not to be had is in no sum, and in no peak.
void reserve_with_a_tracker(Trial &trial) {
  akv_tracker *tracker = nullptr;
  Trial::ok(akv_tracker_create(nullptr, &tracker), "create a tracker");
  akv_page_pool_config config = small();
  config.tracker = tracker;
  akv_page_pool *pool = nullptr;
  Trial::ok(akv_page_pool_create(&config, &pool), "create a page pool");
  const auto check_totals = [tracker](std::uint64_t bytes) {
    akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
    Trial::ok(akv_tracker_read_totals(tracker, AKV_UNSET, AKV_UNSET, &totals), "read_totals");
    if (totals.bytes != bytes || totals.peak_bytes != bytes || totals.records != 1)
      Trial::fail("%llu bytes are recorded, %llu at the peak", static_cast<unsigned long long>(totals.bytes),
                  static_cast<unsigned long long>(totals.peak_bytes));
  };
  trial.try_call([&] {
    const akv_status status = akv_page_pool_reserve(pool, 8);
    check_totals(status == AKV_OK ? 8 * config.page_bytes : 4 * config.page_bytes);
    return status;
  });
  destroy(pool);
  Trial::ok(akv_tracker_destroy(tracker), "destroy the tracker");
}

void a_tracker(Trial &trial) {
  akv_tracker *tracker = nullptr;
  trial.try_call([&] { return akv_tracker_create(nullptr, &tracker); });
  Trial::ok(akv_tracker_destroy(tracker), "destroy the tracker");
}

void on_a_new_thread(Trial &trial) {
  std::thread([&] { defaults(trial); }).join();
}

// -- what asks for nothing --

void check_quiet(Trial &trial, const Attempts &attempts) {
  trial.outcome.made += attempts.made;
  if (attempts.made != 0)
    Trial::fail("%llu allocations were asked for", static_cast<unsigned long long>(attempts.made));
}

void live(Trial &trial, PoolLife &pool) {
  arm(1, true);
  const int line = pool.live_once();
  check_quiet(trial, disarm());
  if (line != 0) Trial::fail("pool_life.cpp:%d answered otherwise", line);
}

void a_whole_life(Trial &trial) {
  PoolLife pool;
  live(trial, pool);
}
void a_whole_life_on_a_new_thread(Trial &trial) {
  PoolLife pool;
  std::thread([&] { live(trial, pool); }).join();
}

// What is there needs no reserving; a drop unmaps nothing.
void setup_calls_without_need(Trial &trial) {
  const akv_page_pool_config config = small();
  akv_page_pool *pool = nullptr;
  Trial::ok(akv_page_pool_create(&config, &pool), "create a page pool");
  akv_page page = AKV_NONE;
  Trial::ok(akv_page_acquire(pool, 1, &page, nullptr, 1), "acquire");
  const Outstanding before = outstanding();
  akv_dropped dropped = AKV_DROPPED_INIT;
  arm(1, true);
  const akv_status statuses[] = {akv_page_pool_reserve(pool, 4), akv_page_pool_drop_owner(pool, 1, &dropped),
                                 akv_page_pool_drop_all(pool, &dropped)};
  check_quiet(trial, disarm());
  for (const akv_status status : statuses) Trial::ok(status, "a SETUP call");
  if (!(outstanding() == before)) Trial::fail("a drop has unmapped memory");
  arm(1, true);
  const akv_status status = akv_page_pool_destroy(pool);
  check_quiet(trial, disarm());
  Trial::ok(status, "destroy without memory");
}

}  // namespace

const Scenario kPoolScenarios[] = {
    {"pool: create", defaults, true},
    {"pool: create, prefault", prefault, true},
    {"pool: create, huge pages", huge_pages, true},
    {"pool: create with a tracker", with_a_tracker, true},
    {"pool: reserve with a tracker", reserve_with_a_tracker, true},
    {"pool: create a tracker", a_tracker, true},
    {"pool: create on a new thread", on_a_new_thread, true},
    {"pool: quiet: a whole life of META calls", a_whole_life, false},
    {"pool: quiet: the same on a new thread", a_whole_life_on_a_new_thread, false},
    {"pool: quiet: SETUP calls without need", setup_calls_without_need, false},
};
const std::size_t kNumPoolScenarios = std::size(kPoolScenarios);

}  // namespace akv::stress
