// quick_start.cpp: what the README shows: two prompts that begin alike, in a cache without K/V memory.
// Against an installed library: c++ -std=c++17 quick_start.cpp $(pkg-config --cflags --libs arenakv)
#include <arenakv.hpp>

#include <cstdio>
#include <numeric>
#include <vector>

// [core: begin]
int main() {
  std::vector<int> prompt(40), other;
  std::iota(prompt.begin(), prompt.end(), 1000);  // token ids: a system prompt
  other = prompt, prompt.push_back(7), other.push_back(8);

  arenakv::CacheConfig config;
  config.num_blocks = 64;
  arenakv::Cache cache(config);
  auto first = cache.create(prompt);
  first.sequence.commit();        // its K/V were computed: others may share them
  first.sequence.append({9, 10});  // two more tokens of the answer
  auto second = cache.create(other);
  std::printf("cached: %u of %u tokens\n", second.cached_tokens, second.length);
  for (int block : second.sequence.blocks()) std::printf("block %d\n", block);
}  // sequences are freed, and what was committed stays cached; then the cache goes
// [core: end]
