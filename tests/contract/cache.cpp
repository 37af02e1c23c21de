// cache.cpp: the promises of cache.h and geometry.h: defaults, prices, limits, and the life of caches.
// It knows the public API only; what happens inside a cache is in the other files here.
#include "fixture.hpp"

#include <cstdio>
#include <cstring>

using namespace akv::test;

namespace {

// Keys and values of so many layers.
struct Geometry {
  Geometry(std::uint32_t layers, std::uint32_t kv_heads, std::uint32_t dim, std::uint32_t dtype = AKV_DTYPE_F16,
           std::uint32_t query_heads = 0)
      : planes{{AKV_PLANE_KEYS, dtype, kv_heads, dim, 0, 0}, {AKV_PLANE_VALUES, dtype, kv_heads, dim, 0, 0}},
        group{AKV_RULE_FULL, layers, 2, sizeof(akv_plane), planes, query_heads, 0} {}
  Geometry(const Geometry &) = delete;
  Geometry &operator=(const Geometry &) = delete;
  void into(akv_cache_config &config) const {
    config.num_groups = 1;
    config.group_size = sizeof group;
    config.groups = &group;
  }
  akv_plane planes[2];
  akv_layer_group group;
};

akv_sizes price(const akv_cache_config &config) {
  akv_sizes sizes = AKV_SIZES_INIT;
  OK(akv_cache_config_sizes(&config, &sizes));
  return sizes;
}

// Bytes of K/V for a context of so many tokens, in blocks of 16.
std::uint64_t context_bytes(const Geometry &geometry, std::uint32_t tokens) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = static_cast<std::uint32_t>(akv_blocks_for(tokens, 16));
  geometry.into(config);
  return price(config).total_bytes;
}

akv_cache_config config_of(akv_cache *cache) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  OK(akv_cache_read_config(cache, &config));
  return config;
}

// Pages of address space, and those of them that are in memory.
void pages(std::uint64_t &reserved, std::uint64_t &resident) {
  unsigned long long size = 0, in_memory = 0;
  std::FILE *file = std::fopen("/proc/self/statm", "r");
  REQUIRE(file != nullptr);
  const int read = std::fscanf(file, "%llu %llu", &size, &in_memory);
  std::fclose(file);
  REQUIRE(read == 2);
  reserved = size;
  resident = in_memory;
}

akv_status try_create(const akv_cache_config &config) {
  akv_cache *cache = nullptr;
  const akv_status status = akv_cache_create(&config, &cache);
  CHECK(akv_cache_destroy(cache) == AKV_OK);
  return status;
}

}  // namespace

TEST_CASE("cache: D1 the defaults are 4,096 blocks of 16, 256 slots, 4,096 tokens; 32 layers of 8 KV heads of 128") {
  akv_cache *cache = nullptr;
  OK(akv_cache_create(nullptr, &cache));
  const akv_cache_config c = config_of(cache);
  CHECK((c.num_blocks == 4096 && c.block_tokens == 16 && c.max_sequences == 256));
  CHECK((c.max_tokens_per_sequence == 4096 && c.max_open_tickets == 1024 && c.max_plans == 256 + 64));
  CHECK((c.max_holds == 1024 && c.max_pinned_blocks == 1024 && c.magazine_blocks == 32));
  CHECK((c.block_allocator == AKV_BLOCK_ALLOCATOR_STACK && c.scrub == AKV_SCRUB_DOMAIN && c.flags == 0));
  CHECK((c.num_groups == 1 && c.group_size == sizeof(akv_layer_group) && c.groups == nullptr));
  CHECK((c.allocator == nullptr && c.num_swap_blocks == 0 && c.struct_size == sizeof c));
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  akv_plane planes[2] = {};
  OK(akv_cache_read_group(cache, 0, &group, sizeof group, planes, 2));
  CHECK((group.rule == AKV_RULE_FULL && group.num_layers == 32 && group.num_planes == 2 && group.query_heads == 0));
  CHECK((planes[0].role == AKV_PLANE_KEYS && planes[1].role == AKV_PLANE_VALUES));
  for (const akv_plane &plane : planes)
    CHECK((plane.dtype == AKV_DTYPE_F16 && plane.kv_heads == 8 && plane.head_dim == 128 && plane.scale_bytes == 0));
  OK(akv_cache_destroy(cache));
}

TEST_CASE("cache: D1 blocks_for rounds up, at 64 bits too, and 0 tokens a block is 0") {
  CHECK(akv_blocks_for(0, 16) == 0);
  CHECK(akv_blocks_for(1, 16) == 1);
  CHECK(akv_blocks_for(16, 16) == 1);
  CHECK(akv_blocks_for(17, 16) == 2);
  CHECK(akv_blocks_for(UINT64_MAX, 1) == UINT64_MAX);
  CHECK(akv_blocks_for(UINT64_MAX, 2) == UINT64_MAX / 2 + 1);
  CHECK(akv_blocks_for(UINT64_MAX, UINT32_MAX) == UINT64_MAX / UINT32_MAX);
  CHECK(akv_blocks_for(100, 0) == 0);
}

