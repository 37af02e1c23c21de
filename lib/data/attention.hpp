// attention.hpp: attention over stores: checked as a whole, then queued on a stream as one piece of work.
// It knows stores and streams; of caches nothing. What is inside the loops is in kernels/.
#pragma once

#include "arenakv/attention.h"
#include "data/device/stream.hpp"
#include "data/kernels/attend.hpp"
#include "data/store.hpp"

namespace akv {

// `attention` and its parts have been read and the stores found, in the same order.
Status attend(const akv_attention &attention, const akv_attention_part *parts, Stores::Ref *stores,
              Stream *stream) noexcept;

Status merge_attention(const MergeArguments &arguments, Stream *stream) noexcept;

}  // namespace akv
