// log.cpp: the promises of host.h on the log hook.
// It knows the public API only; the allocator hook is in host.cpp.
#include "child.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

using namespace akv::test;

namespace {

struct Log {
  explicit Log(std::uint32_t max_level) {
    OK(akv_set_log([](void *context, std::uint32_t level,
                      const char *message) { static_cast<Log *>(context)->lines.emplace_back(level, message); },
                   this, max_level));
  }
  ~Log() { CHECK(akv_set_log(nullptr, nullptr, AKV_LOG_INFO) == AKV_OK); }
  Log(const Log &) = delete;
  Log &operator=(const Log &) = delete;
  bool has(std::uint32_t level, const std::string &text) const {
    for (const auto &line : lines)
      if (line.first == level && line.second.find(text) != std::string::npos) return true;
    return false;
  }
  std::vector<std::pair<std::uint32_t, std::string>> lines;
};

}  // namespace

TEST_CASE("log: log lines come at their level and below, and NULL sends them nowhere") {
  const auto events = [] {
    Cache cache;
    akv_created created = AKV_CREATED_INIT;
    OK(cache.try_create({1}, 0, created, 0, 0, 5));
    OK(akv_cache_drop_owner(cache, 5, 0, nullptr));
    OK(akv_ticket_abandon(cache, cache.open_ticket(), nullptr));
  };
  {
    const Log log(AKV_LOG_INFO);
    events();
    CHECK(log.has(AKV_LOG_INFO, "cache created: 32 blocks of 4 tokens, 8 sequences"));
    CHECK(log.has(AKV_LOG_INFO, "owner 5 dropped: 1 things released"));
    CHECK(log.has(AKV_LOG_WARNING, "abandoned"));
    for (const auto &line : log.lines) {
      CHECK((line.first == AKV_LOG_WARNING || line.first == AKV_LOG_INFO));
      CHECK((line.second != "" && line.second.find('\n') == std::string::npos));
    }
  }
  {
    const Log log(AKV_LOG_WARNING);
    events();
    CHECK((log.lines.size() == 1 && log.lines[0].first == AKV_LOG_WARNING));
    OK(akv_set_log(nullptr, nullptr, AKV_LOG_INFO));
    events();
    CHECK(log.lines.size() == 1);
  }
  for (const std::uint32_t level : {3u, 0xffffffffu}) {
    CHECK(akv_set_log(nullptr, nullptr, level) == AKV_ERROR_INVALID_ARGUMENT);
    CHECK(last_error() == "log level is " + std::to_string(level) + ", the highest is 2");
  }
}

TEST_CASE("log: a log hook that was replaced is not called again, and its successor gets its own context") {
  Log first(AKV_LOG_INFO);
  {
    Cache cache;
  }
  const std::size_t before = first.lines.size();
  CHECK(before != 0);
  {
    const Log second(AKV_LOG_INFO);
    {
      Cache cache;
    }
    CHECK(second.lines.size() == before);
  }
  {
    Cache cache;
  }
  CHECK(first.lines.size() == before);
}

TEST_CASE("log: a log hook may call back into the library, and set another hook") {
  static int calls;
  calls = 0;
  OK(akv_set_log(
      [](void *, std::uint32_t, const char *) {
        ++calls;
        akv_cache *inner = nullptr;
        CHECK(akv_cache_create(nullptr, &inner) == AKV_OK);
        CHECK(akv_cache_audit_all(inner) == AKV_OK);
        CHECK(akv_cache_destroy(inner) == AKV_OK);
        CHECK(akv_set_log(nullptr, nullptr, AKV_LOG_INFO) == AKV_OK);
      },
      nullptr, AKV_LOG_INFO));
  {
    Cache cache;
  }
  CHECK(calls == 1);
}

TEST_CASE("log: an exception out of a log hook ends in the library, and the call it was in succeeds") {
  CHECK(in_child([] {
          static int calls;
          std::string all;
          const auto hook = [](void *, std::uint32_t, const char *) {
            ++calls;
            throw std::runtime_error("no disk for this log");
          };
          if (const akv_status s = akv_set_log(hook, nullptr, AKV_LOG_INFO); s != AKV_OK) all += wrong("set_log", s);
          for (int i = 0; i < 3; ++i) {
            akv_cache *cache = nullptr;
            if (const akv_status s = akv_cache_create(nullptr, &cache); s != AKV_OK) all += wrong("create", s);
            if (const akv_status s = akv_cache_destroy(cache); s != AKV_OK) all += wrong("destroy", s);
          }
          return calls == 3 ? all : all + "not called";
        }) == "");
}

TEST_CASE("log: a hook that does not return makes set_log BUSY, with the new one in place") {
  static std::mutex mutex;
  static std::condition_variable changed;
  static bool inside, leave;
  inside = leave = false;
  OK(akv_set_log(
      [](void *, std::uint32_t, const char *) {
        std::unique_lock<std::mutex> lock(mutex);
        inside = true;
        changed.notify_all();
        changed.wait(lock, [] { return leave; });
      },
      nullptr, AKV_LOG_INFO));
  akv_status created = AKV_ERROR_DAMAGED;
  akv_cache *slow = nullptr;
  std::thread thread([&] { created = akv_cache_create(nullptr, &slow); });
  {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [] { return inside; });
  }
  static std::atomic<int> lines;
  lines = 0;
  const auto count = [](void *, std::uint32_t, const char *) { ++lines; };
  CHECK(akv_set_log(count, nullptr, AKV_LOG_INFO) == AKV_ERROR_BUSY);
  {
    Cache cache;
  }
  CHECK(lines == 1);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    leave = true;
    changed.notify_all();
  }
  thread.join();
  CHECK(created == AKV_OK);
  OK(akv_cache_destroy(slow));
  OK(akv_set_log(nullptr, nullptr, AKV_LOG_INFO));
}

TEST_CASE("log: no token and no domain is in any log line, error or report") {
  const Log log(AKV_LOG_INFO);
  std::string said;
  {
    Cache cache;
    const std::uint64_t domain = 987654321987654321;
    const Tokens tokens(9, 1234567890);
    akv_created created = AKV_CREATED_INIT;
    OK(cache.try_create(tokens, AKV_SEQUENCE_COMMITTED, created, domain, 3, 4));
    const akv_sequence s = created.sequence;
    const std::int32_t other = 1234567891;
    CHECK(akv_sequence_set_tokens(cache, s, 0, &other, 1) == AKV_ERROR_INVALID_ARGUMENT);
    said += last_error();
    CHECK(cache.append(s, Tokens(2000, 1234567892)) == AKV_ERROR_NO_CAPACITY);
    said += last_error();
    CHECK(cache.try_create(Tokens(500, 1234567890), 0, created, domain) == AKV_ERROR_NO_BLOCKS);
    said += last_error();
    const akv_prompt prompt = cache.prompt(tokens, domain + 1);
    akv_pin pin = 0;
    CHECK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr) == AKV_ERROR_NOT_FOUND);
    said += last_error();
    std::vector<char> text(8192);
    OK(akv_report_dump(cache, text.data(), text.size(), nullptr));
    said += text.data();
    OK(akv_ticket_abandon(cache, cache.open_ticket(), nullptr));
    OK(akv_prefix_clear(cache, &domain, 0, nullptr));
    OK(akv_cache_drop_owner(cache, 4, 0, nullptr));
  }
  for (const auto &line : log.lines) said += line.second;
  CHECK(log.lines.size() >= 4);
  CHECK(said.find("123456789") == std::string::npos);
  CHECK(said.find("987654321") == std::string::npos);
}
