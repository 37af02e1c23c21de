// stream_ends.cpp: the promises of stream.h about what ends with a stream's points (tickets), about its descriptor, and
// about how a stream begins and ends: arguments, threads, fork().
// It knows the public API only; plans that end with a stream are tests/unit's and those of akv_copy_run().
#include "child.hpp"
#include "delayed.hpp"

#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

using namespace akv::test;

namespace {

// ThreadSanitizer has a thread of its own, and starts none in a child of a process that had several.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(THREAD_SANITIZER)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

std::size_t entries(const char *folder) {
  std::size_t count = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) count += !entry.path().empty();
  return count;
}

// A thread that was joined leaves /proc a moment later.
bool threads_become(std::size_t wanted) {
  for (int tries = 0; tries < 100000; ++tries) {
    if (entries("/proc/self/task") == wanted) return true;
    std::this_thread::yield();
  }
  return false;
}

void record(const Stream &stream, const Cache &cache, akv_ticket ticket) {
  OK(akv_stream_record_ticket(stream, cache, ticket));
}

bool readable(int fd, int timeout_ms) {
  pollfd one{fd, POLLIN, 0};
  return poll(&one, 1, timeout_ms) == 1 && (one.revents & POLLIN) != 0;
}
bool reset(int fd) {
  std::uint64_t count = 0;
  return read(fd, &count, sizeof count) == sizeof count && count != 0;
}

akv_status create(void (*change)(akv_stream_config &)) {
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  change(config);
  akv_stream *stream = nullptr;
  const akv_status status = akv_stream_create(&config, &stream);
  CHECK((stream != nullptr) == (status == AKV_OK));
  if (status == AKV_OK) OK(akv_stream_destroy(stream));
  return status;
}

}  // namespace

TEST_CASE("stream: A4 A10 a ticket ends by a poll after the stream has passed its point, and not before") {
  Cache cache;
  Stream stream(2);
  const akv_sequence s = cache.create(count_up(0, 8)).sequence;
  const akv_ticket ticket = cache.open_ticket();
  cache.free(s);
  stream.hold();
  record(stream, cache, ticket);
  stream.hold();  // behind the ticket: it is not waited for
  CHECK(stream.poll() == 0);
  stream.stands(1);
  CHECK((cache.ticket_state(ticket) == AKV_TICKET_OPEN && cache.state().quarantined_blocks == 2));
  stream.release();
  while (!stream.passed(1)) std::this_thread::yield();
  CHECK(cache.ticket_state(ticket) == AKV_TICKET_OPEN);  // nothing happens in the background
  CHECK(stream.poll() == 1);
  CHECK((cache.ticket_state(ticket) == AKV_TICKET_PASSED && cache.state().quarantined_blocks == 0));
  CHECK(stream.poll() == 0);
  stream.release();
}

TEST_CASE("stream: a wait retires tickets as a poll does, those behind its point excepted") {
  Cache cache;
  Stream stream(1);
  const akv_ticket first = cache.open_ticket(), second = cache.open_ticket();
  stream.hold();
  record(stream, cache, first);
  stream.hold();
  record(stream, cache, second);
  stream.release();
  stream.wait(1);
  CHECK((cache.ticket_state(first) == AKV_TICKET_PASSED && cache.ticket_state(second) == AKV_TICKET_OPEN));
  stream.release();
  stream.wait();
  CHECK(cache.ticket_state(second) == AKV_TICKET_PASSED);
}

TEST_CASE("stream: without workers and without work a recorded ticket ends with the next poll") {
  Cache cache, other;
  Stream stream;
  const akv_ticket a = cache.open_ticket(), b = other.open_ticket(), c = cache.open_ticket();
  record(stream, cache, c);
  record(stream, other, b);
  record(stream, cache, a);
  CHECK(cache.ticket_state(a) == AKV_TICKET_OPEN);
  CHECK(stream.poll() == 3);
  for (const akv_ticket ticket : {a, c}) CHECK(cache.ticket_state(ticket) == AKV_TICKET_PASSED);
  CHECK(other.ticket_state(b) == AKV_TICKET_PASSED);
  OK(akv_stream_poll(stream, nullptr));
}

