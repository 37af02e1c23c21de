// config_json.cpp: see config_json.hpp. The file is a stranger's: its size, depth, keys and types are all checked.
#include "plan/config_json.hpp"

#include "cache.hpp"
#include "error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

namespace replay {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = 16u << 20;  // real ones have some KiB
constexpr int kMaxDepth = 64;

std::string read_text(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Failure("--model: cannot read " + quoted(path) + ": " + std::strerror(errno));
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw Failure("--model: cannot read " + quoted(path) + ": " + std::strerror(errno));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxBytes)
    throw Failure("--model: " + quoted(path) + " has over " + std::to_string(kMaxBytes) +
                  " bytes: that is no config.json");
  return text;
}

// The text as JSON. Nesting has a limit, and a key counts once: which of two was meant?
Json parse(const std::string &text) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&keys](int depth, Json::parse_event_t event, Json &value) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kMaxDepth) throw Failure("it is nested over " + std::to_string(kMaxDepth) + " deep");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw Failure("the key " + quoted(value.get<std::string>()) + " is there twice");
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::parse_error &error) {
    throw Failure("it is no JSON, at byte " + std::to_string(error.byte));
  } catch (const Json::exception &) {  // a number that no double holds
    throw Failure("a number in it is out of range");
  }
}

// An object of the file, and its place in there for messages.
class Object {
 public:
  Object(const Json &json, std::string place) : json_(json), place_(std::move(place)) {}

  // The object of this name; this one itself, if there is none.
  Object inner(const char *name) const {
    const Json *const found = find(name);
    if (found == nullptr) return *this;
    if (!found->is_object()) refuse(name, *found, "an object");
    return Object(*found, place_ + name + ".");
  }

  // The first of these names that is there: a whole number from `least`, or 0 for none.
  std::uint32_t number(std::initializer_list<const char *> names, std::uint32_t least = 1) const {
    for (const char *name : names) {
      const Json *const found = find(name);
      if (found == nullptr) continue;
      if (!found->is_number_unsigned() || found->get<std::uint64_t>() < least ||
          found->get<std::uint64_t>() > UINT32_MAX)
        refuse(name, *found, "a whole number from " + std::to_string(least) + " to 4294967295");
      return found->get<std::uint32_t>();
    }
    return 0;
  }

  // 1 for true, 0 for false and for none.
  std::uint32_t flag(const char *name) const {
    const Json *const found = find(name);
    if (found != nullptr && !found->is_boolean()) refuse(name, *found, "true or false");
    return found != nullptr && found->get<bool>() ? 1 : 0;
  }

  bool has(const char *name) const { return find(name) != nullptr; }

  std::string text(std::initializer_list<const char *> names) const {
    for (const char *name : names) {
      const Json *const found = find(name);
      if (found == nullptr) continue;
      if (!found->is_string()) refuse(name, *found, "a text");
      return found->get<std::string>();
    }
    return {};
  }

  // An array of texts, empty if there is none.
  std::vector<std::string> texts(const char *name) const {
    const Json *const found = find(name);
    if (found == nullptr) return {};
    std::vector<std::string> result;
    if (!found->is_array()) refuse(name, *found, "an array of texts");
    for (const Json &element : *found) {
      if (!element.is_string()) refuse(name, element, "an array of texts");
      result.push_back(element.get<std::string>());
    }
    return result;
  }

  // An array of whole numbers below `end`, empty if there is none.
  std::set<std::uint32_t> numbers(const char *name, std::uint32_t end) const {
    const Json *const found = find(name);
    if (found == nullptr) return {};
    const std::string must = "an array of whole numbers below " + std::to_string(end);
    std::set<std::uint32_t> result;
    if (!found->is_array()) refuse(name, *found, must);
    for (const Json &element : *found) {
      if (!element.is_number_unsigned() || element.get<std::uint64_t>() >= end) refuse(name, element, must);
      result.insert(element.get<std::uint32_t>());
    }
    return result;
  }

  // `name` says that so many of the layers have attention.
  void require_all(const char *name, std::uint32_t attention, std::uint32_t layers) const {
    if (attention == layers) return;
    throw Failure(place_ + name + " leaves " + std::to_string(layers - attention) + " of " + std::to_string(layers) +
                  " layers without attention: layers without K/V are not supported");
  }

  [[noreturn]] void refuse(const std::string &name, const Json &value, const std::string &must) const {
    const std::string shown = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    throw Failure(place_ + name + " is " + quoted(shown) + ", must be " + must);
  }

