// attend.hpp: to come.
// It knows addresses, strides and numbers.
#pragma once

#include "data/kernels/attend.hpp"

namespace akv {
namespace {

constexpr AttendKernels kAttendKernels = {};

}  // namespace
}  // namespace akv
