// format_kernels.cpp: kernels that convert: each instruction set against the plain one, byte by byte, over random
// shapes, layouts and alignments; and what must be the same however it is asked for. It knows the kernels' table; not
// how codes are made.
#include <sys/mman.h>

#include <algorithm>

#include "catch.hpp"
#include "kernelcheck/format_pools.hpp"

using namespace test;

namespace {

constexpr std::uint32_t kDims[] = {1, 2, 6, 7, 16, 32, 33, 34, 64, 66, 80, 96, 128, 192, 256};

struct Random {
  std::mt19937 engine;
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine() % limit); }
  template <class T, std::size_t N>
  T one_of(const T (&all)[N]) {
    return all[below(N)];
  }
  bool chance(std::uint32_t in) { return below(in) == 0; }

  // Mostly plain numbers, in rows of very different magnitudes; here and there what a float can be.
  void fill(Tokens &tokens, std::uint64_t count) {
    std::normal_distribution<float> normal;
    for (std::uint64_t t = 0; t < count; ++t)
      for (std::uint32_t head = 0; head < tokens.num_heads; ++head) {
        const bool odd = chance(12), zero = chance(20);
        const float size = std::ldexp(1.0f, static_cast<int>(below(odd ? 250 : 20)) - (odd ? 125 : 10));
        for (std::uint32_t i = 0; i < tokens.head_dim; ++i) {
          const float x = zero ? -0.0f : normal(engine) * size;
          std::uint32_t bits;
          std::memcpy(&bits, &x, 4);
          if (odd && chance(10)) bits = static_cast<std::uint32_t>(engine());
          if (odd && chance(30)) bits = one_of({0x7f800000u, 0xff800000u, 0x7fc00000u, 0x80000000u, 1u, 0x7f7fffffu});
          if (tokens.dtype == AKV_DTYPE_BF16) bits >>= 16;
          if (tokens.dtype == AKV_DTYPE_F16) {
            const float small = std::clamp(x / size, -8.0f, 8.0f);
            bits = odd && chance(8) ? static_cast<std::uint32_t>(engine()) & 0xffffu : half_near(small);
          }
          tokens.set_bits(t, head, i, bits);
        }
      }
  }
  static std::uint32_t half_near(float x) {  // cut off: which of two is no matter
    int exponent = 0;
    const float fraction = std::frexp(std::abs(x), &exponent);
    if (fraction == 0 || exponent < -13) return 0;
    const auto bits = static_cast<std::uint32_t>(fraction * 2048) - 1024u;
    return (std::signbit(x) ? 0x8000u : 0u) | static_cast<std::uint32_t>(exponent + 14) << 10 | bits;
  }
};

struct Case {
  Shape shape;
  RowFormat format;
  std::uint32_t dtype, padding, shift;
  Layout layout;
  Pool pool() const { return Pool(shape, format, layout, padding, shift); }
  Tokens tokens() const { return Tokens(dtype, shape, shape.tokens(), padding, shift); }
  bool by_channel() const { return format.scaling == AKV_SCALING_CHANNEL; }
};

Case random_case(Random &random) {
  Case c{};
  c.format = random.one_of(kFormats);
  c.dtype = random.one_of(kNumbers);
  c.shape = {random.one_of(kDims), 1 + random.below(random.chance(4) ? 19 : 3), 1u << random.below(7),
             1 + random.below(3)};
  if (c.format.dtype == AKV_DTYPE_I4) c.shape.head_dim += c.shape.head_dim % 2;
  c.shape.past_caches = random.below(2);
  c.padding = random.below(2) * random.below(4) * 2;
  c.shift = random.below(3);
  c.layout = random.chance(2) ? Layout::kTokensFirst : Layout::kHeadsFirst;
  return c;
}

void scale_heads(Pool &pool) {
  for (std::size_t i = 0; i < pool.head_scales.size(); ++i) pool.head_scales[i] = 0.02f * static_cast<float>(i + 1);
}

std::vector<std::int64_t> random_slots(Random &random, const Case &c) {
  std::vector<std::int64_t> slots(c.shape.tokens());
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<std::int64_t>(i);
  if (random.chance(2)) std::shuffle(slots.begin(), slots.end(), random.engine);
  for (auto &slot : slots)
    if (random.chance(6)) slot = -1 - static_cast<std::int64_t>(random.below(3));
  return slots;
}

