// cache.hpp: the operations of the public API on one cache.
// It knows no K/V byte, no device and no thunk. What the operations are made of is in books.hpp.
//
// Two things are locked. A *gate* keeps one sequence and its own blocks: it is shut by the caller (cache_home.hpp)
// around every operation that takes a slot or a batch. The *mutex* keeps all that sequences share; operations whose
// names end in _locked want it held, the others take it themselves where they need it. Shutting a gate never waits,
// so it may be tried with the mutex held.
#pragma once

#include "base/sized_struct.hpp"
#include "meta/books.hpp"
#include "meta/tables.hpp"

#include <mutex>

namespace akv {

// A prompt after the checks at the border.
struct Prompt {
  const std::int32_t *tokens = nullptr;
  std::uint32_t num_tokens = 0;
  std::uint64_t domain = 0;
};

class Cache : public Books {
 public:
  using Books::Books;

  // admit.cpp. `lock` holds the mutex; it is released while tokens are copied.
  Status create_sequence(std::unique_lock<Mutex> &lock, const Prompt &prompt, const akv_sequence_options &options,
                         akv_created &out) noexcept;
  Status can_allocate_locked(const Prompt &prompt, const akv_sequence_options &options, akv_room &out) noexcept;

  // grow.cpp. The first is one token into the sequence's last block, with nothing to publish: no call leaves it.
  bool append_quickly(Slot slot, std::int32_t token, bool commit) noexcept {
    Sequence &s = sequences_[slot];
    const std::uint32_t length = s.length, room = s.room;
    if (AKV_UNLIKELY(room == 0 || s.flags != 0 || length >= s.max_tokens)) return false;
    const std::uint32_t known = s.known == length && token != AKV_TOKEN_UNKNOWN ? length + 1 : std::uint32_t{s.known};
    const std::uint32_t committed = commit ? length + 1 : std::uint32_t{s.committed};
    if (AKV_UNLIKELY(commit && (known < committed ? known : committed) >= s.publish_at)) return false;
    tokens_.of(s.tail_block)[block_tokens_ - room] = token;
    s.room = room - 1;
    s.length = length + 1;
    s.known = known;
    s.committed = committed;
    return true;
  }
  Status append(Slot slot, const std::int32_t *tokens, std::uint32_t count, bool commit, akv_plan *out_plan) noexcept;
  Status append_batch(const akv_batch &batch, const akv_tables *tables, akv_plan *out_plan) noexcept;
  Status reserve(Slot slot, std::uint32_t num_tokens, akv_plan *out_plan) noexcept;
  Status can_extend(Slot slot, std::uint32_t num_tokens, akv_room &out) noexcept;

  // late_tokens.cpp
  Status set_tokens_batch(const akv_batch &batch) noexcept;
  Status read_tokens(Slot slot, std::uint32_t first, std::uint32_t count, std::int32_t *out) noexcept;

  // commit.cpp
  Status commit_batch(const akv_sequence *sequences, const std::uint32_t *lengths, std::uint32_t count,
                      akv_ticket ticket) noexcept;

  // fork.cpp
  Status fork(Slot parent, std::uint32_t length, const akv_sequence_options &options, akv_sequence &out_child) noexcept;

  // shrink.cpp
  Status truncate_batch(const akv_sequence *sequences, const std::uint32_t *lengths, std::uint32_t count,
                        bool keep_blocks) noexcept;
  Status set_length(Slot slot, std::uint32_t length) noexcept;

  // leave.cpp. The slot's gate is gone afterwards.
  void free_sequence(Slot slot) noexcept;
  void free_batch_locked(const akv_sequence *sequences, std::uint32_t count, std::uint32_t &freed, std::uint32_t &stale,
                         akv_status *statuses) noexcept;
  Status drop_owner_locked(std::uint64_t owner, bool in_flight, std::uint32_t &released) noexcept;

