// copy_tensor.cpp: thunks of copy_tensor.h.
#include "api/stream_or_none.hpp"
#include "api/write_stats.hpp"
#include "data/copy_tensors.hpp"

using namespace akv;

namespace {

// The caller's memory on one side, a tensor on the other.
Status move(akv_page_pool *pool, akv_tensor tensor, std::uint64_t offset, void *memory, const char *name,
            std::uint64_t bytes, bool to_tensor, akv_stream *stream) noexcept {
  AKV_TRY(check_array(memory, bytes, name));
  Pools::Ref ref;
  AKV_TRY(Pools::find(pool, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  unsigned char *inside = nullptr, *outside = static_cast<unsigned char *>(memory);
  AKV_TRY(find_tensor_bytes(*ref, tensor, offset, bytes, inside));
  if (bytes == 0) return AKV_OK;
  return to_tensor ? move_tensor_bytes(std::move(ref), AKV_MOVED_TO_TENSOR, outside, inside, bytes, on.get())
                   : move_tensor_bytes(std::move(ref), AKV_MOVED_FROM_TENSOR, inside, outside, bytes, on.get());
}

}  // namespace

extern "C" {

akv_status akv_copy_to_tensor(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, const void *source,
                              uint64_t bytes, akv_stream *stream) noexcept {
  return move(pool, tensor, offset, const_cast<void *>(source), "source", bytes, true, stream);
}

akv_status akv_copy_from_tensor(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, void *target, uint64_t bytes,
                                akv_stream *stream) noexcept {
  return move(pool, tensor, offset, target, "target", bytes, false, stream);
}

akv_status akv_copy_tensor(akv_page_pool *pool, akv_tensor from, uint64_t from_offset, akv_tensor to,
                           uint64_t to_offset, uint64_t bytes, akv_stream *stream) noexcept {
  Pools::Ref ref;
  AKV_TRY(Pools::find(pool, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  unsigned char *source = nullptr, *target = nullptr;
  AKV_TRY(find_tensor_bytes(*ref, from, from_offset, bytes, source));
  AKV_TRY(find_tensor_bytes(*ref, to, to_offset, bytes, target));
  if (bytes == 0) return AKV_OK;
  return move_tensor_bytes(std::move(ref), AKV_MOVED_TENSOR, source, target, bytes, on.get());
}

akv_status akv_copy_zero_tensor(akv_page_pool *pool, akv_tensor tensor, akv_stream *stream) noexcept {
  Pools::Ref ref;
  AKV_TRY(Pools::find(pool, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  unsigned char *data = nullptr;
  Arenas::View view{};
  AKV_TRY(ref->read_tensor(tensor, data, view));
  return move_tensor_bytes(std::move(ref), AKV_MOVED_ZERO, nullptr, data, view.at.capacity, on.get());
}

akv_status akv_copy_zero_page(akv_page_pool *pool, akv_page page, akv_stream *stream) noexcept {
  Pools::Ref ref;
  AKV_TRY(Pools::find(pool, ref));
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  ArenaPool::PageView view{};
  AKV_TRY(ref->read_page(page, view));
  const std::uint64_t bytes = ref->config().page_bytes;
  return move_tensor_bytes(std::move(ref), AKV_MOVED_ZERO, nullptr, view.data, bytes, on.get());
}

akv_status akv_page_pool_read_stats(akv_page_pool *pool, akv_copy_stats *out_lines, uint32_t line_size,
                                    uint32_t capacity, uint32_t *out_count) noexcept {
  AKV_TRY(check_stats_arguments(out_lines, line_size, capacity, out_count));
  Pools::Ref ref;
  AKV_TRY(Pools::find(pool, ref));
  return write_stats(ref->stats(), out_lines, line_size, capacity, *out_count);
}

}  // extern "C"
