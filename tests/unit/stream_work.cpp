// stream_work.cpp: pieces of work on a host stream: parts, arguments, room in the queue, and plans that end with them.
// It knows data/device and the public API; the promises of stream.h are tests/contract's.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "arenakv.h"
#include "data/device/byte_ring.hpp"
#include "data/device/host_stream.hpp"
#include "data/device/work.hpp"
#include "meta/cache_home.hpp"
#include "unit/memory.hpp"

using namespace akv;

namespace {

struct Queue {
  explicit Queue(std::uint32_t workers, std::uint32_t items = 64, std::uint64_t bytes = 65536) {
    REQUIRE(HostStream::create({workers, items, bytes}, stream) == AKV_OK);
  }
  ~Queue() { CHECK(stream->wait(AKV_POINT_ALL, 60'000'000'000) == AKV_OK); }
  Stream *operator->() { return stream.get(); }
  operator Stream *() { return stream.get(); }
  std::unique_ptr<Stream> stream;
};

// What happened to pieces of work, seen from outside.
struct Seen {
  std::atomic<std::uint32_t> parts{0}, finished{0}, failed{0}, destroyed{0}, wrong{0};
  std::atomic<std::uint32_t> part_runs[64]{};
  std::mutex mutex;
  std::condition_variable changed;
  bool held = false;
  void hold() { held = true; }
  void let_go() {
    const std::lock_guard<std::mutex> lock(mutex);
    held = false;
    changed.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [this] { return !held; });
  }
};

// Parts look at their arrays, wait if they are held up, and fail if they are told to.
struct Sum {
  Seen *seen = nullptr;
  const std::int32_t *numbers = nullptr;
  const std::int64_t *offsets = nullptr;
  std::uint32_t count = 0;
  std::int64_t expected = 0;
  std::uint32_t failing_part = AKV_UNSET;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    seen->pass();
    std::int64_t sum = 0;
    for (std::uint32_t i = 0; i < count; ++i) sum += numbers[i] + offsets[i];
    seen->wrong += sum != expected || part >= parts;
    if (seen->finished != 0 && parts > 1) ++seen->wrong;  // a part behind the end
    ++seen->part_runs[part];
    ++seen->parts;
    return part != failing_part;
  }
  void finish(bool did_fail) noexcept {
    seen->failed += did_fail;
    ++seen->finished;
  }
  ~Sum() {
    if (seen != nullptr) ++seen->destroyed;
  }
};

std::uint64_t queue_sum(Stream *stream, Seen &seen, std::uint32_t count, std::uint32_t parts = 1,
                        std::uint32_t failing_part = AKV_UNSET, const PlanEnd &end = {}) {
  std::vector<std::int32_t> numbers(count);
  std::vector<std::int64_t> offsets(count);
  std::int64_t expected = 0;
  for (std::uint32_t i = 0; i < count; ++i)
    expected += (numbers[i] = static_cast<std::int32_t>(i * 7)) + (offsets[i] = i);
  Submission<Sum> sum(stream, kept_bytes<std::int32_t>(count) + kept_bytes<std::int64_t>(count), end);
  if (sum.status() != AKV_OK) return 0;
  sum->seen = &seen;
  sum->numbers = sum.keep(numbers.data(), count);
  sum->offsets = sum.keep(offsets.data(), count);
  sum->count = count;
  sum->expected = expected;
  sum->failing_part = failing_part;
  return sum.submit(parts);
}

// A cache with a sequence whose append has made a plan.
struct Planned {
  Planned() {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 32;
    config.block_tokens = 4;
    config.max_sequences = 8;
    REQUIRE(akv_cache_create(&config, &cache) == AKV_OK);
    const std::int32_t tokens[] = {1, 2, 3, 4, 5, 6};
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens;
    prompt.num_tokens = 6;
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_COMMITTED;
    akv_created created = AKV_CREATED_INIT;
    REQUIRE(akv_sequence_create(cache, &prompt, &options, &created) == AKV_OK);
    REQUIRE(akv_sequence_fork(cache, created.sequence, AKV_UNSET, nullptr, &fork) == AKV_OK);
    append();
  }
  ~Planned() { CHECK(akv_cache_destroy(cache) == AKV_OK); }
  void append() {
    const std::int32_t more = 7;
    REQUIRE(akv_sequence_append(cache, fork, &more, 1, 0, &plan) == AKV_OK);
    REQUIRE(plan != AKV_NONE);
  }
  bool open() const {
    akv_plan_info info = AKV_PLAN_INFO_INIT;
    return akv_plan_read_info(cache, plan, &info) == AKV_OK;
  }
  std::uint32_t length() const {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    REQUIRE(akv_sequence_read_info(cache, fork, &info) == AKV_OK);
    return info.length;
  }
  akv_cache *cache = nullptr;
  akv_sequence fork = AKV_NONE;
  akv_plan plan = AKV_NONE;
};

void wait_for(Stream *stream, std::uint64_t point) { stream->wait_until_passed(point); }

}  // namespace

TEST_CASE("byte_ring: pieces never overlap, go back in order, and any piece fits into an empty ring") {
  test::WithMemory<ByteRing, int> with(4096);
  ByteRing &ring = with.thing;
  struct Taken {
    std::byte *data;
    std::uint64_t bytes, end;
    unsigned char mark;
  };
  std::deque<Taken> taken;
  std::mt19937 random(1);
  std::uint32_t full = 0, whole = 0;
  for (int step = 0; step < 50000; ++step) {
    const std::uint64_t bytes = 1 + random() % (random() % 8 == 0 ? 4096 : 700);
    std::byte *data = ring.find(bytes);
    if (data == nullptr) {
      REQUIRE(!taken.empty());  // an empty ring has room for all
      ++full;
    } else if (random() % 8 != 0) {  // else it was looked for and not taken
      REQUIRE(reinterpret_cast<std::uintptr_t>(data) % ByteRing::kLine == 0);
      const auto mark = static_cast<unsigned char>(random());
      std::memset(data, mark, bytes);
      whole += bytes > 2048;
      taken.push_back({data, bytes, ring.take(), mark});
    }
    if (!taken.empty() && (data == nullptr || random() % 3 == 0)) {
      const Taken first = taken.front();
      for (std::uint64_t i = 0; i < first.bytes; ++i)
        if (first.data[i] != std::byte{first.mark}) FAIL("byte " << i << " was overwritten");
      ring.give_back(first.end);
      taken.pop_front();
    }
  }
  CHECK((full != 0 && whole != 0));
  CHECK(ring.find(4097) == nullptr);
}

TEST_CASE("endings: those that can't end yet keep their order and their place behind what has ended") {
  test::WithMemory<Endings, int> with(4);
  Endings &endings = with.thing;
  std::deque<std::uint64_t> model;  // handles
  std::mt19937 random(1);
  std::uint64_t next = 1, passed = 0;
  for (int step = 0; step < 20000; ++step) {
    while (!endings.full() && random() % 2 == 0) {
      endings.add({next, nullptr, next, EndingKind::ticket, false, false});
      model.push_back(next++);
    }
    passed = std::max<std::uint64_t>(passed, next - 1 - random() % 3);
    const std::uint64_t due = endings.due(passed);
    std::deque<std::uint64_t> kept;
    for (std::uint64_t i = 0; i < due; ++i) {
      REQUIRE(endings.at(i).handle == model[i]);
      endings.at(i).ended = random() % 2 == 0;
      if (!endings.at(i).ended) kept.push_back(model[i]);
    }
    REQUIRE((due == model.size() || model[due] > passed));
    model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(due));
    model.insert(model.begin(), kept.begin(), kept.end());
    endings.remove_ended(due);
    REQUIRE(endings.count() == model.size());
  }
}

