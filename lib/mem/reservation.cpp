// reservation.cpp: one mapping, or one block of the host's allocator, cut into arrays.
// It knows sizes and alignments, not what is stored.
#include "mem/reservation.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace akv {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLine = 64;  // arrays start on a cache line: two of them never share one

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

}  // namespace

void Reservation::plan_bytes(std::size_t count, std::size_t size, std::size_t alignment) noexcept {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(std::uint64_t{count}, std::uint64_t{size}, &bytes) || bytes > kMostMappedBytes) {
    overflowed_ = true;
    return;
  }
  planned_ = round_up(planned_, alignment < kLine ? kLine : alignment) + bytes;
  if (planned_ > kMostMappedBytes) overflowed_ = true;
}

std::uint64_t Reservation::bytes() const noexcept { return round_up(planned_ == 0 ? 1 : planned_, kPage); }

void *Reservation::take_bytes(std::size_t bytes, std::size_t alignment) noexcept {
  taken_ = round_up(taken_, alignment < kLine ? kLine : alignment);
  void *memory = static_cast<unsigned char *>(memory_) + taken_;
  taken_ += bytes;
  return memory;
}

Status Reservation::commit(const akv_allocator *allocator, bool prefault) noexcept {
  if (overflowed_)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the metadata of a cache of this size would take more than %llu bytes",
                kMostMappedBytes);
  planned_ = bytes();
  if (allocator == nullptr) {
    const int error_before = errno;
    const int lazy = prefault ? MAP_POPULATE : MAP_NORESERVE;
    void *memory = mmap(nullptr, planned_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | lazy, -1, 0);
    if (memory == MAP_FAILED) {
      errno = error_before;
      return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for the cache's metadata", planned_);
    }
    memory_ = memory;
    return AKV_OK;
  }
  void *memory = nullptr;
  try {
    memory = allocator->allocate(allocator->context, planned_, kPage);
  } catch (...) {
    return fail(AKV_ERROR_CALLBACK, "the allocator threw an exception when asked for %llu bytes", planned_);
  }
  if (memory == nullptr)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the allocator has no %llu bytes for the cache's metadata", planned_);
  allocator_ = *allocator;
  memory_ = memory;
  if (reinterpret_cast<std::uintptr_t>(memory) % kPage != 0) {
    release();
    return fail(AKV_ERROR_CALLBACK, "the allocator returned memory that is not aligned to %llu", kPage);
  }
  std::memset(memory, 0, planned_);
  return AKV_OK;
}

void Reservation::release() noexcept {
  if (memory_ == nullptr) return;
  if (allocator_.release != nullptr) {
    try {
      allocator_.release(allocator_.context, memory_, planned_, kPage);
    } catch (...) {  // nothing can be done about it, and nobody is left to tell
    }
  } else {
    munmap(memory_, planned_);
  }
  memory_ = nullptr;
}

void Reservation::abandon() noexcept {
  if (allocator_.release != nullptr) memory_ = nullptr;
}

}  // namespace akv
