// sized_struct.hpp: the rules for structs that start with `struct_size`, in one place.
// It knows no struct of the API.
//
//   input   smaller than ours: the missing fields are zero (default). Larger with a zero tail: fine. Larger with
//           anything else: UNSUPPORTED, the caller asks for something this release does not know (Linux's
//           copy_struct_from_user rule). Smaller than the first release's, or over 4 KiB: INVALID_ARGUMENT.
//   output  only as many bytes as the caller has are written; what is beyond ours becomes zero.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace akv {

constexpr std::uint32_t kLargestStruct = 4096;

inline Status check_struct_size(std::uint32_t size, std::uint32_t smallest) noexcept {
  if (size == 0) return fail(AKV_ERROR_INVALID_ARGUMENT, "struct_size is 0: start from the struct's AKV_..._INIT");
  if (size < smallest || size > kLargestStruct)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "struct_size is %llu, must be %llu to %llu", size, smallest,
                kLargestStruct);
  return AKV_OK;
}

// Read `from`, whose first member is its own size, into a struct of our size. `smallest` is the size that the struct
// had in the first release.
template <class T>
[[nodiscard]] Status read_struct(const T *from, T &to, std::uint32_t smallest) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  if (from == nullptr) return fail(AKV_ERROR_INVALID_ARGUMENT, "a struct that is needed is NULL");
  std::uint32_t size;
  std::memcpy(&size, from, sizeof size);
  if (Status status = check_struct_size(size, smallest); status != AKV_OK) return status;
  const auto *bytes = reinterpret_cast<const unsigned char *>(from);
  for (std::uint32_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      return fail(AKV_ERROR_UNSUPPORTED,
                  "struct_size is %llu and byte %llu is not 0: a field newer than this library (%llu)", size, i,
                  sizeof(T));
  to = T{};
  std::memcpy(&to, from, size < sizeof(T) ? size : sizeof(T));
  to.struct_size = sizeof(T);
  return AKV_OK;
}

// Read one element of a caller's array whose elements may be older (shorter) or newer (longer) than ours. The caller
// has checked `size`.
template <class T>
[[nodiscard]] Status read_element(const void *from, std::uint32_t size, T &to) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto *bytes = static_cast<const unsigned char *>(from);
  for (std::uint32_t i = sizeof(T); i < size; ++i)
    if (bytes[i] != 0)
      return fail(AKV_ERROR_UNSUPPORTED,
                  "an array element has %llu bytes and byte %llu is not 0: newer than this library", size, i);
  to = T{};
  std::memcpy(&to, bytes, size < sizeof(T) ? size : sizeof(T));
  return AKV_OK;
}

// Check an output struct before anything is done.
template <class T>
[[nodiscard]] Status check_output(const T *out, std::uint32_t smallest) noexcept {
  if (out == nullptr) return fail(AKV_ERROR_INVALID_ARGUMENT, "the output struct is NULL");
  std::uint32_t size;
  std::memcpy(&size, out, sizeof size);
  return check_struct_size(size, smallest);
}

template <class T>
void write_struct(const T &from, T *to) noexcept {
  std::uint32_t size;
  std::memcpy(&size, to, sizeof size);
  T copy = from;
  copy.struct_size = size;  // the caller's word for how much it has
  std::memcpy(static_cast<void *>(to), &copy, size < sizeof(T) ? size : sizeof(T));
  if (size > sizeof(T)) std::memset(reinterpret_cast<unsigned char *>(to) + sizeof(T), 0, size - sizeof(T));
}

// One element of a caller's output array whose elements may be older (shorter) or newer (longer) than ours.
template <class T>
void write_element(const T &from, unsigned char *to, std::uint32_t size) noexcept {
  std::memcpy(to, &from, size < sizeof(T) ? size : sizeof(T));
  if (size > sizeof(T)) std::memset(to + sizeof(T), 0, size - sizeof(T));
}

}  // namespace akv
