// store_flags.hpp: the flags of `arenakv replay --store`. It knows their names and limits; it makes no store.
#pragma once

#include "command/flags.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

// Zero: not given, where a flag takes no zero.
struct StoreOptions {
  bool host = false;  // else there are no bytes
  std::string model;  // a name or a file; empty: none
  std::uint32_t layers = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t dtype = 0;        // AKV_DTYPE_*
  std::uint64_t max_bytes = 0;    // 0: what is available
  std::uint64_t swap_every = 0;   // requests; 0: none is swapped
  std::uint64_t swap_tokens = 0;  // 0: room for the longest request
  std::uint32_t workers = 0;
};

// The flags write to `options`, and to `given` the name of one that wants --store.
std::vector<Flag> store_flags(StoreOptions &options, std::string_view &given);

// Fails with UsageError where a flag wants another one.
void check_store_options(const StoreOptions &options, std::string_view given, std::uint32_t block_tokens);

}  // namespace replay
