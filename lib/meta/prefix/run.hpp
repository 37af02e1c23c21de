// run.hpp: one node of the prefix tree: a run of blocks that follow each other in some prompt.
// It knows blocks by id, and its parent and children by number; not sequences.
#pragma once

#include "mem/id_list.hpp"

#include <cstdint>

namespace akv {

using RunId = std::uint32_t;
constexpr RunId kNoRun = 0;
constexpr RunId kRoot = 1;

// Who keeps a run from leaving. The order is the order in which a block's gauge is chosen.
enum class Hold : std::uint32_t { sequence = 0, pin = 1, lease = 2 };
constexpr std::uint32_t kHoldKinds = 3;

// What a run's blocks count as. `gone` is a run that nobody holds and nobody can find: it is freed at once.
enum class RunClass : std::uint32_t { live = 0, pinned = 1, leased = 2, cached = 3, gone = 4 };
constexpr std::uint32_t kRunClasses = 5;

// Device work that writes a run's blocks: tickets first .. last, from block `settled_blocks` on.
struct TicketSpan {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint32_t settled_blocks = 0;
};

struct Run {
  RunId parent;
  std::uint32_t first_index;  // position of its first block in the prompt, in blocks
  IdList blocks;
  std::int32_t first_block;    // = the first of `blocks`: the key among siblings is read from it
  std::uint32_t children;      // trie of the children that can be found
  std::uint32_t num_children;  // all children, found or not

  // Holders that end exactly here, plus one for each child that is held in the same way: so a hold on a run keeps its
  // whole path, and taking one touches only the runs that nobody held before.
  std::uint32_t holds[kHoldKinds];

  std::uint32_t tail_tokens;  // tokens in the last block: fewer than a block in a shared tail only
  std::uint8_t alive;
  std::uint8_t linked;  // can be found: it is in its parent's trie
  std::uint8_t dead;    // may never be found again: cleared or lost
  std::uint8_t lost;    // its K/V were given up
  std::uint64_t domain;
  std::uint64_t stamp;          // of the last use, set when the last holder leaves
  std::uint64_t release_epoch;  // the newest ticket at that time: evictable when it is settled
  // The newest ticket when one of several holders, of this run or of one below that has gone, last left: until it is
  // settled, work that the other queued may be reading the blocks, or writing them behind the end of who stayed.
  std::uint64_t left_epoch;
  TicketSpan tickets;
};

}  // namespace akv
