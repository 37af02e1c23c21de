// scenarios.hpp: scenarios for the checker by their names, and what tests ask of them.
// It knows the checker; no algorithm of the library.
#pragma once

#include "catch.hpp"
#include "unit/interleavings.hpp"

// ThreadSanitizer does not follow the checker's fibers.
#if defined(__SANITIZE_THREAD__)
#define WITHOUT_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITHOUT_FIBERS 1
#endif
#endif

namespace akv::test {

struct Named {
  const char *name;
  std::function<Scenario()> make;
};

inline void all_hold(const std::vector<Named> &scenarios) {
  for (const Named &scenario : scenarios) {
    const Exploration found = explore(scenario.make);
    INFO(scenario.name << ": " << found.runs << " runs, " << found.states << " states");
    CHECK(found.problem == "");
    CHECK(found.runs > 1);
  }
}

inline std::string first_problem(const std::vector<Named> &scenarios, const ExploreOptions &options) {
  for (const Named &scenario : scenarios)
    if (const Exploration found = explore(scenario.make, options); !found.problem.empty()) return found.problem;
  return "";
}

inline bool tells(const std::string &problem, const char *what) { return problem.find(what) != std::string::npos; }

}  // namespace akv::test