  // read_tables.cpp
  Status read_tables(const akv_batch &batch, const akv_tables &tables) noexcept;
  Status read_blocks(Slot slot, std::int32_t *out, std::uint32_t capacity, std::uint32_t &count) noexcept;
  // The table itself, in place, and how far it has K/V: for who moves bytes while the gate is shut.
  const std::int32_t *table(Slot slot) const noexcept { return sequences_[slot].table; }
  std::uint32_t committed_tokens(Slot slot) const noexcept { return sequences_[slot].committed; }

  // prefix.cpp, explain.cpp
  void match_locked(const Prompt &prompt, akv_match &out) noexcept;
  Status pin_locked(const Prompt &prompt, std::uint64_t owner, akv_pin &out_pin, std::uint32_t &out_tokens) noexcept;
  Status unpin_locked(akv_pin pin) noexcept;
  std::uint32_t clear_locked(const std::uint64_t *domain, bool keep_pinned) noexcept;
  void explain_locked(const Prompt &prompt, akv_explanation &out) noexcept;

  // plan_ends.cpp
  Status read_plan_info_locked(akv_plan plan, akv_plan_info &out) noexcept;
  Status read_plan_records_locked(akv_plan plan, std::uint32_t first, akv_plan_record *out, std::uint32_t capacity,
                                  std::uint32_t &count) noexcept;
  Status finish_plan_locked(akv_plan plan, akv_ticket ticket) noexcept;
  Status abandon_plan_locked(akv_plan plan) noexcept;

  // swap.cpp
  Status swap_out(Slot slot, akv_plan &out) noexcept;
  Status swap_in(Slot slot, akv_swapped_in &out) noexcept;
  Status acquire_swap_locked(std::uint32_t count, std::int32_t *out) noexcept;
  Status release_swap_locked(const std::int32_t *blocks, std::uint32_t count) noexcept;

  // order.cpp
  Status open_ticket_locked(akv_ticket &out) noexcept;
  Status retire_ticket_locked(akv_ticket ticket) noexcept;
  Status abandon_ticket_locked(akv_ticket ticket, std::uint32_t &lost_sequences) noexcept;
  Status read_ticket_locked(akv_ticket ticket, std::uint32_t &state) noexcept;
  Status acquire_lease(Slot slot, std::uint32_t num_tokens, std::uint64_t owner, akv_lease &out,
                       akv_ticket &out_wait) noexcept;
  Status read_lease_locked(akv_lease lease, std::int32_t *out, std::uint32_t capacity, std::uint32_t &count) noexcept;
  Status release_lease_locked(akv_lease lease) noexcept;

  // state.cpp, audit.cpp
  Status find_locked(std::uint64_t request_id, akv_sequence &out) noexcept;
  void read_info(Slot slot, akv_sequence_info &out) noexcept;
  void read_state_locked(akv_cache_state &out) noexcept;
  Status read_sequences_locked(unsigned char *lines, std::uint32_t line_size, std::uint32_t capacity,
                               std::uint32_t &count) noexcept;
  Status read_holds_locked(unsigned char *lines, std::uint32_t line_size, std::uint32_t capacity,
                           std::uint32_t &count) noexcept;
  Status audit_locked() noexcept;
  // These three want every gate shut as well.
  void measure_locked(akv_measures &out) noexcept;
  void read_block_map_locked(std::uint8_t *map) noexcept;
  Status audit_all_locked() noexcept;

 private:
  // -- admit.cpp --
  struct Admission;
  Admission consider_locked(const Prompt &prompt, const akv_sequence_options &options) const noexcept;
  Status secure_admission_locked(const Admission &a) noexcept;
  std::uint32_t place_locked(Slot slot, const Admission &a) noexcept;

  // -- grow.cpp --
  struct Growth;
  template <class Counts>
  Status measure_growth(const akv_batch &batch, Counts counts, Growth &growth) noexcept;
  Status cannot_grow(const Sequence &s, std::uint32_t count, std::uint32_t row) const noexcept;
  Status own_tails_locked(const akv_batch &batch, Growth &growth) noexcept;
  Status check_growth_locked(const Growth &growth, bool may_plan) noexcept;
  bool grow_from_magazine(const akv_batch &batch, const Growth &growth) noexcept;
  Status grow_locked(const akv_batch &batch, Growth &growth, bool may_plan) noexcept;
  bool pop_block(Slot slot) noexcept;
  void place_tokens(Slot slot, const std::int32_t *tokens, std::uint32_t count) noexcept;
  void open_next_block(Sequence &s) noexcept;
  template <class Counts>
  void place_batch(const akv_batch &batch, Counts counts, const Growth &growth) noexcept;
  TableWriter table_writer() const noexcept { return TableWriter(sequences_, rest_, math_); }

