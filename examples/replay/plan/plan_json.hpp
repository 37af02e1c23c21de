// plan_json.hpp: the answers of `arenakv plan` for a program. It knows the keys, which stay; the numbers are
// answers.hpp's.
#pragma once

#include "plan/answers.hpp"

namespace replay {

// One JSON object, with a newline at its end.
std::string answers_as_json(const Answers &answers);

// An array of the names and main numbers of all presets.
std::string presets_as_json();

}  // namespace replay
