// extent.cpp: sequences whose blocks are neighbours: finding room for them, and placing them there.
// It knows ids and runs; which ids are neighbours is the buddy allocator's business (mem/buddy.hpp).
//
// Nothing is evicted before it is certain that the extent can be had: what is free or could be evicted is drawn on a
// map first. So a refusal costs O(blocks), and changes nothing.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

// Neighbouring blocks that are free or could be evicted, less what `keep` would hold on to.
std::uint32_t Books::longest_extent_locked(const Walk &keep) noexcept {
  supply_.drain();
  std::uint8_t *map = map_.data;
  std::memset(map, 0, std::size_t{config_.num_blocks} + 1);
  pool_.mark(map, 1, 1, 0);
  for (RunId id = kRoot + 1; id <= tree_.highest_run(); ++id)
    if (tree_.at(id).alive != 0 && tree_.evictable(tree_.at(id)))
      for (std::uint32_t at = tree_.at(id).blocks.first; at != 0; at = tree_.lists().chunk(at).next)
        for (std::uint32_t i = 0; i < tree_.lists().chunk(at).count; ++i) map[tree_.lists().chunk(at).ids[i]] = 1;
  const bool partial = keep.partial_tokens != 0;
  for_each_on_path(partial ? keep.partial_run : keep.run, 0, keep.blocks + partial,
                   [map](std::uint32_t, std::int32_t block) { map[block] = 0; });
  return longest_run(map, config_.num_blocks, 1, 1);
}

Status Books::secure_extent_locked(std::uint32_t count, const Walk &keep) noexcept {
  // Mostly there is one, or it is plain that there is none.
  if (pool_.has_extent(count)) return AKV_OK;
  const std::uint32_t longest = longest_extent_locked(keep);
  if (longest >= count) return AKV_OK;
  ++counters_.refused_no_blocks;
  return fail_with(AKV_ERROR_NO_BLOCKS, count, longest,
                   "no %llu neighbouring blocks: %llu is the longest stretch of free and evictable ones, %llu are "
                   "available in all",
                   count, longest, supply_.secured());
}

// The extent was secured, and what must not be evicted is held.
void Books::append_extent_locked(Slot slot, std::uint32_t count) noexcept {
  Sequence &s = sequences_[slot];
  if (count == 0) return;
  widen_row_locked(slot, s.num_blocks + count);
  std::int32_t first = AKV_NULL_BLOCK;
  if (!supply_.take_extent(count, first)) __builtin_unreachable();
  for (std::uint32_t i = 0; i < count; ++i) s.table[s.num_blocks + i] = first + static_cast<std::int32_t>(i);
  s.num_blocks += count;
  given_ += count;
}

// A new sequence in an extent: what `walk` found cached is copied by the plan. Returns that, or 0.
std::uint32_t Books::place_in_extent_locked(Slot slot, std::uint32_t count, const Walk &walk) noexcept {
  const std::uint32_t whole = walk.blocks, blocks = whole + (walk.partial_tokens != 0);
  const RunId source = blocks > whole ? tree_.ending_at(walk.partial_run, blocks) : tree_.ending_at(walk.run, whole);
  std::uint32_t plan = 0;
  if (blocks != 0) {
    plan = open_plan_locked();
    tree_.hold(source, Hold::lease);  // before anything is evicted
    plans_.add_lease(plan, source);
  }
  append_extent_locked(slot, count);
  scrub_locked(slot, 0, plan);
  for_each_on_path(source, 0, blocks, [&](std::uint32_t at, std::int32_t from) {
    plans_.add_record(plan, {AKV_PLAN_PARTIAL, 0, 0, from, sequences_[slot].table[at], 0, 0, 0,
                             at < whole ? block_tokens_ : walk.partial_tokens, handle_of(slot),
                             ticket_of(at < whole ? walk.wait : walk.partial_wait), 0});
  });
  return plan;
}

}  // namespace akv
