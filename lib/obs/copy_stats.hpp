// copy_stats.hpp: what was moved on one store or in one page pool, by kind; counted by whoever moves, at the same time
// as others.
// It knows numbers only.
#pragma once

#include "arenakv/copy.h"

#include <atomic>
#include <cstdint>

namespace akv {

class CopyStats {
 public:
  static constexpr std::uint32_t kKinds = AKV_MOVED_CONVERTED;  // 1 .. kKinds; on the host there is one direction

  void count_call(std::uint32_t kind, std::uint64_t items) noexcept {
    lines_[kind].calls.fetch_add(1, std::memory_order_relaxed);
    lines_[kind].items.fetch_add(items, std::memory_order_relaxed);
  }
  void count_bytes(std::uint32_t kind, std::uint64_t bytes) noexcept {
    lines_[kind].bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  void count_verified(std::uint32_t kind, std::uint64_t bytes) noexcept {
    lines_[kind].verified_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }

  // False: nothing of this kind has moved.
  bool read(std::uint32_t kind, akv_copy_stats &out) const noexcept {
    const Line &line = lines_[kind];
    out = {kind,
           AKV_DEVICE_HOST,
           AKV_DEVICE_HOST,
           0,
           line.calls.load(std::memory_order_relaxed),
           line.items.load(std::memory_order_relaxed),
           line.bytes.load(std::memory_order_relaxed),
           line.verified_bytes.load(std::memory_order_relaxed)};
    return out.calls != 0;
  }

 private:
  struct Line {
    std::atomic<std::uint64_t> calls{0}, items{0}, bytes{0}, verified_bytes{0};
  };
  Line lines_[kKinds + 1];
};

}  // namespace akv
