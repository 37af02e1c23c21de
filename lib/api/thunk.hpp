// thunk.hpp: what the thunks of the C API share: first-release sizes, the checks at the border, and how a call begins.
// A thunk checks, converts, calls and translates: nothing else.
#pragma once

#include "arenakv/view.h"
#include "base/log.hpp"
#include "base/sized_struct.hpp"
#include "meta/cache_home.hpp"

#include <cerrno>

namespace akv {

// Sizes of the structs in the first release: the smallest that is accepted.
inline constexpr std::uint32_t kPromptV1 = 24;
inline constexpr std::uint32_t kOptionsV1 = 32;
inline constexpr std::uint32_t kConfigV1 = 80;
inline constexpr std::uint32_t kAllocatorV1 = 32;
inline constexpr std::uint32_t kBatchV1 = 48;
inline constexpr std::uint32_t kTablesV1 = 152;
inline constexpr std::uint32_t kSequenceLineV1 = 56;
inline constexpr std::uint32_t kHoldLineV1 = 32;
inline constexpr std::uint32_t kViewV1 = 136;
static_assert(sizeof(akv_prompt) == kPromptV1 && sizeof(akv_sequence_options) == kOptionsV1);
static_assert(sizeof(akv_cache_config) == kConfigV1 && sizeof(akv_allocator) == kAllocatorV1);
static_assert(sizeof(akv_batch) == kBatchV1 && sizeof(akv_tables) == kTablesV1);
static_assert(sizeof(akv_sequence_line) == kSequenceLineV1 && sizeof(akv_hold_line) == kHoldLineV1);
static_assert(sizeof(akv_view) == kViewV1);
// Output structs begin with their size and are written as far as the caller's goes: the first field behind it is
// the least that makes sense.
inline constexpr std::uint32_t kOutputV1 = 8;

template <class T>
Status check_pointer(const T *pointer, const char *name) noexcept {
  if (pointer != nullptr) return AKV_OK;
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is NULL", name);
}

inline Status check_array(const void *array, std::uint64_t count, const char *name) noexcept {
  if (array != nullptr || count == 0) return AKV_OK;
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is NULL, and %llu elements of it are wanted", name, count);
}

inline Status check_element_size(const char *name, std::uint32_t size, std::uint32_t smallest) noexcept {
  if (size >= smallest && size <= kLargestStruct) return AKV_OK;
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is %llu, must be the size of the struct, %llu", name, size,
                    smallest);
}

inline Status check_flags(std::uint32_t flags, std::uint32_t known) noexcept {
  if ((flags & ~known) == 0) return AKV_OK;
  return fail(AKV_ERROR_UNSUPPORTED, "flags are 0x%llx, this release knows 0x%llx here", flags, known);
}

// A prompt may not be NULL here; where a call allows that, it has a word for it of its own.
inline Status read_prompt(const akv_prompt *from, Prompt &to) noexcept {
  akv_prompt prompt;
  if (Status status = read_struct(from, prompt, kPromptV1); status != AKV_OK) return status;
  if (prompt.num_tokens > AKV_MAX_SEQUENCE_TOKENS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "a prompt of %llu tokens, at most %llu", prompt.num_tokens,
                AKV_MAX_SEQUENCE_TOKENS);
  to = {prompt.tokens, prompt.num_tokens, prompt.domain};
  return check_array(prompt.tokens, prompt.num_tokens, "prompt.tokens");
}

inline Status read_options(const akv_sequence_options *from, akv_sequence_options &to) noexcept {
  to = AKV_SEQUENCE_OPTIONS_INIT;
  if (from != nullptr)
    if (Status status = read_struct(from, to, kOptionsV1); status != AKV_OK) return status;
  if (Status status =
          check_flags(to.flags, AKV_SEQUENCE_COMMITTED | AKV_SEQUENCE_PARTIAL | AKV_SEQUENCE_PREFIX_ONLY |
                                    AKV_SEQUENCE_NO_MATCH | AKV_SEQUENCE_NO_PUBLISH | AKV_SEQUENCE_CONTIGUOUS);
      status != AKV_OK)
    return status;
  if ((to.flags & AKV_SEQUENCE_PARTIAL) != 0 && (to.flags & AKV_SEQUENCE_NO_MATCH) != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "AKV_SEQUENCE_PARTIAL and AKV_SEQUENCE_NO_MATCH exclude each other");
  if ((to.flags & AKV_SEQUENCE_CONTIGUOUS) != 0 && (to.flags & AKV_SEQUENCE_PREFIX_ONLY) != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "AKV_SEQUENCE_CONTIGUOUS and AKV_SEQUENCE_PREFIX_ONLY exclude each other");
  return AKV_OK;
}

// A SETUP call leaves the caller's errno as it was.
class KeepErrno {
 public:
  KeepErrno() noexcept : value_(errno) {}
  ~KeepErrno() { errno = value_; }
  KeepErrno(const KeepErrno &) = delete;
  KeepErrno &operator=(const KeepErrno &) = delete;

 private:
  int value_;
};

}  // namespace akv

// The first lines of a call on one sequence.
#define AKV_ENTER(cache, sequence)       \
  CacheHome *home = nullptr;             \
  AKV_TRY(CacheHome::find(cache, home)); \
  Gate gate(*home, sequence);            \
  AKV_TRY(gate.status())
