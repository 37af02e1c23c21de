// price.hpp: what the stores of a cache would take, before anything is made; and the refusal of what does not fit.
// It knows a configuration and the machine's free memory; it makes nothing.
#pragma once

#include "arenakv.h"

#include <cstdint>

namespace replay {

struct Price {
  std::uint64_t blocks = 0;  // swap blocks and null blocks included
  std::uint64_t bytes_per_block = 0;
  std::uint64_t bytes = 0;
};

// Fails where the library refuses the configuration, or the bytes exceed 2^64 - 1.
Price price_of(const akv_cache_config &config);

// Memory that programs can have without pushing others out: MemAvailable of /proc/meminfo.
std::uint64_t available_memory();

// Fails with the price if it is above `most`; 0: above what is available.
void refuse_what_does_not_fit(const Price &price, std::uint64_t most);

}  // namespace replay
