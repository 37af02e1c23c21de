// azure.cpp: see azure.hpp.
#include "workload/azure.hpp"

#include "error.hpp"
#include "workload/request.hpp"

#include <charconv>
#include <string>

namespace replay {
namespace {

std::uint32_t length(std::string_view text, const char *what, std::uint64_t most) {
  std::uint64_t value = 0;
  const char *const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || value > most)
    throw BadLine(std::string(what) + " is " + quoted(std::string(text)) + ", must be a whole number from 0 to " +
                  std::to_string(most));
  return static_cast<std::uint32_t>(value);
}

}  // namespace

bool is_azure_header(std::string_view line) { return line == "TIMESTAMP,ContextTokens,GeneratedTokens"; }

void parse_azure_line(std::string_view line, TraceRow &row) {
  const std::size_t first = line.find(',');
  const std::size_t second = first == std::string_view::npos ? first : line.find(',', first + 1);
  if (second == std::string_view::npos || line.find(',', second + 1) != std::string_view::npos)
    throw BadLine("is " + quoted(std::string(line.substr(0, 100))) +
                  ", must be TIMESTAMP,ContextTokens,GeneratedTokens");
  row.input_tokens = length(line.substr(first + 1, second - first - 1), "ContextTokens", kMaxAzureInput);
  row.output_tokens = length(line.substr(second + 1), "GeneratedTokens", kMaxOutputTokens);
  row.hash_ids.clear();
}

}  // namespace replay
