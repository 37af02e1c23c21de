// host.cpp: the promises of host.h on the allocator hook and the features, and of status.h on names and last errors.
// It knows the public API only; the log hook is in log.cpp, what a child of fork() is told in abuse_process.cpp.
#include "child.hpp"

#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>

using namespace akv::test;

namespace {

// A host's allocator that keeps books, and can misbehave.
struct Allocator {
  enum Mood { good, null, misaligned, throws };
  Allocator() {
    hooks.context = this;
    hooks.allocate = [](void *context, std::uint64_t size, std::uint64_t alignment) {
      return static_cast<Allocator *>(context)->allocate(size, alignment);
    };
    hooks.release = [](void *context, void *memory, std::uint64_t size, std::uint64_t alignment) {
      static_cast<Allocator *>(context)->release(memory, size, alignment);
    };
  }
  void *allocate(std::uint64_t size, std::uint64_t alignment) {
    ++asked;
    CHECK((alignment != 0 && (alignment & (alignment - 1)) == 0 && alignment <= 4096));
    const bool now = asked == fails_at;
    if (now && mood == null) return nullptr;
    if (now && mood == throws) throw std::runtime_error("the host has a bad day");
    auto *memory = static_cast<unsigned char *>(std::aligned_alloc(4096, (size + 8191) / 4096 * 4096));
    REQUIRE(memory != nullptr);
    std::memset(memory, 0xa5, size);  // it need not be zero
    if (during_allocate) during_allocate();
    unsigned char *handed_out = now && mood == misaligned ? memory + 8 : memory;
    living[handed_out] = {size, alignment};
    return handed_out;
  }
  void release(void *memory, std::uint64_t size, std::uint64_t alignment) {
    ++released;
    const auto found = living.find(memory);
    REQUIRE(found != living.end());
    CHECK(found->second == std::make_pair(size, alignment));
    living.erase(found);
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    std::free(reinterpret_cast<void *>(address & ~std::uintptr_t{4095}));
    if (during_release) during_release();
    if (release_throws) throw std::runtime_error("the host has a bad evening");
  }
  akv_allocator hooks = AKV_ALLOCATOR_INIT;
  std::map<void *, std::pair<std::uint64_t, std::uint64_t>> living;
  int asked = 0, released = 0, fails_at = 0;
  Mood mood = good;
  bool release_throws = false;
  void (*during_allocate)() = nullptr;
  void (*during_release)() = nullptr;
};

akv_status create_with(const Allocator &allocator, akv_cache **out) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 32;
  config.block_tokens = 4;
  config.max_sequences = 8;
  config.allocator = &allocator.hooks;
  return akv_cache_create(&config, out);
}

// Everything that a cache does in its life, once.
void live(const Cache &cache) {
  for (int round = 0; round < 20; ++round) {
    const akv_sequence s = cache.committed(count_up(round % 3 * 1000, 30));
    const akv_ticket ticket = cache.open_ticket();
    akv_sequence child = 0;
    akv_plan plan = 0;
    akv_lease lease = 0;
    OK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child));
    OK(cache.append(child, count_up(round, 9), &plan));
    cache.finish(plan, ticket);
    OK(akv_lease_acquire(cache, s, 5, 0, &lease, nullptr));
    cache.free(child);
    OK(akv_ticket_retire(cache, ticket));
    OK(akv_lease_release(cache, lease));
    OK(akv_sequence_reserve(cache, s, 60, &plan));
    if (plan != AKV_NONE) cache.finish(plan);
    cache.free(s);
    cache.state();
  }
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
}

}  // namespace

TEST_CASE("host: B16 all memory comes from the allocator in create, none later, and goes back as it was asked for") {
  Allocator allocator;
  Cache cache;
  OK(akv_cache_destroy(cache));
  OK(create_with(allocator, &cache.handle));
  const int asked = allocator.asked;
  CHECK(asked != 0);
  std::uint64_t bytes = 0;
  for (const auto &each : allocator.living) bytes += each.second.first;
  akv_sizes sizes = AKV_SIZES_INIT;
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  OK(akv_cache_read_config(cache, &config));
  config.num_groups = config.group_size = 0;
  OK(akv_cache_config_sizes(&config, &sizes));
  CHECK(bytes + 64 * 64 == sizes.metadata_reserved_bytes);
  live(cache);
  CHECK((allocator.asked == asked && allocator.released == 0));
  OK(akv_cache_destroy(cache));
  CHECK((allocator.asked == asked && allocator.released == asked && allocator.living.empty()));
  cache.handle = nullptr;
}

