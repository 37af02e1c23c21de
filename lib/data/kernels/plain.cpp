// plain.cpp: the kernels for any processor.
// It knows nothing by itself: vectors and loops are included, and compiled for that instruction set here alone.
#include "data/kernels/vec/plain.hpp"
#include "data/kernels/vec/units_plain.hpp"
#include "data/kernels/vec/attend_plain.hpp"

#include "data/kernels/body/move_plain.hpp"
#include "data/kernels/body/attend.hpp"
#include "data/kernels/body/copy.hpp"
#include "data/kernels/body/formats.hpp"
#include "data/kernels/kernels.hpp"

namespace akv {

extern constinit const Kernels plain_kernels = {kCopyKernels, kFormatKernels, attention::kAttendKernels};

}  // namespace akv
