// find_model.cpp: see find_model.hpp.
#include "plan/find_model.hpp"

#include "cache.hpp"
#include "error.hpp"
#include "plan/config_json.hpp"

#include <filesystem>

namespace replay {

NamedModel find_model(const std::string &wanted) {
  NamedModel found;
  const akv_status status = akv_model_find(wanted.c_str(), &found.model);
  if (status == AKV_OK) {
    found.name = akv_model_name(found.model.preset);
    return found;
  }
  const std::string why = library_error();
  std::error_code none;
  if (!std::filesystem::exists(wanted, none) && !wanted.ends_with(".json"))
    throw UsageError("--model is " + quoted(wanted) + ": " + why + " (arenakv plan --list). It is no file either");
  found.model = read_config_json(wanted);
  found.name = wanted;
  return found;
}

}  // namespace replay
