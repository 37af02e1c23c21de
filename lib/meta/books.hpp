// books.hpp: what a cache knows, and the small steps that its operations (cache.hpp) are made of.
// It knows blocks, runs, sequences and tickets; no batch, no table for a kernel, no K/V byte.
//
//   books.cpp     memory, slots, gates        tail.cpp      where the shared stretch of a sequence ends
//   handles.cpp   which handle is what        publish.cpp   committed blocks become findable
//   room.cpp      what to say about room      tokens.cpp    token ids in blocks
//   extent.cpp    blocks that are neighbours
//   scrub.cpp     blocks that must be zeroed  plan_links.cpp  sequences and leases of open plans
//
// Names that end in _locked want the cache's mutex held; the others want the gate of the sequence they name.
#pragma once

#include "arenakv.h"
#include "base/mutex.hpp"
#include "meta/config.hpp"
#include "meta/holds.hpp"
#include "meta/pending.hpp"
#include "meta/plans.hpp"
#include "meta/request_ids.hpp"
#include "meta/rows.hpp"
#include "meta/scrubber.hpp"
#include "meta/sequence_table.hpp"
#include "meta/short_lock.hpp"
#include "meta/supply.hpp"
#include "meta/swap_space.hpp"
#include "model/block_math.hpp"
#include "obs/counters.hpp"

namespace akv {

using Slot = std::uint32_t;

// What the audit counts for each run, from the side of its holders.
struct RunCensus {
  std::uint32_t children;
  std::uint32_t holds[kHoldKinds];
};

class Books {
 public:
  Books(const Config &config, std::uint32_t index, std::uint32_t ticket_tag, Mutex &mutex,
        SequenceTable &sequences) noexcept;
  Books(const Books &) = delete;
  Books &operator=(const Books &) = delete;

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

 protected:
  // -- handles --
  akv_sequence handle_of(Slot slot) const noexcept {
    return ObjectHandle::encode(sequences_.generation(slot), Kind::sequence, index_, slot);
  }
  static Slot slot_of(akv_sequence sequence) noexcept { return ObjectHandle::index(sequence); }
  akv_ticket ticket_of(std::uint64_t number) const noexcept { return TicketHandle::encode(ticket_tag_, number); }
  akv_plan plan_handle(std::uint32_t plan) const noexcept {
    return ObjectHandle::encode(plans_[plan].generation, Kind::plan, index_, plan);
  }
  Status check_object(std::uint64_t handle, Kind kind) const noexcept;
  Status find_plan(akv_plan plan, std::uint32_t &index) const noexcept;
  Status find_hold(std::uint64_t handle, Kind kind, std::uint32_t &index) const noexcept;
  Status check_ticket(akv_ticket ticket) const noexcept;
  Status check_open_ticket(akv_ticket ticket) const noexcept;
  // The number to commit under: 0 where there is nothing left to wait for.
  Status commit_number(akv_ticket ticket, std::uint64_t &number) const noexcept;
  // Why a sequence can't change now: its content is lost, it is swapped, or a plan is open on it.
  Status check_quiet(const Sequence &s) const noexcept;
  Status check_in_place(const Sequence &s) const noexcept;  // the latter two

  // -- gates --
  // Shut those of all live sequences for which `which(slot)` says so, or none: one of them is inside another call.
  template <class Which>
  bool enter_those_locked(Which which) noexcept {
    for (Slot slot = 0; slot < touched_slots_; ++slot) {
      if (!sequences_.live(slot) || !which(slot)) continue;
      if (sequences_.enter(slot, sequences_.generation(slot)) == Entry::entered) continue;
      while (slot-- != 0)
        if (sequences_.live(slot) && which(slot)) sequences_.leave(slot);
      return false;
    }
    return true;
  }

  // -- slots --
  std::uint32_t slots_available() const noexcept { return num_free_slots_ + config_.max_sequences - touched_slots_; }
  Status check_admission_locked(const akv_sequence_options &options, std::uint32_t length) const noexcept;
  Slot take_slot_locked(std::uint64_t domain, const akv_sequence_options &options, std::uint32_t max_tokens) noexcept;
  void give_back_slot_locked(Slot slot) noexcept;

