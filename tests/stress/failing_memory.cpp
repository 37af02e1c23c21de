// failing_memory.cpp: malloc and mmap, put between the library and glibc.
// It knows sizes and counts; not who asks.
//
// malloc() and its relatives are defined here, in the program, so that libc's, the loader's and the C++ library's calls
// come here as well. mmap(), munmap() and mprotect(), by which a reservation gets its memory, are renamed by the linker
// (--wrap) in the library's objects.
#include "failing_memory.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

// What can be counted: everything; with AddressSanitizer operator new; with ThreadSanitizer nothing but mappings.
#define COUNT_ALL 2
#define COUNT_NEW 1
#define COUNT_NONE 0
#if defined(__SANITIZE_THREAD__)
#define COUNTED COUNT_NONE
#elif defined(__SANITIZE_ADDRESS__)
#define COUNTED COUNT_NEW
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define COUNTED COUNT_NONE
#elif __has_feature(address_sanitizer)
#define COUNTED COUNT_NEW
#endif
#endif
#ifndef COUNTED
#define COUNTED COUNT_ALL
#endif

namespace akv::stress {
namespace {

struct Armed {
  bool on;
  bool for_ever;
  std::uint64_t nth;
  Attempts attempts;
};
// Initial-exec: reading it must not allocate.
[[gnu::tls_model("initial-exec")]] thread_local constinit Armed armed{};

constinit std::atomic<std::int64_t> allocations{0}, mappings{0}, mapped_bytes{0};

// Is this one to fail?
bool fails() {
  if (!armed.on) return false;
  const std::uint64_t number = ++armed.attempts.made;
  if (armed.nth == 0 || number < armed.nth || (number > armed.nth && !armed.for_ever)) return false;
  ++armed.attempts.failed;
  errno = ENOMEM;
  return true;
}

[[maybe_unused]] void *handed_out(void *memory) {
  if (memory == nullptr) return memory;
  allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}
[[maybe_unused]] void given_back(void *memory) {
  if (memory == nullptr) return;
  allocations.fetch_sub(1, std::memory_order_relaxed);
}

void *mapped(void *memory, std::size_t size) {
  if (memory == MAP_FAILED) return memory;
  mappings.fetch_add(1, std::memory_order_relaxed);
  mapped_bytes.fetch_add(static_cast<std::int64_t>(size), std::memory_order_relaxed);
  return memory;
}

}  // namespace

void arm(std::uint64_t nth, bool for_ever) { armed = {true, for_ever, nth, {}}; }

Attempts disarm() {
  armed.on = false;
  return armed.attempts;
}

Outstanding outstanding() { return {allocations.load(), mappings.load(), mapped_bytes.load()}; }

bool counts_malloc() { return COUNTED == COUNT_ALL; }
bool counts_new() { return COUNTED != COUNT_NONE; }

}  // namespace akv::stress

using akv::stress::fails;
using akv::stress::given_back;
using akv::stress::handed_out;
using akv::stress::mapped;

extern "C" {

void *__real_mmap(void *, std::size_t, int, int, int, off_t);
void *__real_mmap64(void *, std::size_t, int, int, int, off64_t);
int __real_munmap(void *, std::size_t);
void *__wrap_mmap(void *, std::size_t, int, int, int, off_t);
void *__wrap_mmap64(void *, std::size_t, int, int, int, off64_t);
int __wrap_munmap(void *, std::size_t);
int __real_mprotect(void *, std::size_t, int);
int __wrap_mprotect(void *, std::size_t, int);

void *__wrap_mmap(void *at, std::size_t size, int protection, int flags, int file, off_t offset) {
  return fails() ? MAP_FAILED : mapped(__real_mmap(at, size, protection, flags, file, offset), size);
}
void *__wrap_mmap64(void *at, std::size_t size, int protection, int flags, int file, off64_t offset) {
  return fails() ? MAP_FAILED : mapped(__real_mmap64(at, size, protection, flags, file, offset), size);
}
int __wrap_munmap(void *memory, std::size_t size) {
  const int result = __real_munmap(memory, size);
  if (result == 0) {
    akv::stress::mappings.fetch_sub(1, std::memory_order_relaxed);
    akv::stress::mapped_bytes.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
  }
  return result;
}

int __wrap_mprotect(void *memory, std::size_t size, int protection) {
  return fails() ? -1 : __real_mprotect(memory, size, protection);
}

#if COUNTED == COUNT_ALL

void *__libc_malloc(std::size_t);
void *__libc_calloc(std::size_t, std::size_t);
void *__libc_realloc(void *, std::size_t);
void *__libc_memalign(std::size_t, std::size_t);
void __libc_free(void *);

void *malloc(std::size_t size) noexcept { return fails() ? nullptr : handed_out(__libc_malloc(size)); }
void *calloc(std::size_t count, std::size_t size) noexcept {
  return fails() ? nullptr : handed_out(__libc_calloc(count, size));
}
void *realloc(void *memory, std::size_t size) noexcept {
  if (fails()) return nullptr;
  given_back(memory);
  void *moved = __libc_realloc(memory, size);
  handed_out(moved != nullptr || size == 0 ? moved : memory);
  return moved;
}
void *memalign(std::size_t alignment, std::size_t size) noexcept {
  return fails() ? nullptr : handed_out(__libc_memalign(alignment, size));
}
void *aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return memalign(alignment, size); }
int posix_memalign(void **out, std::size_t alignment, std::size_t size) noexcept {
  void *memory = memalign(alignment, size);
  if (memory == nullptr) return ENOMEM;
  *out = memory;
  return 0;
}
void free(void *memory) noexcept {
  given_back(memory);
  __libc_free(memory);
}

#endif

}  // extern "C"

#if COUNTED == COUNT_NEW

void *operator new(std::size_t size) {
  if (void *memory = fails() ? nullptr : handed_out(std::malloc(size)); memory != nullptr) return memory;
  throw std::bad_alloc();
}
void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
  return fails() ? nullptr : handed_out(std::malloc(size));
}
void *operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
  return fails() ? nullptr : handed_out(std::aligned_alloc(static_cast<std::size_t>(alignment), size));
}
void operator delete(void *memory) noexcept {
  given_back(memory);
  std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept { operator delete(memory); }
void operator delete(void *memory, std::align_val_t) noexcept { operator delete(memory); }
void operator delete(void *memory, std::size_t, std::align_val_t) noexcept { operator delete(memory); }

#endif
