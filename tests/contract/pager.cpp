// pager.cpp: the promises of copy_pager.h: the coldest go out, what is asked for comes in, and no byte is lost.
#include "fixture.hpp"

#include <cstring>

using namespace akv::test;

namespace {

const akv_plane kPlanes[] = {{AKV_PLANE_KEYS, AKV_DTYPE_F32, 2, 3, 0, 0},
                             {AKV_PLANE_VALUES, AKV_DTYPE_F32, 2, 3, 0, 0}};
const akv_layer_group kGroup = {AKV_RULE_FULL, 2, 2, sizeof(akv_plane), kPlanes, 2, 0};

// 8 blocks and 16 swap blocks of 4 tokens, a store for each, and a pager.
struct Paged {
  explicit Paged(std::uint32_t num_workers = 0)
      : cache([](akv_cache_config &config) {
          config.num_blocks = 8;
          config.num_groups = 1;
          config.group_size = sizeof kGroup;
          config.groups = &kGroup;
        }) {
    akv_store_config config = AKV_STORE_CONFIG_INIT;
    OK(akv_store_create(cache, &config, &stores[0]));
    config.columns = AKV_STORE_SWAP_BLOCKS;
    config.layout = AKV_LAYOUT_BLOCK_OUTER;
    OK(akv_store_create(cache, &config, &stores[1]));
    akv_pager_config wanted = AKV_PAGER_CONFIG_INIT;
    wanted.stores = stores;
    wanted.num_stores = 2;
    OK(akv_pager_create(cache, &wanted, &pager));
    akv_stream_config threads = AKV_STREAM_CONFIG_INIT;
    threads.num_workers = num_workers;
    OK(akv_stream_create(&threads, &stream));
  }
  ~Paged() {
    OK(akv_stream_wait(stream, AKV_POINT_ALL, 10'000'000'000));
    OK(akv_stream_destroy(stream));
    OK(akv_pager_destroy(pager));
    for (akv_store *store : stores) OK(akv_store_destroy(store));
  }

  static float value(akv_sequence sequence, std::uint32_t at, std::uint32_t i) {
    return static_cast<float>(sequence >> 32) + static_cast<float>(at) * 0.25f + static_cast<float>(i) * 0.001f;
  }
  // A span over all of a sequence, packed into `data`.
  akv_span span(akv_sequence sequence, std::vector<float> &data, Tokens &blocks) const {
    const std::uint32_t length = cache.info(sequence).length;
    blocks = cache.blocks(sequence);
    data.resize(std::size_t{length} * 2 * 2 * 6);
    akv_span all{};
    all.blocks = blocks.data();
    all.num_blocks = static_cast<std::uint32_t>(blocks.size());
    all.num_tokens = length;
    all.data = data.data();
    all.bytes = data.size() * sizeof(float);
    return all;
  }
  akv_sequence create(std::int32_t first, std::size_t length) const {
    const akv_sequence sequence = cache.create(count_up(first, length), AKV_SEQUENCE_NO_PUBLISH).sequence;
    std::vector<float> data;
    Tokens blocks;
    const akv_span all = span(sequence, data, blocks);
    for (std::uint32_t i = 0; i < data.size(); ++i) data[i] = value(sequence, all.num_tokens, i);
    OK(akv_copy_scatter(stores[0], &all, 1, sizeof all, nullptr));
    cache.commit(sequence, all.num_tokens);
    return sequence;
  }
  bool intact(akv_sequence sequence) const {
    std::vector<float> data;
    Tokens blocks;
    const akv_span all = span(sequence, data, blocks);
    OK(akv_copy_gather(stores[0], &all, 1, sizeof all, nullptr));
    for (std::uint32_t i = 0; i < data.size(); ++i)
      if (data[i] != value(sequence, all.num_tokens, i)) return false;
    return true;
  }
  akv_residence ask(const std::vector<akv_sequence> &sequences, const std::uint32_t *num_tokens = nullptr) const {
    akv_residence residence = AKV_RESIDENCE_INIT;
    OK(akv_copy_make_resident(pager, sequences.data(), num_tokens, static_cast<std::uint32_t>(sequences.size()),
                              &residence, stream));
    return residence;
  }
  // Ask until nothing is pending.
  void bring(const std::vector<akv_sequence> &sequences, const std::uint32_t *num_tokens = nullptr) const {
    for (int rounds = 0; ask(sequences, num_tokens).pending != 0; ++rounds) {
      REQUIRE(rounds < 100);
      OK(akv_stream_wait(stream, AKV_POINT_ALL, 10'000'000'000));
    }
  }
  std::uint32_t state(akv_sequence sequence) const { return cache.info(sequence).state; }

  Cache cache;
  akv_store *stores[2] = {};
  akv_pager *pager = nullptr;
  akv_stream *stream = nullptr;
};

}  // namespace

TEST_CASE(
    "pager: B13 when the blocks are full the coldest sequence goes out, and comes back on use, every byte of it") {
  const std::uint32_t workers = GENERATE(0u, 1u, 3u);
  const Paged paged(workers);
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);  // 6 of 8 blocks
  paged.bring({a});
  paged.bring({b});
  const std::uint32_t more[] = {16};
  paged.bring({b}, more);  // 4 blocks more: a must go
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPED);
  CHECK(paged.state(b) == AKV_SEQUENCE_ACTIVE);
  OK(paged.cache.append(b, count_up(500, 16)));
  OK(akv_sequence_truncate(paged.cache, b, 12, 0));
  CHECK(paged.intact(b));
  paged.bring({a});
  CHECK(paged.intact(a));
  CHECK(paged.cache.tokens(a) == count_up(0, 12));
}

TEST_CASE("pager: B13 three sequences take turns in room for two, and nothing is lost in a hundred turns") {
  const std::uint32_t workers = GENERATE(0u, 2u);
  const Paged paged(workers);
  std::vector<akv_sequence> all = {paged.create(0, 12), paged.create(100, 13)};
  paged.bring({all[0]});
  akv_plan out = AKV_NONE;
  OK(akv_sequence_swap_out(paged.cache, all[1], &out));
  OK(akv_copy_run(paged.cache, out, paged.stores, 2, AKV_RUN_FINISH, nullptr));
  all.push_back(paged.create(200, 16));
  for (std::uint32_t turn = 0; turn < 100; ++turn) {
    const akv_sequence first = all[turn % 3], second = all[(turn * 7 + 1) % 3];
    if (first == second) continue;
    paged.bring({first, second});
    REQUIRE(paged.intact(first));
    REQUIRE(paged.intact(second));
  }
  CHECK(paged.cache.state().swapped_sequences == 1);
}

TEST_CASE("pager: it never waits: what takes time is pending, and the least recently asked for is the one that goes") {
  const Paged paged(1);
  const akv_sequence a = paged.create(0, 8), b = paged.create(100, 8), c = paged.create(200, 8);
  paged.bring({b});
  paged.bring({a});
  paged.bring({c});
  const std::uint32_t more[] = {12};
  const akv_residence residence = paged.ask({c}, more);
  CHECK(residence.started_out == 1);
  CHECK(residence.resident == 1);
  paged.bring({c}, more);
  CHECK(paged.state(b) == AKV_SEQUENCE_SWAPPED);
  CHECK(paged.state(a) == AKV_SEQUENCE_ACTIVE);
}

TEST_CASE("pager: no other sequence can go: NO_BLOCKS tells what is missing, and everybody stays") {
  const Paged paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);
  const akv_sequence list[] = {a, b};
  const std::uint32_t more[] = {8, 8};
  akv_residence residence = AKV_RESIDENCE_INIT;
  CHECK(akv_copy_make_resident(paged.pager, list, more, 2, &residence, paged.stream) == AKV_ERROR_NO_BLOCKS);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK(detail.needed == 2);
  CHECK(paged.state(a) == AKV_SEQUENCE_ACTIVE);
  CHECK(paged.state(b) == AKV_SEQUENCE_ACTIVE);
}

TEST_CASE("pager: the swap blocks are full: NO_SWAP_BLOCKS, and everybody stays") {
  const Paged paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);
  std::vector<std::int32_t> taken(14);
  OK(akv_swap_acquire(paged.cache, 14, taken.data()));
  const std::uint32_t more[] = {16};
  akv_residence residence = AKV_RESIDENCE_INIT;
  CHECK(akv_copy_make_resident(paged.pager, &a, more, 1, &residence, paged.stream) == AKV_ERROR_NO_SWAP_BLOCKS);
  CHECK(paged.state(b) == AKV_SEQUENCE_ACTIVE);
  OK(akv_swap_release(paged.cache, taken.data(), 14));
  paged.bring({a}, more);
  CHECK(paged.state(b) == AKV_SEQUENCE_SWAPPED);
  paged.cache.free(b);
}

