// pager.hpp: who goes to the swap blocks when the cache's blocks are full: least recently asked for.
// It is made of what the public headers offer, as any engine's own policy would be; it knows no block and no byte.
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

  // Throws std::bad_alloc; afterwards nothing is allocated.
  Pager(akv_cache *cache, akv_store *const *stores, std::uint32_t num_stores, std::uint32_t max_sequences);

  Status make_resident(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count,
                       akv_residence &out, akv_stream *stream) noexcept;

 private:
  // What a look at the sequences that are asked for found.
  struct Needs {
    std::uint32_t resident = 0;
    std::uint32_t pending = 0;
    std::uint64_t missing = 0;  // blocks that must become free first
  };
  struct Leaving {
    akv_sequence sequence;
    std::uint32_t blocks;
  };
  enum class Sent { started, passed_over, no_swap_blocks };

  std::uint64_t &stamp_of(akv_sequence sequence) noexcept { return stamps_[ObjectHandle::index(sequence)]; }
  Status note_use(const akv_sequence *sequences, std::uint32_t count) noexcept;
  Status look(const akv_sequence *sequences, const std::uint32_t *num_tokens, std::uint32_t count, Needs &needs,
              akv_residence &out, akv_stream *stream) noexcept;
  Status bring_in(akv_sequence sequence, Needs &needs, akv_residence &out, akv_stream *stream) noexcept;
  std::uint64_t on_the_way_out() noexcept;
  Status send_out(std::uint64_t missing, akv_residence &out, akv_stream *stream) noexcept;
  const akv_sequence_line *coldest(std::uint32_t num_lines) const noexcept;
  Status send_out_one(const akv_sequence_line &line, akv_stream *stream, Sent &sent) noexcept;
  Status run(akv_plan plan, akv_stream *stream) noexcept;

  akv_cache *const cache_;
  const std::vector<akv_store *> stores_;
  std::atomic<bool> inside_{false};
  std::uint64_t clock_ = 0;              // grows by one with each call
  std::vector<std::uint64_t> stamps_;    // [slot] when it was last asked for
  std::vector<akv_sequence> asked_for_;  // [slot] by which sequence
  std::vector<akv_sequence_line> lines_;
  std::vector<Leaving> leaving_;
};

}  // namespace akv
