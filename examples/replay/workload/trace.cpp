// trace.cpp: see trace.hpp.
#include "workload/trace.hpp"

#include "error.hpp"
#include "workload/azure.hpp"
#include "workload/line_reader.hpp"
#include "workload/mooncake.hpp"

#include <algorithm>

namespace replay {
namespace {

constexpr std::size_t kMaxHashIds = 100'000'000;

[[noreturn]] void refuse_line(const LineReader &lines, const std::string &what) {
  throw Failure(lines.path() + ": line " + std::to_string(lines.line_number()) + " " + what);
}

// By the first line, which an Azure trace has no request in.
TraceFormat recognise(const LineReader &lines, std::string_view line) {
  if (line.find_first_not_of(" \t") == line.find('{')) return TraceFormat::Mooncake;
  if (is_azure_header(line)) return TraceFormat::Azure;
  refuse_line(lines,
              "is neither a JSON object (a Mooncake trace) nor the header "
              "TIMESTAMP,ContextTokens,GeneratedTokens (an Azure trace)");
}

}  // namespace

Trace::Trace(const std::string &path, TraceFormat format, std::uint64_t limit) : format_(format) {
  LineReader lines(path);
  std::string_view line;
  TraceRow row;
  const std::uint64_t most = limit != 0 ? std::min(limit, kMaxRequests) : kMaxRequests;
  bool first = true;
  while ((rows_.size() < most || limit == 0) && lines.next(line)) {
    if (first && format_ == TraceFormat::Auto) format_ = recognise(lines, line);
    const bool header = first && format_ == TraceFormat::Azure;
    first = false;
    if (header) {
      if (!is_azure_header(line)) refuse_line(lines, "must be the header TIMESTAMP,ContextTokens,GeneratedTokens");
      continue;
    }
    if (rows_.size() >= most || ids_.size() > kMaxHashIds)
      refuse_line(lines, "is too much: at most " + std::to_string(kMaxRequests) + " requests with " +
                             std::to_string(kMaxHashIds) + " hash_ids are read, take the first ones with --limit");
    try {
      format_ == TraceFormat::Azure ? parse_azure_line(line, row) : parse_mooncake_line(line, row);
    } catch (const BadLine &bad) {
      refuse_line(lines, bad.what());
    }
    add(row);
  }
  if (rows_.empty()) throw Failure(path + ": there is no request in it");
  name_ = (format_ == TraceFormat::Azure ? "Azure trace " : "Mooncake trace ") + path;
}

void Trace::add(const TraceRow &row) {
  rows_.push_back({row.input_tokens, row.output_tokens, ids_.size()});
  ids_.insert(ids_.end(), row.hash_ids.begin(), row.hash_ids.end());
  longest_ = std::max(longest_, row.input_tokens + row.output_tokens);
}

// A trace has no tokens, so they are made up: those of hash id h begin at h x 512, and a request of an Azure trace,
// which has no identity, begins at a place of its own.
void Trace::describe_prompt(const Row &row, Request &request) const {
  request.prompt.clear();
  if (format_ == TraceFormat::Azure) {
    request.prompt.push_back({(std::uint64_t{1} << 52) + request.number * kMaxAzureInput, row.input_tokens});
    return;
  }
  const std::uint64_t *id = ids_.data() + row.first_id;
  for (std::uint32_t left = row.input_tokens; left != 0; ++id) {
    const std::uint32_t length = std::min(left, kHashIdTokens);
    request.prompt.push_back({*id * kHashIdTokens, length});
    left -= length;
  }
}

bool Trace::next(Request &request) {
  if (next_ == rows_.size()) return false;
  const Row &row = rows_[next_];
  request.number = next_;
  request.input_tokens = row.input_tokens;
  request.output_tokens = row.output_tokens;
  request.output_base = output_base_of(next_);
  describe_prompt(row, request);
  next_ += 1;
  return true;
}

}  // namespace replay
