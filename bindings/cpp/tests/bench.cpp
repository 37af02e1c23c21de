// bench.cpp: one decode step of 256 sequences, in C++ against C in the same run: append, slot mapping, block tables into
// preallocated arrays, commit. It prints a ratio and passes no judgement.
#include <arenakv.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr std::uint32_t kSequences = 256, kWidth = 64, kSteps = 400, kRounds = 9;

struct Step {
  std::vector<akv_sequence> ids;
  std::vector<std::int32_t> tokens = std::vector<std::int32_t>(kSequences, 7), rows = std::vector<std::int32_t>(kSequences * kWidth);
  std::vector<std::int64_t> slots = std::vector<std::int64_t>(kSequences);
  std::vector<arenakv::RowState> states = std::vector<arenakv::RowState>(kSequences);
};

void fill(Step &step, akv_batch &batch, akv_tables &tables) {
  batch.num_sequences = batch.tokens_count = kSequences;
  batch.sequences = step.ids.data();
  batch.tokens = step.tokens.data();
  tables.slot_mapping = step.slots.data();
  tables.slot_capacity = kSequences;
  tables.block_table = step.rows.data();
  tables.row_states = step.states.data();
  tables.num_rows = kSequences;
  tables.row_stride = tables.row_width = kWidth;
}

void in_c(akv_cache *cache, Step &step) {
  akv_batch batch = AKV_BATCH_INIT;
  akv_tables tables = AKV_TABLES_INIT;
  fill(step, batch, tables);
  if (akv_sequence_append_batch(cache, &batch, &tables, nullptr) != AKV_OK) std::abort();
  if (akv_sequence_commit_batch(cache, step.ids.data(), nullptr, kSequences, AKV_NONE) != AKV_OK) std::abort();
}

void in_cpp(arenakv::Cache &cache, Step &step) {
  arenakv::Batch batch;
  arenakv::Tables tables;
  fill(step, batch, tables);
  cache.append_batch(batch, &tables);
  cache.commit_batch(step.ids);
}

// Nanoseconds of a step, from an empty cache on.
template <class Run>
double time_of(Run run) {
  arenakv::CacheConfig config;
  config.num_blocks = kSequences * kWidth;
  arenakv::Cache cache(config);
  Step step;
  std::vector<arenakv::Sequence> sequences;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(kSequences); ++i) {
    sequences.push_back(cache.create({i, i, i}).sequence);
    step.ids.push_back(sequences.back().id());
  }
  const auto start = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < kSteps; ++i) run(cache, step);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kSteps;
}

}  // namespace

int main() {
  double c = 1e18, cpp = 1e18;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    c = std::min(c, time_of([](arenakv::Cache &cache, Step &step) { in_c(cache.get(), step); }));
    cpp = std::min(cpp, time_of(in_cpp));
  }
  std::printf("one decode step of %u sequences: C %.0f ns, C++ %.0f ns, ratio %.2f\n", kSequences, c, cpp, cpp / c);
}