  // -- room --
  std::uint32_t own_blocks_locked(std::uint64_t popped) const noexcept {
    return static_cast<std::uint32_t>(given_ + popped);
  }
  void give_back_own_locked(const std::int32_t *ids, std::uint32_t count) noexcept;
  Status no_blocks(std::uint64_t num_tokens, std::uint32_t needed, std::uint32_t available) noexcept;
  Status no_plans() const noexcept;
  Status not_committed(const Sequence &s) const noexcept;
  void fill_room_locked(akv_room &out, std::uint32_t needed, std::uint32_t available) const noexcept;
  void note_peak_locked() noexcept;

  // -- extents --
  std::uint32_t longest_extent_locked(const Walk &keep) noexcept;
  Status secure_extent_locked(std::uint32_t count, const Walk &keep) noexcept;
  void append_extent_locked(Slot slot, std::uint32_t count) noexcept;
  std::uint32_t place_in_extent_locked(Slot slot, std::uint32_t count, const Walk &walk) noexcept;

  // -- scrubbing --
  void meet_domain_locked(std::uint64_t domain) noexcept;
  void start_looking_locked() noexcept;
  bool needs_zero_locked(std::int32_t block, std::uint64_t domain) noexcept;
  akv_plan_record zero_record(Slot slot, std::int32_t block) const noexcept;
  // Zero what needs it of the table's entries from `first` on; opens the plan if there is none yet.
  void scrub_locked(Slot slot, std::uint32_t first, std::uint32_t &plan) noexcept;
  void condemn_unzeroed_locked(const akv_plan_record &record) noexcept;
  void condemn_locked(const std::int32_t *ids, std::uint32_t count) noexcept;

  // `what(index, block)` for blocks first .. end - 1 of the path to `run`.
  template <class What>
  void for_each_on_path(RunId run, std::uint32_t first, std::uint32_t end, What what) const noexcept {
    std::int32_t ids[64];
    for (std::uint32_t at = first; at < end; at += 64) {
      const std::uint32_t count = end - at < 64 ? end - at : 64;
      tree_.read_path_range(run, at, at + count, ids);
      for (std::uint32_t i = 0; i < count; ++i) what(at + i, ids[i]);
    }
  }

  // -- a sequence's shape --
  void refresh(Slot slot) noexcept;
  bool tail_shared(const Sequence &s, const SequenceRest &rest) const noexcept {
    return s.used_blocks != 0 && s.used_blocks <= rest.anchored_blocks && math_.offset(s.length) != 0;
  }
  void widen_row_locked(Slot slot, std::uint32_t count) noexcept;
  void append_blocks_locked(Slot slot, std::uint32_t count) noexcept;
  // To be published, a block needs one holder; to be written on, also nobody who left it with work still queued.
  enum class Absorb { to_publish, to_write };
  // (A run that was published once may have duplicates beside it in the sequence's table: it stays what it is.)
  // `children`: 1 for a run above another that is absorbed with it.
  bool absorbable(RunId run, Absorb why, std::uint32_t children = 0) const noexcept {
    return run != kRoot && tree_.at(run).linked == 0 && tree_.at(run).dead == 0 && tree_.exclusive(run, children) &&
           (why == Absorb::to_publish || tickets_.settled(tree_.at(run).left_epoch));
  }
  bool absorb_tail_locked(Slot slot, Absorb why) noexcept;
  void copy_tail_locked(Slot slot, std::uint32_t plan) noexcept;
  void share_own_locked(Slot slot, std::uint32_t end) noexcept;
  void anchor_at_locked(Slot slot, RunId run) noexcept;
  void free_duplicates_locked(Slot slot, std::uint32_t first, std::uint32_t end) noexcept;
  std::uint64_t wait_of_locked(Slot slot) const noexcept;