TEST_CASE("pager: what has tokens without K/V stays: there is nothing of it to save") {
  const Paged paged;
  const akv_sequence a = paged.create(0, 12);
  const akv_sequence b = paged.cache.create(count_up(100, 12)).sequence;
  const std::uint32_t more[] = {16};
  akv_residence residence = AKV_RESIDENCE_INIT;
  CHECK(akv_copy_make_resident(paged.pager, &a, more, 1, &residence, paged.stream) == AKV_ERROR_NO_BLOCKS);
  CHECK(paged.state(b) == AKV_SEQUENCE_ACTIVE);
}

TEST_CASE("pager: bad arguments are refused by name: twice, stale, another pager's end, a cache without swap blocks") {
  const Paged paged;
  const akv_sequence a = paged.create(0, 4);
  const akv_sequence twice[] = {a, a};
  akv_residence residence = AKV_RESIDENCE_INIT;
  CHECK(akv_copy_make_resident(paged.pager, twice, nullptr, 2, &residence, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  paged.cache.free(a);
  CHECK(akv_copy_make_resident(paged.pager, &a, nullptr, 1, &residence, nullptr) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_copy_make_resident(nullptr, &a, nullptr, 1, &residence, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_copy_make_resident(reinterpret_cast<akv_pager *>(paged.stream), &a, nullptr, 1, &residence, nullptr) ==
        AKV_ERROR_WRONG_TYPE);
  const Cache without([](akv_cache_config &config) { config.num_swap_blocks = 0; });
  akv_pager_config config = AKV_PAGER_CONFIG_INIT;
  akv_pager *none = nullptr;
  CHECK(akv_pager_create(without, &config, &none) == AKV_ERROR_INVALID_ARGUMENT);  // no stores
  config.stores = paged.stores;
  config.num_stores = 2;
  CHECK(akv_pager_create(without, &config, &none) == AKV_ERROR_UNSUPPORTED);
  OK(akv_pager_create(paged.cache, &config, &none));
  OK(akv_pager_destroy(none));
  CHECK(akv_pager_destroy(none) == AKV_ERROR_BAD_HANDLE);
  OK(akv_pager_destroy(nullptr));
}
