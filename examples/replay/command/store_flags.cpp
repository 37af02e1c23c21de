// store_flags.cpp: see store_flags.hpp. Its limits are told in help.cpp as well.
#include "command/store_flags.hpp"

#include "arenakv.h"
#include "dtypes.hpp"

#include <array>

namespace replay {
namespace {

constexpr std::uint64_t kMaxPerLayer = 65'535;  // layers, heads, elements of a head: geometry.h
constexpr std::uint64_t kMaxWorkers = 64;
constexpr std::uint64_t kMaxRequestsBetween = 10'000'000;
constexpr std::uint64_t kMaxSwapTokens = std::uint64_t{AKV_MAX_BLOCKS} * AKV_MAX_BLOCK_TOKENS;
constexpr std::array<std::string_view, 1> kStores{"host"};

}  // namespace

std::vector<Flag> store_flags(StoreOptions &options, std::string_view &given) {
  const auto whole = [&](std::string_view name, auto &field, std::uint64_t least, std::uint64_t most) {
    return Flag{name, true, [=, &field, &given](const std::string &value) {
                  field = static_cast<std::remove_reference_t<decltype(field)>>(whole_number(name, value, least, most));
                  given = name;
                }};
  };
  const auto set_store = [&](const std::string &value) {
    one_of("--store", value, kStores);
    options.host = true;
  };
  const auto set_dtype = [&](const std::string &value) {
    options.dtype = static_cast<std::uint32_t>(one_of("--dtype", value, kDtypeNames) + 1);
    given = "--dtype";
  };
  const auto set_model = [&](const std::string &value) {
    if (value.empty()) throw UsageError("--model is '', must be a model's name or a file's path");
    options.model = value;
    given = "--model";
  };
  return {
      {"--store", true, set_store},
      {"--model", true, set_model},
      {"--dtype", true, set_dtype},
      whole("--layers", options.layers, 1, kMaxPerLayer),
      whole("--kv-heads", options.kv_heads, 1, kMaxPerLayer),
      whole("--head-dim", options.head_dim, 1, kMaxPerLayer),
      whole("--max-store-bytes", options.max_bytes, 1, UINT64_MAX),
      whole("--swap-every", options.swap_every, 1, kMaxRequestsBetween),
      whole("--swap-tokens", options.swap_tokens, 1, kMaxSwapTokens),
      whole("--workers", options.workers, 0, kMaxWorkers),
  };
}

void check_store_options(const StoreOptions &options, std::string_view given, std::uint32_t block_tokens) {
  if (!options.host && !given.empty())
    throw UsageError(std::string(given) + " is for real bytes: say --store host as well");
  if (!options.model.empty() && (options.kv_heads != 0 || options.head_dim != 0))
    throw UsageError(std::string(options.kv_heads != 0 ? "--kv-heads" : "--head-dim") +
                     " does not go with --model, which tells it; --layers and --dtype do");
  if (options.swap_tokens != 0 && options.swap_every == 0)
    throw UsageError("--swap-tokens is room for what --swap-every swaps: say that as well");
  const std::uint64_t blocks = akv_blocks_for(options.swap_tokens, block_tokens);
  if (blocks > AKV_MAX_BLOCKS)
    throw UsageError("--swap-tokens " + std::to_string(options.swap_tokens) + " with --block-tokens " +
                     std::to_string(block_tokens) + " makes " + std::to_string(blocks) + " blocks, must be 1 to " +
                     std::to_string(AKV_MAX_BLOCKS));
}

}  // namespace replay
