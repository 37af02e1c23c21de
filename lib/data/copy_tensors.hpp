// copy_tensors.hpp: bytes of an arena's tensors to and from the caller's memory, as pieces of work on a stream.
// It knows page pools and streams; not what the bytes mean.
#pragma once

#include "data/copy_engine.hpp"
#include "order/arena_pool.hpp"

namespace akv {

using Pools = ObjectTable<ArenaPool, akv_page_pool, true>;

// The bytes [offset, offset + bytes) of a tensor as it is now; OUT_OF_RANGE beyond its length.
Status find_tensor_bytes(const ArenaPool &pool, akv_tensor tensor, std::uint64_t offset, std::uint64_t bytes,
                         unsigned char *&out) noexcept;

// `from` NULL: zero. Counted in the pool as `kind`.
Status move_tensor_bytes(Pools::Ref pool, std::uint32_t kind, const unsigned char *from, unsigned char *to,
                         std::uint64_t bytes, Stream *stream) noexcept;

}  // namespace akv