TEST_CASE("stream: tickets that ended otherwise, and those of destroyed caches, are passed over without a word") {
  Cache cache;
  Stream stream(1);
  akv_cache *gone = nullptr;
  akv_ticket lost = AKV_NONE;
  OK(akv_cache_create(nullptr, &gone));
  OK(akv_ticket_open(gone, &lost));
  const akv_ticket retired = cache.open_ticket(), abandoned = cache.open_ticket(), twice = cache.open_ticket();
  stream.hold();
  for (const akv_ticket ticket : {retired, abandoned, twice, twice}) record(stream, cache, ticket);
  OK(akv_stream_record_ticket(stream, gone, lost));
  OK(akv_cache_destroy(gone));
  cache.retire(retired);
  cache.give_up(abandoned);
  CHECK(akv_stream_record(stream, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  const std::string error = last_error();
  stream.release();
  while (!stream.passed(1)) std::this_thread::yield();
  CHECK(stream.poll() == 1);
  CHECK(last_error() == error);  // nothing has failed
  CHECK(cache.ticket_state(twice) == AKV_TICKET_PASSED);
  CHECK(cache.ticket_state(abandoned) == AKV_TICKET_ABANDONED);
}

TEST_CASE("stream: a ticket that is not open can't be recorded, and nothing is kept of it") {
  Cache cache, other;
  Stream stream;
  const akv_ticket ended = cache.open_ticket(), open = cache.open_ticket();
  cache.retire(ended);
  CHECK(akv_stream_record_ticket(stream, cache, ended) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_stream_record_ticket(stream, cache, open + 1) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_stream_record_ticket(stream, other, open) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_stream_record_ticket(stream, cache, AKV_NONE) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_stream_record_ticket(stream, nullptr, open) == AKV_ERROR_INVALID_ARGUMENT);
  stream.destroy();  // not BUSY
}

TEST_CASE("stream: as many tickets wait as queue_items, then QUEUE_FULL, and a poll makes room") {
  Cache cache;
  Stream stream(1, [](akv_stream_config &c) { c.queue_items = 3; });
  std::vector<akv_ticket> tickets;
  for (int round = 0; round < 5; ++round) {
    stream.hold();
    for (int i = 0; i < 3; ++i) record(stream, cache, tickets.emplace_back(cache.open_ticket()));
    const akv_ticket extra = cache.open_ticket();
    CHECK(akv_stream_record_ticket(stream, cache, extra) == AKV_ERROR_QUEUE_FULL);
    stream.release();
    stream.wait();
    cache.retire(extra);
  }
  for (const akv_ticket ticket : tickets) CHECK(cache.ticket_state(ticket) == AKV_TICKET_PASSED);
}

TEST_CASE("stream: polls of many threads at once retire each ticket once, and leave none") {
  Cache cache;
  Stream stream(2);
  std::atomic<std::uint32_t> done{0}, other{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!stop) {
        std::uint32_t some = 0;
        other += akv_stream_poll(stream, &some) != AKV_OK;
        done += some;
      }
    });
  for (int i = 0; i < 300; ++i) {
    stream.call([](void *) {}, nullptr);
    record(stream, cache, cache.open_ticket());
  }
  while (done < 300 && other == 0) std::this_thread::yield();
  stop = true;
  for (std::thread &thread : threads) thread.join();
  CHECK((done == 300 && other == 0));
  CHECK(cache.room_for({1}).oldest_open == AKV_NONE);
}

TEST_CASE("stream: the descriptor is readable while something was passed since it was last read") {
  Stream stream(1);
  const int fd = stream.fd();
  CHECK(stream.fd() == fd);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK(!readable(fd, 0));
  CHECK(!reset(fd));  // does not block
  stream.hold();
  stream.await_stop();
  CHECK(!readable(fd, 0));
  stream.release();
  CHECK(readable(fd, 60000));
  CHECK(stream.passed(1));
  CHECK(reset(fd));
  CHECK(!readable(fd, 0));
  stream.call([](void *) {}, nullptr);
  stream.call([](void *) {}, nullptr);
  CHECK(readable(fd, 60000));
  stream.wait();
  stream.destroy();
  CHECK(fcntl(fd, F_GETFD) == -1);  // closed with the stream
}

TEST_CASE("stream: the descriptor is readable at first if something has been passed already, without workers too") {
  for (const std::uint32_t workers : {0u, 1u}) {
    Stream stream(workers);
    stream.call([](void *) {}, nullptr);
    stream.wait();
    const int fd = stream.fd();
    CHECK(readable(fd, 0));
    CHECK((reset(fd) && !readable(fd, 0)));
    stream.call([](void *) {}, nullptr);
    CHECK(readable(fd, 60000));
  }
}

