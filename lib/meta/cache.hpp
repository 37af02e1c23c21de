// cache.hpp: one cache: its parts, and the operations of the public API on them.
// It knows no K/V byte, no device and no thunk. Operations are grouped in files by what they do:
//
//   cache.cpp     memory, slots, handles          fork.cpp       fork
//   admit.cpp     create, can_allocate            shrink.cpp     truncate, set_length
//   grow.cpp      append, reserve                 leave.cpp      free, free_batch, drop_owner
//   tail.cpp      shared tails, copy-on-write     prefix.cpp     match, pin, clear
//   tokens.cpp    token ids of a sequence         explain.cpp    why a prompt hits no further
//   publish.cpp   commit and publishing           plan_ends.cpp  finish and abandon a plan
//   tables.cpp    tables for kernels              order.cpp      tickets and leases
//   state.cpp     read-outs                       audit.cpp      the books
//
// Two things are locked. A *gate* keeps one sequence and its own blocks: it is shut by the caller (cache_home.hpp)
// around every operation that takes a slot or a batch. The *mutex* keeps all that sequences share; operations whose
// names end in _locked want it held, the others take it themselves where they need it. Shutting a gate never waits,
// so it may be tried with the mutex held.
#pragma once

#include "arenakv.h"
#include "base/mutex.hpp"
#include "base/sized_struct.hpp"
#include "meta/config.hpp"
#include "meta/holds.hpp"
#include "meta/pending.hpp"
#include "meta/plans.hpp"
#include "meta/request_ids.hpp"
#include "meta/scrubber.hpp"
#include "meta/sequence_table.hpp"
#include "meta/short_lock.hpp"
#include "meta/supply.hpp"
#include "obs/counters.hpp"

#include <mutex>

namespace akv {

using Slot = std::uint32_t;

// A prompt after the checks at the border.
struct Prompt {
  const std::int32_t *tokens = nullptr;
  std::uint32_t num_tokens = 0;
  std::uint64_t domain = 0;
};

// What the audit counts for each run, from the side of its holders.
struct RunCensus {
  std::uint32_t children;
  std::uint32_t holds[kHoldKinds];
};

class Cache {
 public:
  Cache(const Config &config, std::uint32_t index, Mutex &mutex, SequenceTable &sequences) noexcept;
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;

  static void plan_memory(const Config &config, Reservation &memory) noexcept;
  // Nothing else may be called if it fails.
  [[nodiscard]] Status allocate(const akv_allocator *allocator) noexcept;
  // In a child of fork() the allocator's memory is left alone.
  void abandon_memory() noexcept { memory_.abandon(); }

  const Config &config() const noexcept { return config_; }

  // Shut every live gate, or none and BUSY.
  [[nodiscard]] Status enter_all_locked() noexcept;
  void leave_all_locked() noexcept;
  void bury_all_locked() noexcept;

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
    if (AKV_UNLIKELY(commit && (known < committed ? known : committed) >= s.publish_at && s.pending == 0)) return false;
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

  // tokens.cpp
  Status set_tokens_batch(const akv_batch &batch) noexcept;
  Status read_tokens(Slot slot, std::uint32_t first, std::uint32_t count, std::int32_t *out) noexcept;

  // publish.cpp
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

