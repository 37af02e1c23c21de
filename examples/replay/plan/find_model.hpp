// find_model.hpp: a model as a flag names it: one that the library knows, or a config.json. A path with a '/' that
// exists is never a name. It knows no other flag.
#pragma once

#include "arenakv.h"

#include <string>

namespace replay {

struct NamedModel {
  std::string name;
  akv_model model = AKV_MODEL_INIT;
};

// Fails with UsageError where it is neither a name nor a file, and as read_config_json().
NamedModel find_model(const std::string &wanted);

}  // namespace replay
