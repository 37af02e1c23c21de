// main.cpp: the arenakv command: which part of it is meant, and what becomes of an error. It knows no flag.
#include "command/bench.hpp"
#include "command/help.hpp"
#include "command/info.hpp"
#include "command/plan.hpp"
#include "command/replay.hpp"
#include "error.hpp"

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

namespace {

int run(std::span<char *const> words) {
  if (words.empty()) {
    replay::print_help(stderr);
    return 2;
  }
  const std::string_view command = words.front();
  if (command == "replay") return replay::replay_command(words.subspan(1));
  if (command == "plan") return replay::plan_command(words.subspan(1));
  if (command == "bench") return replay::bench_command(words.subspan(1));
  if (command == "info") return replay::info_command(words.subspan(1));
  if (command == "--version") return replay::print_version();
  if (command == "--help" || command == "-h" || command == "help") return replay::print_help(stdout);
  throw replay::UsageError("there is no command " + replay::quoted(words.front()) + ": see arenakv --help");
}

int tell(const char *what, int exit_code) {
  std::fprintf(stderr, "arenakv: %s\n", what);
  return exit_code;
}

}  // namespace

int main(int count, char **words) {
  try {
    const int exit_code =
        run(std::span<char *const>(words, static_cast<std::size_t>(count)).subspan(count > 0 ? 1 : 0));
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return tell("cannot write to the standard output", 1);
    return exit_code;
  } catch (const replay::UsageError &error) {
    return tell(error.what(), 2);
  } catch (const std::bad_alloc &) {
    return tell("there is not enough memory: take a smaller pool, or fewer requests with --limit", 1);
  } catch (const std::exception &error) {
    return tell(error.what(), 1);
  }
}
