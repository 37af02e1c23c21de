// host_memory.cpp: a mapping in huge pages, and touching memory ahead of need.
// It knows bytes, not what they hold.
#include "data/host_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace akv {
namespace {

constexpr std::uint64_t kSmallPage = 4096;  // the smallest on x86-64 and arm64
#ifdef MADV_POPULATE_WRITE
constexpr int kPopulateWrite = MADV_POPULATE_WRITE;
#else
constexpr int kPopulateWrite = 23;  // since Linux 5.14, whatever the headers say
#endif

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

}  // namespace

HostMemory::~HostMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Status HostMemory::map(std::uint64_t bytes, bool small_pages) noexcept {
  const bool huge = !small_pages && bytes >= kHugePage;
  bytes = round_up(bytes, huge ? kHugePage : static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  const std::uint64_t spare = huge ? kHugePage : 0;  // to start where a huge page does
  void *memory =
      mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host gives no %llu bytes of address space (errno %llu)", bytes,
                static_cast<unsigned long long>(errno));
  auto *data = static_cast<unsigned char *>(memory);
  if (huge) {
    const std::uint64_t before =
        round_up(reinterpret_cast<std::uintptr_t>(data), kHugePage) - reinterpret_cast<std::uintptr_t>(data);
    if (before != 0) munmap(data, before);
    if (before != spare) munmap(data + before + bytes, spare - before);
    data += before;
  }
  // Advice only: a kernel without huge pages refuses it, and nothing is lost.
  static_cast<void>(madvise(data, bytes, huge ? MADV_HUGEPAGE : small_pages ? MADV_NOHUGEPAGE : MADV_NORMAL));
  data_ = data;
  bytes_ = bytes;
  return AKV_OK;
}

void touch_pages(unsigned char *data, std::uint64_t bytes) noexcept {
  for (std::uint64_t at = 0; at < bytes; at += kSmallPage) __atomic_fetch_or(data + at, 0, __ATOMIC_RELAXED);
  if (bytes != 0) __atomic_fetch_or(data + bytes - 1, 0, __ATOMIC_RELAXED);
}

Status commit_pages(unsigned char *data, std::uint64_t bytes) noexcept {
  if (bytes == 0) return AKV_OK;
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t first = reinterpret_cast<std::uintptr_t>(data) / page * page;
  const std::uint64_t end = round_up(reinterpret_cast<std::uintptr_t>(data) + bytes, page);
  if (madvise(reinterpret_cast<void *>(first), end - first, kPopulateWrite) == 0) return AKV_OK;
  if (errno == EINVAL || errno == ENOSYS) {
    touch_pages(data, bytes);
    return AKV_OK;
  }
  return fail(AKV_ERROR_OUT_OF_MEMORY, "the host could not commit %llu bytes (errno %llu)", bytes,
              static_cast<unsigned long long>(errno));
}

}  // namespace akv
