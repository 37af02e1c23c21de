// replayer.hpp: requests through a cache: admitted in order, a number of them alive at a time, first in first out.
// It knows the library and the rules of the replay; not where requests come from nor who checks the answers.
//
// The rules: a prompt's blocks count as committed when the request is admitted, an output token when it is appended;
// output blocks are taken as they are needed; when blocks are short the oldest other request ends early, or, where
// there is none, this one; a request that needs more blocks than the pool has is skipped. Where there are no bytes,
// plans are finished as soon as they are made. Where there are, a Memory runs plans, writes and commits; appends are
// steps of a batch, with tables; and every so many requests one is swapped out and in again before it goes on, every
// second of these sharing what is still cached, and the others, which publish nothing, with all that they have.
//
// CPU time is this thread's, and includes library calls and little else: one interval for an admission, one for all
// appends of a request (a clock call costs more than an append), one for a free, which is not counted anywhere else.
// What a Memory does is not in it.
#pragma once

#include "arenakv.h"
#include "workload/request.hpp"

#include <cstdint>
#include <ctime>
#include <deque>
#include <span>

namespace replay {

using Tokens = std::span<const std::int32_t>;

struct Totals {
  std::uint64_t requests = 0;  // that were replayed
  std::uint64_t skipped = 0;
  std::uint64_t retired_early = 0;
  std::uint64_t input_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::uint64_t cached_tokens = 0;   // of the input: found in whole blocks
  std::uint64_t partial_tokens = 0;  // and so many more inside the next block
  std::uint64_t admit_ns = 0;
  std::uint64_t append_ns = 0;
  std::uint64_t free_ns = 0;
};

// Looks on, and may throw. Its time is not counted.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void arrives(const Request &request, Tokens prompt, Tokens output) = 0;
  virtual void admitted(const Request &request, Tokens prompt, const akv_created &created) = 0;  // the plan is open yet
  virtual void appended(const Request &request, akv_sequence sequence, Tokens output) = 0;
  virtual void retires(std::uint64_t request) = 0;   // its sequence lives yet
  virtual void settled(const Request &request) = 0;  // nothing is going on
  // It was swapped out and in again, with its prompt only.
  virtual void swapped(const Request &request, Tokens prompt, akv_sequence sequence, const akv_swapped_in &in) = 0;
};

// Has the bytes. It may throw.
class Memory {
 public:
  using Slots = std::span<const std::int64_t>;

  virtual ~Memory() = default;
  // Run the plan, if there is one, and finish it; write what is not cached; commit.
  virtual void admitted(const Request &request, Tokens prompt, const akv_created &created) = 0;
  // Write `output` to these slots, and commit.
  virtual void appended(const Request &request, akv_sequence sequence, Tokens output, Slots slots) = 0;
  virtual bool swap_out(std::uint64_t request, akv_sequence sequence) = 0;  // false: no room among the swap blocks
  virtual bool swap_in(std::uint64_t request, akv_sequence sequence,
                       akv_swapped_in &in) = 0;                            // false: blocks are short
  virtual void retires(std::uint64_t request, akv_sequence sequence) = 0;  // it lives yet
};

class Replayer {
 public:
  // `observer` may be null.
  Replayer(akv_cache *cache, std::uint32_t max_live, Observer *observer);

  // With bytes, before the first request; every `swap_every`-th is swapped, 0: none.
  void use(Memory *memory, std::uint64_t swap_every) {
    memory_ = memory;
    swap_every_ = swap_every;
  }

  void run(const Request &request);

  // End what is alive.
  void drain();

  const Totals &totals() const { return totals_; }

 private:
  struct Live {
    std::uint64_t request;
    akv_sequence sequence;
  };

  static std::uint64_t thread_cpu_ns() {
    std::timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
  }

  void make_tokens(const Request &request);
  void admit(const Request &request);
  akv_created create(const akv_prompt &prompt);
  bool is_swapped_next() const { return swap_every_ != 0 && (admitted_ + 1) % swap_every_ == 0; }
  std::uint32_t flags_of_next() const;
  void place(const Request &request, const akv_created &created);
  void swap(const Request &request);
  void append_output(const Request &request);
  std::size_t append_tokens_one_by_one(akv_sequence sequence);
  std::size_t append_in_steps(akv_sequence sequence);
  bool make_room(akv_status status);
  void retire_oldest();

  akv_cache *cache_;
  std::uint32_t max_live_;
  Observer *observer_;
  Memory *memory_ = nullptr;
  std::uint64_t swap_every_ = 0;
  std::uint64_t admitted_ = 0;
  std::uint32_t num_blocks_ = 0;
  std::uint32_t block_tokens_ = 0;
  std::vector<std::int32_t> prompt_;
  std::vector<std::int32_t> output_;
  std::vector<std::int64_t> slots_;  // of the output, with a memory
  std::deque<Live> live_;            // oldest first
  Totals totals_;
  std::uint64_t set_aside_ns_ = 0;  // went by inside an interval and is not to be counted there
};

}  // namespace replay
