// find_model.cpp: see find_model.hpp.
#include "plan/find_model.hpp"

#include "cache.hpp"
#include "error.hpp"
#include "plan/config_json.hpp"

#include <filesystem>

namespace replay {

NamedModel find_model(const std::string &wanted) {
  NamedModel found;
  std::error_code none;
  const bool exists = std::filesystem::exists(wanted, none);
  // Where there is a folder models/Mistral-7B, no name with an owner in front is meant.
  if (!exists || wanted.find('/') == wanted.npos) {
    if (akv_model_find(wanted.c_str(), &found.model) == AKV_OK) {
      found.name = akv_model_name(found.model.preset);
      return found;
    }
    if (!exists && !wanted.ends_with(".json"))
      throw UsageError("--model is " + quoted(wanted) + ": " + library_error() +
                       " (arenakv plan --list). It is no file either");
  }
  found.model = read_config_json(wanted);
  found.name = wanted;
  return found;
}

}  // namespace replay
