// abuse.cpp: what a C++ program can do wrong: use what has gone, destroy what is in use, race, fork. Every answer is a
// status, no one is a crash, and the books balance afterwards.
#include "fixture.hpp"

#include <atomic>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace cpp_test;
using arenakv::Status;

TEST_CASE("cpp abuse: S3 what outlives its cache is told so, and goes quietly") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto parent = cache.create(count_up(0, 6)).sequence;
  parent.commit();
  auto child = parent.fork();
  arenakv::Plan plan;
  child.append({1}, plan);
  auto lease = parent.lease_acquire(4);
  cache.create(count_up(100, 8)).sequence.commit();
  auto pin = cache.prefix_pin(count_up(100, 8));
  cache.close();
  CHECK(refused([&] { cache.state(); }) == Status::InvalidArgument);
  CHECK(refused([&] { (void)cache.create({1}); }) == Status::InvalidArgument);
  CHECK(refused([&] { parent.append({1}); }) == Status::BadHandle);
  CHECK(refused([&] { (void)parent.blocks(); }) == Status::BadHandle);
  CHECK(refused([&] { (void)parent.tokens(); }) == Status::BadHandle);
  CHECK(refused([&] { plan.finish(); }) == Status::BadHandle);
  CHECK(refused([&] { (void)lease.blocks(); }) == Status::BadHandle);
  CHECK(refused([&] { pin.unpin(); }) == Status::BadHandle);
  CHECK(store.info().num_blocks == 32);  // it keeps the geometry, not the cache
  cache.close();                         // there is nothing to close: fine
}

TEST_CASE("cpp abuse: S3 a handle of another kind, of another cache, or made up") {
  arenakv::Cache cache = small_cache(), other = small_cache();
  auto sequence = cache.create(count_up(0, 6)).sequence;
  sequence.commit();
  auto lease = sequence.lease_acquire(1);
  const auto as_sequence = [](arenakv::Cache &of, std::uint64_t id) {
    arenakv::Sequence made(of.get(), id);
    const Status status = refused([&] { (void)made.info(); });
    made.detach();
    return status;
  };
  CHECK(as_sequence(cache, lease.id()) == Status::WrongType);
  CHECK(as_sequence(other, sequence.id()) == Status::BadHandle);
  for (const std::uint64_t id : {std::uint64_t{1}, UINT64_MAX, sequence.id() + 1, sequence.id() ^ (std::uint64_t{1} << 40)})
    CHECK(as_sequence(cache, id) != Status::Ok);
  arenakv::Cache made_up(reinterpret_cast<akv_cache *>(std::uintptr_t{0x1234567}));
  CHECK(refused([&] { made_up.state(); }) == Status::BadHandle);
  made_up.detach();
  CHECK(sequence.info().length == 6);
}

TEST_CASE("cpp abuse: S3 what is freed twice, finished twice or released twice") {
  arenakv::Cache cache = small_cache();
  auto sequence = cache.create(count_up(0, 6)).sequence;
  arenakv::Sequence twin(cache.get(), sequence.id());
  sequence.free();
  CHECK(refused([&] { twin.free(); }) == Status::BadHandle);
  auto again = cache.create(count_up(50, 6)).sequence;  // the slot is used again, the old handle stays stale
  CHECK(refused([&] { (void)twin.info(); }) == Status::BadHandle);
  CHECK(refused([&] { sequence.free(); }) == Status::InvalidArgument);
  CHECK(again.info().length == 6);
  cache.audit_all();
}

TEST_CASE("cpp abuse: S3 a view of a store that has gone") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache), other(cache);
  const auto view = store.view(0, 0);
  CHECK(refused([&] { other.check_view(view); }) == Status::BadHandle);
  store.close();
  CHECK(refused([&] { store.check_view(view); }) == Status::InvalidArgument);
  arenakv::AttentionPart part{};
  part.store = other.get();
  other.close();
  arenakv::Attention attention;
  attention.num_sequences = 1;
  attention.parts = &part;
  attention.num_parts = 1;
  attention.part_size = sizeof part;
  CHECK(refused([&] { arenakv::attention_decode(attention); }) != Status::Ok);
}

