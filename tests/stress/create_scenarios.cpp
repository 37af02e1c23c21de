// create_scenarios.cpp: making caches while memory fails.
// It knows configurations; how a trial works is in scenario.cpp.
#include "scenario.hpp"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <iterator>
#include <new>
#include <thread>

namespace akv::stress {
namespace {

akv_cache_config small() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 64;
  config.block_tokens = 4;
  config.max_sequences = 8;
  return config;
}

akv_cache *make(const akv_cache_config &config) {
  akv_cache *cache = nullptr;
  Trial::ok(akv_cache_create(&config, &cache), "create");
  return cache;
}

void destroy(akv_cache *cache) { Trial::ok(akv_cache_destroy(cache), "destroy"); }

// It must be whole: a sequence comes and goes.
void use(akv_cache *cache) {
  const std::int32_t tokens[] = {1, 2, 3, 4, 5, 6, 7};
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = 7;
  akv_created created = AKV_CREATED_INIT;
  Trial::ok(akv_sequence_create(cache, &prompt, nullptr, &created), "create a sequence");
  Trial::ok(akv_sequence_free(cache, created.sequence), "free it");
  Trial::ok(akv_cache_audit_all(cache), "audit_all");
}

// The common shape: a cache of this configuration is made while memory fails, used, and destroyed.
void create_with(Trial &trial, const akv_cache_config *config) {
  akv_cache *cache = nullptr;
  trial.try_call([&] { return akv_cache_create(config, &cache); });
  use(cache);
  destroy(cache);
  // What stays is there once, however many caches come and go.
  const Outstanding before = outstanding();
  for (int i = 0; i < 3; ++i) {
    Trial::ok(akv_cache_create(config, &cache), "create again");
    destroy(cache);
  }
  if (!(outstanding() == before)) Trial::fail("a cache that was made and destroyed leaves something behind");
}

void create_with(Trial &trial, void (*change)(akv_cache_config &)) {
  akv_cache_config config = small();
  change(config);
  create_with(trial, &config);
}

void defaults(Trial &trial) { create_with(trial, static_cast<const akv_cache_config *>(nullptr)); }
void two_blocks(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.num_blocks = 2, c.max_sequences = 1; });
}
void a_million_blocks(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.num_blocks = 1000000; });
}
void prefault(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.flags = AKV_CACHE_PREFAULT; });
}
void buddy(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.block_allocator = AKV_BLOCK_ALLOCATOR_BUDDY; });
}
void swap_blocks(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.num_swap_blocks = 300; });
}
void scrub_always(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.scrub = AKV_SCRUB_ALWAYS; });
}
void scrub_none(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.scrub = AKV_SCRUB_NONE; });
}
void largest_blocks(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.block_tokens = AKV_MAX_BLOCK_TOKENS; });
}
void many_sequences(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.max_sequences = 5000; });
}
void many_tickets_plans_and_holds(Trial &trial) {
  create_with(trial, [](akv_cache_config &c) { c.max_open_tickets = 1 << 20, c.max_plans = 9999, c.max_holds = 9999; });
}

void a_geometry(Trial &trial) {
  const akv_plane planes[] = {{AKV_PLANE_LATENT, AKV_DTYPE_F8_E4M3, 1, 576, 0, 0}};
  akv_layer_group group{};
  group.rule = AKV_RULE_FULL;
  group.num_layers = 61;
  group.num_planes = 1;
  group.plane_size = sizeof(akv_plane);
  group.planes = planes;
  akv_cache_config config = small();
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group;
  create_with(trial, &config);
}

// -- a host's allocator --

