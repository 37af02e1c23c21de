// flags.cpp: see flags.hpp.
#include "command/flags.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace replay {
namespace {

[[noreturn]] void refuse(std::string_view flag, const std::string &value, const std::string &must) {
  throw UsageError(std::string(flag) + " is " + quoted(value) + ", must be " + must);
}

// All of the text, as one number.
template <typename Number>
bool parse(const std::string &text, Number &number) {
  const char *const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && rest == end;
}

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

void read_flags(Words words, std::span<const Flag> flags, const std::string &help) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = words[i];
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const auto flag = std::ranges::find(flags, std::string_view(word).substr(0, equals), &Flag::name);
    if (flag == flags.end()) throw UsageError("there is no flag " + quoted(word) + ": see " + help);
    const std::string name(flag->name);
    if (!flag->wants_value) {
      if (equals != std::string::npos)
        throw UsageError(name + " takes no value, it has " + quoted(word.substr(equals + 1)));
      flag->set({});
    } else if (equals != std::string::npos) {
      flag->set(word.substr(equals + 1));
    } else if (i + 1 == words.size()) {
      throw UsageError(name + " wants a value: see " + help);
    } else {
      flag->set(words[++i]);
    }
  }
}

std::uint64_t whole_number(std::string_view flag, const std::string &value, std::uint64_t least, std::uint64_t most) {
  std::uint64_t result = 0;
  if (!parse(value, result) || result < least || result > most)
    refuse(flag, value, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return result;
}

double number(std::string_view flag, const std::string &value, double least, double most) {
  double result = 0;
  if (!parse(value, result) || !(result >= least && result <= most))  // a NaN is neither
    refuse(flag, value, "a number from " + shown(least) + " to " + shown(most));
  return result;
}

std::uint64_t size_in_bytes(std::string_view flag, const std::string &value, std::uint64_t least) {
  static constexpr struct {
    std::string_view name;
    std::uint64_t bytes;
  } kUnits[] = {
      {"", 1},
      {"B", 1},
      {"K", 1ull << 10},
      {"KiB", 1ull << 10},
      {"KB", 1'000},
      {"M", 1ull << 20},
      {"MiB", 1ull << 20},
      {"MB", 1'000'000},
      {"G", 1ull << 30},
      {"GiB", 1ull << 30},
      {"GB", 1'000'000'000},
      {"T", 1ull << 40},
      {"TiB", 1ull << 40},
      {"TB", 1'000'000'000'000},
  };
  const std::size_t digits = std::min(value.find_first_not_of("0123456789."), value.size());
  const auto unit =
      std::ranges::find(kUnits, std::string_view(value).substr(digits), &std::decay_t<decltype(kUnits[0])>::name);
  const std::string front = value.substr(0, digits);
  std::uint64_t whole = 0, bytes = 0;
  double fraction = 0;
  bool good = unit != std::end(kUnits);
  if (good && parse(front, whole)) {
    good = !__builtin_mul_overflow(whole, unit->bytes, &bytes);
  } else if (good && parse(front, fraction)) {
    fraction *= static_cast<double>(unit->bytes);
    good = fraction < 0x1p64;
    if (good) bytes = static_cast<std::uint64_t>(fraction);
  } else {
    good = false;
  }
  if (!good || bytes < least)
    refuse(flag, value,
           "a size of " + std::to_string(least) + " to 2^64 - 1 bytes, as 24GiB, 24G, 24GB or 25769803776");
  return bytes;
}

std::size_t one_of(std::string_view flag, const std::string &value, std::span<const std::string_view> words) {
  const auto found = std::ranges::find(words, value);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string must;
  for (const std::string_view word : words) must += (must.empty() ? "" : " or ") + std::string(word);
  refuse(flag, value, must);
}

}  // namespace replay
