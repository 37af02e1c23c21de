// abuse_process.cpp: what every call leaves alone in the process around it (errno, rounding, locale, descriptors,
// threads, signals), what a child of fork() is told, and what a signal handler may call. It knows the public API only;
// the table of functions is in abuse_calls.cpp.
#include "abuse_calls.hpp"
#include "child.hpp"

#include <atomic>
#include <cerrno>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <pthread.h>
#include <unistd.h>

using namespace akv::test;

namespace {

std::vector<std::unique_ptr<Scene>> a_scene_for_each() {
  std::vector<std::unique_ptr<Scene>> scenes;
  for (const Function &function : every_function())
    if (function.has(kCache)) scenes.push_back(std::make_unique<Scene>(function));
  return scenes;
}

std::size_t entries(const char *folder) {
  std::size_t count = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) count += !entry.path().empty();
  return count;
}

}  // namespace

TEST_CASE("abuse: errno, the rounding mode and the locale are as they were after every call, good or bad") {
  const std::string locale = std::setlocale(LC_ALL, nullptr);
  const auto check = [&locale](Scene &scene) {
    std::fesetround(FE_UPWARD);
    errno = 4242;
    scene.run();
    const int error = errno, rounding = std::fegetround();
    std::fesetround(FE_TONEAREST);
    CHECK(error == 4242);
    CHECK(rounding == FE_UPWARD);
    CHECK(std::setlocale(LC_ALL, nullptr) == locale);
  };
  for (const Function &function : every_function()) {
    INFO(function.name);
    Scene good(function), bad(function);
    check(good);
    good.tidy();
    bad.call.cache = nullptr;
    bad.call.stream = nullptr;
    bad.call.store = nullptr;
    bad.call.out = nullptr;
    check(bad);
  }
}

TEST_CASE("abuse: no call opens a descriptor, starts a thread or changes a signal's disposition") {
  struct sigaction before[65], after{};
  for (int number = 1; number < 65; ++number) sigaction(number, nullptr, &before[number]);
  const std::size_t descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  for (const Function &function : every_function()) {
    INFO(function.name);
    Scene scene(function);
    const std::size_t its_own = entries("/proc/self/fd");  // with the stream's
    OK(scene.run());
    CHECK((entries("/proc/self/fd") == its_own || function.name == std::string("akv_stream_destroy")));
    CHECK(entries("/proc/self/task") == threads);
    scene.tidy();
  }
  for (int number = 1; number < 65; ++number)
    if (sigaction(number, nullptr, &after) == 0) CHECK(after.sa_handler == before[number].sa_handler);
  CHECK(entries("/proc/self/fd") == descriptors);
}

TEST_CASE("abuse: in a child of fork() calls on the parent's cache are FORKED and write nothing, destroy is fine") {
  const auto scenes = a_scene_for_each();
  const std::string found = in_child([&scenes] {
    std::string all;
    for (const auto &scene : scenes) {
      const Outputs before = scene->outputs;
      const bool destroy = scene->function.name == std::string("akv_cache_destroy");
      const akv_status answer = scene->run();
      if (answer != (destroy ? AKV_OK : AKV_ERROR_FORKED)) all += wrong(scene->function.name, answer);
      if (!(scene->outputs == before)) all += std::string(scene->function.name) + " wrote\n";
      const char *its = scene->function.has(kStream) ? "stream" : scene->function.has(kStore) ? "store" : "cache";
      const auto said = std::string("the ") + its + " was made by the parent of this process: make one after fork()";
      if (!destroy && last_error().find(said) == std::string::npos) all += last_error() + "\n";
    }
    return all;
  });
  CHECK(found == "");
  for (const auto &scene : scenes) {  // the parent goes on
    INFO(scene->function.name);
    OK(scene->run());
    scene->tidy();
  }
}

TEST_CASE("abuse: a child of fork() destroys the parent's caches, makes its own, and the parent's are as they were") {
  Scene scene(function_named("akv_cache_audit"));
  const std::string before = scene.everything();
  akv_cache *const parents = scene.cache;
  const std::string found = in_child([parents] {
    std::string all;
    if (const akv_status s = akv_cache_destroy(parents); s != AKV_OK) all += wrong("destroy", s);
    if (const akv_status s = akv_cache_destroy(parents); s != AKV_ERROR_BAD_HANDLE) all += wrong("destroy again", s);
    akv_cache *mine = nullptr;
    if (const akv_status s = akv_cache_create(nullptr, &mine); s != AKV_OK) return all + wrong("create", s);
    akv_created created = AKV_CREATED_INIT;
    if (const akv_status s = akv_sequence_create(mine, nullptr, nullptr, &created); s != AKV_OK)
      all += wrong("a sequence", s);
    if (const akv_status s = akv_cache_audit_all(mine); s != AKV_OK) all += wrong("audit", s);
    all += in_child([mine] {  // a grandchild has a parent as well
      const akv_status s = akv_cache_audit(mine);
      return s == AKV_ERROR_FORKED ? std::string() : wrong("the grandchild's audit", s);
    });
    if (const akv_status s = akv_cache_destroy(mine); s != AKV_OK) all += wrong("destroy of its own", s);
    return all;
  });
  CHECK(found == "");
  CHECK(scene.everything() == before);
}

