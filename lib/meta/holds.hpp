// holds.hpp: pins and leases: who keeps which run, and since when.
// It knows numbers; what holding means is the tree's business. No lock: the cache's lock is held.
#pragma once

#include "base/handle.hpp"
#include "mem/slab.hpp"
#include "meta/prefix/run.hpp"

namespace akv {

struct HoldState {
  std::uint32_t generation;
  Kind kind;  // pin or lease; anything else: not in use
  RunId run;
  std::uint32_t blocks;
  std::uint64_t owner;
  std::uint64_t since;
};

class Holds {
 public:
  static void plan(Reservation &memory, std::uint32_t max_holds) noexcept { Slab<HoldState>::plan(memory, max_holds); }
  // Generations count up from a number of the cache's own, so that a handle of the cache before it is stale here.
  void take_memory(Reservation &memory, std::uint32_t max_holds, std::uint32_t first_generation) noexcept {
    first_generation_ = first_generation;
    holds_.take_memory(memory, max_holds);
  }

  bool can_add() const noexcept { return holds_.taken() < holds_.capacity(); }
  std::uint32_t add(Kind kind, RunId run, std::uint32_t blocks, std::uint64_t owner, std::uint64_t since) noexcept {
    const std::uint32_t index = holds_.take();
    const std::uint32_t before = holds_[index].generation;
    const std::uint32_t generation = next_generation(before, first_generation_);
    holds_[index] = {generation, kind, run, blocks, owner, since};
    ++(kind == Kind::pin ? pins_ : leases_);
    return index;
  }
  void remove(std::uint32_t index) noexcept {
    --(holds_[index].kind == Kind::pin ? pins_ : leases_);
    holds_[index].kind = Kind{};
    holds_.give_back(index);
  }

  const HoldState &operator[](std::uint32_t index) const noexcept { return holds_[index]; }
  std::uint32_t touched() const noexcept { return holds_.touched(); }
  std::uint32_t pins() const noexcept { return pins_; }
  std::uint32_t leases() const noexcept { return leases_; }
  std::uint64_t used_bytes() const noexcept { return holds_.used_bytes(); }

 private:
  Slab<HoldState> holds_;
  std::uint32_t pins_ = 0;
  std::uint32_t leases_ = 0;
  std::uint32_t first_generation_ = 1;
};

}  // namespace akv
