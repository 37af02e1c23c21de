// abuse_threads.cpp: calls that meet: two on one sequence, two that end the same thing, operations and a destroy. Each
// is answered, one of two that exclude each other wins, and nothing is damaged. Also run with ThreadSanitizer. It knows
// the public API only. Long random runs with threads are tests/stress's.
#include "fixture.hpp"

#include <atomic>
#include <functional>
#include <thread>

using namespace akv::test;

namespace {

// What the threads were answered. Catch2's own assertions are for one thread.
struct Tally {
  void note(akv_status status) {
    if (status == AKV_OK) ++ok;
    else if (status == AKV_ERROR_BUSY) ++busy;
    else if (status == AKV_ERROR_BAD_HANDLE) ++bad_handle;
    else other = status;
  }
  std::atomic<std::uint32_t> ok{0}, busy{0}, bad_handle{0};
  std::atomic<akv_status> other{AKV_OK};  // must stay so
};

// Run work(0) .. work(count - 1) at the same time, as well as that can be done.
void together(int count, const std::function<void(int)> &work) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < count) std::this_thread::yield();
      work(i);
    });
  for (std::thread &thread : threads) thread.join();
}

void roomy(akv_cache_config &c) {
  c.num_blocks = 4096;
  c.max_sequences = 128;
  c.max_tokens_per_sequence = 16384;
}

}  // namespace

TEST_CASE("threads: of two calls that meet in a sequence one works, the other is BUSY: no token is lost or doubled") {
  Cache cache(roomy);
  std::uint32_t met = 0;
  for (int round = 0; round < 50 && met < 100; ++round) {  // until calls have really met
    const akv_sequence s = cache.create({}).sequence;
    Tally tally;
    together(4, [&](int thread) {
      const std::int32_t token = thread;
      for (int i = 0; i < 4000; ++i) tally.note(akv_sequence_append(cache, s, &token, 1, 0, nullptr));
    });
    CHECK(tally.other == AKV_OK);
    CHECK(tally.bad_handle == 0);
    CHECK(tally.ok + tally.busy == 16000);
    CHECK(cache.info(s).length == tally.ok);
    CHECK(cache.info(s).known == tally.ok);
    CHECK(cache.state().live_blocks == (tally.ok + 3) / 4);
    cache.free(s);
    met += tally.busy;
  }
}

TEST_CASE("threads: every kind of call on one sequence at once is answered, plans included, and the books balance") {
  Cache cache(roomy);
  const akv_sequence s = cache.committed(count_up(0, 99));
  Tally tally;
  std::atomic<std::uint32_t> plans{0};
  const auto note = [&tally](akv_status status) {
    if (status != AKV_ERROR_PLAN_OPEN && status != AKV_ERROR_NOT_COMMITTED) tally.note(status);
  };
  together(6, [&](int thread) {
    std::vector<std::int32_t> ids(4096);
    const std::int32_t token = 7;
    for (int i = 0; i < 2000; ++i) {
      akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
      akv_room room = AKV_ROOM_INIT;
      akv_batch batch = AKV_BATCH_INIT;
      batch.flags = AKV_APPEND_COMMITTED;
      batch.num_sequences = 1;
      batch.sequences = &s;
      akv_plan plan = AKV_NONE;
      std::uint32_t count = 0;
      akv_sequence child = AKV_NONE;
      switch ((thread + i) % 8) {
        case 0: note(akv_sequence_append(cache, s, &token, 1, AKV_APPEND_COMMITTED, &plan)); break;
        case 1: note(akv_sequence_commit_batch(cache, &s, nullptr, 1, AKV_NONE)); break;
        case 2: note(akv_sequence_read_info(cache, s, &info)); break;
        case 3: note(akv_sequence_can_extend(cache, s, 1, &room)); break;
        case 4: note(akv_sequence_read_blocks(cache, s, 0, ids.data(), 4096, &count)); break;
        case 5: note(akv_sequence_append_batch(cache, &batch, nullptr, &plan)); break;
        case 6: note(akv_sequence_truncate(cache, s, 99, 0)); break;
        default:
          note(akv_sequence_fork(cache, s, 99, nullptr, &child));
          if (child == AKV_NONE) break;
          note(akv_sequence_append(cache, child, &token, 1, 0, &plan));
          note(akv_sequence_free(cache, child));
      }
      if (plan == AKV_NONE) continue;
      ++plans;  // nobody else may end it; who is inside its sequence makes that BUSY
      akv_status status = AKV_ERROR_BUSY;
      while (status == AKV_ERROR_BUSY)
        status = i % 2 != 0 ? akv_plan_finish(cache, plan, AKV_NONE) : akv_plan_abandon(cache, plan);
      note(status);
    }
  });
  CHECK(tally.other == AKV_OK);
  CHECK(tally.bad_handle == 0);
  CHECK(plans != 0);
  const akv_cache_state state = cache.state();
  CHECK((state.plans == 0 && state.sequences == 1));
  CHECK(state.copy_on_writes == plans);
  CHECK(cache.tokens(s).size() >= 99);
}

