// grow.cpp: append and reserve: the hot path of a decode step, and the slower ways around it.
// It knows sequences, blocks and plans; tables are written by tables.cpp.
#include "meta/cache.hpp"

#include <algorithm>

namespace akv {
namespace {

std::uint32_t count_of(const akv_batch &batch, std::uint32_t row) {
  return batch.num_tokens != nullptr ? batch.num_tokens[row] : 1;
}

}  // namespace

// What a batch would take, summed up before anything is changed.
struct Cache::Growth {
  std::uint64_t query_tokens = 0;
  std::uint64_t new_blocks = 0;
  std::uint64_t indices = 0;       // blocks of all contexts
  std::uint32_t widest = 0;        // blocks of the longest
  std::uint32_t shared_tails = 0;  // sequences that would write into a shared block
  std::uint32_t copies = 0;        // of these, the ones that need a copy
  bool plan = false;               // there may be something to copy or to zero
};

// -- one block or less, one sequence: the quick path --

// Place tokens whose blocks are in the table, the last of them being the sequence's own.
void Cache::place_tokens(Slot slot, const std::int32_t *tokens, std::uint32_t count) noexcept {
  if (count == 0) return;
  Sequence &s = sequences_[slot];
  const std::uint32_t first = s.length;
  s.length += count;
  const std::uint32_t known = write_tokens(slot, first, tokens, count);
  if (s.known == first) s.known = known;
  s.used_blocks = blocks_of(s.length);
  s.room = s.used_blocks * block_tokens_ - s.length;
  s.tail_block = s.table[s.used_blocks - 1];
}

// A new block without the cache's lock, or with it for a refill. False: the long way must look.
bool Cache::pop_block(Slot slot) noexcept {
  Sequence &s = sequences_[slot];
  const std::uint64_t domain = rest_[slot].domain;
  const auto suits = [this, domain](std::int32_t block) {
    if (!scrubber_.looking()) return true;
    if (scrubber_.needs_zero(block, domain)) return false;
    scrubber_.assign(block, domain);
    return true;
  };
  std::int32_t block = supply_.pop(suits);
  if (block == AKV_NULL_BLOCK) {
    {
      const ShortLock lock(mutex_);
      supply_.refill();
    }
    block = supply_.pop(suits);
    if (block == AKV_NULL_BLOCK) return false;
  }
  s.table[s.num_blocks] = block;
  s.num_blocks += 1;
  return true;
}

Status Cache::append(Slot slot, const std::int32_t *tokens, std::uint32_t count, bool commit, akv_plan *out_plan) noexcept {
  Sequence &s = sequences_[slot];
  if (AKV_LIKELY(s.flags == 0 && count <= s.max_tokens - s.length)) {
    bool placed = false;
    if (count <= s.room) {
      place_tokens(slot, tokens, count);
      placed = true;
    } else if (count - s.room <= block_tokens_ && (s.room != 0 || offset_of(s.length) == 0)) {
      // At most one block more, and no shared tail.
      placed = blocks_of(s.length + count) <= s.num_blocks || pop_block(slot);
      if (placed) place_tokens(slot, tokens, count);
    }
    if (AKV_LIKELY(placed)) {
      if (commit) {
        s.committed = std::uint32_t{s.length};
        if (publishable(s)) {
          const akv_sequence sequence = handle_of(slot);
          publish_batch(&sequence, 1);
        }
      }
      if (out_plan != nullptr) *out_plan = AKV_NONE;
      return AKV_OK;
    }
  }
  const akv_sequence sequence = handle_of(slot);
  akv_batch batch = AKV_BATCH_INIT;
  batch.flags = commit ? AKV_APPEND_COMMITTED : 0;
  batch.num_sequences = 1;
  batch.sequences = &sequence;
  batch.num_tokens = &count;
  batch.tokens = tokens;
  batch.tokens_count = tokens != nullptr ? count : 0;
  const Status status = append_batch(batch, nullptr, out_plan);
  if (status != AKV_OK) name_row(AKV_UNSET);
  return status;
}

// -- a batch --

Status Cache::measure_growth(const akv_batch &batch, Growth &growth) noexcept {
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Sequence &s = sequences_[slot_of(batch.sequences[row])];
    const std::uint32_t count = count_of(batch, row), length = s.length;
    if (AKV_UNLIKELY(s.flags != 0 || count > s.max_tokens - length)) {
      Status status = check_quiet(s);
      if (status == AKV_OK)
        status = fail_with(AKV_ERROR_NO_CAPACITY, std::uint64_t{length} + count, s.max_tokens,
                           "%llu tokens and %llu more exceed the sequence's max_tokens %llu", length, count, s.max_tokens);
      name_row(row);
      return status;
    }
    std::uint32_t blocks = s.used_blocks;
    if (count > s.room) {
      blocks = blocks_of(length + count);
      if (blocks > s.num_blocks) growth.new_blocks += blocks - s.num_blocks;
      growth.shared_tails += s.room == 0 && offset_of(length) != 0;
    }
    growth.query_tokens += count;
    growth.indices += blocks;
    growth.widest = std::max(growth.widest, blocks);
  }
  return AKV_OK;
}

