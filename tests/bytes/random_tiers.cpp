// random_tiers.cpp: random operations on two tiers of precision with delayed completion; what has overflowed is bit for
// bit what quantizing it at once gives, what has not is what was written. On a difference it prints the seed and the
// last calls, and ends with 1.
//
//   random_tiers [--operations N] [--seed S] [--print]
//
// Promises: D5, and that bytes counted are bytes moved. A run is the same every time: see latched_stream.hpp.
#include "tiers_run.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
  constexpr std::uint32_t kOperationsPerSeed = 200;
  std::uint64_t operations = 20000, seed = 1;
  bool print_all = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--print") print_all = true;
    else if (i + 1 < argc && argument == "--operations") operations = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seed") seed = std::strtoull(argv[++i], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: random_tiers [--operations N] [--seed S] [--print]\n");
      return 2;
    }
  }
  std::uint64_t done = 0, seeds = 0, tokens = 0;
  for (; done < operations; ++seeds, done += kOperationsPerSeed) {
    tiers_test::Run run(seed + seeds, print_all);
    run.run(kOperationsPerSeed);
    tokens += run.tokens_overflowed();
  }
  std::printf("random tiers: %" PRIu64 " operations from %" PRIu64 " seeds (first %" PRIu64 "), %" PRIu64
              " tokens overflowed, none of them wrong\n",
              done, seeds, seed, tokens);
  return 0;
}
