// copy.cpp: thunks of copy.h.
#include "api/stream_or_none.hpp"
#include "api/write_stats.hpp"
#include "data/copy_engine.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kTokenDataV1 = 48, kSpanV1 = 56;
static_assert(sizeof(akv_token_data) == kTokenDataV1 && sizeof(akv_span) == kSpanV1);

Status move_tokens(akv_store *store, std::uint32_t layer, const std::int64_t *slots, std::uint32_t num_tokens,
                   const akv_token_data *planes, std::uint32_t num_planes, std::uint32_t data_size, akv_stream *stream,
                   bool write) noexcept {
  AKV_TRY(check_array(slots, num_tokens, "slots"));
  AKV_TRY(check_array(planes, num_planes, "planes"));
  AKV_TRY(check_element_size("data_size", data_size, kTokenDataV1));
  if (num_planes > kMaxPlanes)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_planes is %llu, a layer has at most %llu", num_planes, kMaxPlanes);
  akv_token_data ours[kMaxPlanes];
  const auto *bytes = reinterpret_cast<const unsigned char *>(planes);
  for (std::uint32_t i = 0; i < num_planes; ++i)
    AKV_TRY(read_element(bytes + std::size_t{i} * data_size, data_size, ours[i]));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return copy_tokens(std::move(ref), layer, slots, num_tokens, ours, num_planes, write, on.get());
}

Status move_spans(akv_store *store, const akv_span *spans, std::uint32_t num_spans, std::uint32_t span_size,
                  akv_stream *stream, bool write) noexcept {
  AKV_TRY(check_array(spans, num_spans, "spans"));
  AKV_TRY(check_element_size("span_size", span_size, kSpanV1));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return copy_spans(std::move(ref), {reinterpret_cast<const unsigned char *>(spans), span_size, num_spans}, write,
                    on.get());
}

}  // namespace

extern "C" {

akv_status akv_copy_write_tokens(akv_store *store, uint32_t layer, const int64_t *slots, uint32_t num_tokens,
                                 const akv_token_data *planes, uint32_t num_planes, uint32_t data_size,
                                 akv_stream *stream) noexcept {
  return move_tokens(store, layer, slots, num_tokens, planes, num_planes, data_size, stream, true);
}

akv_status akv_copy_read_tokens(akv_store *store, uint32_t layer, const int64_t *slots, uint32_t num_tokens,
                                const akv_token_data *planes, uint32_t num_planes, uint32_t data_size,
                                akv_stream *stream) noexcept {
  return move_tokens(store, layer, slots, num_tokens, planes, num_planes, data_size, stream, false);
}

akv_status akv_store_span_bytes(akv_store *store, uint32_t first_layer, uint32_t num_layers, uint32_t num_tokens,
                                uint32_t dtype, uint64_t *out_bytes) noexcept {
  AKV_TRY(check_pointer(out_bytes, "out_bytes"));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  return span_bytes(*ref, first_layer, num_layers, num_tokens, dtype, *out_bytes);
}

akv_status akv_copy_gather(akv_store *store, const akv_span *spans, uint32_t num_spans, uint32_t span_size,
                           akv_stream *stream) noexcept {
  return move_spans(store, spans, num_spans, span_size, stream, false);
}

akv_status akv_copy_scatter(akv_store *store, const akv_span *spans, uint32_t num_spans, uint32_t span_size,
                            akv_stream *stream) noexcept {
  return move_spans(store, spans, num_spans, span_size, stream, true);
}

akv_status akv_copy_zero(akv_store *store, const int32_t *blocks, uint32_t num_blocks, akv_stream *stream) noexcept {
  AKV_TRY(check_array(blocks, num_blocks, "blocks"));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return copy_zero(std::move(ref), blocks, num_blocks, on.get());
}

akv_status akv_copy_blocks(akv_store *from, const int32_t *from_blocks, akv_store *to, const int32_t *to_blocks,
                           uint32_t num_blocks, uint32_t flags, akv_stream *stream) noexcept {
  AKV_TRY(check_flags(flags, AKV_BLOCKS_VERIFY));
  AKV_TRY(check_array(from_blocks, num_blocks, "from_blocks"));
  AKV_TRY(check_array(to_blocks, num_blocks, "to_blocks"));
  Stores::Ref source, target;
  AKV_TRY(Stores::find(from, source));
  AKV_TRY(Stores::find(to, target));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return copy_blocks(std::move(source), from_blocks, std::move(target), to_blocks, num_blocks,
                     (flags & AKV_BLOCKS_VERIFY) != 0, on.get());
}

akv_status akv_copy_converted(akv_store *from, const int32_t *from_blocks, const float *from_scales, akv_store *to,
                              const int32_t *to_blocks, const float *to_scales, uint32_t num_blocks,
                              akv_stream *stream) noexcept {
  AKV_TRY(check_array(from_blocks, num_blocks, "from_blocks"));
  AKV_TRY(check_array(to_blocks, num_blocks, "to_blocks"));
  Stores::Ref source, target;
  AKV_TRY(Stores::find(from, source));
  AKV_TRY(Stores::find(to, target));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return copy_converted({std::move(source), from_blocks, from_scales}, {std::move(target), to_blocks, to_scales},
                        num_blocks, on.get());
}

akv_status akv_copy_run(akv_cache *cache, akv_plan plan, akv_store *const *stores, uint32_t num_stores, uint32_t flags,
                        akv_stream *stream) noexcept {
  AKV_TRY(check_flags(flags, AKV_RUN_ORDERED | AKV_RUN_VERIFY | AKV_RUN_FINISH));
  AKV_TRY(check_array(stores, num_stores, "stores"));
  AKV_TRY(check_pointer(cache, "cache"));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  RecordSource source;
  source.cache = cache;
  source.plan = plan;
  source.ordered = (flags & AKV_RUN_ORDERED) != 0;
  return run_records(source, {stores, num_stores, (flags & AKV_RUN_VERIFY) != 0, (flags & AKV_RUN_FINISH) != 0},
                     on.get());
}

akv_status akv_copy_records(const akv_plan_record *records, uint32_t num_records, akv_store *const *stores,
                            uint32_t num_stores, uint32_t flags, akv_stream *stream) noexcept {
  AKV_TRY(check_flags(flags, AKV_RUN_ORDERED | AKV_RUN_VERIFY));
  AKV_TRY(check_array(records, num_records, "records"));
  AKV_TRY(check_array(stores, num_stores, "stores"));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  RecordSource source;
  source.records = records;
  source.num_records = num_records;
  return run_records(source, {stores, num_stores, (flags & AKV_RUN_VERIFY) != 0, false}, on.get());
}

akv_status akv_store_read_stats(akv_store *store, akv_copy_stats *out_lines, uint32_t line_size, uint32_t capacity,
                                uint32_t *out_count) noexcept {
  AKV_TRY(check_stats_arguments(out_lines, line_size, capacity, out_count));
  Stores::Ref ref;
  AKV_TRY(Stores::find(store, ref));
  return write_stats(ref->stats(), out_lines, line_size, capacity, *out_count);
}

}  // extern "C"
