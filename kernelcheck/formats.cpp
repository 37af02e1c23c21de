// formats.cpp: conversions between numbers and codes: every format, dtype, layout and odd size against the plain
// kernels, byte by byte; and timed. What codes must be is in tests/unit/format_codes.cpp.
// It knows the conversion kernels and their arguments.
#include "bench.hpp"
#include "check.hpp"
#include "format_pools.hpp"
#include "subjects.hpp"

#include <algorithm>
#include <numeric>

namespace kernelcheck {
namespace {

using akv::RowFormat;
using test::kFormats, test::kNumbers, test::Layout, test::Shape, test::Tokens;
using StoredPool = test::Pool;

constexpr std::uint32_t kDims[] = {1, 2, 7, 16, 32, 33, 34, 64, 80, 96, 128, 192, 256};

const char *number_name(std::uint32_t dtype) {
  return dtype == AKV_DTYPE_F32 ? "f32" : dtype == AKV_DTYPE_F16 ? "f16" : "bf16";
}
std::string format_name(const RowFormat &format) {
  constexpr const char *dtypes[] = {"", "f32", "f16", "bf16", "e4m3", "int8", "int4"};
  constexpr const char *scalings[] = {"", " by head", "", " by group", " by channel"};
  return std::string(dtypes[format.dtype]) + scalings[format.scaling];
}

struct Case {
  Shape shape;
  RowFormat format;
  std::uint32_t dtype, padding, shift;
  Layout layout;
  StoredPool pool() const { return StoredPool(shape, format, layout, padding, shift); }
  Tokens tokens() const { return Tokens(dtype, shape, shape.tokens(), padding, shift); }
};

Case random_case(Random &random) {
  Case c{};
  c.format = kFormats[random.below(std::size(kFormats))];
  c.dtype = kNumbers[random.below(3)];
  c.shape = {kDims[random.below(std::size(kDims))], 1 + random.below(random.one_in(4) ? 19 : 3), 1u << random.below(7),
             1 + random.below(3), random.below(2)};
  c.shape.head_dim += c.format.dtype == AKV_DTYPE_I4 ? c.shape.head_dim % 2 : 0;
  c.padding = random.below(2) * random.below(4) * 2;
  c.shift = random.one_in(2) ? 0 : random.below(64);
  c.layout = random.one_in(2) ? Layout::kTokensFirst : Layout::kHeadsFirst;
  return c;
}

// A row's exponents lie close to each other; of one row in eight they may be any, NaN and infinity among them.
void fill(Tokens &tokens, Random &random, std::uint64_t count) {
  for (std::uint64_t t = 0; t < count; ++t)
    for (std::uint32_t head = 0; head < tokens.num_heads; ++head) {
      const bool any = random.one_in(8);
      const std::uint32_t bottom = tokens.dtype == AKV_DTYPE_F16 ? 8 + random.below(8) : 90 + random.below(60);
      for (std::uint32_t i = 0; i < tokens.head_dim; ++i) {
        std::uint32_t bits = static_cast<std::uint32_t>(random.next());
        const std::uint32_t exponent = bottom + bits % 7;
        if (!any && tokens.dtype == AKV_DTYPE_F16) bits = (bits & 0x83ffu) | exponent << 10;
        else if (!any) bits = (bits & 0x807fffffu) | exponent << 23;
        if (tokens.dtype == AKV_DTYPE_BF16) bits >>= 16;
        tokens.set_bits(t, head, i, bits);
      }
    }
}

void describe(Checker &checker, const Case &c, const char *doing) {
  checker.describe(number_name(c.dtype), c.layout == Layout::kHeadsFirst ? "HND" : "NHD",
                   "%s %s: %u blocks of %u tokens of %u x %u, padding %u, shift %u, past_caches %u", doing,
                   format_name(c.format).c_str(), c.shape.num_blocks, c.shape.block_tokens, c.shape.num_heads,
                   c.shape.head_dim, c.padding, c.shift, c.shape.past_caches);
}

bool same_pools(Checker &checker, const Variant &variant, const StoredPool &wanted, const StoredPool &now) {
  return checker.same(variant, wanted.codes.data(), now.codes.data(), now.codes.size()) &&
         checker.same(variant, wanted.scale_bytes.data(), now.scale_bytes.data(), now.scale_bytes.size());
}

struct Where {
  std::vector<std::int32_t> blocks;
  std::vector<std::int64_t> slots;
  std::uint32_t first, count;
  Where(Random &random, const Case &c) : blocks(test::all_blocks(c.shape)) {
    std::reverse(blocks.begin(), blocks.end());
    const auto tokens = static_cast<std::uint32_t>(c.shape.tokens());
    first = random.below(tokens);
    count = 1 + random.below(tokens - first);
    for (std::uint32_t i = 0; i < tokens; ++i)
      slots.push_back(random.one_in(6) ? -1 : std::int64_t{(i * 5 + first) % tokens});
  }
};

void check_write(Checker &checker, Random &random) {
  const Case c = random_case(random);
  const Where where(random, c);
  StoredPool wanted = c.pool();
  Tokens in = c.tokens();
  fill(in, random, c.shape.tokens());
  const bool channel = c.format.scaling == AKV_SCALING_CHANNEL, slots = !channel && random.one_in(2);
  const auto write = [&](const akv::FormatKernels &kernels, StoredPool &pool) {
    for (std::size_t i = 0; i < pool.head_scales.size(); ++i) pool.head_scales[i] = 0.02f * static_cast<float>(i + 1);
    const akv::ElementShape shape = c.shape.element_shape();
    if (slots) kernels.write_slots({pool.elements(), in.elements(), shape, where.slots.data(), where.slots.size()});
    else if (channel)
      kernels.scatter({pool.elements(), in.elements(), shape, where.blocks.data(), 0, c.shape.tokens()});
    else kernels.scatter({pool.elements(), in.elements(), shape, where.blocks.data(), where.first, where.count});
  };
  write(akv::plain_kernels.format, wanted);
  describe(checker, c, slots ? "slots to" : "span to");
  for (const Variant &variant : checker.variants()) {
    StoredPool now = c.pool();
    write(variant.kernels->format, now);
    if (!same_pools(checker, variant, wanted, now)) return;
  }
}

void check_read(Checker &checker, Random &random) {
  const Case c = random_case(random);
  const Where where(random, c);
  StoredPool pool = c.pool();
  Tokens in = c.tokens(), wanted = c.tokens();
  fill(in, random, c.shape.tokens());
  test::write_all(akv::plain_kernels.format, pool, in);
  const bool slots = random.one_in(2);
  const auto read = [&](const akv::FormatKernels &kernels, Tokens &out) {
    const akv::ElementShape shape = c.shape.element_shape();
    if (slots) kernels.read_slots({pool.elements(), out.elements(), shape, where.slots.data(), where.slots.size()});
    else kernels.gather({pool.elements(), out.elements(), shape, where.blocks.data(), where.first, where.count});
  };
  read(akv::plain_kernels.format, wanted);
  describe(checker, c, slots ? "slots from" : "span from");
  for (const Variant &variant : checker.variants()) {
    Tokens now = c.tokens();
    read(variant.kernels->format, now);
    if (!checker.same(variant, wanted.bytes.data(), now.bytes.data(), now.bytes.size())) return;
  }
}

void check_blocks(Checker &checker, Random &random) {
  Case a = random_case(random), b = random_case(random);
  a.shape.head_dim += a.shape.head_dim % 2;
  b.shape = a.shape;
  StoredPool from = a.pool(), wanted = b.pool();
  Tokens in = a.tokens();
  fill(in, random, a.shape.tokens());
  test::write_all(akv::plain_kernels.format, from, in);
  std::vector<akv::BlockCopy> copies;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(a.shape.num_blocks); ++i)
    copies.push_back({i, i, 0, static_cast<std::uint16_t>(a.shape.block_tokens), 0, 0});
  const auto convert = [&](const akv::FormatKernels &kernels, StoredPool &to) {
    kernels.convert_blocks({from.elements(), to.elements(), a.shape.element_shape(), copies.data(), copies.size()});
  };
  convert(akv::plain_kernels.format, wanted);
  describe(checker, b, (format_name(a.format) + " to").c_str());
  for (const Variant &variant : checker.variants()) {
    StoredPool now = b.pool();
    convert(variant.kernels->format, now);
    if (!same_pools(checker, variant, wanted, now)) return;
  }
}

void check(Checker &checker) {
  checker.shapes("write_slots, scatter", 1500, [&](Random &random) { check_write(checker, random); });
  checker.shapes("read_slots, gather", 1500, [&](Random &random) { check_read(checker, random); });
  checker.shapes("convert_blocks", 1000, [&](Random &random) { check_blocks(checker, random); });
}

// -- timed --

// 8 KV heads in blocks of 32 tokens, all over a buffer; numbers in the other.
struct TimedPool {
  RowFormat format;
  std::uint32_t head_dim;
  std::vector<unsigned char, test::OnLines<unsigned char>> scales;
  akv::PoolElements elements{};
  std::vector<std::int32_t> order;
  std::uint64_t tokens = 0, bytes = 0;  // scales are among them

