// status.cpp: thunks of status.h.
#include "api/thunk.hpp"

using namespace akv;

extern "C" {

const char *akv_status_name(akv_status status) noexcept { return status_name(status); }

size_t akv_last_error(char *buffer, size_t capacity) noexcept { return last_error_text(buffer, capacity); }

akv_status akv_last_error_detail(akv_error_detail *out_detail) noexcept {
  AKV_TRY(check_output(out_detail, kOutputV1));
  akv_error_detail detail{};
  last_error_detail(detail);
  write_struct(detail, out_detail);
  return AKV_OK;
}

}  // extern "C"
