// pager.cpp: the promises of copy_pager.h: the coldest go out, what is asked for comes in, and no byte is lost.
#include "paged.hpp"

using namespace akv::test;

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
  CHECK(akv_copy_make_resident(reinterpret_cast<akv_pager *>(paged.stream.handle), &a, nullptr, 1, &residence,
                               nullptr) == AKV_ERROR_WRONG_TYPE);
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

TEST_CASE("pager: as many as are needed go, the one that was asked for longest ago first") {
  const std::uint32_t workers = GENERATE(0u, 2u);
  const Paged paged(workers);
  std::vector<akv_sequence> all;
  for (std::int32_t i = 0; i < 8; ++i) all.push_back(paged.create(i * 100, 4));
  for (const std::size_t i : {3, 6, 1, 4, 7, 2, 0}) paged.bring({all[i]});  // never 5
  const std::vector<std::size_t> order = {5, 3, 6, 1, 4, 7, 2};
  for (std::uint32_t gone = 0; gone <= 7; ++gone) {
    const std::uint32_t more = gone * 4;
    paged.bring({all[0]}, &more);
    for (std::uint32_t i = 0; i < 7; ++i) CHECK((paged.state(all[order[i]]) == AKV_SEQUENCE_SWAPPED) == (i < gone));
    paged.bring({all[0]});
  }
}
