// bench.cpp: rounds, medians and the table.
// It knows the clock, threads and what machine this is; no kernel.
#include "bench.hpp"

#include "arenakv/host.h"

#include <time.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

namespace kernelcheck {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kRounds = 7;

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::uint64_t last_level_cache() {
  std::uint64_t largest = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/size");
    std::uint64_t size = 0;
    char unit = 0;
    if (file >> size >> unit) largest = std::max(largest, size * (unit == 'M' ? kMiB : 1024));
  }
  return largest != 0 ? largest : 32 * kMiB;
}

// Not in one go with what is around it: the compiler may not know what the loop is for.
__attribute__((noinline)) std::uint64_t read_all(const unsigned char *from, std::uint64_t bytes) {
  std::uint64_t sums[8] = {}, words[8];
  for (std::uint64_t at = 0; at + sizeof words <= bytes; at += sizeof words) {
    std::memcpy(words, from + at, sizeof words);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t each : sums) sum += each;
  return sum;
}

double median(std::vector<double> values, double place = 0.5) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * place + 0.5)];
}

const char *name_of(Yardstick yardstick) {
  return yardstick == Yardstick::copy ? "memcpy" : yardstick == Yardstick::set ? "memset" : "reading";
}

double target_of(const Timed &timed, std::uint32_t isa, bool all) {
  if (isa != AKV_ISA_AVX2 && isa != AKV_ISA_AVX512) return 0;
  return all ? timed.targets.all_threads : isa == AKV_ISA_AVX2 ? timed.targets.avx2 : timed.targets.avx512;
}

}  // namespace

// Threads that wait for work; the caller is the first of them. Their own time is taken, so that what else runs on the
// machine is not counted while it has the processor.
class Team {
 public:
  explicit Team(std::uint32_t size) : start_(size), end_(size), seconds_(size) {
    for (std::uint32_t part = 1; part < size; ++part)
      threads_.emplace_back([this, part] {
        for (;;) {
          start_.arrive_and_wait();
          if (stop_) return;
          if (part < parts_) work(part);
          end_.arrive_and_wait();
        }
      });
  }
  ~Team() {
    stop_ = true;
    start_.arrive_and_wait();
    for (std::thread &thread : threads_) thread.join();
  }
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(threads_.size()) + 1; }

  // `what(part)` for each of `parts`, all at once; the seconds of the slowest.
  double run(std::uint32_t parts, const std::function<void(std::uint32_t part)> &what) {
    work_ = &what;
    parts_ = parts;
    if (parts == 1) {  // the others sleep
      work(0);
      return seconds_[0];
    }
    start_.arrive_and_wait();
    work(0);
    end_.arrive_and_wait();
    return *std::max_element(seconds_.begin(), seconds_.begin() + parts);
  }

 private:
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  void work(std::uint32_t part) {
    const double start = now();
    (*work_)(part);
    seconds_[part] = now() - start;
  }

  std::barrier<> start_, end_;
  std::vector<double> seconds_;
  std::vector<std::thread> threads_;
  const std::function<void(std::uint32_t)> *work_ = nullptr;
  std::uint32_t parts_ = 0;
  bool stop_ = false;
};

struct Bench::Result {
  const Variant *variant;
  std::uint32_t threads;
  double gigabytes, ratio, low, high;
};

Bench::Bench(std::vector<Variant> variants, const BenchOptions &options)
    : variants_(std::move(variants)), options_(options) {
  const std::uint64_t cache = last_level_cache();
  size_ = options.bytes != 0 ? options.bytes : std::max(4 * cache + cache / 4, 64 * kMiB);
  if (from_.map(size_, false) != AKV_OK || to_.map(size_, false) != AKV_OK) {
    std::fprintf(stderr, "kernelcheck: no memory for two buffers of %llu MiB: use --size\n",
                 static_cast<unsigned long long>(size_ / kMiB));
    std::exit(2);
  }
  fill();
  team_ = std::make_unique<Team>(std::max(1u, std::thread::hardware_concurrency()));
  const std::string processor = processor_name();
  std::printf("%s, %u threads, last-level cache %llu MiB, two buffers of %llu MiB\n", processor.c_str(), team_->size(),
              static_cast<unsigned long long>(cache / kMiB), static_cast<unsigned long long>(size_ / kMiB));
  std::printf("ratio: of the yardstick's speed over the same bytes, median (and middle half) of the rounds\n");
  json_ = "{\"processor\": \"" + processor + "\", \"threads\": " + std::to_string(team_->size()) +
          ", \"last_level_cache\": " + std::to_string(cache) + ", \"buffer_bytes\": " + std::to_string(size_) +
          ", \"rows\": [";
}

Bench::~Bench() = default;

void Bench::fill() {
  Random random(1);
  random.fill(from_.data(), size_);
  random.fill(to_.data(), size_);
}

