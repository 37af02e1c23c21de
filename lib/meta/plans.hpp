// plans.hpp: the open plans of one cache: their records, the runs they lease, the sequences that wait for them.
// It knows numbers; what finishing and abandoning mean is in plan_ends.cpp. No lock: the cache's lock is held.
#pragma once

#include "arenakv/plan.h"
#include "base/handle.hpp"
#include "mem/slab.hpp"
#include "meta/prefix/run.hpp"
#include "meta/sequence.hpp"

namespace akv {

struct PlanState {
  std::uint32_t generation;
  std::uint16_t open;
  Swap swap;                     // out or in: of one sequence
  std::uint32_t first_sequence;  // slot + 1; they are linked through SequenceRest
  std::uint32_t num_sequences;
  std::uint32_t first_record;
  std::uint32_t last_record;
  std::uint32_t num_records;
  std::uint32_t read_position;  // where it was last read
  std::uint32_t read_record;    // 0: nowhere
  std::uint32_t first_lease;
  std::uint64_t copied_tokens;
  std::uint64_t zeroed_blocks;
  std::uint64_t since;
  std::uint64_t wait;  // number of the newest ticket that a record must wait for
};

struct PlanRecord {
  akv_plan_record record;
  std::uint32_t next;
};

struct PlanLease {
  RunId run;
  std::uint32_t next;
};

class Plans {
 public:
  // A record copies into or zeroes a block of its own, which stays taken until the plan has ended; a lease is of the
  // source of such a copy, or of what a freed sequence left behind, at least one such block.
  static std::size_t max_entries(std::uint32_t num_blocks, std::uint32_t max_sequences) noexcept {
    return std::size_t{num_blocks} * 2 + max_sequences;
  }
  static void plan(Reservation &memory, std::uint32_t max_plans, std::uint32_t num_blocks,
                   std::uint32_t max_sequences) noexcept {
    Slab<PlanState>::plan(memory, max_plans);
    Slab<PlanRecord>::plan(memory, max_entries(num_blocks, max_sequences));
    Slab<PlanLease>::plan(memory, max_entries(num_blocks, max_sequences));
  }
  // Generations count up from a number of the cache's own, so that a handle of the cache before it is stale here.
  void take_memory(Reservation &memory, std::uint32_t max_plans, std::uint32_t num_blocks, std::uint32_t max_sequences,
                   std::uint32_t first_generation) noexcept {
    first_generation_ = first_generation;
    plans_.take_memory(memory, max_plans);
    records_.take_memory(memory, max_entries(num_blocks, max_sequences));
    leases_.take_memory(memory, max_entries(num_blocks, max_sequences));
  }

  bool can_open() const noexcept { return plans_.taken() < plans_.capacity(); }
  std::uint32_t num_open() const noexcept { return plans_.taken(); }
  std::uint32_t touched() const noexcept { return plans_.touched(); }

  std::uint32_t open(std::uint64_t since) noexcept {
    const std::uint32_t index = plans_.take();
    const std::uint32_t before = plans_[index].generation;
    plans_[index] = PlanState{};
    plans_[index].generation = next_generation(before, first_generation_);
    plans_[index].open = 1;
    plans_[index].since = since;
    return index;
  }
  // Leases and sequences must have been let go.
  void close(std::uint32_t index) noexcept {
    PlanState &plan = plans_[index];
    for (std::uint32_t record = plan.first_record; record != 0;) {
      const std::uint32_t next = records_[record].next;
      records_.give_back(record);
      record = next;
    }
    plan.open = 0;
    plans_.give_back(index);
  }

  // The record at `position`, 0 if there are not so many. Who reads a plan reads on where the last call ended, so that
  // place is remembered; positions before it are found from the start.
  std::uint32_t record_at(std::uint32_t index, std::uint32_t position) noexcept {
    PlanState &plan = plans_[index];
    if (plan.read_record == 0 || position < plan.read_position) {
      plan.read_record = plan.first_record;
      plan.read_position = 0;
    }
    for (; plan.read_position < position && plan.read_record != 0; ++plan.read_position)
      plan.read_record = records_[plan.read_record].next;
    return plan.read_record;
  }
  void add_record(std::uint32_t index, const akv_plan_record &record) noexcept {
    PlanState &plan = plans_[index];
    const std::uint32_t at = records_.take();
    records_[at] = {record, 0};
    (plan.last_record != 0 ? records_[plan.last_record].next : plan.first_record) = at;
    plan.last_record = at;
    count(plan, record, 1);
    const std::uint64_t wait = TicketHandle::number(record.wait);
    plan.wait = wait > plan.wait ? wait : plan.wait;
  }
  // Drop the records of one sequence; `what(record)` hears of each.
  template <class What>
  void drop_records(std::uint32_t index, akv_sequence sequence, What what) noexcept {
    PlanState &plan = plans_[index];
    std::uint32_t last = 0;
    for (std::uint32_t at = plan.first_record; at != 0;) {
      const std::uint32_t next = records_[at].next;
      if (records_[at].record.sequence == sequence) {
        what(records_[at].record);
        count(plan, records_[at].record, -1);
        (last != 0 ? records_[last].next : plan.first_record) = next;
        records_.give_back(at);
      } else {
        last = at;
      }
      at = next;
    }
    plan.last_record = last;
    plan.read_record = 0;
  }
  void add_lease(std::uint32_t index, RunId run) noexcept {
    const std::uint32_t at = leases_.take();
    leases_[at] = {run, plans_[index].first_lease};
    plans_[index].first_lease = at;
  }
  // The next leased run that is let go, or kNoRun.
  RunId pop_lease(std::uint32_t index) noexcept {
    const std::uint32_t at = plans_[index].first_lease;
    if (at == 0) return kNoRun;
    plans_[index].first_lease = leases_[at].next;
    leases_.give_back(at);
    return leases_[at].run;
  }

  PlanState &operator[](std::uint32_t index) noexcept { return plans_[index]; }
  const PlanState &operator[](std::uint32_t index) const noexcept { return plans_[index]; }
  const PlanRecord &record(std::uint32_t at) const noexcept { return records_[at]; }
  const PlanLease &lease(std::uint32_t at) const noexcept { return leases_[at]; }
  std::uint64_t used_bytes() const noexcept {
    return plans_.used_bytes() + records_.used_bytes() + leases_.used_bytes();
  }

 private:
  static void count(PlanState &plan, const akv_plan_record &record, std::int64_t times) noexcept {
    plan.num_records += static_cast<std::uint32_t>(times);
    (record.kind == AKV_PLAN_ZERO ? plan.zeroed_blocks : plan.copied_tokens) +=
        static_cast<std::uint64_t>(times * (record.kind == AKV_PLAN_ZERO ? 1 : record.num_tokens));
  }

  Slab<PlanState> plans_;
  Slab<PlanRecord> records_;
  Slab<PlanLease> leases_;
  std::uint32_t first_generation_ = 1;
};

}  // namespace akv
