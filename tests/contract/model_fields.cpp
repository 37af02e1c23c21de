// model_fields.cpp: what the numbers of a config.json mean: KV heads, head dims, MLA, windows, dtypes.
// It knows the public API only; reading a file is the command's (tests/integration/test_plan.py).
#include "fixture.hpp"

#include <cstring>

using namespace akv::test;

namespace {

akv_model_fields fields(const char *type, std::uint32_t layers, std::uint32_t heads, std::uint32_t kv_heads,
                        std::uint32_t hidden, std::uint32_t context = 4096) {
  akv_model_fields f = AKV_MODEL_FIELDS_INIT;
  f.model_type = type;
  f.torch_dtype = "bfloat16";
  f.num_hidden_layers = layers;
  f.num_attention_heads = heads;
  f.num_key_value_heads = kv_heads;
  f.hidden_size = hidden;
  f.max_position_embeddings = context;
  return f;
}

akv_model understood(const akv_model_fields &f) {
  akv_model model = AKV_MODEL_INIT;
  OK(akv_model_from_fields(&f, &model));
  return model;
}

void refused(const akv_model_fields &f, akv_status status, const char *told) {
  akv_model model = AKV_MODEL_INIT;
  CHECK(akv_model_from_fields(&f, &model) == status);
  INFO(last_error());
  CHECK(last_error().find(told) != std::string::npos);
  CHECK(model.num_layers == 0);
}

// All but the preset's number must be the same.
bool is_preset(akv_model model, const char *name) {
  akv_model preset = AKV_MODEL_INIT;
  OK(akv_model_find(name, &preset));
  model.preset = preset.preset;
  return std::memcmp(&model, &preset, sizeof model) == 0;
}

}  // namespace

TEST_CASE("fields: A6 the published numbers of each family make its preset") {
  CHECK(is_preset(understood(fields("mistral", 32, 32, 8, 4096, 32768)), "Mistral-7B"));
  CHECK(is_preset(understood(fields("mixtral", 32, 32, 8, 4096, 32768)), "Mixtral-8x7B"));
  CHECK(is_preset(understood(fields("llama", 32, 32, 8, 4096, 8192)), "Llama-3-8B"));
  CHECK(is_preset(understood(fields("llama", 80, 64, 8, 8192, 8192)), "Llama-3-70B"));
  CHECK(is_preset(understood(fields("llama", 30, 9, 3, 576, 8192)), "SmolLM2-135M"));
  CHECK(is_preset(understood(fields("phi3", 40, 40, 10, 5120, 16384)), "Phi-4"));
  akv_model_fields f = fields("llama", 32, 32, 0, 4096);
  f.torch_dtype = "float16";
  CHECK(is_preset(understood(f), "Llama-2-7B"));
  f = fields("mistral", 32, 32, 8, 4096, 32768);
  f.sliding_window = 4096;
  CHECK(is_preset(understood(f), "Mistral-7B-v0.1"));
  f = fields("phi3", 32, 32, 32, 3072);
  f.sliding_window = 2047;
  CHECK(is_preset(understood(f), "Phi-3-mini"));
  f = fields("qwen2", 24, 14, 2, 896, 32768);
  f.sliding_window = 32768;  // named, not used
  f.use_sliding_window = AKV_SLIDING_FALSE;
  f.max_window_layers = 24;
  CHECK(is_preset(understood(f), "Qwen2.5-0.5B"));
  f.use_sliding_window = AKV_SLIDING_ABSENT;
  CHECK(is_preset(understood(f), "Qwen2.5-0.5B"));
  f = fields("qwen3", 36, 32, 8, 4096, 40960);
  f.head_dim = 128;
  CHECK(is_preset(understood(f), "Qwen3-8B"));
  f = fields("gemma2", 42, 16, 8, 3584, 8192);
  f.sliding_window = 4096;
  CHECK(is_preset(understood(f), "Gemma-2-9B"));
  f = fields("gemma3_text", 34, 0, 0, 2560, 0);  // its config.json names no heads
  f.sliding_window = 1024;
  CHECK(is_preset(understood(f), "Gemma-3-4B"));
  f = fields("deepseek_v3", 61, 128, 128, 7168, 163840);
  f.kv_lora_rank = 512;
  f.qk_rope_head_dim = 64;
  f.qk_nope_head_dim = f.v_head_dim = 128;
  CHECK(is_preset(understood(f), "DeepSeek-V3"));
  f = fields("falcon", 32, 71, 71, 4544, 2048);
  f.multi_query = 1;
  CHECK(is_preset(understood(f), "Falcon-7B"));
}

