// replay.cpp: see replay.hpp.
#include "command/replay.hpp"

#include "bytes/key_values.hpp"
#include "bytes/price.hpp"
#include "cache.hpp"
#include "command/help.hpp"
#include "command/json_file.hpp"
#include "command/report.hpp"
#include "command/results_json.hpp"
#include "command/store_geometry.hpp"
#include "error.hpp"
#include "progress.hpp"
#include "verify/verifier.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

namespace replay {
namespace {

std::unique_ptr<Workload> make_workload(const Options &options) {
  if (options.trace.empty()) return std::make_unique<Chat>(options.chat);
  return std::make_unique<Trace>(options.trace, options.format, options.limit);
}

// Room for the longest request that fits into the pool: longer ones are skipped.
akv_cache_config make_config(const Options &options, const Workload &workload) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = options.num_blocks();
  config.block_tokens = options.block_tokens;
  config.max_sequences = options.max_live;
  config.max_tokens_per_sequence = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      workload.longest_request(), 1, std::min<std::uint64_t>(options.pool_tokens, INT32_MAX)));
  return config;
}

// What stores add to it, unless that does not fit.
Price add_store(const StoreOptions &options, const LayerGroup &group, akv_cache_config &config) {
  group.describe(config);
  if (options.swap_every != 0) {
    const std::uint64_t tokens = options.swap_tokens != 0 ? options.swap_tokens : config.max_tokens_per_sequence;
    config.num_swap_blocks = static_cast<std::uint32_t>(akv_blocks_for(tokens, config.block_tokens));
  }
  const Price price = price_of(config);
  refuse_what_does_not_fit(price, options.max_bytes);
  return price;
}

Results::Store describe_store(const StoreOptions &options, const NamedGeometry &named, const Price &price,
                              std::uint32_t num_swap_blocks, const KeyValues &bytes) {
  Results::Store store{named.model,        named.geometry,  price,          bytes.store_bytes(), options.workers,
                       options.swap_every, num_swap_blocks, bytes.totals(), bytes.tally(),       bytes.finish()};
  return store;
}

Results replay_workload(const Options &options, Workload &workload) {
  const auto begin = std::chrono::steady_clock::now();
  akv_cache_config config = make_config(options, workload);
  const NamedGeometry named = geometry_of(options.store);
  const LayerGroup group(named.geometry);
  const Price price = options.store.host ? add_store(options.store, group, config) : Price{};
  const Cache cache(config);
  const auto verifier = options.verify ? std::make_unique<Verifier>(cache.get(), options.max_live) : nullptr;
  const auto bytes =
      options.store.host ? std::make_unique<KeyValues>(cache.get(), named.geometry, options.store.workers) : nullptr;
  Replayer replayer(cache.get(), options.max_live, verifier.get());
  if (bytes != nullptr) replayer.use(bytes.get(), options.store.swap_every);
  {
    Progress progress(workload.size());
    Request request;
    for (std::uint64_t done = 0; workload.next(request); ++done) {
      progress.show(done);
      replayer.run(request);
    }
  }
  replayer.drain();
  Results results;
  if (verifier != nullptr) {
    verifier->finish();
    results.verified = {verifier->block_lru().hit_ratio(), verifier->block_lru().evicted_blocks()};
  }
  if (bytes != nullptr) results.store = describe_store(options.store, named, price, config.num_swap_blocks, *bytes);
  results.workload = workload.name();
  results.pool_tokens = options.pool_tokens;
  results.max_live = options.max_live;
  results.totals = replayer.totals();
  results.state = cache.read_state();
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return results;
}

}  // namespace

int replay_command(Words words) {
  const Options options = read_options(words);
  if (options.help) return print_replay_help(stdout);
  if (std::error_code none; !options.trace.empty() && std::filesystem::equivalent(options.trace, options.json, none))
    throw UsageError("--json " + quoted(options.json) + " is the trace itself");
  const auto workload = make_workload(options);
  JsonFile json(options.json);
  const Results results = replay_workload(options, *workload);
  print_report(results, json.report());
  if (json.is_wanted()) json.write(results_as_json(results));
  return 0;
}

}  // namespace replay
