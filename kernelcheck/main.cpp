// main.cpp: kernelcheck: every kernel on every instruction set that this processor runs, compared with what it must do,
// and with --bench timed beside memcpy, memset or a loop that reads. After dav1d's checkasm.
// It knows flags; subjects are in files of their own (subjects.hpp).
#include "bench.hpp"
#include "check.hpp"
#include "subjects.hpp"

#include "arenakv/host.h"
#include "data/kernels/isa.hpp"

#include <cctype>
#include <chrono>
#include <cstdlib>
#include <cstring>

namespace kernelcheck {
namespace {

constexpr const Subject *kSubjects[] = {&copies, &formats, &attention};

constexpr const char *kUsage =
    "usage: kernelcheck [--bench] [--only SUBJECT] [--isa NAME] [--seconds N] [--seed N]\n"
    "                   [--rows TEXT] [--size MiB] [--json FILE]\n"
    "  every kernel on every instruction set of this processor, against what it must do\n"
    "  --bench    then time it: ratios to memcpy, memset or reading over the same bytes; they never fail\n"
    "  --seconds  go on with new shapes for so long a subject; with --bench: time a row for so long\n"
    "  --seed     the shapes of this seed alone, which a difference names\n"
    "  --rows     time only those that have this text in their names\n"
    "  --size     of each of the two buffers that are timed, 8 or more; over 4 x the last-level cache unless told\n"
    "  --json     what is timed, into a file\n";

struct Options {
  bool bench = false;
  const char *only = nullptr;
  const char *isa = nullptr;
  double seconds = 0;
  std::uint64_t seed = 1;
  bool repeat = false;
  BenchOptions bench_options;
};

[[noreturn]] void refuse(const std::string &why) {
  std::fprintf(stderr, "kernelcheck: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

double number(const char *flag, const char *text) {
  char *end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != 0 || !(value >= 0) || value > 1e18)
    refuse(std::string(flag) + " wants a number, not " + text);
  return value;
}

// At least a block for each sequence of the rows with the largest blocks; at most what there are addresses for.
std::uint64_t size_in_bytes(const char *text) {
  const double mib = number("--size", text);
  if (mib < 8 || mib > 1e6) refuse(std::string("--size is ") + text + ", from 8 to 1000000 MiB are possible");
  return static_cast<std::uint64_t>(mib) << 20;
}

Options read_options(int count, char **arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string flag = arguments[i];
    if (flag == "--help") std::exit(std::fputs(kUsage, stdout) < 0);
    if (flag == "--bench") {
      options.bench = true;
      continue;
    }
    if (i + 1 == count) refuse(flag + (flag.rfind("--", 0) == 0 ? ": unknown, or it wants a value" : ": unknown"));
    const char *value = arguments[++i];
    if (flag == "--only") options.only = value;
    else if (flag == "--isa") options.isa = value;
    else if (flag == "--seconds") options.seconds = number("--seconds", value);
    else if (flag == "--size") options.bench_options.bytes = size_in_bytes(value);
    else if (flag == "--rows") options.bench_options.rows = value;
    else if (flag == "--json") options.bench_options.json = value;
    else if (flag == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
      options.repeat = true;
    } else refuse(flag + ": unknown");
  }
  options.bench_options.seconds = options.seconds;
  return options;
}

// "AVX-512" and "avx512" are the same.
std::string simple(const char *name) {
  std::string letters;
  for (; *name != 0; ++name)
    if (std::isalnum(static_cast<unsigned char>(*name)))
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(*name)));
  return letters;
}

struct Found {
  std::vector<Variant> here;
  std::string names, elsewhere;
};

Found find_variants(const char *only) {
  Found found;
  bool known = only == nullptr;
  for (std::uint32_t isa = AKV_ISA_PLAIN; isa <= AKV_ISA_NEON; ++isa) {
    const char *name = akv::isa_name(isa);
    if (only != nullptr && simple(only) != simple(name)) continue;
    known = true;
    const akv::Kernels *kernels = akv::kernels_for(isa);
    if (kernels != nullptr) found.here.push_back({isa, name, kernels});
    std::string &list = kernels != nullptr ? found.names : found.elsewhere;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  if (!known) refuse(std::string("unknown instruction set: ") + only);
  return found;
}

// The subjects that were asked for.
template <class What>
void for_each_subject(const char *only, What what) {
  bool known = false;
  for (const Subject *subject : kSubjects) {
    if (only != nullptr && std::strcmp(only, subject->name) != 0) continue;
    known = true;
    what(*subject);
  }
  if (!known) refuse(std::string("unknown subject: ") + only);
}

bool check_all(const Options &options, const Found &found) {
  Checker checker(found.here, options.seed, options.repeat);
  for_each_subject(options.only, [&](const Subject &subject) {
    const auto start = std::chrono::steady_clock::now();
    const double seconds = options.bench || options.repeat ? 0 : options.seconds;
    checker.set_subject(subject.name);
    do {
      subject.check(checker);
      checker.next_seeds();
    } while (checker.differences() == 0 &&
             std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds);
  });
  std::printf("kernelcheck: %llu comparisons on %s", static_cast<unsigned long long>(checker.comparisons()),
              found.names.empty() ? "nothing" : found.names.c_str());
  if (!found.elsewhere.empty()) std::printf("; %s not run here", found.elsewhere.c_str());
  if (checker.differences() != 0)
    std::printf("; %llu DIFFERENCES", static_cast<unsigned long long>(checker.differences()));
  std::printf("\n");
  return checker.differences() == 0;
}

bool bench_all(const Options &options, const Found &found) {
  if (found.here.empty()) return true;
  Bench bench(found.here, options.bench_options);
  for_each_subject(options.only, [&](const Subject &subject) {
    bench.set_subject(subject.name);
    subject.bench(bench);
  });
  return bench.finish();
}

}  // namespace
}  // namespace kernelcheck

int main(int count, char **arguments) {
  using namespace kernelcheck;
  const Options options = read_options(count, arguments);
  const Found found = find_variants(options.isa);
  if (!check_all(options, found)) return 1;
  return !options.bench || bench_all(options, found) ? 0 : 2;
}