  // tables.cpp
  Status read_tables(const akv_batch &batch, const akv_tables &tables) noexcept;
  Status read_blocks(Slot slot, std::int32_t *out, std::uint32_t capacity, std::uint32_t &count) noexcept;

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
  // -- handles and slots (cache.cpp) --
  akv_sequence handle_of(Slot slot) const noexcept {
    return ObjectHandle::encode(sequences_.generation(slot), Kind::sequence, index_, slot);
  }
  static Slot slot_of(akv_sequence sequence) noexcept { return ObjectHandle::index(sequence); }
  akv_ticket ticket_of(std::uint64_t number) const noexcept { return TicketHandle::encode(ticket_tag_, number); }
  Status check_object(std::uint64_t handle, Kind kind) const noexcept;
  Status find_plan(akv_plan plan, std::uint32_t &index) const noexcept;
  Status find_hold(std::uint64_t handle, Kind kind, std::uint32_t &index) const noexcept;
  Status check_ticket(akv_ticket ticket) const noexcept;
  Status check_open_ticket(akv_ticket ticket) const noexcept;
  // The number to commit under: 0 where there is nothing left to wait for.
  Status commit_number(akv_ticket ticket, std::uint64_t &number) const noexcept;
  // Why a sequence can't change now: a plan is open on it, or its content is lost.
  Status check_quiet(const Sequence &s) const noexcept;

  // -- admission (admit.cpp) --
  struct Admission;
  Admission consider_locked(const Prompt &prompt, const akv_sequence_options &options) const noexcept;
  Status check_admission_locked(const akv_sequence_options &options, std::uint32_t length) const noexcept;
  std::uint32_t slots_available() const noexcept { return num_free_slots_ + config_.max_sequences - touched_slots_; }
  Slot take_slot_locked(std::uint64_t domain, const akv_sequence_options &options, std::uint32_t max_tokens) noexcept;
  void give_back_slot_locked(Slot slot) noexcept;

  // -- blocks (room.cpp) --
  std::uint32_t blocks_of(std::uint32_t num_tokens) const noexcept {
    return shift_ != kNoShift ? (num_tokens >> shift_) + ((num_tokens & (block_tokens_ - 1)) != 0)
                              : num_tokens / block_tokens_ + (num_tokens % block_tokens_ != 0);
  }
  std::uint32_t whole_blocks_of(std::uint32_t num_tokens) const noexcept {
    return shift_ != kNoShift ? num_tokens >> shift_ : num_tokens / block_tokens_;
  }
  std::uint32_t offset_of(std::uint32_t position) const noexcept {
    return shift_ != kNoShift ? position & (block_tokens_ - 1) : position % block_tokens_;
  }
  std::int32_t *row_of(Slot slot) noexcept { return rows_.data + slot * row_stride_; }
  std::uint32_t own_blocks_locked() const noexcept { return static_cast<std::uint32_t>(given_ + supply_.popped()); }
  void give_back_own_locked(const std::int32_t *ids, std::uint32_t count) noexcept;
  Status no_blocks(std::uint64_t num_tokens, std::uint32_t needed, std::uint32_t available) noexcept;
  void fill_room_locked(akv_room &out, std::uint32_t needed, std::uint32_t available) const noexcept;
  void note_peak_locked() noexcept;

  // -- scrubbing (room.cpp) --
  void meet_domain_locked(std::uint64_t domain) noexcept;
  void start_looking_locked() noexcept;
  bool needs_zero_locked(std::int32_t block, std::uint64_t domain) noexcept;
  akv_plan_record zero_record(Slot slot, std::int32_t block) const noexcept;
  // Zero what needs it of the table's entries from `first` on; opens the plan if there is none yet.
  void scrub_locked(Slot slot, std::uint32_t first, std::uint32_t &plan) noexcept;
  void condemn_locked(const std::int32_t *ids, std::uint32_t count) noexcept;

  // -- a sequence's shape (tail.cpp) --
  void refresh(Slot slot) noexcept;
  bool tail_shared(const Sequence &s, const SequenceRest &rest) const noexcept {
    return s.used_blocks != 0 && s.used_blocks <= rest.anchored_blocks && offset_of(s.length) != 0;
  }
  void append_blocks_locked(Slot slot, std::uint32_t count) noexcept;
  // (A run that was published once may have duplicates beside it in the sequence's table: it stays what it is.)
  bool absorbable(RunId run) const noexcept {
    return run != kRoot && tree_.at(run).linked == 0 && tree_.at(run).dead == 0 && tree_.exclusive(run);
  }
  bool absorb_tail_locked(Slot slot) noexcept;
  void copy_tail_locked(Slot slot, std::uint32_t plan) noexcept;
  void share_own_locked(Slot slot, std::uint32_t end) noexcept;
  void anchor_at_locked(Slot slot, RunId run) noexcept;
  void free_duplicates_locked(Slot slot, std::uint32_t first, std::uint32_t end) noexcept;
  std::uint64_t wait_of_locked(Slot slot) const noexcept;