 private:
  const Json *find(const char *name) const {
    const auto found = json_.find(name);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  const Json &json_;
  std::string place_;
};

void read_layer_types(const Object &object, akv_model_fields &fields) {
  const std::vector<std::string> types = object.texts("layer_types");
  if (types.size() > 65535) object.refuse("layer_types", Json(types.size()), "an array of up to 65535 texts");
  fields.num_layer_types = static_cast<std::uint32_t>(types.size());
  for (std::size_t layer = 0; layer < types.size(); ++layer) {
    if (types[layer] == "full_attention" || types[layer] == "attention") continue;
    if (types[layer] != "sliding_attention" && types[layer] != "chunked_attention") ++fields.num_other_layers;
    else if (layer < AKV_MAX_WINDOW_LAYERS) fields.sliding_layers[layer / 64] |= std::uint64_t{1} << layer % 64;
  }
}

// What models with other layers write instead of layer_types: Jamba, Qwen3-Next, Bamba, Nemotron-H, RecurrentGemma and
// Zamba, and whoever does as they do.
void refuse_other_layers(const Object &object, std::uint32_t layers) {
  if (object.has("attn_layer_period")) {
    const std::uint32_t period = object.number({"attn_layer_period"}), first = object.number({"attn_layer_offset"}, 0);
    object.require_all("attn_layer_period", first < layers ? (layers - first - 1) / period + 1 : 0, layers);
  }
  if (object.has("full_attention_interval"))
    object.require_all("full_attention_interval", layers / object.number({"full_attention_interval"}), layers);
  if (object.has("attn_layer_indices"))
    object.require_all("attn_layer_indices",
                       static_cast<std::uint32_t>(object.numbers("attn_layer_indices", layers).size()), layers);
  if (object.has("hybrid_override_pattern")) {
    const std::string pattern = object.text({"hybrid_override_pattern"});
    const auto attention = static_cast<std::uint32_t>(std::count(pattern.begin(), pattern.end(), '*'));
    object.require_all("hybrid_override_pattern", std::min(attention, layers), layers);
  }
  for (const char *name : {"block_types", "layers_block_type"}) {
    const std::vector<std::string> types = object.texts(name);  // the first of the two is repeated
    std::uint32_t attention = 0;
    for (std::uint32_t layer = 0; layer < layers && !types.empty(); ++layer)
      attention += types[layer % types.size()] == "attention";
    if (!types.empty()) object.require_all(name, attention, layers);
  }
}

akv_model model_of(const Json &json) {
  const Object top(json, "");
  const Object object = top.inner("text_config");  // a model that sees or hears as well
  const std::string type = (object.has("model_type") ? object : top).text({"model_type"});
  const std::string dtype =
      (object.has("torch_dtype") || object.has("dtype") ? object : top).text({"torch_dtype", "dtype"});
  akv_model_fields f = AKV_MODEL_FIELDS_INIT;
  f.model_type = type.c_str();
  f.torch_dtype = dtype.c_str();
  f.num_hidden_layers = object.number({"num_hidden_layers", "n_layer", "n_layers", "num_layers"});
  f.num_attention_heads = object.number({"num_attention_heads", "n_head", "n_heads"});
  f.num_key_value_heads = object.number({"num_key_value_heads", "n_head_kv", "num_kv_heads", "multi_query_group_num"});
  if (f.num_key_value_heads == 0) f.num_key_value_heads = object.inner("attn_config").number({"kv_n_heads"});
  f.hidden_size = object.number({"hidden_size", "n_embd", "d_model"});
  f.head_dim = object.number({"head_dim", "kv_channels"});
  f.max_position_embeddings =
      object.number({"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"});
  f.multi_query = object.flag("multi_query");
  f.new_decoder_architecture = object.flag("new_decoder_architecture");
  f.kv_lora_rank = object.number({"kv_lora_rank"}, 0);
  f.qk_rope_head_dim = object.number({"qk_rope_head_dim"}, 0);
  f.qk_nope_head_dim = object.number({"qk_nope_head_dim"}, 0);
  f.v_head_dim = object.number({"v_head_dim"}, 0);
  f.sliding_window = object.number({"sliding_window", "attention_chunk_size"}, 0);
  if (object.has("use_sliding_window"))
    f.use_sliding_window = object.flag("use_sliding_window") != 0 ? AKV_SLIDING_TRUE : AKV_SLIDING_FALSE;
  f.max_window_layers = object.number({"max_window_layers"}, 0);
  f.sliding_window_pattern = object.number({"sliding_window_pattern", "_sliding_window_pattern"});
  read_layer_types(object, f);
  if (f.num_layer_types == 0) refuse_other_layers(object, f.num_hidden_layers);
  akv_model model = AKV_MODEL_INIT;
  check(akv_model_from_fields(&f, &model), "akv_model_from_fields");
  return model;
}

}  // namespace

akv_model read_config_json(const std::string &path) {
  std::error_code none;
  const std::string file = std::filesystem::is_directory(path, none) ? path + "/config.json" : path;
  const std::string text = read_text(file);
  try {
    const Json json = parse(text);
    if (!json.is_object()) throw Failure("it is no JSON object");
    return model_of(json);
  } catch (const Failure &failure) {
    throw Failure("--model: " + quoted(file) + ": " + failure.what());
  }
}

}  // namespace replay
