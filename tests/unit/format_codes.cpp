// format_codes.cpp: codes and scales against their definitions, for every number of 16 bits, NaN and infinity, on each
// instruction set that this processor has.
// It knows the kernels' table; the definitions are written down here once more, in other words.
#include <algorithm>
#include <array>

#include "catch.hpp"
#include "kernelcheck/format_pools.hpp"
#include "reference_numbers.hpp"

using namespace test;

namespace {

const std::array<double, 256> &kE4M3 = akv::test::e4m3_numbers();

// The nearest of the table, of two the even code.
std::uint32_t nearest_e4m3(float x) {
  if (std::isnan(x)) return 0x7f;
  std::uint32_t best = 0;
  for (std::uint32_t code = 1; code < 127; ++code) {
    const double now = std::abs(std::abs(double{x}) - kE4M3[code]),
                 before = std::abs(std::abs(double{x}) - kE4M3[best]);
    if (std::isinf(x) || now < before || (now == before && code % 2 == 0)) best = code;
  }
  return best | (std::signbit(x) ? 128u : 0u);
}

std::uint32_t nearest_i8(float x) {
  if (std::isnan(x)) return 0;
  return static_cast<std::uint32_t>(static_cast<int>(std::nearbyint(std::clamp(x, -127.0f, 127.0f)))) & 255u;
}

constexpr Shape kEveryNumber{64, 1, 32, 32};  // 65,536 of them

Tokens every_number(std::uint32_t dtype) {
  Tokens all(dtype, kEveryNumber, kEveryNumber.tokens());
  for (std::uint32_t i = 0; i < 65536; ++i) all.set_bits(i / 64, 0, i % 64, i);
  return all;
}

float scale_of(Pool &pool, std::uint64_t token) {
  return number_at(AKV_DTYPE_F32, pool.scale_row(static_cast<std::int64_t>(token), 0), 0);
}

// A row of one head, and what is read back of it.
struct RowOf {
  Pool pool;
  Tokens in, out;
  RowOf(const akv::FormatKernels &kernels, const RowFormat &format, const std::vector<float> &row,
        std::uint32_t tokens = 1)
      : pool({static_cast<std::uint32_t>(row.size()) / tokens, 1, tokens, 1}, format),
        in(AKV_DTYPE_F32, pool.shape, tokens),
        out(AKV_DTYPE_F32, pool.shape, tokens) {
    for (std::uint32_t i = 0; i < row.size(); ++i) in.set(i / pool.shape.head_dim, 0, i % pool.shape.head_dim, row[i]);
    write_all(kernels, pool, in);
    read_all(kernels, pool, out);
  }
  std::uint32_t code(std::uint32_t i) { return pool.code_row(0, 0)[i]; }
  std::uint32_t code4(std::uint32_t i) { return code(i / 2) >> i % 2 * 4 & 15u; }
  float back(std::uint32_t i) { return out.number(0, 0, i); }
};

constexpr RowFormat kI8{AKV_DTYPE_I8, AKV_SCALING_TOKEN_HEAD}, kF8{AKV_DTYPE_F8_E4M3, AKV_SCALING_TOKEN_HEAD},
    kI8Head{AKV_DTYPE_I8, AKV_SCALING_HEAD}, kF8Head{AKV_DTYPE_F8_E4M3, AKV_SCALING_HEAD},
    kGroup{AKV_DTYPE_I4, AKV_SCALING_TOKEN_GROUP}, kChannel{AKV_DTYPE_I4, AKV_SCALING_CHANNEL};

}  // namespace

TEST_CASE("formats: every bfloat16 and half becomes the nearest E4M3 and I8 of a table, whatever the head's scale") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    for (std::uint32_t dtype : {AKV_DTYPE_F16, AKV_DTYPE_BF16})
      for (float scale : {1.0f, 0.375f, 3.0e-5f, 777.0f}) {
        Tokens all = every_number(dtype);
        Pool e4m3(kEveryNumber, kF8Head), i8(kEveryNumber, kI8Head);
        e4m3.head_scales = i8.head_scales = {scale};
        write_all(kernels, e4m3, all);
        write_all(kernels, i8, all);
        const volatile float inverse = 1.0f / scale;
        std::uint32_t wrong = 0;
        for (std::uint32_t i = 0; i < 65536; ++i) {
          const float x = all.number(i / 64, 0, i % 64) * inverse;
          wrong += e4m3.code_row(i / 64, 0)[i % 64] != nearest_e4m3(x);
          wrong += i8.code_row(i / 64, 0)[i % 64] != nearest_i8(x);
        }
        REQUIRE(wrong == 0);
      }
  });
}

