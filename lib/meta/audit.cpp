// audit.cpp: the books: every block is counted again where it is.
// It changes nothing and never stops anybody: what it finds becomes AKV_ERROR_DAMAGED and a message.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {
namespace {

constexpr std::uint8_t kNowhere = 0xff;

Status damaged(const char *format, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
  return fail(AKV_ERROR_DAMAGED, format, a, b, c);
}

std::uint8_t code_of(RunClass which) {
  switch (which) {
    case RunClass::live: return AKV_BLOCK_LIVE;
    case RunClass::pinned: return AKV_BLOCK_PINNED;
    case RunClass::leased: return AKV_BLOCK_QUARANTINED;
    case RunClass::cached: return AKV_BLOCK_CACHED;
    case RunClass::gone: break;
  }
  return kNowhere;
}

}  // namespace

void Cache::read_block_map_locked(std::uint8_t *map) noexcept {
  publish_pending_locked();
  std::memset(map, kNowhere, std::size_t{config_.num_blocks} + 1);
  map[AKV_NULL_BLOCK] = AKV_BLOCK_NULL;
  pool_.mark(map, config_.scrub == AKV_SCRUB_NONE ? AKV_BLOCK_FREE : AKV_BLOCK_DIRTY, AKV_BLOCK_FREE,
             AKV_BLOCK_QUARANTINED);
  supply_.mark(map, AKV_BLOCK_FREE);
  for (RunId id = kRoot + 1; id <= tree_.highest_run(); ++id) {
    const Run &run = tree_.at(id);
    if (run.alive == 0) continue;
    for (std::uint32_t at = run.blocks.first; at != 0; at = tree_.lists().chunk(at).next)
      for (std::uint32_t i = 0; i < tree_.lists().chunk(at).count; ++i)
        map[tree_.lists().chunk(at).ids[i]] = code_of(tree_.class_of(run));
  }
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot) || (sequences_[slot].flags & kSwapped) != 0) continue;
    const Sequence &s = sequences_[slot];
    // Own blocks: duplicates among the shared entries are not in a run, so nobody has marked them yet.
    for (std::uint32_t at = 0; at < s.num_blocks; ++at) {
      std::uint8_t &code = map[s.table[at]];
      if (at >= rest_[slot].anchored_blocks || code == kNowhere)
        code = at < s.used_blocks ? AKV_BLOCK_LIVE : AKV_BLOCK_RESERVED;
    }
  }
}

// The counts that the operations keep, against each other.
Status Cache::audit_locked() noexcept {
  const std::uint64_t in_runs = std::uint64_t{tree_.blocks(RunClass::live)} + tree_.blocks(RunClass::pinned) +
                                tree_.blocks(RunClass::leased) + tree_.blocks(RunClass::cached);
  const Supply::Ahead ahead = supply_.ahead();
  const std::uint64_t free = std::uint64_t{pool_.free()} + ahead.blocks;
  const std::uint64_t own = own_blocks_locked(ahead.popped);
  if (free + pool_.quarantined() + in_runs + own != config_.num_blocks)
    return damaged("%llu free, %llu in runs and %llu of sequences' own don't add up with quarantine to num_blocks",
                   free, in_runs, own);
  if (tree_.blocks(RunClass::gone) != 0)
    return damaged("%llu blocks are in runs that nobody holds or finds", tree_.blocks(RunClass::gone));
  if (num_sequences_ + num_free_slots_ > touched_slots_)
    return damaged("%llu sequences and %llu free slots, only %llu slots", num_sequences_, num_free_slots_,
                   touched_slots_);
  if (tree_.evictable() > tree_.blocks(RunClass::cached))
    return damaged("%llu blocks are evictable, only %llu cached", tree_.evictable(), tree_.blocks(RunClass::cached));
  return AKV_OK;
}

