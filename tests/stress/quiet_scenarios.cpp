// quiet_scenarios.cpp: what must not ask for memory at all: every META call, and SETUP calls that have no need to.
// It knows the calls; how allocations are counted is in failing_memory.cpp.
//
// Promises: B16 (no malloc during inference), host.h ("after akv_cache_create() nothing is ever allocated").
#include "meta_life.hpp"
#include "scenario.hpp"

#include <dlfcn.h>

#include <cstring>
#include <iterator>
#include <thread>

namespace akv::stress {
namespace {

struct Cache {
  explicit Cache(akv_cache_config config = config_of_a_life()) {
    Trial::ok(akv_cache_create(&config, &handle), "create");
  }
  ~Cache() { Trial::ok(akv_cache_destroy(handle), "destroy"); }
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;
  akv_cache *handle = nullptr;
};

void check_quiet(Trial &trial, const Attempts &attempts) {
  trial.outcome.made += attempts.made;
  trial.outcome.failed += attempts.failed;
  if (attempts.made != 0)
    Trial::fail("%llu allocations were asked for", static_cast<unsigned long long>(attempts.made));
}

void live(Trial &trial, akv_cache *cache) {
  arm(1, true);
  const int line = live_once(cache);
  check_quiet(trial, disarm());
  if (line != 0) Trial::fail("meta_life.cpp:%d answered otherwise", line);
  Trial::ok(akv_cache_audit_all(cache), "audit_all");
}

void a_whole_life(Trial &trial) {
  const Cache cache;
  live(trial, cache.handle);
}

void a_whole_life_with_the_buddy_allocator(Trial &trial) {
  akv_cache_config config = config_of_a_life();
  config.block_allocator = AKV_BLOCK_ALLOCATOR_BUDDY;
  const Cache cache(config);
  live(trial, cache.handle);
}

void a_whole_life_without_scrubbing(Trial &trial) {
  akv_cache_config config = config_of_a_life();
  config.scrub = AKV_SCRUB_NONE;
  const Cache cache(config);
  live(trial, cache.handle);
}

// Its first calls of any kind: what is kept per thread is not allocated either.
void a_whole_life_on_a_new_thread(Trial &trial) {
  const Cache cache;
  std::thread([&] { live(trial, cache.handle); }).join();
}

void a_first_failure_of_a_thread(Trial &trial) {
  std::thread([&] {
    arm(1, true);
    const akv_status status = akv_sequence_free(nullptr, AKV_NONE);
    char text[200];
    const std::size_t length = akv_last_error(text, sizeof text);
    check_quiet(trial, disarm());
    if (status != AKV_ERROR_INVALID_ARGUMENT || length == 0) Trial::fail("the first failure of a thread");
  }).join();
}

// The same as bindings load it: then thread-local memory of the library must not be made by the thread's first call.
void a_first_call_into_a_loaded_library(Trial &trial) {
  void *library = dlopen(trial.library, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Trial::fail("dlopen: %s", dlerror());
  const auto create = reinterpret_cast<decltype(&akv_cache_create)>(dlsym(library, "akv_cache_create"));
  const auto destroy = reinterpret_cast<decltype(&akv_cache_destroy)>(dlsym(library, "akv_cache_destroy"));
  const auto create_sequence = reinterpret_cast<decltype(&akv_sequence_create)>(dlsym(library, "akv_sequence_create"));
  const auto free_sequence = reinterpret_cast<decltype(&akv_sequence_free)>(dlsym(library, "akv_sequence_free"));
  const auto append = reinterpret_cast<decltype(&akv_sequence_append)>(dlsym(library, "akv_sequence_append"));
  akv_cache *cache = nullptr;
  if (create(nullptr, &cache) != AKV_OK) Trial::fail("create in the loaded library");
  std::thread([&] {
    akv_created created = AKV_CREATED_INIT;
    arm(1, true);
    akv_status status = create_sequence(cache, nullptr, nullptr, &created);
    for (std::int32_t i = 0; i < 40 && status == AKV_OK; ++i)
      status = append(cache, created.sequence, &i, 1, 0, nullptr);
    if (status == AKV_OK && free_sequence(cache, AKV_NONE) != AKV_ERROR_INVALID_ARGUMENT) status = AKV_ERROR_DAMAGED;
    check_quiet(trial, disarm());
    Trial::ok(status, "calls of a new thread");
  }).join();
  if (destroy(cache) != AKV_OK) Trial::fail("destroy in the loaded library");
}

// -- SETUP calls that need none --

void setup_calls_without_need(Trial &trial) {
  const Cache cache;
  const std::int32_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = 9;
  akv_created created = AKV_CREATED_INIT;
  Trial::ok(akv_sequence_create(cache.handle, &prompt, nullptr, &created), "create a sequence");
  akv_ticket ticket = AKV_NONE;
  Trial::ok(akv_ticket_open(cache.handle, &ticket), "open a ticket");
  Trial::ok(akv_sequence_commit(cache.handle, created.sequence, 9, ticket), "commit");
  akv_explanation why = AKV_EXPLANATION_INIT;
  akv_measures measures = AKV_MEASURES_INIT;
  std::uint8_t map[61];
  std::uint32_t count = 0;
  arm(1, true);
  akv_status statuses[] = {
      akv_prefix_explain(cache.handle, &prompt, &why),
      akv_cache_measure(cache.handle, &measures),
      akv_cache_read_block_map(cache.handle, map, 61),
      akv_cache_audit_all(cache.handle),
      akv_ticket_abandon(cache.handle, ticket, &count),
      akv_prefix_clear(cache.handle, nullptr, 0, &count),
      akv_set_log([](void *, std::uint32_t, const char *) {}, nullptr, AKV_LOG_INFO),
      akv_set_log(nullptr, nullptr, 0),
  };
  check_quiet(trial, disarm());
  for (const akv_status status : statuses) Trial::ok(status, "a SETUP call");
}

void destroy_with_all_in_it(Trial &trial) {
  akv_cache_config config = config_of_a_life();
  akv_cache *cache = nullptr;
  Trial::ok(akv_cache_create(&config, &cache), "create");
  for (int i = 0; i < 8; ++i) {
    akv_created created = AKV_CREATED_INIT;
    Trial::ok(akv_sequence_create(cache, nullptr, nullptr, &created), "create a sequence");
  }
  arm(1, true);
  const akv_status status = akv_cache_destroy(cache);
  check_quiet(trial, disarm());
  Trial::ok(status, "destroy without memory");
}

void refusals_of_create(Trial &trial) {
  akv_cache_config config = config_of_a_life();
  akv_cache *cache = nullptr;
  arm(1, true);
  config.block_tokens = 5000;
  const akv_status too_large = akv_cache_create(&config, &cache);
  config = config_of_a_life();
  config.flags = 1u << 31;
  const akv_status unknown = akv_cache_create(&config, &cache);
  const akv_status nowhere = akv_cache_create(&config, nullptr);
  check_quiet(trial, disarm());
  if (too_large != AKV_ERROR_INVALID_ARGUMENT || unknown != AKV_ERROR_UNSUPPORTED ||
      nowhere != AKV_ERROR_INVALID_ARGUMENT)
    Trial::fail("a refusal of create: %d %d %d", too_large, unknown, nowhere);
}

}  // namespace

const Scenario kQuietScenarios[] = {
    {"quiet: a whole life of META calls", a_whole_life, false},
    {"quiet: the same with the buddy allocator", a_whole_life_with_the_buddy_allocator, false},
    {"quiet: the same without scrubbing", a_whole_life_without_scrubbing, false},
    {"quiet: the same on a new thread", a_whole_life_on_a_new_thread, false},
    {"quiet: a thread's first failure", a_first_failure_of_a_thread, false},
    {"quiet: a thread's first call into a loaded library", a_first_call_into_a_loaded_library, false},
    {"quiet: SETUP calls without need", setup_calls_without_need, false},
    {"quiet: destroy with all in it", destroy_with_all_in_it, false},
    {"quiet: refusals of create", refusals_of_create, false},
};
const std::size_t kNumQuietScenarios = std::size(kQuietScenarios);

}  // namespace akv::stress
