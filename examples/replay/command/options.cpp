// options.cpp: see options.hpp. Its limits are told in help.cpp as well.
#include "command/options.hpp"

#include "arenakv.h"

#include <array>
#include <vector>

namespace replay {
namespace {

constexpr std::string_view kFormats[] = {"auto", "mooncake", "azure"};
constexpr TraceFormat kFormatOf[] = {TraceFormat::Auto, TraceFormat::Mooncake, TraceFormat::Azure};
constexpr std::uint64_t kMaxPoolTokens = std::uint64_t{AKV_MAX_BLOCKS} * AKV_MAX_BLOCK_TOKENS;

// What only one of the two kinds of workload understands, and was given.
struct Given {
  std::string_view chat_flag;
  std::string_view trace_flag;
  std::string_view store_flag;  // and what wants --store
};

// A flag with a whole number for a field of any width.
Flag whole(std::string_view name, auto &field, std::uint64_t least, std::uint64_t most) {
  return {name, true, [=, &field](const std::string &value) {
            field = static_cast<std::remove_reference_t<decltype(field)>>(whole_number(name, value, least, most));
          }};
}

std::vector<Flag> trace_flags(Options &options, Given &given) {
  const auto set_trace = [&](const std::string &value) {
    if (value.empty()) throw UsageError("--trace is '', must be a file's path");
    options.trace = value;
  };
  const auto set_format = [&](const std::string &value) {
    options.format = kFormatOf[one_of("--format", value, kFormats)];
    given.trace_flag = "--format";
  };
  return {{"--trace", true, set_trace}, {"--format", true, set_format}};
}

std::vector<Flag> chat_flags(ChatModel &chat, Given &given) {
  const auto shape = [&](std::string_view name, double &field, double least, double most) {
    return Flag{name, true, [=, &field, &given](const std::string &value) {
                  field = number(name, value, least, most);
                  given.chat_flag = name;
                }};
  };
  const auto set_seed = [&](const std::string &value) {
    chat.seed = whole_number("--seed", value, 0, UINT64_MAX);
    given.chat_flag = "--seed";
  };
  return {
      {"--seed", true, set_seed},
      shape("--turns", chat.turns, 1, 1'000),
      shape("--think-seconds", chat.think_seconds, 0, 1e6),
      shape("--system-share", chat.system_share, 0, 1),
      shape("--message-tokens", chat.message.median, 1, 16'384),
      shape("--answer-tokens", chat.answer.median, 1, 2'000),
  };
}

std::vector<Flag> other_flags(Options &options) {
  const auto ask_for_help = [&](const std::string &) { options.help = true; };
  const auto set_json = [&](const std::string &value) {
    if (value.empty()) throw UsageError("--json is '', must be a file's path, or - for the standard output");
    options.json = value;
  };
  return {
      {"--help", false, ask_for_help},
      {"-h", false, ask_for_help},
      whole("--limit", options.limit, 1, kMaxRequests),
      whole("--pool-tokens", options.pool_tokens, 1, kMaxPoolTokens),
      whole("--block-tokens", options.block_tokens, 1, AKV_MAX_BLOCK_TOKENS),
      whole("--max-live", options.max_live, 1, AKV_MAX_SEQUENCES),
      {"--policy", true, [](const std::string &value) { one_of("--policy", value, std::array{kPolicy}); }},
      {"--verify", false, [&](const std::string &) { options.verify = true; }},
      {"--json", true, set_json},
  };
}

void check_together(const Options &options, const Given &given) {
  if (!options.trace.empty() && !given.chat_flag.empty())
    throw UsageError(std::string(given.chat_flag) + " is for the built-in chat, and --trace reads another workload");
  if (options.trace.empty() && !given.trace_flag.empty())
    throw UsageError(std::string(given.trace_flag) + " is for a file: name it with --trace");
  const std::uint64_t blocks = options.pool_tokens / options.block_tokens;
  if (blocks == 0 || blocks > AKV_MAX_BLOCKS)
    throw UsageError("--pool-tokens " + std::to_string(options.pool_tokens) + " with --block-tokens " +
                     std::to_string(options.block_tokens) + " makes " + std::to_string(blocks) +
                     " blocks, must be 1 to " + std::to_string(AKV_MAX_BLOCKS));
  check_store_options(options.store, given.store_flag, options.block_tokens);
}

}  // namespace

Options read_options(Words words) {
  Options options;
  Given given;
  std::vector<Flag> flags = trace_flags(options, given);
  for (const auto &more :
       {chat_flags(options.chat, given), store_flags(options.store, given.store_flag), other_flags(options)})
    flags.insert(flags.end(), more.begin(), more.end());
  read_flags(words, flags, "arenakv replay --help");
  if (options.help) return options;
  check_together(options, given);
  if (options.limit != 0) options.chat.requests = options.limit;
  return options;
}

}  // namespace replay
