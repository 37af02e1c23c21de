// model.hpp: a model's numbers: checked, completed, made into a geometry, and counted in bytes.
// Numbers only: it knows no file format, no memory and no cache.
#pragma once

#include "arenakv/model.h"
#include "model/geometry.hpp"

namespace akv {

// Check every limit, and fill in what follows from the rest: attention, dtype, value_head_dim.
[[nodiscard]] Status complete_model(akv_model &model) noexcept;

// What akv_model_read_group(), sizes and planner count with. `dtype` and `num_layers` 0: the model's. The model is
// complete.
[[nodiscard]] Status model_geometry(const akv_model &model, std::uint32_t dtype, std::uint32_t num_layers,
                                    Geometry &to) noexcept;

[[nodiscard]] Status model_sizes(const akv_model &model, std::uint32_t dtype, std::uint32_t num_layers,
                                 std::uint64_t num_tokens, akv_model_sizes &to) noexcept;

[[nodiscard]] Status detect_kv_heads(std::uint64_t key_projection_rows, std::uint32_t head_dim,
                                     std::uint32_t query_heads, std::uint32_t &to) noexcept;

const char *family_name(std::uint32_t family) noexcept;
const char *attention_name(std::uint32_t attention) noexcept;

}  // namespace akv
