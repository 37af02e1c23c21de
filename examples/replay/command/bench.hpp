// bench.hpp: `arenakv bench`: how quick the library's kernels are here. It starts kernelcheck, which is installed
// beside this command, and knows nothing of kernels itself.
#pragma once

#include "command/flags.hpp"

namespace replay {

// The exit code of kernelcheck, if it comes back at all. Fails with UsageError or Failure.
int bench_command(Words words);

}  // namespace replay
