// info.hpp: `arenakv info`: what the library that this command was built with can do. It asks the library only.
#pragma once

#include "command/flags.hpp"

namespace replay {

// The exit code. Fails with UsageError or Failure.
int info_command(Words words);

}  // namespace replay