// Shared tails: some are shared no longer; the others must be copied, and can be once their K/V exist.
Status Cache::own_tails_locked(const akv_batch &batch, Growth &growth) noexcept {
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    const Sequence &s = sequences_[slot];
    if (count_of(batch, row) == 0 || !tail_shared(s, rest_[slot])) continue;
    if (absorb_tail_locked(slot)) {
      refresh(slot);
      continue;
    }
    if (s.committed < s.length) {
      const Status status = not_committed(s);
      name_row(row);
      return status;
    }
    ++growth.copies;
  }
  growth.new_blocks += growth.copies;
  return AKV_OK;
}

Status Cache::not_committed(const Sequence &s) const noexcept {
  return fail_with(AKV_ERROR_NOT_COMMITTED, s.length, s.committed,
                   "the last block is shared and must be copied, but only %llu of its sequence's %llu tokens are committed",
                   s.committed, s.length);
}

Status Cache::check_growth_locked(const Growth &growth, const akv_plan *out_plan) noexcept {
  if (growth.plan && out_plan == nullptr)
    return fail(AKV_ERROR_PLAN_NEEDED, "%llu shared blocks must be copied or new blocks zeroed first: pass out_plan",
                growth.copies);
  if (growth.plan && !plans_.can_open())
    return fail_with(AKV_ERROR_NO_PLANS, 1, 0, "all %llu plans (max_plans) are open", config_.max_plans);
  if (growth.new_blocks > UINT32_MAX || !supply_.secure(static_cast<std::uint32_t>(growth.new_blocks)))
    return no_blocks(growth.query_tokens, static_cast<std::uint32_t>(std::min<std::uint64_t>(growth.new_blocks, UINT32_MAX)),
                     supply_.secured());
  return AKV_OK;
}

// Take all the batch needs, or nothing.
Status Cache::grow_locked(const akv_batch &batch, Growth &growth, akv_plan *out_plan) noexcept {
  if (growth.shared_tails != 0)
    if (Status status = own_tails_locked(batch, growth); status != AKV_OK) return status;
  growth.plan = growth.copies != 0 || (growth.new_blocks != 0 && scrubber_.looking());
  if (Status status = check_growth_locked(growth, out_plan); status != AKV_OK) return status;

  std::uint32_t plan = growth.copies != 0 ? open_plan_locked() : 0;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    Sequence &s = sequences_[slot];
    const std::uint32_t count = count_of(batch, row);
    if (growth.plan) rest_[slot].undo = undo_of(slot);
    if (count <= s.room) continue;
    if (tail_shared(s, rest_[slot])) {
      copy_tail_locked(slot, plan);
      refresh(slot);
    }
    const std::uint32_t blocks = blocks_of(s.length + count), before = s.num_blocks;
    if (blocks <= before) continue;
    append_blocks_locked(slot, blocks - before);
    scrub_locked(slot, before, plan);
  }
  note_peak_locked();
  if (plan == 0) return AKV_OK;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    join_plan_locked(plan, slot, rest_[slot].undo);
    const Sequence &s = sequences_[slot];
    rest_[slot].commit_on_finish =
        (batch.flags & AKV_APPEND_COMMITTED) != 0 ? s.length + count_of(batch, row) : std::uint32_t{s.committed};
  }
  *out_plan = plan_handle(plan);
  return AKV_OK;
}

