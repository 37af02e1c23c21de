// report.cpp: see report.hpp.
#include "command/report.hpp"

#include "command/options.hpp"
#include "command/text.hpp"

namespace replay {
namespace {

double per(double part, std::uint64_t whole) { return whole != 0 ? part / static_cast<double>(whole) : 0; }

void print_requests(const Results &results, std::FILE *file) {
  const Totals &totals = results.totals;
  std::fprintf(file, "  %-22s%14s   replayed", "requests", grouped(totals.requests).c_str());
  if (totals.skipped != 0) std::fprintf(file, ", %s skipped: larger than the pool", grouped(totals.skipped).c_str());
  if (totals.retired_early != 0)
    std::fprintf(file, ", %s ended early to make room", grouped(totals.retired_early).c_str());
  std::fprintf(file, "\n  %-22s%14s\n", "prompt tokens", grouped(totals.input_tokens).c_str());
  std::fprintf(file, "  %-22s%14s   %5.2f %%  hit ratio: in whole blocks, not computed again\n", "  found in the cache",
               grouped(totals.cached_tokens).c_str(), 100 * results.hit_ratio());
  std::fprintf(file, "  %-22s%14s   %5.2f %%  more, copied out of a block that begins alike\n", "  and partly",
               grouped(totals.partial_tokens).c_str(),
               100 * per(static_cast<double>(totals.partial_tokens), totals.input_tokens));
  std::fprintf(file, "  %-22s%14s\n", "output tokens", grouped(totals.output_tokens).c_str());
}

void print_blocks(const Results &results, std::FILE *file) {
  const akv_cache_state &state = results.state;
  std::fprintf(file, "  %-22s%14s   of %u tokens, policy %s, at most %u requests alive\n", "blocks",
               grouped(state.num_blocks).c_str(), state.block_tokens, std::string(kPolicy).c_str(), results.max_live);
  std::fprintf(file, "  %-22s%14s   at once\n", "  live, at most", grouped(state.peak_live_blocks).c_str());
  std::fprintf(file, "  %-22s%14s\n", "  evicted", grouped(state.evicted_blocks).c_str());
  std::fprintf(file, "  %-22s%14.1f   bytes a block\n", "  metadata", results.metadata_bytes_per_block());
}

void print_time(const Results &results, std::FILE *file) {
  const auto line = [&](const char *what, std::uint64_t ns, double each, const char *unit) {
    std::fprintf(file, "  %-22s%11.1f ms   %.1f %s\n", what, static_cast<double>(ns) / 1e6, each, unit);
  };
  const Totals &totals = results.totals;
  const auto us_each = [&](std::uint64_t ns) { return per(static_cast<double>(ns) / 1e3, totals.requests); };
  line("CPU time", results.cpu_ns(), us_each(results.cpu_ns()), "us a request, inside the library");
  line("  admit", totals.admit_ns, us_each(totals.admit_ns), "us a request");
  line("  append", totals.append_ns, results.append_ns_per_token(), "ns an output token");
  line("  free", totals.free_ns, us_each(totals.free_ns), "us a request");
}

// "mistral-7b, 32 layers, KV heads 8 of 128 in f16"
std::string shape_of(const Results::Store &store) {
  const akv_plane &plane = store.geometry.planes[0];
  return (store.model.empty() ? "" : store.model + ", ") + std::to_string(store.geometry.layers) +
         (store.geometry.layers == 1 ? " layer" : " layers") + ", KV heads " + std::to_string(plane.kv_heads) + " of " +
         std::to_string(plane.head_dim) + " in " + std::string(dtype_name(plane.dtype));
}

void print_store(const Results::Store &store, std::FILE *file) {
  const auto line = [&](const char *what, std::uint64_t number, const std::string &meaning) {
    std::fprintf(file, "  %-22s%14s   %s\n", what, grouped(number).c_str(), meaning.c_str());
  };
  line("store", store.bytes,
       "bytes: " + grouped(store.price.blocks) + " blocks x " + grouped(store.price.bytes_per_block) + ", " +
           shape_of(store));
  line("  written", store.totals.bytes_written, "bytes: a pattern for every token");
  line("  checked", store.totals.bytes_checked,
       "bytes: " + grouped(store.totals.hits_checked_tokens) + " tokens of hits, " +
           grouped(store.totals.freed_checked_tokens) + " of sequences that were freed");
  for (const Moved &moved : store.moved)
    line(("  by " + std::string(moved_name(moved.kind))).c_str(), moved.bytes,
         "bytes as planned, in " + grouped(moved.calls) + " calls");
  if (store.swap_every != 0)
    line("  swapped", store.totals.swaps,
         "requests out and in again, " + grouped(store.totals.shared_tokens) + " tokens of them still cached, " +
             grouped(store.totals.swaps_refused) + " larger than " + grouped(store.num_swap_blocks) + " swap blocks");
}

}  // namespace

void print_report(const Results &results, std::FILE *file) {
  std::fprintf(file, "arenakv %s replayed the %s in %.1f s\n\n", akv_version_string(), results.workload.c_str(),
               results.seconds);
  print_requests(results, file);
  std::fputc('\n', file);
  print_blocks(results, file);
  std::fputc('\n', file);
  print_time(results, file);
  if (results.store) {
    std::fputc('\n', file);
    print_store(*results.store, file);
  }
  if (results.verified)
    std::fprintf(
        file,
        "\nverified: every match, block table and gauge. Hit ratio %.6f, and %.6f of a plain LRU list of blocks\n",
        results.hit_ratio(), results.verified->block_lru_hit_ratio);
}

}  // namespace replay
