// plan_options.hpp: what `arenakv plan` was asked for. It knows flags and their limits; it opens nothing.
#pragma once

#include "command/flags.hpp"

#include <cstdint>
#include <string>

namespace replay {

// Zero: not given, where a flag takes no zero.
struct PlanOptions {
  bool help = false;
  bool list = false;
  bool json = false;
  std::string model;
  std::uint32_t context_tokens = 0;
  std::uint32_t dtype = 0;   // one of the two
  std::uint32_t format = 0;
  std::uint32_t layers = 0;
  std::uint32_t block_tokens = 0;
  std::uint32_t sequences = 0;
  std::uint64_t budget_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t weight_bytes = 0;
  std::uint64_t activation_bytes = 0;
  std::uint64_t overhead_bytes = 0;

  bool has_budget() const { return budget_bytes != 0 || total_bytes != 0; }
};

// Fails with UsageError: the flag, the value, the limit.
PlanOptions read_plan_options(Words words);

}  // namespace replay
