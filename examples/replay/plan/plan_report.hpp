// plan_report.hpp: the answers of `arenakv plan` for a person. It knows words and columns; the numbers are
// answers.hpp's.
#pragma once

#include "plan/answers.hpp"

#include <cstdio>

namespace replay {

void print_answers(const Answers &answers, std::FILE *file);

void print_presets(std::FILE *file);

}  // namespace replay
