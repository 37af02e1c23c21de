// plan.cpp: thunks of plan.h.
#include "api/thunk.hpp"

using namespace akv;

extern "C" {

akv_status akv_plan_read_info(akv_cache *cache, akv_plan plan, akv_plan_info *out_info) noexcept {
  AKV_TRY(check_output(out_info, kOutputV1));
  Locked locked(cache);
  AKV_TRY(locked.status());
  akv_plan_info info{};
  AKV_TRY(locked->read_plan_info_locked(plan, info));
  write_struct(info, out_info);
  return AKV_OK;
}

akv_status akv_plan_read_records(akv_cache *cache, akv_plan plan, uint32_t first, akv_plan_record *out_records,
                                 uint32_t capacity, uint32_t *out_count) noexcept {
  AKV_TRY(check_array(out_records, capacity, "out_records"));
  AKV_TRY(check_pointer(out_count, "out_count"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->read_plan_records_locked(plan, first, out_records, capacity, *out_count);
}

akv_status akv_plan_finish(akv_cache *cache, akv_plan plan, akv_ticket ticket) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->finish_plan_locked(plan, ticket);
}

akv_status akv_plan_abandon(akv_cache *cache, akv_plan plan) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->abandon_plan_locked(plan);
}

}  // extern "C"