TEST_CASE("threads: D6 of many that end the same thing at once, one does and the others are told BAD_HANDLE or BUSY") {
  Cache cache(roomy);
  const Tokens tokens = count_up(0, 10);
  const akv_prompt prompt = cache.prompt(tokens);
  for (int round = 0; round < 100; ++round) {
    const akv_sequence s = cache.committed(tokens);
    akv_pin pin = 0;
    akv_lease lease = 0;
    akv_sequence child = 0;
    akv_plan plan = 0;
    OK(akv_prefix_pin(cache, &prompt, 0, &pin, nullptr));
    OK(akv_lease_acquire(cache, s, 4, 0, &lease, nullptr));
    OK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child));
    OK(cache.append(child, {round}, &plan));
    const akv_ticket ticket = cache.open_ticket();
    Tally ends[5];
    together(4, [&](int thread) {
      ends[0].note(akv_prefix_unpin(cache, pin));
      ends[1].note(akv_lease_release(cache, lease));
      ends[2].note(thread % 2 != 0 ? akv_plan_finish(cache, plan, AKV_NONE) : akv_plan_abandon(cache, plan));
      ends[3].note(akv_ticket_retire(cache, ticket));
      ends[4].note(akv_sequence_free(cache, s));
    });
    for (const Tally &tally : ends) {
      CHECK(tally.ok == 1);
      CHECK(tally.ok + tally.busy + tally.bad_handle == 4);
      CHECK(tally.other == AKV_OK);
    }
    OK(akv_sequence_free_batch(cache, &child, 1, nullptr, nullptr, nullptr));
    CHECK(cache.state().sequences == 0);
  }
}

TEST_CASE("threads: a destroy that meets operations is OK or BUSY, they are OK, BUSY or BAD_HANDLE: never a crash") {
  const Tokens long_prompt = count_up(0, 200000);
  for (int round = 0; round < 20; ++round) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    roomy(config);
    config.block_tokens = 64;
    config.max_tokens_per_sequence = 1 << 18;
    akv_cache *cache = nullptr;
    OK(akv_cache_create(&config, &cache));
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = long_prompt.data();
    prompt.num_tokens = 200000;
    akv_created created = AKV_CREATED_INIT, growing = AKV_CREATED_INIT;
    OK(akv_sequence_create(cache, &prompt, nullptr, &created));
    OK(akv_sequence_create(cache, nullptr, nullptr, &growing));
    Tally calls, destroys;
    const auto until_it_is_gone = [&calls](auto call) {
      akv_status status = AKV_OK;
      while (status == AKV_OK || status == AKV_ERROR_BUSY) {
        calls.note(status = call());
      }
    };
    Tokens read = long_prompt;
    std::atomic<int> mistakes{0};
    const std::int32_t token = 7;
    together(4, [&](int thread) {
      if (thread == 0) {
        akv_status status = AKV_ERROR_BUSY;
        while (calls.ok < static_cast<std::uint32_t>(round) * 20) std::this_thread::yield();
        while (status == AKV_ERROR_BUSY) {
          destroys.note(status = akv_cache_destroy(cache));
          std::this_thread::yield();
        }
        destroys.note(akv_cache_destroy(cache));
      } else if (thread == 1) {  // half of the time inside the sequence
        until_it_is_gone([&] {
          const akv_status status = akv_sequence_read_tokens(cache, created.sequence, 0, 200000, read.data());
          mistakes += read != long_prompt;
          return status;
        });
      } else if (thread == 2) {
        until_it_is_gone([&] {
          const akv_status status = akv_sequence_append(cache, growing.sequence, &token, 1, 0, nullptr);
          const bool full = status == AKV_ERROR_NO_CAPACITY || status == AKV_ERROR_NO_BLOCKS;
          return full ? akv_sequence_truncate(cache, growing.sequence, 0, 0) : status;
        });
      } else {
        akv_cache_state state = AKV_CACHE_STATE_INIT;
        until_it_is_gone([&] { return akv_cache_read_state(cache, &state); });
      }
    });
    CHECK(calls.other == AKV_OK);
    CHECK(calls.bad_handle == 3);
    CHECK(destroys.other == AKV_OK);
    CHECK((destroys.ok == 1 && destroys.bad_handle == 1));
    CHECK(mistakes == 0);
  }
}