TEST_CASE("formats: every code is read as its table's value times the scale, rounded once") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    for (float scale : {1.0f, 0.3f, 1e-30f, 0x1p-126f, 1e30f, 0x1.1p119f, 3e38f}) {
      const Shape shape{256, 1, 1, 1};
      Pool e4m3(shape, kF8Head), i8(shape, kI8Head);
      e4m3.head_scales = i8.head_scales = {scale};
      for (std::uint32_t code = 0; code < 256; ++code)
        e4m3.code_row(0, 0)[code] = i8.code_row(0, 0)[code] = static_cast<unsigned char>(code);
      Tokens floats(AKV_DTYPE_F32, shape, 1), whole(AKV_DTYPE_F32, shape, 1);
      read_all(kernels, e4m3, floats);
      read_all(kernels, i8, whole);
      for (std::uint32_t code = 0; code < 256; ++code) {
        const float value = static_cast<float>(kE4M3[code] * scale), back = floats.number(0, 0, code);
        REQUIRE((std::isnan(value) ? std::isnan(back) : value == back));
        REQUIRE(std::signbit(back) == (code >= 128));
        REQUIRE(whole.number(0, 0, code) == static_cast<float>(static_cast<std::int8_t>(code)) * scale);
      }
    }
  });
}

TEST_CASE("formats: a row's own scale is its largest finite magnitude by the largest code, and codes are the nearest") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    for (std::uint32_t dtype : {AKV_DTYPE_F16, AKV_DTYPE_BF16}) {
      Tokens all = every_number(dtype), back(AKV_DTYPE_F32, kEveryNumber, kEveryNumber.tokens());
      Pool e4m3(kEveryNumber, kF8), i8(kEveryNumber, kI8);
      write_all(kernels, e4m3, all);
      write_all(kernels, i8, all);
      read_all(kernels, i8, back);
      std::uint32_t wrong = 0;
      for (std::uint32_t token = 0; token < 1024; ++token) {
        float amax = 0;
        for (std::uint32_t i = 0; i < 64; ++i)
          if (const float x = all.number(token, 0, i); std::isfinite(x)) amax = std::max(amax, std::abs(x));
        for (Pool *pool : {&e4m3, &i8}) {
          const float scale = scale_of(*pool, token), largest = pool == &i8 ? 127.0f : 448.0f;
          const float wanted = amax == 0 ? 0.0f : std::max(amax / largest, 0x1p-126f);
          const volatile float inverse = wanted == 0 ? 1.0f : 1.0f / wanted;
          wrong += scale != wanted;
          for (std::uint32_t i = 0; i < 64; ++i) {
            const float x = all.number(token, 0, i), y = x * inverse;
            wrong += pool->code_row(token, 0)[i] != (pool == &i8 ? nearest_i8(y) : nearest_e4m3(y));
            if (pool == &i8 && std::isfinite(x))
              wrong += std::abs(double{back.number(token, 0, i)} - x) > scale / 2.0 * (1 + 0x1p-7);
          }
        }
      }
      REQUIRE(wrong == 0);
    }
  });
}

TEST_CASE("formats: 4 bits are within half a step of every number up to 2^126, by group and by channel") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    for (std::uint32_t dtype : {AKV_DTYPE_F16, AKV_DTYPE_BF16})
      for (const RowFormat &format : {kGroup, kChannel}) {
        Tokens all = every_number(dtype), back(AKV_DTYPE_F32, kEveryNumber, kEveryNumber.tokens());
        Pool pool(kEveryNumber, format);
        write_all(kernels, pool, all);
        read_all(kernels, pool, back);
        std::uint32_t wrong = 0, looked_at = 0;
        for (std::uint32_t i = 0; i < 65536; ++i) {
          const float x = all.number(i / 64, 0, i % 64);
          if (!std::isfinite(x) || std::abs(x) > 0x1p126f) continue;
          // By channel, a pair lies in the share of the block: [64 elements], 8 bytes of each of 32 rows.
          unsigned char *pair = format.scaling == AKV_SCALING_CHANNEL
                                    ? pool.scale_row(i / 64 / 32 * 32 + i % 64 / 2, 0) + i % 2 * 4
                                    : pool.scale_row(i / 64, 0) + i % 64 / 32 * 4;
          const float scale = number_at(AKV_DTYPE_BF16, pair, 0), lowest = number_at(AKV_DTYPE_BF16, pair, 1);
          wrong +=
              !(lowest <= x) || !(std::abs(double{back.number(i / 64, 0, i % 64)} - x) <= scale / 2.0 * (1 + 0x1p-7));
          ++looked_at;
        }
        REQUIRE(wrong == 0);
        REQUIRE(looked_at > 63000);
      }
  });
}

