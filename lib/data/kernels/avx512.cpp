// avx512.cpp: the kernels for x86-64-v4 with AVX512-BF16 and VNNI.
// It knows nothing by itself: vectors and loops are included, and compiled for that instruction set here alone.
#include "data/kernels/vec/avx512.hpp"
#include "data/kernels/vec/units_avx512.hpp"
#include "data/kernels/vec/attend_avx512.hpp"

#include "data/kernels/body/move.hpp"
#include "data/kernels/body/attend.hpp"
#include "data/kernels/body/copy.hpp"
#include "data/kernels/body/formats.hpp"
#include "data/kernels/kernels.hpp"

namespace akv {

extern constinit const Kernels avx512_kernels = {kCopyKernels, kFormatKernels, attention::kAttendKernels};

}  // namespace akv
