// neon.cpp: the kernels for arm64.
// It knows nothing by itself: vectors and loops are included, and compiled for that instruction set here alone.
#include "data/kernels/vec/neon.hpp"
#include "data/kernels/vec/units_neon.hpp"
#include "data/kernels/vec/attend_neon.hpp"

#include "data/kernels/body/move.hpp"
#include "data/kernels/body/attend.hpp"
#include "data/kernels/body/copy.hpp"
#include "data/kernels/body/formats.hpp"
#include "data/kernels/kernels.hpp"

namespace akv {

extern constinit const Kernels neon_kernels = {kCopyKernels, kFormatKernels, attention::kAttendKernels};

}  // namespace akv
