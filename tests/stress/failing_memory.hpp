// failing_memory.hpp: memory that fails when it is told to: every allocation of this process goes through here, and
// every mapping of the library, and every opening of one. It knows sizes and counts; not who asks.
//
// The n-th allocation of a thread that was armed fails, once or with all that follow it. What was handed out and not
// given back is counted, so that a leak shows.
#pragma once

#include <cstdint>

namespace akv::stress {

// Are malloc() and its relatives counted? Not where a sanitizer brings its own. Is operator new, at least?
bool counts_malloc();
bool counts_new();

// From now on this thread's allocation number `nth` (from 1; 0: none) fails, and with `for_ever` all behind it.
void arm(std::uint64_t nth, bool for_ever);

struct Attempts {
  std::uint64_t made = 0;    // allocations and mappings asked for since arm()
  std::uint64_t failed = 0;  // of these, refused
};
Attempts disarm();

// What is handed out at this moment, by all threads, since the first call of arm().
struct Outstanding {
  std::int64_t allocations = 0;
  std::int64_t mappings = 0;
  std::int64_t mapped_bytes = 0;
  bool operator==(const Outstanding &) const = default;
};
Outstanding outstanding();

}  // namespace akv::stress
