// telling_run.hpp: what random runs tell: the last calls of a seed where something is wrong, and how to repeat it; and
// the program around them, which runs seed after seed. It knows no store and no operation.
#pragma once

#include "arenakv.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>

namespace bytes_test {

class TellingRun {
 protected:
  TellingRun(const char *program, std::uint64_t seed, bool print_all)
      : seed_(seed), program_(program), print_all_(print_all) {}
  ~TellingRun() = default;

  void must(akv_status status, const char *what) { expect(status, AKV_OK, what); }
  void expect(akv_status got, akv_status want, const char *what);
  [[gnu::format(printf, 2, 3)]] void note(const char *format, ...);
  [[noreturn]] [[gnu::format(printf, 2, 3)]] void fail(const char *format, ...);
  // What this seed is about, in words.
  virtual std::string shape_in_words() const = 0;

  const std::uint64_t seed_;
  std::uint64_t operation_ = 0, notes_ = 0;

 private:
  const char *const program_;
  const bool print_all_;
  std::deque<std::string> log_;
};

struct Program {
  const char *name, *title;
  std::uint32_t operations_of_a_seed;
  std::uint64_t operations;  // unless told
  const char *counted;       // what Run::counted() is the number of
};

template <class Run>
int run_seeds(int argc, char **argv, const Program &program) {
  std::uint64_t operations = program.operations, seed = 1;
  bool print_all = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--print") print_all = true;
    else if (i + 1 < argc && argument == "--operations") operations = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seed") seed = std::strtoull(argv[++i], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: %s [--operations N] [--seed S] [--print]\n", program.name);
      return 2;
    }
  }
  std::uint64_t done = 0, seeds = 0, counted = 0;
  for (; done < operations; ++seeds, done += program.operations_of_a_seed) {
    Run run(seed + seeds, print_all);
    run.run(program.operations_of_a_seed);
    counted += run.counted();
  }
  std::printf("%s: %" PRIu64 " operations from %" PRIu64 " seeds (first %" PRIu64 "), %" PRIu64
              " %s, none of them wrong\n",
              program.title, done, seeds, seed, counted, program.counted);
  return 0;
}

}  // namespace bytes_test
