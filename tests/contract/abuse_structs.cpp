// abuse_structs.cpp: structs of older and newer headers, forgotten INITs, `unused` fields and values outside their set,
// for every struct of every exported function.
// It knows the public API only; the table of functions is in abuse_calls.cpp.
#include "abuse_calls.hpp"

#include <functional>

using namespace akv::test;

namespace {

// A struct that functions read: which functions, where it stands in a call, and its size.
struct Input {
  const char *name;
  std::uint64_t takes;
  std::uint32_t size;
  const void *(*get)(const Scene &);
  void (*set)(Scene &, const void *);
};
const std::vector<Input> &inputs() {
  static const std::vector<Input> all = {
      {"akv_prompt", kPrompt | kPromptOrNone, sizeof(akv_prompt),
       [](const Scene &s) -> const void * { return &s.prompt; },
       [](Scene &s, const void *at) { s.call.prompt = static_cast<const akv_prompt *>(at); }},
      {"akv_sequence_options", kOptions, sizeof(akv_sequence_options),
       [](const Scene &s) -> const void * { return &s.options; },
       [](Scene &s, const void *at) { s.call.options = static_cast<const akv_sequence_options *>(at); }},
      {"akv_batch", kBatch, sizeof(akv_batch), [](const Scene &s) -> const void * { return &s.batch; },
       [](Scene &s, const void *at) { s.call.batch = static_cast<const akv_batch *>(at); }},
      {"akv_tables", kTables | kTablesOrNone, sizeof(akv_tables),
       [](const Scene &s) -> const void * { return &s.tables; },
       [](Scene &s, const void *at) { s.call.tables = static_cast<const akv_tables *>(at); }},
      {"akv_cache_config", kConfig, sizeof(akv_cache_config), [](const Scene &s) -> const void * { return &s.config; },
       [](Scene &s, const void *at) { s.call.config = static_cast<const akv_cache_config *>(at); }},
      {"akv_stream_config", kStreamConfig, sizeof(akv_stream_config),
       [](const Scene &s) -> const void * { return &s.stream_config; },
       [](Scene &s, const void *at) { s.call.stream_config = static_cast<const akv_stream_config *>(at); }},
      {"akv_model", kModel, sizeof(akv_model), [](const Scene &s) -> const void * { return &s.model; },
       [](Scene &s, const void *at) { s.call.model = static_cast<const akv_model *>(at); }},
      {"akv_model_fields", kFields, sizeof(akv_model_fields), [](const Scene &s) -> const void * { return &s.fields; },
       [](Scene &s, const void *at) { s.call.fields = static_cast<const akv_model_fields *>(at); }},
      {"akv_planner_request", kRequest, sizeof(akv_planner_request),
       [](const Scene &s) -> const void * { return &s.request; },
       [](Scene &s, const void *at) { s.call.request = static_cast<const akv_planner_request *>(at); }},
      {"akv_store_config", kStoreConfig, sizeof(akv_store_config),
       [](const Scene &s) -> const void * { return &s.store_config; },
       [](Scene &s, const void *at) { s.call.store_config = static_cast<const akv_store_config *>(at); }},
      {"akv_view", kView, sizeof(akv_view), [](const Scene &s) -> const void * { return &s.view; },
       [](Scene &s, const void *at) { s.call.view = static_cast<const akv_view *>(at); }},
  };
  return all;
}

// The bytes of a struct as a header of another version has them: `size` bytes, zeroes where ours ends.
struct Bytes {
  Bytes(const void *from, std::uint32_t its_size, std::uint32_t size) : words(1100) {
    std::memcpy(words.data(), from, its_size);
    std::memcpy(words.data(), &size, sizeof size);
  }
  unsigned char &operator[](std::size_t i) { return reinterpret_cast<unsigned char *>(words.data())[i]; }
  const void *data() const { return words.data(); }
  std::vector<std::uint64_t> words;
};

// Every input struct of every function once.
template <class Each>
void for_each_input(Each each) {
  for (const Function &function : every_function())
    for (const Input &input : inputs()) {
      if (!function.has(input.takes)) continue;
      INFO(function.name << " with " << input.name);
      each(function, input);
    }
}

void refused_with_size(const Function &function, const Input &input, std::uint32_t size, akv_status status) {
  INFO("struct_size " << size);
  Scene scene(function);
  const Bytes bytes(input.get(scene), input.size, size);
  input.set(scene, bytes.data());
  scene.refused(status);
}

std::uint32_t read_size(const unsigned char *from) {
  std::uint32_t size;
  std::memcpy(&size, from, sizeof size);
  return size;
}

}  // namespace

