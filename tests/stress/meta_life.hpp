// meta_life.hpp: a whole life of a cache in META calls: each function of that class is called, and answers as it
// should. It knows the public API; not why somebody wants to see it.
#pragma once

#include "arenakv.h"

#include <set>
#include <string>

namespace akv::stress {

// What the cache of such a life is made of, at the least.
akv_cache_config config_of_a_life();

// Live once: steps, forks, plans, swaps, tickets, leases, pins, evictions, and every kind of refusal. Allocates nothing
// itself. Returns the number of the first line that answered otherwise than expected, 0 if none.
int live_once(akv_cache *cache);

// The functions that live_once() has called.
std::set<std::string> functions_called();

}  // namespace akv::stress
