// overflow.hpp: K/V between the two tiers of precision: checked as a whole, then queued as one piece of work.
// It knows tails, stores and streams.
#pragma once

#include "arenakv/copy_two_tier.h"
#include "data/device/stream.hpp"
#include "data/tier/tail.hpp"

namespace akv {

// Rows as their caller has them: elements of a size of their own.
struct OverflowList {
  const unsigned char *elements = nullptr;
  std::uint32_t element_size = 0;
  std::uint32_t count = 0;
};

Status copy_overflow(Tails::Ref tail, const OverflowList &rows, std::uint32_t *out_stored, Stream *stream) noexcept;

// `bytes`: of `data`.
Status read_tiers(Tails::Ref tail, const akv_overflow &row, std::uint32_t dtype, void *data, std::uint64_t bytes,
                  Stream *stream) noexcept;

}  // namespace akv
