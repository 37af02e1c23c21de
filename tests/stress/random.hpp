// random.hpp: random numbers of a seed (splitmix64), the same on every machine.
// It knows nothing of caches.
#pragma once

#include <cstdint>

namespace akv::stress {

inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

struct Random {
  std::uint64_t state;
  std::uint64_t next() { return mix(state += 0x9e3779b97f4a7c15u); }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  std::uint32_t between(std::uint32_t low, std::uint32_t high) { return low + below(high - low + 1); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <class Container>
  auto &pick(Container &from) {
    return from[below(static_cast<std::uint32_t>(from.size()))];
  }
};

}  // namespace akv::stress