TEST_CASE("fields: A6 KV heads: absent is MHA, multi_query is one, a new Falcon's are its own, a projection has rows") {
  CHECK(understood(fields("gpt2", 12, 12, 0, 768)).attention == AKV_ATTENTION_MHA);
  CHECK(understood(fields("gpt2", 12, 12, 0, 768)).kv_heads == 12);
  CHECK(understood(fields("gpt2", 12, 12, 0, 768)).family == AKV_FAMILY_GPT);
  akv_model_fields f = fields("gpt_bigcode", 40, 48, 0, 6144);
  f.multi_query = 1;
  CHECK((understood(f).kv_heads == 1 && understood(f).attention == AKV_ATTENTION_MQA));
  f = fields("falcon", 60, 128, 8, 8192);
  f.multi_query = f.new_decoder_architecture = 1;
  CHECK((understood(f).kv_heads == 8 && understood(f).attention == AKV_ATTENTION_GQA));
  f = fields("llama", 32, 32, 0, 4096);
  f.key_projection_rows = 1024;
  CHECK(understood(f).kv_heads == 8);
  f.num_key_value_heads = 8;
  CHECK(understood(f).kv_heads == 8);
  f.num_key_value_heads = 4;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "4 KV heads, and a key projection of 1024 rows has 8");
  f.key_projection_rows = 1000;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "1000 rows");
  refused(fields("llama", 32, 32, 7, 4096), AKV_ERROR_INVALID_ARGUMENT, "7 KV heads do not divide 32");
}

TEST_CASE("fields: A6 a head_dim that is not there is hidden_size / heads, and must come out whole") {
  CHECK(understood(fields("other", 1, 9, 3, 576)).key_head_dim == 64);
  akv_model_fields f = fields("other", 1, 8, 4, 2560);
  f.head_dim = 256;  // not 320
  CHECK((understood(f).key_head_dim == 256 && understood(f).value_head_dim == 256));
  f.hidden_size = 0;
  CHECK(understood(f).key_head_dim == 256);
  f.head_dim = 0;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "hidden_size");
  refused(fields("other", 1, 9, 3, 577), AKV_ERROR_INVALID_ARGUMENT, "577 is not a multiple of 9");
  CHECK(understood(fields("gemma", 18, 8, 1, 2048)).key_head_dim == 256);
  CHECK(understood(fields(nullptr, 1, 1, 1, 1)).family == AKV_FAMILY_OTHER);
}

TEST_CASE("fields: A6 what is missing or cannot be is refused with its name") {
  refused(fields("llama", 0, 32, 8, 4096), AKV_ERROR_INVALID_ARGUMENT, "num_hidden_layers");
  refused(fields("llama", 32, 0, 8, 4096), AKV_ERROR_INVALID_ARGUMENT, "num_attention_heads");
  refused(fields("llama", 65536, 32, 8, 4096), AKV_ERROR_INVALID_ARGUMENT, "num_layers is 65536");
  refused(fields("llama", 32, 32, 8, 4096, 1u << 31), AKV_ERROR_INVALID_ARGUMENT, "max_context is 2147483648");
  refused(fields("llama", 32, 1, 1, UINT32_MAX), AKV_ERROR_INVALID_ARGUMENT, "key_head_dim is 4294967295");
  akv_model_fields f = fields("deepseek_v2", 27, 16, 16, 2048);
  f.kv_lora_rank = 512;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "qk_rope_head_dim");
  f.qk_rope_head_dim = 64;
  CHECK((understood(f).attention == AKV_ATTENTION_MLA && understood(f).key_head_dim == 0));
  f.qk_nope_head_dim = f.v_head_dim = UINT32_MAX;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "qk_nope_head_dim is 4294967295");
  f.qk_nope_head_dim = 128;
  f.kv_lora_rank = UINT32_MAX;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "value_head_dim is 4294967295");
  f = fields("llama", 32, 32, 8, 4096);
  f.multi_query = 2;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "multi_query is 2");
  f.multi_query = 0;
  f.use_sliding_window = 3;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "use_sliding_window 3");
}

