// shrink.cpp: truncate and set_length.
// It knows tables and runs; not plans, except that an open one forbids it.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

Status Cache::check_truncate(const Sequence &s, const SequenceRest &rest, std::uint32_t length) const noexcept {
  if (Status status = check_in_place(s); status != AKV_OK) return status;
  if (length > s.length)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, length, s.length, "truncate to %llu tokens, the sequence has %llu", length,
                     s.length);
  if ((s.flags & kLost) != 0 && length > rest.sound)
    return fail_with(AKV_ERROR_CONTENT_LOST, length, rest.sound,
                     "truncate to %llu tokens, but only the first %llu of the sequence are sound", length, rest.sound);
  return AKV_OK;
}

// Inside the sequence's own last blocks, giving back none of them: needs no lock.
bool Cache::truncate_quickly(Slot slot, std::uint32_t length, bool keep_blocks) noexcept {
  Sequence &s = sequences_[slot];
  const std::uint32_t blocks = math_.blocks(length);
  if (pending(s) || (s.flags & kLost) != 0 || blocks <= rest_[slot].anchored_blocks ||
      (!keep_blocks && blocks != s.num_blocks))
    return false;
  cut_lengths(slot, length);
  s.used_blocks = blocks;
  s.tail_block = s.table[blocks - 1];
  s.room = blocks * block_tokens_ - length;
  return true;
}

void Cache::cut_lengths(Slot slot, std::uint32_t length) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  // What was written under them is cut off. (Blocks that stay behind the end may be zeroed under them at this moment.)
  if (length <= rest.ticket_from && s.num_blocks == math_.blocks(length)) rest.ticket_first = rest.ticket_last = 0;
  s.length = length;
  s.known = std::min<std::uint32_t>(s.known, length);
  s.committed = std::min<std::uint32_t>(s.committed, length);
}

void Cache::truncate_locked(Slot slot, std::uint32_t length, bool keep_blocks) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  // What is in blocks behind the sound part is not known: another user is told to zero them.
  if ((s.flags & kLost) != 0) keep_blocks = false;
  const std::uint32_t blocks = math_.blocks(length), anchored = rest.anchored_blocks;
  const std::uint32_t own = s.num_blocks - anchored;
  const bool inside = math_.offset(length) != 0;
  if (blocks == anchored && inside) cut_shared_locked(slot, blocks, inside);
  if (blocks < anchored) {
    cut_shared_locked(slot, blocks, inside);
    std::memmove(s.table + blocks, s.table + anchored, own * sizeof(std::int32_t));
    s.num_blocks = blocks + own;
    ++s.version;
  }
  if (!keep_blocks && s.num_blocks > blocks) {
    give_back_own_locked(s.table + blocks, s.num_blocks - blocks);
    s.num_blocks = blocks;
    ++s.version;
  }
  cut_lengths(slot, length);
  if ((s.flags & kLost) != 0) {
    s.flags = s.flags & ~kLost;
    --lost_sequences_;
  }
  refresh(slot);
}

// Shared entries from `blocks` on leave the table. Where the cut is inside a block that is a duplicate, that block is
// the sequence's own from now on.
void Cache::cut_shared_locked(Slot slot, std::uint32_t blocks, bool inside_a_block) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  free_duplicates_locked(slot, blocks, rest.anchored_blocks);
  std::uint32_t end = blocks;
  if (inside_a_block && rest.duplicates != 0) {
    std::int32_t published = 0;
    tree_.read_path_range(rest.anchor, blocks - 1, blocks, &published);
    if (published != s.table[blocks - 1]) {
      --rest.duplicates;
      --duplicates_;
      --end;
    }
  }
  anchor_at_locked(slot, tree_.ending_at(rest.anchor, end));
}

Status Cache::truncate_batch(const akv_sequence *sequences, const std::uint32_t *lengths, std::uint32_t count,
                             bool keep_blocks) noexcept {
  for (std::uint32_t row = 0; row < count; ++row) {
    const Slot slot = slot_of(sequences[row]);
    if (Status status = check_truncate(sequences_[slot], rest_[slot], lengths[row]); status != AKV_OK) {
      name_row(row);
      return status;
    }
  }
  bool slow = false;
  for (std::uint32_t row = 0; row < count; ++row)
    slow |= !truncate_quickly(slot_of(sequences[row]), lengths[row], keep_blocks);
  if (!slow) return AKV_OK;
  const ShortLock lock(mutex_);
  publish_pending_locked();
  for (std::uint32_t row = 0; row < count; ++row)
    if (!truncate_quickly(slot_of(sequences[row]), lengths[row], keep_blocks))
      truncate_locked(slot_of(sequences[row]), lengths[row], keep_blocks);
  return AKV_OK;
}

Status Cache::set_length(Slot slot, std::uint32_t length) noexcept {
  Sequence &s = sequences_[slot];
  if (length <= s.length) {
    const akv_sequence sequence = handle_of(slot);
    const Status status = truncate_batch(&sequence, &length, 1, true);
    if (status != AKV_OK) name_row(AKV_UNSET);
    return status;
  }
  if (Status status = check_quiet(s); status != AKV_OK) return status;
  if (length > s.max_tokens)
    return fail_with(AKV_ERROR_NO_CAPACITY, length, s.max_tokens, "length %llu exceeds the sequence's max_tokens %llu",
                     length, s.max_tokens);
  if (math_.blocks(length) > s.num_blocks)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, length, std::uint64_t{s.num_blocks} * block_tokens_,
                     "length %llu, but the sequence's %llu blocks hold %llu tokens: reserve first", length,
                     s.num_blocks, std::uint64_t{s.num_blocks} * block_tokens_);
  if (s.room == 0 && math_.offset(s.length) != 0) {
    const ShortLock lock(mutex_);
    publish_pending_locked();
    if (!absorb_tail_locked(slot, Absorb::to_write))
      return fail(AKV_ERROR_PLAN_NEEDED,
                  "the last block is shared and must be copied first: append or reserve instead");
    refresh(slot);
  }
  place_tokens(slot, nullptr, length - s.length);
  return AKV_OK;
}

}  // namespace akv
