// step.cpp: the promises of step.h.
// It knows the public API only; every array is also checked by the random operations of tests/model.
#include "fixture.hpp"

using namespace akv::test;

namespace {

struct Step {
  explicit Step(std::size_t rows, std::size_t width = 16)
      : table(rows * width, -9), states(rows), lens(rows, -9), slots(64, -9), width_(width) {
    tables.slot_mapping = slots.data();
    tables.slot_capacity = slots.size();
    tables.block_table = table.data();
    tables.row_states = states.data();
    tables.row_stride = tables.row_width = static_cast<std::uint32_t>(width);
    tables.num_rows = static_cast<std::uint32_t>(rows);
    tables.seq_lens = lens.data();
    tables.pad_block = -1;
  }
  std::vector<std::int32_t> row(std::size_t i) const {
    return {table.begin() + static_cast<std::ptrdiff_t>(i * width_),
            table.begin() + static_cast<std::ptrdiff_t>((i + 1) * width_)};
  }
  akv_tables tables = AKV_TABLES_INIT;
  std::vector<std::int32_t> table;
  std::vector<akv_row_state> states;
  std::vector<std::int32_t> lens;
  std::vector<std::int64_t> slots;
  std::size_t width_;
};

akv_batch batch_of(const std::vector<akv_sequence> &sequences, const Tokens &tokens,
                   const std::vector<std::uint32_t> *counts = nullptr) {
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = static_cast<std::uint32_t>(sequences.size());
  batch.sequences = sequences.data();
  batch.tokens = tokens.data();
  batch.tokens_count = static_cast<std::uint32_t>(tokens.size());
  if (counts != nullptr) batch.num_tokens = counts->data();
  return batch;
}

}  // namespace

TEST_CASE("step: slots are block x block_tokens + offset, for decodes and chunks in one call, and padded") {
  Cache cache;
  const std::vector<akv_sequence> sequences = {cache.create(count_up(0, 5)).sequence,
                                               cache.create(count_up(100, 4)).sequence};
  Step step(2);
  step.tables.padded_slots = 8;
  const std::vector<std::uint32_t> counts = {1, 5};
  const Tokens tokens = count_up(7, 6);
  const akv_batch batch = batch_of(sequences, tokens, &counts);
  OK(akv_sequence_append_batch(cache, &batch, &step.tables, nullptr));
  const auto a = cache.blocks(sequences[0]), b = cache.blocks(sequences[1]);
  CHECK(step.slots[0] == a[1] * 4 + 1);
  for (int i = 0; i < 4; ++i) CHECK(step.slots[static_cast<std::size_t>(1 + i)] == b[1] * 4 + i);
  CHECK(step.slots[5] == b[2] * 4);
  CHECK((step.slots[6] == AKV_PAD_SLOT && step.slots[7] == AKV_PAD_SLOT && step.slots[8] == -9));
  CHECK((step.lens[0] == 6 && step.lens[1] == 9));
}

TEST_CASE("step: B5 B12 one token each, without num_tokens: every slot, position and row is the new last token's") {
  Cache cache;
  const std::vector<akv_sequence> sequences = {cache.create(count_up(0, 3)).sequence,
                                               cache.create(count_up(100, 4)).sequence, cache.create({}).sequence};
  Step step(3);
  std::vector<std::int64_t> positions(3, -9);
  step.tables.positions = positions.data();
  const std::uint64_t refills = cache.state().refills;
  for (std::int32_t round = 0; round < 9; ++round) {
    const Tokens tokens = {round, round, round};
    const akv_batch batch = batch_of(sequences, tokens);
    OK(akv_sequence_append_batch(cache, &batch, &step.tables, nullptr));
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint32_t last = cache.info(sequences[i]).length - 1;
      auto blocks = cache.blocks(sequences[i]);
      CHECK(step.slots[i] == std::int64_t{blocks[last / 4]} * 4 + last % 4);
      CHECK(positions[i] == last);
      CHECK(step.lens[i] == static_cast<std::int32_t>(last + 1));
      blocks.resize(16, -1);
      CHECK(step.row(i) == blocks);
    }
  }
  CHECK(cache.state().refills - refills <= 9);  // a lock for a magazine, none for a token
}

