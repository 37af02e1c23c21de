// store_geometry.hpp: the layers and planes that the flags of --store ask for. It knows flags, and models by name.
#pragma once

#include "bytes/geometry.hpp"
#include "command/store_flags.hpp"

#include <string>

namespace replay {

struct NamedGeometry {
  std::string model;  // empty: none, but the flags' numbers
  Geometry geometry;
};

// Fails with UsageError, and as find_model().
NamedGeometry geometry_of(const StoreOptions &options);

}  // namespace replay
