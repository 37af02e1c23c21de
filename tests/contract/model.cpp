// model.cpp: the promises of model.h: presets, hand-made models, exact sizes, layer groups.
// It knows the public API only; the numbers of a config.json are in model_fields.cpp.
#include "fixture.hpp"

#include <cstring>
#include <set>

using namespace akv::test;

namespace {

akv_model found(const std::string &name) {
  akv_model model = AKV_MODEL_INIT;
  INFO(name);
  OK(akv_model_find(name.c_str(), &model));
  return model;
}

akv_model made(std::uint32_t layers, std::uint32_t query_heads, std::uint32_t kv_heads, std::uint32_t dim) {
  akv_model model = AKV_MODEL_INIT;
  model.num_layers = layers;
  model.query_heads = query_heads;
  model.kv_heads = kv_heads;
  model.key_head_dim = dim;
  return model;
}

akv_model_sizes sizes_of(const akv_model &model, std::uint64_t tokens, std::uint32_t dtype = 0,
                         std::uint32_t layers = 0) {
  akv_model_sizes sizes = AKV_MODEL_SIZES_INIT;
  OK(akv_model_read_sizes(&model, dtype, layers, tokens, &sizes));
  return sizes;
}

akv_status status_of(const akv_model &model, std::uint64_t tokens = 1, std::uint32_t dtype = 0,
                     std::uint32_t layers = 0) {
  akv_model_sizes sizes = AKV_MODEL_SIZES_INIT;
  return akv_model_read_sizes(&model, dtype, layers, tokens, &sizes);
}

std::uint32_t windows_of(const akv_model &model) {
  std::uint32_t count = 0;
  for (std::uint32_t layer = 0; layer < 256; ++layer) count += model.window_layers[layer / 64] >> layer % 64 & 1;
  return count;
}

}  // namespace

TEST_CASE("model: A6 every preset has its published numbers, and its bytes a token are known") {
  struct Known {
    const char *name;
    std::uint32_t layers, query_heads, kv_heads, dim, context, attention;
    std::uint64_t bytes_per_token;
  };
  constexpr std::uint32_t mha = AKV_ATTENTION_MHA, gqa = AKV_ATTENTION_GQA, mqa = AKV_ATTENTION_MQA;
  const Known known[] = {
      {"DeepSeek-V3", 61, 128, 1, 192, 163840, AKV_ATTENTION_MLA, 70272},
      {"Falcon-7B", 32, 71, 1, 64, 2048, mqa, 8192},
      {"Gemma-2-2B", 26, 8, 4, 256, 8192, gqa, 106496},
      {"Gemma-2-9B", 42, 16, 8, 256, 8192, gqa, 344064},
      {"Gemma-2-27B", 46, 32, 16, 128, 8192, gqa, 376832},
      {"Gemma-3-1B", 26, 4, 1, 256, 32768, mqa, 26624},
      {"Gemma-3-4B", 34, 8, 4, 256, 131072, gqa, 139264},
      {"Gemma-3-12B", 48, 16, 8, 256, 131072, gqa, 393216},
      {"Gemma-3-27B", 62, 32, 16, 128, 131072, gqa, 507904},
      {"Llama-2-7B", 32, 32, 32, 128, 4096, mha, 524288},
      {"Llama-2-13B", 40, 40, 40, 128, 4096, mha, 819200},
      {"Llama-2-70B", 80, 64, 8, 128, 4096, gqa, 327680},
      {"Llama-3-8B", 32, 32, 8, 128, 8192, gqa, 131072},
      {"Llama-3-70B", 80, 64, 8, 128, 8192, gqa, 327680},
      {"Llama-3.1-8B", 32, 32, 8, 128, 131072, gqa, 131072},
      {"Llama-3.1-70B", 80, 64, 8, 128, 131072, gqa, 327680},
      {"Llama-3.1-405B", 126, 128, 8, 128, 131072, gqa, 516096},
      {"Llama-3.2-1B", 16, 32, 8, 64, 131072, gqa, 32768},
      {"Llama-3.2-3B", 28, 24, 8, 128, 131072, gqa, 114688},
      {"Mistral-7B", 32, 32, 8, 128, 32768, gqa, 131072},
      {"Mistral-7B-v0.1", 32, 32, 8, 128, 32768, gqa, 131072},
      {"Mixtral-8x7B", 32, 32, 8, 128, 32768, gqa, 131072},
      {"Phi-3-mini", 32, 32, 32, 96, 4096, mha, 393216},
      {"Phi-3-mini-128k", 32, 32, 32, 96, 131072, mha, 393216},
      {"Phi-4", 40, 40, 10, 128, 16384, gqa, 204800},
      {"Qwen2.5-0.5B", 24, 14, 2, 64, 32768, gqa, 12288},
      {"Qwen2.5-1.5B", 28, 12, 2, 128, 131072, gqa, 28672},
      {"Qwen2.5-3B", 36, 16, 2, 128, 32768, gqa, 36864},
      {"Qwen2.5-7B", 28, 28, 4, 128, 131072, gqa, 57344},
      {"Qwen2.5-14B", 48, 40, 8, 128, 131072, gqa, 196608},
      {"Qwen2.5-32B", 64, 40, 8, 128, 131072, gqa, 262144},
      {"Qwen2.5-72B", 80, 64, 8, 128, 131072, gqa, 327680},
      {"Qwen3-0.6B", 28, 16, 8, 128, 40960, gqa, 114688},
      {"Qwen3-4B", 36, 32, 8, 128, 40960, gqa, 147456},
      {"Qwen3-8B", 36, 32, 8, 128, 40960, gqa, 147456},
      {"Qwen3-14B", 40, 40, 8, 128, 40960, gqa, 163840},
      {"Qwen3-32B", 64, 64, 8, 128, 40960, gqa, 262144},
      {"SmolLM2-135M", 30, 9, 3, 64, 8192, gqa, 23040},
      {"SmolLM2-1.7B", 24, 32, 32, 64, 8192, mha, 196608},
  };
  std::uint32_t number = 0;
  for (const Known &k : known) {
    INFO(k.name);
    const akv_model m = found(k.name);
    CHECK(m.preset == ++number);  // the table is in the order of akv_model_name()
    CHECK(akv_model_name(number) == std::string(k.name));
    CHECK((m.num_layers == k.layers && m.query_heads == k.query_heads && m.kv_heads == k.kv_heads));
    CHECK((m.key_head_dim == k.dim && m.max_context == k.context && m.attention == k.attention));
    const akv_model_sizes sizes = sizes_of(m, 1000);
    CHECK((sizes.bytes_per_token == k.bytes_per_token && sizes.bytes == 1000 * k.bytes_per_token));
    CHECK((sizes.attention == k.attention && sizes.num_layers == k.layers && sizes.dtype == m.dtype));
  }
  CHECK(akv_model_name(0) == nullptr);
  CHECK(akv_model_name(number + 1) == nullptr);
  CHECK(akv_model_name(UINT32_MAX) == nullptr);
}

