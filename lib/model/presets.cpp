// presets.cpp: see presets.hpp. The numbers are those of each model's published config.json.
// It knows no file format; how a config.json is understood is in model_fields.cpp.
#include "model/presets.hpp"

#include "model/model.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace akv {
namespace {

struct Preset {
  const char *name;
  std::uint32_t family, layers, query_heads, kv_heads, head_dim, max_context;
  std::uint32_t window = 0;         // sliding window; 0: none
  std::uint32_t window_period = 1;  // of so many layers the last has none; 1: all layers have it
  std::uint32_t dtype = AKV_DTYPE_BF16;
  std::uint32_t value_head_dim = 0, latent_dim = 0, rope_dim = 0;  // MLA
};

constexpr Preset kPresets[] = {
    {"DeepSeek-V3", AKV_FAMILY_DEEPSEEK, 61, 128, 1, 192, 163840, 0, 1, AKV_DTYPE_BF16, 128, 512, 64},
    {"Falcon-7B", AKV_FAMILY_FALCON, 32, 71, 1, 64, 2048},
    {"Gemma-2-2B", AKV_FAMILY_GEMMA, 26, 8, 4, 256, 8192, 4096, 2},
    {"Gemma-2-9B", AKV_FAMILY_GEMMA, 42, 16, 8, 256, 8192, 4096, 2},
    {"Gemma-2-27B", AKV_FAMILY_GEMMA, 46, 32, 16, 128, 8192, 4096, 2},
    {"Gemma-3-1B", AKV_FAMILY_GEMMA, 26, 4, 1, 256, 32768, 512, 6},
    {"Gemma-3-4B", AKV_FAMILY_GEMMA, 34, 8, 4, 256, 131072, 1024, 6},
    {"Gemma-3-12B", AKV_FAMILY_GEMMA, 48, 16, 8, 256, 131072, 1024, 6},
    {"Gemma-3-27B", AKV_FAMILY_GEMMA, 62, 32, 16, 128, 131072, 1024, 6},
    {"Llama-2-7B", AKV_FAMILY_LLAMA, 32, 32, 32, 128, 4096, 0, 1, AKV_DTYPE_F16},
    {"Llama-2-13B", AKV_FAMILY_LLAMA, 40, 40, 40, 128, 4096, 0, 1, AKV_DTYPE_F16},
    {"Llama-2-70B", AKV_FAMILY_LLAMA, 80, 64, 8, 128, 4096, 0, 1, AKV_DTYPE_F16},
    {"Llama-3-8B", AKV_FAMILY_LLAMA, 32, 32, 8, 128, 8192},
    {"Llama-3-70B", AKV_FAMILY_LLAMA, 80, 64, 8, 128, 8192},
    {"Llama-3.1-8B", AKV_FAMILY_LLAMA, 32, 32, 8, 128, 131072},
    {"Llama-3.1-70B", AKV_FAMILY_LLAMA, 80, 64, 8, 128, 131072},
    {"Llama-3.1-405B", AKV_FAMILY_LLAMA, 126, 128, 8, 128, 131072},
    {"Llama-3.2-1B", AKV_FAMILY_LLAMA, 16, 32, 8, 64, 131072},
    {"Llama-3.2-3B", AKV_FAMILY_LLAMA, 28, 24, 8, 128, 131072},
    {"Mistral-7B", AKV_FAMILY_MISTRAL, 32, 32, 8, 128, 32768},
    {"Mistral-7B-v0.1", AKV_FAMILY_MISTRAL, 32, 32, 8, 128, 32768, 4096},
    {"Mixtral-8x7B", AKV_FAMILY_MIXTRAL, 32, 32, 8, 128, 32768},
    {"Phi-3-mini", AKV_FAMILY_PHI, 32, 32, 32, 96, 4096, 2047},
    {"Phi-3-mini-128k", AKV_FAMILY_PHI, 32, 32, 32, 96, 131072, 262144},
    {"Phi-4", AKV_FAMILY_PHI, 40, 40, 10, 128, 16384},
    {"Qwen2.5-0.5B", AKV_FAMILY_QWEN, 24, 14, 2, 64, 32768},
    {"Qwen2.5-1.5B", AKV_FAMILY_QWEN, 28, 12, 2, 128, 131072},
    {"Qwen2.5-3B", AKV_FAMILY_QWEN, 36, 16, 2, 128, 32768},
    {"Qwen2.5-7B", AKV_FAMILY_QWEN, 28, 28, 4, 128, 131072},
    {"Qwen2.5-14B", AKV_FAMILY_QWEN, 48, 40, 8, 128, 131072},
    {"Qwen2.5-32B", AKV_FAMILY_QWEN, 64, 40, 8, 128, 131072},
    {"Qwen2.5-72B", AKV_FAMILY_QWEN, 80, 64, 8, 128, 131072},
    {"Qwen3-0.6B", AKV_FAMILY_QWEN, 28, 16, 8, 128, 40960},
    {"Qwen3-4B", AKV_FAMILY_QWEN, 36, 32, 8, 128, 40960},
    {"Qwen3-8B", AKV_FAMILY_QWEN, 36, 32, 8, 128, 40960},
    {"Qwen3-14B", AKV_FAMILY_QWEN, 40, 40, 8, 128, 40960},
    {"Qwen3-32B", AKV_FAMILY_QWEN, 64, 64, 8, 128, 40960},
    {"SmolLM2-135M", AKV_FAMILY_LLAMA, 30, 9, 3, 64, 8192},
    {"SmolLM2-1.7B", AKV_FAMILY_LLAMA, 24, 32, 32, 64, 8192},
};
constexpr std::uint32_t kCount = std::size(kPresets);

constexpr const char *kAliases[][2] = {
    // other names of the same numbers
    {"DeepSeek-R1", "DeepSeek-V3"},
    {"DeepSeek-V3-0324", "DeepSeek-V3"},
    {"DeepSeek-R1-0528", "DeepSeek-V3"},
    {"DeepSeek-V3.1", "DeepSeek-V3"},
    {"Meta-Llama-3-8B", "Llama-3-8B"},
    {"Meta-Llama-3-70B", "Llama-3-70B"},
    {"Meta-Llama-3.1-8B", "Llama-3.1-8B"},
    {"Meta-Llama-3.1-70B", "Llama-3.1-70B"},
    {"Llama-3.3-70B", "Llama-3.1-70B"},
    {"Meta-Llama-3.1-405B", "Llama-3.1-405B"},
    {"Mistral-7B-v0.2", "Mistral-7B"},
    {"Mistral-7B-v0.3", "Mistral-7B"},
    {"Mixtral-8x7B-v0.1", "Mixtral-8x7B"},
    {"Phi-3-mini-4k", "Phi-3-mini"},
    {"Phi-3.5-mini", "Phi-3-mini-128k"},
    {"Qwen2-0.5B", "Qwen2.5-0.5B"},
    {"Qwen2-7B", "Qwen2.5-7B"},
    // families and series by their name alone: the one of their models that is used most, as model.h tells
    {"DeepSeek", "DeepSeek-V3"},
    {"Falcon", "Falcon-7B"},
    {"Gemma", "Gemma-3-4B"},
    {"Gemma-2", "Gemma-2-9B"},
    {"Gemma-3", "Gemma-3-4B"},
    {"Llama", "Llama-3.1-8B"},
    {"Llama-2", "Llama-2-7B"},
    {"Llama-3", "Llama-3-8B"},
    {"Llama-3.1", "Llama-3.1-8B"},
    {"Llama-3.2", "Llama-3.2-1B"},
    {"Llama-3.3", "Llama-3.1-70B"},
    {"Mistral", "Mistral-7B"},
    {"Mixtral", "Mixtral-8x7B"},
    {"Phi", "Phi-3-mini"},
    {"Phi-3", "Phi-3-mini"},
    {"Phi-3.5", "Phi-3-mini-128k"},
    {"Qwen", "Qwen2.5-7B"},
    {"Qwen2", "Qwen2.5-7B"},
    {"Qwen2.5", "Qwen2.5-7B"},
    {"Qwen3", "Qwen3-8B"},
    {"SmolLM2", "SmolLM2-1.7B"},
};

// A name with only what counts in it.
class Key {
 public:
  explicit Key(std::string_view name) noexcept {
    const std::size_t slash = name.find('/');
    if (slash != name.npos && slash != 0 && is_letter_or_digit(name[0])) name.remove_prefix(slash + 1);
    while (!name.empty()) {
      const std::size_t end = std::min(name.find_first_of("-_. "), name.size());
      add(name.substr(0, end));
      name.remove_prefix(std::min(end + 1, name.size()));
    }
  }