Status Cache::append_batch(const akv_batch &batch, const akv_tables *tables, akv_plan *out_plan) noexcept {
  Growth growth;
  if (Status status = measure_growth(batch, growth); status != AKV_OK) return status;
  if (batch.tokens != nullptr && batch.tokens_count != growth.query_tokens)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "tokens_count is %llu, the num_tokens add up to %llu", batch.tokens_count,
                growth.query_tokens);
  if (tables != nullptr)
    if (Status status = check_table_room(*tables, batch.num_sequences, growth.query_tokens, growth.indices, growth.widest);
        status != AKV_OK)
      return status;
  if (out_plan != nullptr) *out_plan = AKV_NONE;
  if (growth.new_blocks != 0 || growth.shared_tails != 0) {
    const ShortLock lock(mutex_);
    if (Status status = grow_locked(batch, growth, out_plan); status != AKV_OK) return status;
  }

  const std::int32_t *tokens = batch.tokens;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    Sequence &s = sequences_[slot];
    const std::uint32_t count = count_of(batch, row);
    if (AKV_LIKELY(count == 1 && s.room != 0)) {
      const std::int32_t token = tokens != nullptr ? *tokens : AKV_TOKEN_UNKNOWN;
      const std::uint32_t length = s.length;
      tokens_.of(s.tail_block)[block_tokens_ - s.room] = token;
      s.room -= 1;
      s.length = length + 1;
      if (s.known == length && token != AKV_TOKEN_UNKNOWN) s.known = length + 1;
    } else {
      place_tokens(slot, tokens, count);
    }
    if (tokens != nullptr) tokens += count;
  }
  // Before anything is published: the new tokens' slots are for writing.
  if (tables != nullptr) write_tables(batch, *tables);
  const bool planned = out_plan != nullptr && *out_plan != AKV_NONE;
  if ((batch.flags & AKV_APPEND_COMMITTED) == 0 || planned) return AKV_OK;
  bool publish = false;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    Sequence &s = sequences_[slot_of(batch.sequences[row])];
    s.committed = std::uint32_t{s.length};
    publish |= publishable(s);
  }
  if (publish) publish_batch(batch.sequences, batch.num_sequences);
  return AKV_OK;
}

// -- reserve --

Status Cache::reserve(Slot slot, std::uint32_t num_tokens, akv_plan *out_plan) noexcept {
  Sequence &s = sequences_[slot];
  if (Status status = check_quiet(s); status != AKV_OK) return status;
  if (num_tokens > s.max_tokens)
    return fail_with(AKV_ERROR_NO_CAPACITY, num_tokens, s.max_tokens, "reserve of %llu tokens exceeds the sequence's max_tokens %llu",
                     num_tokens, s.max_tokens);
  if (out_plan != nullptr) *out_plan = AKV_NONE;
  if (num_tokens <= s.length) return AKV_OK;
  const ShortLock lock(mutex_);
  Growth growth;
  growth.query_tokens = num_tokens - s.length;
  if (tail_shared(s, rest_[slot])) {
    if (absorb_tail_locked(slot))
      refresh(slot);
    else if (s.committed < s.length)
      return not_committed(s);
    else
      growth.copies = 1;
  }
  const std::uint32_t blocks = blocks_of(num_tokens), before = s.num_blocks;
  growth.new_blocks = growth.copies + (blocks > before ? blocks - before : 0);
  growth.plan = growth.copies != 0 || (growth.new_blocks != 0 && scrubber_.looking());
  if (growth.new_blocks == 0) return AKV_OK;
  if (Status status = check_growth_locked(growth, out_plan); status != AKV_OK) return status;
  std::uint32_t plan = growth.copies != 0 ? open_plan_locked() : 0;
  rest_[slot].undo = undo_of(slot);
  if (growth.copies != 0) copy_tail_locked(slot, plan);
  if (blocks > before) {
    append_blocks_locked(slot, blocks - before);
    scrub_locked(slot, before, plan);
  }
  refresh(slot);
  note_peak_locked();
  if (plan == 0) return AKV_OK;
  join_plan_locked(plan, slot, rest_[slot].undo);
  rest_[slot].commit_on_finish = s.committed;
  *out_plan = plan_handle(plan);
  return AKV_OK;
}

Status Cache::can_extend(Slot slot, std::uint32_t num_tokens, akv_room &out) noexcept {
  const Sequence &s = sequences_[slot];
  const ShortLock lock(mutex_);
  const SequenceRest &rest = rest_[slot];
  const bool shared = num_tokens != 0 && tail_shared(s, rest) && !absorbable(rest.anchor);
  const bool too_long = num_tokens > s.max_tokens - s.length;
  const std::uint32_t blocks = too_long ? 0 : blocks_of(s.length + num_tokens);
  const std::uint32_t needed = (blocks > s.num_blocks ? blocks - s.num_blocks : 0) + shared;
  const std::uint32_t available = supply_.available();
  fill_room_locked(out, needed, available);
  const std::uint64_t spare = std::uint64_t{s.num_blocks} * block_tokens_ - s.length;
  const std::uint64_t copy = shared ? std::min(1u, available) : 0;
  out.tokens_available = std::min<std::uint64_t>(s.max_tokens - s.length,
                                                 (shared && available == 0 ? 0 : spare) + (available - copy) * block_tokens_);
  out.status = check_quiet(s);
  if (out.status != AKV_OK) return AKV_OK;
  if (too_long) out.status = AKV_ERROR_NO_CAPACITY;
  else if (shared && s.committed < s.length) out.status = AKV_ERROR_NOT_COMMITTED;
  else if ((shared || (needed != 0 && scrubber_.looking())) && !plans_.can_open()) out.status = AKV_ERROR_NO_PLANS;
  else if (needed > available) out.status = AKV_ERROR_NO_BLOCKS;
  return AKV_OK;
}

}  // namespace akv
