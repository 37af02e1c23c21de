// crc32c.cpp: CRC-32C by tables, and by the processor's instruction where it has one.
// It knows bytes only.
//
// The instruction wants three cycles and one can start in each, so three stretches are done side by side and joined:
// behind kLane zero bytes a checksum becomes a linear function of itself, which is four more tables.
// No flag of the compiler is raised: each function says for itself what it needs, and is called where that is there.
#include "base/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace akv {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78u;  // bits in reverse order
constexpr std::size_t kLane = 1024;

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// slices[k][b]: the checksum (without its inversions) of byte b followed by k zero bytes.
constexpr Tables make_slices() {
  Tables slices{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0);
    slices[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      slices[k][byte] = slices[k - 1][byte] >> 8 ^ slices[0][slices[k - 1][byte] & 0xff];
  return slices;
}
constexpr Tables kSlices = make_slices();

std::uint64_t load64(const unsigned char *from) noexcept {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

#if defined(__x86_64__) || defined(__aarch64__)

// What kLane zero bytes make of each bit of a checksum, by squaring what one zero bit does.
constexpr std::array<std::uint32_t, 32> lane_matrix() {
  std::array<std::uint32_t, 32> step{};  // column i: what bit i becomes
  step[0] = kPolynomial;
  for (std::size_t i = 1; i < 32; ++i) step[i] = 1u << (i - 1);
  const auto apply = [](const std::array<std::uint32_t, 32> &matrix, std::uint32_t crc) {
    std::uint32_t result = 0;
    for (std::size_t i = 0; i < 32; ++i)
      if ((crc >> i & 1) != 0) result ^= matrix[i];
    return result;
  };
  for (std::size_t bits = 1; bits < kLane * 8; bits *= 2) {
    std::array<std::uint32_t, 32> twice{};
    for (std::size_t i = 0; i < 32; ++i) twice[i] = apply(step, step[i]);
    step = twice;
  }
  return step;
}

constexpr std::array<std::array<std::uint32_t, 256>, 4> make_lane_shift() {
  constexpr std::array<std::uint32_t, 32> matrix = lane_matrix();
  std::array<std::array<std::uint32_t, 256>, 4> shift{};
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      for (std::size_t bit = 0; bit < 8; ++bit)
        if ((byte >> bit & 1) != 0) shift[k][byte] ^= matrix[8 * k + bit];
  return shift;
}
constexpr std::array<std::array<std::uint32_t, 256>, 4> kLaneShift = make_lane_shift();

std::uint32_t behind_a_lane(std::uint32_t crc) noexcept {
  return kLaneShift[0][crc & 0xff] ^ kLaneShift[1][crc >> 8 & 0xff] ^ kLaneShift[2][crc >> 16 & 0xff] ^
         kLaneShift[3][crc >> 24];
}

#if defined(__x86_64__)
#define AKV_CRC_TARGET __attribute__((target("sse4.2")))
AKV_CRC_TARGET inline std::uint32_t step8(std::uint32_t crc, std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
}
AKV_CRC_TARGET inline std::uint32_t step1(std::uint32_t crc, unsigned char byte) noexcept {
  return _mm_crc32_u8(crc, byte);
}
bool has_instruction() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }
#else
#define AKV_CRC_TARGET __attribute__((target("+crc")))
AKV_CRC_TARGET inline std::uint32_t step8(std::uint32_t crc, std::uint64_t word) noexcept {
  return __crc32cd(crc, word);
}
AKV_CRC_TARGET inline std::uint32_t step1(std::uint32_t crc, unsigned char byte) noexcept {
  return __crc32cb(crc, byte);
}
bool has_instruction() noexcept { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

AKV_CRC_TARGET std::uint32_t by_instruction(std::uint32_t before, const void *data, std::size_t bytes) noexcept {
  const auto *at = static_cast<const unsigned char *>(data);
  std::uint32_t crc = ~before;
  for (; bytes >= 3 * kLane; bytes -= 3 * kLane, at += 3 * kLane) {
    std::uint32_t second = 0, third = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      crc = step8(crc, load64(at + i));
      second = step8(second, load64(at + kLane + i));
      third = step8(third, load64(at + 2 * kLane + i));
    }
    crc = behind_a_lane(behind_a_lane(crc) ^ second) ^ third;
  }
  for (; bytes >= 8; bytes -= 8, at += 8) crc = step8(crc, load64(at));
  for (; bytes != 0; --bytes, ++at) crc = step1(crc, *at);
  return ~crc;
}

#endif

}  // namespace

std::uint32_t crc32c_by_tables(std::uint32_t before, const void *data, std::size_t bytes) noexcept {
  const auto *at = static_cast<const unsigned char *>(data);
  std::uint32_t crc = ~before;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    const std::uint64_t word = load64(at) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= kSlices[7 - k][word >> 8 * k & 0xff];
  }
  for (; bytes != 0; --bytes, ++at) crc = crc >> 8 ^ kSlices[0][(crc ^ *at) & 0xff];
  return ~crc;
}

Crc32c *crc32c_by_instruction() noexcept {
#if defined(__x86_64__) || defined(__aarch64__)
  return has_instruction() ? &by_instruction : nullptr;
#else
  return nullptr;
#endif
}

std::uint32_t crc32c(std::uint32_t before, const void *data, std::size_t bytes) noexcept {
  static Crc32c *const best = crc32c_by_instruction() != nullptr ? crc32c_by_instruction() : &crc32c_by_tables;
  return best(before, data, bytes);
}

}  // namespace akv
