// flags.hpp: words of a command line as flags with values, after a table. It knows no flag by name.
// "--flag value" and "--flag=value" are the same; the last one counts.
#pragma once

#include "error.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace replay {

using Words = std::span<char *const>;

struct Flag {
  std::string_view name;
  bool wants_value;
  std::function<void(const std::string &value)> set;
};

// Every word must be a flag of the table, or its value. Fails with UsageError; `help` is where to read more.
void read_flags(Words words, std::span<const Flag> flags, const std::string &help);

// A value as a number, or a UsageError that names the flag, the value and the limits.
std::uint64_t whole_number(std::string_view flag, const std::string &value, std::uint64_t least, std::uint64_t most);
double number(std::string_view flag, const std::string &value, double least, double most);

// A size in bytes: "1073741824", "24GiB", "1.5TB". K, M, G, T and KiB ... TiB are powers of 1024, KB ... TB of 1000.
std::uint64_t size_in_bytes(std::string_view flag, const std::string &value, std::uint64_t least);

// The place of a value among the words it may be.
std::size_t one_of(std::string_view flag, const std::string &value, std::span<const std::string_view> words);

}  // namespace replay
