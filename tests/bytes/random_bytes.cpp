// random_bytes.cpp: random operations on caches with stores, streams with delayed completion and swap, and a shadow
// copy of all bytes; never a wrong one. On a difference it prints the seed and the last calls, and ends with 1.
//
//   random_bytes [--operations N] [--seed S] [--print]
//
// Promises: A11 A19 B1 B13 D3 D6, and that bytes counted are bytes planned. Threads do the work, and a run is the same
// every time: see latched_stream.hpp.
#include "bytes_run.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
  constexpr std::uint32_t kOperationsPerSeed = 2000;
  std::uint64_t operations = 100000, seed = 1;
  bool print_all = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--print") print_all = true;
    else if (i + 1 < argc && argument == "--operations") operations = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seed") seed = std::strtoull(argv[++i], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: random_bytes [--operations N] [--seed S] [--print]\n");
      return 2;
    }
  }
  std::uint64_t done = 0, seeds = 0, bytes = 0;
  for (; done < operations; ++seeds, done += kOperationsPerSeed) {
    bytes_test::Run run(seed + seeds, print_all);
    run.run(kOperationsPerSeed);
    bytes += run.bytes_moved();
  }
  std::printf("random bytes: %" PRIu64 " operations from %" PRIu64 " seeds (first %" PRIu64 "), %" PRIu64
              " bytes of K/V moved, none of them wrong\n",
              done, seeds, seed, bytes);
  return 0;
}
