// publish.cpp: commit, and what follows from it: whole blocks whose K/V and token ids exist can be found by others.
// It knows runs and blocks; not tables.
#include "meta/books.hpp"

#include <algorithm>

namespace akv {

// -- tickets of a sequence --

// Content from position `from` on is being written under tickets first .. last. Earlier ones that are still open stay
// in the span: it only tells more than it must.
void Books::note_ticket(SequenceRest &rest, std::uint32_t from, std::uint64_t first,
                        std::uint64_t last) const noexcept {
  if (tickets_.settled(last)) return;
  if (tickets_.settled(rest.ticket_last)) {
    rest.ticket_from = from;
    rest.ticket_first = first;
    rest.ticket_last = last;
    return;
  }
  rest.ticket_from = std::min(rest.ticket_from, from);
  rest.ticket_first = std::min(rest.ticket_first, first);
  rest.ticket_last = std::max(rest.ticket_last, last);
}

TicketSpan Books::span_of(const SequenceRest &rest, std::uint32_t first_block, std::uint32_t end_block) const noexcept {
  const std::uint32_t settled_end = math_.whole_blocks(rest.ticket_from);
  if (tickets_.settled(rest.ticket_last) || settled_end >= end_block) return {0, 0, end_block - first_block};
  return {rest.ticket_first, rest.ticket_last, settled_end > first_block ? settled_end - first_block : 0};
}

// -- commit --

void Books::commit_locked(Slot slot, std::uint32_t length, std::uint64_t ticket) noexcept {
  Sequence &s = sequences_[slot];
  if (length <= s.committed) return;
  if (ticket != 0) note_ticket(rest_[slot], s.committed, ticket, ticket);
  s.committed = length;
  if (publishable(s)) publish_locked(slot);
}

// -- publishing --

// Before anybody looks into the index, see pending.hpp.
void Books::publish_later(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  s.publish_at = (math_.whole_blocks(std::min<std::uint32_t>(s.known, s.committed)) + 1) * block_tokens_;
  if (s.pending.exchange(kNews, std::memory_order_acq_rel) == 0) pending_.add(slot);
}

// Who commits while this goes on says so in the same word: nothing is missed between the last look and the end.
void Books::publish_pending_locked() noexcept {
  pending_.drain([this](Slot slot) {
    std::atomic<std::uint32_t> &pending = sequences_[slot].pending;
    for (std::uint32_t seen = kQueued;; seen = kQueued) {
      pending.exchange(kQueued, std::memory_order_acq_rel);
      publish_locked(slot);
      if (pending.compare_exchange_strong(seen, 0, std::memory_order_acq_rel)) return;
    }
  });
}

// The sequence may be growing in another thread at this moment: of it, only what does not change while it is pending
// is looked at, and known and committed. Where something is in the way (an equal block that is still being written, or
// a shared block beside an equal published one), the next commit tries again, and the end of the sequence.
void Books::publish_locked(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  const std::uint32_t target = math_.whole_blocks(std::min<std::uint32_t>(s.known, s.committed));
  if (rest_[slot].no_publish == 0 && (s.flags & kLost) == 0 && publish_shared_locked(slot, target))
    publish_own_locked(slot, target);
  s.publish_at = next_publish(rest_[slot]);
}

// Length at which there is something to publish: the first block that is not, own or in a private run on the path.
// Of a sequence that a plan swaps, nothing: what the records name would be everybody's, to be evicted, or a duplicate.
std::uint32_t Books::next_publish(const SequenceRest &rest) const noexcept {
  if (rest.no_publish != 0 || rest.swap != Swap::none) return kNever;
  std::uint32_t first = rest.anchored_blocks;
  for (RunId run = rest.anchor; run != kRoot && tree_.at(run).linked == 0; run = tree_.at(run).parent)
    first = tree_.at(run).first_index;
  return (first + 1) * block_tokens_;
}

// Private runs on the path (shared with forks or leases) are linked where they are. False: something is in the way.
bool Books::publish_shared_locked(Slot slot, std::uint32_t target) noexcept {
  SequenceRest &rest = rest_[slot];
  for (;;) {
    RunId run = kNoRun;  // the topmost private run
    for (RunId at = rest.anchor; at != kRoot && tree_.at(at).linked == 0; at = tree_.at(at).parent) run = at;
    if (run == kNoRun) return true;
    const std::uint32_t start = tree_.at(run).first_index;
    if (tree_.at(run).dead != 0 || start >= target) return false;
    // An equal block is published already: two sequences share this run, it can't be a duplicate of one.
    if (tree_.find_child(tree_.at(run).parent, rest.domain, tokens_.of(tree_.at(run).first_block)) != kNoRun)
      return false;
    const std::uint32_t count = std::min(target - start, tree_.at(run).blocks.count);
    if (count < tree_.at(run).blocks.count) run = tree_.split(run, count);
    tree_.link(run, span_of(rest, start, start + count));
    counters_.published_blocks += count;
  }
}

// The sequence's own blocks: behind a published block that is equal to the next of them they go on as duplicates;
// else they extend the run before them, or become a run of their own.
void Books::publish_own_locked(Slot slot, std::uint32_t target) noexcept {
  Sequence &s = sequences_[slot];
  SequenceRest &rest = rest_[slot];
  while (rest.anchored_blocks < target) {
    const std::uint32_t from = rest.anchored_blocks, count = target - from;
    const std::int32_t *ids = s.table + from;
    const RunId equal = tree_.find_child(rest.anchor, rest.domain, tokens_.of(ids[0]));
    if (equal != kNoRun) {
      std::uint32_t common = tree_.common_blocks(equal, ids, count);
      if (tree_.wait_for(equal, common) != 0) common = tree_.at(equal).tickets.settled_blocks;
      if (common == 0) return;  // never rest on what another is still writing
      rest.duplicates += common;
      duplicates_ += common;
      anchor_at_locked(slot, tree_.ending_at(equal, from + common));
      continue;
    }
    const TicketSpan span = span_of(rest, from, target);
    if (rest.anchor != kRoot && tree_.extendable(rest.anchor, span)) {
      tree_.extend(rest.anchor, ids, count, span);
    } else {
      const RunId run = tree_.add(rest.anchor, rest.domain, ids, count, block_tokens_);
      tree_.move_end(rest.anchor, run);
      tree_.link(run, span);
      rest.anchor = run;
    }
    rest.anchored_blocks = target;
    given_ -= count;
    counters_.published_blocks += count;
  }
}

}  // namespace akv
