// key_values.hpp: real K/V under a replay (--store host): written as a pattern for every token, and checked at every
// hit, copy and swap, and before every free. It does what an engine would do, through the public API: it runs plans,
// writes where the tables say, commits. It does not know who asks for what nor in what order.
#pragma once

#include "bytes/geometry.hpp"
#include "bytes/handles.hpp"
#include "bytes/pattern.hpp"
#include "bytes/tally.hpp"
#include "replayer.hpp"

#include <unordered_map>
#include <vector>

namespace replay {

class KeyValues final : public Memory {
 public:
  // Stores for the blocks of `cache`, and for its swap blocks if it has any; `geometry` is the cache's.
  KeyValues(akv_cache *cache, const Geometry &geometry, std::uint32_t workers);

  void admitted(const Request &request, Tokens prompt, const akv_created &created) override;
  void appended(const Request &request, akv_sequence sequence, Tokens output, Slots slots) override;
  bool swap_out(std::uint64_t request, akv_sequence sequence) override;
  bool swap_in(std::uint64_t request, akv_sequence sequence, akv_swapped_in &in) override;
  void retires(std::uint64_t request, akv_sequence sequence) override;

  // The stores have moved what was planned, or Refused; by kind.
  std::vector<Moved> finish() const;

  struct Totals {
    std::uint64_t bytes_written = 0;
    std::uint64_t bytes_checked = 0;
    std::uint64_t hits_checked_tokens = 0;   // found in the cache, in whole blocks or partly
    std::uint64_t freed_checked_tokens = 0;  // of sequences that were freed
    std::uint64_t swaps = 0;
    std::uint64_t swaps_refused = 0;  // larger than the swap blocks
    std::uint64_t shared_tokens = 0;  // of what came back: still cached, so not copied
  };
  const Totals &totals() const { return totals_; }
  const Tally &tally() const { return tally_; }
  akv_store *store() const { return blocks_.get(); }
  std::uint64_t store_bytes() const;

 private:
  using Blocks = std::span<const std::int32_t>;

  KeyValues(akv_cache *cache, const Geometry &geometry, std::uint32_t workers, const akv_cache_config &config);

  // Tokens first .. end - 1 of these blocks, in pieces that fit into the buffer.
  void check_tokens(const char *when, std::uint64_t request, akv_store *store, Blocks blocks, std::uint32_t first,
                    std::uint32_t end);
  void compare_piece(const char *when, std::uint64_t request, Blocks blocks, std::uint32_t first, Keys keys);
  void write_tokens(Keys keys, Slots slots);
  void commit(akv_sequence sequence, std::size_t length);
  std::vector<akv_plan_record> run_swap(akv_plan plan);
  const std::vector<std::int32_t> &read_table(akv_sequence sequence);
  unsigned char *rows_of(std::uint32_t layer, std::uint32_t plane, std::size_t tokens);

  akv_cache *cache_;
  Geometry geometry_;
  Pattern pattern_;
  Tally tally_;
  std::uint32_t block_tokens_;
  Store blocks_;
  Store swap_blocks_;  // none without swap
  Stream stream_;      // ends before the stores do
  std::uint32_t piece_tokens_;
  std::vector<unsigned char> buffer_;                                   // one piece: [layer][plane][token][head][dim]
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> keys_;  // of all tokens of a request that is alive
  std::vector<std::int32_t> table_;
  std::vector<std::int64_t> slots_;
  Totals totals_;
};

}  // namespace replay