TEST_CASE("abuse: status names and the last error work in a child of fork()") {
  CHECK(akv_sequence_free(nullptr, 1) == AKV_ERROR_INVALID_ARGUMENT);
  const std::string found = in_child([] {
    std::string all;
    if (last_error() != "the cache is NULL") all += "the parent's last error is not there: " + last_error() + "\n";
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    if (akv_last_error_detail(&detail) != AKV_OK || detail.status != AKV_ERROR_INVALID_ARGUMENT) all += "no detail\n";
    if (akv_status_name(AKV_ERROR_FORKED) != std::string("AKV_ERROR_FORKED")) all += "no name\n";
    return all;
  });
  CHECK(found == "");
}

TEST_CASE("abuse: a fork() while another thread is inside the cache leaves the child with FORKED, not a locked door") {
  Cache cache;
  std::atomic<bool> stop{false};
  pthread_t thread{};
  struct Work {
    akv_cache *cache;
    std::atomic<bool> *stop;
  } work{cache, &stop};
  REQUIRE(pthread_create(
              &thread, nullptr,
              [](void *data) -> void * {
                const auto *w = static_cast<const Work *>(data);
                akv_created created = AKV_CREATED_INIT;
                while (!*w->stop)
                  if (akv_sequence_create(w->cache, nullptr, nullptr, &created) == AKV_OK &&
                      akv_sequence_free(w->cache, created.sequence) != AKV_OK)
                    break;
                return nullptr;
              },
              &work) == 0);
  for (int i = 0; i < 20; ++i) {
    const std::string found = in_child([&cache] {
      const akv_status state = akv_cache_audit(cache), end = akv_cache_destroy(cache);
      return (state == AKV_ERROR_FORKED ? "" : wrong("audit", state)) + (end == AKV_OK ? "" : wrong("destroy", end));
    });
    CHECK(found == "");
  }
  stop = true;
  pthread_join(thread, nullptr);
  CHECK(cache.state().sequences == 0);
}

TEST_CASE("abuse: a child of fork() leaves the memory of the parent's allocator alone") {
  static int released;
  released = 0;
  akv_allocator allocator = AKV_ALLOCATOR_INIT;
  allocator.allocate = [](void *, std::uint64_t size, std::uint64_t alignment) {
    return std::aligned_alloc(alignment, size);
  };
  allocator.release = [](void *, void *memory, std::uint64_t, std::uint64_t) {
    ++released;
    std::free(memory);
  };
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 64;
  config.allocator = &allocator;
  akv_cache *cache = nullptr;
  OK(akv_cache_create(&config, &cache));
  const std::string found = in_child([cache] {
    const akv_status answer = akv_cache_destroy(cache);
    return (answer == AKV_OK ? "" : wrong("destroy", answer)) + (released == 0 ? "" : std::string("released"));
  });
  CHECK(found == "");
  CHECK(released == 0);
  OK(akv_cache_destroy(cache));
  CHECK(released == 1);
}

namespace {

volatile std::sig_atomic_t handled, mistakes;

void handler(int) {
  const int error = errno;
  const char *name = akv_status_name(AKV_ERROR_NO_BLOCKS);
  if (std::strcmp(name, "AKV_ERROR_NO_BLOCKS") != 0) mistakes = mistakes + 1;
  if (akv_version() != AKV_VERSION || akv_version_string()[0] == '\0') mistakes = mistakes + 1;
  handled = handled + 1;
  errno = error;
}

}  // namespace

TEST_CASE("abuse: names and versions may be asked for in a signal handler, whatever it has interrupted") {
  struct sigaction action{}, before{};
  action.sa_handler = handler;
  handled = 0;
  mistakes = 0;
  REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
  Cache cache;
  std::atomic<bool> stop{false};
  struct Work {
    pthread_t target;
    std::atomic<bool> *stop;
  } work{pthread_self(), &stop};
  pthread_t thread{};
  REQUIRE(pthread_create(
              &thread, nullptr,
              [](void *data) -> void * {
                const auto *w = static_cast<const Work *>(data);
                while (!*w->stop) pthread_kill(w->target, SIGUSR1);
                return nullptr;
              },
              &work) == 0);
  for (int i = 0; handled < 500 || i < 500; ++i) {
    const akv_sequence s = cache.committed({i, 2, 3, 4, 5});
    CHECK(cache.append(s, count_up(0, 2000)) == AKV_ERROR_NO_CAPACITY);
    CHECK(last_error().find("max_tokens") != std::string::npos);
    cache.free(s);
  }
  stop = true;
  pthread_join(thread, nullptr);
  sigaction(SIGUSR1, &before, nullptr);
  CHECK(mistakes == 0);
}
