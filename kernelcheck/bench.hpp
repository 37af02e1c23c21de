// bench.hpp: kernels timed beside a yardstick over the same bytes in the same run: memcpy, memset or a loop that reads.
// It knows memory, threads and the clock; no subject.
//
// A round runs the yardstick, a kernel, the yardstick again, the next kernel ...: each kernel stands between two
// yardsticks, and its ratio is that to their mean. What is printed is the median of the rounds, and the middle half.
#pragma once

#include "check.hpp"

#include "data/host_memory.hpp"

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kernelcheck {

enum class Yardstick { copy, set, read };

// The share of the yardstick's speed that is wanted; 0: no target.
struct Targets {
  double avx2 = 0, avx512 = 0, all_threads = 0;
};

struct Timed {
  std::string what;
  Yardstick yardstick = Yardstick::copy;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t items = 0;  // threads take equal shares of them, as a stream's workers do
  std::function<void(const akv::Kernels &, std::uint64_t first, std::uint64_t end)> run;
  Targets targets = {};
};

struct BenchOptions {
  std::uint64_t bytes = 0;     // of each of the two buffers; 0: more than four times the last-level cache
  double seconds = 0;          // a row goes on for so long; 0: seven rounds
  const char *rows = "";       // only those with this in their names
  const char *json = nullptr;  // a file
};

class Team;

class Bench {
 public:
  Bench(std::vector<Variant> variants, const BenchOptions &options);
  ~Bench();
  Bench(const Bench &) = delete;
  Bench &operator=(const Bench &) = delete;

  // Two buffers of random bytes, in huge pages where there are any; kernels may write into both.
  unsigned char *from() noexcept { return from_.data(); }
  unsigned char *to() noexcept { return to_.data(); }
  std::uint64_t size() const noexcept { return size_; }

  // Time it on every variant, with one thread and with all; print the rows.
  void time(const Timed &timed);

  void set_subject(const char *name);
  bool finish();  // writes the closing line, and the JSON; false: that file can't be written

 private:
  struct Result;
  void fill();
  double yardstick_time(const Timed &timed, std::uint32_t threads);
  void measure(const Timed &timed, std::uint32_t threads);
  void print(const Timed &timed, const Result &result);

  std::vector<Variant> variants_;
  BenchOptions options_;
  std::uint64_t size_ = 0;
  akv::HostMemory from_, to_;
  std::unique_ptr<Team> team_;
  std::string subject_, json_;
  std::uint32_t targets_ = 0, reached_ = 0;
  std::uint64_t read_sum_ = 0;  // so that nobody leaves out reads
};

}  // namespace kernelcheck
