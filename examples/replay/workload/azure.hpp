// azure.hpp: a line of an Azure LLM inference trace (Azure Public Dataset), comma-separated:
//   TIMESTAMP,ContextTokens,GeneratedTokens
//   2023-11-16 18:15:46.6805900,374,44
// It says how long requests are, not what is in them, so nothing of such a trace can hit. It knows one line, no file.
#pragma once

#include "workload/trace_row.hpp"

#include <cstdint>
#include <string_view>

namespace replay {

// Each request has so many token places of its own.
constexpr std::uint64_t kMaxAzureInput = 65'536;

bool is_azure_header(std::string_view line);

// Fails with BadLine.
void parse_azure_line(std::string_view line, TraceRow &row);

}  // namespace replay
