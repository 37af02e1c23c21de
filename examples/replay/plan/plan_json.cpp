// plan_json.cpp: see plan_json.hpp.
#include "plan/plan_json.hpp"

#include "cache.hpp"
#include "dtypes.hpp"

#include <nlohmann/json.hpp>

namespace replay {
namespace {

using Json = nlohmann::ordered_json;

Json model_as_json(const std::string &name, const akv_model &model, std::uint32_t window_layers) {
  return {
      {"model", name},
      {"family", akv_family_name(model.family)},
      {"attention", akv_attention_name(model.attention)},
      {"layers", model.num_layers},
      {"query_heads", model.query_heads},
      {"kv_heads", model.kv_heads},
      {"key_head_dim", model.key_head_dim},
      {"value_head_dim", model.value_head_dim},
      {"latent_dim", model.latent_dim},
      {"rope_dim", model.rope_dim},
      {"max_context", model.max_context},
      {"sliding_window", model.sliding_window},
      {"sliding_window_layers", window_layers},
  };
}

Json store_as_json(const akv_planner_result &result) {
  return {
      {"sequences", result.num_sequences},     {"num_blocks", result.num_blocks},
      {"num_tokens", result.num_tokens},       {"spare_blocks", result.spare_blocks},
      {"store_bytes", result.store_bytes},     {"null_block_bytes", result.null_block_bytes},
      {"padding_bytes", result.padding_bytes},
  };
}

std::string text_of(const Json &json) { return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string answers_as_json(const Answers &answers) {
  Json json = {{"version", akv_version_string()}};
  json.update(model_as_json(answers.name, answers.model, answers.window_layers()));
  json.update(Json{
      {"dtype", dtype_name(answers.sizes.dtype)},
      {"format", answers.format == 0 ? Json() : Json(format_name(answers.format))},
      {"cached_layers", answers.sizes.num_layers},
      {"context_tokens", answers.sizes.num_tokens},
      {"bytes_per_token_layer", answers.sizes.bytes_per_token_layer},
      {"bytes_per_token", answers.sizes.bytes_per_token},
      {"bytes_per_sequence", answers.sizes.bytes},
      {"query_head_bytes_per_sequence", answers.sizes.query_head_bytes},
      {"saved_bytes_per_sequence", answers.sizes.saved_bytes},
      {"block_tokens", answers.need.block_tokens},
      {"bytes_per_block", answers.need.bytes_per_block},
      {"blocks_per_sequence", answers.need.blocks_per_sequence},
      {"rounding_bytes_per_sequence", answers.need.rounding_bytes},
      {"page_bytes", answers.page.page_bytes},
      {"pages_per_sequence", answers.page.tensors_per_sequence},
      {"page_waste_bytes_per_sequence", answers.page.full_waste_bytes},
      {"need", store_as_json(answers.need)},
  });
  if (answers.fit) {
    json["fit"] = store_as_json(*answers.fit);
    json["fit"]["budget_bytes"] = answers.fit->budget_bytes;
    json["fit"]["slack_bytes"] = answers.fit->slack_bytes;
    json["fits"] = answers.fits();
  }
  return text_of(json);
}

std::string presets_as_json() {
  Json list = Json::array();
  for (std::uint32_t preset = 1; const char *name = akv_model_name(preset); ++preset) {
    Answers answers;
    check(akv_model_find(name, &answers.model), "akv_model_find");
    check(akv_model_read_sizes(&answers.model, 0, 0, 1, &answers.sizes), "akv_model_read_sizes");
    list.push_back(model_as_json(name, answers.model, answers.window_layers()));
    list.back()["dtype"] = dtype_name(answers.model.dtype);
    list.back()["bytes_per_token"] = answers.sizes.bytes_per_token;
  }
  return text_of(list);
}

}  // namespace replay
