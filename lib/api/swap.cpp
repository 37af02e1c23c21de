// swap.cpp: thunks of swap.h.
#include "api/thunk.hpp"

using namespace akv;

extern "C" {

akv_status akv_sequence_swap_out(akv_cache *cache, akv_sequence sequence, akv_plan *out_plan) noexcept {
  AKV_TRY(check_pointer(out_plan, "out_plan"));
  AKV_ENTER(cache, sequence);
  return home->cache().swap_out(gate.slot(), *out_plan);
}

akv_status akv_sequence_swap_in(akv_cache *cache, akv_sequence sequence, akv_swapped_in *out_swapped_in) noexcept {
  AKV_TRY(check_output(out_swapped_in, kOutputV1));
  AKV_ENTER(cache, sequence);
  akv_swapped_in result{};
  AKV_TRY(home->cache().swap_in(gate.slot(), result));
  write_struct(result, out_swapped_in);
  return AKV_OK;
}

akv_status akv_swap_acquire(akv_cache *cache, uint32_t count, int32_t *out_blocks) noexcept {
  AKV_TRY(check_array(out_blocks, count, "out_blocks"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->acquire_swap_locked(count, out_blocks);
}

akv_status akv_swap_release(akv_cache *cache, const int32_t *blocks, uint32_t count) noexcept {
  AKV_TRY(check_array(blocks, count, "blocks"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->release_swap_locked(blocks, count);
}

}  // extern "C"
