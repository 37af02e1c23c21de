// formats.hpp: to come.
// It knows addresses, strides and numbers.
#pragma once

#include "data/kernels/formats.hpp"

namespace akv {
namespace {

constexpr FormatKernels kFormatKernels = {};

}  // namespace
}  // namespace akv