// Where every block is, found by looking, once and only once.
Status Cache::audit_blocks_locked() noexcept {
  std::uint8_t *seen = map_.data;
  std::memset(seen, 0, std::size_t{config_.num_blocks} + 1);
  pool_.mark(seen, 1, 1, 1);
  std::uint64_t free = static_cast<std::uint64_t>(std::count(seen, seen + config_.num_blocks + 1, 1));
  if (free != std::uint64_t{pool_.free()} + pool_.quarantined() || seen[AKV_NULL_BLOCK] != 0)
    return damaged("the pool has %llu blocks, it says %llu", free, std::uint64_t{pool_.free()} + pool_.quarantined());
  supply_.mark(seen, 1);
  if (const auto now = static_cast<std::uint64_t>(std::count(seen, seen + config_.num_blocks + 1, 1));
      now != free + supply_.in_magazines())
    return damaged("magazines hold blocks twice: %llu beside %llu of the pool", now, free);
  const auto claim = [seen, this](std::int32_t block) {
    return block > 0 && block <= static_cast<std::int32_t>(config_.num_blocks) && seen[block]++ == 0;
  };
  for (RunId id = kRoot + 1; id <= tree_.highest_run(); ++id) {
    if (tree_.at(id).alive == 0) continue;
    std::uint32_t count = 0;
    for (std::uint32_t at = tree_.at(id).blocks.first; at != 0; at = tree_.lists().chunk(at).next)
      for (std::uint32_t i = 0; i < tree_.lists().chunk(at).count; ++i, ++count)
        if (!claim(tree_.lists().chunk(at).ids[i])) return damaged("run %llu has a block that is elsewhere too", id);
    if (count != tree_.at(id).blocks.count || count == 0)
      return damaged("run %llu has %llu blocks, it says %llu", id, count, tree_.at(id).blocks.count);
  }
  std::uint64_t own = 0, duplicates = 0;
  std::int32_t published[64];
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot) || (sequences_[slot].flags & kSwapped) != 0) continue;
    const Sequence &s = sequences_[slot];
    const SequenceRest &rest = rest_[slot];
    for (std::uint32_t at = rest.anchored_blocks; at < s.num_blocks; ++at, ++own)
      if (!claim(s.table[at])) return damaged("entry %llu of the sequence in slot %llu is elsewhere too", at, slot);
    for (std::uint32_t at = 0; at < rest.anchored_blocks; ++at) {
      if (at % 64 == 0) tree_.read_path_range(rest.anchor, at, std::min(at + 64, rest.anchored_blocks), published);
      if (s.table[at] == published[at % 64]) continue;
      if (!claim(s.table[at]))
        return damaged("duplicate entry %llu of the sequence in slot %llu is elsewhere too", at, slot);
      ++duplicates;
    }
  }
  if (const std::uint32_t said = own_blocks_locked(supply_.popped());
      own + duplicates != said || duplicates != duplicates_)
    return damaged("sequences have %llu blocks of their own and %llu duplicates, the count says %llu", own, duplicates,
                   said);
  for (std::uint32_t block = 1; block <= config_.num_blocks; ++block)
    if (seen[block] != 1) return damaged("block %llu is in %llu places", block, seen[block]);
  return AKV_OK;
}

