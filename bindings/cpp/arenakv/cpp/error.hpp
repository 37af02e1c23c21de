// error.hpp: what a call that failed becomes: an exception, or the failure half of an Expected, as the caller chose.
//
// Every class of this package is a template over that choice: `Throw` or `Expect`. arenakv::Cache throws,
// arenakv::expected::Cache answers with Expected; the calls are the same. Without exceptions (-fno-exceptions) there is
// Expect alone. On failure nothing has changed, whichever was chosen: the C API is all or nothing.
#ifndef ARENAKV_CPP_ERROR_HPP
#define ARENAKV_CPP_ERROR_HPP

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "arenakv/status.h"

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#define ARENAKV_EXCEPTIONS 1
#include <stdexcept>
#else
#define ARENAKV_EXCEPTIONS 0
#endif

namespace arenakv {

// The statuses of status.h under their own names.
enum class Status : akv_status {
  Ok = AKV_OK,
  InvalidArgument = AKV_ERROR_INVALID_ARGUMENT,
  OutOfRange = AKV_ERROR_OUT_OF_RANGE,
  BufferTooSmall = AKV_ERROR_BUFFER_TOO_SMALL,
  Unsupported = AKV_ERROR_UNSUPPORTED,
  BadHandle = AKV_ERROR_BAD_HANDLE,
  WrongType = AKV_ERROR_WRONG_TYPE,
  Busy = AKV_ERROR_BUSY,
  PlanOpen = AKV_ERROR_PLAN_OPEN,
  PlanNeeded = AKV_ERROR_PLAN_NEEDED,
  NotCommitted = AKV_ERROR_NOT_COMMITTED,
  ContentLost = AKV_ERROR_CONTENT_LOST,
  AlreadyExists = AKV_ERROR_ALREADY_EXISTS,
  NotFound = AKV_ERROR_NOT_FOUND,
  Swapped = AKV_ERROR_SWAPPED,
  NotReady = AKV_ERROR_NOT_READY,
  NotContiguous = AKV_ERROR_NOT_CONTIGUOUS,
  NoBlocks = AKV_ERROR_NO_BLOCKS,
  NoSequences = AKV_ERROR_NO_SEQUENCES,
  NoCapacity = AKV_ERROR_NO_CAPACITY,
  NoTickets = AKV_ERROR_NO_TICKETS,
  NoHolds = AKV_ERROR_NO_HOLDS,
  NoPlans = AKV_ERROR_NO_PLANS,
  PinBudget = AKV_ERROR_PIN_BUDGET,
  NoCaches = AKV_ERROR_NO_CACHES,
  NoSwapBlocks = AKV_ERROR_NO_SWAP_BLOCKS,
  OutOfMemory = AKV_ERROR_OUT_OF_MEMORY,
  Callback = AKV_ERROR_CALLBACK,
  Forked = AKV_ERROR_FORKED,
  Timeout = AKV_ERROR_TIMEOUT,
  Io = AKV_ERROR_IO,
  Damaged = AKV_ERROR_DAMAGED,
  BadImage = AKV_ERROR_BAD_IMAGE,
  OtherGeometry = AKV_ERROR_OTHER_GEOMETRY,
  VerifyFailed = AKV_ERROR_VERIFY_FAILED,
  NoPages = AKV_ERROR_NO_PAGES,
  NoArenas = AKV_ERROR_NO_ARENAS,
  NoTensors = AKV_ERROR_NO_TENSORS,
  QueueFull = AKV_ERROR_QUEUE_FULL,
  NoObjects = AKV_ERROR_NO_OBJECTS
};

// "AKV_ERROR_NO_BLOCKS": static memory.
inline const char *status_name(Status status) noexcept { return akv_status_name(static_cast<akv_status>(status)); }

// The message of this thread's last call that failed.
inline std::string last_error() {
  std::string text(akv_last_error(nullptr, 0), '\0');
  if (!text.empty()) akv_last_error(&text[0], text.size() + 1);
  return text;
}

// A failure in numbers, without an allocation.
struct Failure {
  Status status = Status::Ok;
  std::uint32_t row = AKV_UNSET;  // element of a batch; AKV_UNSET: none
  std::uint64_t needed = 0;       // blocks for NoBlocks, elements for BufferTooSmall ...; else 0
  std::uint64_t available = 0;    // in the same unit

  // Of the call that has just answered this.
  static Failure of(akv_status status) noexcept {
    Failure failure;
    failure.status = static_cast<Status>(status);
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    if (akv_last_error_detail(&detail) == AKV_OK && detail.status == status) {
      failure.row = detail.row;
      failure.needed = detail.needed;
      failure.available = detail.available;
    }
    return failure;
  }
  // One that the library was not asked about.
  static Failure plain(Status status) noexcept {
    Failure failure;
    failure.status = status;
    return failure;
  }
  // The value, the limit, what to do: of this thread's last failure, so ask before the next call.
  std::string message() const { return last_error(); }
};

#if ARENAKV_EXCEPTIONS

// A call that failed. Its classes go by what there is to do about it; status() tells exactly.
class Error : public std::runtime_error {
 public:
  Error(const Failure &failure, const std::string &message)
      : std::runtime_error(std::string(status_name(failure.status)) + ": " + message), failure_(failure) {}
  Status status() const noexcept { return failure_.status; }
  std::uint64_t needed() const noexcept { return failure_.needed; }
  std::uint64_t available() const noexcept { return failure_.available; }
  std::uint32_t row() const noexcept { return failure_.row; }
  const Failure &failure() const noexcept { return failure_; }

