// bench.cpp: see bench.hpp.
#include "command/bench.hpp"

#include "error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include <unistd.h>

namespace replay {
namespace {

constexpr char kBenchHelp[] = R"(usage: arenakv bench [flags]

Time the library's kernels on this processor: copies, formats and attention, in each instruction set that it runs, on
one thread and on all. Each figure is a ratio: to memcpy, memset or a loop that reads, over the same bytes in the same
run; medians of rounds in turn. All results are compared with the plain kernels' first. Takes some minutes.

  --only SUBJECT      copies, formats or attention
  --rows TEXT         only rows with this in their names: "tokens a block" shows which block size is best
  --isa NAME          plain, avx2, avx512 or neon; default: all that this processor runs
  --seconds N         time each row for so long; default: seven rounds
  --size MiB          of each of the two buffers; default: more than the last-level cache, four times over
  --json FILE         the figures as JSON
)";

// Beside this command; ARENAKV_KERNELCHECK names another, for who has not installed it.
std::string kernelcheck_path() {
  if (const char *named = std::getenv("ARENAKV_KERNELCHECK"); named != nullptr && *named != 0) return named;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw Failure("the path of this command is not to be found: /proc/self/exe: " + error.message());
  return (self.parent_path() / "arenakv-kernelcheck").string();
}

}  // namespace

int bench_command(Words words) {
  for (char *word : words)
    if (std::strcmp(word, "--help") == 0 || std::strcmp(word, "-h") == 0) {
      std::fputs(kBenchHelp, stdout);
      return 0;
    }
  const std::string path = kernelcheck_path();
  std::string name = "arenakv bench", bench = "--bench";
  std::vector<char *> arguments = {name.data(), bench.data()};
  arguments.insert(arguments.end(), words.begin(), words.end());
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  execv(path.c_str(), arguments.data());
  throw Failure("kernelcheck is not where it should be, beside this command: " + path + ": " + std::strerror(errno) +
                ". It is installed with the wheel, and by meson install");
}

}  // namespace replay
