// random_tiers.cpp: random operations on two tiers of precision with delayed completion; what has overflowed is bit for
// bit what quantizing it at once gives, what has not is what was written. On a difference it prints the seed and the
// last calls, and ends with 1.
//
//   random_tiers [--operations N] [--seed S] [--print]
//
// Promises: D5, and that bytes counted are bytes moved. A run is the same every time: see latched_stream.hpp.
#include "tiers_run.hpp"

int main(int argc, char **argv) {
  return bytes_test::run_seeds<tiers_test::Run>(argc, argv,
                                                {"random_tiers", "random tiers", 200, 20000, "tokens overflowed"});
}
