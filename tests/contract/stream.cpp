// stream.cpp: the promises of stream.h about order: points, waits, streams that follow each other, calls of functions.
// It knows the public API only; tickets, descriptors and the life of a stream are in stream_ends.cpp.
#include "delayed.hpp"

#include <atomic>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <thread>

#include <pthread.h>

using namespace akv::test;

namespace {

// What was done, in the order it was done in: no lock, because the stream's order is one.
struct Trace {
  struct Step {
    Trace *trace;
    int number;
  };
  explicit Trace(int count) : steps(static_cast<std::size_t>(count)) { done.reserve(steps.size()); }
  void queue(const Stream &stream, int number) {
    Step &step = steps[static_cast<std::size_t>(number)];
    step = {this, number};
    stream.call(
        [](void *context) {
          const auto *s = static_cast<const Step *>(context);
          s->trace->done.push_back(s->number);
        },
        &step);
  }
  std::vector<Step> steps;
  Tokens done;
};

}  // namespace

TEST_CASE("stream: without workers work is done inside the call, in the caller's thread, and its point is passed") {
  Stream stream;
  CHECK(stream.record() == 0);
  CHECK(stream.passed(0));
  pthread_t thread{};
  stream.call([](void *context) { *static_cast<pthread_t *>(context) = pthread_self(); }, &thread);
  CHECK(pthread_equal(thread, pthread_self()) != 0);
  CHECK(stream.record() == 1);
  CHECK(stream.passed(1));
  stream.wait(1);
  OK(akv_stream_wait(stream, AKV_POINT_ALL, 0));
}

TEST_CASE("stream: what is queued first is done first, with one to four workers") {
  for (std::uint32_t workers = 1; workers <= 4; ++workers) {
    Stream stream(workers);
    Trace trace(1000);
    for (int i = 0; i < 1000; ++i) trace.queue(stream, i);
    stream.wait();
    CHECK(trace.done == count_up(0, 1000));
  }
}

TEST_CASE("stream: a point is passed when all that was queued before it is done, whatever is queued behind") {
  Stream stream(2);
  CHECK(stream.passed(0));
  stream.hold();
  const std::uint64_t first = stream.record();
  stream.hold();
  const std::uint64_t second = stream.record();
  CHECK((first > 0 && second > first));
  CHECK(stream.record() == second);  // nothing was queued in between
  CHECK(!stream.passed(first));
  stream.stands(first);
  stream.release();
  stream.wait(first);
  CHECK((stream.passed(first) && !stream.passed(second)));
  stream.stands(second);
  stream.release();
  stream.wait(second);
  CHECK((stream.passed(second) && stream.passed(first) && stream.passed(0)));
}

TEST_CASE("stream: what work wrote is there for who waits for its point, or finds it passed, in whatever thread") {
  Stream stream(2);
  int value = 1;  // plain: ThreadSanitizer looks on
  stream.call([](void *context) { *static_cast<int *>(context) += 1; }, &value);
  const std::uint64_t point = stream.record();
  std::thread([&] {
    while (!stream.passed(point)) std::this_thread::yield();
    value += 1;
    stream.call([](void *context) { *static_cast<int *>(context) *= 10; }, &value);
  }).join();
  stream.wait();
  CHECK(value == 30);
}