  // -- token ids --
  std::uint32_t write_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) noexcept;
  void write_late_tokens(Slot slot, std::uint32_t first, const std::int32_t *tokens, std::uint32_t count) noexcept;
  void advance_known(Slot slot) noexcept;

  // -- publishing --
  // Is there a block to publish that nobody has been told of?
  bool publishable(const Sequence &s) const noexcept {
    const std::uint32_t known = s.known, committed = s.committed;
    return (known < committed ? known : committed) >= s.publish_at;
  }
  bool pending(const Sequence &s) const noexcept { return s.pending.load(std::memory_order_acquire) != 0; }
  void publish_later(Slot slot) noexcept;
  // Before anything that looks into the index or moves what sequences share.
  void publish_pending_locked() noexcept;
  void publish_locked(Slot slot) noexcept;
  void commit_locked(Slot slot, std::uint32_t length, std::uint64_t ticket) noexcept;
  void note_ticket(SequenceRest &rest, std::uint32_t from, std::uint64_t first, std::uint64_t last) const noexcept;

  // -- plans --
  std::uint32_t open_plan_locked() noexcept { return plans_.open(tickets_.newest()); }
  Undo undo_of(Slot slot) const noexcept;
  void join_plan_locked(std::uint32_t plan, Slot slot, const Undo &undo) noexcept;
  void leave_plan_locked(Slot slot) noexcept;
  void close_plan_locked(std::uint32_t plan) noexcept;
  // `what(block)` for each swap block that the records of a plan name.
  template <class What>
  void for_each_swap_block(std::uint32_t plan, What what) const noexcept {
    for (std::uint32_t at = plans_[plan].first_record; at != 0; at = plans_.record(at).next) {
      const akv_plan_record &record = plans_.record(at).record;
      if (record.kind == AKV_PLAN_SWAP_OUT) what(swap_.inside(record.target_block));
      if (record.kind == AKV_PLAN_SWAP_IN) what(swap_.inside(record.source_block));
    }
  }
  std::uint32_t first_planned(Slot slot) const noexcept;

  const Config config_;
  const std::uint32_t index_;  // of the cache in this process
  const std::uint32_t ticket_tag_;
  const BlockMath math_;
  const std::uint32_t block_tokens_;
  Mutex &mutex_;
  SequenceTable &sequences_;

  Reservation memory_;
  bool all_touched_ = false;  // by PREFAULT or an allocator
  TokenStore tokens_;
  Array<SequenceRest> rest_;  // [slot]
  Rows rows_;                 // block tables
  Array<std::uint32_t> free_slots_;
  Array<std::uint8_t> map_;         // [block], for read-outs that look at every block
  Array<RunCensus> census_;         // [run], for the audit
  Array<std::uint8_t> swap_map_;    // [swap block], for the audit
  Array<std::uint64_t> abandoned_;  // [ticket & mask] the ticket's number, if it was abandoned
  std::uint32_t num_free_slots_ = 0;
  std::uint32_t touched_slots_ = 0;
  std::uint32_t num_sequences_ = 0;

  Tickets tickets_;
  IdLists lists_;
  BlockPool pool_;
  RunTree tree_;
  Supply supply_;
  SwapSpace swap_;
  Pending pending_;
  Scrubber scrubber_;
  RequestIds request_ids_;
  Plans plans_;
  Holds holds_;
  Counters counters_;
  std::uint64_t given_ = 0;  // own blocks of sequences, less those popped from magazines (may wrap around)
  std::uint32_t duplicates_ = 0;
  std::uint32_t lost_sequences_ = 0;
  std::uint32_t swapped_sequences_ = 0;

 private:
  std::uint32_t next_publish(const SequenceRest &rest) const noexcept;
  bool publish_shared_locked(Slot slot, std::uint32_t target) noexcept;
  void publish_own_locked(Slot slot, std::uint32_t target) noexcept;
  TicketSpan span_of(const SequenceRest &rest, std::uint32_t first_block, std::uint32_t end_block) const noexcept;
};

}  // namespace akv