TEST_CASE("threads: of many that destroy the same cache one does, and the others are told BAD_HANDLE") {
  for (int round = 0; round < 100; ++round) {
    akv_cache *cache = nullptr;
    OK(akv_cache_create(nullptr, &cache));
    Tally tally;
    together(4, [&](int) { tally.note(akv_cache_destroy(cache)); });
    CHECK((tally.ok == 1 && tally.bad_handle == 3));
  }
}

TEST_CASE("threads: caches are made, used and destroyed by many threads at once, and none sees another's things") {
  Tally tally;
  std::atomic<int> mistakes{0};
  together(6, [&](int thread) {
    for (int i = 0; i < 60; ++i) {
      akv_cache_config config = AKV_CACHE_CONFIG_INIT;
      config.num_blocks = 64;
      config.max_sequences = static_cast<std::uint32_t>(1 + 100 * (i % 2));
      akv_cache *cache = nullptr;
      tally.note(akv_cache_create(&config, &cache));
      const Tokens tokens = count_up(thread * 1000, 40);
      akv_prompt prompt = AKV_PROMPT_INIT;
      prompt.tokens = tokens.data();
      prompt.num_tokens = 40;
      akv_created created = AKV_CREATED_INIT;
      tally.note(akv_sequence_create(cache, &prompt, nullptr, &created));
      Tokens read(40);
      tally.note(akv_sequence_read_tokens(cache, created.sequence, 0, 40, read.data()));
      mistakes += read != tokens || created.cached_tokens != 0;
      tally.note(akv_cache_audit_all(cache));
      tally.note(akv_cache_destroy(cache));
    }
  });
  CHECK(mistakes == 0);
  CHECK(tally.ok == 6 * 60 * 5);
  CHECK(tally.other == AKV_OK);
}

TEST_CASE("threads: the last error is each thread's own") {
  std::atomic<int> mistakes{0};
  CHECK(akv_sequence_free(nullptr, 1) == AKV_ERROR_INVALID_ARGUMENT);
  together(4, [&](int thread) {
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    mistakes += last_error() != "" || akv_last_error_detail(&detail) != AKV_OK || detail.status != AKV_OK ||
                detail.row != AKV_UNSET;  // nothing has failed here yet
    for (int i = 0; i < 500; ++i) {
      const std::uint32_t columns = static_cast<std::uint32_t>(100 + thread);
      akv_cache_config config = AKV_CACHE_CONFIG_INIT;
      config.scrub = columns;
      akv_cache *cache = nullptr;
      mistakes += akv_cache_create(&config, &cache) != AKV_ERROR_INVALID_ARGUMENT;
      mistakes += last_error() != "scrub is " + std::to_string(columns) + ", must be 0 to 2";
    }
  });
  CHECK(mistakes == 0);
  CHECK(last_error() == "the cache is NULL");
}

