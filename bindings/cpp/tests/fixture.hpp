// fixture.hpp: a small cache with stores, tokens that count up, and words for what must be refused.
// It knows no promise.
#pragma once

#include <arenakv.hpp>
#include <arenakv_kv_cache.hpp>

#include <catch.hpp>

#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

namespace cpp_test {

using Tokens = std::vector<std::int32_t>;

inline Tokens count_up(std::int32_t first, std::size_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

// 2 layers of keys and values, 2 heads of 8 floats; blocks of 4 tokens.
constexpr std::uint32_t kLayers = 2, kHeads = 2, kDim = 8, kBlockTokens = 4, kRow = kHeads * kDim;

template <class Change>
arenakv::Cache small_cache(Change change) {
  const arenakv::KeysAndValues planes(AKV_DTYPE_F32, kHeads, kDim);
  const arenakv::LayerGroup group = planes.group(kLayers);
  arenakv::CacheConfig config;
  config.num_blocks = 32;
  config.num_swap_blocks = 16;
  config.block_tokens = kBlockTokens;
  config.num_groups = 1;
  config.groups = &group;
  config.group_size = sizeof group;
  change(config);
  return arenakv::Cache(config);
}
inline arenakv::Cache small_cache() {
  return small_cache([](arenakv::CacheConfig &) {});
}

// The status that a call throws; Ok if it throws nothing.
template <class Call>
arenakv::Status refused(Call &&call) {
  try {
    call();
  } catch (const arenakv::Error &error) {
    return error.status();
  }
  return arenakv::Status::Ok;
}

// Where its tokens are, shared ones too: block x block_tokens + offset.
inline std::vector<std::int64_t> slots_of(const arenakv::Sequence &sequence) {
  const std::vector<std::int32_t> blocks = sequence.blocks();
  std::vector<std::int64_t> slots(sequence.info().length);
  for (std::size_t i = 0; i < slots.size(); ++i)
    slots[i] = std::int64_t{blocks[i / kBlockTokens]} * kBlockTokens + static_cast<std::int64_t>(i % kBlockTokens);
  return slots;
}

// K/V that follow from layer, plane and token.
inline std::vector<float> key_values(std::uint32_t layer, std::uint32_t plane, std::size_t tokens) {
  std::vector<float> values(tokens * kRow);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(layer * 100000 + plane * 10000 + i);
  return values;
}

inline void write_all(arenakv::Store &store, const std::vector<std::int64_t> &slots, akv_stream *stream = nullptr) {
  for (std::uint32_t layer = 0; layer < kLayers; ++layer)
    for (std::uint32_t plane = 0; plane < 2; ++plane) {
      std::vector<float> data = key_values(layer, plane, slots.size());
      arenakv::TokenData tokens{};
      tokens.data = data.data();
      tokens.plane = plane;
      store.copy_write_tokens(layer, slots, {tokens}, stream);
    }
}

inline bool reads_back(const arenakv::Store &store, const std::vector<std::int64_t> &slots) {
  for (std::uint32_t layer = 0; layer < kLayers; ++layer)
    for (std::uint32_t plane = 0; plane < 2; ++plane) {
      std::vector<float> data(slots.size() * kRow);
      arenakv::TokenData tokens{};
      tokens.data = data.data();
      tokens.plane = plane;
      store.copy_read_tokens(layer, slots, {tokens});
      if (data != key_values(layer, plane, slots.size())) return false;
    }
  return true;
}

}  // namespace cpp_test
