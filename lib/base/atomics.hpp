// atomics.hpp: which atomics a lock-free algorithm is made of: a policy, so that a checker can stand in for them.
// It knows no algorithm.
//
// Algorithms are templates over a policy A and write A::Atomic<T>; the library takes StdAtomics. The checker of
// tests/checker brings atomics that it can stop before every operation, and that answer with every value which the
// memory orders allow.
#pragma once

#include "base/thread_index.hpp"

#include <atomic>

namespace akv {

struct StdAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  // Before another try at what a neighbour has just changed.
  static void pause() noexcept { akv::pause(); }
};

}  // namespace akv
