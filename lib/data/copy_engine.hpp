// copy_engine.hpp: everything that moves K/V: checked as a whole, then queued on a stream as one piece of work, or done
// at once where the stream has no workers. It knows stores and streams; of a cache no more than its plans. What is
// inside the loops is in kernels/.
#pragma once

#include "arenakv/copy.h"
#include "data/device/stream.hpp"
#include "data/store.hpp"

#include <algorithm>

namespace akv {

// -- how work is shared out --

// In how many parts a stream's workers should do so many bytes: below this a part is not worth waking a thread.
constexpr std::uint64_t kBytesForAWorker = 32 << 10;
inline std::uint32_t parts_for(const Stream *stream, std::uint64_t bytes) noexcept {
  if (stream == nullptr || stream->num_workers() == 0) return 1;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes / kBytesForAWorker, 1, stream->num_workers()));
}

// The items of one part of `count`.
struct Share {
  std::uint64_t first, end;
  Share(std::uint64_t count, std::uint32_t part, std::uint32_t parts) noexcept
      : first(at(count, part, parts)), end(at(count, part + 1, parts)) {}

 private:
  static std::uint64_t at(std::uint64_t count, std::uint64_t part, std::uint64_t parts) noexcept {
    return count / parts * part + count % parts * part / parts;
  }
};

// -- copy_tokens.cpp --

// `planes` have been read; `write`: to the slots, else out of them.
Status copy_tokens(Stores::Ref store, std::uint32_t layer, const std::int64_t *slots, std::uint32_t num_tokens,
                   const akv_token_data *planes, std::uint32_t num_planes, bool write, Stream *stream) noexcept;

// -- copy_spans.cpp --

// Spans as their caller has them: elements of a size of their own.
struct SpanList {
  const unsigned char *elements = nullptr;
  std::uint32_t element_size = 0;
  std::uint32_t count = 0;
};

// `dtype` 0: as they are; else as numbers of that type.
Status span_bytes(const Store &store, std::uint32_t first_layer, std::uint32_t num_layers, std::uint32_t num_tokens,
                  std::uint32_t dtype, std::uint64_t &out) noexcept;
Status copy_spans(Stores::Ref store, const SpanList &spans, bool write, Stream *stream) noexcept;

// -- copy_blocks.cpp --

Status copy_zero(Stores::Ref store, const std::int32_t *blocks, std::uint32_t num_blocks, Stream *stream) noexcept;
Status copy_blocks(Stores::Ref from, const std::int32_t *from_blocks, Stores::Ref to, const std::int32_t *to_blocks,
                   std::uint32_t num_blocks, bool verify, Stream *stream) noexcept;

// -- copy_converted.cpp --

// One side: its store, its blocks, and the scales of SCALING_HEAD, one for each stored layer, plane and head.
struct BlockSide {
  Stores::Ref store;
  const std::int32_t *blocks = nullptr;
  const float *scales = nullptr;
};

Status copy_converted(BlockSide from, BlockSide to, std::uint32_t num_blocks, Stream *stream) noexcept;

// Blocks that may be written to, the null block only if asked for, and each of them once. `mark`: a next_mark().
Status check_targets(Store &store, const std::int32_t *blocks, std::uint32_t num_blocks, bool null_block,
                     std::uint64_t mark) noexcept;

// -- copy_records.cpp --

// Where records come from: the plan of a cache, or an array.
struct RecordSource {
  akv_cache *cache = nullptr;
  akv_plan plan = AKV_NONE;
  bool ordered = true;  // what records wait for comes before them
  const akv_plan_record *records = nullptr;
  std::uint32_t num_records = 0;

  // Records first .., as many as fit; `count` of them, of `total`. Locks the cache for a moment.
  Status read(std::uint32_t first, akv_plan_record *out, std::uint32_t capacity, std::uint32_t &count,
              std::uint32_t &total) const noexcept;
};

struct RunRequest {
  akv_store *const *stores = nullptr;
  std::uint32_t num_stores = 0;
  bool verify = false;
  bool finish = false;
};

Status run_records(const RecordSource &source, const RunRequest &request, Stream *stream) noexcept;

}  // namespace akv