TEST_CASE("model: A6 case, separators, an owner and words like instruct do not count in a name") {
  const std::uint32_t mistral = found("Mistral-7B").preset;
  for (const char *name : {"mistral-7b", "MISTRAL_7B", "mistral7b", "Mistral 7B", "mistralai/Mistral-7B-Instruct-v0.3",
                           "mistralai/Mistral-7B-v0.2", "mistral-7b-instruct", "m-i.s_t-r.a_l-7b-"})
    CHECK(found(name).preset == mistral);
  CHECK(found("mistralai/Mistral-7B-Instruct-v0.1").preset == found("Mistral-7B-v0.1").preset);
  CHECK(found("meta-llama/Meta-Llama-3-8B-Instruct").preset == found("llama-3-8b").preset);
  CHECK(found("meta-llama/Llama-2-7b-chat-hf").preset == found("llama-2-7b").preset);
  CHECK(found("meta-llama/Llama-3.3-70B-Instruct").preset == found("llama-3.1-70b").preset);
  CHECK(found("google/gemma-3-4b-it").preset == found("Gemma-3-4B").preset);
  CHECK(found("google/gemma-3-4b-pt").preset == found("Gemma-3-4B").preset);
  CHECK(found("Qwen/Qwen2.5-0.5B-Instruct").preset == found("qwen2.5-0.5b").preset);
  CHECK(found("microsoft/Phi-3-mini-4k-instruct").preset == found("phi-3-mini").preset);
  CHECK(found("deepseek-ai/DeepSeek-R1").preset == found("DeepSeek-V3").preset);
  CHECK(found("llama-3.1-8b").preset != found("llama-3-8b").preset);
  std::set<std::uint32_t> presets;
  for (std::uint32_t i = 1; akv_model_name(i) != nullptr; ++i)
    CHECK(presets.insert(found(akv_model_name(i)).preset).second);
}

