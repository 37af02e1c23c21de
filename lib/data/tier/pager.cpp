// pager.cpp: sequences come in when they are asked for, and the coldest go out to make room.
// It is made of what the public headers offer; it knows no block and no byte.
#include "data/tier/pager.hpp"

#include <algorithm>
#include <functional>

#include <sched.h>

namespace akv {
namespace {

// How often a plan is tried to be ended whose sequence others look at: such calls take a moment.
constexpr int kAttempts = 100;

}  // namespace

Pager::Pager(akv_cache *cache, akv_store *const *stores, std::uint32_t num_stores, const akv_cache_config &config)
    : cache_(cache),
      stores_(stores, stores + num_stores),
      stamps_(config.max_sequences),
      asked_for_(config.max_sequences),
      lines_(config.max_sequences) {
  leaving_.reserve(config.max_plans);
  left_.reserve(config.max_open_tickets);
  kept_.reserve(config.max_plans);
}

Pager::~Pager() { take_back_kept(); }

Status Pager::make_resident(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count,
                            akv_residence &out, akv_stream *stream) noexcept {
  if (inside_.exchange(true, std::memory_order_acquire))
    return fail(AKV_ERROR_BUSY, "another call is inside the pager");
  struct Leave {
    std::atomic<bool> &inside;
    ~Leave() { inside.store(false, std::memory_order_release); }
  } leave{inside_};
  take_back_kept();
  if (stream != nullptr) AKV_TRY(akv_stream_poll(stream, nullptr));
  AKV_TRY(note_use(sequences, count));
  AKV_TRY(note_departures());  // in front of the look: what comes back in between is then counted twice, not never
  // Where the work is done inside the calls, what goes out has gone, and it is worth looking again.
  for (Victims victims;;) {
    Needs needs;
    AKV_TRY(look(sequences, num_tokens, count, needs, out, stream));
    const std::uint64_t coming = blocks_coming();
    if (needs.missing > coming) {
      AKV_TRY(send_out(needs.missing - coming, victims, out, stream));
      AKV_TRY(note_departures());
      if (blocks_coming() == 0) continue;
    }
    out.resident = needs.resident;
    out.pending = needs.pending;
    out.wait = wait_for(needs.missing);
    return AKV_OK;
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
    const std::uint32_t slot = ObjectHandle::index(sequences[row]);
    if (stamps_[slot] == clock_) {
      const Status status = fail(AKV_ERROR_INVALID_ARGUMENT, "sequence 0x%llx is named twice", sequences[row]);
      name_row(row);
      return status;
    }
    stamps_[slot] = clock_;
    asked_for_[slot] = sequences[row];
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

// -- who is on the way out --

Pager::Fate Pager::fate_of(const Leaving &one) const noexcept {
  const KeepLastError keep;
  akv_plan_info plan = AKV_PLAN_INFO_INIT;
  if (akv_plan_read_info(cache_, one.plan, &plan) == AKV_OK) return Fate::on_its_way;
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  const Status status = akv_sequence_read_info(cache_, one.sequence, &info);
  if (status == AKV_ERROR_BUSY) return Fate::on_its_way;  // it is asked again
  const bool stayed = info.state == AKV_SEQUENCE_ACTIVE || info.state == AKV_SEQUENCE_SWAPPING_OUT;
  return status == AKV_OK && stayed ? Fate::stayed : Fate::left;  // what was freed meanwhile has left
}

// 0: it has passed. Else what to wait for: the ticket itself; if it was abandoned, of which PASSED is not told, the
// oldest one before it.
akv_ticket Pager::still_open(akv_ticket ticket) const noexcept {
  const KeepLastError keep;
  std::uint32_t where = AKV_TICKET_PASSED;
  if (akv_ticket_read(cache_, ticket, &where) != AKV_OK || where == AKV_TICKET_PASSED) return AKV_NONE;
  if (where != AKV_TICKET_ABANDONED) return ticket;
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  if (akv_cache_read_state(cache_, &state) != AKV_OK || state.oldest_open > ticket) return AKV_NONE;
  return state.oldest_open;
}

// Look again at all that is on its way out.
Status Pager::note_departures() noexcept {
  std::uint64_t blocks = 0;
  std::erase_if(leaving_, [&](const Leaving &one) {
    const Fate fate = fate_of(one);
    if (fate == Fate::left) blocks += one.blocks;
    return fate != Fate::on_its_way;
  });
  std::erase_if(left_, [this](const Left &each) { return still_open(each.until) == AKV_NONE; });
  if (blocks == 0) return AKV_OK;
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  AKV_TRY(akv_cache_read_state(cache_, &state));
  if (state.open_tickets == 0) return AKV_OK;
  // Tickets only grow, and no more than max_open_tickets of them have not passed.
  if (!left_.empty() && left_.back().until == state.newest) left_.back().blocks += blocks;
  else if (left_.size() < left_.capacity()) left_.push_back({state.newest, blocks});
  return AKV_OK;
}

std::uint64_t Pager::blocks_leaving() const noexcept {
  std::uint64_t blocks = 0;
  for (const Leaving &each : leaving_) blocks += each.blocks;
  return blocks;
}

std::uint64_t Pager::blocks_coming() const noexcept {
  std::uint64_t blocks = blocks_leaving();
  for (const Left &each : left_) blocks += each.blocks;
  return blocks;
}

// The ticket behind which so many blocks have come, as far as is known; 0: those that are being copied are enough.
akv_ticket Pager::wait_for(std::uint64_t missing) const noexcept {
  std::uint64_t blocks = blocks_leaving();
  akv_ticket until = AKV_NONE;
  for (const Left &each : left_) {
    if (blocks >= missing) break;
    blocks += each.blocks;
    until = each.until;
  }
  return until != AKV_NONE ? still_open(until) : AKV_NONE;
}

// -- sending out --

// What was never asked for is colder than all.
std::uint64_t Pager::stamp_of(akv_sequence sequence) const noexcept {
  const std::uint32_t slot = ObjectHandle::index(sequence);
  return asked_for_[slot] == sequence ? stamps_[slot] : 0;
}

bool Pager::warmer(const akv_sequence_line &a, const akv_sequence_line &b) const noexcept {
  const std::uint64_t one = stamp_of(a.sequence), other = stamp_of(b.sequence);
  return one != other ? one > other : ObjectHandle::index(a.sequence) > ObjectHandle::index(b.sequence);
}

Status Pager::read_victims(Victims &victims) noexcept {
  std::uint32_t count = 0;
  AKV_TRY(akv_cache_read_sequences(cache_, lines_.data(), sizeof(akv_sequence_line),
                                   static_cast<std::uint32_t>(lines_.size()), &count));
  const auto stays = [this](const akv_sequence_line &line) {
    return line.flags != 0 || line.num_blocks == 0 || line.committed != line.length ||
           stamp_of(line.sequence) == clock_;
  };
  const auto end = std::remove_if(lines_.begin(), lines_.begin() + count, stays);
  std::make_heap(lines_.begin(), end, std::bind_front(&Pager::warmer, this));
  victims.read = true;
  victims.count = static_cast<std::uint32_t>(end - lines_.begin());
  return AKV_OK;
}

Status Pager::send_out(std::uint64_t missing, Victims &victims, akv_residence &out, akv_stream *stream) noexcept {
  if (!victims.read) AKV_TRY(read_victims(victims));
  std::uint64_t sent = 0;
  while (sent < missing && victims.count != 0) {
    std::pop_heap(lines_.begin(), lines_.begin() + victims.count, std::bind_front(&Pager::warmer, this));
    const akv_sequence_line &line = lines_[--victims.count];
    bool started = false;
    AKV_TRY(send_out_one(line, victims, started, stream));
    if (!started) continue;
    sent += line.num_blocks;
    ++out.started_out;
  }
  if (sent != 0 || blocks_coming() != 0) return AKV_OK;
  if (const std::uint64_t busy = victims.busy + kept_.size(); busy != 0)
    return fail(AKV_ERROR_BUSY, "%llu blocks are missing, and others are inside %llu sequences that could go", missing,
                busy);
  if (victims.full != 0)
    return fail_with(AKV_ERROR_NO_SWAP_BLOCKS, missing, 0,
                     "%llu blocks are missing, and the %llu sequences that could go find no room in the swap blocks",
                     missing, victims.full);
  return fail_with(AKV_ERROR_NO_BLOCKS, missing, 0, "%llu blocks are missing, and no other sequence can go", missing);
}

// What can't go at this moment is passed over.
Status Pager::send_out_one(const akv_sequence_line &line, Victims &victims, bool &started,
                           akv_stream *stream) noexcept {
  akv_plan plan = AKV_NONE;
  Status status = akv_sequence_swap_out(cache_, line.sequence, &plan);
  if (status == AKV_OK) status = run(plan, stream);
  switch (status) {
    case AKV_OK: break;
    case AKV_ERROR_NO_SWAP_BLOCKS: ++victims.full; return AKV_OK;
    case AKV_ERROR_BUSY: ++victims.busy; return AKV_OK;
    case AKV_ERROR_BAD_HANDLE:
    case AKV_ERROR_PLAN_OPEN:
    case AKV_ERROR_SWAPPED:
    case AKV_ERROR_CONTENT_LOST:
    case AKV_ERROR_NOT_COMMITTED:
    case AKV_ERROR_NOT_READY: return AKV_OK;
    default: return status;
  }
  started = true;
  // (Full: others have ended plans of this pager, and are inside their sequences now. It is then not counted on.)
  if (leaving_.size() < leaving_.capacity()) leaving_.push_back({line.sequence, plan, line.num_blocks});
  return AKV_OK;
}

// -- plans --

// On failure the plan is taken back: nothing counts as moved.
Status Pager::run(akv_plan plan, akv_stream *stream) noexcept {
  const Status status =
      akv_copy_run(cache_, plan, stores_.data(), static_cast<std::uint32_t>(stores_.size()), AKV_RUN_FINISH, stream);
  if (status != AKV_OK) take_back(plan);
  return status;
}

// If others are inside its sequence for so long, it is kept for the next call.
void Pager::take_back(akv_plan plan) noexcept {
  if (try_take_back(plan)) return;
  if (kept_.size() == kept_.capacity()) take_back_kept();  // all are open, this one too: somebody has ended one
  if (kept_.size() < kept_.capacity()) kept_.push_back(plan);
}

void Pager::take_back_kept() noexcept {
  std::erase_if(kept_, [this](akv_plan plan) { return try_take_back(plan); });
}

// What akv_copy_run() has abandoned already is BAD_HANDLE: that is fine.
bool Pager::try_take_back(akv_plan plan) noexcept {
  const KeepLastError keep;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (akv_plan_abandon(cache_, plan) != AKV_ERROR_BUSY) return true;
    sched_yield();
  }
  return false;
}

}  // namespace akv
