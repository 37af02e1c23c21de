// store_geometry.cpp: see store_geometry.hpp.
#include "command/store_geometry.hpp"

#include "cache.hpp"
#include "plan/find_model.hpp"

namespace replay {

NamedGeometry geometry_of(const StoreOptions &options) {
  const auto given_or = [](std::uint32_t given, std::uint32_t otherwise) { return given != 0 ? given : otherwise; };
  if (options.model.empty())
    return {{},
            keys_and_values(given_or(options.layers, 1), given_or(options.kv_heads, 1), given_or(options.head_dim, 8),
                            given_or(options.dtype, AKV_DTYPE_F16))};
  const NamedModel found = find_model(options.model);
  Geometry geometry;
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  check(akv_model_read_group(&found.model, options.dtype, &group, sizeof group, geometry.planes.data(),
                             geometry.planes.size()),
        "akv_model_read_group");
  if (options.layers > group.num_layers)
    throw UsageError("--layers is '" + std::to_string(options.layers) + "', " + found.name + " has " +
                     std::to_string(group.num_layers));
  geometry.num_planes = group.num_planes;
  geometry.layers = given_or(options.layers, group.num_layers);
  return {found.name, geometry};
}

}  // namespace replay
