// model_fields.cpp: see model_fields.hpp. What a model_type leaves out, and how it says KV heads and windows.
// It knows no JSON, and no limit: complete_model() does.
#include "model/model_fields.hpp"

#include "model/model.hpp"

#include <string_view>

namespace akv {
namespace {

using Text = std::string_view;

Text text_of(const char *text) { return text != nullptr ? Text(text) : Text(); }

std::uint32_t family_of(Text type) {
  static constexpr struct {
    Text prefix;
    std::uint32_t family;
  } kFamilies[] = {
      {"llama", AKV_FAMILY_LLAMA},       {"mistral", AKV_FAMILY_MISTRAL}, {"mixtral", AKV_FAMILY_MIXTRAL},
      {"qwen", AKV_FAMILY_QWEN},         {"gemma", AKV_FAMILY_GEMMA},     {"phi", AKV_FAMILY_PHI},
      {"deepseek", AKV_FAMILY_DEEPSEEK}, {"falcon", AKV_FAMILY_FALCON},   {"gpt", AKV_FAMILY_GPT},
  };
  for (const auto &[prefix, family] : kFamilies)
    if (type.starts_with(prefix)) return family;
  return AKV_FAMILY_OTHER;
}

Status dtype_of(Text name, std::uint32_t &to) {
  static constexpr struct {
    Text name;
    std::uint32_t dtype;
  } kNames[] = {
      {"", AKV_DTYPE_F16},          {"auto", AKV_DTYPE_F16},
      {"float16", AKV_DTYPE_F16},   {"half", AKV_DTYPE_F16},
      {"bfloat16", AKV_DTYPE_BF16}, {"float32", AKV_DTYPE_F32},
      {"float", AKV_DTYPE_F32},     {"float8_e4m3fn", AKV_DTYPE_F8_E4M3},
      {"int8", AKV_DTYPE_I8},
  };
  if (name.starts_with("torch.")) name.remove_prefix(6);
  for (const auto &[known, dtype] : kNames)
    if (name == known) {
      to = dtype;
      return AKV_OK;
    }
  return fail(AKV_ERROR_UNSUPPORTED,
              "torch_dtype is none of float32, float16, bfloat16, float8_e4m3fn, int8: say the dtype of K/V yourself");
}

// Numbers that a config.json of this type leaves to the defaults of its model class.
void fill_in(akv_model_fields &f) {
  const Text type = text_of(f.model_type);
  const auto absent = [](std::uint32_t &field, std::uint32_t value) {
    if (field == 0) field = value;
  };
  if (!type.starts_with("gemma")) return;
  absent(f.head_dim, 256);
  if (type == "gemma2") absent(f.sliding_window_pattern, 2);
  if (!type.starts_with("gemma3")) return;
  absent(f.sliding_window_pattern, 6);
  if (f.num_attention_heads == 0) absent(f.num_key_value_heads, 4);
  absent(f.num_attention_heads, 8);
  absent(f.max_position_embeddings, 131072);
}

Status missing(const char *name) {
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is not there, or 0: it must be 1 or more", name);
}

Status find_head_dim(const akv_model_fields &f, std::uint32_t &to) {
  to = f.head_dim;
  if (to != 0) return AKV_OK;
  if (f.hidden_size == 0) return missing("head_dim, or a hidden_size to divide by num_attention_heads,");
  if (f.hidden_size % f.num_attention_heads != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "hidden_size %llu is not a multiple of %llu num_attention_heads, and there is no head_dim",
                f.hidden_size, f.num_attention_heads);
  to = f.hidden_size / f.num_attention_heads;
  return AKV_OK;
}

Status find_kv_heads(const akv_model_fields &f, std::uint32_t head_dim, std::uint32_t &to) {
  to = f.num_key_value_heads;
  if (f.multi_query != 0 && f.new_decoder_architecture == 0) to = 1;  // whatever else is told
  if (f.key_projection_rows != 0) {
    std::uint32_t measured = 0;
    AKV_TRY(detect_kv_heads(f.key_projection_rows, head_dim, f.num_attention_heads, measured));
    if (to != 0 && to != measured)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "%llu KV heads, and a key projection of %llu rows has %llu", to,
                  f.key_projection_rows, measured);
    to = measured;
  }
  if (to == 0) to = f.num_attention_heads;
  return AKV_OK;
}

Status read_heads(const akv_model_fields &f, akv_model &to) {
  if (f.num_attention_heads == 0) return missing("num_attention_heads");
  to.query_heads = f.num_attention_heads;
  if (f.kv_lora_rank == 0) {
    AKV_TRY(find_head_dim(f, to.key_head_dim));
    to.value_head_dim = f.v_head_dim;
    return find_kv_heads(f, to.key_head_dim, to.kv_heads);
  }
  if (f.qk_rope_head_dim == 0) return missing("qk_rope_head_dim, beside a kv_lora_rank,");
  to.latent_dim = f.kv_lora_rank;
  to.rope_dim = f.qk_rope_head_dim;
  to.kv_heads = 1;
  if (f.qk_nope_head_dim == 0 || f.v_head_dim == 0) return AKV_OK;
  if (f.qk_nope_head_dim > 65535 || f.qk_rope_head_dim > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "qk_nope_head_dim is %llu and qk_rope_head_dim %llu, at most 65535",
                f.qk_nope_head_dim, f.qk_rope_head_dim);
  to.key_head_dim = f.qk_nope_head_dim + f.qk_rope_head_dim;
  to.value_head_dim = f.v_head_dim;
  return AKV_OK;
}

// Does a layer have the sliding window? `types` in front: a list says so layer by layer.
bool has_window(const akv_model_fields &f, std::uint32_t layer) {
  if (f.num_layer_types != 0) return (f.sliding_layers[layer / 64] >> layer % 64 & 1) != 0;
  if (f.sliding_window_pattern != 0) return (layer + 1) % f.sliding_window_pattern != 0;
  return layer >= f.max_window_layers;
}

// Models of these types have layers of a linear attention or a state-space model, also where no list says which.
Status refuse_other_layers(const akv_model_fields &f) {
  static constexpr const char *kHybrids[] = {
      "bamba",      "falcon_mamba",    "granitemoehybrid",
      "jamba",      "kimi_linear",     "lfm2",
      "lfm2_moe",   "mamba",           "mamba2",
      "minimax",    "nemotron_h",      "plamo2",
      "qwen3_next", "recurrent_gemma", "rwkv",
      "xlstm",      "zamba",           "zamba2",
  };
  if (f.num_other_layers != 0)
    return fail(AKV_ERROR_UNSUPPORTED,
                "%llu of %llu layers are neither full nor sliding attention: layers without K/V are not supported",
                f.num_other_layers, f.num_hidden_layers);
  for (const char *hybrid : kHybrids)
    if (f.num_layer_types == 0 && text_of(f.model_type) == hybrid)
      return fail_named(AKV_ERROR_UNSUPPORTED,
                        "model_type %s has layers without K/V, which are not supported; layer_types may say otherwise",
                        hybrid);
  return AKV_OK;
}

Status read_windows(const akv_model_fields &f, std::uint32_t family, akv_model &to) {
  AKV_TRY(refuse_other_layers(f));
  if (f.num_layer_types != 0 && f.num_layer_types != f.num_hidden_layers)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "layer_types has %llu elements, num_hidden_layers is %llu",
                f.num_layer_types, f.num_hidden_layers);
  // Qwen's models name a window and do not use it unless they say so.
  const std::uint32_t otherwise = family == AKV_FAMILY_QWEN ? AKV_SLIDING_FALSE : AKV_SLIDING_TRUE;
  const std::uint32_t use = f.use_sliding_window != AKV_SLIDING_ABSENT ? f.use_sliding_window : otherwise;
  if (f.sliding_window == 0 || (use == AKV_SLIDING_FALSE && f.num_layer_types == 0)) return AKV_OK;
  const bool same = f.num_layer_types == 0 && f.sliding_window_pattern == 0 && f.max_window_layers == 0;
  if (same) {
    to.sliding_window = f.sliding_window;
    return AKV_OK;
  }
  if (f.num_hidden_layers > AKV_MAX_WINDOW_LAYERS)
    return fail(AKV_ERROR_UNSUPPORTED, "num_hidden_layers is %llu, and of at most %llu some may have a sliding window",
                f.num_hidden_layers, AKV_MAX_WINDOW_LAYERS);
  std::uint32_t with_window = 0;
  for (std::uint32_t layer = 0; layer < f.num_hidden_layers; ++layer)
    if (has_window(f, layer)) {
      to.window_layers[layer / 64] |= std::uint64_t{1} << layer % 64;
      ++with_window;
    }
  if (with_window != 0) to.sliding_window = f.sliding_window;
  if (with_window == f.num_hidden_layers)
    for (std::uint64_t &word : to.window_layers) word = 0;  // all: that is said by none
  return AKV_OK;
}

}  // namespace

Status model_from_fields(const akv_model_fields &fields, akv_model &to) noexcept {
  akv_model_fields f = fields;
  if (f.multi_query > 1 || f.new_decoder_architecture > 1 || f.use_sliding_window > AKV_SLIDING_TRUE)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "multi_query is %llu, new_decoder_architecture %llu, use_sliding_window %llu: at most 1, 1 and 2",
                f.multi_query, f.new_decoder_architecture, f.use_sliding_window);
  fill_in(f);
  akv_model model = AKV_MODEL_INIT;
  model.family = family_of(text_of(f.model_type));
  AKV_TRY(dtype_of(text_of(f.torch_dtype), model.dtype));
  if (f.num_hidden_layers == 0) return missing("num_hidden_layers");
  model.num_layers = f.num_hidden_layers;
  AKV_TRY(read_heads(f, model));
  AKV_TRY(read_windows(f, model.family, model));
  model.max_context = f.max_position_embeddings;
  AKV_TRY(complete_model(model));
  to = model;
  return AKV_OK;
}

}  // namespace akv
