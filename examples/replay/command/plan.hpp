// plan.hpp: `arenakv plan`, from its flags to its answer. It puts the parts together; the numbers are the library's.
#pragma once

#include "command/flags.hpp"

namespace replay {

// The exit code. Fails with UsageError or Failure.
int plan_command(Words words);

}  // namespace replay
