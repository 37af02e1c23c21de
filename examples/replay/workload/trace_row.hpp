// trace_row.hpp: what a line of a trace says, whatever its format.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace replay {

struct TraceRow {
  std::uint32_t input_tokens = 0;
  std::uint32_t output_tokens = 0;
  std::vector<std::uint64_t> hash_ids;  // Mooncake: one for each 512 tokens of the prompt
};

// A line that says something impossible. Who reads the file adds its name and the line's number.
class BadLine : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace replay
