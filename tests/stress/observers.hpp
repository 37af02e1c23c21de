// observers.hpp: two threads beside the workers: one that looks at everything, and one that misuses handles.
// They know the public API; not what the workers do.
#pragma once

#include "world.hpp"

namespace akv::stress {

// What the watcher has seen.
struct Seen {
  std::uint64_t looks = 0, audits = 0;
};

// Until the workers are done: read-outs, audits, matches, and now and then a domain is cleared.
void watch(World &world, Seen &seen);

// Until the workers are done: stale handles, handles of other kinds and caches, and looks into sequences of others.
// Returns how many calls were refused as they must be.
std::uint64_t abuse(World &world);

}  // namespace akv::stress
