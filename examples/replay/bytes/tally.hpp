// tally.hpp: the bytes that the metadata says must move, by kind, to hold what the stores have counted against it.
// It knows plans, token counts and kinds; it moves nothing.
#pragma once

#include "arenakv.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace replay {

constexpr std::uint32_t kMovedKinds = AKV_MOVED_LOAD + 1;

// The name of AKV_MOVED_* in reports and JSON.
std::string_view moved_name(std::uint32_t kind);

// What was counted of one kind, on all stores together.
struct Moved {
  std::uint32_t kind = 0;
  std::uint64_t calls = 0;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

class Tally {
 public:
  explicit Tally(std::uint64_t bytes_per_token, std::uint32_t block_tokens)
      : bytes_per_token_(bytes_per_token), block_tokens_(block_tokens) {}

  void add_tokens(std::uint32_t kind, std::uint64_t tokens) { planned_.at(kind) += tokens * bytes_per_token_; }

  // A plan that is open, before it runs. Fails if its records don't add up to its price. Returns the records.
  std::vector<akv_plan_record> add_plan(akv_cache *cache, akv_plan plan);

  std::uint64_t planned_bytes(std::uint32_t kind) const { return planned_.at(kind); }
  std::uint64_t planned_bytes() const;

  // Fails with the kind and both numbers where they differ. The lines are those of all kinds that moved anything.
  std::vector<Moved> compare_with(const std::vector<akv_store *> &stores) const;

 private:
  std::uint64_t bytes_per_token_;
  std::uint32_t block_tokens_;
  std::array<std::uint64_t, kMovedKinds> planned_{};
};

}  // namespace replay
