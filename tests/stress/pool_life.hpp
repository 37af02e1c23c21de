// pool_life.hpp: a whole life of a page pool and a tracker in META calls: each function of that class is called, and
// answers as it should. It knows the public API; not why somebody wants to see it.
#pragma once

#include "arenakv.h"

#include <set>
#include <string>

namespace akv::stress {

// The pool and the tracker are made before and destroyed behind.
class PoolLife {
 public:
  PoolLife();
  ~PoolLife();
  PoolLife(const PoolLife &) = delete;
  PoolLife &operator=(const PoolLife &) = delete;
  // Allocates nothing itself. Returns the number of the first line that answered otherwise than expected, 0 if none.
  int live_once();

 private:
  int pages();
  int arenas();
  int tickets();
  int tracker();

  akv_page_pool *pool_ = nullptr;
  akv_tracker *tracker_ = nullptr;
};

// The functions that live_once() has called.
std::set<std::string> pool_functions_called();

}  // namespace akv::stress