TEST_CASE("threads: B12 B14 calls on 96 different sequences are never BUSY, and nothing is lost") {
  Cache cache(roomy);
  std::vector<akv_sequence> sequences;
  for (int i = 0; i < 96; ++i) sequences.push_back(cache.create({i}).sequence);
  Tally tally;
  together(8, [&](int thread) {
    const std::size_t first = static_cast<std::size_t>(thread) * 12;
    std::vector<std::uint32_t> lengths(12);
    for (int step = 1; step <= 100; ++step) {
      const std::vector<std::int32_t> tokens(12, step);
      akv_batch batch = AKV_BATCH_INIT;
      batch.num_sequences = batch.tokens_count = 12;
      batch.sequences = sequences.data() + first;
      batch.tokens = tokens.data();
      tally.note(akv_sequence_append_batch(cache, &batch, nullptr, nullptr));
      tally.note(akv_sequence_commit_batch(cache, sequences.data() + first, nullptr, 12, AKV_NONE));
      akv_created created = AKV_CREATED_INIT;
      tally.note(akv_sequence_create(cache, nullptr, nullptr, &created));
      tally.note(akv_sequence_free(cache, created.sequence));
    }
  });
  CHECK(tally.ok == 8 * 100 * 4);
  CHECK((tally.busy == 0 && tally.other == AKV_OK));
  for (int i = 0; i < 96; ++i) {
    Tokens wanted = count_up(0, 101);
    wanted[0] = i;
    CHECK(cache.tokens(sequences[static_cast<std::size_t>(i)]) == wanted);
  }
  CHECK(cache.state().live_blocks == 96 * 26);
}

TEST_CASE("threads: B7 B14 the state sums and the audit is OK at every moment of others' work") {
  Cache cache([](akv_cache_config &c) {
    roomy(c);
    c.block_tokens = 1;      // every append takes a block,
    c.magazine_blocks = 60;  // and most of them without a lock
  });
  std::atomic<bool> stop{false};
  std::atomic<int> mistakes{0};
  Tally work, reads, exact;
  const auto grow_and_leave = [&](int thread) {
    const Tokens tokens = count_up(thread * 10000, 120);
    const auto retry = [&](auto call) {  // an exact read-out has every gate shut for a moment
      akv_status status = AKV_ERROR_BUSY;
      while (status == AKV_ERROR_BUSY) status = call();
      work.note(status);
    };
    while (!stop) {
      akv_created created = AKV_CREATED_INIT;
      retry([&] { return akv_sequence_create(cache, nullptr, nullptr, &created); });
      for (const std::int32_t &token : tokens)
        retry([&] { return akv_sequence_append(cache, created.sequence, &token, 1, 0, nullptr); });
      retry([&] { return akv_sequence_free(cache, created.sequence); });
    }
  };
  const auto look = [&](int thread) {
    std::vector<std::uint8_t> map(4097);
    for (int i = 0; i < 250; ++i) {
      akv_cache_state s = AKV_CACHE_STATE_INIT;
      akv_measures m = AKV_MEASURES_INIT;
      reads.note(akv_cache_read_state(cache, &s));
      mistakes += s.free_blocks + s.dirty_blocks + s.reserved_blocks + s.live_blocks + s.pinned_blocks +
                      s.cached_blocks + s.quarantined_blocks !=
                  s.num_blocks;
      mistakes += s.free_blocks > 4096 || s.live_blocks > 4096 || s.peak_live_blocks > 4096;
      for (int k = 0; k < 20; ++k) {
        reads.note(akv_cache_audit(cache));
        std::this_thread::yield();  // the lock is for others as well
      }
      if (i % 10 != 0) continue;
      exact.note(akv_cache_audit_all(cache));
      exact.note(akv_cache_measure(cache, &m));
      exact.note(akv_cache_read_block_map(cache, map.data(), 4097));
    }
    if (thread == 0) stop = true;
  };
  together(2, [&](int thread) { thread == 0 ? look(thread) : grow_and_leave(thread); });
  CHECK(mistakes == 0);
  CHECK((work.other == AKV_OK && work.bad_handle == 0));
  CHECK((reads.other == AKV_OK && reads.busy == 0));
  CHECK(exact.other == AKV_OK);
  CHECK(cache.state().sequences == 0);
}