const akv::FormatKernels &plain() { return akv::plain_kernels.format; }

}  // namespace

TEST_CASE("formats: A11 every instruction set writes and reads the bytes that the plain kernels do, and no other") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    Random random{std::mt19937(3)};
    for (int round = 0; round < 1500; ++round) {
      const Case c = random_case(random);
      CAPTURE(round, c.format.dtype, c.format.scaling, c.dtype, c.shape.head_dim, c.shape.num_heads);
      Pool wanted = c.pool(), now = c.pool();
      Tokens in = c.tokens(), back_wanted = c.tokens(), back = c.tokens();
      scale_heads(wanted), scale_heads(now);
      random.fill(in, c.shape.tokens());
      const akv::ElementShape shape = c.shape.element_shape();
      const auto slots = random_slots(random, c);
      auto blocks = all_blocks(c.shape);
      std::reverse(blocks.begin(), blocks.end());
      const auto tokens = static_cast<std::uint32_t>(c.shape.tokens());
      std::uint32_t first = random.below(tokens), count = 1 + random.below(tokens - first);
      if (c.by_channel() || random.chance(2)) first = 0, count = tokens;
      if (c.by_channel() || random.chance(2)) {
        plain().scatter({wanted.elements(), in.elements(), shape, blocks.data(), first, count});
        kernels.scatter({now.elements(), in.elements(), shape, blocks.data(), first, count});
      } else {
        plain().write_slots({wanted.elements(), in.elements(), shape, slots.data(), slots.size()});
        kernels.write_slots({now.elements(), in.elements(), shape, slots.data(), slots.size()});
      }
      REQUIRE(now.codes == wanted.codes);
      REQUIRE(now.scale_bytes == wanted.scale_bytes);
      if (random.chance(2)) {
        plain().gather({wanted.elements(), back_wanted.elements(), shape, blocks.data(), first, count});
        kernels.gather({wanted.elements(), back.elements(), shape, blocks.data(), first, count});
      } else {
        plain().read_slots({wanted.elements(), back_wanted.elements(), shape, slots.data(), slots.size()});
        kernels.read_slots({wanted.elements(), back.elements(), shape, slots.data(), slots.size()});
      }
      REQUIRE(back.bytes == back_wanted.bytes);
    }
  });
}

TEST_CASE("formats: A11 blocks between pools of any two formats: the same on every instruction set") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    Random random{std::mt19937(4)};
    for (int round = 0; round < 700; ++round) {
      Case a = random_case(random), b = random_case(random);
      if (a.format.dtype == AKV_DTYPE_I4 || b.format.dtype == AKV_DTYPE_I4) a.shape.head_dim += a.shape.head_dim % 2;
      b.shape = a.shape;
      CAPTURE(round, a.format.dtype, a.format.scaling, b.format.dtype, b.format.scaling, a.shape.head_dim);
      Pool from = a.pool(), wanted = b.pool(), now = b.pool(), through = b.pool();
      scale_heads(from), scale_heads(wanted), scale_heads(now), scale_heads(through);
      Tokens in(a.dtype, a.shape, a.shape.tokens()), floats(AKV_DTYPE_F32, a.shape, a.shape.tokens());
      random.fill(in, a.shape.tokens());
      write_all(plain(), from, in);
      std::vector<akv::BlockCopy> copies;
      const bool part = !a.by_channel() && !b.by_channel() && random.chance(2);
      for (std::int32_t i = 0; i < static_cast<std::int32_t>(a.shape.num_blocks); ++i) {
        const auto first = static_cast<std::uint16_t>(part ? random.below(a.shape.block_tokens) : 0);
        copies.push_back({i, i, first, static_cast<std::uint16_t>(a.shape.block_tokens - first), 0, 0});
      }
      const akv::ElementShape shape = a.shape.element_shape();
      plain().convert_blocks({from.elements(), wanted.elements(), shape, copies.data(), copies.size()});
      kernels.convert_blocks({from.elements(), now.elements(), shape, copies.data(), copies.size()});
      REQUIRE(now.codes == wanted.codes);
      REQUIRE(now.scale_bytes == wanted.scale_bytes);
      const bool same_meaning = a.format.dtype == b.format.dtype && a.format.scaling == b.format.scaling;
      if (part || same_meaning) continue;
      read_all(kernels, from, floats);  // blocks are what tokens would be, read and written
      write_all(kernels, through, floats);
      REQUIRE(through.codes == now.codes);
      REQUIRE(through.scale_bytes == now.scale_bytes);
    }
  });
}

