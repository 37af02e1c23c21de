// page_memory.cpp: a mapping without access, opened from its beginning as the pool grows.
// It knows sizes; not who has a page.
#include "mem/page_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace akv {
namespace {

constexpr std::uint64_t kHuge = std::uint64_t{2} << 20;

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

}  // namespace

PageMemory::~PageMemory() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

// NORESERVE: the kernel neither commits nor counts what is not touched, and what is touched is zero.
Status PageMemory::reserve(std::uint64_t page_bytes, std::uint32_t max_pages) noexcept {
  const std::uint64_t bytes = page_bytes * max_pages, slack = bytes >= kHuge ? kHuge : 0;
  const std::uint64_t whole = round_up(bytes, 4096) + slack;
  void *memory = mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return fail_with(AKV_ERROR_OUT_OF_MEMORY, bytes, 0,
                     "the host has no %llu bytes of address space for %llu pages of %llu bytes", bytes, max_pages,
                     page_bytes);
  mapping_ = memory;
  mapped_ = whole;
  base_ = static_cast<unsigned char *>(memory);
  if (slack != 0)
    base_ += round_up(reinterpret_cast<std::uintptr_t>(memory), kHuge) - reinterpret_cast<std::uintptr_t>(memory);
  page_bytes_ = page_bytes;
  // Fewer, larger entries in the TLB where the kernel has them; it is no error where it doesn't.
  if (slack != 0) static_cast<void>(madvise(base_, round_up(bytes, 4096), MADV_HUGEPAGE));
  return AKV_OK;
}

Status PageMemory::commit(std::uint32_t from, std::uint32_t to, bool prefault) noexcept {
  if (mapping_ == nullptr) return AKV_OK;
  const std::uint64_t begin = from * page_bytes_, end = to * page_bytes_;
  const auto granule = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (mprotect(base_, round_up(end, granule), PROT_READ | PROT_WRITE) != 0)
    return fail_with(AKV_ERROR_OUT_OF_MEMORY, end - begin, 0,
                     "the host has no memory for %llu more pages of %llu bytes: errno %llu", to - from, page_bytes_,
                     static_cast<unsigned long long>(errno));
  // One byte of each of the system's pages, which begin elsewhere than ours. They are zero, so a zero changes nothing.
  if (prefault)
    for (std::uint64_t at = begin; at < end; at = round_up(at + 1, granule))
      static_cast<volatile unsigned char *>(base_)[at] = 0;
  return AKV_OK;
}

}  // namespace akv
