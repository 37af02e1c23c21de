// workload.hpp: a number of requests in the order in which they arrive. The loop of the replay knows nothing else.
#pragma once

#include "workload/request.hpp"

#include <cstdint>
#include <string>

namespace replay {

constexpr std::uint64_t kMaxRequests = 10'000'000;

class Workload {
 public:
  virtual ~Workload() = default;

  // How many requests next() will give.
  virtual std::uint64_t size() const = 0;

  // No request has more tokens than this, output included.
  virtual std::uint32_t longest_request() const = 0;

  // What it is, for the report.
  virtual std::string name() const = 0;

  // The next request; false after the last one.
  virtual bool next(Request &request) = 0;
};

}  // namespace replay
