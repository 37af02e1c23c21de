// results_json.hpp: results for a program. It knows the keys, which stay; the numbers are results.hpp's.
#pragma once

#include "command/results.hpp"

#include <string>

namespace replay {

// One JSON object, with a newline at its end.
std::string results_as_json(const Results &results);

}  // namespace replay