TEST_CASE("stream work: every part is run once, then finish once, with 1 to 4 workers and 1 to 64 parts") {
  for (std::uint32_t workers = 1; workers <= 4; ++workers)
    for (const std::uint32_t parts : {1u, 2u, 3u, 4u, 17u, 64u}) {
      Queue queue(workers);
      Seen seen[20];
      for (Seen &each : seen) queue_sum(queue, each, 50, parts);
      wait_for(queue, queue->record());
      for (Seen &each : seen) {
        REQUIRE((each.parts == parts && each.finished == 1 && each.destroyed == 1));
        REQUIRE((each.wrong == 0 && each.failed == 0));
        for (std::uint32_t part = 0; part < 64; ++part) REQUIRE(each.part_runs[part] == (part < parts ? 1 : 0));
      }
    }
}

TEST_CASE("stream work: a piece starts when the one before it is finished, however many workers are idle") {
  for (std::uint32_t workers = 2; workers <= 4; ++workers) {
    Queue queue(workers);
    struct Shared {
      std::atomic<int> running{0};
      std::atomic<int> wrong{0};
      int pieces = 0;  // plain: only the order protects it
    } shared;
    struct Step {
      Shared *shared = nullptr;
      int number = 0;
      bool run(std::uint32_t, std::uint32_t parts) noexcept {
        shared->running += 1;
        shared->wrong += shared->pieces != number;
        shared->wrong += shared->running > static_cast<int>(parts);
        shared->running -= 1;
        return true;
      }
      void finish(bool) noexcept {
        shared->wrong += shared->running != 0;
        ++shared->pieces;
      }
    };
    for (int i = 0; i < 2000; ++i) {
      Status status = AKV_ERROR_QUEUE_FULL;
      while (status != AKV_OK) {
        Submission<Step> step(queue);
        status = step.status();
        if (status != AKV_OK) continue;
        step->shared = &shared;
        step->number = i;
        step.submit(1 + static_cast<std::uint32_t>(i) % 4);
      }
    }
    wait_for(queue, queue->record());
    CHECK((shared.wrong == 0 && shared.pieces == 2000));
  }
}

