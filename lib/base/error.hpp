// error.hpp: how a call fails: a status, and the text behind it for akv_last_error().
// It knows no object of the library.
//
// A failure is part of normal life (a full pool says NO_BLOCKS many times a second), so it costs a few stores: the
// format and its numbers are kept, and the text is made when somebody asks for it.
#pragma once

#include "arenakv/base.h"
#include "arenakv/status.h"

#include <cstddef>
#include <cstdint>

namespace akv {

using Status = akv_status;

// Remember why this thread's call fails and return `status`, so that `return fail(...)` reads well.
// `format` takes unsigned long long arguments only (%llu, or %lld for signed ones).
[[nodiscard]] Status fail(Status status, const char *format, unsigned long long a = 0, unsigned long long b = 0,
                          unsigned long long c = 0, unsigned long long d = 0, unsigned long long e = 0,
                          unsigned long long f = 0) noexcept;

// The same, with the numbers that a program wants to read (akv_error_detail).
[[nodiscard]] Status fail_with(Status status, std::uint64_t needed, std::uint64_t available, const char *format,
                               unsigned long long a = 0, unsigned long long b = 0, unsigned long long c = 0,
                               unsigned long long d = 0, unsigned long long e = 0, unsigned long long f = 0) noexcept;

// The same with a name in front of the numbers: `format` starts with a %s. The name must be a literal.
[[nodiscard]] Status fail_named(Status status, const char *format, const char *name, unsigned long long a = 0,
                                unsigned long long b = 0) noexcept;

// Put "row N of the batch: " in front of the message of the failure that was just remembered.
void name_row(std::uint32_t row) noexcept;

void last_error_detail(akv_error_detail &out) noexcept;

// What this thread remembers of its last failure.
struct LastError {
  const char *format;
  const char *name;  // for a format that starts with %s
  unsigned long long numbers[6];
  std::uint64_t needed;
  std::uint64_t available;
  Status status;
  std::uint32_t row;  // AKV_UNSET: none
};
LastError &last_error() noexcept;

// For a step that may fail inside a call that does not: the thread's last failure stays what it was.
class KeepLastError {
 public:
  KeepLastError() noexcept : before_(last_error()) {}
  ~KeepLastError() { last_error() = before_; }
  KeepLastError(const KeepLastError &) = delete;
  KeepLastError &operator=(const KeepLastError &) = delete;

 private:
  const LastError before_;
};

std::size_t last_error_text(char *buffer, std::size_t capacity) noexcept;

const char *status_name(Status status) noexcept;

}  // namespace akv

// Leave with what is wrong.
#define AKV_TRY(expression)                                                                              \
  do {                                                                                                   \
    if (const akv_status akv_try_status = (expression); akv_try_status != AKV_OK) return akv_try_status; \
  } while (0)
