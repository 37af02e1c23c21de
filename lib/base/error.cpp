// error.cpp: the last failure of each thread, kept as a format and its numbers.
// It knows no object of the library.
#include "base/error.hpp"

#include <cstdio>

namespace akv {
namespace {

thread_local constinit LastError last{};

}  // namespace

LastError &last_error() noexcept { return last; }

Status fail(Status status, const char *format, unsigned long long a, unsigned long long b, unsigned long long c,
            unsigned long long d, unsigned long long e, unsigned long long f) noexcept {
  last = LastError{format, nullptr, {a, b, c, d, e, f}, 0, 0, status, AKV_UNSET};
  return status;
}

Status fail_with(Status status, std::uint64_t needed, std::uint64_t available, const char *format, unsigned long long a,
                 unsigned long long b, unsigned long long c, unsigned long long d, unsigned long long e,
                 unsigned long long f) noexcept {
  last = LastError{format, nullptr, {a, b, c, d, e, f}, needed, available, status, AKV_UNSET};
  return status;
}

Status fail_named(Status status, const char *format, const char *name, unsigned long long a,
                  unsigned long long b) noexcept {
  last = LastError{format, name, {a, b}, 0, 0, status, AKV_UNSET};
  return status;
}

void name_row(std::uint32_t row) noexcept { last.row = row; }

void last_error_detail(akv_error_detail &out) noexcept {
  out.status = last.status;
  out.row = last.format != nullptr ? last.row : AKV_UNSET;
  out.needed = last.needed;
  out.available = last.available;
}

std::size_t last_error_text(char *buffer, std::size_t capacity) noexcept {
  if (buffer == nullptr) capacity = 0;
  if (capacity != 0) buffer[0] = '\0';
  const LastError &error = last;
  if (error.format == nullptr) return 0;
  char text[768];
  int used = 0;
  if (error.row != AKV_UNSET) used = std::snprintf(text, sizeof text, "row %u of the batch: ", error.row);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  char *rest = text + used;
  const std::size_t room = sizeof text - static_cast<std::size_t>(used);
  const auto &n = error.numbers;
  used += error.name != nullptr ? std::snprintf(rest, room, error.format, error.name, n[0], n[1])
                                : std::snprintf(rest, room, error.format, n[0], n[1], n[2], n[3], n[4], n[5]);
#pragma GCC diagnostic pop
  std::size_t length = static_cast<std::size_t>(used);
  if (length >= sizeof text) length = sizeof text - 1;
  if (capacity != 0) std::snprintf(buffer, capacity, "%s", text);
  return length;
}

const char *status_name(Status status) noexcept {
  switch (status) {
    case AKV_OK: return "AKV_OK";
    case AKV_ERROR_INVALID_ARGUMENT: return "AKV_ERROR_INVALID_ARGUMENT";
    case AKV_ERROR_OUT_OF_RANGE: return "AKV_ERROR_OUT_OF_RANGE";
    case AKV_ERROR_BUFFER_TOO_SMALL: return "AKV_ERROR_BUFFER_TOO_SMALL";
    case AKV_ERROR_UNSUPPORTED: return "AKV_ERROR_UNSUPPORTED";
    case AKV_ERROR_BAD_HANDLE: return "AKV_ERROR_BAD_HANDLE";
    case AKV_ERROR_WRONG_TYPE: return "AKV_ERROR_WRONG_TYPE";
    case AKV_ERROR_BUSY: return "AKV_ERROR_BUSY";
    case AKV_ERROR_ALREADY_EXISTS: return "AKV_ERROR_ALREADY_EXISTS";
    case AKV_ERROR_NOT_FOUND: return "AKV_ERROR_NOT_FOUND";
    case AKV_ERROR_PLAN_OPEN: return "AKV_ERROR_PLAN_OPEN";
    case AKV_ERROR_NOT_COMMITTED: return "AKV_ERROR_NOT_COMMITTED";
    case AKV_ERROR_CONTENT_LOST: return "AKV_ERROR_CONTENT_LOST";
    case AKV_ERROR_PLAN_NEEDED: return "AKV_ERROR_PLAN_NEEDED";
    case AKV_ERROR_NO_BLOCKS: return "AKV_ERROR_NO_BLOCKS";
    case AKV_ERROR_NO_SEQUENCES: return "AKV_ERROR_NO_SEQUENCES";
    case AKV_ERROR_NO_CAPACITY: return "AKV_ERROR_NO_CAPACITY";
    case AKV_ERROR_NO_TICKETS: return "AKV_ERROR_NO_TICKETS";
    case AKV_ERROR_NO_HOLDS: return "AKV_ERROR_NO_HOLDS";
    case AKV_ERROR_NO_PLANS: return "AKV_ERROR_NO_PLANS";
    case AKV_ERROR_NO_CACHES: return "AKV_ERROR_NO_CACHES";
    case AKV_ERROR_PIN_BUDGET: return "AKV_ERROR_PIN_BUDGET";
    case AKV_ERROR_OUT_OF_MEMORY: return "AKV_ERROR_OUT_OF_MEMORY";
    case AKV_ERROR_CALLBACK: return "AKV_ERROR_CALLBACK";
    case AKV_ERROR_FORKED: return "AKV_ERROR_FORKED";
    case AKV_ERROR_DAMAGED: return "AKV_ERROR_DAMAGED";
    case AKV_ERROR_SWAPPED: return "AKV_ERROR_SWAPPED";
    case AKV_ERROR_NOT_READY: return "AKV_ERROR_NOT_READY";
    case AKV_ERROR_NOT_CONTIGUOUS: return "AKV_ERROR_NOT_CONTIGUOUS";
    case AKV_ERROR_NO_SWAP_BLOCKS: return "AKV_ERROR_NO_SWAP_BLOCKS";
    case AKV_ERROR_TIMEOUT: return "AKV_ERROR_TIMEOUT";
    case AKV_ERROR_IO: return "AKV_ERROR_IO";
    case AKV_ERROR_BAD_IMAGE: return "AKV_ERROR_BAD_IMAGE";
    case AKV_ERROR_OTHER_GEOMETRY: return "AKV_ERROR_OTHER_GEOMETRY";
    case AKV_ERROR_VERIFY_FAILED: return "AKV_ERROR_VERIFY_FAILED";
    case AKV_ERROR_NO_PAGES: return "AKV_ERROR_NO_PAGES";
    case AKV_ERROR_NO_ARENAS: return "AKV_ERROR_NO_ARENAS";
    case AKV_ERROR_NO_TENSORS: return "AKV_ERROR_NO_TENSORS";
    case AKV_ERROR_QUEUE_FULL: return "AKV_ERROR_QUEUE_FULL";
    case AKV_ERROR_NO_OBJECTS: return "AKV_ERROR_NO_OBJECTS";
    default: return "unknown status";
  }
}

}  // namespace akv
