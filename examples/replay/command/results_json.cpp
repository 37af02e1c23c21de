// results_json.cpp: see results_json.hpp.
#include "command/results_json.hpp"

#include "command/options.hpp"

#include <nlohmann/json.hpp>

namespace replay {

std::string results_as_json(const Results &results) {
  using Json = nlohmann::ordered_json;
  const Totals &totals = results.totals;
  const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e6; };
  Json json = {
      {"version", akv_version_string()},
      {"workload", results.workload},
      {"policy", kPolicy},
      {"pool_tokens", results.pool_tokens},
      {"pool_blocks", results.state.num_blocks},
      {"block_tokens", results.state.block_tokens},
      {"max_live", results.max_live},
      {"requests", totals.requests},
      {"skipped", totals.skipped},
      {"retired_early", totals.retired_early},
      {"input_tokens", totals.input_tokens},
      {"output_tokens", totals.output_tokens},
      {"cached_tokens", totals.cached_tokens},
      {"partial_tokens", totals.partial_tokens},
      {"hit_ratio", results.hit_ratio()},
      {"evicted_blocks", results.state.evicted_blocks},
      {"peak_live_blocks", results.state.peak_live_blocks},
      {"metadata_bytes", results.state.metadata_used_bytes},
      {"metadata_bytes_per_block", results.metadata_bytes_per_block()},
      {"cpu_ms",
       {{"admit", ms(totals.admit_ns)},
        {"append", ms(totals.append_ns)},
        {"free", ms(totals.free_ns)},
        {"total", ms(results.cpu_ns())}}},
      {"append_ns_per_token", results.append_ns_per_token()},
      {"wall_seconds", results.seconds},
      {"verified", results.verified.has_value()},
  };
  if (results.verified) {
    json["block_lru_hit_ratio"] = results.verified->block_lru_hit_ratio;
    json["block_lru_evicted_blocks"] = results.verified->block_lru_evicted_blocks;
  }
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace replay