TEST_CASE("step: a row that changed hands, or whose sequence had a block replaced, is never stale") {
  Cache cache;
  const akv_sequence a = cache.committed(count_up(0, 30)), b = cache.committed(count_up(100, 6));
  Step step(2);
  const Tokens two = {1, 2};
  const auto run = [&](std::vector<akv_sequence> sequences) {
    akv_plan plan = AKV_NONE;
    const akv_batch batch = batch_of(sequences, two);
    OK(akv_sequence_append_batch(cache, &batch, &step.tables, &plan));
    if (plan != AKV_NONE) cache.finish(plan);
    for (std::size_t i = 0; i < 2; ++i) {
      auto want = cache.blocks(sequences[i]);
      want.resize(16, -1);
      CHECK(step.row(i) == want);
    }
  };
  run({a, b});
  run({b, a});  // permuted
  akv_sequence child = 0;
  OK(akv_sequence_commit(cache, b, cache.info(b).length, AKV_NONE));
  OK(akv_sequence_fork(cache, b, AKV_UNSET, nullptr, &child));
  run({b, a});  // copied on write: an entry in the middle is another one
  OK(akv_sequence_truncate(cache, a, 8, 0));
  run({b, a});  // dropped and grown again
  cache.free(child);
}

TEST_CASE("step: all or nothing: a row that fails leaves every sequence and every array as it was, and is named") {
  Cache cache;
  const akv_sequence a = cache.create(count_up(0, 4)).sequence, b = cache.create(count_up(100, 4)).sequence;
  const akv_sequence big = cache.create(count_up(500, 29 * 4)).sequence;
  Step step(2);
  const Step before = step;
  const Tokens two = {1, 2};
  const auto refused = [&](const std::vector<akv_sequence> &sequences, akv_status want, std::uint32_t row) {
    const akv_batch batch = batch_of(sequences, two);
    CHECK(akv_sequence_append_batch(cache, &batch, &step.tables, nullptr) == want);
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    OK(akv_last_error_detail(&detail));
    CHECK((detail.status == want && detail.row == row));
    CHECK((step.table == before.table && step.slots == before.slots && step.lens == before.lens));
    CHECK((cache.info(a).length == 4 && cache.info(b).length == 4));
  };
  refused({a, b}, AKV_ERROR_NO_BLOCKS, AKV_UNSET);
  refused({a, a}, AKV_ERROR_INVALID_ARGUMENT, 1);
  CHECK(last_error().find("row 1 of the batch: sequence 0x") == 0);
  refused({a, 0}, AKV_ERROR_INVALID_ARGUMENT, 1);
  refused({a, a ^ 1ull << 40}, AKV_ERROR_BAD_HANDLE, 1);
  step.tables.slot_capacity = 1;
  refused({a, b}, AKV_ERROR_BUFFER_TOO_SMALL, AKV_UNSET);
  cache.free(big);
}

TEST_CASE("step: B16 FlashInfer's arrays list the blocks of each context and the length of its last page") {
  Cache cache;
  const std::vector<akv_sequence> sequences = {cache.create(count_up(0, 7)).sequence, cache.create({}).sequence,
                                               cache.create(count_up(50, 3)).sequence};
  std::vector<std::int32_t> indptr(6, -9), indices(8, -9), last(5, -9), start(6, -9);
  akv_tables tables = AKV_TABLES_INIT;
  tables.kv_indptr = indptr.data();
  tables.kv_indices = indices.data();
  tables.kv_indices_capacity = 8;
  tables.kv_last_page_len = last.data();
  tables.query_start_loc = start.data();
  tables.sequence_capacity = 5;
  tables.padded_sequences = 5;
  const std::vector<std::uint32_t> counts = {1, 0, 2};
  const Tokens tokens = {7, 53, 54};
  const akv_batch batch = batch_of(sequences, tokens, &counts);
  OK(akv_sequence_append_batch(cache, &batch, &tables, nullptr));
  CHECK(indptr == std::vector<std::int32_t>({0, 2, 2, 4, 4, 4}));
  CHECK(last == std::vector<std::int32_t>({4, 0, 1, 0, 0}));
  CHECK(start == std::vector<std::int32_t>({0, 1, 1, 3, 3, 3}));
  auto want = cache.blocks(sequences[0]);
  for (const std::int32_t id : cache.blocks(sequences[2])) want.push_back(id);
  want.resize(8, -9);
  CHECK(indices == want);
}

