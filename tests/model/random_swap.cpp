// random_swap.cpp: sequences go out to swap blocks and come back; swap blocks for the caller's own use.
// It knows the calls; how their plans end is in random_holds.cpp.
#include "random_run.hpp"

#include <algorithm>

namespace model_test {

void Run::end_soon(akv_plan plan) {
  check_plan(plan);
  if (plan != AKV_NONE && random_.one_in(2)) end(*model_.find_plan(plan));
}

void Run::swap_out() {
  Sequence *s = some_sequence();
  // Mostly one that can go.
  for (int i = 0; i < 4 && s != nullptr && (s->committed < s->length() || s->state != AKV_SEQUENCE_ACTIVE); ++i)
    s = some_sequence();
  if (s == nullptr) return;
  note("swap out %" PRIx64, s->handle);
  akv_plan plan = 77;
  const akv_status status = akv_sequence_swap_out(cache_, s->handle, &plan);
  expect(status, model_.swap_out(*s, plan), "swap_out");
  if (status != AKV_OK) return same(plan, 77u, "plan of a call that failed");
  end_soon(plan);
}

void Run::swap_in() {
  Sequence *s = some_sequence();
  for (int i = 0; i < 4 && s != nullptr && s->state != AKV_SEQUENCE_SWAPPED; ++i) s = some_sequence();
  if (s == nullptr) return;
  // Which blocks the magazines hold is not known to the model, only how many: to ask for room calls them back.
  if (s->contiguous) ask_for_extent();
  note("swap in %" PRIx64, s->handle);
  akv_swapped_in got = AKV_SWAPPED_IN_INIT, want = AKV_SWAPPED_IN_INIT;
  const akv_status status = akv_sequence_swap_in(cache_, s->handle, &got);
  expect(status, model_.swap_in(*s, got, want), "swap_in");
  same(got.cached_tokens, want.cached_tokens, "cached_tokens of a sequence that comes back");
  same(got.copied_tokens, want.copied_tokens, "copied_tokens of a sequence that comes back");
  same(got.new_blocks, want.new_blocks, "new_blocks of a sequence that comes back");
  same(number(got.wait), want.wait, "wait of a sequence that comes back");
  same(got.plan, want.plan, "plan of a sequence that comes back");
  end_soon(got.plan);
}

// How long could an extent be?
void Run::ask_for_extent() {
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_CONTIGUOUS;
  options.reserve_tokens = 1;
  note("ask for an extent");
  akv_room room = AKV_ROOM_INIT, want = AKV_ROOM_INIT;
  expect(akv_cache_can_allocate(cache_, nullptr, &options, &room), AKV_OK, "can_allocate");
  model_.can_allocate({}, 0, options, want);
  same(room.blocks_available, want.blocks_available, "neighbouring blocks available");
  same(room.status, want.status, "can_allocate's forecast for an extent");
}

void Run::acquire_or_release_swap() {
  if (model_.acquired.empty() ? random_.one_in(8) : random_.one_in(2)) {
    std::vector<std::int32_t> blocks;
    for (const std::int32_t block : model_.acquired)
      if (random_.one_in(2)) blocks.push_back(block);
    if (!blocks.empty() && random_.one_in(4)) blocks.push_back(random_.pick(blocks));
    if (random_.one_in(6))
      blocks.push_back(static_cast<std::int32_t>(random_.below(model_.config.swap_blocks + 3)) - 1);
    std::reverse(blocks.begin(), blocks.end());
    note("release %zu swap blocks", blocks.size());
    return expect(akv_swap_release(cache_, blocks.data(), static_cast<std::uint32_t>(blocks.size())),
                  model_.release_swap(blocks), "swap_release");
  }
  std::vector<std::int32_t> blocks(random_.below(model_.config.swap_blocks / 4 + 2), -5);
  note("acquire %zu swap blocks", blocks.size());
  const akv_status status = akv_swap_acquire(cache_, static_cast<std::uint32_t>(blocks.size()), blocks.data());
  expect(status, model_.acquire_swap(blocks), "swap_acquire");
  if (status != AKV_OK && std::count(blocks.begin(), blocks.end(), -5) != static_cast<std::ptrdiff_t>(blocks.size()))
    fail("swap blocks of a call that failed");
}

}  // namespace model_test
