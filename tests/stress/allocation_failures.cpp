// allocation_failures.cpp: every allocation that the library makes fails, once and for ever, in many scenarios; and
// META calls make none. It knows how a scenario is run in a process of its own and what its runs are compared with.
//
//   allocation_failures LIBRARY INCLUDE_FOLDER [--list] [--only WORD]
//
// A run without failures tells how many allocations there are, and what is left at its end (the library keeps a little
// for the life of the process). Then each of them fails once, and from each of them on all do: with memory again the
// call must succeed, and at the end no more may be left than in the first run.
#include "byte_life.hpp"
#include "meta_life.hpp"
#include "pool_life.hpp"
#include "scenario.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

using namespace akv::stress;

namespace {

constexpr std::uint64_t kMostAllocations = 300;  // of one scenario: a stop for what never ends

// In a child: its memory, its caches and its handlers are new, and whatever goes wrong there is told.
bool run_alone(const Scenario &scenario, const char *library, const Failure &failure, Outcome &outcome) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    alarm(100);
    Trial trial(failure);
    trial.library = library;
    scenario.run(trial);
    trial.outcome.works = 1;
    trial.outcome.left = outstanding();
    const ssize_t written = write(ends[1], &trial.outcome, sizeof trial.outcome);
    _exit(written == sizeof trial.outcome ? 0 : 1);
  }
  close(ends[1]);
  const ssize_t got = read(ends[0], &outcome, sizeof outcome);
  close(ends[0]);
  int result = 0;
  waitpid(child, &result, 0);
  if (WIFSIGNALED(result)) std::fprintf(stderr, "ended by signal %d\n", WTERMSIG(result));
  return result == 0 && got == sizeof outcome && outcome.works == 1;
}

bool no_more_left(const Outstanding &now, const Outstanding &then) {
  if (now.allocations <= then.allocations && now.mappings <= then.mappings && now.mapped_bytes <= then.mapped_bytes)
    return true;
  std::fprintf(stderr,
               "left at the end: %lld allocations, %lld mappings of %lld bytes; without failures %lld, %lld, %lld\n",
               static_cast<long long>(now.allocations), static_cast<long long>(now.mappings),
               static_cast<long long>(now.mapped_bytes), static_cast<long long>(then.allocations),
               static_cast<long long>(then.mappings), static_cast<long long>(then.mapped_bytes));
  return false;
}

struct Totals {
  std::uint64_t scenarios = 0, runs = 0, refused = 0, allocations = 0;
};

bool run_scenario(const Scenario &scenario, const char *library, Totals &totals) {
  Outcome whole;
  if (!run_alone(scenario, library, {}, whole)) return false;
  ++totals.scenarios;
  ++totals.runs;
  totals.allocations += whole.made;
  if (scenario.allocates && whole.made == 0) {
    std::fprintf(stderr, "it is to show what happens without memory, and asks for none\n");
    return false;
  }
  for (const bool for_ever : {false, true}) {
    for (std::uint64_t nth = 1; scenario.allocates && nth <= whole.made; ++nth) {
      Outcome outcome;
      if (nth > kMostAllocations || !run_alone(scenario, library, {nth, for_ever}, outcome) ||
          !no_more_left(outcome.left, whole.left)) {
        std::fprintf(stderr, "with allocation %llu of %llu failing %s\n", static_cast<unsigned long long>(nth),
                     static_cast<unsigned long long>(whole.made), for_ever ? "and all behind it" : "once");
        return false;
      }
      ++totals.runs;
      totals.refused += static_cast<std::uint64_t>(outcome.refused);
    }
  }
  return true;
}

// Every function of class META in the headers is called in the life that must be quiet.
bool check_coverage(const char *include_folder) {
  std::set<std::string> wanted;
  for (const auto &entry : std::filesystem::directory_iterator(include_folder)) {
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const std::string all = text.str();
    // "AKV_META ... akv_name(": the last word before the bracket.
    for (std::size_t at = all.find("\nAKV_META"); at != std::string::npos; at = all.find("\nAKV_META", at + 1)) {
      const std::size_t end = all.find('(', at), begin = all.find_last_of(" *\n", end) + 1;
      wanted.insert(all.substr(begin, end - begin));
    }
  }
  const akv_cache_config config = config_of_a_life();
  akv_cache *cache = nullptr;
  Trial::ok(akv_cache_create(&config, &cache), "create");
  if (const int line = live_once(cache); line != 0) Trial::fail("meta_life.cpp:%d answered otherwise", line);
  Trial::ok(akv_cache_destroy(cache), "destroy");
  std::set<std::string> called = functions_called();
  PoolLife pool;
  if (const int line = pool.live_once(); line != 0) Trial::fail("pool_life.cpp:%d answered otherwise", line);
  called.merge(pool_functions_called());
  ByteLife bytes;
  if (const int line = bytes.live_once(); line != 0) Trial::fail("byte_life.cpp:%d answered otherwise", line);
  called.merge(byte_functions_called());
  bool all = wanted.size() > 40;
  for (const std::string &name : wanted) {
    if (called.count(name) != 0) continue;
    std::fprintf(stderr, "%s is META, and in none of meta_life.cpp, pool_life.cpp, byte_life.cpp\n", name.c_str());
    all = false;
  }
  std::printf("%zu META functions, all in meta_life.cpp, pool_life.cpp or byte_life.cpp: %s\n", wanted.size(),
              all ? "yes" : "no");
  return all;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: allocation_failures LIBRARY INCLUDE_FOLDER [--list] [--only WORD]\n");
    return 2;
  }
  const bool list = argc > 3 && std::strcmp(argv[3], "--list") == 0;
  const char *only = argc > 4 && std::strcmp(argv[3], "--only") == 0 ? argv[4] : "";
  std::vector<Scenario> scenarios(kCreateScenarios, kCreateScenarios + kNumCreateScenarios);
  scenarios.insert(scenarios.end(), kStreamScenarios, kStreamScenarios + kNumStreamScenarios);
  scenarios.insert(scenarios.end(), kReportScenarios, kReportScenarios + kNumReportScenarios);
  scenarios.insert(scenarios.end(), kPoolScenarios, kPoolScenarios + kNumPoolScenarios);
  scenarios.insert(scenarios.end(), kQuietScenarios, kQuietScenarios + kNumQuietScenarios);
  if (!counts_new()) {
    std::printf("skipped: this sanitizer brings its own malloc and operator new\n");
    return 77;
  }
  if (!counts_malloc()) std::printf("a sanitizer brings its own malloc: operator new and mappings are counted\n");
  Totals totals;
  std::uint64_t failures = 0;
  for (const Scenario &scenario : scenarios) {
    if (std::strstr(scenario.name, only) == nullptr) continue;
    if (list) {
      std::printf("%s\n", scenario.name);
      continue;
    }
    if (run_scenario(scenario, argv[1], totals)) continue;
    std::printf("FAILED: %s\n", scenario.name);
    ++failures;
  }
  if (list) return 0;
  std::printf(
      "%llu scenarios, %llu runs: %llu allocations failed once and for ever, %llu calls were refused and worked later; "
      "%llu scenarios failed\n",
      static_cast<unsigned long long>(totals.scenarios), static_cast<unsigned long long>(totals.runs),
      static_cast<unsigned long long>(totals.allocations), static_cast<unsigned long long>(totals.refused),
      static_cast<unsigned long long>(failures));
  return check_coverage(argv[2]) && failures == 0 ? 0 : 1;
}
