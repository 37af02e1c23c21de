// help.hpp: what `--help` and `--version` say. It knows words only.
#pragma once

#include <cstdio>

namespace replay {

// Each returns the exit code 0.
int print_help(std::FILE *file);
int print_replay_help(std::FILE *file);
int print_plan_help(std::FILE *file);
int print_version();

}  // namespace replay
