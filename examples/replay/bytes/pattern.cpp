// pattern.cpp: see pattern.hpp.
#include "bytes/pattern.hpp"

#include <algorithm>
#include <cstring>

namespace replay {
namespace {

std::uint64_t place_of(std::uint32_t layer, std::uint32_t plane) {
  return splitmix64(std::uint64_t{layer} << 32 | plane);
}

}  // namespace

// The words of a row are one multiplication apart from the key, and different from each other.
template <class Row>
void Pattern::make_row(std::uint64_t seed, std::uint64_t row_bytes, Row row) {
  std::uint64_t word = seed * 0xd6e8feb86659fd93u;
  word ^= word >> 32;
  for (std::uint64_t at = 0; at < row_bytes; at += sizeof word, word += 0x9e3779b97f4a7c15u)
    if (!row(at, word, std::min<std::uint64_t>(sizeof word, row_bytes - at))) return;
}

void Pattern::fill(Keys keys, std::uint32_t layer, std::uint32_t plane, unsigned char *rows) const {
  const std::uint64_t place = place_of(layer, plane), row_bytes = geometry_.row_bytes(plane);
  for (const std::uint64_t key : keys) {
    make_row(key ^ place, row_bytes, [&](std::uint64_t at, std::uint64_t word, std::uint64_t bytes) {
      if (bytes == sizeof word) [[likely]]
        std::memcpy(rows + at, &word, sizeof word);
      else std::memcpy(rows + at, &word, bytes);
      return true;
    });
    rows += row_bytes;
  }
}

std::optional<Pattern::Difference> Pattern::compare(Keys keys, std::uint32_t layer, std::uint32_t plane,
                                                    const unsigned char *rows) const {
  const std::uint64_t place = place_of(layer, plane), row_bytes = geometry_.row_bytes(plane);
  std::optional<Difference> found;
  for (std::size_t token = 0; token < keys.size() && !found; ++token, rows += row_bytes)
    make_row(keys[token] ^ place, row_bytes, [&](std::uint64_t at, std::uint64_t word, std::uint64_t bytes) {
      if (std::memcmp(rows + at, &word, bytes) == 0) return true;
      unsigned char must[sizeof word];
      std::memcpy(must, &word, sizeof word);
      std::uint64_t byte = 0;
      while (rows[at + byte] == must[byte]) ++byte;
      found = {token, at + byte, rows[at + byte], must[byte]};
      return false;
    });
  return found;
}

}  // namespace replay
