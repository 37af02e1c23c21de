// model_thunk.hpp: what the thunks of model.h and planner.h share: first-release sizes, and a model from outside.
// It knows no number of a model.
#pragma once

#include "api/thunk.hpp"
#include "arenakv/planner.h"
#include "model/model.hpp"

namespace akv {

inline constexpr std::uint32_t kModelV1 = 88;
inline constexpr std::uint32_t kModelFieldsV1 = 128;
inline constexpr std::uint32_t kPlannerRequestV1 = 88;
static_assert(sizeof(akv_model) == kModelV1 && sizeof(akv_model_fields) == kModelFieldsV1);
static_assert(sizeof(akv_planner_request) == kPlannerRequestV1);

inline Status read_model(const akv_model *from, akv_model &to) noexcept {
  AKV_TRY(read_struct(from, to, kModelV1));
  return complete_model(to);
}

}  // namespace akv