TEST_CASE("stream: no descriptor left is IO, and later it works") {
  Stream stream;
  rlimit limit{}, none{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  none = limit;
  none.rlim_cur = 0;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::int32_t fd = 77;
  const akv_status status = akv_stream_read_fd(stream, &fd);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK((status == AKV_ERROR_IO && fd == 77));
  CHECK(last_error() == "eventfd() failed with errno " + std::to_string(EMFILE));
  CHECK(stream.fd() >= 0);
}

TEST_CASE("stream: destroy is BUSY while work is queued or tickets wait, and nothing has changed") {
  Cache cache;
  Stream stream(2);
  stream.hold();
  CHECK(akv_stream_destroy(stream) == AKV_ERROR_BUSY);
  const akv_ticket ticket = cache.open_ticket();
  record(stream, cache, ticket);
  stream.release();
  while (!stream.passed(1)) std::this_thread::yield();
  CHECK(akv_stream_destroy(stream) == AKV_ERROR_BUSY);
  CHECK(last_error() == "0 pieces of work are queued on the stream, 1 tickets and plans wait for akv_stream_poll()");
  CHECK(cache.ticket_state(ticket) == AKV_TICKET_OPEN);
  CHECK(stream.poll() == 1);
  stream.destroy();
  OK(akv_stream_destroy(nullptr));
}

TEST_CASE("stream: a wait that is inside makes destroy BUSY") {
  Stream stream(1);
  stream.hold();
  std::atomic<akv_status> answer{1};
  std::thread waiting([&] { answer = akv_stream_wait(stream, AKV_POINT_ALL, kLong); });
  stream.await_stop();
  CHECK(akv_stream_destroy(stream) == AKV_ERROR_BUSY);
  stream.release();
  waiting.join();
  CHECK(answer == AKV_OK);
  stream.destroy();
}

TEST_CASE("stream: B14 calls that meet a destroy that is BUSY are answered as if nobody had asked for it") {
  Stream stream(1);
  stream.hold();
  std::atomic<bool> over{false};
  std::atomic<std::uint32_t> wrong{0}, busy{0};
  std::thread destroying([&] {
    while (!over.load()) busy.fetch_add(akv_stream_destroy(stream) == AKV_ERROR_BUSY);
  });
  for (int i = 0; (i < 400000 || busy.load() < 100000) && wrong.load() == 0; ++i) {
    std::uint64_t point = 0;
    wrong.fetch_add(akv_stream_record(stream, &point) != AKV_OK);
  }
  over.store(true);
  destroying.join();
  CHECK(wrong == 0);
  stream.release();
}

TEST_CASE("stream: destroyed streams leave no thread, no descriptor and no mapping") {
  const std::size_t threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
  for (int round = 0; round < 30; ++round) {
    Stream a(4), b(3), c;
    CHECK(entries("/proc/self/task") == threads + 7);
    for (Stream *stream : {&a, &b, &c}) {
      CHECK(stream->fd() >= 0);
      stream->call([](void *) {}, nullptr);
      stream->wait();
      stream->destroy();
    }
    CHECK(threads_become(threads));
    CHECK(entries("/proc/self/fd") == descriptors);
  }
}

TEST_CASE("stream: workers have a name, and block the signals that are not faults") {
  struct Seen {
    char name[16] = "";
    sigset_t mask{};
  } seen;
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Stream stream(1);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int number = 1; number < 65; ++number) CHECK(sigismember(&before, number) == sigismember(&after, number));
  stream.call(
      [](void *context) {
        auto *s = static_cast<Seen *>(context);
        pthread_getname_np(pthread_self(), s->name, sizeof s->name);
        pthread_sigmask(SIG_SETMASK, nullptr, &s->mask);
      },
      &seen);
  stream.wait();
  CHECK(seen.name == std::string("akv-stream"));
  for (const int number : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGALRM, SIGPIPE, SIGPROF})
    CHECK(sigismember(&seen.mask, number) == 1);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) CHECK(sigismember(&seen.mask, number) == 0);
}

