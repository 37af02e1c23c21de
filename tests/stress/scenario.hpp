// scenario.hpp: one situation in which memory is asked for, run in a process of its own.
// It knows how a call is tried while memory fails; not what the call is.
#pragma once

#include "arenakv.h"

#include "failing_memory.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>

namespace akv::stress {

// How memory fails in this run: the n-th allocation inside try_call(), once or for ever; 0: none.
struct Failure {
  std::uint64_t nth = 0;
  bool for_ever = false;
};

// What one run of a scenario tells.
struct Outcome {
  std::uint64_t made = 0;    // allocations that the library asked for
  std::uint64_t failed = 0;  // of these, refused
  std::int32_t refused = 0;  // 1: a call answered OUT_OF_MEMORY
  std::int32_t works = 0;    // 1: the run reached its end
  Outstanding left;          // what is handed out at its end
};

class Trial {
 public:
  explicit Trial(const Failure &failure) : failure_(failure) {}

  // Call it while memory fails. Either it answers `wanted` all the same (it needed no memory, or has a way around), or
  // OUT_OF_MEMORY with a message, with nothing leaked and nothing changed; then it is called again, with memory.
  void try_call(const std::function<akv_status()> &call, akv_status wanted = AKV_OK);
  // Call it once while memory fails: what it answers.
  akv_status try_once(const std::function<akv_status()> &call);
  // What must be the same after a call that failed.
  void watch(akv_cache *cache) { watched_ = cache; }

  const char *library = "";  // path of the shared library

  Outcome outcome;

  [[noreturn, gnu::format(printf, 1, 2)]] static void fail(const char *format, ...);
  static void ok(akv_status status, const char *what);

 private:
  akv_cache_state state() const;
  void check_unchanged(const Outstanding &before, const akv_cache_state &state_before) const;

  const Failure failure_;
  akv_cache *watched_ = nullptr;
};

struct Scenario {
  const char *name;
  void (*run)(Trial &);
  bool allocates;  // it must ask for memory, else it must not
};

// The lists, each in the file of its name.
extern const Scenario kCreateScenarios[];
extern const std::size_t kNumCreateScenarios;
extern const Scenario kStreamScenarios[];
extern const std::size_t kNumStreamScenarios;
extern const Scenario kReportScenarios[];
extern const std::size_t kNumReportScenarios;
extern const Scenario kQuietScenarios[];
extern const std::size_t kNumQuietScenarios;

}  // namespace akv::stress
