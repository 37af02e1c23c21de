// config_json.hpp: a Hugging Face config.json as the fields that the library understands. It knows JSON and the names
// that models give to the same number; what the numbers mean is the library's (akv_model_from_fields).
#pragma once

#include "arenakv.h"

#include <string>

namespace replay {

// The model that this file describes; a folder means the config.json in it. Fails with Failure: the file, the key, what
// it is and what it must be.
akv_model read_config_json(const std::string &path);

}  // namespace replay
