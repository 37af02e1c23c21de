// model.cpp: see model.hpp. Every limit of akv_model is here.
// Numbers only: it knows no file format, no memory and no cache.
#include "model/model.hpp"

namespace akv {
namespace {

Status check(std::uint32_t value, std::uint32_t least, const char *name) {
  if (value >= least && value <= 65535) return AKV_OK;
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is %llu, must be %llu to 65535", name, value, least);
}

Status check_heads(const akv_model &model) {
  const bool latent = model.latent_dim != 0;
  AKV_TRY(check(model.num_layers, 1, "num_layers"));
  AKV_TRY(check(model.query_heads, 1, "query_heads"));
  AKV_TRY(check(model.kv_heads, 1, "kv_heads"));
  AKV_TRY(check(model.key_head_dim, latent ? 0 : 1, "key_head_dim"));
  AKV_TRY(check(model.value_head_dim, 0, "value_head_dim"));
  if (model.query_heads % model.kv_heads != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "%llu KV heads do not divide %llu query heads", model.kv_heads,
                model.query_heads);
  if (!latent && model.rope_dim != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "rope_dim is %llu without a latent_dim: it is for MLA", model.rope_dim);
  if (latent && model.kv_heads != 1)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "kv_heads is %llu: MLA caches 1 latent vector for all query heads",
                model.kv_heads);
  if (latent && (model.latent_dim > 65535 || model.rope_dim > 65535 - model.latent_dim))
    return fail(AKV_ERROR_INVALID_ARGUMENT, "latent_dim %llu and rope_dim %llu make a vector of over 65535 elements",
                model.latent_dim, model.rope_dim);
  return AKV_OK;
}

Status check_windows(const akv_model &model) {
  if (model.max_context > AKV_MAX_SEQUENCE_TOKENS || model.sliding_window > AKV_MAX_SEQUENCE_TOKENS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_context is %llu and sliding_window is %llu, at most %llu",
                model.max_context, model.sliding_window, AKV_MAX_SEQUENCE_TOKENS);
  for (std::uint32_t word = 0; word < 4; ++word) {
    if (model.window_layers[word] == 0) continue;
    if (model.sliding_window == 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "window_layers names layers, and sliding_window is 0");
    if (model.num_layers > AKV_MAX_WINDOW_LAYERS)
      return fail(AKV_ERROR_UNSUPPORTED, "window_layers names layers of %llu, it has room for %llu", model.num_layers,
                  AKV_MAX_WINDOW_LAYERS);
    const std::uint32_t first = word * 64;
    const std::uint32_t here = model.num_layers <= first ? 0 : model.num_layers - first;
    if (here < 64 && (model.window_layers[word] >> here) != 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "window_layers names a layer beyond the %llu there are",
                  model.num_layers);
  }
  return AKV_OK;
}

std::uint32_t attention_of(const akv_model &model) {
  if (model.latent_dim != 0) return AKV_ATTENTION_MLA;
  if (model.kv_heads == model.query_heads) return AKV_ATTENTION_MHA;
  return model.kv_heads == 1 ? AKV_ATTENTION_MQA : AKV_ATTENTION_GQA;
}

// Bytes that one token of one layer would take with a KV head for each query head; 0: not told.
std::uint64_t query_head_bytes(const akv_model &model, std::uint32_t dtype) {
  if (model.key_head_dim == 0) return 0;
  const std::uint64_t elements = std::uint64_t{model.query_heads} * (model.key_head_dim + model.value_head_dim);
  return (elements * dtype_bits(dtype) + 7) / 8;
}

}  // namespace

Status complete_model(akv_model &model) noexcept {
  AKV_TRY(check_heads(model));
  AKV_TRY(check_windows(model));
  if (model.dtype == 0) model.dtype = AKV_DTYPE_F16;
  if (dtype_bits(model.dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "dtype is %llu, must be 1 to 6", model.dtype);
  if (model.value_head_dim == 0) model.value_head_dim = model.key_head_dim;
  const std::uint32_t attention = attention_of(model);
  if (model.attention != 0 && model.attention != attention)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "attention is %llu, and %llu query heads, %llu KV heads and a latent_dim of %llu make it %llu",
                model.attention, model.query_heads, model.kv_heads, model.latent_dim, attention);
  model.attention = attention;
  return AKV_OK;
}