TEST_CASE("cache: D1 D6 E1 B9 prices are the documents': bytes a token, a block, a context") {
  const akv_sizes d1 = price(AKV_CACHE_CONFIG_INIT);
  CHECK(d1.bytes_per_token == 2 * 32 * 8 * 128 * 2);
  CHECK((d1.bytes_per_block == 2097152 && d1.total_bytes == 8589934592 && d1.block_tokens == 16));
  const Geometry as_f32(32, 8, 128, AKV_DTYPE_F32);  // D6: twice as much, told by the dtype
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  as_f32.into(config);
  CHECK(price(config).bytes_per_block == 4194304);

  const Geometry qwen(24, 2, 64), llama(32, 8, 128), cortex(32, 32, 64, AKV_DTYPE_F32);
  CHECK(context_bytes(qwen, 2048) == 25165824);
  CHECK(context_bytes(qwen, 4096) == 50331648);
  CHECK(context_bytes(qwen, 32768) == 402653184);
  CHECK(context_bytes(llama, 2048) == 268435456);
  CHECK(context_bytes(llama, 4096) == 536870912);
  CHECK(context_bytes(llama, 8192) == 1073741824);
  CHECK(context_bytes(llama, 32768) == 4294967296);
  CHECK(akv_blocks_for(32768, 16) == 2048);
  CHECK(context_bytes(cortex, 32768) == 17179869184);
}

TEST_CASE("cache: A6 A23 query heads are not KV heads: no size counts them, and what GQA saves is told") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  const Geometry mistral(32, 8, 128, AKV_DTYPE_F16, 32), mha(32, 32, 128, AKV_DTYPE_F16, 32);
  mistral.into(config);
  const akv_sizes gqa = price(config);
  CHECK(gqa.total_bytes == price(AKV_CACHE_CONFIG_INIT).total_bytes);
  CHECK(gqa.query_head_bytes == 4 * gqa.total_bytes);
  mha.into(config);
  CHECK(price(config).query_head_bytes == price(config).total_bytes);
  CHECK(price(AKV_CACHE_CONFIG_INIT).query_head_bytes == 0);  // not told

  const akv_plane latent = {AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, 576, 0, 0};  // DeepSeek-V3
  const akv_layer_group mla = {AKV_RULE_FULL, 61, 1, sizeof latent, &latent, 128, 0};
  config.groups = &mla;
  CHECK(price(config).bytes_per_token == 61 * 576 * 2);
}

TEST_CASE("cache: sizes count scales and every dtype, two 4-bit elements to a byte") {
  const auto bytes = [](std::uint32_t dtype, std::uint32_t scale_bytes) {
    Geometry geometry(1, 4, 6, dtype);
    geometry.planes[1].scale_bytes = scale_bytes;
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    geometry.into(config);
    return price(config).bytes_per_token;
  };
  CHECK(bytes(AKV_DTYPE_F32, 0) == 2 * 24 * 4);
  CHECK(bytes(AKV_DTYPE_F16, 0) == 2 * 24 * 2);
  CHECK(bytes(AKV_DTYPE_BF16, 0) == 2 * 24 * 2);
  CHECK(bytes(AKV_DTYPE_F8_E4M3, 0) == 2 * 24);
  CHECK(bytes(AKV_DTYPE_I8, 16) == 2 * 24 + 16);
  CHECK(bytes(AKV_DTYPE_I4, 8) == 24 + 8);
}