void Bench::set_subject(const char *name) {
  subject_ = name;
  std::printf("\n%-39s %-8s %-7s %4s %6s %6s %-11s %6s\n", name, "beside", "ISA", "thr", "GB/s", "ratio", "", "target");
}

double Bench::yardstick_time(const Timed &timed, std::uint32_t threads) {
  const std::uint64_t moved = timed.read_bytes + timed.written_bytes;
  const std::uint64_t bytes = std::min(timed.yardstick == Yardstick::copy ? moved / 2 : moved, size_);
  std::vector<std::uint64_t> sums(threads);
  const double seconds = team_->run(threads, [&](std::uint32_t part) {
    const std::uint64_t first = bytes / threads * part / 64 * 64;
    const std::uint64_t last = part + 1 == threads ? bytes : bytes / threads * (part + 1) / 64 * 64;
    switch (timed.yardstick) {
      case Yardstick::copy: std::memcpy(to() + first, from() + first, last - first); break;
      case Yardstick::set: std::memset(from() + first, 0, last - first); break;  // not what the kernel's lines are
      case Yardstick::read: sums[part] = read_all(from() + first, last - first); break;
    }
  });
  for (const std::uint64_t sum : sums) read_sum_ += sum;
  return seconds / static_cast<double>(timed.yardstick == Yardstick::copy ? 2 * bytes : bytes);
}

void Bench::measure(const Timed &timed, std::uint32_t threads) {
  const auto bytes = static_cast<double>(timed.read_bytes + timed.written_bytes);
  std::vector<std::vector<double>> ratios(variants_.size()), seconds(variants_.size());
  const auto start = std::chrono::steady_clock::now();
  const auto goes_on = [&](std::size_t round) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    return round <= kRounds || passed.count() < options_.seconds;
  };
  for (std::size_t round = 0; goes_on(round); ++round) {
    double before = yardstick_time(timed, threads);
    for (std::size_t k = 0; k < variants_.size(); ++k) {
      // To and fro: what one leaves in the caches is not always met by the same next one.
      const std::size_t i = round % 2 == 0 ? k : variants_.size() - 1 - k;
      const double took = team_->run(threads, [&](std::uint32_t part) {
        timed.run(*variants_[i].kernels, timed.items * part / threads, timed.items * (part + 1) / threads);
      });
      const double after = yardstick_time(timed, threads);
      if (round != 0) {  // the first warms up
        ratios[i].push_back((before + after) / 2 / (took / bytes));
        seconds[i].push_back(took);
      }
      before = after;
    }
  }
  for (std::size_t i = 0; i < variants_.size(); ++i)
    print(timed, {&variants_[i], threads, bytes / median(seconds[i]) / 1e9, median(ratios[i]), median(ratios[i], 0.25),
                  median(ratios[i], 0.75)});
}

void Bench::print(const Timed &timed, const Result &result) {
  const double target = target_of(timed, result.variant->isa, result.threads != 1);
  const bool reached = result.ratio >= target;
  targets_ += target != 0;
  reached_ += target != 0 && reached;
  char verdict[40] = "";
  if (target != 0) std::snprintf(verdict, sizeof verdict, "%5.2f %s", target, reached ? "pass" : "short");
  std::printf("%-39s %-8s %-7s %4u %6.1f %6.2f %5.2f-%-5.2f %s\n", timed.what.c_str(), name_of(timed.yardstick),
              result.variant->name, result.threads, result.gigabytes, result.ratio, result.low, result.high, verdict);
  std::fflush(stdout);
  char text[600];
  std::snprintf(text, sizeof text,
                "%s\n{\"subject\": \"%s\", \"what\": \"%s\", \"yardstick\": \"%s\", \"isa\": \"%s\", \"threads\": %u, "
                "\"gigabytes_per_second\": %.3f, \"ratio\": %.3f, \"low\": %.3f, \"high\": %.3f, \"target\": %.2f}",
                json_.back() == '[' ? "" : ",", subject_.c_str(), timed.what.c_str(), name_of(timed.yardstick),
                result.variant->name, result.threads, result.gigabytes, result.ratio, result.low, result.high, target);
  json_ += text;
}

void Bench::time(const Timed &timed) {
  if (timed.what.find(options_.rows) == std::string::npos) return;
  measure(timed, 1);
  if (team_->size() > 1) measure(timed, team_->size());
  if (timed.yardstick == Yardstick::set) fill();
}

bool Bench::finish() {
  std::printf("\nkernelcheck: %u of %u targets reached\n", reached_, targets_);
  if (options_.json == nullptr) return true;
  std::ofstream file(options_.json);
  file << json_ << "\n]}\n";
  file.close();
  if (file) return true;
  std::fprintf(stderr, "kernelcheck: can't write %s\n", options_.json);
  return false;
}

}  // namespace kernelcheck
