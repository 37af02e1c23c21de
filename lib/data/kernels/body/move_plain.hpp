// move_plain.hpp: a row of bytes moved and zeroed by what the C library has.
// It knows bytes. Included by plain.cpp alone; the others take move.hpp.
#pragma once

#include <cstdint>

namespace akv {
namespace {

template <bool>
void move_row(unsigned char *to, const unsigned char *from, std::uint64_t bytes, const unsigned char *) noexcept {
  __builtin_memcpy(to, from, bytes);
}

template <bool>
void zero_row(unsigned char *to, std::uint64_t bytes) noexcept {
  __builtin_memset(to, 0, bytes);
}

inline void end_streaming() noexcept {}

}  // namespace
}  // namespace akv