struct Host {
  std::int64_t held = 0;
  enum { good, null, misaligned, throws } mood = good;
};
void *allocate(void *context, std::uint64_t size, std::uint64_t alignment) {
  Host &host = *static_cast<Host *>(context);
  if (host.mood == Host::null) return nullptr;
  if (host.mood == Host::throws) throw 7;
  auto *memory = static_cast<unsigned char *>(::operator new(size + 2 * alignment, std::nothrow));
  if (memory == nullptr) return nullptr;
  ++host.held;
  const auto place = reinterpret_cast<std::uintptr_t>(memory) + alignment;
  unsigned char *aligned = memory + alignment + (alignment - place % alignment) % alignment;
  std::memcpy(aligned - sizeof memory, &memory, sizeof memory);
  return host.mood == Host::misaligned ? aligned + 16 : aligned;
}
void release(void *context, void *memory, std::uint64_t, std::uint64_t) {
  Host &host = *static_cast<Host *>(context);
  --host.held;
  unsigned char *whole;
  std::memcpy(&whole, static_cast<unsigned char *>(memory) - (host.mood == Host::misaligned ? 16 : 0) - sizeof whole,
              sizeof whole);
  ::operator delete(whole);
}

void with_host(Trial &trial, std::uint32_t flags, decltype(Host::mood) mood, akv_status wanted) {
  Host host;
  host.mood = mood;
  akv_allocator allocator = AKV_ALLOCATOR_INIT;
  allocator.context = &host;
  allocator.allocate = allocate;
  allocator.release = release;
  akv_cache_config config = small();
  config.flags = flags;
  config.allocator = &allocator;
  akv_cache *cache = nullptr;
  trial.try_call([&] { return akv_cache_create(&config, &cache); }, wanted);
  if (wanted == AKV_OK) {
    use(cache);
    destroy(cache);
  } else if (cache != nullptr) {
    Trial::fail("a create that failed wrote its output");
  }
  if (host.held != 0) Trial::fail("the host's allocator lacks %lld blocks", static_cast<long long>(host.held));
}
void host_allocator(Trial &trial) { with_host(trial, 0, Host::good, AKV_OK); }
void host_allocator_prefault(Trial &trial) { with_host(trial, AKV_CACHE_PREFAULT, Host::good, AKV_OK); }
void host_allocator_has_none(Trial &trial) { with_host(trial, 0, Host::null, AKV_ERROR_OUT_OF_MEMORY); }
void host_allocator_misaligned(Trial &trial) { with_host(trial, 0, Host::misaligned, AKV_ERROR_CALLBACK); }
void host_allocator_throws(Trial &trial) { with_host(trial, 0, Host::throws, AKV_ERROR_CALLBACK); }

// -- beside and after other caches --

void beside_a_living_one(Trial &trial) {
  akv_cache *first = make(small());
  use(first);
  trial.watch(first);
  akv_cache *second = nullptr;
  const akv_cache_config config = small();
  trial.try_call([&] { return akv_cache_create(&config, &second); });
  use(second);
  destroy(second);
  use(first);
  destroy(first);
}

void in_the_place_of_another(Trial &trial) {
  destroy(make(small()));
  const akv_cache_config config = small();
  create_with(trial, &config);
}

// The gates grow: those of the first are kept for late calls.
void with_more_sequences_than_before(Trial &trial) {
  destroy(make(small()));
  create_with(trial, [](akv_cache_config &c) { c.max_sequences = 1000; });
}

void three_at_once(Trial &trial) {
  akv_cache *caches[3] = {};
  const akv_cache_config config = small();
  for (akv_cache *&cache : caches) trial.try_call([&] { return akv_cache_create(&config, &cache); });
  for (akv_cache *cache : caches) use(cache);
  for (akv_cache *cache : caches) destroy(cache);
}

// A place that a failed create has claimed is free again: all of them are there.
void every_place_after_many_failures(Trial &trial) {
  akv_cache *caches[AKV_MAX_CACHES] = {};
  akv_cache_config config = small();
  for (int i = 0; i < 300; ++i) {
    arm(1, true);
    const akv_status status = akv_cache_create(&config, &caches[0]);
    disarm();
    if (status != AKV_ERROR_OUT_OF_MEMORY) Trial::fail("create without memory: %s", akv_status_name(status));
  }
  trial.try_call([&] { return akv_cache_create(&config, &caches[0]); });
  for (std::size_t i = 1; i < AKV_MAX_CACHES; ++i) caches[i] = make(config);
  akv_cache *one_more = nullptr;
  if (akv_cache_create(&config, &one_more) != AKV_ERROR_NO_CACHES) Trial::fail("a cache too many was made");
  for (akv_cache *cache : caches) destroy(cache);
}

