// calls.hpp: how a life of META calls notes what it has called, and leaves where an answer is not the wanted one.
// It allocates nothing while it notes. It knows no function of the library.
#pragma once

#include <set>
#include <string>

namespace akv::stress {

class Calls {
 public:
  void note(const char *name) {
    for (int i = 0; i < count_; ++i)
      if (names_[i] == name) return;
    if (count_ < kMost) names_[count_++] = name;
  }
  std::set<std::string> names() const { return {names_, names_ + count_}; }

 private:
  static constexpr int kMost = 200;
  const char *names_[kMost] = {};
  int count_ = 0;
};

}  // namespace akv::stress

// Call a function, note its name in `calls`, and leave with the line when the answer is not the wanted one.
#define WANT(wanted, function, ...)                         \
  do {                                                      \
    calls.note(#function);                                  \
    if (function(__VA_ARGS__) != (wanted)) return __LINE__; \
  } while (0)
