// grow.cpp: append: the hot path of a decode step, and the slower ways around it.
// It knows sequences, blocks and plans; tables are written by tables.cpp.
#include "meta/growth.hpp"

#include <algorithm>

namespace akv {
namespace {

// num_tokens NULL, a decode step: the compiler makes loops of their own for it.
struct OneEach {
  std::uint32_t operator[](std::uint32_t) const { return 1; }
};

}  // namespace

// -- one block or less, one sequence: the quick path --

// Place tokens whose blocks are in the table, the last of them being the sequence's own.
void Cache::place_tokens(Slot slot, const std::int32_t *tokens, std::uint32_t count) noexcept {
  if (count == 0) return;
  Sequence &s = sequences_[slot];
  const std::uint32_t first = s.length;
  s.length += count;
  const std::uint32_t known = write_tokens(slot, first, tokens, count);
  if (s.known == first) s.known = known;
  s.used_blocks = math_.blocks(s.length);
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
  if (s.num_blocks == rest_[slot].row_capacity) {
    const ShortLock lock(mutex_);
    widen_row_locked(slot, s.num_blocks + 1);
  }
  s.table[s.num_blocks] = block;
  s.num_blocks += 1;
  return true;
}

Status Cache::append(Slot slot, const std::int32_t *tokens, std::uint32_t count, bool commit,
                     akv_plan *out_plan) noexcept {
  Sequence &s = sequences_[slot];
  if (AKV_LIKELY(s.flags == 0 && count <= s.max_tokens - s.length)) {
    bool placed = false;
    if (count <= s.room) {
      place_tokens(slot, tokens, count);
      placed = true;
    } else if (count - s.room <= block_tokens_ && (s.room != 0 || math_.offset(s.length) == 0)) {
      // At most one block more, and no shared tail.
      placed = math_.blocks(s.length + count) <= s.num_blocks || pop_block(slot);
      if (placed) place_tokens(slot, tokens, count);
    }
    if (AKV_LIKELY(placed)) {
      if (commit) {
        s.committed = std::uint32_t{s.length};
        if (publishable(s)) publish_later(slot);
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

// One look at every sequence, without a branch for whether it needs a block: in a decode step that is one in sixteen at
// places that nobody can predict.
template <class Counts>
Status Cache::measure_growth(const akv_batch &batch, Counts counts, Growth &growth) noexcept {
  const Sequence *const slots = &sequences_[0];
  const akv_sequence *const sequences = batch.sequences;
  const std::uint32_t num_rows = batch.num_sequences;
  std::uint64_t query_tokens = 0, indices = 0;
  std::uint32_t widest = 0, num_needy = 0;
  for (std::uint32_t row = 0; row < num_rows; ++row) {
    const Sequence &s = slots[slot_of(sequences[row])];
    const std::uint32_t count = counts[row], used_blocks = s.used_blocks;
    if (AKV_UNLIKELY(s.flags != 0 || count > s.max_tokens - s.length)) return cannot_grow(s, count, row);
    growth.needy[num_needy % Growth::kMostNeedy] = row;
    num_needy += count > s.room;
    query_tokens += count;
    indices += used_blocks;
    widest = std::max(widest, used_blocks);
  }
  growth.num_needy = num_needy;
  growth.query_tokens = query_tokens;
  growth.for_each_needy(num_rows, [&](std::uint32_t row) {
    const Sequence &s = slots[slot_of(sequences[row])];
    if (counts[row] <= s.room) return;
    const std::uint32_t blocks = math_.blocks(s.length + counts[row]);
    if (blocks > s.num_blocks) growth.new_blocks += blocks - s.num_blocks;
    growth.full_rows += blocks > rest_[slot_of(sequences[row])].row_capacity;
    growth.shared_tails += s.room == 0 && math_.offset(s.length) != 0;
    indices += blocks - s.used_blocks;
    widest = std::max(widest, blocks);
  });
  growth.indices = indices;
  growth.widest = widest;
  return AKV_OK;
}

Status Cache::cannot_grow(const Sequence &s, std::uint32_t count, std::uint32_t row) const noexcept {
  Status status = check_quiet(s);
  if (status == AKV_OK)
    status =
        fail_with(AKV_ERROR_NO_CAPACITY, std::uint64_t{s.length} + count, s.max_tokens,
                  "%llu tokens and %llu more exceed the sequence's max_tokens %llu", s.length, count, s.max_tokens);
  name_row(row);
  return status;
}

// Shared tails: some are shared no longer; the others must be copied, and can be once their K/V exist.
Status Cache::own_tails_locked(const akv_batch &batch, Growth &growth) noexcept {
  publish_pending_locked();
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    const Sequence &s = sequences_[slot];
    if (count_of(batch, row) == 0 || !tail_shared(s, rest_[slot])) continue;
    if (absorb_tail_locked(slot, Absorb::to_write)) {
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

Status Cache::check_growth_locked(const Growth &growth, bool may_plan) noexcept {
  if (growth.plan && !may_plan)
    return growth.copies != 0
               ? fail(AKV_ERROR_PLAN_NEEDED, "%llu shared blocks must be copied first: pass out_plan", growth.copies)
               : fail(AKV_ERROR_PLAN_NEEDED, "%llu new blocks may have to be zeroed first: pass out_plan",
                      growth.new_blocks);
  if (growth.plan && !plans_.can_open()) return no_plans();
  if (growth.new_blocks > UINT32_MAX || !supply_.secure(static_cast<std::uint32_t>(growth.new_blocks)))
    return no_blocks(growth.query_tokens,
                     static_cast<std::uint32_t>(std::min<std::uint64_t>(growth.new_blocks, UINT32_MAX)),
                     supply_.secured());
  return AKV_OK;
}

// A decode step: its few new blocks are in this thread's magazine, and nothing has to be copied or looked at.
bool Cache::grow_from_magazine(const akv_batch &batch, const Growth &growth) noexcept {
  std::int32_t ids[Magazine::kCapacity];
  if (growth.shared_tails != 0 || growth.new_blocks > Magazine::kCapacity || scrubber_.looking()) return false;
  if (!supply_.pop(static_cast<std::uint32_t>(growth.new_blocks), ids)) return false;
  if (growth.full_rows != 0) {
    const ShortLock lock(mutex_);
    growth.for_each_needy(batch.num_sequences, [&](std::uint32_t row) {
      const Slot slot = slot_of(batch.sequences[row]);
      widen_row_locked(slot, math_.blocks(sequences_[slot].length + count_of(batch, row)));
    });
  }
  const std::int32_t *next = ids;
  growth.for_each_needy(batch.num_sequences, [&](std::uint32_t row) {
    Sequence &s = sequences_[slot_of(batch.sequences[row])];
    const std::uint32_t blocks = math_.blocks(s.length + count_of(batch, row));
    for (std::uint32_t at = s.num_blocks; at < blocks; ++at) s.table[at] = *next++;
    s.num_blocks = std::max<std::uint32_t>(s.num_blocks, blocks);
  });
  return true;
}

// Take all the batch needs, or nothing.
Status Cache::grow_locked(const akv_batch &batch, Growth &growth, bool may_plan) noexcept {
  if (growth.shared_tails != 0)
    if (Status status = own_tails_locked(batch, growth); status != AKV_OK) return status;
  growth.plan = growth.copies != 0 || (growth.new_blocks != 0 && scrubber_.looking());
  if (Status status = check_growth_locked(growth, may_plan); status != AKV_OK) return status;

  supply_.gather(static_cast<std::uint32_t>(growth.new_blocks));
  std::uint32_t plan = growth.copies != 0 ? open_plan_locked() : 0;
  if (growth.plan)
    for (std::uint32_t row = 0; row < batch.num_sequences; ++row)
      rest_[slot_of(batch.sequences[row])].undo = undo_of(slot_of(batch.sequences[row]));
  growth.for_each_needy(batch.num_sequences, [&](std::uint32_t row) {
    const Slot slot = slot_of(batch.sequences[row]);
    Sequence &s = sequences_[slot];
    const std::uint32_t count = count_of(batch, row);
    if (count <= s.room) return;
    if (tail_shared(s, rest_[slot])) {
      copy_tail_locked(slot, plan);
      refresh(slot);
    }
    const std::uint32_t blocks = math_.blocks(s.length + count), before = s.num_blocks;
    if (blocks <= before) return;
    append_blocks_locked(slot, blocks - before);
    scrub_locked(slot, before, plan);
  });
  note_peak_locked();
  if (plan == 0) return AKV_OK;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    join_plan_locked(plan, slot, rest_[slot].undo);
    const Sequence &s = sequences_[slot];
    rest_[slot].commit_on_finish =
        (batch.flags & AKV_APPEND_COMMITTED) != 0 ? s.length + count_of(batch, row) : std::uint32_t{s.committed};
  }
  growth.made = plan_handle(plan);
  return AKV_OK;
}

// Start the next block of the table, which is the sequence's own, for the one token that comes.
void Cache::open_next_block(Sequence &s) noexcept {
  s.tail_block = s.table[s.used_blocks];
  s.used_blocks += 1;
  s.room = block_tokens_;
}

// Copies of members on the stack: a token may be stored anywhere, for all the compiler knows.
template <class Counts>
void Cache::place_batch(const akv_batch &batch, Counts counts, const Growth &growth) noexcept {
  Sequence *const slots = &sequences_[0];
  const akv_sequence *const sequences = batch.sequences;
  growth.for_each_needy(batch.num_sequences, [&](std::uint32_t row) {
    Sequence &s = slots[slot_of(sequences[row])];
    if (s.room == 0 && counts[row] == 1) open_next_block(s);
  });
  const std::uint32_t block_tokens = block_tokens_, num_rows = batch.num_sequences;
  const std::int32_t *tokens = batch.tokens;
  std::int32_t *const store = tokens_.of(0);
  for (std::uint32_t row = 0; row < num_rows; ++row) {
    const Slot slot = slot_of(sequences[row]);
    Sequence &s = slots[slot];
    const std::uint32_t count = counts[row];
    if (AKV_LIKELY(count == 1)) {
      const std::int32_t token = tokens != nullptr ? *tokens : AKV_TOKEN_UNKNOWN;
      const std::uint32_t length = s.length, room = s.room;
      store[static_cast<std::size_t>(s.tail_block) * block_tokens + (block_tokens - room)] = token;
      s.room = room - 1;
      s.length = length + 1;
      if (s.known == length && token != AKV_TOKEN_UNKNOWN) s.known = length + 1;
    } else {
      place_tokens(slot, tokens, count);
    }
    if (tokens != nullptr) tokens += count;
  }
}

Status Cache::append_batch(const akv_batch &batch, const akv_tables *tables, akv_plan *out_plan) noexcept {
  Growth growth;
  const Status measured = batch.num_tokens != nullptr ? measure_growth(batch, batch.num_tokens, growth)
                                                      : measure_growth(batch, OneEach{}, growth);
  if (measured != AKV_OK) return measured;
  if (batch.tokens != nullptr && batch.tokens_count != growth.query_tokens)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "tokens_count is %llu, the num_tokens add up to %llu", batch.tokens_count,
                growth.query_tokens);
  if (tables != nullptr)
    if (Status status =
            table_writer().check_room(*tables, batch.num_sequences, growth.query_tokens, growth.indices, growth.widest);
        status != AKV_OK)
      return status;
  if ((growth.new_blocks != 0 || growth.shared_tails != 0) && !grow_from_magazine(batch, growth)) {
    const ShortLock lock(mutex_);
    if (Status status = grow_locked(batch, growth, out_plan != nullptr); status != AKV_OK) return status;
    if (growth.new_blocks <= config_.magazine_blocks) supply_.refill();  // for the steps to come
  }

  batch.num_tokens != nullptr ? place_batch(batch, batch.num_tokens, growth) : place_batch(batch, OneEach{}, growth);
  // Before anything is published: the new tokens' slots are for writing.
  if (tables != nullptr) table_writer().write(batch, *tables, growth.query_tokens, growth.indices, true);
  if (out_plan != nullptr) *out_plan = growth.made;
  if ((batch.flags & AKV_APPEND_COMMITTED) == 0 || growth.made != AKV_NONE) return AKV_OK;
  for (std::uint32_t row = 0; row < batch.num_sequences; ++row) {
    const Slot slot = slot_of(batch.sequences[row]);
    Sequence &s = sequences_[slot];
    s.committed = std::uint32_t{s.length};
    if (AKV_UNLIKELY(publishable(s))) publish_later(slot);
  }
  return AKV_OK;
}

}  // namespace akv
