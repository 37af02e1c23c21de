// commit.cpp: commit for many: the K/V of these tokens exist.
// It knows lengths and tickets; what becomes findable is publish.cpp's business.
#include "meta/cache.hpp"

namespace akv {

Status Cache::commit_batch(const akv_sequence *sequences, const std::uint32_t *lengths, std::uint32_t count,
                           akv_ticket ticket) noexcept {
  for (std::uint32_t row = 0; row < count; ++row) {
    const Sequence &s = sequences_[slot_of(sequences[row])];
    Status status = s.flags == 0 ? AKV_OK : check_quiet(s);
    if (status == AKV_OK && lengths != nullptr && lengths[row] > s.length)
      status = fail(AKV_ERROR_OUT_OF_RANGE, "commit of %llu tokens, the sequence has %llu", lengths[row], s.length);
    if (AKV_LIKELY(status == AKV_OK)) continue;
    name_row(row);
    return status;
  }
  if (ticket != AKV_NONE) {
    const ShortLock lock(mutex_);
    std::uint64_t number = 0;
    if (Status status = commit_number(ticket, number); status != AKV_OK) return status;
    publish_pending_locked();
    for (std::uint32_t row = 0; row < count; ++row) {
      const Slot slot = slot_of(sequences[row]);
      commit_locked(slot, lengths != nullptr ? lengths[row] : std::uint32_t{sequences_[slot].length}, number);
    }
    return AKV_OK;
  }
  for (std::uint32_t row = 0; row < count; ++row) {
    const Slot slot = slot_of(sequences[row]);
    Sequence &s = sequences_[slot];
    const std::uint32_t length = lengths != nullptr ? lengths[row] : std::uint32_t{s.length};
    if (length > s.committed) s.committed = length;
    if (AKV_UNLIKELY(publishable(s))) publish_later(slot);
  }
  return AKV_OK;
}

}  // namespace akv
