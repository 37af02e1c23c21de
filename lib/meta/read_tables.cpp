// read_tables.cpp: tables of sequences as they are, without growing.
// It knows which positions may be asked for; how arrays are written is in tables.cpp.
#include "meta/cache.hpp"

#include <algorithm>
#include <cstring>

namespace akv {

Status Cache::read_tables(const akv_batch &batch, const akv_tables &tables) noexcept {
  for (std::uint32_t i = 0; i < batch.num_sequences; ++i) {
    if (AKV_LIKELY(!pending(sequences_[slot_of(batch.sequences[i])]))) continue;
    const ShortLock lock(mutex_);  // which blocks are its own to write to is about to change
    publish_pending_locked();
  }
  const TableWriter writer = table_writer();
  std::uint64_t query = 0, indices = 0;
  std::uint32_t widest = 0;
  for (std::uint32_t i = 0; i < batch.num_sequences; ++i) {
    const Slot slot = slot_of(batch.sequences[i]);
    const Sequence &s = sequences_[slot];
    const std::uint32_t count = count_of(batch, i);
    const std::uint64_t end = batch.first != nullptr ? std::uint64_t{batch.first[i]} + count : std::uint32_t{s.length};
    const std::uint64_t room = std::uint64_t{s.num_blocks} * block_tokens_;
    Status status = check_quiet(s);
    if (status == AKV_OK && (end > room || count > end))
      status = fail_with(AKV_ERROR_OUT_OF_RANGE, end, room,
                         "%llu tokens up to position %llu, the sequence's blocks hold %llu", count, end, room);
    if (status == AKV_OK && end > s.length && count != 0 && tail_shared(s, rest_[slot]))
      status = fail(AKV_ERROR_PLAN_NEEDED, "positions behind %llu lie in a shared last block: reserve again", s.length);
    if (status != AKV_OK) {
      name_row(i);
      return status;
    }
    const std::uint32_t blocks = math_.blocks(static_cast<std::uint32_t>(end));
    query += count;
    indices += blocks;
    widest = std::max(widest, blocks);
  }
  if (Status status = writer.check_room(tables, batch.num_sequences, query, indices, widest); status != AKV_OK)
    return status;
  writer.write(batch, tables, query, indices, false);
  return AKV_OK;
}

Status Cache::read_blocks(Slot slot, std::int32_t *out, std::uint32_t capacity, std::uint32_t &count) noexcept {
  const Sequence &s = sequences_[slot];
  if ((s.flags & kSwapped) != 0) return check_in_place(s);
  count = s.num_blocks;
  if (capacity < count)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, count, capacity, "the table has %llu blocks, the buffer holds %llu",
                     count, capacity);
  if (count != 0) std::memcpy(out, s.table, count * sizeof(std::int32_t));
  return AKV_OK;
}

}  // namespace akv