Status model_geometry(const akv_model &model, std::uint32_t dtype, std::uint32_t num_layers, Geometry &to) noexcept {
  if (num_layers > model.num_layers)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "%llu layers, the model has %llu", num_layers, model.num_layers);
  if (dtype == 0) dtype = model.dtype;
  const bool latent = model.attention == AKV_ATTENTION_MLA;
  const akv_plane planes[2] = {
      {latent ? AKV_PLANE_LATENT : AKV_PLANE_KEYS, dtype, model.kv_heads,
       latent ? model.latent_dim + model.rope_dim : model.key_head_dim, 0, 0},
      {AKV_PLANE_VALUES, dtype, model.kv_heads, model.value_head_dim, 0, 0},
  };
  const akv_layer_group group = {AKV_RULE_FULL,
                                 num_layers != 0 ? num_layers : model.num_layers,
                                 latent ? 1u : 2u,
                                 sizeof(akv_plane),
                                 planes,
                                 latent ? 0u : model.query_heads,
                                 0};
  return to.read(&group, 1, sizeof group);
}

Status model_sizes(const akv_model &model, std::uint32_t dtype, std::uint32_t num_layers, std::uint64_t num_tokens,
                   akv_model_sizes &to) noexcept {
  Geometry geometry;
  AKV_TRY(model_geometry(model, dtype, num_layers, geometry));
  to.attention = model.attention;
  to.dtype = dtype != 0 ? dtype : model.dtype;
  to.num_layers = geometry.group.num_layers;
  to.num_tokens = num_tokens;
  to.bytes_per_token = geometry.bytes_per_token();
  to.bytes_per_token_layer = to.bytes_per_token / to.num_layers;
  const std::uint64_t query_head_token = query_head_bytes(model, to.dtype) * to.num_layers;  // below 2^51
  if (__builtin_mul_overflow(to.bytes_per_token, num_tokens, &to.bytes) ||
      __builtin_mul_overflow(query_head_token, num_tokens, &to.query_head_bytes))
    return fail(AKV_ERROR_OUT_OF_RANGE,
                "%llu tokens of %llu bytes (%llu with a KV head for each query head) exceed 2^64 - 1 bytes", num_tokens,
                to.bytes_per_token, query_head_token);
  to.saved_bytes = to.query_head_bytes > to.bytes ? to.query_head_bytes - to.bytes : 0;
  return AKV_OK;
}

Status detect_kv_heads(std::uint64_t key_projection_rows, std::uint32_t head_dim, std::uint32_t query_heads,
                       std::uint32_t &to) noexcept {
  AKV_TRY(check(head_dim, 1, "head_dim"));
  AKV_TRY(check(query_heads, 0, "query_heads"));
  const std::uint64_t heads = key_projection_rows / head_dim;
  if (heads == 0 || heads > 65535 || key_projection_rows % head_dim != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "a key projection of %llu rows is not 1 to 65535 heads of %llu",
                key_projection_rows, head_dim);
  if (query_heads != 0 && query_heads % heads != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "a key projection of %llu rows has %llu heads, which do not divide %llu",
                key_projection_rows, heads, query_heads);
  to = static_cast<std::uint32_t>(heads);
  return AKV_OK;
}

const char *family_name(std::uint32_t family) noexcept {
  switch (family) {
    case AKV_FAMILY_OTHER: return "other";
    case AKV_FAMILY_LLAMA: return "Llama";
    case AKV_FAMILY_MISTRAL: return "Mistral";
    case AKV_FAMILY_MIXTRAL: return "Mixtral";
    case AKV_FAMILY_QWEN: return "Qwen";
    case AKV_FAMILY_GEMMA: return "Gemma";
    case AKV_FAMILY_PHI: return "Phi";
    case AKV_FAMILY_DEEPSEEK: return "DeepSeek";
    case AKV_FAMILY_FALCON: return "Falcon";
    case AKV_FAMILY_GPT: return "GPT";
    default: return "unknown family";
  }
}

const char *attention_name(std::uint32_t attention) noexcept {
  switch (attention) {
    case AKV_ATTENTION_MHA: return "MHA";
    case AKV_ATTENTION_GQA: return "GQA";
    case AKV_ATTENTION_MQA: return "MQA";
    case AKV_ATTENTION_MLA: return "MLA";
    default: return "unknown attention";
  }
}

}  // namespace akv
