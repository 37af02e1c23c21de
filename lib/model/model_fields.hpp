// model_fields.hpp: what the numbers of a Hugging Face config.json mean. It knows their names, and no JSON.
#pragma once

#include "arenakv/model.h"
#include "base/error.hpp"

namespace akv {

// Texts of `fields` may be nullptr.
[[nodiscard]] Status model_from_fields(const akv_model_fields &fields, akv_model &to) noexcept;

}  // namespace akv
