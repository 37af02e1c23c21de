// isa.hpp: the instruction set whose kernels are in use, for all stores and streams of the process.
// It knows instruction sets by name.
#pragma once

#include "arenakv/host.h"
#include "base/error.hpp"

namespace akv {

std::uint32_t isa_in_use() noexcept;               // AKV_ISA_*
Status choose_isa(std::uint32_t isa) noexcept;     // 0: the quickest that this processor runs
const char *isa_name(std::uint32_t isa) noexcept;  // never nullptr

}  // namespace akv