TEST_CASE("fields: A6 dtypes by their names; one that K/V do not come in is UNSUPPORTED") {
  akv_model_fields f = fields("llama", 32, 32, 8, 4096);
  const auto dtype = [&f](const char *name) {
    f.torch_dtype = name;
    return understood(f).dtype;
  };
  CHECK((dtype(nullptr) == AKV_DTYPE_F16 && dtype("auto") == AKV_DTYPE_F16 && dtype("float16") == AKV_DTYPE_F16));
  CHECK((dtype("bfloat16") == AKV_DTYPE_BF16 && dtype("torch.bfloat16") == AKV_DTYPE_BF16));
  CHECK((dtype("float32") == AKV_DTYPE_F32 && dtype("float8_e4m3fn") == AKV_DTYPE_F8_E4M3));
  CHECK(dtype("int8") == AKV_DTYPE_I8);
  f.torch_dtype = "complex64";
  refused(f, AKV_ERROR_UNSUPPORTED, "torch_dtype");
}

TEST_CASE("fields: A6 windows by a list, a pattern, a first layer, or all; other layers are UNSUPPORTED") {
  akv_model_fields f = fields("gpt_oss", 4, 8, 8, 64);
  f.sliding_window = 128;
  CHECK((understood(f).sliding_window == 128 && understood(f).window_layers[0] == 0));  // all
  f.num_layer_types = 4;
  f.sliding_layers[0] = 0x5;
  CHECK((understood(f).sliding_window == 128 && understood(f).window_layers[0] == 0x5));
  f.sliding_layers[0] = 0xf;
  CHECK((understood(f).sliding_window == 128 && understood(f).window_layers[0] == 0));
  f.sliding_layers[0] = 0;
  CHECK(understood(f).sliding_window == 0);
  f.num_layer_types = 5;
  refused(f, AKV_ERROR_INVALID_ARGUMENT, "layer_types has 5 elements, num_hidden_layers is 4");
  f.num_layer_types = 4;
  f.num_other_layers = 2;
  refused(f, AKV_ERROR_UNSUPPORTED, "2 of 4 layers");
  f.num_layer_types = 0;  // whoever says it in another way
  refused(f, AKV_ERROR_UNSUPPORTED, "2 of 4 layers");
  f = fields("cohere2", 10, 8, 8, 64);
  f.sliding_window = 128;
  f.sliding_window_pattern = 4;
  CHECK(understood(f).window_layers[0] == 0x377);
  f.sliding_window_pattern = 1;  // the last of each one
  CHECK(understood(f).sliding_window == 0);
  f = fields("qwen2", 10, 8, 8, 64);
  f.sliding_window = 128;
  CHECK(understood(f).sliding_window == 0);  // Qwen's are off unless they say so
  f.use_sliding_window = AKV_SLIDING_TRUE;
  CHECK((understood(f).sliding_window == 128 && understood(f).window_layers[0] == 0));
  f.max_window_layers = 7;
  CHECK((understood(f).sliding_window == 128 && understood(f).window_layers[0] == 0x380));
  f.max_window_layers = 99;
  CHECK(understood(f).sliding_window == 0);
  f = fields("llama", 300, 8, 8, 64);
  f.sliding_window = 128;
  CHECK(understood(f).sliding_window == 128);
  f.sliding_window_pattern = 2;
  refused(f, AKV_ERROR_UNSUPPORTED, "num_hidden_layers is 300");
  f.num_hidden_layers = 256;
  const akv_model model = understood(f);
  for (const std::uint64_t word : model.window_layers) CHECK(word == 0x5555555555555555ull);
}

TEST_CASE("fields: A6 model types with layers without K/V are refused by name, unless layer_types has none of them") {
  for (const char *type :
       {"jamba", "qwen3_next", "bamba", "nemotron_h", "recurrent_gemma", "zamba2", "lfm2", "mamba"}) {
    akv_model_fields f = fields(type, 4, 8, 8, 64);
    refused(f, AKV_ERROR_UNSUPPORTED, type);
    refused(f, AKV_ERROR_UNSUPPORTED, "layers without K/V");
    f.num_layer_types = 4;
    CHECK(understood(f).num_layers == 4);
    f.num_other_layers = 3;
    refused(f, AKV_ERROR_UNSUPPORTED, "3 of 4 layers");
  }
  for (const char *type : {"qwen3", "gemma3", "falcon", "falcon_h1", "mambas"})
    CHECK(understood(fields(type, 4, 8, 8, 64)).num_layers == 4);
}
