// state.cpp: what a cache tells about itself.
// It changes nothing; the books are checked in audit.cpp.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {
namespace {

std::uint32_t state_of(Swap swap) {
  switch (swap) {
    case Swap::none: return AKV_SEQUENCE_ACTIVE;
    case Swap::out: return AKV_SEQUENCE_SWAPPING_OUT;
    case Swap::swapped: return AKV_SEQUENCE_SWAPPED;
    case Swap::in: break;
  }
  return AKV_SEQUENCE_SWAPPING_IN;
}

}  // namespace

Status Cache::find_locked(std::uint64_t request_id, akv_sequence &out) noexcept {
  Slot slot = 0;
  if (!request_ids_.find(request_id, slot))
    return fail(AKV_ERROR_NOT_FOUND, "no live sequence has request id %llu", request_id);
  out = handle_of(slot);
  return AKV_OK;
}

// Of its table, not its own to write to. Private runs that the next append would take back (absorbable()) count as its
// own already.
std::uint32_t Cache::shared_blocks_locked(Slot slot) const noexcept {
  const SequenceRest &rest = rest_[slot];
  std::uint32_t shared = rest.anchored_blocks, children = 0;
  for (RunId run = rest.anchor; absorbable(run, Absorb::to_write, children); run = tree_.at(run).parent, children = 1)
    shared = tree_.at(run).first_index;
  return shared - rest.duplicates;
}

void Cache::read_info(Slot slot, akv_sequence_info &out) noexcept {
  const Sequence &s = sequences_[slot];
  const ShortLock lock(mutex_);
  publish_pending_locked();
  const SequenceRest &rest = rest_[slot];
  RunId run = rest.anchor;
  while (run != kRoot && tree_.at(run).linked == 0) run = tree_.at(run).parent;
  out.length = s.length;
  out.known = s.known;
  out.committed = s.committed;
  out.published_tokens = run == kRoot ? 0 : tree_.end_index(run) * block_tokens_;
  out.sound_tokens = (s.flags & kLost) != 0 ? rest.sound : std::uint32_t{s.length};
  out.num_blocks = (s.flags & kSwapped) != 0 ? 0 : std::uint32_t{s.num_blocks};
  out.shared_blocks = shared_blocks_locked(slot);
  out.capacity =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{out.num_blocks} * block_tokens_, UINT32_MAX));
  out.state = state_of(rest.swap);
  out.swap_blocks = rest.swap_blocks;
  out.remaining = s.max_tokens - s.length;
  out.max_tokens = s.max_tokens;
  out.version = s.version;
  out.request_id = rest.request_id;
  out.owner = rest.owner;
  out.domain = rest.domain;
  out.plan = rest.plan != 0 ? plan_handle(rest.plan) : AKV_NONE;
  out.wait = ticket_of(wait_of_locked(slot));
}

std::uint64_t Cache::used_bytes_locked() const noexcept {
  if (all_touched_) return memory_.bytes() + std::uint64_t{sequences_.capacity()} * sizeof(Sequence);
  std::uint64_t bytes = tree_.used_bytes() + lists_.used_bytes() + pool_.used_bytes() + plans_.used_bytes() +
                        holds_.used_bytes() + swap_.used_bytes();
  const std::uint64_t blocks_used = config_.num_blocks - pool_.never_used() + swap_.ever_used();
  bytes += blocks_used * block_tokens_ * sizeof(std::int32_t);
  bytes += std::uint64_t{touched_slots_} * (sizeof(SequenceRest) + sizeof(Sequence)) + rows_.used_bytes();
  if (scrubber_.looking()) bytes += blocks_used * 9;
  return bytes;
}

