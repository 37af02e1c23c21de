// copy_two_tier.cpp: thunks of copy_two_tier.h.
#include "api/stream_or_none.hpp"
#include "api/thunk.hpp"
#include "data/tier/overflow.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kOverflowV1 = 32;
static_assert(sizeof(akv_overflow) == kOverflowV1);

}  // namespace

extern "C" {

akv_status akv_copy_overflow(akv_tail *tail, const akv_overflow *rows, uint32_t num_rows, uint32_t row_size,
                             uint32_t *out_stored, akv_stream *stream) noexcept {
  AKV_TRY(check_array(rows, num_rows, "rows"));
  AKV_TRY(check_element_size("row_size", row_size, kOverflowV1));
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return copy_overflow(std::move(found), {reinterpret_cast<const unsigned char *>(rows), row_size, num_rows},
                       out_stored, on.get());
}

akv_status akv_copy_read_tiers(akv_tail *tail, const akv_overflow *row, uint32_t row_size, uint32_t dtype, void *data,
                               uint64_t bytes, akv_stream *stream) noexcept {
  AKV_TRY(check_pointer(row, "row"));
  AKV_TRY(check_element_size("row_size", row_size, kOverflowV1));
  akv_overflow asked;
  AKV_TRY(read_element(row, row_size, asked));
  Tails::Ref found;
  AKV_TRY(Tails::find(tail, found));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return read_tiers(std::move(found), asked, dtype, data, bytes, on.get());
}

}  // extern "C"
