// threads.cpp: does a second thread with sequences of its own nearly double the rate of appends? On a full pool, with
// publishing on.
//
//   bench_threads
//
// The ratio is taken per round: one thread, then two threads with the same work each, right after one another.
#include "bench.hpp"

#include <atomic>
#include <functional>
#include <thread>

namespace {

constexpr std::uint32_t kSequences = 128, kRounds = 11;

akv_cache *cache;

struct Worker {
  explicit Worker(std::uint64_t seed) : sequences(kSequences), sampled(kSequences), slots(kSequences) {
    for (std::uint32_t i = 0; i < kSequences; ++i) {
      sequences[i] =
          bench::create(cache, bench::tokens(seed * 10000 + i, 600 + i % 16), AKV_SEQUENCE_COMMITTED).sequence;
      sampled[i] = static_cast<std::int32_t>(seed * 1000 + i);
    }
  }
  ~Worker() {
    for (const akv_sequence sequence : sequences) BENCH_CHECK(akv_sequence_free(cache, sequence));
  }
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;

  void steps(std::uint32_t count) {
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = batch.tokens_count = kSequences;
    batch.sequences = sequences.data();
    batch.tokens = sampled.data();
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = slots.data();
    tables.slot_capacity = slots.size();
    for (std::uint32_t i = 0; i < count; ++i) {
      BENCH_CHECK(akv_sequence_append_batch(cache, &batch, &tables, nullptr));
      BENCH_CHECK(akv_sequence_commit_batch(cache, sequences.data(), nullptr, kSequences, AKV_NONE));
    }
  }
  void singles(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
      for (std::uint32_t k = 0; k < kSequences; ++k)
        BENCH_CHECK(akv_sequence_append(cache, sequences[k], &sampled[k], 1, AKV_APPEND_COMMITTED, nullptr));
  }

  std::vector<akv_sequence> sequences;
  std::vector<std::int32_t> sampled;
  std::vector<std::int64_t> slots;
};

// Tokens a nanosecond of `threads` threads that do the same work each.
double rate(std::uint32_t threads, std::uint32_t steps, const std::function<void(Worker &, std::uint32_t)> &work) {
  std::vector<Worker *> workers;
  for (std::uint32_t i = 0; i < threads; ++i) workers.push_back(new Worker(i + 1));
  std::atomic<std::uint32_t> ready{0};
  std::vector<double> ends(threads);
  std::vector<std::thread> running;
  std::atomic<bool> go{false};
  for (std::uint32_t i = 0; i < threads; ++i)
    running.emplace_back([&, i] {
      ready.fetch_add(1);
      while (!go.load()) {
      }
      work(*workers[i], steps);
      ends[i] = bench::now_ns();
    });
  while (ready.load() != threads) {
  }
  const double start = bench::now_ns();
  go.store(true);
  for (std::thread &thread : running) thread.join();
  const double end = *std::max_element(ends.begin(), ends.end());
  for (Worker *worker : workers) delete worker;
  return static_cast<double>(threads) * steps * kSequences / (end - start);
}

void compare(const char *name, std::uint32_t steps, const std::function<void(Worker &, std::uint32_t)> &work) {
  std::vector<double> ratios, one, two;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    one.push_back(rate(1, steps, work));
    two.push_back(rate(2, steps, work));
    ratios.push_back(two.back() / one.back());
  }
  std::sort(ratios.begin(), ratios.end());
  const double best = *std::max_element(two.begin(), two.end()) / *std::max_element(one.begin(), one.end());
  std::printf(
      "%-44s one thread %.1f ns a token; two threads: %.2f times its rate (best against best %.2f; %.2f to %.2f)\n",
      name, 1 / *std::max_element(one.begin(), one.end()), ratios[ratios.size() / 2], best, ratios.front(),
      ratios.back());
}

}  // namespace

int main() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 60000;
  config.max_sequences = 4 * kSequences;
  BENCH_CHECK(akv_cache_create(&config, &cache));
  bench::fill_with_cached(cache);
  compare("append_batch + slots + commit_batch of 128", 600, [](Worker &w, std::uint32_t n) { w.steps(n); });
  compare("single appends over 128 sequences", 600, [](Worker &w, std::uint32_t n) { w.singles(n); });
  BENCH_CHECK(akv_cache_audit_all(cache));
  BENCH_CHECK(akv_cache_destroy(cache));
  return 0;
}
