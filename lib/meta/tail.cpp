// tail.cpp: where a sequence's shared stretch ends and its own begins, and how that border moves.
// It knows blocks and runs; token ids only when a shared last block is copied.
#include "meta/books.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

// Bring what follows from length, table and anchor into line. After every change but the quick path's.
void Books::refresh(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  const SequenceRest &rest = rest_[slot];
  s.used_blocks = math_.blocks(s.length);
  s.tail_block = s.used_blocks != 0 ? s.table[s.used_blocks - 1] : AKV_NULL_BLOCK;
  const bool own_tail = s.used_blocks > rest.anchored_blocks;
  s.room = own_tail ? s.used_blocks * block_tokens_ - s.length : 0;
  s.publish_at = next_publish(rest);
}

// Room for `count` entries.
void Books::widen_row_locked(Slot slot, std::uint32_t count) noexcept {
  Sequence &s = sequences_[slot];
  Rows::Row row{s.table, rest_[slot].row_capacity};
  rows_.widen(row, s.num_blocks, count);
  s.table = row.ids;
  rest_[slot].row_capacity = row.capacity;
}

// The blocks were secured.
void Books::append_blocks_locked(Slot slot, std::uint32_t count) noexcept {
  Sequence &s = sequences_[slot];
  if (count == 0) return;
  widen_row_locked(slot, s.num_blocks + count);
  supply_.take(count, s.table + s.num_blocks);
  s.num_blocks += count;
  given_ += count;
}

// Runs at the end of the path that were never published and are this sequence's alone by now: their blocks become own
// ones again.
bool Books::absorb_tail_locked(Slot slot, Absorb why) noexcept {
  SequenceRest &rest = rest_[slot];
  const RunId before = rest.anchor;
  while (absorbable(rest.anchor, why)) {
    const RunId run = rest.anchor;
    rest.anchor = tree_.at(run).parent;
    rest.anchored_blocks = tree_.at(run).first_index;
    given_ += tree_.at(run).blocks.count;
    tree_.dissolve(run);  // what it was to its parent, the sequence is now
  }
  return rest.anchor != before;
}

// Copy-on-write: a block of its own, secured by the caller, takes the place of the shared last block; the plan copies
// what is in it.
void Books::copy_tail_locked(Slot slot, std::uint32_t plan) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  const std::uint32_t index = rest.anchored_blocks - 1, filled = math_.offset(s.length);
  const std::int32_t from = s.table[index];
  std::int32_t to = AKV_NULL_BLOCK;
  supply_.take(1, &to);
  ++given_;
  if (needs_zero_locked(to, rest.domain)) plans_.add_record(plan, zero_record(slot, to));
  std::memcpy(tokens_.of(to), tokens_.of(from), filled * sizeof(std::int32_t));

  // The source alone in a run of its own, so that the plan leases nothing else.
  const std::uint32_t start = tree_.at(rest.anchor).first_index;
  if (start != index) tree_.split(rest.anchor, index - start);
  const RunId source = rest.anchor, before = tree_.at(source).parent;
  const std::uint64_t own = !tickets_.settled(rest.ticket_last) && s.length > rest.ticket_from ? rest.ticket_last : 0;
  const std::uint64_t wait = std::max(own, tree_.wait_for(source, 1));
  plans_.add_record(plan,
                    {AKV_PLAN_COPY_ON_WRITE, 0, 0, from, to, 0, 0, 0, filled, handle_of(slot), ticket_of(wait), 0});
  tree_.hold(source, Hold::lease);
  plans_.add_lease(plan, source);
  tree_.move_end(source, before);
  rest.undo.replaced_block = from;
  rest.undo.replaced_index = index;
  rest.undo.source = source;
  rest.anchor = before;
  rest.anchored_blocks = index;
  s.table[index] = to;
  ++s.version;
  ++counters_.copy_on_writes;
}

// Hand the sequence's own blocks before `end` over to a private run, so that others may hold them too.
void Books::share_own_locked(Slot slot, std::uint32_t end) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  if (end <= rest.anchored_blocks) return;
  const std::uint32_t count = end - rest.anchored_blocks;
  const std::uint64_t before = std::uint64_t{end - 1} * block_tokens_;
  const auto tail =
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(s.length, before, before + block_tokens_) - before);
  const RunId run = tree_.add(rest.anchor, rest.domain, s.table + rest.anchored_blocks, count, tail);
  tree_.move_end(rest.anchor, run);
  rest.anchor = run;
  rest.anchored_blocks = end;
  given_ -= count;
}

// End at `run` instead: on the path to the present anchor, or below it.
void Books::anchor_at_locked(Slot slot, RunId run) noexcept {
  SequenceRest &rest = rest_[slot];
  if (run == rest.anchor) return;
  tree_.move_end(rest.anchor, run);
  rest.anchor = run;
  rest.anchored_blocks = tree_.end_index(run);
}

// Entries first .. end - 1 leave the table: give back those that are the sequence's own beside a published twin.
void Books::free_duplicates_locked(Slot slot, std::uint32_t first, std::uint32_t end) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  if (rest.duplicates == 0) return;
  for_each_on_path(rest.anchor, first, end, [&](std::uint32_t at, std::int32_t published) {
    if (s.table[at] == published) return;
    give_back_own_locked(&s.table[at], 1);
    --rest.duplicates;
    --duplicates_;
  });
}

std::uint64_t Books::wait_of_locked(Slot slot) const noexcept {
  const SequenceRest &rest = rest_[slot];
  const std::uint64_t own = tickets_.settled(rest.ticket_last) ? 0 : rest.ticket_last;
  return std::max(own, tree_.wait_for_path(rest.anchor));
}

}  // namespace akv
