// pager.hpp: who goes to the swap blocks when the cache's blocks are full: least recently asked for.
// It is made of what the public headers offer, as any engine's own policy would be; it knows no block and no byte.
//
// What goes out is followed until its blocks can be had: first by its plan, then, while tickets are open that were so
// when it left, by the newest of them. Whatever else holds the blocks (a lease, a fork) is not waited for: they are no
// longer on their way then, and the next one goes.
#pragma once

#include "arenakv.h"
#include "base/error.hpp"
#include "base/handle.hpp"

#include <atomic>
#include <vector>

namespace akv {

class Pager {
 public:
  static constexpr ObjectType kType = ObjectType::pager;
  static constexpr const char *kName = "pager";

  // `config`: of the cache. Throws std::bad_alloc; afterwards nothing is allocated.
  Pager(akv_cache *cache, akv_store *const *stores, std::uint32_t num_stores, const akv_cache_config &config);
  ~Pager();
  Pager(const Pager &) = delete;
  Pager &operator=(const Pager &) = delete;

  Status make_resident(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count,
                       akv_residence &out, akv_stream *stream) noexcept;

 private:
  // What a look at the sequences that are asked for found.
  struct Needs {
    std::uint32_t resident = 0;
    std::uint32_t pending = 0;
    std::uint64_t missing = 0;  // blocks that must become free first
  };
  // Those that may have to go, in one call: the first `count` of lines_, a heap whose top is the coldest.
  struct Victims {
    bool read = false;
    std::uint32_t count = 0;
    std::uint32_t busy = 0;  // of those that were tried
    std::uint32_t full = 0;  // found no swap blocks
  };
  // A plan is copying it.
  struct Leaving {
    akv_sequence sequence;
    akv_plan plan;
    std::uint32_t blocks;
  };
  // It was copied; its blocks wait for this ticket.
  struct Left {
    akv_ticket until;
    std::uint64_t blocks;
  };
  enum class Fate { on_its_way, stayed, left };

  Status note_use(const akv_sequence *sequences, std::uint32_t count) noexcept;
  Status look(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count, Needs &needs,
              akv_residence &out, akv_stream *stream) noexcept;
  Status bring_in(akv_sequence sequence, Needs &needs, akv_residence &out, akv_stream *stream) noexcept;

  Status note_departures() noexcept;
  Fate fate_of(const Leaving &one) const noexcept;
  akv_ticket still_open(akv_ticket ticket) const noexcept;
  std::uint64_t blocks_leaving() const noexcept;
  std::uint64_t blocks_coming() const noexcept;
  akv_ticket wait_for(std::uint64_t missing) const noexcept;

  std::uint64_t stamp_of(akv_sequence sequence) const noexcept;
  bool warmer(const akv_sequence_line &a, const akv_sequence_line &b) const noexcept;
  Status read_victims(Victims &victims) noexcept;
  Status send_out(std::uint64_t missing, Victims &victims, akv_residence &out, akv_stream *stream) noexcept;
  Status send_out_one(const akv_sequence_line &line, Victims &victims, bool &started, akv_stream *stream) noexcept;

  Status run(akv_plan plan, akv_stream *stream) noexcept;
  void take_back(akv_plan plan) noexcept;
  void take_back_kept() noexcept;
  bool try_take_back(akv_plan plan) noexcept;

  akv_cache *const cache_;
  const std::vector<akv_store *> stores_;
  std::atomic<bool> inside_{false};
  std::uint64_t clock_ = 0;              // grows by one with each call
  std::vector<std::uint64_t> stamps_;    // [slot] when it was last asked for
  std::vector<akv_sequence> asked_for_;  // [slot] by which sequence
  std::vector<akv_sequence_line> lines_;
  std::vector<Leaving> leaving_;
  std::vector<Left> left_;      // by their tickets
  std::vector<akv_plan> kept_;  // to be taken back, when nobody is inside their sequences
};

}  // namespace akv
