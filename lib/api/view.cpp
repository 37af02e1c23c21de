// view.cpp: thunks of view.h.
#include "data/view.hpp"

#include "api/thunk.hpp"

using namespace akv;

namespace {

Status read_view(const akv_view *from, akv_view &to) noexcept {
  AKV_TRY(check_pointer(from, "view"));
  AKV_TRY(read_struct(from, to, kViewV1));
  return check_view(to);
}

}  // namespace

extern "C" {

akv_status akv_view_slice(const akv_view *view, uint32_t dimension, uint64_t first, uint64_t count,
                          akv_view *out_view) noexcept {
  akv_view ours;
  AKV_TRY(read_view(view, ours));
  AKV_TRY(check_output(out_view, kOutputV1));
  AKV_TRY(slice_view(ours, dimension, first, count));
  write_struct(ours, out_view);
  return AKV_OK;
}

akv_status akv_view_reshape(const akv_view *view, const int64_t *shape, uint32_t num_dimensions,
                            akv_view *out_view) noexcept {
  akv_view ours;
  AKV_TRY(read_view(view, ours));
  AKV_TRY(check_pointer(shape, "shape"));
  AKV_TRY(check_output(out_view, kOutputV1));
  AKV_TRY(reshape_view(ours, shape, num_dimensions));
  write_struct(ours, out_view);
  return AKV_OK;
}

akv_status akv_view_permute(const akv_view *view, const uint32_t *order, akv_view *out_view) noexcept {
  akv_view ours;
  AKV_TRY(read_view(view, ours));
  AKV_TRY(check_pointer(order, "order"));
  AKV_TRY(check_output(out_view, kOutputV1));
  AKV_TRY(permute_view(ours, order));
  write_struct(ours, out_view);
  return AKV_OK;
}

akv_status akv_view_measure(const akv_view *view, uint32_t *out_contiguous, uint64_t *out_bytes) noexcept {
  akv_view ours;
  AKV_TRY(read_view(view, ours));
  AKV_TRY(check_pointer(out_contiguous, "out_contiguous"));
  bool contiguous = false;
  std::uint64_t bytes = 0;
  AKV_TRY(measure_view(ours, contiguous, bytes));
  *out_contiguous = contiguous ? 1 : 0;
  if (out_bytes != nullptr) *out_bytes = bytes;
  return AKV_OK;
}

}  // extern "C"
