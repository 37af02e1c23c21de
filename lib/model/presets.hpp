// presets.hpp: models by name. It knows names and numbers, and what does not count in a name.
#pragma once

#include "arenakv/model.h"
#include "base/error.hpp"

namespace akv {

[[nodiscard]] Status find_preset(const char *name, akv_model &to) noexcept;

// Numbered from 1; nullptr for others.
const char *preset_name(std::uint32_t preset) noexcept;

}  // namespace akv