TEST_CASE("abuse: an input struct whose struct_size is 0, too small or over 4096 is INVALID_ARGUMENT") {
  for_each_input([](const Function &function, const Input &input) {
    for (const std::uint32_t size : {0u, 1u, 4u, input.size - 1, 4097u, 0x80000000u, 0xffffffffu})
      refused_with_size(function, input, size, AKV_ERROR_INVALID_ARGUMENT);
  });
}

TEST_CASE("abuse: an input struct of a newer header is fine while what is new in it is zero, else UNSUPPORTED") {
  for_each_input([](const Function &function, const Input &input) {
    for (const std::uint32_t size : {input.size + 1, input.size + 8, 4096u}) {
      INFO("struct_size " << size);
      Scene scene(function);
      Bytes bytes(input.get(scene), input.size, size);
      bytes[size] = 1;  // behind its end: not looked at
      input.set(scene, bytes.data());
      OK(scene.run());
      scene.tidy();
    }
    for (const std::uint32_t at : {input.size, input.size + 7, 4095u}) {
      INFO("byte " << at);
      Scene scene(function);
      Bytes bytes(input.get(scene), input.size, 4096);
      bytes[at] = 1;
      input.set(scene, bytes.data());
      scene.refused(AKV_ERROR_UNSUPPORTED);
    }
  });
}

TEST_CASE("abuse: a forgotten INIT, all zeroes, is INVALID_ARGUMENT and the message says what to do") {
  for_each_input([](const Function &function, const Input &input) {
    Scene scene(function);
    const std::vector<std::uint64_t> zeroes(1100);
    input.set(scene, zeroes.data());
    scene.refused(AKV_ERROR_INVALID_ARGUMENT);
    CHECK(last_error() == "struct_size is 0: start from the struct's AKV_..._INIT");
  });
}

TEST_CASE("abuse: an output struct whose struct_size is 0, too small or over 4096 is INVALID_ARGUMENT") {
  for (const Function &function : every_function()) {
    if (function.out_size == 0) continue;
    for (const std::uint32_t size : {0u, 1u, 4u, 7u, 4097u, 0x80000000u, 0xffffffffu}) {
      INFO("struct_size " << size);
      Scene scene(function);
      std::memcpy(scene.outputs.out, &size, sizeof size);
      scene.refused(AKV_ERROR_INVALID_ARGUMENT);
    }
  }
}

TEST_CASE("abuse: an output struct of an older header gets only the bytes it has, and keeps its size") {
  for (const Function &function : every_function()) {
    if (function.out_size == 0) continue;
    for (std::uint32_t size = 8; size <= function.out_size; size += 4) {
      INFO(function.name << ", struct_size " << size);
      Scene scene(function);
      std::memcpy(scene.outputs.out, &size, sizeof size);
      OK(scene.run());
      CHECK(read_size(scene.outputs.out) == size);
      for (std::size_t i = size; i < sizeof scene.outputs.out; ++i) REQUIRE(scene.outputs.out[i] == kCanary);
      if (function.has(kOnce)) continue;
      const Outputs shorter = scene.outputs;
      std::memcpy(scene.outputs.out, &function.out_size, sizeof size);
      OK(scene.run());
      CHECK(std::memcmp(shorter.out + 4, scene.outputs.out + 4, size - 4) == 0);
    }
  }
}

