// mooncake.cpp: see mooncake.hpp. Every number is compared with its limit before anything is made of it.
#include "workload/mooncake.hpp"

#include "error.hpp"
#include "workload/request.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace replay {
namespace {

using nlohmann::json;

// A line is flat: what lies deeper is dropped while it is read, so that a megabyte of brackets costs no more than that.
bool shallow(int depth, json::parse_event_t, json &) { return depth <= 2; }

json parse(std::string_view line) {
  const std::size_t zero = line.find('\0');  // where the parser would take the line for ended
  if (zero != std::string_view::npos) throw BadLine("is not JSON: byte " + std::to_string(zero + 1) + " of it is 0");
  try {
    return json::parse(line.begin(), line.end(), shallow);
  } catch (const json::parse_error &error) {
    throw BadLine("is not JSON: the error is at byte " + std::to_string(error.byte) + " of the line");
  } catch (const json::out_of_range &) {
    throw BadLine("has a number that is far too large");
  }
}

std::string shown(const json &value) { return quoted(value.dump(-1, ' ', true, json::error_handler_t::replace)); }

std::uint64_t whole_number(const json &value, const std::string &what, std::uint64_t most) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
    throw BadLine(what + " is " + shown(value) + ", must be a whole number from 0 to " + std::to_string(most));
  return value.get<std::uint64_t>();
}

const json &field(const json &object, const char *key) {
  const auto found = object.find(key);
  if (found == object.end()) throw BadLine("has no \"" + std::string(key) + "\"");
  return *found;
}

std::uint32_t length(const json &object, const char *key, std::uint64_t most) {
  return static_cast<std::uint32_t>(whole_number(field(object, key), key, most));
}

}  // namespace

void parse_mooncake_line(std::string_view line, TraceRow &row) {
  const json object = parse(line);
  if (!object.is_object()) throw BadLine("is " + shown(object) + ", must be a JSON object");
  row.input_tokens = length(object, "input_length", kMaxMooncakeInput);
  row.output_tokens = length(object, "output_length", kMaxOutputTokens);

  const json &ids = field(object, "hash_ids");
  if (!ids.is_array()) throw BadLine("hash_ids is " + shown(ids) + ", must be a list of whole numbers");
  const std::uint64_t wanted = (std::uint64_t{row.input_tokens} + kHashIdTokens - 1) / kHashIdTokens;
  if (ids.size() != wanted)
    throw BadLine("hash_ids has " + std::to_string(ids.size()) + " ids, an input_length of " +
                  std::to_string(row.input_tokens) + " wants " + std::to_string(wanted) + ": one for each " +
                  std::to_string(kHashIdTokens) + " tokens");
  row.hash_ids.clear();
  for (std::size_t i = 0; i < ids.size(); ++i)
    row.hash_ids.push_back(whole_number(ids[i], "hash_ids[" + std::to_string(i) + "]", kMaxHashId));
}

}  // namespace replay