  std::string_view view() const noexcept { return {text_, length_}; }

 private:
  static bool is_letter_or_digit(char c) noexcept {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
  }
  static char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

  void add(std::string_view word) noexcept {
    const std::size_t begin = length_;
    for (const char c : word)
      if (length_ < sizeof text_) text_[length_++] = lower(c);  // no name of ours is as long: cut, it is none of them
    const std::string_view added(text_ + begin, length_ - begin);
    for (const std::string_view idle : {"instruct", "chat", "it", "hf", "base", "pt"})
      if (added == idle) length_ = begin;
  }

  char text_[64];
  std::size_t length_ = 0;
};

// Letters to insert, leave out or change on the way from one to the other (Levenshtein 1966).
std::uint32_t distance(std::string_view a, std::string_view b) noexcept {
  std::uint32_t row[65];
  for (std::uint32_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::uint32_t i = 0; i < a.size(); ++i) {
    std::uint32_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::uint32_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
    }
  }
  return row[b.size()];
}

Status not_found(std::string_view key) noexcept {
  std::size_t best = key.size() / 2 + 2;  // as far and farther is another name
  const char *closest = nullptr;
  for (const Preset &preset : kPresets) {
    const Key name(preset.name);
    if (const std::uint32_t d = distance(key, name.view()); d < best) {
      best = d;
      closest = preset.name;
    }
  }
  if (closest == nullptr)
    return fail(AKV_ERROR_NOT_FOUND, "no model has this name, nor one like it: akv_model_name() tells all %llu",
                kCount);
  return fail_named(AKV_ERROR_NOT_FOUND, "no model has this name, %s comes closest: akv_model_name() tells all %llu",
                    closest, kCount);
}