// Every swap block, too, is in one place: free, in quarantine, acquired, a sequence's, or left to a plan.
Status Cache::audit_swap_locked() noexcept {
  if (config_.num_swap_blocks == 0) return AKV_OK;
  std::uint8_t *seen = swap_map_.data;
  std::memset(seen, 0, std::size_t{config_.num_swap_blocks} + 1);
  swap_.count(seen);
  const auto claim = [seen, this](std::int32_t block) {
    block = swap_.outside(block);
    return block > 0 && block <= static_cast<std::int32_t>(config_.num_swap_blocks) && seen[block]++ == 0;
  };
  std::uint32_t swapped = 0;
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot) || rest_[slot].swap == Swap::none) continue;
    const Sequence &s = sequences_[slot];
    const SequenceRest &rest = rest_[slot];
    swapped += rest.swap == Swap::swapped;
    if (((s.flags & kSwapped) != 0) != (rest.swap == Swap::swapped) ||
        (rest.swap == Swap::swapped ? rest.plan != 0 || s.num_blocks != rest.swap_blocks : rest.plan == 0))
      return damaged("slot %llu: its swap state %llu is at odds with its plan %llu", slot,
                     static_cast<std::uint64_t>(rest.swap), rest.plan);
    const std::int32_t *ids = rest.swap == Swap::swapped ? s.table : s.table + s.num_blocks;
    for (std::uint32_t at = 0; at < rest.swap_blocks; ++at)
      if (!claim(ids[at])) return damaged("swap block %llu of slot %llu is elsewhere too", at, slot);
  }
  for (std::uint32_t plan = 1; plan <= plans_.touched(); ++plan) {
    if (plans_[plan].open == 0 || plans_[plan].swap == Swap::none || plans_[plan].first_sequence != 0) continue;
    for_each_swap_block(plan, [&](std::int32_t block) { claim(block); });
  }
  for (std::uint32_t block = 1; block <= config_.num_swap_blocks; ++block)
    if (seen[block] != 1) return damaged("swap block %llu is in %llu places", block, seen[block]);
  if (swapped != swapped_sequences_)
    return damaged("%llu sequences are swapped, the count says %llu", swapped, swapped_sequences_);
  return AKV_OK;
}

// Every run against its parent, its holders and its place in the eviction order.
Status Cache::audit_runs_locked() noexcept {
  std::uint64_t counts[kRunClasses] = {};
  std::uint32_t alive = 0, candidates = 0, tries = 0, tops = 0;
  for (RunId id = kRoot + 1; id <= tree_.highest_run(); ++id) {
    const Run &run = tree_.at(id);
    if (run.alive == 0) continue;
    ++alive;
    counts[static_cast<std::uint32_t>(tree_.class_of(run))] += run.blocks.count;
    if (tree_.at(run.parent).alive == 0) return damaged("run %llu hangs on run %llu, which is gone", id, run.parent);
    if (run.first_index != tree_.end_index(run.parent))
      return damaged("run %llu starts at block %llu, its parent ends at %llu", id, run.first_index,
                     tree_.end_index(run.parent));
    if (run.first_block != tree_.lists().at(run.blocks, 0)) return damaged("run %llu has lost its first block", id);
    if (run.linked != 0) {
      ++tries;
      if (tree_.find_child(run.parent, run.domain, tokens_.of(run.first_block)) != id)
        return damaged("run %llu can't be found", id);
    }
    const bool leaf = run.num_children == 0 && tree_.class_of(run) == RunClass::cached;
    candidates += leaf;
    if (leaf != tree_.in_eviction_order(id))
      return damaged("run %llu: evictable leaf %llu, in the eviction order %llu", id, leaf, !leaf);
  }
  for (RunId id = kRoot; id <= tree_.highest_run(); ++id) tops += tree_.at(id).alive != 0 && tree_.at(id).children != 0;
  if (alive != tree_.num_runs() || candidates != tree_.eviction_candidates() || tries - tops != tree_.trie_nodes())
    return damaged("%llu runs, %llu candidates for eviction, %llu linked: the counts say otherwise", alive, candidates,
                   tries);
  for (std::uint32_t which = 0; which < kRunClasses; ++which)
    if (counts[which] != tree_.blocks(static_cast<RunClass>(which)))
      return damaged("class %llu has %llu blocks, the count says %llu", which, counts[which],
                     tree_.blocks(static_cast<RunClass>(which)));
  return AKV_OK;
}

