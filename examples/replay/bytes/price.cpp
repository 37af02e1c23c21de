// price.cpp: see price.hpp.
#include "bytes/price.hpp"

#include "cache.hpp"
#include "error.hpp"

#include <fstream>
#include <string>

namespace replay {

Price price_of(const akv_cache_config &config) {
  akv_sizes sizes = AKV_SIZES_INIT;
  check(akv_cache_config_sizes(&config, &sizes), "akv_cache_config_sizes");
  Price price{std::uint64_t{config.num_blocks} + 1, sizes.bytes_per_block, 0};
  if (config.num_swap_blocks != 0) price.blocks += std::uint64_t{config.num_swap_blocks} + 1;
  if (__builtin_mul_overflow(price.blocks, price.bytes_per_block, &price.bytes))
    throw Failure("--store host: " + std::to_string(price.blocks) + " blocks x " +
                  std::to_string(price.bytes_per_block) + " bytes exceed 2^64 - 1 bytes");
  return price;
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) << 10;  // told in kB
  throw Failure("--store host: /proc/meminfo does not tell MemAvailable: say --max-store-bytes");
}

void refuse_what_does_not_fit(const Price &price, std::uint64_t most) {
  const std::uint64_t limit = most != 0 ? most : available_memory();
  if (price.bytes <= limit) return;
  throw Failure("--store host: " + std::to_string(price.blocks) + " blocks x " + std::to_string(price.bytes_per_block) +
                " bytes = " + std::to_string(price.bytes) + " bytes, and " + std::to_string(limit) +
                (most != 0 ? " are allowed by --max-store-bytes" : " are available on this machine") +
                ": take a smaller --pool-tokens, or a smaller geometry");
}

}  // namespace replay
