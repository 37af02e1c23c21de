// stream_or_none.hpp: the stream of a COPY call, which may be NULL: then the work is done in the call.
#pragma once

#include "data/device/stream.hpp"

namespace akv {

class StreamOrNone {
 public:
  explicit StreamOrNone(akv_stream *stream) noexcept
      : status_(stream == nullptr ? AKV_OK : Streams::find(stream, ref_)) {}
  Status status() const noexcept { return status_; }
  Stream *get() const noexcept { return ref_ ? &*ref_ : nullptr; }

 private:
  Streams::Ref ref_;
  Status status_;
};

}  // namespace akv
