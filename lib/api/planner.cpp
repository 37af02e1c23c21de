// planner.cpp: thunks of planner.h.
#include "model/planner.hpp"

#include "api/model_thunk.hpp"

using namespace akv;

namespace {

// What the three have in common: a model and a request in, a struct out.
template <class Result>
Status plan(Status (*planner)(const akv_model &, const akv_planner_request &, Result &) noexcept,
            const akv_model *model, const akv_planner_request *request, Result *out) noexcept {
  AKV_TRY(check_output(out, kOutputV1));
  akv_model wanted;
  AKV_TRY(read_model(model, wanted));
  akv_planner_request asked;
  AKV_TRY(read_struct(request, asked, kPlannerRequestV1));
  if (asked.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "unused is %llu, must be 0", asked.unused);
  Result result{};
  AKV_TRY(planner(wanted, asked, result));
  write_struct(result, out);
  return AKV_OK;
}

}  // namespace

extern "C" {

akv_status akv_planner_fit(const akv_model *model, const akv_planner_request *request,
                           akv_planner_result *out_result) noexcept {
  return plan(planner_fit, model, request, out_result);
}

akv_status akv_planner_need(const akv_model *model, const akv_planner_request *request,
                            akv_planner_result *out_result) noexcept {
  return plan(planner_need, model, request, out_result);
}

akv_status akv_planner_page_size(const akv_model *model, const akv_planner_request *request,
                                 akv_page_size *out_page_size) noexcept {
  return plan(planner_page_size, model, request, out_page_size);
}

}  // extern "C"
