// plan.cpp: see plan.hpp.
#include "command/plan.hpp"

#include "cache.hpp"
#include "command/help.hpp"
#include "command/plan_options.hpp"
#include "plan/find_model.hpp"
#include "plan/plan_json.hpp"
#include "plan/plan_report.hpp"

#include <utility>

namespace replay {
namespace {

// What the library refuses here was said by a flag.
void check_flags(akv_status status) {
  if (status != AKV_OK) throw UsageError(library_error());
}

akv_planner_request shape_of(const PlanOptions &options) {
  akv_planner_request request = AKV_PLANNER_REQUEST_INIT;
  request.dtype = options.dtype;
  request.format = options.format;
  if (options.format != 0) request.block_tokens = options.block_tokens;
  request.num_layers = options.layers;
  request.context_tokens = options.context_tokens;
  return request;
}

// Sizes of one sequence, scales included: those that blocks are counted with.
void use_format(Answers &answers, std::uint32_t format) {
  akv_model_sizes &sizes = answers.sizes;
  answers.format = format;
  sizes.dtype = answers.need.dtype;
  sizes.bytes_per_token = answers.need.bytes_per_token;
  sizes.bytes_per_token_layer = sizes.bytes_per_token / sizes.num_layers;
  sizes.bytes = sizes.bytes_per_token * sizes.num_tokens;
  sizes.query_head_bytes = sizes.saved_bytes = 0;  // were counted without scales
}

Answers answer(const PlanOptions &options) {
  Answers answers;
  NamedModel found = find_model(options.model);
  answers.name = std::move(found.name);
  answers.model = found.model;
  akv_planner_request request = shape_of(options);
  if (options.context_tokens == 0 && answers.model.max_context == 0)
    throw UsageError("--context is missing: the model does not tell its longest");
  check_flags(akv_planner_page_size(&answers.model, &request, &answers.page));
  request.block_tokens = options.block_tokens;
  request.num_sequences = options.sequences;
  check_flags(akv_planner_need(&answers.model, &request, &answers.need));
  check_flags(
      akv_model_read_sizes(&answers.model, options.dtype, options.layers, answers.need.context_tokens, &answers.sizes));
  if (options.format != 0) use_format(answers, options.format);
  if (!options.has_budget()) return answers;
  request.num_sequences = 0;
  request.budget_bytes = options.budget_bytes;
  request.total_bytes = options.total_bytes;
  request.weight_bytes = options.weight_bytes;
  request.activation_bytes = options.activation_bytes;
  request.overhead_bytes = options.overhead_bytes;
  answers.fit = AKV_PLANNER_RESULT_INIT;
  check_flags(akv_planner_fit(&answers.model, &request, &*answers.fit));
  return answers;
}

}  // namespace

int plan_command(Words words) {
  const PlanOptions options = read_plan_options(words);
  if (options.help) return print_plan_help(stdout);
  if (options.list) {
    if (options.json) std::fputs(presets_as_json().c_str(), stdout);
    else print_presets(stdout);
    return 0;
  }
  const Answers answers = answer(options);
  if (options.json) std::fputs(answers_as_json(answers).c_str(), stdout);
  else print_answers(answers, stdout);
  return 0;
}

}  // namespace replay