// Holders and children, counted from the side of the holders.
Status Cache::audit_holders_locked() noexcept {
  const RunId highest = tree_.highest_run();
  for (RunId id = 0; id <= highest; ++id) census_[id] = RunCensus{};
  for (RunId id = kRoot + 1; id <= highest; ++id) {
    const Run &run = tree_.at(id);
    if (run.alive == 0) continue;
    ++census_[run.parent].children;
    for (std::uint32_t k = 0; k < kHoldKinds; ++k) census_[run.parent].holds[k] += run.holds[k] != 0;
  }
  for (Slot slot = 0; slot < touched_slots_; ++slot)
    if (sequences_.live(slot)) ++census_[rest_[slot].anchor].holds[0];
  for (std::uint32_t i = 1; i <= holds_.touched(); ++i) {
    if (holds_[i].kind == Kind::pin) ++census_[holds_[i].run].holds[1];
    if (holds_[i].kind == Kind::lease) ++census_[holds_[i].run].holds[2];
  }
  for (std::uint32_t i = 1; i <= plans_.touched(); ++i)
    for (std::uint32_t at = plans_[i].open != 0 ? plans_[i].first_lease : 0; at != 0; at = plans_.lease(at).next)
      ++census_[plans_.lease(at).run].holds[2];
  for (RunId id = kRoot; id <= highest; ++id) {
    const Run &run = tree_.at(id);
    if (run.alive == 0) continue;
    if (census_[id].children != run.num_children)
      return damaged("run %llu has %llu children, it says %llu", id, census_[id].children, run.num_children);
    for (std::uint32_t k = 0; k < kHoldKinds && id != kRoot; ++k)
      if (census_[id].holds[k] != run.holds[k])
        return damaged("run %llu has %llu holders, it says %llu", id, census_[id].holds[k], run.holds[k]);
  }
  return AKV_OK;
}

Status Cache::audit_sequence_locked(Slot slot) noexcept {
  const Sequence &s = sequences_[slot];
  const SequenceRest &rest = rest_[slot];
  if (s.known > s.length || s.committed > s.length || s.length > s.max_tokens)
    return damaged("slot %llu: length %llu, known or committed beyond it", slot, s.length);
  if (s.used_blocks != math_.blocks(s.length) || s.used_blocks > s.num_blocks || rest.anchored_blocks > s.used_blocks)
    return damaged("slot %llu: %llu blocks used of %llu", slot, s.used_blocks, s.num_blocks);
  if (rest.anchored_blocks != (rest.anchor == kRoot ? 0 : tree_.end_index(rest.anchor)))
    return damaged("slot %llu: %llu entries are held through run %llu", slot, rest.anchored_blocks, rest.anchor);
  const bool own_tail = s.used_blocks > rest.anchored_blocks;
  if (s.room != (own_tail ? s.used_blocks * block_tokens_ - s.length : 0))
    return damaged("slot %llu: room is %llu", slot, s.room);
  if (s.used_blocks != 0 && s.tail_block != s.table[s.used_blocks - 1])
    return damaged("slot %llu: tail block is %llu", slot, static_cast<std::uint64_t>(s.tail_block));
  for (std::uint32_t at = 0; at < s.length; ++at) {
    const bool unknown = tokens_.of(s.table[math_.whole_blocks(at)])[math_.offset(at)] == AKV_TOKEN_UNKNOWN;
    if (at < s.known ? unknown : !unknown && at == s.known)
      return damaged("slot %llu: known is %llu, token %llu says otherwise", slot, s.known, at);
  }
  Slot found = 0;
  if (rest.request_id != 0 && (!request_ids_.find(rest.request_id, found) || found != slot))
    return damaged("slot %llu: request id %llu is not found", slot, rest.request_id);
  if ((rest.plan != 0) != ((s.flags & kPlanOpen) != 0)) return damaged("slot %llu: plan %llu", slot, rest.plan);
  return AKV_OK;
}

Status Cache::audit_all_locked() noexcept {
  publish_pending_locked();
  Status status = audit_locked();
  if (status == AKV_OK) status = audit_blocks_locked();
  if (status == AKV_OK) status = audit_swap_locked();
  if (status == AKV_OK) status = audit_runs_locked();
  if (status == AKV_OK) status = audit_holders_locked();
  for (Slot slot = 0; slot < touched_slots_ && status == AKV_OK; ++slot)
    if (sequences_.live(slot)) status = audit_sequence_locked(slot);
  return status;
}

}  // namespace akv
