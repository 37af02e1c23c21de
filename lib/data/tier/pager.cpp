// pager.cpp: sequences come in when they are asked for, and the coldest go out to make room.
// It is made of what the public headers offer; it knows no block and no byte.
#include "data/tier/pager.hpp"

#include <algorithm>

namespace akv {

Pager::Pager(akv_cache *cache, akv_store *const *stores, std::uint32_t num_stores, std::uint32_t max_sequences)
    : cache_(cache),
      stores_(stores, stores + num_stores),
      stamps_(max_sequences),
      asked_for_(max_sequences),
      lines_(max_sequences) {
  leaving_.reserve(max_sequences);
}

Status Pager::make_resident(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count,
                            akv_residence &out, akv_stream *stream) noexcept {
  if (inside_.exchange(true, std::memory_order_acquire))
    return fail(AKV_ERROR_BUSY, "another call is inside the pager");
  struct Leave {
    std::atomic<bool> &inside;
    ~Leave() { inside.store(false, std::memory_order_release); }
  } leave{inside_};
  if (stream != nullptr) AKV_TRY(akv_stream_poll(stream, nullptr));
  AKV_TRY(note_use(sequences, count));
  // Where the work is done inside the calls, what goes out has gone, and it is worth looking again.
  for (;;) {
    Needs needs;
    AKV_TRY(look(sequences, num_tokens, count, needs, out, stream));
    out.resident = needs.resident;
    out.pending = needs.pending;
    const std::uint64_t coming = on_the_way_out();
    if (needs.missing <= coming) return AKV_OK;
    AKV_TRY(send_out(needs.missing - coming, out, stream));
    if (on_the_way_out() != 0) return AKV_OK;
  }
}

// They are the warmest now. A batch that names a sequence twice is refused before anything is done.
Status Pager::note_use(const akv_sequence *sequences, std::uint32_t count) noexcept {
  ++clock_;
  for (std::uint32_t row = 0; row < count; ++row) {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    if (const Status status = akv_sequence_read_info(cache_, sequences[row], &info); status != AKV_OK) {
      name_row(row);
      return status;
    }
    std::uint64_t &stamp = stamp_of(sequences[row]);
    if (stamp == clock_) {
      const Status status = fail(AKV_ERROR_INVALID_ARGUMENT, "sequence 0x%llx is named twice", sequences[row]);
      name_row(row);
      return status;
    }
    stamp = clock_;
    asked_for_[ObjectHandle::index(sequences[row])] = sequences[row];
  }
  return AKV_OK;
}

Status Pager::look(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count, Needs &needs,
                   akv_residence &out, akv_stream *stream) noexcept {
  std::uint64_t wanted = 0, available = 0;
  for (std::uint32_t row = 0; row < count; ++row) {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    AKV_TRY(akv_sequence_read_info(cache_, sequences[row], &info));
    if (info.state == AKV_SEQUENCE_SWAPPED) {
      AKV_TRY(bring_in(sequences[row], needs, out, stream));
      AKV_TRY(akv_sequence_read_info(cache_, sequences[row], &info));
    }
    if (info.state != AKV_SEQUENCE_ACTIVE) {
      ++needs.pending;
      continue;
    }
    akv_room room = AKV_ROOM_INIT;
    AKV_TRY(akv_sequence_can_extend(cache_, sequences[row], num_tokens != nullptr ? num_tokens[row] : 0, &room));
    if (room.status != AKV_OK && room.status != AKV_ERROR_NO_BLOCKS) {
      const Status status = fail(room.status, "sequence 0x%llx can't be extended by %llu tokens: status %lld",
                                 sequences[row], num_tokens != nullptr ? num_tokens[row] : 0,
                                 static_cast<unsigned long long>(static_cast<long long>(room.status)));
      name_row(row);
      return status;
    }
    ++needs.resident;
    wanted += room.blocks_needed;
    available = room.blocks_available;
  }
  if (wanted > available) {
    needs.missing += wanted - available;
    ++needs.pending;
  }
  return AKV_OK;
}

Status Pager::bring_in(akv_sequence sequence, Needs &needs, akv_residence &out, akv_stream *stream) noexcept {
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  const Status status = akv_sequence_swap_in(cache_, sequence, &in);
  if (status == AKV_ERROR_NO_BLOCKS) {
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    AKV_TRY(akv_last_error_detail(&detail));
    needs.missing += std::max<std::uint64_t>(detail.needed, detail.available + 1) - detail.available;
    return AKV_OK;
  }
  AKV_TRY(status);
  ++out.started_in;
  return in.plan != AKV_NONE ? run(in.plan, stream) : AKV_OK;
}

// On failure the plan is taken back: nothing has moved.
Status Pager::run(akv_plan plan, akv_stream *stream) noexcept {
  const Status status =
      akv_copy_run(cache_, plan, stores_.data(), static_cast<std::uint32_t>(stores_.size()), AKV_RUN_FINISH, stream);
  if (status == AKV_OK || status == AKV_ERROR_VERIFY_FAILED) return status;  // the latter has abandoned it
  AKV_TRY(akv_plan_abandon(cache_, plan));
  return status;
}

// Blocks that come back when what was sent out before has been copied.
std::uint64_t Pager::on_the_way_out() noexcept {
  std::uint64_t blocks = 0;
  const auto gone = std::remove_if(leaving_.begin(), leaving_.end(), [&](const Leaving &one) {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    if (akv_sequence_read_info(cache_, one.sequence, &info) != AKV_OK || info.state != AKV_SEQUENCE_SWAPPING_OUT)
      return true;
    blocks += one.blocks;
    return false;
  });
  leaving_.erase(gone, leaving_.end());
  return blocks;
}

const akv_sequence_line *Pager::coldest(std::uint32_t num_lines) const noexcept {
  const akv_sequence_line *found = nullptr;
  std::uint64_t oldest = clock_;
  for (std::uint32_t i = 0; i < num_lines; ++i) {
    const akv_sequence_line &line = lines_[i];
    const std::uint32_t slot = ObjectHandle::index(line.sequence);
    const std::uint64_t used = asked_for_[slot] == line.sequence ? stamps_[slot] : 0;
    if (line.flags != 0 || line.num_blocks == 0 || line.committed != line.length || used >= oldest) continue;
    found = &line;
    oldest = used;
  }
  return found;
}

Status Pager::send_out(std::uint64_t missing, akv_residence &out, akv_stream *stream) noexcept {
  std::uint32_t count = 0;
  AKV_TRY(akv_cache_read_sequences(cache_, lines_.data(), sizeof(akv_sequence_line),
                                   static_cast<std::uint32_t>(lines_.size()), &count));
  std::uint64_t coming = 0;
  std::uint32_t full = 0;
  while (coming < missing) {
    const akv_sequence_line *line = coldest(count);
    if (line == nullptr) break;
    Sent sent = Sent::passed_over;
    AKV_TRY(send_out_one(*line, stream, sent));
    if (sent == Sent::started) {
      coming += line->num_blocks;
      leaving_.push_back({line->sequence, line->num_blocks});
      ++out.started_out;
    }
    full += sent == Sent::no_swap_blocks;
    lines_[static_cast<std::size_t>(line - lines_.data())].num_blocks = 0;  // not to be asked again
  }
  if (coming != 0 || on_the_way_out() != 0) return AKV_OK;
  if (full != 0)
    return fail_with(AKV_ERROR_NO_SWAP_BLOCKS, missing, 0,
                     "%llu blocks are missing, and the %llu sequences that could go find no room in the swap blocks",
                     missing, full);
  return fail_with(AKV_ERROR_NO_BLOCKS, missing, 0, "%llu blocks are missing, and no other sequence can go", missing);
}

// What can't go at this moment is passed over.
Status Pager::send_out_one(const akv_sequence_line &line, akv_stream *stream, Sent &sent) noexcept {
  akv_plan plan = AKV_NONE;
  Status status = akv_sequence_swap_out(cache_, line.sequence, &plan);
  if (status == AKV_OK) status = run(plan, stream);
  switch (status) {
    case AKV_OK: sent = Sent::started; return AKV_OK;
    case AKV_ERROR_NO_SWAP_BLOCKS: sent = Sent::no_swap_blocks; return AKV_OK;
    case AKV_ERROR_BUSY:
    case AKV_ERROR_BAD_HANDLE:
    case AKV_ERROR_PLAN_OPEN:
    case AKV_ERROR_SWAPPED:
    case AKV_ERROR_CONTENT_LOST:
    case AKV_ERROR_NOT_COMMITTED:
    case AKV_ERROR_NOT_READY: sent = Sent::passed_over; return AKV_OK;
    default: return status;
  }
}

}  // namespace akv