 private:
  Failure failure_;
};

class ArgumentError : public Error { using Error::Error; };  // the call itself: -10 ...
class HandleError : public Error { using Error::Error; };    // stale, or of another kind: -20 ...
class StateError : public Error { using Error::Error; };     // of what was named: -30 ...
class NoRoomError : public Error { using Error::Error; };    // in the cache, a pool, a stream: -40 ... and -80 ...
class HostError : public Error { using Error::Error; };      // memory, time, files, a fork: -50 ...
class DamagedError : public Error { using Error::Error; };   // a bug in the library: -60
class ContentError : public Error { using Error::Error; };   // bytes that are not what they must be: -70 ...

[[noreturn]] inline void throw_failure(const Failure &failure, const std::string &message) {
  switch (static_cast<akv_status>(failure.status) / -10) {
    case 1: throw ArgumentError(failure, message);
    case 2: throw HandleError(failure, message);
    case 3: throw StateError(failure, message);
    case 4:
    case 8: throw NoRoomError(failure, message);
    case 5: throw HostError(failure, message);
    case 6: throw DamagedError(failure, message);
    case 7: throw ContentError(failure, message);
    default: throw Error(failure, message);
  }
}

#endif

// A value, or why there is none: the part of C++23's std::expected that is needed, in C++17.
template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Expected(const Failure &failure) : content_(std::in_place_index<1>, failure) {}

  bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  // Only if there is a value, resp. a failure: as std::expected's.
  T &operator*() & noexcept { return *std::get_if<0>(&content_); }
  const T &operator*() const & noexcept { return *std::get_if<0>(&content_); }
  T &&operator*() && noexcept { return std::move(*std::get_if<0>(&content_)); }
  T *operator->() noexcept { return std::get_if<0>(&content_); }
  const T *operator->() const noexcept { return std::get_if<0>(&content_); }
  const Failure &error() const noexcept { return *std::get_if<1>(&content_); }
  Status status() const noexcept { return has_value() ? Status::Ok : error().status; }
#if ARENAKV_EXCEPTIONS
  T &value() & { return check(), **this; }
  const T &value() const & { return check(), **this; }
  T &&value() && { return check(), *std::move(*this); }

 private:
  void check() const {
    if (!has_value()) throw_failure(error(), status_name(error().status));
  }
#endif
 private:
  std::variant<T, Failure> content_;
};

template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() noexcept = default;
  Expected(const Failure &failure) noexcept : failure_(failure) {}
  bool has_value() const noexcept { return failure_.status == Status::Ok; }
  explicit operator bool() const noexcept { return has_value(); }
  const Failure &error() const noexcept { return failure_; }
  Status status() const noexcept { return failure_.status; }
#if ARENAKV_EXCEPTIONS
  void value() const {
    if (!has_value()) throw_failure(failure_, status_name(failure_.status));
  }
#endif

 private:
  Failure failure_;
};

// The choice. A call ends with give(status, value), done(status) or fail<T>(failure). `value` is a variable that the call
// writes to, never an expression of it: arguments are evaluated in any order.
#if ARENAKV_EXCEPTIONS
struct Throw {
  template <class T>
  using Result = T;

  template <class T>
  static T give(akv_status status, T &value) {
    if (status != AKV_OK) throw_failure(Failure::of(status), last_error());
    return std::move(value);
  }
  static void done(akv_status status) {
    if (status != AKV_OK) throw_failure(Failure::of(status), last_error());
  }
  template <class T>
  [[noreturn]] static T fail(const Failure &failure, const char *message = nullptr) {
    throw_failure(failure, message != nullptr ? std::string(message) : last_error());
  }
};
#endif

struct Expect {
  template <class T>
  using Result = Expected<T>;

  template <class T>
  static Expected<T> give(akv_status status, T &value) {
    if (status != AKV_OK) return Failure::of(status);
    return std::move(value);
  }
  static Expected<void> done(akv_status status) noexcept {
    if (status != AKV_OK) return Failure::of(status);
    return {};
  }
  template <class T>
  static Expected<T> fail(const Failure &failure, const char * = nullptr) {
    return failure;
  }
};

#if ARENAKV_EXCEPTIONS
using DefaultErrors = Throw;
#else
using DefaultErrors = Expect;
#endif

}  // namespace arenakv

#endif  // ARENAKV_CPP_ERROR_HPP
