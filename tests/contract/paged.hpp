// paged.hpp: a small cache with a pager, and sequences whose every byte is known.
// It knows the public API only.
#pragma once

#include "delayed.hpp"

#include <functional>

namespace akv::test {

inline constexpr akv_plane kPlanes[] = {{AKV_PLANE_KEYS, AKV_DTYPE_F32, 2, 3, 0, 0},
                                        {AKV_PLANE_VALUES, AKV_DTYPE_F32, 2, 3, 0, 0}};
inline constexpr akv_layer_group kGroup = {AKV_RULE_FULL, 2, 2, sizeof(akv_plane), kPlanes, 2, 0};

// 8 blocks and 16 swap blocks of 4 tokens, a store for each, and a pager.
struct Paged {
  using Change = std::function<void(akv_store_config &)>;
  explicit Paged(std::uint32_t num_workers = 0, const Change &change_swap_store = nullptr)
      : cache([](akv_cache_config &config) {
          config.num_blocks = 8;
          config.num_groups = 1;
          config.group_size = sizeof kGroup;
          config.groups = &kGroup;
        }),
        stream(num_workers) {
    akv_store_config config = AKV_STORE_CONFIG_INIT;
    OK(akv_store_create(cache, &config, &stores[0]));
    config.columns = AKV_STORE_SWAP_BLOCKS;
    config.layout = AKV_LAYOUT_BLOCK_OUTER;
    if (change_swap_store != nullptr) change_swap_store(config);
    OK(akv_store_create(cache, &config, &stores[1]));
    akv_pager_config wanted = AKV_PAGER_CONFIG_INIT;
    wanted.stores = stores;
    wanted.num_stores = 2;
    OK(akv_pager_create(cache, &wanted, &pager));
  }
  ~Paged() {
    stream.release(1000);
    CHECK(akv_stream_wait(stream, AKV_POINT_ALL, kLong) == AKV_OK);
    CHECK(akv_pager_destroy(pager) == AKV_OK);
    for (akv_store *store : stores) CHECK(akv_store_destroy(store) == AKV_OK);
  }

  // Small enough to be exact.
  static float value(akv_sequence sequence, std::uint32_t length, std::uint32_t i) {
    const std::uint64_t whose = (sequence >> 32) * 16 + (sequence & 0xf);
    return static_cast<float>(whose % 2048 * 8192 + length % 8 * 1024 + i % 1024);
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
  akv_status try_ask(const std::vector<akv_sequence> &sequences, const std::uint32_t *num_tokens = nullptr) const {
    akv_residence residence = AKV_RESIDENCE_INIT;
    return akv_copy_make_resident(pager, sequences.data(), num_tokens, static_cast<std::uint32_t>(sequences.size()),
                                  &residence, stream);
  }
  // Ask until nothing is pending.
  void bring(const std::vector<akv_sequence> &sequences, const std::uint32_t *num_tokens = nullptr) const {
    for (int rounds = 0; ask(sequences, num_tokens).pending != 0; ++rounds) {
      REQUIRE(rounds < 100);
      stream.wait();
    }
  }
  std::uint32_t state(akv_sequence sequence) const { return cache.info(sequence).state; }

  Cache cache;
  akv_store *stores[2] = {};
  akv_pager *pager = nullptr;
  Stream stream;
};

}  // namespace akv::test