TEST_CASE("cache: D7 configuration and geometry are read back as they were given, and make the same cache again") {
  Geometry geometry(7, 2, 64, AKV_DTYPE_I8, 14);
  geometry.planes[0].scale_bytes = 4;
  akv_cache_config given = {sizeof(akv_cache_config),  AKV_CACHE_PREFAULT, 100, 8, 9, 500,     64,     11, 12, 13, 3,
                            AKV_BLOCK_ALLOCATOR_BUDDY, AKV_SCRUB_ALWAYS,   0,   0, 0, nullptr, nullptr};
  geometry.into(given);
  akv_cache *cache = nullptr;
  OK(akv_cache_create(&given, &cache));
  akv_cache_config read = config_of(cache);
  CHECK(read.groups == nullptr);
  read.groups = given.groups;
  CHECK(std::memcmp(&read, &given, sizeof read) == 0);

  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  CHECK(akv_cache_read_group(cache, 0, &group, sizeof group, nullptr, 0) == AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK((group.num_layers == 7 && group.num_planes == 2 && group.query_heads == 14));
  akv_plane planes[2] = {};
  OK(akv_cache_read_group(cache, 0, &group, sizeof group, planes, 2));
  CHECK(std::memcmp(planes, geometry.planes, sizeof planes) == 0);
  OK(akv_cache_destroy(cache));
  group.planes = planes;
  read.groups = &group;
  OK(akv_cache_create(&read, &cache));
  CHECK(config_of(cache).max_plans == 11);
  OK(akv_cache_destroy(cache));
}

TEST_CASE("cache: A6 more than one layer group is UNSUPPORTED, and so is a rule that is not FULL") {
  const Geometry geometry(2, 2, 2);
  const akv_layer_group two[2] = {geometry.group, geometry.group};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  geometry.into(config);
  OK(try_create(config));
  config.groups = two;
  config.num_groups = 2;
  CHECK(try_create(config) == AKV_ERROR_UNSUPPORTED);
  CHECK(last_error() == "2 layer groups: this release takes one");
}

TEST_CASE("cache: every limit of the configuration holds at 1, at its largest and beyond, and is named") {
  const auto create = [](void (*change)(akv_cache_config &, std::uint32_t), std::uint32_t value) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    change(config, value);
    return try_create(config);
  };
  struct Limit {
    const char *name;
    void (*set)(akv_cache_config &, std::uint32_t);
    std::uint32_t largest;
  };
  const Limit limits[] = {
      {"num_blocks", [](akv_cache_config &c, std::uint32_t v) { c.num_blocks = v; }, AKV_MAX_BLOCKS},
      {"block_tokens", [](akv_cache_config &c, std::uint32_t v) { c.block_tokens = v; }, AKV_MAX_BLOCK_TOKENS},
      {"max_sequences", [](akv_cache_config &c, std::uint32_t v) { c.max_sequences = v; }, AKV_MAX_SEQUENCES},
      {"max_tokens_per_sequence", [](akv_cache_config &c, std::uint32_t v) { c.max_tokens_per_sequence = v; },
       AKV_MAX_SEQUENCE_TOKENS},
      {"max_open_tickets", [](akv_cache_config &c, std::uint32_t v) { c.max_open_tickets = v; }, 1u << 20},
      {"max_plans", [](akv_cache_config &c, std::uint32_t v) { c.max_plans = v; }, 0xfffff},
      {"max_holds", [](akv_cache_config &c, std::uint32_t v) { c.max_holds = v; }, 0xfffff},
      {"magazine_blocks", [](akv_cache_config &c, std::uint32_t v) { c.magazine_blocks = v; }, 60},
  };
  for (const Limit &limit : limits) {
    INFO(limit.name);
    CHECK(create(limit.set, 0) == AKV_OK);  // the default
    CHECK(create(limit.set, 1) == AKV_OK);
    const akv_status largest = create(limit.set, limit.largest);
    CHECK((largest == AKV_OK || largest == AKV_ERROR_OUT_OF_MEMORY));  // a terabyte is not every host's to give
    for (const std::uint32_t beyond : {limit.largest + 1, 0x80000000u, 0xffffffffu}) {
      CHECK(create(limit.set, beyond) == AKV_ERROR_INVALID_ARGUMENT);
      CHECK(last_error().find(std::string(limit.name) + " is " + std::to_string(beyond)) == 0);
    }
  }
  CHECK(create([](akv_cache_config &c, std::uint32_t v) { c.max_open_tickets = v; }, 3) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(create([](akv_cache_config &c, std::uint32_t v) { c.max_pinned_blocks = v; }, 0xffffffffu) == AKV_OK);
}

TEST_CASE("cache: a configuration beyond all memory is refused at once, and reserves nothing") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  akv_plane planes[64];
  for (akv_plane &plane : planes) plane = {AKV_PLANE_KEYS, AKV_DTYPE_F32, 65535, 65535, 65535, 0};
  const akv_layer_group group = {AKV_RULE_FULL, 65535, 64, sizeof(akv_plane), planes, 0, 0};
  config.num_blocks = AKV_MAX_BLOCKS;
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group;
  akv_sizes sizes = AKV_SIZES_INIT;
  akv_cache *cache = nullptr;
  std::uint64_t before = 0, after = 0, resident = 0;
  pages(before, resident);
  CHECK(akv_cache_config_sizes(&config, &sizes) == AKV_ERROR_OUT_OF_RANGE);  // K/V of more than 2^64 bytes
  CHECK(akv_cache_create(&config, &cache) == AKV_ERROR_OUT_OF_RANGE);
  config.num_groups = 0;
  config.groups = nullptr;
  config.max_sequences = AKV_MAX_SEQUENCES;
  config.max_tokens_per_sequence = AKV_MAX_SEQUENCE_TOKENS;
  config.block_tokens = 1;  // tables of 2^51 entries
  CHECK(akv_cache_config_sizes(&config, &sizes) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_cache_create(&config, &cache) == AKV_ERROR_OUT_OF_MEMORY);
  // Rows for both sides of a swap of the longest sequence there may be.
  for (const std::uint32_t swap_blocks : {1u, AKV_MAX_BLOCKS / 2}) {
    config.num_blocks = AKV_MAX_BLOCKS - swap_blocks;
    config.num_swap_blocks = swap_blocks;
    CHECK(akv_cache_create(&config, &cache) == AKV_ERROR_OUT_OF_MEMORY);
  }
  CHECK(cache == nullptr);
  pages(after, resident);
  CHECK(after - before < 20000);  // the gates of a million sequences are kept for the life of the process
}