TEST_CASE("stream: a point that was never recorded is OUT_OF_RANGE") {
  Stream stream(1), other;
  stream.call([](void *) {}, nullptr);
  std::uint32_t passed = 77;
  CHECK(akv_stream_read(stream, 2, &passed) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_stream_read(stream, AKV_POINT_ALL, &passed) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(passed == 77);
  CHECK(last_error() == "point 18446744073709551615 of a stream whose last one is 1");
  CHECK(akv_stream_wait(stream, 2, kLong) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_stream_follow(stream, other, 1) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_stream_follow(other, stream, AKV_POINT_ALL) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("stream: TIMEOUT gives nothing up, and the same wait succeeds later") {
  Stream stream(1);
  stream.hold();
  const std::uint64_t point = stream.record();
  CHECK(akv_stream_wait(stream, point, 0) == AKV_ERROR_TIMEOUT);
  CHECK(akv_stream_wait(stream, AKV_POINT_ALL, 1'000'000) == AKV_ERROR_TIMEOUT);
  CHECK(last_error() == "the stream has passed point 0 and not yet 1 after 1000000 nanoseconds");
  CHECK(stream.record() == point);
  stream.release();
  OK(akv_stream_wait(stream, point, UINT64_MAX));  // 585 years
  OK(akv_stream_wait(stream, point, 0));           // has been passed: no time is needed
}

TEST_CASE("stream: a wait goes on when signals arrive") {
  struct sigaction action{}, before{};
  action.sa_handler = [](int) {};  // no SA_RESTART
  REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
  Stream stream(1);
  stream.hold();
  std::atomic<akv_status> answer{1};
  std::thread waiting([&] { answer = akv_stream_wait(stream, AKV_POINT_ALL, kLong); });
  for (int i = 0; i < 200; ++i) {
    pthread_kill(waiting.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  CHECK(answer == 1);
  stream.release();
  waiting.join();
  CHECK(answer == AKV_OK);
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("stream: many may wait for one stream, and all of them are woken") {
  Stream stream(1);
  stream.hold();
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { woken += akv_stream_wait(stream, AKV_POINT_ALL, kLong) == AKV_OK; });
  stream.await_stop();
  CHECK(woken == 0);
  stream.release();
  for (std::thread &thread : threads) thread.join();
  CHECK(woken == 8);
}

TEST_CASE("stream: what is queued behind a follow waits until the other stream has passed the point") {
  Stream first(1), second(2);
  Trace trace(4);
  first.hold();
  trace.queue(first, 0);
  const std::uint64_t point = first.record();
  first.hold();  // behind the point: it is not waited for
  second.follow(first, point);
  trace.queue(second, 1);
  second.stands();
  CHECK(trace.done.empty());
  first.release();
  second.wait();
  CHECK(trace.done == Tokens{0, 1});
  first.release();
}

TEST_CASE("stream: following what has been passed is done at once, and so is following a stream without workers") {
  Stream first(1), second(1), without;
  first.call([](void *) {}, nullptr);
  first.wait();
  second.follow(first, first.record());
  second.follow(first, 0);
  without.call([](void *) {}, nullptr);
  second.follow(without, without.record());
  without.follow(first, first.record());
  CHECK((second.record() == 0 && without.record() == 1));  // nothing was queued
  OK(akv_stream_destroy(first));
  first.handle = nullptr;
}

TEST_CASE("stream: a stream may follow itself: its order says that already") {
  Stream stream(1);
  stream.hold();
  stream.follow(stream, stream.record());
  CHECK(stream.record() == 1);
  stream.release();
  stream.wait();
}

TEST_CASE("stream: without workers, following what has not been passed is NOT_READY, and nothing is queued") {
  Stream first(1), without;
  first.hold();
  CHECK(akv_stream_follow(without, first, first.record()) == AKV_ERROR_NOT_READY);
  CHECK(without.record() == 0);
  first.release();
  first.wait();
  without.follow(first, first.record());
}

TEST_CASE("stream: a followed stream can't be destroyed before the follow is done") {
  Stream first(1), second(1);
  second.hold();
  first.hold();
  second.follow(first, first.record());
  first.release();
  first.wait();  // first has nothing left to do
  CHECK(akv_stream_destroy(first) == AKV_ERROR_BUSY);
  second.release();
  second.wait();
  first.destroy();
}

TEST_CASE("stream: streams that follow each other's past points don't wait in a circle") {
  Stream a(1), b(1);
  Trace trace(6);
  a.hold();
  for (int i = 0; i < 6; i += 2) {
    trace.queue(a, i);
    b.follow(a, a.record());
    trace.queue(b, i + 1);
    a.follow(b, b.record());
  }
  a.release();
  a.wait();
  CHECK(trace.done == count_up(0, 6));
}

TEST_CASE("stream: order goes through a chain of streams") {
  std::vector<std::unique_ptr<Stream>> chain;
  Trace trace(8);
  for (int i = 0; i < 8; ++i) {
    chain.push_back(std::make_unique<Stream>(1 + i % 2));
    if (i == 0) chain[0]->hold();
    else chain.back()->follow(*chain[chain.size() - 2], chain[chain.size() - 2]->record());
    trace.queue(*chain.back(), i);
  }
  chain.back()->stands();
  chain[0]->release();
  chain.back()->wait();
  CHECK(trace.done == count_up(0, 8));
}

TEST_CASE("stream: what a function throws is CALLBACK without workers, else it is logged, and the stream goes on") {
  const auto throws = [](void *) { throw std::runtime_error("from a test"); };
  static std::atomic<int> warnings;
  warnings = 0;
  OK(akv_set_log([](void *, std::uint32_t level, const char *) { warnings += level == AKV_LOG_WARNING; }, nullptr,
                 AKV_LOG_WARNING));
  Stream without, stream(2);
  CHECK(on_a_thread([&] { return akv_stream_call(without, throws, nullptr); }) == AKV_ERROR_CALLBACK);
  CHECK((without.record() == 1 && without.passed(1)));
  CHECK(warnings == 0);
  Trace trace(2);
  trace.queue(stream, 0);
  stream.call(throws, nullptr);
  trace.queue(stream, 1);
  stream.wait();
  CHECK(trace.done == Tokens{0, 1});
  CHECK(warnings == 1);
  OK(akv_set_log(nullptr, nullptr, AKV_LOG_INFO));
}

TEST_CASE("stream: a function may call the library and queue more work here, but not wait for what lies behind it") {
  struct Inside {
    akv_stream *stream;
    akv_cache *cache;
    int order = 0;
    int second = 0;
    akv_status past = 1, whole = 1, queued = 1, polled = 1, created = 1, ended = 1;
  };
  const auto inside = [](void *context) {
    auto *i = static_cast<Inside *>(context);
    std::uint64_t point = 0;
    akv_created created = AKV_CREATED_INIT;
    i->created = akv_sequence_create(i->cache, nullptr, nullptr, &created);
    i->queued = akv_stream_call(
        i->stream,
        [](void *again) {
          auto *of = static_cast<Inside *>(again);
          of->second = ++of->order;
        },
        i);
    i->whole = akv_stream_wait(i->stream, AKV_POINT_ALL, kLong);
    i->past = akv_stream_wait(i->stream, 0, kLong);
    i->polled = akv_stream_poll(i->stream, nullptr);
    i->ended = akv_stream_destroy(i->stream);
    if (akv_stream_record(i->stream, &point) == AKV_OK) ++i->order;
  };
  for (const std::uint32_t workers : {0u, 1u, 3u}) {
    INFO(workers << " workers");
    Cache cache;
    Stream stream(workers);
    Inside seen;
    seen.stream = stream;
    seen.cache = cache;
    stream.call(inside, &seen);
    stream.wait();
    stream.wait();  // for what it queued itself
    CHECK((seen.created == AKV_OK && seen.queued == AKV_OK && seen.polled == AKV_OK && seen.past == AKV_OK));
    CHECK(seen.whole == (workers == 0 ? AKV_OK : AKV_ERROR_BUSY));
    CHECK(seen.ended == AKV_ERROR_BUSY);
    CHECK(seen.second == (workers == 0 ? 1 : 2));  // behind the function that queued it, where there is a queue
    CHECK(cache.state().sequences == 1);
  }
}

TEST_CASE("stream: a function may wait for another stream") {
  Stream first(1), second(1);
  second.hold();
  struct Both {
    akv_stream *second;
    akv_status answer;
  } both{second, 1};
  first.call(
      [](void *context) {
        auto *b = static_cast<Both *>(context);
        b->answer = akv_stream_wait(b->second, AKV_POINT_ALL, kLong);
      },
      &both);
  first.stands();
  second.release();
  first.wait();
  CHECK(both.answer == AKV_OK);
}

TEST_CASE("stream: QUEUE_FULL comes with the piece behind queue_items, and nothing is lost or done twice") {
  for (const std::uint32_t workers : {1u, 3u}) {
    Stream stream(workers, [](akv_stream_config &c) { c.queue_items = 5; });
    Trace trace(100);
    int number = 0;
    for (int round = 0; round < 20; ++round) {
      stream.hold();
      stream.await_stop();
      for (int i = 0; i < 4; ++i) trace.queue(stream, number++);
      CHECK(akv_stream_call(stream, [](void *) {}, nullptr) == AKV_ERROR_QUEUE_FULL);
      CHECK(last_error() == "5 pieces of work (queue_items) are queued");
      Stream other(1);
      other.hold();
      CHECK(akv_stream_follow(stream, other, other.record()) == AKV_ERROR_QUEUE_FULL);
      other.release();
      other.wait();
      other.destroy();  // a follow that was refused keeps nothing
      stream.release();
      stream.wait();
    }
    CHECK(trace.done == count_up(0, 80));
    CHECK(stream.record() == 100);
  }
}

TEST_CASE("stream: QUEUE_FULL comes when the arguments fill queue_bytes, and room comes back") {
  Stream stream(1, [](akv_stream_config &c) { c.queue_bytes = 4096; });
  for (int round = 0; round < 10; ++round) {
    stream.hold();
    stream.await_stop();
    int queued = 1;
    while (akv_stream_call(stream, [](void *) {}, nullptr) == AKV_OK) ++queued;
    CHECK(last_error().find("(queue_bytes)") != std::string::npos);
    CHECK(queued == 64);  // 64 bytes each
    stream.release();
    stream.wait();
  }
}

TEST_CASE("stream: work queued by many threads is done once each, and in the order of each thread") {
  constexpr int kThreads = 4, kEach = 3000;
  Stream stream(2, [](akv_stream_config &c) { c.queue_items = 64; });
  struct Source {
    int done = 0;
    int wrong = 0;
  };
  struct Item {
    Source *source;
    int number;
  };
  std::vector<Source> sources(kThreads);
  std::vector<Item> items(kThreads * kEach);
  std::atomic<int> other{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Item &item = items[static_cast<std::size_t>(t * kEach + i)];
        item = {&sources[static_cast<std::size_t>(t)], i};
        akv_status status = AKV_ERROR_QUEUE_FULL;
        while (status == AKV_ERROR_QUEUE_FULL)
          status = akv_stream_call(
              stream,
              [](void *context) {
                const auto *it = static_cast<const Item *>(context);
                it->source->wrong += it->source->done != it->number;
                ++it->source->done;
              },
              &item);
        other += status != AKV_OK;
      }
    });
  for (std::thread &thread : threads) thread.join();
  stream.wait();
  CHECK(other == 0);
  for (const Source &source : sources) CHECK((source.done == kEach && source.wrong == 0));
  CHECK(stream.record() == kThreads * kEach);
}