void read_preset(std::uint32_t number, akv_model &to) noexcept {
  const Preset &from = kPresets[number - 1];
  to = AKV_MODEL_INIT;
  to.preset = number;
  to.family = from.family;
  to.dtype = from.dtype;
  to.num_layers = from.layers;
  to.query_heads = from.query_heads;
  to.kv_heads = from.kv_heads;
  to.key_head_dim = from.head_dim;
  to.value_head_dim = from.value_head_dim;
  to.latent_dim = from.latent_dim;
  to.rope_dim = from.rope_dim;
  to.max_context = from.max_context;
  to.sliding_window = from.window;
  if (from.window != 0 && from.window_period > 1)
    for (std::uint32_t layer = 0; layer < from.layers; ++layer)
      if ((layer + 1) % from.window_period != 0) to.window_layers[layer / 64] |= std::uint64_t{1} << layer % 64;
}

}  // namespace

Status find_preset(const char *name, akv_model &to) noexcept {
  const Key key(name);
  if (key.view().empty()) return not_found({});
  Key wanted = key;
  for (const auto &[alias, is] : kAliases)
    if (Key(alias).view() == key.view()) wanted = Key(is);
  for (std::uint32_t number = 1; number <= kCount; ++number)
    if (Key(kPresets[number - 1].name).view() == wanted.view()) {
      read_preset(number, to);
      return complete_model(to);
    }
  return not_found(key.view());
}

const char *preset_name(std::uint32_t preset) noexcept {
  return preset != 0 && preset <= kCount ? kPresets[preset - 1].name : nullptr;
}

}  // namespace akv
