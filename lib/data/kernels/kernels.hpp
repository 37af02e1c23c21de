// kernels.hpp: the loops that touch K/V, as one table for each kind of machine: a plain struct of arguments for each
// loop, the same for all; a device will take them as they are. Nothing in them allocates, checks or synchronises.
// It knows instruction sets by name.
//
// A table is made by one file (plain.cpp, avx2.cpp ...) that includes the vectors of its machine (vec/) and then the
// loops (body/), all in an unnamed namespace. That file alone is compiled for the instruction set, so nothing with a
// name that others could link may come out of it: no standard header that has code in it, no inline function with
// linkage. tests/rules looks with nm.
#pragma once

#include "data/kernels/attend.hpp"
#include "data/kernels/formats.hpp"
#include "data/kernels/rows.hpp"

namespace akv {

struct Kernels {
  CopyKernels copy;
  FormatKernels format;
  AttendKernels attend;
};

extern const Kernels plain_kernels;

// The table of an instruction set (AKV_ISA_* of host.h), or nullptr: not compiled, or not for this processor.
const Kernels *kernels_for(std::uint32_t isa) noexcept;

// The one in use: the quickest, or what was chosen.
const Kernels &kernels() noexcept;

}  // namespace akv
