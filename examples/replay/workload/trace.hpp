// trace.hpp: a recorded workload, out of a file. It knows the formats by name; what a line means is in a file of its
// own for each of them (mooncake.hpp, azure.hpp).
//
// The file is read as a whole before the first request is replayed: a bad line at its end is told at once, and reading
// does not disturb what is measured. A request costs 16 bytes and 8 for each 512 tokens of its prompt.
#pragma once

#include "workload/trace_row.hpp"
#include "workload/workload.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace replay {

enum class TraceFormat { Auto, Mooncake, Azure };

class Trace final : public Workload {
 public:
  // Read `path`, or its first `limit` requests (0: all). Fails with a message that names the file and the line.
  Trace(const std::string &path, TraceFormat format, std::uint64_t limit);

  std::uint64_t size() const override { return rows_.size(); }
  std::uint32_t longest_request() const override { return longest_; }
  std::string name() const override { return name_; }
  bool next(Request &request) override;

 private:
  struct Row {
    std::uint32_t input_tokens;
    std::uint32_t output_tokens;
    std::uint64_t first_id;
  };

  void add(const TraceRow &row);
  void describe_prompt(const Row &row, Request &request) const;

  TraceFormat format_;
  std::string name_;
  std::vector<Row> rows_;
  std::vector<std::uint64_t> ids_;  // of all rows, one after the other
  std::uint32_t longest_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace replay
