// swap.hpp: whole ways out and in, for the tests of swap.h.
#pragma once

#include "fixture.hpp"

namespace akv::test {

struct SwapCache : Cache {
  using Cache::Cache;

  akv_plan plan_out(akv_sequence sequence) const {
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(handle, sequence, &plan));
    REQUIRE(plan != AKV_NONE);
    return plan;
  }
  akv_plan plan_in(akv_sequence sequence) const {
    akv_swapped_in in = AKV_SWAPPED_IN_INIT;
    OK(akv_sequence_swap_in(handle, sequence, &in));
    return in.plan;
  }
  void swap_out(akv_sequence sequence) const { finish(plan_out(sequence)); }
  void swap_in(akv_sequence sequence) const {
    if (const akv_plan plan = plan_in(sequence); plan != AKV_NONE) finish(plan);
  }
  // Take every block, so that all that is cached is evicted, and give them back.
  void fill() const {
    const akv_sequence all = create(count_up(100000, 128), AKV_SEQUENCE_NO_PUBLISH).sequence;
    free(all);
  }
};

}  // namespace akv::test
