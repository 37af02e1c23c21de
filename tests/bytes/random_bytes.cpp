// random_bytes.cpp: random operations on caches with stores, streams with delayed completion and swap, and a shadow
// copy of all bytes; never a wrong one. On a difference it prints the seed and the last calls, and ends with 1.
//
//   random_bytes [--operations N] [--seed S] [--print]
//
// Promises: A11 A19 B1 B13 D3 D6, and that bytes counted are bytes planned. Threads do the work, and a run is the same
// every time: see latched_stream.hpp.
#include "bytes_run.hpp"

int main(int argc, char **argv) {
  return bytes_test::run_seeds<bytes_test::Run>(argc, argv,
                                                {"random_bytes", "random bytes", 2000, 100000, "bytes of K/V moved"});
}