TEST_CASE("host: an allocation that fails or is misaligned fails create cleanly, whichever it is") {
  Allocator counter;
  akv_cache *cache = nullptr;
  OK(create_with(counter, &cache));
  OK(akv_cache_destroy(cache));
  for (const Allocator::Mood mood : {Allocator::null, Allocator::misaligned})
    for (int n = 1; n <= counter.asked; ++n) {
      INFO("mood " << mood << ", allocation " << n);
      Allocator allocator;
      allocator.mood = mood;
      allocator.fails_at = n;
      akv_cache *none = reinterpret_cast<akv_cache *>(&allocator);  // not written on failure
      CHECK(create_with(allocator, &none) == (mood == Allocator::null ? AKV_ERROR_OUT_OF_MEMORY : AKV_ERROR_CALLBACK));
      CHECK(none == reinterpret_cast<akv_cache *>(&allocator));
      CHECK(allocator.living.empty());
      CHECK(last_error().find("the allocator ") == 0);
      allocator.fails_at = 0;
      OK(create_with(allocator, &cache));  // the same place, the same allocator, a better day
      OK(akv_cache_destroy(cache));
      CHECK(allocator.living.empty());
    }
}

// In children: what goes wrong with a foreign exception ends the process.
TEST_CASE("host: an allocator that throws is CALLBACK, and one whose release throws does not stop a destroy") {
  CHECK(in_child([] {
          Allocator allocator;
          allocator.mood = Allocator::throws;
          allocator.fails_at = 1;
          akv_cache *cache = nullptr;
          std::string all;
          if (const akv_status s = create_with(allocator, &cache); s != AKV_ERROR_CALLBACK) all += wrong("create", s);
          if (last_error().find("the allocator threw") != 0 || cache != nullptr) all += last_error();
          if (const akv_status s = create_with(allocator, &cache); s != AKV_OK) all += wrong("a second create", s);
          if (const akv_status s = akv_cache_destroy(cache); s != AKV_OK) all += wrong("destroy", s);
          return all;
        }) == "");
  CHECK(in_child([] {
          Allocator allocator;
          allocator.release_throws = true;
          akv_cache *cache = nullptr;
          std::string all;
          if (const akv_status s = create_with(allocator, &cache); s != AKV_OK) all += wrong("create", s);
          if (const akv_status s = akv_cache_destroy(cache); s != AKV_OK) all += wrong("destroy", s);
          if (const akv_status s = akv_cache_destroy(cache); s != AKV_ERROR_BAD_HANDLE) all += wrong("another", s);
          return all;
        }) == "");
}

TEST_CASE("host: an allocator may call back into the library") {
  static akv_cache *other;
  static akv_status made, ended;
  Allocator allocator;
  allocator.during_allocate = [] { made = akv_cache_create(nullptr, &other); };
  allocator.during_release = [] { ended = akv_cache_destroy(other); };
  akv_cache *cache = nullptr;
  OK(create_with(allocator, &cache));
  CHECK((made == AKV_OK && other != cache));
  OK(akv_cache_audit_all(other));
  OK(akv_cache_destroy(cache));
  CHECK(ended == AKV_OK);
}

