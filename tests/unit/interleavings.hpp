// interleavings.hpp: a small model checker: atomics that stop before every operation, and a search through everything
// that threads on them can do, stale reads included. It knows memory orders; no algorithm of the library.
//
// The search is depth first, by running a scenario again and again (stateless model checking, Godefroid's VeriSoft,
// POPL 1997): each run follows the choices of the last one and then takes the next alternative. A state that was met
// before, in memory and in what each thread has seen, is not searched again.
// The memory is that of view machines (Kang and others, "A promising semantics", POPL 2017, without promises): every
// location keeps all its values in modification order; a thread has a view, the oldest value of each location that it
// may still read. Relaxed reads take any value from there on; an acquire that reads from a release takes over the view
// which the writer had. Plain data must be read and written with a view that has its newest value, or it is a race.
// What it leaves out: stores that arrive late in modification order, spurious failures, fences; seq_cst is acq_rel.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace akv::test {

// Bugs that the atomics make on purpose, to see that they are found.
struct Plants {
  bool no_release = false;        // stores and exchanges publish nothing
  bool no_acquire = false;        // loads and exchanges take over nothing
  std::uint64_t compare = ~0ull;  // the bits that a compare-exchange of 64 bits looks at
  bool lost_update = false;       // fetch_add is a load and a store
};

struct Scenario {
  std::vector<std::function<void()>> threads;  // may not own memory: a run may be given up in the middle
  std::function<void()> finish;                // after all have ended: require() what must hold then
};

struct Exploration {
  std::uint64_t runs = 0, states = 0;
  std::string problem;  // what is wrong in the first run where something is, and that run; else empty
};

struct ExploreOptions {
  Plants plants;
  bool stale_reads = true;  // false: sequential consistency
};

// Search all runs. `make` builds the scenario anew for each of them.
Exploration explore(const std::function<Scenario()> &make, const ExploreOptions &options = {});

// For scenarios: what is false here is a problem.
void require(bool condition, const char *what);

namespace checker {

int new_location(std::uint64_t value);
std::uint64_t load(int location, std::memory_order order);
void store(int location, std::uint64_t value, std::memory_order order);
bool compare_exchange(int location, std::uint64_t &expected, std::uint64_t desired, std::memory_order success,
                      std::memory_order failure, bool wide);
// Read the newest value and write `change(value)`; returns what it was.
std::uint64_t read_modify_write(int location, const std::function<std::uint64_t(std::uint64_t)> &change,
                                std::memory_order order);
std::uint64_t touch(int location, bool write, std::uint64_t value);
const Plants &plants();

}  // namespace checker

template <class T>
class CheckedAtomic {
 public:
  static constexpr bool is_always_lock_free = true;
  CheckedAtomic(T value = 0) : location_(checker::new_location(value)) {}
  CheckedAtomic(const CheckedAtomic &) = delete;
  CheckedAtomic &operator=(const CheckedAtomic &) = delete;

  T load(std::memory_order order) const { return static_cast<T>(checker::load(location_, order)); }
  void store(T value, std::memory_order order) { checker::store(location_, value, order); }
  T exchange(T value, std::memory_order order) {
    return static_cast<T>(checker::read_modify_write(location_, [value](std::uint64_t) { return value; }, order));
  }
  T fetch_add(T value, std::memory_order order) {
    if (checker::plants().lost_update) {
      const T before = load(order);
      store(before + value, order);
      return before;
    }
    return static_cast<T>(checker::read_modify_write(
        location_, [value](std::uint64_t before) { return static_cast<T>(before + value); }, order));
  }
  T fetch_sub(T value, std::memory_order order) { return fetch_add(static_cast<T>(T{0} - value), order); }
  bool compare_exchange_weak(T &expected, T desired, std::memory_order success, std::memory_order failure) {
    std::uint64_t wide = expected;
    const bool done = checker::compare_exchange(location_, wide, desired, success, failure, sizeof(T) == 8);
    expected = static_cast<T>(wide);
    return done;
  }
  bool compare_exchange_strong(T &expected, T desired, std::memory_order success, std::memory_order failure) {
    return compare_exchange_weak(expected, desired, success, failure);
  }

 private:
  int location_;
};

struct CheckedAtomics {
  template <class T>
  using Atomic = CheckedAtomic<T>;
  static void pause() {}
};

// Data that only its owner may touch: a race is a problem.
class CheckedData {
 public:
  CheckedData() : location_(checker::new_location(0)) {}
  void write(std::uint64_t value) { checker::touch(location_, true, value); }
  std::uint64_t read() const { return checker::touch(location_, false, 0); }

 private:
  int location_;
};

}  // namespace akv::test
