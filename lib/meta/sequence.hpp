// sequence.hpp: one sequence, in two parts: what every append touches, and the rest.
// It knows its blocks and its place in the prefix tree; what is done with it is written in grow.cpp, publish.cpp ...
//
// A sequence's table has two stretches. The first `anchored_blocks` entries are held through the tree: by a hold on the
// run `anchor`, which ends exactly there. They are shared, or published, and never written to. The entries behind are
// its own: no other sequence, run or hold names them. (Among the first may be *duplicates*: own blocks that were
// computed although an equal block had been published in the meantime; they are its own as well.)
#pragma once

#include "base/handle.hpp"
#include "base/shared_value.hpp"
#include "meta/prefix/run.hpp"

#include <atomic>
#include <cstdint>

namespace akv {

// States of a gate, in its lower half; the upper half is the generation.
constexpr std::uint64_t kGateLive = 1;
constexpr std::uint64_t kGateBusy = 2;

// Reasons to leave the quick path.
constexpr std::uint32_t kPlanOpen = 1;
constexpr std::uint32_t kLost = 2;
constexpr std::uint32_t kSwapped = 4;  // its table names swap blocks

// One cache line. It outlives the cache (see SequenceTable), so that a late call finds a generation and not a hole.
struct alignas(64) Sequence {
  std::atomic<std::uint64_t> gate;
  std::int32_t *table;  // its row of block ids; it moves under the cache's lock only
  Relaxed<std::uint32_t> length;
  Released<std::uint32_t> known;  // whoever publishes up to here finds the table and the token ids written
  Released<std::uint32_t> committed;
  Relaxed<std::uint32_t> num_blocks;  // entries of the table, reserved ones included
  Relaxed<std::uint32_t> flags;
  std::atomic<std::uint32_t> pending;  // kQueued, kNews; while it is not 0 the stretches may move under the lock
  std::uint32_t used_blocks;           // = blocks_for(length)
  std::uint32_t room;                  // tokens that still fit into the last used block, if it is its own; else 0
  std::int32_t tail_block;             // the last used block
  Relaxed<std::uint32_t> publish_at;   // when known and committed reach this, there is something to publish
  std::uint32_t max_tokens;
  std::uint32_t version;  // of the table: changes when an entry is replaced or dropped
};
static_assert(sizeof(Sequence) == 64);

constexpr std::uint32_t kNever = ~0u;

// Of `pending`: it waits in a list to be published; and more was committed since somebody last looked.
constexpr std::uint32_t kQueued = 1;
constexpr std::uint32_t kNews = 2;

// What an open plan goes back to.
struct Undo {
  std::uint32_t length;
  std::uint32_t committed;  // of a sequence that is being swapped in
  std::uint32_t num_blocks;
  std::int32_t replaced_block;  // by copy-on-write, at `replaced_index`; 0: none
  std::uint32_t replaced_index;
  RunId source;           // the run of the replaced block, leased by the plan
  std::uint32_t created;  // the plan belongs to create: going back means it never was
};

// Where a sequence's K/V are. Swapped: its table names swap blocks only, and it is anchored at the root. On the way,
// while the plan is open, swap blocks stand in the table behind its num_blocks entries.
enum class Swap : std::uint8_t { none, out, swapped, in };

// Read and written under the cache's lock; read by whoever has shut the gate, too, unless the sequence is pending.
struct SequenceRest {
  RunId anchor;
  std::uint32_t anchored_blocks;
  std::uint32_t row_capacity;      // entries that its row has room for
  std::uint32_t duplicates;        // of the anchored entries: own blocks beside an equal published one
  std::uint32_t sound;             // while lost: tokens that are still good
  std::uint32_t commit_on_finish;  // length that counts as committed when the open plan is finished
  std::uint8_t no_publish;
  std::uint8_t contiguous;  // its blocks are neighbours, for as long as none is replaced
  Swap swap;
  std::uint32_t swap_blocks;    // that it has
  std::uint32_t blocks_before;  // its table had before it was swapped out, reserved ones included
  std::uint64_t domain;
  std::uint64_t request_id;
  std::uint64_t owner;
  // Tokens from `ticket_from` on were committed under tickets ticket_first .. ticket_last.
  std::uint64_t ticket_first;
  std::uint64_t ticket_last;
  std::uint32_t ticket_from;
  std::uint32_t plan;       // index of the open plan, 0: none
  std::uint32_t plan_next;  // slot of the next sequence of the same plan
  std::uint32_t plan_previous;
  Undo undo;
};

}  // namespace akv