TEST_CASE("model: A6 a family or series by its name alone is the model that the header tells") {
  const char *const known[][2] = {
      {"DeepSeek", "DeepSeek-V3"},    {"Falcon", "Falcon-7B"},        {"Gemma", "Gemma-3-4B"},
      {"Gemma 3", "Gemma-3-4B"},      {"Gemma 2", "Gemma-2-9B"},      {"Llama", "Llama-3.1-8B"},
      {"LLaMA 2", "Llama-2-7B"},      {"Llama 3", "Llama-3-8B"},      {"Llama 3.1", "Llama-3.1-8B"},
      {"Llama 3.2", "Llama-3.2-1B"},  {"Llama-3.3", "Llama-3.1-70B"}, {"Mistral", "Mistral-7B"},
      {"mixtral", "Mixtral-8x7B"},    {"Phi", "Phi-3-mini"},          {"phi-3", "Phi-3-mini"},
      {"Phi 3.5", "Phi-3-mini-128k"}, {"Qwen", "Qwen2.5-7B"},         {"Qwen2", "Qwen2.5-7B"},
      {"QWEN_2.5", "Qwen2.5-7B"},     {"Qwen3", "Qwen3-8B"},          {"SmolLM2", "SmolLM2-1.7B"},
  };
  for (const auto &[name, preset] : known) {
    INFO(name);
    CHECK(akv_model_name(found(name).preset) == std::string(preset));
  }
  // Every family that has a preset, by the name it is told with.
  std::set<std::uint32_t> families;
  for (std::uint32_t i = 1; akv_model_name(i) != nullptr; ++i) families.insert(found(akv_model_name(i)).family);
  for (const std::uint32_t family : families) CHECK(found(akv_family_name(family)).family == family);
  CHECK(families.size() == 8);
}