TEST_CASE("host: an allocator struct follows the rules of structs, and both of its functions are needed") {
  struct Newer {
    akv_allocator hooks;
    std::uint64_t news;
  };
  const auto answer = [](void (*bend)(Newer &)) {
    Allocator allocator;
    Newer newer = {allocator.hooks, 0};
    bend(newer);
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 8;
    config.allocator = &newer.hooks;
    akv_cache *cache = nullptr;
    const akv_status status = akv_cache_create(&config, &cache);
    CHECK(akv_cache_destroy(cache) == AKV_OK);
    if (status != AKV_OK) CHECK(allocator.asked == 0);
    return status;
  };
  CHECK(answer([](Newer &) {}) == AKV_OK);
  CHECK(answer([](Newer &n) { n.hooks.struct_size = 0; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer([](Newer &n) { n.hooks.struct_size = sizeof n.hooks - 1; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer([](Newer &n) { n.hooks.struct_size = 4097; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer([](Newer &n) { n.hooks.struct_size = sizeof n; }) == AKV_OK);
  CHECK(answer([](Newer &n) { n.hooks.struct_size = sizeof n, n.news = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(answer([](Newer &n) { n.hooks.flags = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(answer([](Newer &n) { n.hooks.allocate = nullptr; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer([](Newer &n) { n.hooks.release = nullptr; }) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("host: akv_has tells what is built in, and 0 for what it does not know") {
  CHECK(akv_has(AKV_FEATURE_PREFIX_INDEX) == 1);
  CHECK(akv_has(AKV_FEATURE_PARTIAL_HITS) == 1);
  CHECK(akv_has(AKV_FEATURE_BUDDY) == 1);
  CHECK(akv_has(AKV_FEATURE_STORES) == 1);
  CHECK(akv_has(AKV_FEATURE_CUDA) == 0);
  for (const std::uint32_t unknown : {0u, 6u, 1000u, 0xffffffffu}) CHECK(akv_has(unknown) == 0);
}

TEST_CASE("status: every status has a name of its own, and an unknown one has a text too") {
  std::set<std::string> names;
  for (const akv_status status : {AKV_OK,
                                  AKV_ERROR_INVALID_ARGUMENT,
                                  AKV_ERROR_OUT_OF_RANGE,
                                  AKV_ERROR_BUFFER_TOO_SMALL,
                                  AKV_ERROR_UNSUPPORTED,
                                  AKV_ERROR_BAD_HANDLE,
                                  AKV_ERROR_WRONG_TYPE,
                                  AKV_ERROR_BUSY,
                                  AKV_ERROR_PLAN_OPEN,
                                  AKV_ERROR_PLAN_NEEDED,
                                  AKV_ERROR_NOT_COMMITTED,
                                  AKV_ERROR_CONTENT_LOST,
                                  AKV_ERROR_ALREADY_EXISTS,
                                  AKV_ERROR_NOT_FOUND,
                                  AKV_ERROR_NO_BLOCKS,
                                  AKV_ERROR_NO_SEQUENCES,
                                  AKV_ERROR_NO_CAPACITY,
                                  AKV_ERROR_NO_TICKETS,
                                  AKV_ERROR_NO_HOLDS,
                                  AKV_ERROR_NO_PLANS,
                                  AKV_ERROR_PIN_BUDGET,
                                  AKV_ERROR_NO_CACHES,
                                  AKV_ERROR_OUT_OF_MEMORY,
                                  AKV_ERROR_CALLBACK,
                                  AKV_ERROR_FORKED,
                                  AKV_ERROR_DAMAGED}) {
    const std::string name = akv_status_name(status);
    CHECK(name.find(status == AKV_OK ? "AKV_OK" : "AKV_ERROR_") == 0);
    CHECK(names.insert(name).second);
  }
  for (const akv_status unknown : {1, -1, -14, -48, -1000, INT32_MIN, INT32_MAX})
    CHECK(names.count(akv_status_name(unknown)) == 0);
}

TEST_CASE("status: the last error is cut to the buffer and tells its whole length, and a success does not erase it") {
  CHECK(akv_sequence_free(nullptr, 1) == AKV_ERROR_INVALID_ARGUMENT);
  const std::string whole = "the cache is NULL";
  char text[40];
  for (const std::size_t capacity : {std::size_t{1}, std::size_t{2}, whole.size(), whole.size() + 1, sizeof text}) {
    std::memset(text, 0x7f, sizeof text);
    CHECK(akv_last_error(text, capacity) == whole.size());
    CHECK(std::string(text) == whole.substr(0, capacity - 1));
    for (std::size_t i = capacity; i < sizeof text; ++i) REQUIRE(text[i] == 0x7f);
  }
  CHECK(akv_last_error(nullptr, 0) == whole.size());
  {
    Cache cache;
  }
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.status == AKV_ERROR_INVALID_ARGUMENT && detail.row == AKV_UNSET && detail.needed == 0));
  CHECK((last_error() == whole && detail.available == 0 && detail.unused == 0));
  detail.struct_size = 0;
  CHECK(akv_last_error_detail(&detail) == AKV_ERROR_INVALID_ARGUMENT);  // and that is the last failure now
  CHECK(last_error().find("struct_size is 0") == 0);
}