  TimedPool(unsigned char *data, std::uint64_t size, const RowFormat &f, std::uint32_t dim, std::uint32_t number_bits)
      : format(f), head_dim(dim) {
    const std::int64_t row = std::int64_t{dim} * test::bits_of(f.dtype) / 8,
                       share = test::scale_bytes(f, {dim, 8, 32, 1});
    const auto widest = std::max<std::uint64_t>(static_cast<std::uint64_t>(row), dim * number_bits / 8);
    const std::uint64_t blocks = size / (widest * 8 * 32);
    tokens = blocks * 32;
    scales.resize(static_cast<std::size_t>(share) * 8 * tokens);
    elements.rows = {data, row * 8 * 32, row * 8, row};
    elements.scales = {share == 0 ? nullptr : scales.data(), share * 8 * 32, share * 8, share};
    elements.format = f;
    bytes = tokens * 8 * static_cast<std::uint64_t>(row + share);
    order.resize(blocks);
    std::iota(order.begin(), order.end(), 0);
    Random random(7);
    for (std::uint32_t i = static_cast<std::uint32_t>(blocks); i > 1; --i)
      std::swap(order[i - 1], order[random.below(i)]);
  }
};

// Numbers as they are: a sum of uniform ones is near enough to normal.
void fill_numbers(unsigned char *to, std::uint64_t count, std::uint32_t dtype) {
  Random random(11);
  for (std::uint64_t i = 0; i < count; ++i) {
    const float x = (random.real() + random.real() + random.real() - 1.5f) * 2.0f;
    std::uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if (dtype == AKV_DTYPE_BF16) {
      const auto half = static_cast<std::uint16_t>(bits >> 16);
      std::memcpy(to + 2 * i, &half, 2);
    } else std::memcpy(to + 4 * i, &bits, 4);
  }
}

void time_format(Bench &bench, const RowFormat &format, std::uint32_t dtype, std::uint32_t head_dim, bool write,
                 Targets targets) {
  TimedPool pool(write ? bench.to() : bench.from(), bench.size(), format, head_dim, test::bits_of(dtype));
  const std::int64_t row = std::int64_t{head_dim} * test::bits_of(dtype) / 8;
  unsigned char *numbers = write ? bench.from() : bench.to();
  const std::uint64_t elements = pool.tokens * 8 * head_dim, number_bytes = elements * test::bits_of(dtype) / 8;
  const auto run = [&](const akv::Kernels &kernels, std::uint64_t first, std::uint64_t end, bool to_pool) {
    const akv::TokenElements outside{
        {numbers + static_cast<std::int64_t>(first) * 32 * 8 * row, 8 * row, row}, dtype, 0};
    (to_pool ? kernels.format.scatter : kernels.format.gather)(
        {pool.elements, outside, {head_dim, 8, 32, 1}, pool.order.data() + first, 0, (end - first) * 32});
  };
  // Codes of numbers, not of chance: what is read has been written.
  fill_numbers(numbers, elements, dtype);
  if (!write) run(akv::plain_kernels, 0, pool.order.size(), true);
  const std::string stored = format_name(format) + (head_dim == 128 ? "" : ", dim " + std::to_string(head_dim));
  bench.time(
      {write ? number_name(dtype) + (" to " + stored) : stored + " to " + number_name(dtype), Yardstick::copy,
       write ? number_bytes : pool.bytes, write ? pool.bytes : number_bytes, pool.order.size(),
       [&](const akv::Kernels &kernels, std::uint64_t first, std::uint64_t end) { run(kernels, first, end, write); },
       targets});
}

void bench(Bench &bench) {
  constexpr RowFormat e4m3{AKV_DTYPE_F8_E4M3, AKV_SCALING_TOKEN_HEAD}, int8{AKV_DTYPE_I8, AKV_SCALING_TOKEN_HEAD},
      e4m3_head{AKV_DTYPE_F8_E4M3, AKV_SCALING_HEAD}, group{AKV_DTYPE_I4, AKV_SCALING_TOKEN_GROUP},
      channel{AKV_DTYPE_I4, AKV_SCALING_CHANNEL}, f32{AKV_DTYPE_F32, AKV_SCALING_NONE};
  for (const std::uint32_t dim : {128u, 64u, 80u}) {
    const bool llama = dim == 128;
    time_format(bench, int8, AKV_DTYPE_BF16, dim, true, llama ? Targets{0.50, 0.85, 0.85} : Targets{});
    time_format(bench, e4m3, AKV_DTYPE_BF16, dim, true, llama ? Targets{0.35, 0.70, 0.85} : Targets{});
    time_format(bench, int8, AKV_DTYPE_BF16, dim, false, llama ? Targets{0.70, 0.85, 0.85} : Targets{});
    time_format(bench, e4m3, AKV_DTYPE_BF16, dim, false, llama ? Targets{0.55, 0.85, 0.85} : Targets{});
    time_format(bench, group, AKV_DTYPE_BF16, dim, false, llama ? Targets{0.50, 0.85, 0.85} : Targets{});
    time_format(bench, channel, AKV_DTYPE_BF16, dim, false, llama ? Targets{0.50, 0.85, 0.85} : Targets{});
  }
  time_format(bench, e4m3_head, AKV_DTYPE_BF16, 128, true, {});
  time_format(bench, group, AKV_DTYPE_BF16, 128, true, {});
  time_format(bench, channel, AKV_DTYPE_BF16, 128, true, {});
  time_format(bench, int8, AKV_DTYPE_F32, 128, true, {});
  time_format(bench, int8, AKV_DTYPE_F32, 128, false, {});
  time_format(bench, f32, AKV_DTYPE_BF16, 128, true, {});
  time_format(bench, f32, AKV_DTYPE_BF16, 128, false, {});
}

}  // namespace

const Subject formats = {"formats", &check, &bench};

}  // namespace kernelcheck