TEST_CASE("abuse: an output struct of a newer header gets zeroes where it is newer, and not a byte more") {
  for (const Function &function : every_function()) {
    if (function.out_size == 0) continue;
    for (const std::uint32_t size : {function.out_size + 1, function.out_size + 40, 4096u}) {
      INFO(function.name << ", struct_size " << size);
      Scene scene(function);
      std::memcpy(scene.outputs.out, &size, sizeof size);
      OK(scene.run());
      CHECK(read_size(scene.outputs.out) == size);
      for (std::size_t i = function.out_size; i < size; ++i) REQUIRE(scene.outputs.out[i] == 0);
      for (std::size_t i = size; i < sizeof scene.outputs.out; ++i) REQUIRE(scene.outputs.out[i] == kCanary);
    }
  }
}

TEST_CASE("abuse: elements of output arrays follow the size that the caller says") {
  for (const Function &function : every_function()) {
    if (!function.has(kElement)) continue;
    INFO(function.name);
    for (const std::uint32_t size : {0u, 1u, function.element_size - 1, 4097u, 0xffffffffu}) {
      Scene scene(function);
      scene.call.element_size = size;
      scene.refused(AKV_ERROR_INVALID_ARGUMENT);
    }
    Scene ours(function), newer(function);
    OK(ours.run());
    newer.call.element_size = function.element_size + 8;
    OK(newer.run());
    const unsigned char *lines = function.has(kGroup) ? newer.outputs.out : newer.outputs.array;
    const std::uint32_t count = function.has(kGroup) ? 1 : newer.outputs.count;
    for (std::uint32_t i = 0; i < count; ++i)
      for (std::uint32_t k = 0; k < 8; ++k)
        REQUIRE(lines[(i + 1) * std::size_t{function.element_size + 8} - 8 + k] == 0);
    CHECK(lines[count * std::size_t{function.element_size + 8}] == kCanary);
  }
  // Planes have a size of their own.
  for (const std::uint32_t size : {0u, static_cast<std::uint32_t>(sizeof(akv_plane)) - 1, 4097u}) {
    Scene scene(function_named("akv_cache_read_group"));
    scene.call.out_as<akv_layer_group>()->plane_size = size;
    scene.refused(AKV_ERROR_INVALID_ARGUMENT);
  }
  Scene planes(function_named("akv_cache_read_group"));
  planes.call.out_as<akv_layer_group>()->plane_size = sizeof(akv_plane) + 16;
  OK(planes.run());
  for (std::size_t i = 0; i < 16; ++i) CHECK(planes.outputs.array[sizeof(akv_plane) + i] == 0);
  CHECK(planes.call.out_as<akv_layer_group>()->plane_size == sizeof(akv_plane) + 16);
  CHECK(planes.outputs.array[2 * (sizeof(akv_plane) + 16)] == kCanary);
}

