// step.cpp: what one decode step costs: 256 sequences of about 1,200 tokens grow by one each, on a full pool, with slot
// mapping and block tables in place; then with FlashInfer's CSR arrays on top, against a memcpy of their bytes.
//
//   bench_step [SEQUENCES]
//
// The yardstick "bare loop" is what an engine without a library would run: a length, a vector of block ids, a stack of
// free ids, and the token stored; nothing else.
#include "bench.hpp"

#include <cstring>
#include <memory>

namespace {

constexpr std::uint32_t kLength = 1200, kSteps = 400, kRounds = 9, kBlock = 16;

// No checks, no sharing, no prefix index, no API.
struct BareLoop {
  struct One {
    std::vector<std::int32_t> tokens;
    std::vector<std::int32_t> blocks;
  };
  explicit BareLoop(std::uint32_t count) : all(count) {
    for (std::int32_t i = 0; i < 200000; ++i) free.push_back(i);
    for (std::uint32_t i = 0; i < count; ++i) {
      all[i].tokens.reserve(kLength + 20000);
      all[i].blocks.reserve(3000);
      for (std::uint32_t t = 0; t < kLength + i % kBlock; ++t) append(all[i], static_cast<std::int32_t>(t));
    }
  }
  void append(One &one, std::int32_t token) {
    if (one.tokens.size() % kBlock == 0) {
      one.blocks.push_back(free.back());
      free.pop_back();
    }
    one.tokens.push_back(token);
  }
  double step_ns(std::int32_t *slots) {
    const double start = bench::now_ns();
    for (std::uint32_t s = 0; s < kSteps; ++s)
      for (std::size_t i = 0; i < all.size(); ++i) {
        append(all[i], static_cast<std::int32_t>(s));
        slots[i] = all[i].blocks.back() * static_cast<std::int32_t>(kBlock) +
                   static_cast<std::int32_t>((all[i].tokens.size() - 1) % kBlock);
      }
    return (bench::now_ns() - start) / kSteps;
  }
  std::vector<One> all;
  std::vector<std::int32_t> free;
};

class Engine {
 public:
  explicit Engine(std::uint32_t count) : sequences_(count), sampled_(count), slots_(count), rows_(count), width_(256) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = count * 160 + 20000;
    config.max_sequences = count;
    BENCH_CHECK(akv_cache_create(&config, &cache_));
    bench::fill_with_cached(cache_);
    table_.resize(std::size_t{count} * width_);
    indptr_.resize(count + 1);
    last_page_.resize(count);
    indices_.resize(std::size_t{count} * width_);
    start();
  }
  ~Engine() {
    if (akv_cache_destroy(cache_) != AKV_OK) std::abort();
  }
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  // Sequences at different places in their blocks, as they are in a server.
  void start() {
    for (std::uint32_t i = 0; i < sequences_.size(); ++i) {
      if (sequences_[i] != AKV_NONE) BENCH_CHECK(akv_sequence_free(cache_, sequences_[i]));
      sequences_[i] =
          bench::create(cache_, bench::tokens(i + 1000 * ++round_, kLength + i % kBlock), AKV_SEQUENCE_COMMITTED)
              .sequence;
      sampled_[i] = static_cast<std::int32_t>(i);
    }
    step(false, true, false);  // rows are written once in full
  }

  void step(bool commit, bool tables, bool csr) {
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = batch.tokens_count = static_cast<std::uint32_t>(sequences_.size());
    batch.sequences = sequences_.data();
    batch.tokens = sampled_.data();
    akv_tables arrays = AKV_TABLES_INIT;
    arrays.slot_mapping = slots_.data();
    arrays.slot_capacity = slots_.size();
    arrays.block_table = table_.data();
    arrays.row_states = rows_.data();
    arrays.row_stride = arrays.row_width = width_;
    arrays.num_rows = static_cast<std::uint32_t>(rows_.size());
    arrays.sequence_capacity = static_cast<std::uint32_t>(sequences_.size());
    if (csr) {
      arrays.kv_indptr = indptr_.data();
      arrays.kv_indices = indices_.data();
      arrays.kv_indices_capacity = indices_.size();
      arrays.kv_last_page_len = last_page_.data();
    }
    BENCH_CHECK(akv_sequence_append_batch(cache_, &batch, tables ? &arrays : nullptr, nullptr));
    if (commit)
      BENCH_CHECK(akv_sequence_commit_batch(cache_, sequences_.data(), nullptr, batch.num_sequences, AKV_NONE));
  }

  double step_ns(bool commit, bool tables, bool csr) {
    start();
    const double begin = bench::now_ns();
    for (std::uint32_t s = 0; s < kSteps; ++s) step(commit, tables, csr);
    return (bench::now_ns() - begin) / kSteps;
  }

  // The CSR arrays written once more by one memcpy each: what their bytes alone cost.
  double copy_ns() {
    const std::size_t count = static_cast<std::size_t>(indptr_.back());
    std::vector<std::int32_t> from(indices_.begin(), indices_.begin() + static_cast<std::ptrdiff_t>(count));
    const double begin = bench::now_ns();
    for (std::uint32_t s = 0; s < kSteps; ++s) {
      std::memcpy(indices_.data(), from.data(), count * sizeof from[0]);
      from[s % count] ^= 1;  // so that no copy can be left out
    }
    return (bench::now_ns() - begin) / kSteps;
  }
  std::int32_t csr_elements() const { return indptr_.back(); }

 private:
  akv_cache *cache_ = nullptr;
  std::vector<akv_sequence> sequences_;
  std::vector<std::int32_t> sampled_;
  std::vector<std::int64_t> slots_;
  std::vector<akv_row_state> rows_;
  std::vector<std::int32_t> table_, indptr_, indices_, last_page_;
  std::uint32_t width_;
  std::uint64_t round_ = 0;
};

}  // namespace

int main(int argc, char **argv) {
  const auto count = static_cast<std::uint32_t>(argc > 1 ? std::atoi(argv[1]) : 256);
  Engine engine(count);
  std::vector<std::int32_t> slots(count);
  std::vector<double> bare, append, tables, committed, csr, copy;
  for (std::uint32_t round = 0; round < kRounds; ++round) {  // in turn, so that all meet the same disturbances
    BareLoop loop(count);
    bare.push_back(loop.step_ns(slots.data()));
    append.push_back(engine.step_ns(false, false, false));
    tables.push_back(engine.step_ns(false, true, false));
    committed.push_back(engine.step_ns(true, true, false));
    csr.push_back(engine.step_ns(false, true, true));
    copy.push_back(engine.copy_ns());
  }
  const auto print = [count](const char *name, std::vector<double> values) {
    const bench::Summary s = bench::summarize(std::move(values));
    std::printf("%-58s %9.0f ns  (%.2f ns a sequence; median %.0f ns)\n", name, s.best, s.best / count, s.median);
    return s.best;
  };
  std::printf("one decode step of %u sequences of about %u tokens, pool full of cached blocks\n", count, kLength);
  const double b = print("bare loop: token, block, slot", bare);
  print("append_batch", append);
  const double t = print("append_batch + slot mapping + block tables in place", tables);
  print("the same + commit_batch (publishing whole blocks)", committed);
  const double c = print("append_batch + tables + FlashInfer CSR arrays", csr);
  const double m = print("memcpy of the CSR arrays' bytes", copy);
  std::printf("step / bare loop                                   %.2f\n", t / b);
  std::printf("CSR arrays on top / memcpy of their %d elements  %.2f\n", engine.csr_elements(), (c - t) / m);
  return 0;
}