void with_a_log(Trial &trial) {
  int lines = 0;
  Trial::ok(akv_set_log([](void *context, std::uint32_t, const char *) { ++*static_cast<int *>(context); }, &lines,
                        AKV_LOG_INFO),
            "set_log");
  defaults(trial);
  Trial::ok(akv_set_log(nullptr, nullptr, 0), "set_log to nothing");
  if (lines == 0) Trial::fail("nothing was logged");
}

void on_a_new_thread(Trial &trial) {
  std::thread([&] { defaults(trial); }).join();
}

// What the library asks of the C library, once in a process, may want memory too: glibc has room for 48 handlers.
// Whoever is told OK must be told FORKED in a child. (glibc never recovers from this, so there is no second try.)
void when_the_process_has_many_fork_handlers(Trial &trial) {
  for (int i = 0; i < 48; ++i) pthread_atfork(nullptr, nullptr, [] {});
  akv_cache *cache = nullptr;
  const akv_cache_config config = small();
  const akv_status status = trial.try_once([&] { return akv_cache_create(&config, &cache); });
  if (status == AKV_ERROR_OUT_OF_MEMORY) return;
  Trial::ok(status, "create");
  const pid_t child = fork();
  if (child == 0) {
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    _exit(akv_cache_read_state(cache, &state) == AKV_ERROR_FORKED ? 0 : 1);
  }
  int result = 0;
  waitpid(child, &result, 0);
  if (result != 0) Trial::fail("a child of fork() is not told FORKED");
  destroy(cache);
}

void in_a_child_of_fork(Trial &trial) {
  akv_cache *parents = make(small());
  const pid_t child = fork();
  if (child == 0) {
    defaults(trial);
    _exit(akv_cache_destroy(parents) == AKV_OK ? 0 : 1);
  }
  int result = 0;
  waitpid(child, &result, 0);
  if (result != 0) Trial::fail("the child of fork() failed");
  defaults(trial);
  destroy(parents);
}

}  // namespace

const Scenario kCreateScenarios[] = {
    {"create: defaults", defaults, true},
    {"create: two blocks", two_blocks, true},
    {"create: a million blocks", a_million_blocks, true},
    {"create: prefault", prefault, true},
    {"create: buddy allocator", buddy, true},
    {"create: swap blocks", swap_blocks, true},
    {"create: scrub always", scrub_always, true},
    {"create: scrub none", scrub_none, true},
    {"create: largest blocks", largest_blocks, true},
    {"create: many sequences", many_sequences, true},
    {"create: many tickets, plans and holds", many_tickets_plans_and_holds, true},
    {"create: a geometry", a_geometry, true},
    {"create: a host's allocator", host_allocator, true},
    {"create: a host's allocator, prefault", host_allocator_prefault, true},
    {"create: a host's allocator that has none", host_allocator_has_none, true},
    {"create: a host's allocator that is misaligned", host_allocator_misaligned, true},
    {"create: a host's allocator that throws", host_allocator_throws, true},
    {"create: beside a living cache", beside_a_living_one, true},
    {"create: in the place of another", in_the_place_of_another, true},
    {"create: with more sequences than before", with_more_sequences_than_before, true},
    {"create: three at once", three_at_once, true},
    {"create: every place after many failures", every_place_after_many_failures, true},
    {"create: with a log", with_a_log, true},
    {"create: on a new thread", on_a_new_thread, true},
    {"create: when the process has many fork handlers", when_the_process_has_many_fork_handlers, true},
    {"create: in a child of fork", in_a_child_of_fork, true},
};
const std::size_t kNumCreateScenarios = std::size(kCreateScenarios);

}  // namespace akv::stress