TEST_CASE("abuse: unknown flags in structs are UNSUPPORTED, each bit of them") {
  for (std::uint32_t bit = 1; bit != 0; bit <<= 1) {
    INFO("flag " << bit);
    for (const Function &function : every_function()) {
      Scene scene(function);
      scene.options.flags = function.has(kOptions) && bit > AKV_SEQUENCE_CONTIGUOUS ? bit : 0;
      const bool append = function.name == std::string("akv_sequence_append_batch");
      scene.batch.flags = function.has(kBatch) && !(append && bit == AKV_APPEND_COMMITTED) ? bit : 0;
      scene.config.flags = function.has(kConfig) && bit != AKV_CACHE_PREFAULT ? bit : 0;
      if ((scene.options.flags | scene.batch.flags | scene.config.flags) != 0) scene.refused(AKV_ERROR_UNSUPPORTED);
    }
  }
  Scene both(function_named("akv_sequence_create"));
  both.options.flags = AKV_SEQUENCE_PARTIAL | AKV_SEQUENCE_NO_MATCH;
  both.refused(AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("abuse: values outside their set in a configuration are refused, by the price and by create alike") {
  const akv_plane good[2] = {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 0, 0},
                             {AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 4, 0, 0}};
  akv_plane planes[2];
  akv_layer_group group;
  const auto refuse = [&](akv_status status, const std::function<void(akv_cache_config &)> &bend) {
    for (const char *name : {"akv_cache_create", "akv_cache_config_sizes"}) {
      Scene scene(function_named(name));
      std::memcpy(planes, good, sizeof planes);
      group = {AKV_RULE_FULL, 3, 2, sizeof(akv_plane), planes, 4, 0};
      scene.config.num_groups = 1;
      scene.config.group_size = sizeof group;
      scene.config.groups = &group;
      const Outputs before = scene.outputs;
      OK(scene.run());  // until it is bent
      scene.tidy();
      scene.outputs = before;
      bend(scene.config);
      scene.refused(status);
    }
  };
  constexpr akv_status invalid = AKV_ERROR_INVALID_ARGUMENT, unsupported = AKV_ERROR_UNSUPPORTED;
  refuse(invalid, [](akv_cache_config &c) { c.block_allocator = 2; });
  refuse(invalid, [](akv_cache_config &c) { c.scrub = 3; });
  refuse(unsupported, [](akv_cache_config &c) { c.num_groups = 2; });
  refuse(unsupported, [](akv_cache_config &c) { c.num_groups = UINT32_MAX; });
  refuse(invalid, [](akv_cache_config &c) { c.num_groups = 0; });
  refuse(invalid, [](akv_cache_config &c) { c.groups = nullptr; });
  refuse(invalid, [](akv_cache_config &c) { c.group_size = sizeof(akv_layer_group) - 1; });
  refuse(invalid, [](akv_cache_config &c) { c.group_size = 4097; });
  refuse(unsupported, [&](akv_cache_config &) { group.rule = 0; });
  refuse(unsupported, [&](akv_cache_config &) { group.rule = 2; });
  refuse(unsupported, [&](akv_cache_config &) { group.unused = 1; });
  for (const std::uint32_t value : {0u, 65536u}) {
    refuse(invalid, [&](akv_cache_config &) { group.num_layers = value; });
    refuse(invalid, [&](akv_cache_config &) { planes[1].kv_heads = value; });
    refuse(invalid, [&](akv_cache_config &) { planes[1].head_dim = value; });
    refuse(invalid, [&](akv_cache_config &) { planes[1].role = value; });
    refuse(invalid, [&](akv_cache_config &) { planes[1].dtype = value; });
    refuse(invalid, [&](akv_cache_config &) { group.plane_size = value; });
    refuse(invalid, [&](akv_cache_config &) { group.num_planes = value; });
  }
  refuse(invalid, [&](akv_cache_config &) { group.num_planes = 65; });
  refuse(invalid, [&](akv_cache_config &) { group.planes = nullptr; });
  refuse(invalid, [&](akv_cache_config &) { group.query_heads = 3; });  // 2 KV heads do not divide it
  refuse(invalid, [&](akv_cache_config &) { planes[0].role = 4; });
  refuse(invalid, [&](akv_cache_config &) { planes[0].dtype = 7; });
  refuse(invalid, [&](akv_cache_config &) { planes[1].scaling = 5; });
  refuse(invalid, [&](akv_cache_config &) { planes[1].scaling = AKV_SCALING_HEAD; });  // of F16
  refuse(invalid, [&](akv_cache_config &) { planes[0] = {AKV_PLANE_KEYS, AKV_DTYPE_I4, 1, 3, 0, 0}; });
}

TEST_CASE("abuse: groups and planes of a newer header are fine while what is new is zero, else UNSUPPORTED") {
  struct NewPlane {
    akv_plane plane;
    std::uint64_t news;
  } planes[2] = {{{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 0, 0}, 0}, {{AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 4, 0, 0}, 0}};
  struct NewGroup {
    akv_layer_group group;
    std::uint64_t news;
  } group = {{AKV_RULE_FULL, 3, 2, sizeof(NewPlane), &planes[0].plane, 4, 0}, 0};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group.group;
  akv_sizes sizes = AKV_SIZES_INIT;
  OK(akv_cache_config_sizes(&config, &sizes));
  CHECK(sizes.bytes_per_token == 3 * 2 * 2 * 4 * 2);
  planes[1].news = 1;
  CHECK(akv_cache_config_sizes(&config, &sizes) == AKV_ERROR_UNSUPPORTED);
  planes[1].news = 0;
  group.news = 1ull << 63;
  CHECK(akv_cache_config_sizes(&config, &sizes) == AKV_ERROR_UNSUPPORTED);
}