TEST_CASE("stream work: without a stream, or without workers, it is done in submit(), and arrays stay where they are") {
  Queue without(0);
  for (Stream *stream : {static_cast<Stream *>(nullptr), static_cast<Stream *>(without)}) {
    Seen seen;
    const std::int32_t numbers[] = {1, 2, 3};
    const std::int64_t offsets[] = {0, 0, 0};
    Submission<Sum> sum(stream, 1 << 30);  // no room is wanted
    REQUIRE((sum.status() == AKV_OK && !sum.queued()));
    sum->seen = &seen;
    sum->numbers = sum.keep(numbers, 3);
    sum->offsets = sum.keep(offsets, 3);
    CHECK((sum->numbers == numbers && sum->offsets == offsets));
    sum->count = 3;
    sum->expected = 6;
    sum->failing_part = 0;
    CHECK(sum.submit(8) == (stream == nullptr ? 0 : 1));
    CHECK((seen.parts == 1 && seen.finished == 1 && seen.failed == 1 && seen.destroyed == 1 && seen.wrong == 0));
    CHECK(sum.failed());
  }
  std::uint32_t done = 0;
  CHECK(without->poll(done) == AKV_OK);  // who did the work was told
}

TEST_CASE("stream work: queued arguments are copies, so the caller's may change at once") {
  Queue queue(1);
  Seen seen;
  seen.hold();
  std::int32_t numbers[] = {1, 2, 3};
  const std::int64_t offsets[] = {10, 20, 30};
  {
    Submission<Sum> sum(queue, kept_bytes<std::int32_t>(3) + kept_bytes<std::int64_t>(3));
    REQUIRE((sum.status() == AKV_OK && sum.queued()));
    sum->seen = &seen;
    sum->numbers = sum.keep(numbers, 3);
    sum->offsets = sum.keep(offsets, 3);
    sum->count = 3;
    sum->expected = 66;
    sum.submit();
  }
  numbers[0] = 1000;
  CHECK(seen.destroyed == 0);
  seen.let_go();
  wait_for(queue, 1);
  CHECK((seen.wrong == 0 && seen.destroyed == 1));
}

