// random_operations.cpp: the library and the reference model side by side, over random calls; they must agree on every
// answer, table, count and gauge. On a difference it prints the seed and the last calls, and ends with 1.
//
//   random_operations [--operations N] [--seed S] [--seconds T] [--print]
//
// Promises: B5 B6 B7 B17 B18 D2 D4 D6 D7 (as far as they are metadata), and every contract line of the headers.
#include "random_run.hpp"

#include <cstdlib>
#include <ctime>

namespace {

constexpr std::uint32_t kOperationsPerSeed = 3000;

}  // namespace

int main(int argc, char **argv) {
  std::uint64_t operations = 200000, seed = 1, seconds = 0;
  bool print_all = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--print") print_all = true;
    else if (i + 1 < argc && argument == "--operations") operations = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seed") seed = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seconds") seconds = std::strtoull(argv[++i], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: random_operations [--operations N] [--seed S] [--seconds T] [--print]\n");
      return 2;
    }
  }
  const std::time_t start = std::time(nullptr);
  std::uint64_t done = 0, seeds = 0;
  for (; done < operations; ++seeds, done += kOperationsPerSeed) {
    if (seconds != 0 && static_cast<std::uint64_t>(std::time(nullptr) - start) >= seconds) break;
    model_test::Run run(seed + seeds, print_all);
    run.run(kOperationsPerSeed);
  }
  std::printf("random operations: %" PRIu64 " calls from %" PRIu64 " seeds (first %" PRIu64 ") without a difference\n",
              done, seeds, seed);
  return 0;
}
