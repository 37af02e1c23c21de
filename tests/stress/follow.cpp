// follow.cpp: several streams that follow each other, driven by several threads, with functions that dawdle and throw,
// tickets that end with points, and streams that come and go. Also run with ThreadSanitizer: what a step writes is a
// plain word, and only the order of the streams protects it.
// It knows streams and tickets; not sequences and no bytes.
//
//   follow [--operations N] [--threads N] [--seed N]
//
// Promises: order per stream, order between streams that follow, tickets retired only behind their points, nothing
// lost.
#include "arenakv.h"

#include "random.hpp"

#include <sched.h>

#include <atomic>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

using akv::stress::Random;

namespace {

constexpr std::uint64_t kMinute = 60'000'000'000;

[[noreturn, gnu::format(printf, 1, 2)]] void broken(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  char text[300] = "";
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, " (last error: %s)\n", text);
  std::exit(1);
}

void ok(akv_status status, const char *what) {
  if (status != AKV_OK) broken("%s: %s", what, akv_status_name(status));
}

struct Shared {
  akv_stream *stream = nullptr;
  std::uint64_t done = 0;                // plain: by steps of this stream
  std::atomic<std::uint64_t> queued{0};  // steps
};

// One function call on a stream, and the steps that must have been done before it.
struct Step {
  Shared *on = nullptr;
  const Step *after = nullptr;  // of another stream, that this one was made to follow
  std::uint32_t dawdle = 0;
  bool throws = false;
  std::uint64_t written = 0;  // plain: when it was done, counted on its stream

  static void run(void *context) {
    auto *step = static_cast<Step *>(context);
    for (std::uint32_t i = 0; i < step->dawdle; ++i) sched_yield();
    if (step->after != nullptr && step->after->written == 0) broken("a step ran before one that its stream follows");
    if (step->written != 0) broken("a step ran twice");
    step->written = ++step->on->done;
    if (step->throws) throw step->written;
  }
};

struct Ticket {
  akv_ticket ticket;
  const Step *step;  // queued before it was recorded
  Shared *on;
  std::uint64_t point;  // its own, or a later one
};

struct Tally {
  std::atomic<std::uint64_t> steps{0}, follows{0}, tickets{0}, full{0}, timeouts{0}, streams{0}, polled{0};
};

class Driver {
 public:
  Driver(std::vector<Shared> &streams, akv_cache *cache, Tally &tally, std::uint64_t seed)
      : streams_(streams), cache_(cache), tally_(tally), random_{seed} {}

  void run(std::uint64_t operations) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      const std::uint32_t what = random_.below(100);
      if (what < 50) step(random_.pick(streams_), nullptr);
      else if (what < 65) follow();
      else if (what < 80) ticket();
      else if (what < 90) poll(random_.pick(streams_));
      else if (what < 97) wait(random_.pick(streams_), random_.below(3) * 20'000);
      else if (what < 99) one_of_my_own();
      else look_at_tickets();
    }
    for (Shared &each : streams_) wait(each, kMinute);
    look_at_tickets();
    if (!tickets_.empty()) broken("%zu tickets are open behind all work", tickets_.size());
  }

 private:
  Step *step(Shared &on, const Step *after) {
    Step &step = steps_.emplace_back();
    step.on = &on;
    step.after = after;
    step.dawdle = random_.one_in(20) ? random_.below(20) : 0;
    step.throws = random_.one_in(50);
    for (;;) {
      const akv_status status = akv_stream_call(on.stream, Step::run, &step);
      if (status == AKV_OK) break;
      if (status != AKV_ERROR_QUEUE_FULL) broken("call: %s", akv_status_name(status));
      ++tally_.full;
      wait(on, kMinute);
    }
    ++on.queued;
    ++tally_.steps;
    return &step;
  }

  std::uint64_t point_of(Shared &on) {
    std::uint64_t point = 0;
    ok(akv_stream_record(on.stream, &point), "record");
    return point;
  }

  // One stream behind a step of another, and a step that looks at it.
  void follow() {
    Shared &first = random_.pick(streams_), &second = random_.pick(streams_);
    const Step *before = step(first, nullptr);
    const std::uint64_t point = point_of(first);
    akv_status status = AKV_ERROR_QUEUE_FULL;
    while ((status = akv_stream_follow(second.stream, first.stream, point)) == AKV_ERROR_QUEUE_FULL) {
      ++tally_.full;
      wait(second, kMinute);
    }
    ok(status, "follow");
    step(second, before);
    ++tally_.follows;
  }

  void ticket() {
    Shared &on = random_.pick(streams_);
    akv_ticket ticket = AKV_NONE;
    const akv_status opened = akv_ticket_open(cache_, &ticket);
    if (opened == AKV_ERROR_NO_TICKETS) return wait(on, kMinute);
    ok(opened, "open a ticket");
    const Step *before = step(on, nullptr);
    akv_status status = AKV_ERROR_QUEUE_FULL;
    while ((status = akv_stream_record_ticket(on.stream, cache_, ticket)) == AKV_ERROR_QUEUE_FULL) {
      ++tally_.full;
      wait(on, kMinute);
    }
    ok(status, "record a ticket");
    tickets_.push_back({ticket, before, &on, point_of(on)});
    ++tally_.tickets;
  }

  void poll(Shared &on) {
    std::uint32_t done = 0;
    ok(akv_stream_poll(on.stream, &done), "poll");
    tally_.polled += done;
  }

  void wait(Shared &on, std::uint64_t timeout) {
    const akv_status status = akv_stream_wait(on.stream, AKV_POINT_ALL, timeout);
    if (status == AKV_ERROR_TIMEOUT && timeout != kMinute) ++tally_.timeouts;
    else ok(status, "wait");
  }

  // Retired means that its step is done; behind a poll of a passed point it is retired.
  void look_at_tickets() {
    while (!tickets_.empty()) {
      const Ticket first = tickets_.front();
      std::uint32_t passed = 0, state = 0;
      ok(akv_ticket_read(cache_, first.ticket, &state), "read a ticket");
      ok(akv_stream_read(first.on->stream, first.point, &passed), "read a point");
      if (state != AKV_TICKET_OPEN && first.step->written == 0) broken("a ticket was retired before its step was done");
      if (passed == 0) return;
      if (first.step->written == 0) broken("a point was passed before the step in front of it");
      poll(*first.on);
      ok(akv_ticket_read(cache_, first.ticket, &state), "read a ticket");
      if (state == AKV_TICKET_OPEN) broken("a ticket is open behind a poll that passed its point");
      tickets_.pop_front();
    }
  }

  // A stream that lives for a moment, follows one and is followed by one.
  void one_of_my_own() {
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = random_.between(1, 2);
    auto &mine = mine_.emplace_back(std::make_unique<Shared>());
    ok(akv_stream_create(&config, &mine->stream), "create a stream");
    Shared &other = random_.pick(streams_);
    const Step *before = step(other, nullptr);
    ok(akv_stream_follow(mine->stream, other.stream, point_of(other)), "follow from a new stream");
    step(*mine, before);
    wait(*mine, kMinute);
    if (mine->done != 1) broken("a stream was waited for and did %" PRIu64 " steps", mine->done);
    ok(akv_stream_destroy(mine->stream), "destroy a stream");
    ++tally_.streams;
  }

  std::vector<Shared> &streams_;
  akv_cache *cache_;
  Tally &tally_;
  Random random_;
  std::deque<Step> steps_;  // they stay where they are
  std::deque<Ticket> tickets_;
  std::vector<std::unique_ptr<Shared>> mine_;
};

