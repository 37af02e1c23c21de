// crc32c.cpp: the checksum is CRC-32C, by tables and by the machine's instruction alike.
// It knows lib/base only; the golden values are RFC 3720's and the check value of every catalogue of CRCs.
#include "base/crc32c.hpp"

#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "catch.hpp"

namespace {

std::vector<akv::Crc32c *> variants() {
  std::vector<akv::Crc32c *> all = {&akv::crc32c, &akv::crc32c_by_tables};
  if (akv::crc32c_by_instruction() != nullptr) all.push_back(akv::crc32c_by_instruction());
  return all;
}

std::vector<unsigned char> noise(std::size_t size) {
  std::mt19937 random(7);
  std::vector<unsigned char> bytes(size);
  for (unsigned char &byte : bytes) byte = static_cast<unsigned char>(random());
  return bytes;
}

// One bit after the other, as the polynomial says: nothing to share a mistake with.
std::uint32_t by_bits(const std::vector<unsigned char> &bytes, std::size_t first, std::size_t count) {
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = first; i < first + count; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

}  // namespace

TEST_CASE("crc32c: E7 the vectors of RFC 3720 B.4 come out, in every variant") {
  std::array<unsigned char, 32> zeroes{}, ones, up, down;
  ones.fill(0xff);
  for (std::size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<unsigned char>(i);
    down[i] = static_cast<unsigned char>(31 - i);
  }
  const std::array<unsigned char, 48> read_command = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
      0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  for (akv::Crc32c *const crc : variants()) {
    CHECK(crc(0, zeroes.data(), 32) == 0x8a9136aau);
    CHECK(crc(0, ones.data(), 32) == 0x62a8ab43u);
    CHECK(crc(0, up.data(), 32) == 0x46dd794eu);
    CHECK(crc(0, down.data(), 32) == 0x113fdb5cu);
    CHECK(crc(0, read_command.data(), 48) == 0xd9963a56u);
    CHECK(crc(0, "123456789", 9) == 0xe3069283u);
    CHECK(crc(0, nullptr, 0) == 0);
  }
}

TEST_CASE("crc32c: E7 the variants agree at every length and alignment, and with one bit after the other") {
  const std::vector<unsigned char> bytes = noise(4 * 3072 + 100);
  for (akv::Crc32c *const crc : variants()) {
    for (std::size_t first = 0; first < 9; ++first)
      for (std::size_t count = 0; count < 70; ++count)
        REQUIRE(crc(0, bytes.data() + first, count) == by_bits(bytes, first, count));
    for (const std::size_t count : {1023u, 1024u, 3071u, 3072u, 3073u, 6144u, 9219u, 12300u})
      for (std::size_t first = 0; first < 9; ++first)
        REQUIRE(crc(0, bytes.data() + first, count) == by_bits(bytes, first, count));
  }
}

TEST_CASE("crc32c: E7 of a whole is that of its parts one behind the other, wherever it is cut") {
  const std::vector<unsigned char> bytes = noise(8000);
  for (akv::Crc32c *const crc : variants())
    for (std::size_t cut = 0; cut <= bytes.size(); cut += 97)
      REQUIRE(crc(crc(0, bytes.data(), cut), bytes.data() + cut, bytes.size() - cut) ==
              by_bits(bytes, 0, bytes.size()));
}
