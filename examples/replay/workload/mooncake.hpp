// mooncake.hpp: a line of a Mooncake trace (FAST'25 release), a JSON object:
//   {"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, ...]}
// One id for each 512 tokens of the prompt, the last of them perhaps fewer; equal ids mean equal tokens and equal
// everything before them. It knows one line, no file and no time: the replay is paced by the cache, not by the clock.
#pragma once

#include "workload/trace_row.hpp"

#include <cstdint>
#include <string_view>

namespace replay {

constexpr std::uint32_t kHashIdTokens = 512;
constexpr std::uint64_t kMaxMooncakeInput = std::uint64_t{1} << 22;
constexpr std::uint64_t kMaxHashId = (std::uint64_t{1} << 41) - 1;  // ids x 512 stay below where outputs begin

// Fails with BadLine.
void parse_mooncake_line(std::string_view line, TraceRow &row);

}  // namespace replay