TEST_CASE("stream work: a piece that was not submitted is destroyed, leaves no trace, and others may queue again") {
  Queue queue(1);
  Seen seen;
  {
    Submission<Sum> sum(queue, 30000);
    REQUIRE(sum.status() == AKV_OK);
    sum->seen = &seen;
  }
  CHECK((seen.destroyed == 1 && seen.parts == 0 && queue->record() == 0 && queue->may_end() == AKV_OK));
  for (int i = 0; i < 10; ++i) {  // the room was not lost: 60,000 of 65,536 bytes
    REQUIRE(queue_sum(queue, seen, 5000) != 0);
    wait_for(queue, queue->record());
  }
  CHECK(queue->record() == 10);
}

TEST_CASE("stream work: QUEUE_FULL comes exactly at the limit of bytes, a piece may fill the queue, none is lost") {
  Queue queue(2, 1000, 8192);
  std::mt19937 random(1);
  Seen seen;
  std::uint32_t queued = 0, refused = 0;
  for (int step = 0; step < 3000; ++step) {
    if (queue_sum(queue, seen, static_cast<std::uint32_t>(random() % 500)) != 0) ++queued;
    else ++refused;
  }
  wait_for(queue, queue->record());
  CHECK((seen.finished == queued && seen.destroyed == queued && seen.wrong == 0));
  CHECK((queued != 0 && refused != 0));
  struct Bytes {
    std::byte *room = nullptr;
    bool run(std::uint32_t, std::uint32_t) noexcept { return true; }
    void finish(bool) noexcept {}
  };
  {
    Submission<Bytes> whole(queue, 8192 - 16);
    CHECK(whole.status() == AKV_OK);
    whole->room = whole.room<std::byte>(8192 - 16);
    std::memset(whole->room, 1, 8192 - 16);
    whole.submit();
  }
  wait_for(queue, queue->record());
  Submission<Bytes> more(queue, 8192);
  CHECK(more.status() == AKV_ERROR_QUEUE_FULL);
}

TEST_CASE("stream work: a piece that holds a Ref keeps its object until it is finished") {
  Queue queue(1);
  akv_stream *kept = nullptr;
  REQUIRE(akv_stream_create(nullptr, &kept) == AKV_OK);
  Seen seen;
  seen.hold();
  struct Keeping {
    Streams::Ref object;
    Seen *seen = nullptr;
    bool run(std::uint32_t, std::uint32_t) noexcept {
      seen->pass();
      return true;
    }
    void finish(bool) noexcept {}
  };
  {
    Submission<Keeping> keeping(queue);
    REQUIRE((keeping.status() == AKV_OK && Streams::find(kept, keeping->object) == AKV_OK));
    keeping->seen = &seen;
    keeping.submit();
  }
  CHECK(akv_stream_destroy(kept) == AKV_ERROR_BUSY);
  seen.let_go();
  wait_for(queue, 1);
  CHECK(akv_stream_destroy(kept) == AKV_OK);
}

