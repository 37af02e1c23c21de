// plan_options.cpp: see plan_options.hpp. Its limits are told in help.cpp as well.
#include "command/plan_options.hpp"

#include "arenakv.h"
#include "dtypes.hpp"

#include <vector>

namespace replay {
namespace {

// Which flags were given that do not go with others.
struct Given {
  std::string_view part;      // of --total
  std::string_view question;  // anything but --list, --json
};

std::vector<Flag> switches(PlanOptions &options) {
  const auto ask_for_help = [&](const std::string &) { options.help = true; };
  return {
      {"--help", false, ask_for_help},
      {"-h", false, ask_for_help},
      {"--list", false, [&](const std::string &) { options.list = true; }},
      {"--json", false, [&](const std::string &) { options.json = true; }},
  };
}

std::vector<Flag> questions(PlanOptions &options, Given &given) {
  const auto whole = [&](std::string_view name, std::uint32_t &field, std::uint64_t most) {
    return Flag{name, true, [=, &field, &given](const std::string &value) {
                  field = static_cast<std::uint32_t>(whole_number(name, value, 1, most));
                  given.question = name;
                }};
  };
  const auto size = [&](std::string_view name, std::uint64_t &field, std::uint64_t least) {
    return Flag{name, true, [=, &field, &given](const std::string &value) {
                  field = size_in_bytes(name, value, least);
                  given.question = name;
                  if (least == 0) given.part = name;
                }};
  };
  const auto set_model = [&](const std::string &value) {
    if (value.empty()) throw UsageError("--model is '', must be a model's name or a file's path");
    options.model = value;
    given.question = "--model";
  };
  const auto set_dtype = [&](const std::string &value) {
    options.dtype = static_cast<std::uint32_t>(one_of("--dtype", value, kDtypeNames) + 1);
    given.question = "--dtype";
  };
  const auto set_format = [&](const std::string &value) {
    options.format = static_cast<std::uint32_t>(one_of("--format", value, kFormatNames) + 1);
    given.question = "--format";
  };
  return {
      {"--model", true, set_model},
      {"--dtype", true, set_dtype},
      {"--format", true, set_format},
      whole("--context", options.context_tokens, AKV_MAX_SEQUENCE_TOKENS),
      whole("--layers", options.layers, 65535),
      whole("--block-tokens", options.block_tokens, AKV_MAX_BLOCK_TOKENS),
      whole("--sequences", options.sequences, AKV_MAX_SEQUENCES),
      size("--budget", options.budget_bytes, 1),
      size("--total", options.total_bytes, 1),
      size("--weights", options.weight_bytes, 0),
      size("--activations", options.activation_bytes, 0),
      size("--overhead", options.overhead_bytes, 0),
  };
}

void check_together(const PlanOptions &options, const Given &given) {
  if (options.list && !given.question.empty())
    throw UsageError(std::string(given.question) + " does not go with --list");
  if (options.list) return;
  if (options.model.empty())
    throw UsageError("--model is missing: a model's name or a config.json; --list shows names");
  if (options.dtype != 0 && options.format != 0)
    throw UsageError("--dtype and --format are two answers to one question: give one of them");
  if (options.budget_bytes != 0 && options.total_bytes != 0)
    throw UsageError("--budget and --total are two answers to one question: give one of them");
  if (options.total_bytes == 0 && !given.part.empty())
    throw UsageError(std::string(given.part) + " is a part of the device's memory: give that with --total");
}

}  // namespace

PlanOptions read_plan_options(Words words) {
  PlanOptions options;
  Given given;
  std::vector<Flag> flags = switches(options);
  for (const Flag &flag : questions(options, given)) flags.push_back(flag);
  read_flags(words, flags, "arenakv plan --help");
  if (!options.help) check_together(options, given);
  return options;
}

}  // namespace replay