void Cache::read_state_locked(akv_cache_state &out) noexcept {
  publish_pending_locked();
  read_blocks_state_locked(out);
  read_counters_locked(out);
  out.sequences = num_sequences_;
  out.max_sequences = config_.max_sequences;
  out.lost_sequences = lost_sequences_;
  out.swapped_sequences = swapped_sequences_;
  out.num_swap_blocks = config_.num_swap_blocks;
  out.free_swap_blocks = swap_.free();
  out.quarantined_swap_blocks = swap_.quarantined();
  out.acquired_swap_blocks = swap_.acquired();
  out.runs = tree_.num_runs();
  out.pins = holds_.pins();
  out.leases = holds_.leases();
  out.plans = plans_.num_open();
  out.open_tickets = tickets_.num_open();
  out.oldest_open = tickets_.num_open() != 0 ? ticket_of(tickets_.oldest_open()) : AKV_NONE;
  out.newest = ticket_of(tickets_.newest());
  out.metadata_reserved_bytes = memory_.bytes() + std::uint64_t{sequences_.capacity()} * sizeof(Sequence);
  out.metadata_used_bytes = used_bytes_locked();
}

void Cache::read_blocks_state_locked(akv_cache_state &out) noexcept {
  out.block_tokens = block_tokens_;
  out.bytes_per_block = config_.bytes_per_block();
  out.num_blocks = config_.num_blocks;
  const Supply::Ahead ahead = supply_.ahead();
  const std::uint32_t free = pool_.free() + ahead.blocks;
  const std::uint32_t recycled = config_.scrub == AKV_SCRUB_NONE ? 0 : pool_.free() - pool_.never_used();
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot)) continue;
    const Sequence &s = sequences_[slot];
    const std::uint32_t used = math_.blocks(s.length), blocks = s.num_blocks;
    out.reserved_blocks += blocks > used ? blocks - used : 0;
    out.sequence_tokens += s.length;
    if ((s.flags & kSwapped) != 0) out.swapped_tokens += s.length;
  }
  out.dirty_blocks = recycled;
  out.free_blocks = free - recycled;
  out.pinned_blocks = tree_.blocks(RunClass::pinned);
  out.cached_blocks = tree_.blocks(RunClass::cached);
  out.cached_tokens = std::uint64_t{out.cached_blocks + out.pinned_blocks} * block_tokens_;
  out.quarantined_blocks = pool_.quarantined() + tree_.blocks(RunClass::leased);
  // By construction: what is none of these is live. The audit counts it the other way round. (A sequence that grows at
  // this moment may have a block in its table already that counts as free here.)
  const std::uint32_t held = out.num_blocks - free - out.pinned_blocks - out.cached_blocks - out.quarantined_blocks;
  out.reserved_blocks = std::min(out.reserved_blocks, held);
  out.live_blocks = held - out.reserved_blocks;
  out.evictable_blocks = tree_.evictable();
  out.duplicate_blocks = duplicates_;
  out.peak_live_blocks =
      std::max(counters_.peak_live_blocks, tree_.blocks(RunClass::live) + own_blocks_locked(ahead.popped));
}

void Cache::read_counters_locked(akv_cache_state &out) const noexcept {
  out.created_sequences = counters_.created_sequences;
  out.freed_sequences = counters_.freed_sequences;
  out.prompt_tokens = counters_.prompt_tokens;
  out.hit_tokens = counters_.hit_tokens;
  out.partial_tokens = counters_.partial_tokens;
  out.published_blocks = counters_.published_blocks;
  out.evicted_blocks = tree_.evicted_blocks();
  out.copy_on_writes = counters_.copy_on_writes;
  out.refused_no_blocks = counters_.refused_no_blocks;
  out.refills = supply_.refills();
  out.swapped_out = counters_.swapped_out;
  out.swapped_in = counters_.swapped_in;
}

