// results_json.cpp: see results_json.hpp.
#include "command/results_json.hpp"

#include "command/options.hpp"

#include <nlohmann/json.hpp>

namespace replay {
namespace {

using Json = nlohmann::ordered_json;

Json swaps_as_json(const Results::Store &store) {
  return {{"every", store.swap_every},
          {"swap_blocks", store.num_swap_blocks},
          {"swapped", store.totals.swaps},
          {"refused", store.totals.swaps_refused},
          {"shared_tokens", store.totals.shared_tokens}};
}

Json store_as_json(const Results::Store &store) {
  Json copies = Json::object();
  for (const Moved &moved : store.moved)
    copies[std::string(moved_name(moved.kind))] = {{"calls", moved.calls},
                                                   {"items", moved.items},
                                                   {"bytes", moved.bytes},
                                                   {"planned_bytes", store.planned.planned_bytes(moved.kind)}};
  return {
      {"kind", "host"},
      {"model", store.model},
      {"layers", store.geometry.layers},
      {"planes", store.geometry.num_planes},
      {"kv_heads", store.geometry.planes[0].kv_heads},
      {"head_dim", store.geometry.planes[0].head_dim},
      {"dtype", dtype_name(store.geometry.planes[0].dtype)},
      {"workers", store.workers},
      {"blocks", store.price.blocks},
      {"bytes_per_block", store.price.bytes_per_block},
      {"price_bytes", store.price.bytes},
      {"bytes", store.bytes},
      {"bytes_written", store.totals.bytes_written},
      {"bytes_checked", store.totals.bytes_checked},
      {"hits_checked_tokens", store.totals.hits_checked_tokens},
      {"freed_checked_tokens", store.totals.freed_checked_tokens},
      {"copies", copies},
      {"planned_bytes", store.planned.planned_bytes()},
      {"bytes_match_plan", store.bytes_match_plan()},
      {"swap", swaps_as_json(store)},
  };
}

}  // namespace

std::string results_as_json(const Results &results) {
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
  if (results.store) json["store"] = store_as_json(*results.store);
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace replay
