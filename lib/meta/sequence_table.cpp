// sequence_table.cpp: memory for gates, and generations.
// It knows generations and states; not blocks.
#include "meta/sequence_table.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace akv {

Status SequenceTable::reserve(std::uint32_t count) noexcept {
  if (count <= capacity()) return AKV_OK;
  const std::uint32_t room = room_for(count);
  const int error_before = errno;
  void *memory = mmap(nullptr, room * sizeof(Sequence), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    errno = error_before;
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for the gates of %llu sequences",
                room * sizeof(Sequence), count);
  }
  auto *slots = static_cast<Sequence *>(memory);
  for (std::uint32_t slot = 0; slot < capacity(); ++slot)
    slots[slot].gate.store((*this)[slot].gate.load(std::memory_order_relaxed), std::memory_order_relaxed);
  slots_.store(slots, std::memory_order_release);
  capacity_.store(room, std::memory_order_release);
  return AKV_OK;
}

std::uint32_t SequenceTable::bear(std::uint32_t slot) noexcept {
  std::atomic<std::uint64_t> &gate = (*this)[slot].gate;
  const std::uint64_t generation = (gate.load(std::memory_order_relaxed) >> 32) + 1;
  gate.store(generation << 32 | kGateLive | kGateBusy, std::memory_order_relaxed);
  return static_cast<std::uint32_t>(generation);
}

void SequenceTable::bury(std::uint32_t slot) noexcept {
  std::atomic<std::uint64_t> &gate = (*this)[slot].gate;
  gate.store(gate.load(std::memory_order_relaxed) & ~(kGateLive | kGateBusy), std::memory_order_release);
}

}  // namespace akv
