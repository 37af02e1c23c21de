// copy_records.cpp: the promises of copy.h about records that nobody's plan holds: their order, what is compared and
// when, and what is refused.
#include "stores.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

const KvShape kShape{
    2, {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 4, 0}, {AKV_PLANE_VALUES, AKV_DTYPE_F32, 2, 3, 0, 0}}, 32, 4, 16};

void swap_columns(akv_store_config &config) {
  config.columns = AKV_STORE_SWAP_BLOCKS;
  config.layout = AKV_LAYOUT_BLOCK_OUTER;
}

akv_plan_record record(std::uint32_t kind, std::int32_t from, std::int32_t to, std::uint32_t first,
                       std::uint32_t count) {
  akv_plan_record r{};
  r.kind = kind;
  r.source_block = from;
  r.target_block = to;
  r.source_store = kind == AKV_PLAN_SWAP_IN ? 1 : 0;
  r.target_store = kind == AKV_PLAN_SWAP_OUT ? 1 : 0;
  r.first_token = first;
  r.num_tokens = count;
  r.wait = 12345;
  return r;
}
akv_plan_record whole(std::int32_t from, std::int32_t to) { return record(AKV_PLAN_COPY_ON_WRITE, from, to, 0, 4); }

// The bytes of one block in one plane of one layer.
ByteString block_of(const KvStore &store, std::int32_t block) {
  const ByteString all = store.everything();
  ByteString bytes;
  for (std::size_t layer = 0; layer < store.layers().size(); ++layer)
    for (std::size_t plane = 0; plane < store.planes().size(); ++plane)
      for (std::uint32_t token = 0; token < 4; ++token) {
        const auto at = static_cast<std::ptrdiff_t>(store.offset(layer, plane, static_cast<std::size_t>(block), token));
        const auto size = static_cast<std::ptrdiff_t>(store.planes()[plane].token_bytes());
        bytes.insert(bytes.end(), all.begin() + at, all.begin() + at + size);
      }
  return bytes;
}

}  // namespace

