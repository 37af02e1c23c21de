// check.cpp: comparisons, and the line that tells a difference so that it can be repeated.
// It knows no kernel.
#include "check.hpp"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace kernelcheck {

void Random::fill(void *to, std::size_t bytes) noexcept {
  auto *at = static_cast<unsigned char *>(to);
  for (; bytes >= 8; bytes -= 8, at += 8) {
    const std::uint64_t word = next();
    std::memcpy(at, &word, 8);
  }
  const std::uint64_t word = next();
  std::memcpy(at, &word, bytes);
}

void Checker::begin(const char *kernel, std::uint64_t seed) noexcept {
  kernel_ = kernel;
  shape_seed_ = seed;
  shape_.clear();
}

void Checker::describe(const char *dtype, const char *layout, const char *format, ...) {
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  shape_ = std::string(dtype) + ", " + layout + ", " + text;
}

bool Checker::differs(const Variant &variant, const std::string &where) {
  ++differences_;
  std::fprintf(stderr, "kernelcheck: %s differ: %s on %s: %s, seed %llu: %s\n", subject_, kernel_, variant.name,
               shape_.c_str(), static_cast<unsigned long long>(shape_seed_), where.c_str());
  std::fprintf(stderr, "kernelcheck: again with: kernelcheck --only %s --isa %s --seed %llu\n", subject_, variant.name,
               static_cast<unsigned long long>(shape_seed_));
  return false;
}

bool Checker::same(const Variant &variant, const void *wanted, const void *got, std::size_t bytes) {
  ++comparisons_;
  if (bytes == 0 || std::memcmp(wanted, got, bytes) == 0) return true;
  const auto *a = static_cast<const unsigned char *>(wanted), *b = static_cast<const unsigned char *>(got);
  std::size_t first = 0, different = 0;
  for (std::size_t i = bytes; i-- > 0;)
    if (a[i] != b[i]) first = i, ++different;
  char text[200];
  std::snprintf(text, sizeof text, "byte %zu of %zu is %02x, must be %02x (%zu differ)", first, bytes, b[first],
                a[first], different);
  return differs(variant, text);
}

bool Checker::holds(const Variant &variant, bool truth, const char *what) {
  ++comparisons_;
  return truth || differs(variant, what);
}

}  // namespace kernelcheck