TEST_CASE("model: A6 a name that is not there is NOT_FOUND, and one that comes close is told") {
  akv_model model = AKV_MODEL_INIT;
  const auto refused = [&](const std::string &name, const char *told) {
    INFO(name);
    CHECK(akv_model_find(name.c_str(), &model) == AKV_ERROR_NOT_FOUND);
    CHECK(last_error().find(told) != std::string::npos);
    CHECK(last_error().find("akv_model_name() tells all 39") != std::string::npos);
  };
  refused("mistrel", "Mistral-7B");
  refused("llama-3-8", "Llama-3-8B");
  refused("qwen3-7b", "Qwen3-4B");
  refused("SmolLM2-360M", "SmolLM2-135M");
  for (const char *name : {"", "-", "it", "/", "a/b/mistral-7b", "/mistral-7b", "./mistral-7b", "-/mistral-7b"})
    CHECK(akv_model_find(name, &model) == AKV_ERROR_NOT_FOUND);
  refused("something that nobody has trained so far", "nor one like it");
  refused(std::string(64, 'x'), "nor one like it");
  refused(std::string(65, 'x'), "nor one like it");
  refused(std::string(100'000, '\xff'), "nor one like it");
  CHECK(model.num_layers == 0);
  CHECK(akv_model_find(nullptr, &model) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("model: A6 a sliding window is told with its layers, and sized as full attention") {
  const akv_model gemma2 = found("Gemma-2-9B"), gemma3 = found("Gemma-3-4B"), mistral = found("Mistral-7B-v0.1");
  CHECK((gemma2.sliding_window == 4096 && gemma2.window_layers[0] == 0x15555555555ull));  // 0, 2, 4 ... 40
  CHECK((gemma3.sliding_window == 1024 && windows_of(gemma3) == 29));
  for (std::uint32_t layer = 0; layer < 34; ++layer)
    CHECK((gemma3.window_layers[0] >> layer & 1) == (layer % 6 != 5 ? 1u : 0u));
  CHECK((mistral.sliding_window == 4096 && windows_of(mistral) == 0));  // all of them
  CHECK(found("Phi-3-mini").sliding_window == 2047);
  CHECK((found("Mistral-7B").sliding_window == 0 && found("Llama-3-8B").sliding_window == 0));
  CHECK(sizes_of(mistral, 32768).bytes == sizes_of(found("Mistral-7B"), 32768).bytes);
}

TEST_CASE("model: E1 bytes of a context are the document's, and the check's") {
  const akv_model qwen = found("Qwen2.5-0.5B"), llama = found("Llama-3-8B");
  CHECK(sizes_of(qwen, 2048).bytes == 25165824);
  CHECK(sizes_of(qwen, 4096).bytes == 50331648);
  CHECK(sizes_of(qwen, 32768).bytes == 402653184);
  CHECK(sizes_of(llama, 2048).bytes == 268435456);
  CHECK(sizes_of(llama, 4096).bytes == 536870912);
  CHECK(sizes_of(llama, 8192).bytes == 1073741824);
  CHECK(sizes_of(llama, 32768).bytes == 4294967296);
  CHECK(sizes_of(found("mistral-7b"), 4096).bytes == 536870912);
}

TEST_CASE("model: B9 the document's example is 17.18 GB in fp32") {
  const akv_model_sizes sizes = sizes_of(made(32, 32, 32, 64), 32768, AKV_DTYPE_F32);
  CHECK((sizes.bytes == 17179869184 && sizes.bytes_per_token == 524288 && sizes.bytes_per_token_layer == 16384));
}

TEST_CASE("model: A23 what GQA, MQA and MLA save is told against a KV head for each query head") {
  const akv_model_sizes gqa = sizes_of(found("Mistral-7B"), 4096), mha = sizes_of(found("Llama-2-7B"), 4096);
  CHECK((gqa.query_head_bytes == 4 * gqa.bytes && gqa.saved_bytes == 3 * gqa.bytes));
  CHECK((mha.query_head_bytes == mha.bytes && mha.saved_bytes == 0));
  const akv_model_sizes mqa = sizes_of(found("Falcon-7B"), 10);
  CHECK((mqa.query_head_bytes == 71 * mqa.bytes && mqa.saved_bytes == 70 * mqa.bytes));
  const akv_model_sizes mla = sizes_of(found("DeepSeek-V3"), 10);  // keys of 192 and values of 128, 128 heads
  CHECK(mla.query_head_bytes == 10ull * 61 * 128 * (192 + 128) * 2);
  CHECK((mla.bytes == 10ull * 61 * 576 * 2 && mla.saved_bytes == mla.query_head_bytes - mla.bytes));
  akv_model untold = found("DeepSeek-V3");
  untold.key_head_dim = untold.value_head_dim = 0;
  CHECK((sizes_of(untold, 10).query_head_bytes == 0 && sizes_of(untold, 10).saved_bytes == 0));
  akv_model wide = made(1, 2, 1, 4);  // a latent vector that saves nothing
  wide.latent_dim = 1000;
  CHECK((sizes_of(wide, 1).query_head_bytes == 32 && sizes_of(wide, 1).saved_bytes == 0));
}

TEST_CASE("model: E6 one layer, one head, one element; each dtype; keys and values of different width") {
  const akv_model tiny = made(1, 1, 1, 1);
  CHECK(sizes_of(tiny, 1).bytes == 4);
  CHECK(sizes_of(tiny, 0).bytes == 0);
  CHECK(sizes_of(tiny, 1).attention == AKV_ATTENTION_MHA);
  CHECK(sizes_of(tiny, 1).dtype == AKV_DTYPE_F16);
  const akv_model even = made(3, 4, 2, 8);
  const std::uint64_t bits[] = {0, 32, 16, 16, 8, 8, 4};
  for (std::uint32_t dtype = AKV_DTYPE_F32; dtype <= AKV_DTYPE_I4; ++dtype) {
    const akv_model_sizes sizes = sizes_of(even, 5, dtype);
    CHECK((sizes.bytes == 5 * 3 * 2 * 2 * 8 * bits[dtype] / 8 && sizes.dtype == dtype));
  }
  CHECK(status_of(tiny, 1, AKV_DTYPE_I4) == AKV_ERROR_INVALID_ARGUMENT);  // half a byte
  akv_model uneven = made(1, 1, 1, 192);
  uneven.value_head_dim = 128;
  CHECK(sizes_of(uneven, 1).bytes == 2 * (192 + 128));
  CHECK(sizes_of(even, 5, 0, 2).bytes == 5 * 2 * 2 * 2 * 8 * 2);  // two of its layers
  CHECK(status_of(even, 5, 0, 4) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("model: E6 a model that cannot be is refused, and the message names the field") {
  const auto refused = [](akv_status status, const char *told, void (*bend)(akv_model &)) {
    akv_model model = found("Gemma-2-9B");
    OK(status_of(model));
    bend(model);
    CHECK(status_of(model) == status);
    INFO(last_error());
    CHECK(last_error().find(told) != std::string::npos);
  };
  constexpr akv_status invalid = AKV_ERROR_INVALID_ARGUMENT;
  refused(invalid, "num_layers is 0", [](akv_model &m) { m.num_layers = 0; });
  refused(invalid, "num_layers is 65536", [](akv_model &m) { m.num_layers = 65536; });
  refused(invalid, "query_heads is 0", [](akv_model &m) { m.query_heads = 0; });
  refused(invalid, "query_heads is 4294967295", [](akv_model &m) { m.query_heads = UINT32_MAX; });
  refused(invalid, "kv_heads is 0", [](akv_model &m) { m.kv_heads = 0; });
  refused(invalid, "kv_heads is 65536", [](akv_model &m) { m.kv_heads = 65536; });
  refused(invalid, "3 KV heads do not divide 16", [](akv_model &m) { m.kv_heads = 3; });
  refused(invalid, "32 KV heads do not divide 16", [](akv_model &m) { m.kv_heads = 32; });
  refused(invalid, "key_head_dim is 0", [](akv_model &m) { m.key_head_dim = 0; });
  refused(invalid, "key_head_dim is 65536", [](akv_model &m) { m.key_head_dim = 65536; });
  refused(invalid, "value_head_dim is 65536", [](akv_model &m) { m.value_head_dim = 65536; });
  refused(invalid, "dtype is 7", [](akv_model &m) { m.dtype = 7; });
  refused(invalid, "attention is 1", [](akv_model &m) { m.attention = AKV_ATTENTION_MHA; });
  refused(invalid, "rope_dim is 64", [](akv_model &m) { m.rope_dim = 64; });
  refused(invalid, "MLA caches 1", [](akv_model &m) { m.latent_dim = 512; });
  refused(invalid, "latent_dim 65535 and rope_dim 1", [](akv_model &m) {
    m.latent_dim = 65535;
    m.rope_dim = m.kv_heads = 1;
  });
  refused(invalid, "latent_dim 4294967295", [](akv_model &m) {
    m.latent_dim = UINT32_MAX;
    m.kv_heads = 1;
  });
  refused(invalid, "max_context is 2147483648", [](akv_model &m) { m.max_context = 1u << 31; });
  refused(invalid, "sliding_window is 0", [](akv_model &m) { m.sliding_window = 0; });
  refused(invalid, "beyond the 42", [](akv_model &m) { m.window_layers[0] |= 1ull << 42; });
  refused(invalid, "beyond the 42", [](akv_model &m) { m.window_layers[3] = 1ull << 63; });
  refused(AKV_ERROR_UNSUPPORTED, "257", [](akv_model &m) { m.num_layers = 257; });
  for (const std::uint32_t layers : {63u, 64u, 65u}) {  // around the end of a word
    akv_model edge = made(layers, 1, 1, 1);
    edge.sliding_window = 5;
    edge.window_layers[(layers - 1) / 64] = 1ull << (layers - 1) % 64;
    OK(status_of(edge));
    edge.window_layers[layers / 64] |= 1ull << layers % 64;
    CHECK(status_of(edge) == AKV_ERROR_INVALID_ARGUMENT);
  }
  akv_model many = made(257, 1, 1, 1);
  many.sliding_window = 5;  // of all
  OK(status_of(many));
}

TEST_CASE("model: sizes at the limits are exact, and beyond 2^64 - 1 OUT_OF_RANGE") {
  const akv_model largest = made(65535, 65535, 65535, 65535);
  const std::uint64_t token = 2ull * 65535 * 65535 * 65535 * 4;
  CHECK(sizes_of(largest, UINT64_MAX / token, AKV_DTYPE_F32).bytes == UINT64_MAX / token * token);
  CHECK(status_of(largest, UINT64_MAX / token + 1, AKV_DTYPE_F32) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(status_of(largest, UINT64_MAX) == AKV_ERROR_OUT_OF_RANGE);
  const akv_model one = made(1, 1, 1, 1);
  CHECK(sizes_of(one, UINT64_MAX / 4).bytes == UINT64_MAX / 4 * 4);
  CHECK(status_of(one, UINT64_MAX / 4 + 1) == AKV_ERROR_OUT_OF_RANGE);
  const akv_model grouped = made(1, 2, 1, 1);  // its own bytes fit, those of its query heads do not
  CHECK(status_of(grouped, UINT64_MAX / 4) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("model: A6 KV heads are detected from dimensions alone") {
  std::uint32_t heads = 99;
  OK(akv_model_detect_kv_heads(1024, 128, 32, &heads));  // Mistral-7B's k_proj
  CHECK(heads == 8);
  OK(akv_model_detect_kv_heads(128, 64, 14, &heads));  // Qwen2.5-0.5B's
  CHECK(heads == 2);
  OK(akv_model_detect_kv_heads((9216 - 32 * 96) / 2, 96, 32, &heads));  // Phi-3-mini's qkv_proj
  CHECK(heads == 32);
  OK(akv_model_detect_kv_heads(192, 64, 0, &heads));
  CHECK(heads == 3);
  OK(akv_model_detect_kv_heads(65535, 1, 0, &heads));
  CHECK(heads == 65535);
  for (const std::uint64_t rows : {0ull, 127ull, 129ull, 65536ull * 128, ~0ull})
    CHECK(akv_model_detect_kv_heads(rows, 128, 0, &heads) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_model_detect_kv_heads(3 * 128, 128, 32, &heads) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(last_error().find("3 heads, which do not divide 32") != std::string::npos);
  CHECK(akv_model_detect_kv_heads(1024, 0, 32, &heads) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_model_detect_kv_heads(1024, 128, 65536, &heads) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(heads == 65535);
}

TEST_CASE("model: A6 every preset's layer group makes a cache, and the cache's price is the model's") {
  for (std::uint32_t i = 1; akv_model_name(i) != nullptr; ++i) {
    INFO(akv_model_name(i));
    const akv_model model = found(akv_model_name(i));
    akv_plane planes[2] = {};
    akv_layer_group group{};
    group.plane_size = sizeof(akv_plane);
    OK(akv_model_read_group(&model, AKV_DTYPE_F32, &group, sizeof group, planes, 2));
    const bool mla = model.attention == AKV_ATTENTION_MLA;
    CHECK((group.rule == AKV_RULE_FULL && group.planes == planes && group.num_planes == (mla ? 1u : 2u)));
    CHECK((planes[0].role == (mla ? AKV_PLANE_LATENT : AKV_PLANE_KEYS) && planes[0].dtype == AKV_DTYPE_F32));
    CHECK(group.query_heads == (mla ? 0 : model.query_heads));
    if (mla) CHECK((planes[0].kv_heads == 1 && planes[0].head_dim == 512 + 64));
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_groups = 1;
    config.group_size = sizeof group;
    config.groups = &group;
    akv_sizes price = AKV_SIZES_INIT;
    OK(akv_cache_config_sizes(&config, &price));
    const akv_model_sizes sizes = sizes_of(model, 16, AKV_DTYPE_F32);
    CHECK((price.bytes_per_token == sizes.bytes_per_token && price.bytes_per_block == sizes.bytes));
    if (!mla) CHECK(price.query_head_bytes == sizes.query_head_bytes * 4096);
    akv_cache *cache = nullptr;
    OK(akv_cache_create(&config, &cache));
    OK(akv_cache_destroy(cache));
  }
}

TEST_CASE("model: an array of one plane too few is BUFFER_TOO_SMALL, and nothing is written") {
  const akv_model model = found("Mistral-7B");
  akv_plane planes[2] = {};
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  for (const std::uint32_t capacity : {0u, 1u}) {
    CHECK(akv_model_read_group(&model, 0, &group, sizeof group, planes, capacity) == AKV_ERROR_BUFFER_TOO_SMALL);
    CHECK((group.num_planes == 0 && group.planes == nullptr && planes[0].role == 0));
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    OK(akv_last_error_detail(&detail));
    CHECK((detail.needed == 2 && detail.available == capacity));
  }
  const akv_model latent = found("DeepSeek-V3");
  OK(akv_model_read_group(&latent, 0, &group, sizeof group, planes, 1));
  CHECK(akv_model_read_group(&model, 7, &group, sizeof group, planes, 2) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("model: families and kinds of attention have names, unknown ones too") {
  CHECK(akv_family_name(found("Qwen3-8B").family) == std::string("Qwen"));
  CHECK(akv_attention_name(found("Qwen3-8B").attention) == std::string("GQA"));
  std::set<std::string> names;
  for (std::uint32_t family = 0; family <= AKV_FAMILY_GPT + 1; ++family)
    CHECK(names.insert(akv_family_name(family)).second);
  for (std::uint32_t kind = 0; kind <= AKV_ATTENTION_MLA; ++kind) CHECK(names.insert(akv_attention_name(kind)).second);
  CHECK(akv_family_name(UINT32_MAX) == std::string("unknown family"));
}