  // -- reserve.cpp --
  Status take_ahead(Slot slot, std::uint32_t num_tokens, bool may_plan, akv_plan &made) noexcept;

  // -- late_tokens.cpp --
  Status check_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens,
                           std::uint32_t count) const noexcept;

  // -- shrink.cpp --
  Status check_truncate(const Sequence &s, const SequenceRest &rest, std::uint32_t length) const noexcept;
  bool truncate_quickly(Slot slot, std::uint32_t length, bool keep_blocks) noexcept;
  void cut_lengths(Slot slot, std::uint32_t length) noexcept;
  void truncate_locked(Slot slot, std::uint32_t length, bool keep_blocks) noexcept;
  void cut_shared_locked(Slot slot, std::uint32_t blocks, bool inside_a_block) noexcept;

  // -- leave.cpp --
  void end_locked(Slot slot, bool in_flight) noexcept;

  // -- plan_ends.cpp --
  Status enter_plan_locked(std::uint32_t plan) noexcept;
  void roll_back_locked(Slot slot) noexcept;

  // -- swap.cpp --
  Status check_swap_out(const Sequence &s) const noexcept;
  void plan_copies_out_locked(Slot slot, std::uint32_t plan) noexcept;
  void end_swap_out_locked(Slot slot) noexcept;
  Walk match_swapped_locked(Slot slot) const noexcept;
  std::uint32_t bring_in_locked(Slot slot, const Walk &walk) noexcept;
  void end_swap_in_locked(Slot slot) noexcept;
  Status check_swap_finish_locked(std::uint32_t plan, std::uint64_t ticket) const noexcept;
  void finish_swap_locked(std::uint32_t plan) noexcept;
  void abandon_swap_locked(std::uint32_t plan) noexcept;
  void swap_back_locked(Slot slot) noexcept;
  void give_up_swap_locked(Slot slot, bool in_flight) noexcept;
  std::uint32_t planned_swap_blocks_locked(std::uint32_t plan) const noexcept;
  void give_back_left_swap_locked(std::uint32_t plan) noexcept;

  // -- order.cpp --
  void end_ticket_locked(std::uint64_t number) noexcept;
  // Is something of this sequence being written under a span of tickets that `ticket` is in?
  bool written_under(const SequenceRest &rest, std::uint64_t ticket) const noexcept {
    return !tickets_.settled(rest.ticket_last) && ticket >= rest.ticket_first && ticket <= rest.ticket_last;
  }
  std::uint32_t sound_without_locked(std::uint64_t ticket, Slot slot) const noexcept;
  std::uint32_t mark_lost_locked(std::uint64_t ticket, bool zeroing) noexcept;
  void condemn_unfinished_locked(std::uint64_t ticket) noexcept;

  // -- state.cpp, explain.cpp --
  std::uint32_t shared_blocks_locked(Slot slot) const noexcept;
  std::uint64_t used_bytes_locked() const noexcept;
  void read_blocks_state_locked(akv_cache_state &out) noexcept;
  void read_counters_locked(akv_cache_state &out) const noexcept;
  bool begins_with(Slot slot, const std::int32_t *tokens, std::uint32_t count) const noexcept;
  akv_sequence holder_of(const Prompt &prompt, std::uint32_t count) noexcept;
  bool other_domain_has(const Prompt &prompt, std::uint32_t limit, std::uint32_t blocks) const noexcept;

  // -- audit.cpp --
  Status audit_blocks_locked() noexcept;
  Status audit_runs_locked() noexcept;
  Status audit_holders_locked() noexcept;
  Status audit_sequence_locked(Slot slot) noexcept;
  Status audit_swap_locked() noexcept;
};

}  // namespace akv