TEST_CASE("stream: create refuses what it can't make, and NULL is the host without workers") {
  akv_stream *stream = nullptr;
  OK(akv_stream_create(nullptr, &stream));
  OK(akv_stream_destroy(stream));
  CHECK(akv_stream_create(nullptr, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(create([](akv_stream_config &c) { c.device = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(create([](akv_stream_config &c) { c.flags = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(create([](akv_stream_config &c) { c.unused = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(create([](akv_stream_config &c) { c.num_workers = 65; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(last_error() == "num_workers is 65, the most is 64");
  CHECK(create([](akv_stream_config &c) { c.queue_items = 65537; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(create([](akv_stream_config &c) { c.queue_bytes = 4095; }) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(create([](akv_stream_config &c) { c.queue_bytes = (1ull << 32) + 1; }) == AKV_ERROR_INVALID_ARGUMENT);
  OK(create([](akv_stream_config &c) {
    c.num_workers = 64;
    c.queue_items = 65536;
    c.queue_bytes = 1ull << 32;  // address space
  }));
  OK(create([](akv_stream_config &c) {
    c.num_workers = 1;
    c.queue_items = 1;
    c.queue_bytes = 4097;
  }));
}

TEST_CASE("stream: AKV_MAX_OBJECTS streams may exist, one more is NO_OBJECTS") {
  std::vector<akv_stream *> streams;
  akv_stream *stream = nullptr;
  while (akv_stream_create(nullptr, &stream) == AKV_OK) streams.push_back(stream);
  CHECK(akv_stream_create(nullptr, &stream) == AKV_ERROR_NO_OBJECTS);
  CHECK(streams.size() == AKV_MAX_OBJECTS);
  for (akv_stream *one : streams) OK(akv_stream_destroy(one));
}

TEST_CASE("stream: in a child of fork() calls are FORKED and destroy is fine, whatever the workers were doing") {
  Cache cache;
  Stream stream(2), other(1), idle(3);
  const int fd = stream.fd();
  stream.hold();
  stream.await_stop();
  other.follow(stream, stream.record());
  record(stream, cache, cache.open_ticket());
  const std::string found = in_child([&] {
    std::string all;
    for (akv_stream *const parents : {stream.handle, other.handle, idle.handle}) {
      std::uint64_t point = 77;
      std::uint32_t number = 77;
      std::int32_t file = 77;
      const std::pair<const char *, akv_status> answers[] = {
          {"record", akv_stream_record(parents, &point)},
          {"read", akv_stream_read(parents, 0, &number)},
          {"follow", akv_stream_follow(parents, parents, 0)},
          {"call", akv_stream_call(parents, [](void *) {}, nullptr)},
          {"read_fd", akv_stream_read_fd(parents, &file)},
          {"record_ticket", akv_stream_record_ticket(parents, cache, 1)},
          {"poll", akv_stream_poll(parents, nullptr)},
          {"wait", akv_stream_wait(parents, 0, kLong)},
      };
      for (const auto &[name, answer] : answers)
        if (answer != AKV_ERROR_FORKED) all += wrong(name, answer);
      if (point != 77 || number != 77 || file != 77) all += "something was written\n";
      if (const akv_status s = akv_stream_destroy(parents); s != AKV_OK) all += wrong("destroy", s);
      if (const akv_status s = akv_stream_destroy(parents); s != AKV_ERROR_BAD_HANDLE) all += wrong("destroy again", s);
    }
    if (fcntl(fd, F_GETFD) == -1) all += "the descriptor was closed\n";
    if (entries("/proc/self/task") != 1) all += "a thread\n";
    return all;
  });
  CHECK(found == "");
  stream.release();
  other.wait();
  stream.wait();
  CHECK(cache.room_for({1}).oldest_open == AKV_NONE);
}

TEST_CASE("stream: a child of fork() makes streams of its own") {
  Stream stream(kThreadSanitizer ? 0 : 1);
  const std::string found = in_child([] {
    std::string all;
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = 2;
    akv_stream *mine = nullptr;
    int called = 0;
    if (const akv_status s = akv_stream_create(&config, &mine); s != AKV_OK) return all + wrong("create", s);
    if (const akv_status s = akv_stream_call(mine, [](void *c) { ++*static_cast<int *>(c); }, &called); s != AKV_OK)
      all += wrong("call", s);
    if (const akv_status s = akv_stream_wait(mine, AKV_POINT_ALL, kLong); s != AKV_OK) all += wrong("wait", s);
    if (called != 1) all += "not called\n";
    if (const akv_status s = akv_stream_destroy(mine); s != AKV_OK) all += wrong("destroy", s);
    return all;
  });
  CHECK(found == "");
}

TEST_CASE("stream: workers that can't all be started are OUT_OF_MEMORY, and none of them is left") {
  const std::string found = in_child([] {
    std::string all;
    rlimit limit{};
    // Room for the stacks of a few of them. (A sanitizer has mapped more than that long ago: then none starts.)
    limit.rlim_cur = limit.rlim_max = 400ull << 20;
    if (setrlimit(RLIMIT_AS, &limit) != 0) return std::string("no limit\n");
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = 64;
    akv_stream *stream = nullptr;
    const akv_status status = akv_stream_create(&config, &stream);
    if (status != AKV_ERROR_OUT_OF_MEMORY) all += wrong("create", status);
    if (stream != nullptr) all += "something was written\n";
    if (!kThreadSanitizer && !threads_become(1)) all += "threads are left\n";
    return all + (last_error().find("the host ") == 0 ? "" : last_error());
  });
  CHECK(found == "");
}