TEST_CASE("formats: between pools of one format codes and scales are copied, whatever the layouts") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    Random random{std::mt19937(5)};
    for (const RowFormat &format : kFormats)
      for (std::uint32_t block_tokens : {16u, 64u}) {
        const Shape shape{96, 3, block_tokens, 4};
        Pool nhd(shape, format), hnd(shape, format, Layout::kHeadsFirst, 2), back(shape, format);
        Tokens in(AKV_DTYPE_BF16, shape, shape.tokens());
        random.fill(in, shape.tokens());
        write_all(kernels, nhd, in);
        std::vector<akv::BlockCopy> there, here;
        const auto all = static_cast<std::uint16_t>(block_tokens);
        for (std::int32_t i = 0; i < 4; ++i)
          there.push_back({i, 3 - i, 0, all, 0, 0}), here.push_back({3 - i, i, 0, all, 0, 0});
        // The pools' scales are two vectors: what they mean is the same because they are one.
        akv::PoolElements a = nhd.elements(), b = hnd.elements(), c = back.elements();
        b.head_scales = c.head_scales = a.head_scales;
        kernels.convert_blocks({a, b, shape.element_shape(), there.data(), 4});
        kernels.convert_blocks({b, c, shape.element_shape(), here.data(), 4});
        REQUIRE(std::memcmp(nhd.code_row(0, 0), back.code_row(0, 0),
                            static_cast<std::size_t>(nhd.rows.block_stride) * 4) == 0);
        REQUIRE(nhd.scale_bytes == back.scale_bytes);
      }
  });
}

TEST_CASE("formats: D5 tokens appended one by one have the codes and scales of all written at once") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    Random random{std::mt19937(6)};
    for (const RowFormat &format : kFormats)
      for (std::uint32_t head_dim : {64u, 80u, 128u, 34u}) {
        if (format.scaling == AKV_SCALING_CHANNEL) continue;
        const Shape shape{head_dim, 5, 16, 4};
        Pool bulk(shape, format), one_by_one(shape, format);
        Tokens in(AKV_DTYPE_BF16, shape, shape.tokens());
        random.fill(in, shape.tokens());
        write_all(kernels, bulk, in);
        for (std::uint32_t i = 0; i < shape.tokens(); ++i) {
          const std::int64_t slot = i * 37 % 64;  // in any order
          akv::TokenElements token = in.elements();
          token.rows.data = in.row(static_cast<std::uint64_t>(slot), 0);
          kernels.write_slots({one_by_one.elements(), token, shape.element_shape(), &slot, 1});
        }
        REQUIRE(bulk.codes == one_by_one.codes);
        REQUIRE(bulk.scale_bytes == one_by_one.scale_bytes);
      }
  });
}

TEST_CASE("formats: any range of tokens reads as it does within all") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    Random random{std::mt19937(7)};
    for (const RowFormat &format : kFormats) {
      const Shape shape{80, 14, 64, 3};
      Pool pool(shape, format);
      Tokens in(AKV_DTYPE_F32, shape, shape.tokens()), all(AKV_DTYPE_F16, shape, shape.tokens());
      random.fill(in, shape.tokens());
      write_all(kernels, pool, in);
      read_all(kernels, pool, all);
      const auto blocks = all_blocks(shape);
      for (int round = 0; round < 60; ++round) {
        const std::uint32_t first = random.below(192), count = 1 + random.below(192 - first);
        Tokens some(AKV_DTYPE_F16, shape, count), slotted(AKV_DTYPE_F16, shape, count);
        std::vector<std::int64_t> slots(count);
        for (std::uint32_t i = 0; i < count; ++i) slots[i] = first + i;
        kernels.gather({pool.elements(), some.elements(), shape.element_shape(), blocks.data(), first, count});
        kernels.read_slots({pool.elements(), slotted.elements(), shape.element_shape(), slots.data(), count});
        REQUIRE(std::memcmp(some.data(), all.row(first, 0), static_cast<std::size_t>(some.token_stride) * count) == 0);
        REQUIRE(some.bytes.size() == slotted.bytes.size());
        REQUIRE(std::memcmp(some.data(), slotted.data(), static_cast<std::size_t>(some.token_stride) * count) == 0);
      }
    }
  });
}

