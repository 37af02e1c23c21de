// options.hpp: what `arenakv replay` was asked for. It knows flags and their limits; it opens nothing and runs nothing.
#pragma once

#include "command/flags.hpp"
#include "command/store_flags.hpp"
#include "workload/chat.hpp"
#include "workload/trace.hpp"

#include <cstdint>
#include <string>

namespace replay {

struct Options {
  bool help = false;
  std::string trace;  // empty: the built-in chat
  TraceFormat format = TraceFormat::Auto;
  ChatModel chat;
  std::uint64_t limit = 0;  // requests; 0: all
  std::uint64_t pool_tokens = 2'000'000;
  std::uint32_t block_tokens = 16;
  std::uint32_t max_live = 64;
  bool verify = false;
  StoreOptions store;
  std::string json;  // a path, "-" for the standard output; empty: none

  std::uint32_t num_blocks() const { return static_cast<std::uint32_t>(pool_tokens / block_tokens); }
};

// The only policy of this release, by its name in flags and reports.
constexpr std::string_view kPolicy = "lru";

// Fails with UsageError: the flag, the value, the limit.
Options read_options(Words words);

}  // namespace replay
