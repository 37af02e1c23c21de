// request_ids.hpp: the live sequence of a request id.
// It knows numbers only. No lock: the cache's lock is held.
//
// Open addressing with linear probing and deletion by shifting back; at most half full. The key of the mixing function
// comes from the kernel, so that ids can't be chosen to fall into one place.
#pragma once

#include "mem/reservation.hpp"

#include <bit>
#include <cstdint>

namespace akv {

struct RequestEntry {
  std::uint64_t id;  // 0: empty
  std::uint32_t slot;
};

class RequestIds {
 public:
  static std::size_t places(std::uint32_t max_sequences) noexcept {
    return std::bit_ceil(std::size_t{max_sequences} * 2);
  }
  static void plan(Reservation &memory, std::uint32_t max_sequences) noexcept {
    memory.plan<RequestEntry>(places(max_sequences));
  }
  void take_memory(Reservation &memory, std::uint32_t max_sequences, std::uint64_t key) noexcept {
    entries_ = memory.take<RequestEntry>(places(max_sequences));
    mask_ = entries_.count - 1;
    key_ = key | 1;
  }

  // The slot of `id` in `out_slot`; false if no sequence has it.
  [[nodiscard]] bool find(std::uint64_t id, std::uint32_t &out_slot) const noexcept {
    for (std::size_t at = home(id); entries_[at].id != 0; at = (at + 1) & mask_) {
      if (entries_[at].id != id) continue;
      out_slot = entries_[at].slot;
      return true;
    }
    return false;
  }

  void add(std::uint64_t id, std::uint32_t slot) noexcept {
    std::size_t at = home(id);
    while (entries_[at].id != 0) at = (at + 1) & mask_;
    entries_[at] = {id, slot};
  }

  void remove(std::uint64_t id) noexcept {
    std::size_t hole = home(id);
    while (entries_[hole].id != id) hole = (hole + 1) & mask_;
    for (std::size_t at = (hole + 1) & mask_; entries_[at].id != 0; at = (at + 1) & mask_) {
      // An entry may move into the hole unless its home lies behind it.
      if (((at - home(entries_[at].id)) & mask_) < ((at - hole) & mask_)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole].id = 0;
  }

 private:
  std::size_t home(std::uint64_t id) const noexcept {
    std::uint64_t mixed = (id ^ key_) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 32 ^ key_) * 0xd6e8feb86659fd93u;
    return (mixed ^ mixed >> 32) & mask_;
  }

  Array<RequestEntry> entries_;
  std::size_t mask_ = 0;
  std::uint64_t key_ = 1;
};

}  // namespace akv