TEST_CASE("stream work: a copy that differs is told by one poll, or by the wait, and once") {
  Queue queue(3);
  Seen seen;
  queue_sum(queue, seen, 10, 7, 5);
  wait_for(queue, 1);
  CHECK((seen.parts == 7 && seen.failed == 1));
  std::uint32_t done = 77;
  CHECK(queue->poll(done) == AKV_ERROR_VERIFY_FAILED);
  CHECK(done == 0);
  CHECK(queue->poll(done) == AKV_OK);
  queue_sum(queue, seen, 10, 7, 0);
  CHECK(queue->wait(2, 60'000'000'000) == AKV_ERROR_VERIFY_FAILED);
  CHECK(queue->may_end() == AKV_OK);
}

TEST_CASE("stream work: A10 a plan is finished by the poll behind its work, and abandoned if a copy differs") {
  Queue queue(2);
  Planned good, bad;
  Seen seen;
  seen.hold();
  queue_sum(queue, seen, 10, 4, AKV_UNSET, {good.cache, good.plan});
  queue_sum(queue, seen, 10, 4, 3, {bad.cache, bad.plan});
  akv_ticket ticket = AKV_NONE;
  REQUIRE(akv_ticket_open(good.cache, &ticket) == AKV_OK);
  REQUIRE(queue->record_ticket(good.cache, ticket) == AKV_OK);
  std::uint32_t done = 77;
  CHECK((queue->poll(done) == AKV_OK && done == 0));
  CHECK((good.open() && bad.open()));
  seen.let_go();
  wait_for(queue, 2);
  CHECK((good.open() && bad.open()));
  CHECK(queue->poll(done) == AKV_ERROR_VERIFY_FAILED);
  CHECK(done == 3);  // all else was done
  CHECK((!good.open() && !bad.open()));
  CHECK((good.length() == 7 && bad.length() == 6));
  CHECK((queue->poll(done) == AKV_OK && done == 0));
  CHECK(queue->may_end() == AKV_OK);
}

TEST_CASE("stream work: a plan whose sequence is inside a call is left for the next poll, and the others are done") {
  Queue queue(1);
  Planned a, b;
  Seen seen;
  queue_sum(queue, seen, 1, 1, AKV_UNSET, {a.cache, a.plan});
  queue_sum(queue, seen, 1, 1, AKV_UNSET, {b.cache, b.plan});
  wait_for(queue, 2);
  std::uint32_t done = 77;
  {
    CacheHome *home = nullptr;
    REQUIRE(CacheHome::find(a.cache, home) == AKV_OK);
    const Gate gate(*home, a.fork);
    REQUIRE(gate.status() == AKV_OK);
    CHECK((queue->poll(done) == AKV_OK && done == 1));
    CHECK((a.open() && !b.open()));
    CHECK(queue->may_end() == AKV_ERROR_BUSY);
  }
  CHECK((queue->poll(done) == AKV_OK && done == 1));
  CHECK((!a.open() && a.length() == 7));
  CHECK(queue->may_end() == AKV_OK);
}

TEST_CASE("stream work: a plan that ended otherwise is passed over, and a failed copy of it is told all the same") {
  Queue queue(1);
  Planned a;
  Seen seen;
  seen.hold();
  queue_sum(queue, seen, 1, 1, 0, {a.cache, a.plan});
  REQUIRE(akv_plan_abandon(a.cache, a.plan) == AKV_OK);
  a.append();  // another plan in its place
  seen.let_go();
  wait_for(queue, 1);
  std::uint32_t done = 77;
  CHECK(queue->poll(done) == AKV_ERROR_VERIFY_FAILED);
  CHECK((done == 0 && a.open()));
  CHECK(akv_plan_finish(a.cache, a.plan, AKV_NONE) == AKV_OK);
}

TEST_CASE("stream work: no room for a plan's end is QUEUE_FULL before anything is queued, and its place is kept") {
  Queue queue(1, 2);
  Planned a;
  Seen seen;
  akv_ticket ticket = AKV_NONE;
  REQUIRE(akv_ticket_open(a.cache, &ticket) == AKV_OK);
  REQUIRE(queue->record_ticket(a.cache, ticket) == AKV_OK);
  {
    Submission<Sum> sum(queue, 0, {a.cache, a.plan});
    REQUIRE(sum.status() == AKV_OK);
    CHECK(queue->record_ticket(a.cache, ticket) == AKV_ERROR_QUEUE_FULL);  // the last place is the plan's
  }
  CHECK(queue->record_ticket(a.cache, ticket) == AKV_OK);
  CHECK(queue_sum(queue, seen, 1, 1, AKV_UNSET, {a.cache, a.plan}) == 0);
  CHECK((seen.destroyed == 0 && queue->record() == 0));
  std::uint32_t done = 0;
  CHECK((queue->poll(done) == AKV_OK && done == 1));
  CHECK(queue_sum(queue, seen, 1, 1, AKV_UNSET, {a.cache, a.plan}) == 1);
  wait_for(queue, 1);
  CHECK((queue->poll(done) == AKV_OK && done == 1));
}