TEST_CASE("formats: zeroes have scale 0 and codes 0, and are read as zeroes") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    for (const RowFormat &format : {kI8, kF8, kGroup, kChannel})
      for (std::uint32_t size : {2u, 32u, 80u}) {
        RowOf row(kernels, format, std::vector<float>(size, 0.0f));
        for (std::uint32_t i = 0; i < size; ++i) REQUIRE(row.back(i) == 0.0f);
        for (std::uint32_t i = 0; i < size * bits_of(format.dtype) / 8; ++i) REQUIRE(row.code(i) == 0);
        for (std::uint32_t i = 0; i < scale_bytes(format, row.pool.shape); ++i)
          REQUIRE(row.pool.scale_row(0, 0)[i] == 0);
      }
    std::vector<float> negative(64, -0.0f);  // which of two zeroes is the lowest is nobody's to see
    negative[40] = 0.0f;
    for (const RowFormat &format : {kGroup, kChannel})
      for (std::uint32_t i = 0; i < 4; ++i) REQUIRE(RowOf(kernels, format, negative).pool.scale_row(0, 0)[i] == 0);
  });
}

TEST_CASE("formats: a NaN changes no scale and is NaN in E4M3, 0 in I8, the lowest in I4; infinities are the largest") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = INFINITY;
  for_each_isa([nan, inf](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    std::vector<float> row(64);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i) - 20.0f;
    for (std::uint32_t at = 0; at < 64; at += 9) {
      std::vector<float> odd = row;
      odd[at] = -nan;
      odd[(at + 7) % 64] = inf;
      odd[(at + 8) % 64] = -inf;
      std::vector<float> finite = odd;
      for (float &x : finite) x = std::isfinite(x) ? x : 1.0f;
      RowOf f8(kernels, kF8, odd), i8(kernels, kI8, odd), i4(kernels, kGroup, odd);
      RowOf f8_finite(kernels, kF8, finite), i8_finite(kernels, kI8, finite);
      REQUIRE(scale_of(f8.pool, 0) == scale_of(f8_finite.pool, 0));
      REQUIRE(scale_of(i8.pool, 0) == scale_of(i8_finite.pool, 0));
      REQUIRE(f8.code(at) == 0x7f);
      REQUIRE(std::isnan(f8.back(at)));
      REQUIRE(f8.code((at + 7) % 64) == 0x7e);
      REQUIRE(f8.code((at + 8) % 64) == 0xfe);
      REQUIRE(i8.code(at) == 0);
      REQUIRE(i8.code((at + 7) % 64) == 127);
      REQUIRE(i8.code((at + 8) % 64) == 129);
      REQUIRE(i4.code4(at) == 0);
      REQUIRE(i4.code4((at + 7) % 64) == 15);
      REQUIRE(i4.code4((at + 8) % 64) == 0);
      for (std::uint32_t i = 0; i < 64; ++i)
        if (std::isfinite(odd[i])) REQUIRE(i8.back(i) == i8_finite.back(i));
    }
    const std::vector<float> nothing_finite = {nan, inf, -inf, inf};
    RowOf f8(kernels, kF8, nothing_finite), i8(kernels, kI8, nothing_finite), i4(kernels, kGroup, nothing_finite);
    REQUIRE((scale_of(f8.pool, 0) == 0.0f && scale_of(i8.pool, 0) == 0.0f));
    REQUIRE((f8.code(0) == 0x7f && f8.code(1) == 0x7e && f8.code(2) == 0xfe));
    REQUIRE((i8.code(0) == 0 && i8.code(1) == 127 && i8.code(2) == 129));
    REQUIRE((i4.code4(0) == 0 && i4.code4(1) == 15 && i4.code4(2) == 0 && i4.back(1) == 0.0f));
  });
}

TEST_CASE("formats: numbers become numbers of another dtype by rounding once, and their own by copying") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    for (std::uint32_t from : {AKV_DTYPE_F16, AKV_DTYPE_BF16}) {
      Tokens all = every_number(from), same(from, kEveryNumber, kEveryNumber.tokens());
      Tokens floats(AKV_DTYPE_F32, kEveryNumber, kEveryNumber.tokens());
      Pool own(kEveryNumber, {from, AKV_SCALING_NONE}), wide(kEveryNumber, {AKV_DTYPE_F32, AKV_SCALING_NONE});
      write_all(kernels, own, all);
      read_all(kernels, own, same);
      write_all(kernels, wide, all);
      read_all(kernels, wide, floats);
      std::uint32_t wrong = std::memcmp(all.data(), same.data(), 131072) != 0;
      for (std::uint32_t i = 0; i < 65536; ++i) {
        const float x = all.number(i / 64, 0, i % 64), y = floats.number(i / 64, 0, i % 64);
        wrong += std::isnan(x) ? !std::isnan(y) : x != y || std::signbit(x) != std::signbit(y);
      }
      REQUIRE(wrong == 0);
    }
  });
}