std::uint64_t option(int argc, char **argv, const char *name, std::uint64_t otherwise) {
  for (int i = 1; i + 1 < argc; i += 2)
    if (std::strcmp(argv[i], name) == 0) return std::strtoull(argv[i + 1], nullptr, 10);
  return otherwise;
}

void run(std::uint64_t operations, std::uint32_t num_threads, std::uint64_t seed) {
  constexpr std::uint32_t kWorkers[] = {1, 1, 2, 3, 4};
  akv_cache *cache = nullptr;
  ok(akv_cache_create(nullptr, &cache), "create a cache");
  std::vector<Shared> streams(std::size(kWorkers));
  for (std::size_t i = 0; i < streams.size(); ++i) {
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = kWorkers[i];
    config.queue_items = i % 2 == 0 ? 16 : 300;
    config.queue_bytes = i == 1 ? 4096 : 65536;
    ok(akv_stream_create(&config, &streams[i].stream), "create a stream");
  }
  Tally tally;
  std::vector<std::unique_ptr<Driver>> drivers;
  for (std::uint32_t i = 0; i < num_threads; ++i)
    drivers.push_back(std::make_unique<Driver>(streams, cache, tally, seed * 1000 + i));
  std::vector<std::thread> threads;
  for (auto &driver : drivers) threads.emplace_back([&] { driver->run(operations / num_threads); });
  for (std::thread &thread : threads) thread.join();
  for (Shared &each : streams) {
    ok(akv_stream_wait(each.stream, AKV_POINT_ALL, kMinute), "wait at the end");
    if (each.done != each.queued) broken("%" PRIu64 " steps were done of %" PRIu64, each.done, each.queued.load());
    ok(akv_stream_destroy(each.stream), "destroy at the end");
  }
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  ok(akv_cache_read_state(cache, &state), "read_state");
  if (state.open_tickets != 0) broken("%u tickets are open at the end", state.open_tickets);
  ok(akv_cache_destroy(cache), "destroy");
  if (tally.full == 0 || tally.timeouts == 0 || tally.polled == 0 || tally.streams == 0)
    broken("nothing was full, late, polled or made: the run is too short");
  std::printf("seed %" PRIu64 ": %" PRIu64 " steps, %" PRIu64 " follows, %" PRIu64 " tickets, %" PRIu64
              " streams, %" PRIu64 " times full, %" PRIu64 " timeouts: all in order\n",
              seed, tally.steps.load(), tally.follows.load(), tally.tickets.load(), tally.streams.load(),
              tally.full.load(), tally.timeouts.load());
}

}  // namespace

int main(int argc, char **argv) {
  const std::uint64_t operations = option(argc, argv, "--operations", 200000), seed = option(argc, argv, "--seed", 1);
  const auto threads = static_cast<std::uint32_t>(option(argc, argv, "--threads", 4));
  for (std::uint64_t part = 0; part < 4; ++part) run(operations / 4, threads, seed + part);
}
