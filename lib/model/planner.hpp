// planner.hpp: bytes to blocks and sequences, and back; and the size of a page.
// Numbers only: it makes no store; the layout it counts is the default one (a region for each layer and plane).
#pragma once

#include "arenakv/planner.h"
#include "base/error.hpp"

namespace akv {

// The models are complete (model.hpp).
[[nodiscard]] Status planner_fit(const akv_model &model, const akv_planner_request &request,
                                 akv_planner_result &to) noexcept;
[[nodiscard]] Status planner_need(const akv_model &model, const akv_planner_request &request,
                                  akv_planner_result &to) noexcept;
[[nodiscard]] Status planner_page_size(const akv_model &model, const akv_planner_request &request,
                                       akv_page_size &to) noexcept;

}  // namespace akv
