// verifier.hpp: looks on while requests are replayed, and refuses the first answer of the library that is wrong.
// It asks the library through its public tables, and keeps the books itself: ShadowMap for blocks, find_wrong_gauge()
// for sums, BlockLru for a ratio to compare with. It does not know how the library works inside.
#pragma once

#include "replayer.hpp"
#include "verify/block_lru.hpp"
#include "verify/gauges.hpp"
#include "verify/shadow_map.hpp"

#include <unordered_map>
#include <vector>

namespace replay {

class Verifier final : public Observer {
 public:
  // Of a cache in which nothing has happened yet.
  Verifier(akv_cache *cache, std::uint32_t max_live);

  void arrives(const Request &request, Tokens prompt, Tokens output) override;
  void admitted(const Request &request, Tokens prompt, const akv_created &created) override;
  void appended(const Request &request, akv_sequence sequence, Tokens output) override;
  void retires(std::uint64_t request) override;
  void settled(const Request &request) override;
  void swapped(const Request &request, Tokens prompt, akv_sequence sequence, const akv_swapped_in &in) override;

  // After the last request has left.
  void finish();

  const BlockLru &block_lru() const { return block_lru_; }

 private:
  Verifier(akv_cache *cache, std::uint32_t max_live, const akv_cache_config &config);

  void compare_with_match(const Request &request, Tokens prompt, const akv_created &created);
  PartialHit read_partial_hit(const Request &request, const akv_created &created);
  void check_sums(const std::string &when);
  void audit_all(const std::string &when);
  const std::vector<std::int32_t> &read_table(akv_sequence sequence);

  akv_cache *cache_;
  ShadowMap shadow_;
  BlockLru block_lru_;
  Expected expected_;
  std::unordered_map<std::uint64_t, akv_sequence> sequences_;  // by request
  std::vector<std::int32_t> table_;
  std::uint64_t settled_ = 0;
};

}  // namespace replay