TEST_CASE("step: tables of a chunk end with the chunk, and cached positions have no slot to write to") {
  Cache cache;
  cache.cache_prefix(count_up(0, 8));
  const akv_sequence s = cache.create(count_up(0, 14)).sequence;
  Step step(1);
  akv_batch batch = AKV_BATCH_INIT;
  const std::uint32_t first = 6, count = 5;
  batch.num_sequences = 1;
  batch.sequences = &s;
  batch.first = &first;
  batch.num_tokens = &count;
  OK(akv_sequence_read_tables(cache, &batch, &step.tables));
  const auto blocks = cache.blocks(s);
  CHECK((step.slots[0] == AKV_PAD_SLOT && step.slots[1] == AKV_PAD_SLOT));
  CHECK((step.slots[2] == blocks[2] * 4 && step.slots[4] == blocks[2] * 4 + 2));
  CHECK(step.lens[0] == 11);
  CHECK((step.row(0)[2] == blocks[2] && step.row(0)[3] == -1));
  const std::uint32_t beyond = 14;
  batch.first = &beyond;
  CHECK(akv_sequence_read_tables(cache, &batch, &step.tables) == AKV_ERROR_OUT_OF_RANGE);
  OK(akv_sequence_reserve(cache, s, 19, nullptr));
  OK(akv_sequence_read_tables(cache, &batch, &step.tables));  // reserved look-ahead positions
  CHECK(step.slots[2] == cache.blocks(s)[4] * 4);
}

TEST_CASE("step: look-ahead slots never lie in a block that a fork shares") {
  Cache cache;
  const akv_sequence s = cache.committed(count_up(0, 6));
  OK(akv_sequence_reserve(cache, s, 12, nullptr));
  akv_sequence child = 0;
  OK(akv_sequence_fork(cache, s, AKV_UNSET, nullptr, &child));
  Step step(1);
  akv_batch batch = AKV_BATCH_INIT;
  const std::uint32_t first = 6, count = 4;
  batch.num_sequences = 1;
  batch.sequences = &s;
  batch.first = &first;
  batch.num_tokens = &count;
  CHECK(akv_sequence_read_tables(cache, &batch, &step.tables) == AKV_ERROR_PLAN_NEEDED);
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_reserve(cache, s, 12, &plan));
  REQUIRE(plan != AKV_NONE);
  cache.finish(plan);
  OK(akv_sequence_read_tables(cache, &batch, &step.tables));
  CHECK(step.slots[0] / 4 != cache.blocks(child)[1]);
}

TEST_CASE("step: commit, late tokens and rejected drafts go by batch, all or nothing") {
  Cache cache;
  const std::vector<akv_sequence> sequences = {cache.create(count_up(0, 8)).sequence,
                                               cache.create(count_up(100, 8)).sequence};
  const std::uint32_t too_far[] = {8, 9};
  CHECK(akv_sequence_commit_batch(cache, sequences.data(), too_far, 2, AKV_NONE) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(cache.info(sequences[0]).committed == 0);
  OK(akv_sequence_commit_batch(cache, sequences.data(), nullptr, 2, AKV_NONE));
  CHECK(cache.match(count_up(100, 9)).cached_tokens == 8);

  akv_batch draft = AKV_BATCH_INIT;
  const std::uint32_t three[] = {3, 3};
  draft.num_sequences = 2;
  draft.sequences = sequences.data();
  draft.num_tokens = three;
  OK(akv_sequence_append_batch(cache, &draft, nullptr, nullptr));
  const std::uint32_t first[] = {8, 9}, counts[] = {1, 2};
  const Tokens late = {8, 109, 110};
  akv_batch tokens = batch_of(sequences, late);
  tokens.first = first;
  tokens.num_tokens = counts;
  OK(akv_sequence_set_tokens_batch(cache, &tokens));
  CHECK((cache.info(sequences[0]).known == 9 && cache.info(sequences[1]).known == 8));
  const std::uint32_t accepted[] = {9, 8};
  OK(akv_sequence_truncate_batch(cache, sequences.data(), accepted, 2, AKV_TRUNCATE_KEEP_BLOCKS));
  CHECK((cache.info(sequences[0]).length == 9 && cache.info(sequences[1]).length == 8));
  CHECK(cache.state().reserved_blocks == 1);
}

TEST_CASE("step: a batch of nothing is fine") {
  Cache cache;
  akv_batch batch = AKV_BATCH_INIT;
  OK(akv_sequence_append_batch(cache, &batch, nullptr, nullptr));
  OK(akv_sequence_commit_batch(cache, nullptr, nullptr, 0, AKV_NONE));
  akv_tables tables = AKV_TABLES_INIT;
  OK(akv_sequence_read_tables(cache, &batch, &tables));
}
