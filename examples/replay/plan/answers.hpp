// answers.hpp: what `arenakv plan` has found out, as numbers. It knows neither where they came from nor how they are
// told.
#pragma once

#include "arenakv.h"

#include <bit>
#include <optional>
#include <string>

namespace replay {

struct Answers {
  std::string name;
  akv_model model = AKV_MODEL_INIT;
  std::uint32_t format = 0;                      // AKV_FORMAT_*; 0: numbers of sizes.dtype
  akv_model_sizes sizes = AKV_MODEL_SIZES_INIT;  // of one sequence
  akv_page_size page = AKV_PAGE_SIZE_INIT;
  akv_planner_result need = AKV_PLANNER_RESULT_INIT;  // of the sequences asked for
  std::optional<akv_planner_result> fit;              // where there is a budget

  // Is there room in the budget for the sequences asked for?
  bool fits() const { return fit && need.store_bytes <= fit->budget_bytes; }

  std::uint32_t window_layers() const {
    if (model.sliding_window == 0) return 0;
    std::uint32_t named = 0;
    for (const std::uint64_t word : model.window_layers) named += static_cast<std::uint32_t>(std::popcount(word));
    return named != 0 ? named : model.num_layers;
  }
};

}  // namespace replay
