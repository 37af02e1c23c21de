// measure.cpp: the image that a sequence would make.
// It knows a sequence's lengths and its cache's geometry; no K/V.
#include "data/image/measure.hpp"

namespace akv {

Status measure_image(Cache &cache, Slot slot, std::uint32_t num_tokens, ImageShape &out) noexcept {
  const std::uint32_t committed = cache.committed_tokens(slot);
  if (committed == 0)
    return fail(AKV_ERROR_NOT_COMMITTED, "the sequence has no committed token: there is nothing to save");
  if (num_tokens > committed)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, num_tokens, committed, "%llu tokens, the sequence has %llu committed",
                     num_tokens, committed);
  return out.plan(cache.config().geometry, num_tokens != 0 ? num_tokens : committed);
}

}  // namespace akv
