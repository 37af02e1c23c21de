// fork.cpp: a second sequence over the same blocks.
// It knows runs and tables; no token is copied.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

Status Cache::fork(Slot parent_slot, std::uint32_t length, const akv_sequence_options &options,
                   akv_sequence &out_child) noexcept {
  Sequence &parent = sequences_[parent_slot];
  if (Status status = check_quiet(parent); status != AKV_OK) return status;
  if (length == AKV_UNSET) length = parent.length;
  if (length > parent.known)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, length, parent.known,
                     "fork of %llu tokens, the sequence has %llu of which the first %llu are known", length,
                     parent.length, parent.known);
  akv_sequence_options wanted = options;
  wanted.reserve_tokens = 0;
  wanted.flags &= ~AKV_SEQUENCE_CONTIGUOUS;
  if (wanted.max_tokens == 0) wanted.max_tokens = parent.max_tokens;
  const ShortLock lock(mutex_);
  if (Status status = check_admission_locked(wanted, length); status != AKV_OK) return status;

  publish_pending_locked();
  const std::uint32_t blocks = math_.blocks(length);
  share_own_locked(parent_slot, blocks);
  SequenceRest &from = rest_[parent_slot];
  const RunId end = tree_.ending_at(from.anchor, blocks);
  const Slot child_slot = take_slot_locked(from.domain, wanted, wanted.max_tokens);
  Sequence &child = sequences_[child_slot];
  SequenceRest &to = rest_[child_slot];
  anchor_at_locked(child_slot, end);
  widen_row_locked(child_slot, blocks);
  if (from.duplicates != 0)
    tree_.read_path(end, child.table);  // the published twins: duplicates belong to one sequence only
  else std::memcpy(child.table, parent.table, blocks * sizeof(std::int32_t));
  child.num_blocks = blocks;
  child.length = length;
  child.known = length;
  child.committed = std::min<std::uint32_t>(parent.committed, length);
  to.no_publish = to.no_publish != 0 || from.no_publish != 0;
  if (length > from.ticket_from) {  // else nothing of the child is written under them
    to.ticket_from = from.ticket_from;
    to.ticket_first = from.ticket_first;
    to.ticket_last = from.ticket_last;
  }
  refresh(parent_slot);
  refresh(child_slot);
  out_child = handle_of(child_slot);
  sequences_.leave(child_slot);
  return AKV_OK;
}

}  // namespace akv