TEST_CASE("cpp abuse: S3 arguments that fit nothing") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto sequence = cache.create(count_up(0, 6)).sequence;
  arenakv::TokenData nowhere{};
  CHECK(refused([&] { store.copy_write_tokens(0, {4}, {nowhere}); }) == Status::InvalidArgument);
  float data[kRow] = {};
  nowhere.data = data;
  CHECK(refused([&] { store.copy_write_tokens(0, {1 << 20}, {nowhere}); }) == Status::OutOfRange);
  CHECK(refused([&] { store.copy_write_tokens(9, {4}, {nowhere}); }) == Status::OutOfRange);
  CHECK(refused([&] { store.copy_zero({-1}); }) == Status::OutOfRange);
  CHECK(refused([&] { store.copy_zero({1, 1}); }) == Status::InvalidArgument);
  CHECK(refused([&] { cache.swap_release({1}); }) == Status::BadHandle);
  CHECK(refused([] { arenakv::Cache().audit(); }) == Status::InvalidArgument);
  arenakv::PlanRecord record{};
  CHECK(refused([&] { arenakv::copy_records({record}, {store.get()}); }) == Status::Unsupported);
  CHECK(refused([&] { (void)cache.copy_save(sequence, {store.get()}, {}); }) == Status::NotCommitted);
  CHECK(refused([&] { (void)arenakv::Stream::make(1000); }) == Status::InvalidArgument);
  CHECK(sequence.info().length == 6);
}

TEST_CASE("cpp abuse: S3 B14 many threads on sequences of their own, and on one of all") {
  arenakv::Cache cache = small_cache([](arenakv::CacheConfig &config) { config.num_blocks = 512; });
  auto shared = cache.create(count_up(0, 8)).sequence;
  std::atomic<std::uint32_t> appended{0}, busy{0}, wrong{0};
  std::vector<std::thread> threads;
  for (std::int32_t thread = 0; thread < 8; ++thread)
    threads.emplace_back([&, thread] {
      for (std::int32_t round = 0; round < 200; ++round) {
        try {
          auto own = cache.create(count_up(thread * 1000, 9)).sequence;
          own.commit();
          auto child = own.fork();
          arenakv::Plan plan;
          child.append({round}, plan);
          if (child.info().length != 10) ++wrong;
        } catch (const arenakv::Error &) {
          ++wrong;
        }
        const Status status = refused([&] { shared.append({round}); });
        if (status == Status::Ok) ++appended;
        else if (status == Status::Busy) ++busy;
        else if (status != Status::NoBlocks) ++wrong;
      }
    });
  for (std::thread &thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(shared.info().length == 8 + appended);
  CHECK(cache.state().sequences == 1);
  cache.audit_all();
}

TEST_CASE("cpp abuse: S3 a cache that is closed under running threads is told to all of them") {
  arenakv::Cache cache = small_cache();
  akv_cache *const handle = cache.get();
  std::atomic<bool> wrong{false};
  std::atomic<int> running{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      ++running;
      for (;;) {
        arenakv::Cache mine(handle);
        const Status status = refused([&] { mine.create(count_up(thread * 100, 5)).sequence.append({1}); });
        mine.detach();
        if (status == Status::BadHandle) return;
        // A close() that was refused had looked at the sequence; where that met its end, its blocks stay taken.
        if (status != Status::Ok && status != Status::Busy && status != Status::NoBlocks) wrong = true;
      }
    });
  while (running < 4) std::this_thread::yield();
  while (refused([&] { cache.close(); }) == Status::Busy) std::this_thread::yield();
  for (std::thread &thread : threads) thread.join();
  CHECK(!wrong);
}

TEST_CASE("cpp abuse: S3 in a child of fork() everything is FORKED, and destructors leave the parent's alone") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto sequence = cache.create(count_up(0, 6)).sequence;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool right = refused([&] { (void)cache.create({1}); }) == Status::Forked;
    right = right && refused([&] { sequence.append({1}); }) == Status::Forked;
    { const arenakv::Sequence gone = std::move(sequence); }
    { const arenakv::Store gone = std::move(store); }
    right = right && refused([&] { cache.close(); }) == Status::Ok;
    _exit(right ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  CHECK(sequence.info().length == 6);
  CHECK(store.info().num_blocks == 32);
  cache.audit_all();
}
