// attention.cpp: thunks of attention.h.
#include "data/attention.hpp"

#include "api/stream_or_none.hpp"
#include "api/thunk.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kAttentionV1 = 152, kPartV1 = 56;
static_assert(sizeof(akv_attention) == kAttentionV1 && sizeof(akv_attention_part) == kPartV1);

}  // namespace

extern "C" {

akv_status akv_attention_decode(const akv_attention *attention, akv_stream *stream) noexcept {
  akv_attention wanted;
  AKV_TRY(read_struct(attention, wanted, kAttentionV1));
  AKV_TRY(check_flags(wanted.flags, 0));
  if (wanted.num_parts == 0 || wanted.num_parts > AKV_MAX_ATTENTION_PARTS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_parts is %llu, must be 1 to %llu", wanted.num_parts,
                AKV_MAX_ATTENTION_PARTS);
  AKV_TRY(check_array(wanted.parts, wanted.num_parts, "parts"));
  AKV_TRY(check_element_size("part_size", wanted.part_size, kPartV1));
  akv_attention_part parts[AKV_MAX_ATTENTION_PARTS];
  Stores::Ref stores[AKV_MAX_ATTENTION_PARTS];
  const auto *bytes = reinterpret_cast<const unsigned char *>(wanted.parts);
  for (std::uint32_t i = 0; i < wanted.num_parts; ++i) {
    AKV_TRY(read_element(bytes + std::size_t{i} * wanted.part_size, wanted.part_size, parts[i]));
    AKV_TRY(Stores::find(parts[i].store, stores[i]));
  }
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return attend(wanted, parts, stores, on.get());
}

akv_status akv_attention_merge(const void *a, const float *a_log_sums, const void *b, const float *b_log_sums,
                               void *out, float *out_log_sums, uint64_t num_rows, uint32_t dim, uint32_t dtype,
                               akv_stream *stream) noexcept {
  const std::uint64_t elements = dim == 0 ? 0 : num_rows;
  AKV_TRY(check_array(a, elements, "a"));
  AKV_TRY(check_array(a_log_sums, num_rows, "a_log_sums"));
  AKV_TRY(check_array(b, elements, "b"));
  AKV_TRY(check_array(b_log_sums, num_rows, "b_log_sums"));
  AKV_TRY(check_array(out, elements, "out"));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return merge_attention({static_cast<const unsigned char *>(a), static_cast<const unsigned char *>(b), a_log_sums,
                          b_log_sums, static_cast<unsigned char *>(out), out_log_sums, num_rows, dim, dtype},
                         on.get());
}

}  // extern "C"
