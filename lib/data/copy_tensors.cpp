// copy_tensors.cpp: bytes of tensors, moved by one memmove for each part.
// It knows page pools and streams; not what the bytes mean.
#include "data/copy_tensors.hpp"

#include "data/device/work.hpp"

#include <cstring>

namespace akv {
namespace {

struct TensorWork {
  Pools::Ref pool;
  std::uint32_t kind = 0;
  const unsigned char *from = nullptr;
  unsigned char *to = nullptr;
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(bytes, part, parts);
    if (share.first == share.end) return true;
    if (from == nullptr) std::memset(to + share.first, 0, share.end - share.first);
    else std::memmove(to + share.first, from + share.first, share.end - share.first);
    return true;
  }
  void finish(bool) noexcept {
    pool->stats().count_call(kind, 1);
    pool->stats().count_bytes(kind, bytes);
  }
};

}  // namespace

Status find_tensor_bytes(const ArenaPool &pool, akv_tensor tensor, std::uint64_t offset, std::uint64_t bytes,
                         unsigned char *&out) noexcept {
  Arenas::View view{};
  AKV_TRY(pool.read_tensor(tensor, out, view));
  const std::uint64_t length = view.at.length;
  if (offset > length || bytes > length - offset)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, offset + bytes, length,
                     "bytes %llu and %llu behind it, the tensor has %llu", offset, bytes, length);
  out += offset;
  return AKV_OK;
}

Status move_tensor_bytes(Pools::Ref pool, std::uint32_t kind, const unsigned char *from, unsigned char *to,
                         std::uint64_t bytes, Stream *stream) noexcept {
  Submission<TensorWork> move(stream);
  AKV_TRY(move.status());
  // Inside one tensor the parts would have to wait for each other: one part then.
  const bool overlaps = from != nullptr && from < to + bytes && to < from + bytes;
  move->pool = std::move(pool);
  move->kind = kind;
  move->from = from;
  move->to = to;
  move->bytes = bytes;
  move.submit(overlaps ? 1 : parts_for(stream, bytes));
  return AKV_OK;
}

}  // namespace akv
