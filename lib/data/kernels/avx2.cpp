// avx2.cpp: the kernels for x86-64 with AVX2, FMA and F16C.
// It knows nothing by itself: vectors and loops are included, and compiled for that instruction set here alone.
#include "data/kernels/vec/avx2.hpp"
#include "data/kernels/vec/units_avx2.hpp"
#include "data/kernels/vec/attend_avx2.hpp"

#include "data/kernels/body/move.hpp"
#include "data/kernels/body/attend.hpp"
#include "data/kernels/body/copy.hpp"
#include "data/kernels/body/formats.hpp"
#include "data/kernels/kernels.hpp"

namespace akv {

extern constinit const Kernels avx2_kernels = {kCopyKernels, kFormatKernels, attention::kAttendKernels};

}  // namespace akv