void Cache::measure_locked(akv_measures &out) noexcept {
  publish_pending_locked();
  read_block_map_locked(map_.data);
  std::uint32_t free = 0, taken = 0;
  for (std::uint32_t block = 1; block <= config_.num_blocks; ++block) {
    free += map_[block] == AKV_BLOCK_FREE || map_[block] == AKV_BLOCK_DIRTY;
    taken += map_[block] == AKV_BLOCK_LIVE || map_[block] == AKV_BLOCK_RESERVED;
  }
  out.largest_free_run = longest_run(map_.data, config_.num_blocks, AKV_BLOCK_FREE, AKV_BLOCK_DIRTY);
  const std::uint64_t apart = free - out.largest_free_run;
  out.fragmentation = free == 0 ? 0.0f : static_cast<float>(apart) / static_cast<float>(free);
  out.advice = free == 0 || apart * 5 < free ? AKV_ADVICE_NONE : apart * 2 < free ? AKV_ADVICE_WATCH : AKV_ADVICE_ACT;

  for (RunId id = kRoot + 1; id <= tree_.highest_run(); ++id) {
    const Run &run = tree_.at(id);
    if (run.alive == 0 || tree_.class_of(run) != RunClass::live) continue;
    out.live_tokens += std::uint64_t{run.blocks.count - 1} * block_tokens_ + run.tail_tokens;
  }
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot) || (sequences_[slot].flags & kSwapped) != 0) continue;
    const std::uint64_t shared = std::uint64_t{rest_[slot].anchored_blocks} * block_tokens_,
                        length = sequences_[slot].length;
    out.live_tokens += length > shared ? length - shared : 0;
    out.live_tokens += std::uint64_t{rest_[slot].duplicates} * block_tokens_;
  }
  const std::uint64_t room = std::uint64_t{taken} * block_tokens_;
  out.waste = room == 0 ? 0.0f : 1.0f - static_cast<float>(out.live_tokens) / static_cast<float>(room);
}

Status Cache::read_sequences_locked(unsigned char *lines, std::uint32_t line_size, std::uint32_t capacity,
                                    std::uint32_t &count) noexcept {
  count = num_sequences_;
  if (capacity < count)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, count, capacity, "%llu sequences are live, the buffer holds %llu",
                     count, capacity);
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot)) continue;
    const Sequence &s = sequences_[slot];
    const SequenceRest &rest = rest_[slot];
    const std::uint32_t used = math_.blocks(s.length), flags = s.flags, blocks = s.num_blocks;
    const akv_sequence_line line{handle_of(slot),
                                 rest.request_id,
                                 rest.owner,
                                 rest.domain,
                                 s.length,
                                 s.known,
                                 s.committed,
                                 blocks,
                                 blocks > used ? blocks - used : 0,
                                 (flags & kPlanOpen) / kPlanOpen * AKV_LINE_PLAN_OPEN |
                                     (flags & kLost) / kLost * AKV_LINE_CONTENT_LOST |
                                     (flags & kSwapped) / kSwapped * AKV_LINE_SWAPPED};
    write_element(line, lines, line_size);
    lines += line_size;
  }
  return AKV_OK;
}

Status Cache::read_holds_locked(unsigned char *lines, std::uint32_t line_size, std::uint32_t capacity,
                                std::uint32_t &count) noexcept {
  count = holds_.pins() + holds_.leases() + plans_.num_open();
  if (capacity < count)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, count, capacity, "%llu holds exist, the buffer holds %llu", count,
                     capacity);
  const auto add = [&lines, line_size](const akv_hold_line &line) {
    write_element(line, lines, line_size);
    lines += line_size;
  };
  for (std::uint32_t i = 1; i <= holds_.touched(); ++i) {
    const HoldState &hold = holds_[i];
    if (hold.kind == Kind::pin || hold.kind == Kind::lease)
      add({ObjectHandle::encode(hold.generation, hold.kind, index_, i), hold.owner, ticket_of(hold.since),
           std::uint32_t{hold.kind == Kind::pin ? AKV_HOLD_PIN : AKV_HOLD_LEASE}, hold.blocks});
  }
  for (std::uint32_t i = 1; i <= plans_.touched(); ++i)
    if (plans_[i].open != 0) add({plan_handle(i), 0, ticket_of(plans_[i].since), AKV_HOLD_PLAN, plans_[i].num_records});
  return AKV_OK;
}

}  // namespace akv
