// replay.hpp: `arenakv replay`, from its flags to its report. It puts the parts together and knows no part's work.
#pragma once

#include "command/options.hpp"
#include "command/results.hpp"

namespace replay {

// The exit code. Fails with UsageError or Failure; Refused if --verify found something.
int replay_command(Words words);

}  // namespace replay