TEST_CASE("copy_records: what plans do, without a cache, in the order of the list, and checked as well") {
  const KvCache cache(kShape);
  const KvStore store(cache), swap(cache, swap_columns);
  akv_store *const stores[] = {store, swap};
  const auto run = [&](std::vector<akv_plan_record> records, std::uint32_t flags = 0, akv_stream *stream = nullptr) {
    return akv_copy_records(records.data(), static_cast<std::uint32_t>(records.size()), stores, 2, flags, stream);
  };
  const std::size_t block = 4 * store.planes()[0].token_bytes();
  for (const int workers : {-1, 3}) {
    const KvStream stream(workers);
    store.fill_with(4);
    const ByteString before = store.everything();
    // 1 goes out and back as 2; 3 is zeroed, then gets two tokens of 2: each builds on the one before.
    OK(run({record(AKV_PLAN_SWAP_OUT, 1, 5, 0, 4), record(AKV_PLAN_SWAP_IN, 5, 2, 0, 4),
            record(AKV_PLAN_ZERO, 0, 3, 0, 4), record(AKV_PLAN_COPY_ON_WRITE, 2, 3, 1, 2)},
           AKV_RUN_ORDERED, stream));
    stream.wait();
    const ByteString after = store.everything();
    CHECK(std::memcmp(&after[2 * block], &before[block], block) == 0);
    CHECK(std::memcmp(&after[3 * block + block / 4], &before[block + block / 4], block / 2) == 0);
    CHECK(std::count(&after[3 * block], &after[3 * block + block / 4], 0) == static_cast<std::ptrdiff_t>(block / 4));
  }
  constexpr akv_status range = AKV_ERROR_OUT_OF_RANGE, invalid = AKV_ERROR_INVALID_ARGUMENT;
  const auto bent = [&](void (*bend)(akv_plan_record &)) {
    akv_plan_record good = record(AKV_PLAN_COPY_ON_WRITE, 1, 2, 0, 4), bad = good;
    bend(bad);
    const ByteString before = store.everything();
    const akv_status status = run({good, bad});
    CHECK(store.everything() == before);
    return status;
  };
  store.fill_with(5);
  CHECK(bent([](akv_plan_record &r) { r.kind = 0; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(bent([](akv_plan_record &r) { r.kind = 6; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(last_error() == "row 1 of the batch: its kind is 6: this release knows 1 to 5");
  CHECK(bent([](akv_plan_record &r) { r.group = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(bent([](akv_plan_record &r) { r.part = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(bent([](akv_plan_record &r) { r.source_block = 33; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.source_block = -1; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.target_block = 33; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.target_block = INT32_MIN; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.target_block = 0; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.num_tokens = 5; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.first_token = 1; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.first_token = UINT32_MAX; }) == range);
  CHECK(bent([](akv_plan_record &r) { r.target_block = 1; }) == invalid);
  CHECK(bent([](akv_plan_record &r) { r.source_store = 1; }) == invalid);
  CHECK(bent([](akv_plan_record &r) { r.target_store = 1; }) == invalid);
  CHECK(bent([](akv_plan_record &r) { r.source_store = r.target_store = 2; }) == invalid);
  CHECK(bent([](akv_plan_record &r) { r.kind = AKV_PLAN_SWAP_OUT; }) == invalid);
  CHECK(run({}, AKV_RUN_FINISH) == AKV_ERROR_UNSUPPORTED);
  CHECK(akv_copy_records(nullptr, 1, stores, 2, 0, nullptr) == invalid);
  CHECK(akv_copy_records(nullptr, 0, nullptr, 1, 0, nullptr) == invalid);
}

TEST_CASE("copy_records: A11 a block that a record has just filled is the next one's source, in every layout") {
  const KvCache cache(kShape);
  for (const KvStore::Change &layout : kv_layouts(kShape))
    for (const int workers : {-1, 0, 3}) {
      const KvStore store(cache, layout);
      const KvStream stream(workers);
      store.fill_with(6);
      const ByteString first = block_of(store, 1), twenty = block_of(store, 20), below = block_of(store, 19);
      std::vector<akv_plan_record> records;
      for (std::int32_t to = 2; to <= 9; ++to) records.push_back(whole(to - 1, to));    // by one: 1 to 9
      for (std::int32_t to = 23; to <= 31; ++to) records.push_back(whole(to - 3, to));  // by three: 20 21 22 to 31
      for (std::int32_t to = 18; to >= 12; --to) records.push_back(whole(to + 1, to));  // downwards: 19 to 12
      akv_store *const stores[] = {store};
      OK(akv_copy_records(records.data(), static_cast<std::uint32_t>(records.size()), stores, 1, AKV_RUN_VERIFY,
                          stream));
      stream.wait();
      for (std::int32_t block = 2; block <= 9; ++block) CHECK(block_of(store, block) == first);
      for (std::int32_t block = 23; block <= 29; block += 3) CHECK(block_of(store, block) == twenty);
      for (std::int32_t block = 12; block <= 18; ++block) CHECK(block_of(store, block) == below);
    }
}

TEST_CASE("copy_records: copies are compared when all have run, however many there are, with workers and without") {
  const KvCache cache(kShape);
  for (const std::int32_t between : {1, 100})
    for (const int workers : {-1, 1}) {
      const KvStore store(cache);
      const KvStream stream(workers);
      store.fill_with(7);
      std::vector<akv_plan_record> records = {whole(1, 2)};
      for (std::int32_t i = 0; i < between; ++i) records.push_back(whole(10, 11 + i % 8));
      records.push_back(whole(20, 1));  // over the first one's source
      akv_store *const stores[] = {store};
      const auto count = static_cast<std::uint32_t>(records.size());
      const akv_status status = akv_copy_records(records.data(), count, stores, 1, AKV_RUN_VERIFY, stream);
      CHECK((workers > 0 && status == AKV_OK ? stream.try_wait() : status) == AKV_ERROR_VERIFY_FAILED);
    }
}

TEST_CASE("copy_records: a copy that differs in one layer is told, whichever worker copied it") {
  const KvShape shape{4, {{AKV_PLANE_KEYS, AKV_DTYPE_F32, 8, 64, 0, 0}}, 16, 16, 16};
  const KvCache cache(shape);
  const KvStore store(cache);
  const KvStream stream(2);
  std::vector<akv_plan_record> records;
  for (std::int32_t to = 2; to <= 16; ++to) records.push_back(record(AKV_PLAN_COPY_ON_WRITE, 1, to, 0, 16));
  records.push_back(record(AKV_PLAN_ZERO, 0, 1, 0, 16));  // over their source, which is zero but for layer 0
  const auto zeroes = ByteString(store.everything().size());
  for (int round = 0; round < 40; ++round) {
    ByteString bytes = zeroes;
    bytes[store.offset(0, 0, 1, 15)] = 1;
    store.fill(bytes);
    akv_store *const stores[] = {store};
    OK(akv_copy_records(records.data(), 16, stores, 1, AKV_RUN_VERIFY, stream));
    REQUIRE(stream.try_wait() == AKV_ERROR_VERIFY_FAILED);
  }
}