TEST_CASE("formats: what goes past the caches, and heads longer than a tile, are the same bytes") {
  for_each_isa([](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    Random random{std::mt19937(8)};
    const Shape shape{128, 8, 64, 20, 1}, through_caches{128, 8, 64, 20};
    Tokens in(AKV_DTYPE_BF16, shape, shape.tokens()), all(AKV_DTYPE_BF16, shape, shape.tokens()), some = all;
    for (auto &byte : in.bytes) byte = static_cast<unsigned char>(random.engine());
    for (const RowFormat &format : kFormats) {
      Pool large(shape, format), small(through_caches, format);
      write_all(kernels, large, in);
      read_all(kernels, large, all);
      const auto blocks = all_blocks(shape);
      for (std::uint32_t i = 0; i < shape.num_blocks; ++i) {
        akv::TokenElements from = in.elements(), to = some.elements();
        from.rows.data = in.row(i * 64, 0);
        to.rows.data = some.row(i * 64, 0);
        kernels.scatter({small.elements(), from, through_caches.element_shape(), &blocks[i], 0, 64});
        kernels.gather({small.elements(), to, through_caches.element_shape(), &blocks[i], 0, 64});
      }
      const auto bytes = static_cast<std::size_t>(large.rows.block_stride) * shape.num_blocks;
      REQUIRE(std::memcmp(large.code_row(0, 0), small.code_row(0, 0), bytes) == 0);
      REQUIRE(large.scale_bytes == small.scale_bytes);
      REQUIRE(std::memcmp(all.data(), some.data(), static_cast<std::size_t>(all.token_stride) * shape.tokens()) == 0);
    }
    const Shape longest{10000, 2, 4, 1};
    for (const RowFormat &format : kFormats) {
      Pool from(longest, kFormats[5]), to(longest, format), through(longest, format);
      Tokens row(AKV_DTYPE_F32, longest, 4), floats(AKV_DTYPE_F32, longest, 4);
      random.fill(row, 4);
      write_all(kernels, from, row);
      read_all(kernels, from, floats);
      const akv::BlockCopy copy{0, 0, 0, 4, 0, 0};
      kernels.convert_blocks({from.elements(), to.elements(), longest.element_shape(), &copy, 1});
      write_all(kernels, through, floats);
      if (&format != &kFormats[5]) REQUIRE((to.codes == through.codes && to.scale_bytes == through.scale_bytes));
    }
  });
}

TEST_CASE("formats: offsets beyond 2^31 elements and 2^32 bytes") {
  constexpr std::uint64_t kBlock = std::uint64_t{3} << 30, kAll = 4 * kBlock;
  void *sparse = mmap(nullptr, kAll, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (sparse == MAP_FAILED) {
    WARN("no address space for 12 GiB here: skipped");
    return;
  }
  for_each_isa([sparse](const akv::FormatKernels &kernels, const char *name) {
    INFO(name);
    const Shape shape{64, 1, 1, 4};
    for (const RowFormat &format : kFormats) {
      Tokens in(AKV_DTYPE_F32, shape, 4), out(AKV_DTYPE_F32, shape, 4), wanted(AKV_DTYPE_F32, shape, 4);
      for (std::uint32_t i = 0; i < 256; ++i) in.set(i / 64, 0, i % 64, static_cast<float>(i));
      Pool near(shape, format);
      akv::PoolElements far = near.elements();
      far.rows = {static_cast<unsigned char *>(sparse), static_cast<std::int64_t>(kBlock), 0, 0};
      const std::int64_t slots[] = {3, 0, 2, 1};
      if (format.scaling == AKV_SCALING_CHANNEL) continue;
      kernels.write_slots({far, in.elements(), shape.element_shape(), slots, 4});
      kernels.read_slots({far, out.elements(), shape.element_shape(), slots, 4});
      kernels.write_slots({near.elements(), in.elements(), shape.element_shape(), slots, 4});
      kernels.read_slots({near.elements(), wanted.elements(), shape.element_shape(), slots, 4});
      REQUIRE(std::memcmp(out.data(), wanted.data(), 1024) == 0);
      REQUIRE(std::memcmp(far.rows.data + 3 * kBlock, near.code_row(3, 0), 64 * bits_of(format.dtype) / 8) == 0);
    }
  });
  munmap(sparse, kAll);
}