  // -- growing (grow.cpp) --
  struct Growth;
  template <class Counts>
  Status measure_growth(const akv_batch &batch, Counts counts, Growth &growth) noexcept;
  Status cannot_grow(const Sequence &s, std::uint32_t count, std::uint32_t row) const noexcept;
  Status own_tails_locked(const akv_batch &batch, Growth &growth) noexcept;
  Status check_growth_locked(const Growth &growth, const akv_plan *out_plan) noexcept;
  bool grow_from_magazine(const akv_batch &batch, const Growth &growth) noexcept;
  Status grow_locked(const akv_batch &batch, Growth &growth, akv_plan *out_plan) noexcept;
  Status not_committed(const Sequence &s) const noexcept;
  bool pop_block(Slot slot) noexcept;
  void place_tokens(Slot slot, const std::int32_t *tokens, std::uint32_t count) noexcept;
  void open_next_block(Sequence &s) noexcept;
  template <class Counts>
  void place_batch(const akv_batch &batch, Counts counts, const Growth &growth) noexcept;

  // -- token ids (tokens.cpp) --
  std::uint32_t write_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) noexcept;
  void write_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) noexcept;
  void advance_known(Slot slot) noexcept;
  Status check_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) const noexcept;

  // -- tables (tables.cpp) --
  Status check_table_room(const akv_tables &tables, std::uint32_t num_sequences, std::uint64_t query_tokens,
                          std::uint64_t indices, std::uint32_t widest) const noexcept;
  void write_tables(const akv_batch &batch, const akv_tables &tables, std::uint64_t query_tokens, std::uint64_t indices,
                    bool decode) const noexcept;
  void write_decode_query(const akv_batch &batch, const akv_tables &tables) const noexcept;
  void write_query(const akv_batch &batch, const akv_tables &tables) const noexcept;
  template <class Contexts>
  void write_rows(const akv_batch &batch, const akv_tables &tables, Contexts contexts) const noexcept;
  template <class Contexts>
  void write_csr(const akv_batch &batch, const akv_tables &tables, Contexts contexts) const noexcept;
  void write_slots(Slot slot, std::uint32_t first, std::uint32_t count, std::int64_t *out) const noexcept;
  void pad_tables(std::uint32_t num_sequences, std::uint64_t query, std::uint64_t index, const akv_tables &tables) const noexcept;

  // -- shrinking (shrink.cpp) --
  Status check_truncate(const Sequence &s, const SequenceRest &rest, std::uint32_t length) const noexcept;
  bool truncate_quickly(Slot slot, std::uint32_t length, bool keep_blocks) noexcept;
  void cut_lengths(Sequence &s, std::uint32_t length) const noexcept;
  void truncate_locked(Slot slot, std::uint32_t length, bool keep_blocks) noexcept;
  void cut_shared_locked(Slot slot, std::uint32_t blocks, bool inside_a_block) noexcept;

  // -- publishing (publish.cpp) --
  void commit_locked(Slot slot, std::uint32_t length, std::uint64_t ticket) noexcept;
  // Is there something to publish that nobody has been told of?
  bool publishable(const Sequence &s) const noexcept {
    const std::uint32_t known = s.known, committed = s.committed;
    return (known < committed ? known : committed) >= s.publish_at && s.pending == 0;
  }
  void publish_later(Slot slot) noexcept;
  // Before anything that looks into the index or moves what sequences share.
  void publish_pending_locked() noexcept;
  std::uint32_t next_publish(const SequenceRest &rest) const noexcept;
  void publish_locked(Slot slot) noexcept;
  bool publish_shared_locked(Slot slot, std::uint32_t target) noexcept;
  void publish_own_locked(Slot slot, std::uint32_t target) noexcept;
  TicketSpan span_of(const SequenceRest &rest, std::uint32_t first_block, std::uint32_t end_block) const noexcept;
  void note_ticket(SequenceRest &rest, std::uint32_t from, std::uint64_t first, std::uint64_t last) const noexcept;

  // -- plans (plan_ends.cpp) --
  std::uint32_t open_plan_locked() noexcept { return plans_.open(tickets_.newest()); }
  akv_plan plan_handle(std::uint32_t plan) const noexcept {
    return ObjectHandle::encode(plans_[plan].generation, Kind::plan, index_, plan);
  }
  void join_plan_locked(std::uint32_t plan, Slot slot, const Undo &undo) noexcept;
  void leave_plan_locked(Slot slot) noexcept;
  void roll_back_locked(Slot slot) noexcept;
  void close_plan_locked(std::uint32_t plan) noexcept;
  std::uint32_t first_planned(Slot slot) const noexcept;
  Undo undo_of(Slot slot) const noexcept;
  Status enter_plan_locked(std::uint32_t plan) noexcept;

  // -- leaving (leave.cpp) --
  void end_locked(Slot slot, bool in_flight) noexcept;

  // -- order (order.cpp) --
  void end_ticket_locked(std::uint64_t number) noexcept;
  std::uint32_t mark_lost_locked(std::uint64_t ticket) noexcept;

  // -- read-outs (state.cpp, explain.cpp) --
  std::uint64_t used_bytes_locked() const noexcept;
  bool begins_with(Slot slot, const std::int32_t *tokens, std::uint32_t count) const noexcept;
  akv_sequence holder_of(const Prompt &prompt, std::uint32_t count) noexcept;
  bool other_domain_has(const Prompt &prompt, std::uint32_t limit, std::uint32_t blocks) const noexcept;

  // -- audit (audit.cpp) --
  Status audit_blocks_locked() noexcept;
  Status audit_runs_locked() noexcept;
  Status audit_holders_locked() noexcept;
  Status audit_sequence_locked(Slot slot) noexcept;

  static constexpr std::uint32_t kNoShift = ~0u;

  const Config config_;
  const std::uint32_t index_;       // of the cache in this process
  const std::uint32_t ticket_tag_;
  const std::uint32_t block_tokens_;
  const std::uint32_t shift_;       // block_tokens = 2^shift, or kNoShift
  Mutex &mutex_;
  SequenceTable &sequences_;

  Reservation memory_;
  TokenStore tokens_;
  Array<SequenceRest> rest_;        // [slot]
  Array<std::int32_t> rows_;        // block tables, row_stride_ ids apart
  std::size_t row_stride_ = 0;
  Array<std::uint32_t> free_slots_;
  Array<std::uint8_t> map_;         // [block], for read-outs that look at every block
  Array<RunCensus> census_;         // [run], for the audit
  Array<std::uint64_t> abandoned_;  // [ticket & mask] the ticket's number, if it was abandoned
  std::uint32_t num_free_slots_ = 0;
  std::uint32_t touched_slots_ = 0;
  std::uint32_t num_sequences_ = 0;

  Tickets tickets_;
  IdLists lists_;
  BlockPool pool_;
  RunTree tree_;
  Supply supply_;
  Pending pending_;
  Scrubber scrubber_;
  RequestIds request_ids_;
  Plans plans_;
  Holds holds_;
  Counters counters_;
  std::uint64_t given_ = 0;         // own blocks of sequences, less those popped from magazines (may wrap around)
  std::uint32_t duplicates_ = 0;
  std::uint32_t lost_sequences_ = 0;
  std::uint32_t widest_row_ = 0;    // entries ever used of a row
};

}  // namespace akv
