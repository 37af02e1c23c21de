// byte_life.hpp: what stores, views, images, models and the planner tell, in META calls: each function of that class is
// called, and answers as it should. It knows the public API; not why somebody wants to see it.
#pragma once

#include "arenakv.h"

#include <set>
#include <string>
#include <vector>

namespace akv::stress {

// A cache, a store of it and an image of its one sequence are made before, and destroyed behind.
class ByteLife {
 public:
  ByteLife();
  ~ByteLife();
  ByteLife(const ByteLife &) = delete;
  ByteLife &operator=(const ByteLife &) = delete;
  // Allocates nothing itself. Returns the number of the first line that answered otherwise than expected, 0 if none.
  int live_once();

 private:
  int store();
  int views();
  int image();
  int models();
  int tiers();

  akv_cache *cache_ = nullptr;
  akv_store *store_ = nullptr, *rings_ = nullptr;
  akv_tail *tail_ = nullptr;
  akv_sequence sequence_ = AKV_NONE;
  std::vector<std::uint64_t> image_;
};

// The functions that live_once() has called.
std::set<std::string> byte_functions_called();

}  // namespace akv::stress
