// stream_scenarios.cpp: making streams while memory fails, and using them, which asks for none.
// It knows configurations; how a trial works is in scenario.cpp.
#include "scenario.hpp"

#include <cstring>
#include <filesystem>
#include <iterator>

#include <sched.h>

namespace akv::stress {
namespace {

constexpr std::uint64_t kMinute = 60'000'000'000;

std::size_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

// A thread that was joined leaves /proc a moment later.
void expect_threads(std::size_t wanted) {
  for (int tries = 0; threads() != wanted; ++tries) {
    if (tries == 100000) Trial::fail("%zu threads, wanted %zu", threads(), wanted);
    sched_yield();
  }
}

akv_status make(std::uint32_t workers, akv_stream *&stream) {
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  config.num_workers = workers;
  return akv_stream_create(&config, &stream);
}

void end(akv_stream *stream) { Trial::ok(akv_stream_destroy(stream), "destroy a stream"); }

// It must be whole: work is done, and waited for.
void use(akv_stream *stream) {
  int called = 0;
  Trial::ok(akv_stream_call(stream, [](void *count) { ++*static_cast<int *>(count); }, &called), "call");
  Trial::ok(akv_stream_wait(stream, AKV_POINT_ALL, kMinute), "wait");
  if (called != 1) Trial::fail("the function was called %d times", called);
}

void create_with(Trial &trial, std::uint32_t workers) {
  const std::size_t before = threads();
  akv_stream *stream = nullptr;
  trial.try_call([&] {
    const akv_status status = make(workers, stream);
    if (status != AKV_OK && stream != nullptr) Trial::fail("a create that failed wrote its output");
    return status;
  });
  expect_threads(before + workers);  // those of a create that failed are gone
  use(stream);
  end(stream);
  expect_threads(before);
}

void without_workers(Trial &trial) { create_with(trial, 0); }
void with_a_worker(Trial &trial) { create_with(trial, 1); }
// glibc keeps the stacks of ended threads, and a little memory with each.
void with_workers(Trial &trial) {
  akv_stream *first = nullptr;
  Trial::ok(make(4, first), "make a stream");
  end(first);
  create_with(trial, 4);
}
void beside_another(Trial &trial) {
  akv_stream *first = nullptr;
  Trial::ok(make(1, first), "make a stream");
  use(first);
  create_with(trial, 0);
  use(first);
  end(first);
}

// All that is done with streams once they are there.
void life_of(Trial &trial, std::uint32_t workers) {
  akv_cache *cache = nullptr;
  akv_stream *stream = nullptr, *other = nullptr;
  Trial::ok(akv_cache_create(nullptr, &cache), "create");
  Trial::ok(make(workers, stream), "make a stream");
  Trial::ok(make(workers, other), "make another");
  use(stream);
  for (int i = 0; i < 100; ++i) {
    akv_ticket ticket = AKV_NONE;
    std::uint64_t point = 0;
    std::uint32_t passed = 0;
    std::int32_t fd = -1;
    trial.try_call([&] { return akv_ticket_open(cache, &ticket); });
    trial.try_call([&] { return akv_stream_call(other, [](void *) {}, nullptr); });
    trial.try_call([&] { return akv_stream_record(other, &point); });
    // Without workers it is the past already.
    trial.try_call([&] { return akv_stream_follow(stream, other, point); });
    trial.try_call([&] { return akv_stream_record_ticket(stream, cache, ticket); });
    trial.try_call([&] { return akv_stream_read_fd(stream, &fd); });
    trial.try_call([&] { return akv_stream_wait(stream, AKV_POINT_ALL, kMinute); });
    trial.try_call([&] { return akv_stream_read(other, point, &passed); });
    trial.try_call([&] { return akv_stream_poll(other, nullptr); });
    if (passed != 1) Trial::fail("point %d was not passed", i);
    if (akv_ticket_retire(cache, ticket) != AKV_ERROR_BAD_HANDLE) Trial::fail("ticket %d was not retired", i);
  }
  end(stream);
  end(other);
  Trial::ok(akv_cache_destroy(cache), "destroy");
}
void life_without_workers(Trial &trial) { life_of(trial, 0); }
void life_with_workers(Trial &trial) { life_of(trial, 2); }

}  // namespace

const Scenario kStreamScenarios[] = {
    {"stream: without workers", without_workers, true},
    {"stream: with a worker", with_a_worker, true},
    {"stream: with workers", with_workers, true},
    {"stream: beside another", beside_another, true},
    {"stream: its life without workers", life_without_workers, false},
    {"stream: its life with workers", life_with_workers, false},
};
const std::size_t kNumStreamScenarios = std::size(kStreamScenarios);

}  // namespace akv::stress
