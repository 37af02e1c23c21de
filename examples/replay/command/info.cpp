// info.cpp: see info.hpp.
#include "command/info.hpp"

#include "arenakv.h"
#include "cache.hpp"

#include <cstdio>

namespace replay {
namespace {

void print_features() {
  static constexpr struct {
    std::uint32_t feature;
    const char *name;
  } kFeatures[] = {
      {AKV_FEATURE_PREFIX_INDEX, "prefix index: exact sharing of prompts' beginnings"},
      {AKV_FEATURE_PARTIAL_HITS, "partial hits: inside a block, for one copy"},
      {AKV_FEATURE_BUDDY, "buddy allocator: neighbouring blocks stay together"},
      {AKV_FEATURE_STORES, "stores: block memory on the host"},
      {AKV_FEATURE_CUDA, "CUDA: block memory and kernels on devices"},
  };
  std::puts("\nfeatures");
  for (const auto &[feature, name] : kFeatures) std::printf("  %-4s%s\n", akv_has(feature) != 0 ? "yes" : "no", name);
}

void print_limits() {
  const struct {
    const char *name;
    std::uint32_t value;
  } limits[] = {
      {"blocks of a cache", AKV_MAX_BLOCKS},
      {"tokens of a block", AKV_MAX_BLOCK_TOKENS},
      {"live sequences of a cache", AKV_MAX_SEQUENCES},
      {"tokens of a sequence", AKV_MAX_SEQUENCE_TOKENS},
      {"caches of a process", AKV_MAX_CACHES},
  };
  std::puts("\nlimits");
  for (const auto &limit : limits) std::printf("  %-28s%12u\n", limit.name, limit.value);
}

void print_default_cache() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  akv_sizes sizes = AKV_SIZES_INIT;
  check(akv_cache_config_sizes(&config, &sizes), "akv_cache_config_sizes");
  const Cache cache(config);
  check(akv_cache_read_config(cache.get(), &config), "akv_cache_read_config");  // with the defaults filled in
  std::printf("\na cache with all defaults (32 layers, 8 KV heads of 128, keys and values in f16)\n");
  std::printf("  %-28s%12u blocks of %u tokens\n", "pool", config.num_blocks, config.block_tokens);
  std::printf("  %-28s%12u of at most %u tokens\n", "sequences", config.max_sequences, config.max_tokens_per_sequence);
  const auto bytes = [](const char *name, std::uint64_t value) {
    std::printf("  %-28s%12llu bytes\n", name, static_cast<unsigned long long>(value));
  };
  bytes("K/V of a token", sizes.bytes_per_token);
  bytes("K/V of a block", sizes.bytes_per_block);
  bytes("K/V of the pool", sizes.total_bytes);
  bytes("metadata, address space", sizes.metadata_reserved_bytes);
  bytes("metadata, in use when empty", cache.read_state().metadata_used_bytes);
}

}  // namespace

int info_command(Words words) {
  bool help = false;
  const Flag flags[] = {{"--help", false, [&](const std::string &) { help = true; }},
                        {"-h", false, [&](const std::string &) { help = true; }}};
  read_flags(words, flags, "arenakv info --help");
  if (help) {
    std::puts("usage: arenakv info\n\nShow the library's version, features, limits, and the sizes of a default cache.");
    return 0;
  }
  std::printf("arenakv %s\nkernels for %s\n", akv_version_string(), akv_isa_name(akv_isa_in_use()));
  print_features();
  print_limits();
  print_default_cache();
  return 0;
}

}  // namespace replay
