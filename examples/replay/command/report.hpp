// report.hpp: results for a person. It knows words and columns; the numbers are results.hpp's.
#pragma once

#include "command/results.hpp"

#include <cstdio>

namespace replay {

void print_report(const Results &results, std::FILE *file);

}  // namespace replay
