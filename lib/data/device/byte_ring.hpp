// byte_ring.hpp: room for the arguments of queued work: taken and given back in the same order, each in one piece.
// It knows sizes; not what lies there. No lock: the stream's is held.
#pragma once

#include "mem/reservation.hpp"

#include <cstddef>
#include <cstdint>

namespace akv {

class ByteRing {
 public:
  static constexpr std::uint64_t kLine = 64;  // pieces start on a cache line: two of them never share one

  static void plan(Reservation &memory, std::uint64_t capacity) noexcept { memory.plan<std::byte>(capacity); }
  // A multiple of kLine.
  void take_memory(Reservation &memory, std::uint64_t capacity) noexcept { bytes_ = memory.take<std::byte>(capacity); }

  std::uint64_t capacity() const noexcept { return bytes_.count; }

  // Where the next piece of so many bytes would lie; NULL: nowhere yet. What does not fit behind the last piece goes to
  // the start, and the rest of the ring stays empty until then; an empty ring has room for all that it can hold.
  std::byte *find(std::uint64_t bytes) noexcept {
    if (bytes > capacity()) return nullptr;
    if (head_ == tail_) head_ = tail_ = 0;
    const std::uint64_t offset = tail_ % capacity(), size = (bytes + kLine - 1) / kLine * kLine;
    found_ = offset + size > capacity() ? tail_ + capacity() - offset : tail_;
    found_end_ = found_ + size;
    return found_end_ - head_ > capacity() ? nullptr : &bytes_[found_ % capacity()];
  }
  // Take what was found last. Returns what give_back() wants.
  std::uint64_t take() noexcept { return tail_ = found_end_; }
  // Of the piece that was taken first, and then of all that come behind.
  void give_back(std::uint64_t end) noexcept { head_ = end; }

 private:
  Array<std::byte> bytes_;
  std::uint64_t head_ = 0;  // bytes since the ring was empty
  std::uint64_t tail_ = 0;
  std::uint64_t found_ = 0, found_end_ = 0;
};

}  // namespace akv
