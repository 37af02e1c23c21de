// copies.cpp: rows moved as they are, against a loop over single rows that knows nothing of neighbours: of any size,
// stride and place, in one pool and between two, through the caches and past them.
// It knows the copy kernels and their arguments.
#include "bench.hpp"
#include "check.hpp"
#include "subjects.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

namespace kernelcheck {
namespace {

using akv::BlockArguments, akv::BlockCopy, akv::PoolRows, akv::RowShape, akv::SlotArguments, akv::SpanArguments,
    akv::TokenRows;

using Memory = std::vector<unsigned char>;
constexpr std::uint32_t kBlocks = 7;

std::size_t place(const PoolRows &pool, std::int64_t block, std::int64_t token, std::int64_t head) {
  return static_cast<std::size_t>(block * pool.block_stride + token * pool.token_stride + head * pool.head_stride);
}

// Mostly of few bytes; some of many, so that every loop in a kernel is gone through.
RowShape random_shape(Random &random) {
  RowShape shape{1 + random.below(80), 1 + random.below(4), 1 + random.below(5)};
  if (random.one_in(3)) shape.row_bytes = 1 + random.below(1200);
  if (random.one_in(6)) shape.row_bytes = 64u << random.below(4);
  if (random.one_in(12)) shape.row_bytes = 4096 + random.below(9000);
  return shape;
}

const char *layout_name(const PoolRows &pool) { return pool.head_stride > pool.token_stride ? "HND" : "NHD"; }

// Strides in one of both orders, packed or padded; its data is nullptr + where it starts.
PoolRows random_pool(Random &random, const RowShape &shape, std::size_t &size) {
  std::uint64_t step = shape.row_bytes + random.below(2) * random.below(70);
  PoolRows pool{nullptr, 0, 0, 0};
  const auto take = [&](std::int64_t &stride, std::uint64_t count) {
    stride = static_cast<std::int64_t>(step);
    step = step * count + (random.one_in(3) ? random.below(70) : 0);
  };
  const bool tokens_first = random.one_in(2);
  if (tokens_first) take(pool.token_stride, shape.block_tokens);
  take(pool.head_stride, shape.num_heads);
  if (!tokens_first) take(pool.token_stride, shape.block_tokens);
  take(pool.block_stride, kBlocks);
  size = step;
  return pool;
}

// Memory that starts anywhere in a line.
struct Placed {
  Memory memory;
  std::size_t skip;
  Placed(const Memory &content, std::size_t at) : memory(content.size() + at), skip(at) {
    std::memcpy(memory.data() + skip, content.data(), content.size());
  }
  unsigned char *data() { return memory.data() + skip; }
};

// -- slots and spans --

struct Tokens {
  RowShape shape;
  std::size_t pool_size = 0;  // before what sets it
  PoolRows pool;
  TokenRows rows;
  std::int64_t lowest = 0;  // where rows start, of rows that run backwards
  std::size_t size = 0;
  std::vector<std::int32_t> blocks;
  std::uint32_t first = 0, count = 0;
  std::vector<std::int64_t> slots;

  Tokens(Random &random, bool span) : shape(random_shape(random)), pool(random_pool(random, shape, pool_size)) {
    const std::uint32_t all = kBlocks * shape.block_tokens;
    count = random.below(all + 1);
    first = random.below(all - count + 1);
    const auto head = static_cast<std::int64_t>(shape.row_bytes + random.below(2) * random.below(40));
    const std::int64_t token = head * shape.num_heads + random.below(2) * random.below(40);
    const bool backwards = random.one_in(8);
    rows = {nullptr, backwards ? -token : token, head};
    size = static_cast<std::size_t>(token) * count + 1;
    if (backwards && count != 0) lowest = token * (count - 1);
    blocks.resize(kBlocks);
    std::iota(blocks.begin(), blocks.end(), 0);
    if (random.one_in(2))
      for (std::uint32_t i = kBlocks; i > 1; --i) std::swap(blocks[i - 1], blocks[random.below(i)]);
    for (std::uint32_t i = first; i < first + count; ++i) {
      slots.push_back(std::int64_t{blocks[i / shape.block_tokens]} * shape.block_tokens + i % shape.block_tokens);
      if (!span && random.one_in(5)) slots.back() = -1 - std::int64_t{random.below(9)};
    }
  }

  void move_rows(bool write, unsigned char *inside, unsigned char *outside) const {
    for (std::uint32_t i = 0; i < count; ++i)
      for (std::uint32_t head = 0; slots[i] >= 0 && head < shape.num_heads; ++head) {
        unsigned char *in = inside + place(pool, slots[i] / shape.block_tokens, slots[i] % shape.block_tokens, head);
        unsigned char *out = outside + lowest + i * rows.token_stride + head * rows.head_stride;
        std::memcpy(write ? in : out, write ? out : in, shape.row_bytes);
      }
  }
};

void check_tokens(Checker &checker, Random &random, bool span, bool write) {
  const Tokens tokens(random, span);
  const Memory pool = random.bytes(tokens.pool_size), outside = random.bytes(tokens.size);
  Memory pool_wanted = pool, outside_wanted = outside;
  tokens.move_rows(write, pool_wanted.data(), outside_wanted.data());
  const std::uint32_t past = random.below(2), pool_skip = random.below(64), skip = random.below(64);
  checker.describe("bytes", layout_name(tokens.pool), "%u tokens of %u x %llu, blocks of %u, past_caches %u",
                   tokens.count, tokens.shape.num_heads, static_cast<unsigned long long>(tokens.shape.row_bytes),
                   tokens.shape.block_tokens, past);
  for (const Variant &variant : checker.variants()) {
    Placed pool_now(pool, pool_skip), outside_now(outside, skip);
    PoolRows inside = tokens.pool;
    TokenRows rows = tokens.rows;
    inside.data = pool_now.data();
    rows.data = outside_now.data() + tokens.lowest;
    const akv::CopyKernels &copy = variant.kernels->copy;
    if (span)
      (write ? copy.scatter
             : copy.gather)({inside, rows, tokens.shape, tokens.blocks.data(), tokens.first, tokens.count, past, 0});
    else
      (write ? copy.write_slots
             : copy.read_slots)({inside, rows, tokens.shape, tokens.slots.data(), tokens.count, past, 0});
    if (!checker.same(variant, pool_wanted.data(), pool_now.data(), pool.size())) return;
    if (!checker.same(variant, outside_wanted.data(), outside_now.data(), outside.size())) return;
  }
}

// -- lists of blocks --

std::vector<BlockCopy> random_copies(Random &random, const RowShape &shape, std::int32_t limit) {
  std::vector<BlockCopy> copies;
  const bool in_order = random.one_in(2);
  const auto blocks = static_cast<std::uint32_t>(limit);
  const std::uint32_t distance = random.below(blocks), count = random.below(2 * blocks);
  for (std::uint32_t i = 0; i < count; ++i) {
    BlockCopy copy{static_cast<std::int32_t>(random.below(blocks)),
                   static_cast<std::int32_t>(random.below(blocks)),
                   0,
                   static_cast<std::uint16_t>(shape.block_tokens),
                   0,
                   0};
    if (in_order) copy.from = static_cast<std::int32_t>(i % blocks), copy.to = copy.from + 1;
    if (in_order) copy.to = static_cast<std::int32_t>((i + distance) % blocks);
    if (random.one_in(5)) copy.from = -1;
    if (random.one_in(5)) {
      copy.first_token = static_cast<std::uint16_t>(random.below(shape.block_tokens));
      copy.num_tokens = static_cast<std::uint16_t>(random.below(shape.block_tokens - copy.first_token + 1u));
    }
    copies.push_back(copy);
  }
  return copies;
}

// In the order of the list: within one pool a copy hands on what another one wrote. `last`: a byte that holds at the
// end what it was made of, and where; SIZE_MAX: there is none.
void copy_rows(const BlockArguments &a, std::size_t &last) {
  last = SIZE_MAX;
  for (std::uint64_t i = 0; i < a.num_copies; ++i)
    for (std::int64_t t = a.copies[i].first_token; t < a.copies[i].first_token + a.copies[i].num_tokens; ++t)
      for (std::uint32_t head = 0; head < a.shape.num_heads; ++head) {
        const std::size_t target = place(a.to, a.copies[i].to, t, head);
        if (a.copies[i].from < 0) std::memset(a.to.data + target, 0, a.shape.row_bytes);
        else
          std::memmove(a.to.data + target, a.from.data + place(a.from, a.copies[i].from, t, head), a.shape.row_bytes);
        if (a.copies[i].from >= 0) last = target + a.shape.row_bytes - 1;
      }
}

void check_blocks(Checker &checker, Random &random) {
  const RowShape shape = random_shape(random);
  std::size_t from_size = 0, to_size = 0;
  PoolRows from = random_pool(random, shape, from_size), to = random_pool(random, shape, to_size);
  const bool within = random.one_in(2), same_layout = within || random.one_in(2);
  if (same_layout) to = from, to_size = from_size;
  const Memory source = random.bytes(from_size), target = random.bytes(to_size);
  const std::vector<BlockCopy> copies = random_copies(random, shape, kBlocks);
  const std::uint32_t past = random.below(2), from_skip = random.below(64), to_skip = random.below(64);
  const auto arguments = [&](Memory &, unsigned char *from_data, unsigned char *to_data) {
    from.data = within ? to_data : from_data;
    to.data = to_data;
    return BlockArguments{from, to, shape, copies.data(), copies.size(), past, 0};
  };
  Memory source_wanted = source, wanted = target;
  std::size_t last = 0;
  copy_rows(arguments(source_wanted, source_wanted.data(), wanted.data()), last);
  checker.describe("bytes", layout_name(from), "to %s, %zu copies %s of %u tokens of %u x %llu, past_caches %u",
                   layout_name(to), copies.size(), within ? "within a pool" : "between pools", shape.block_tokens,
                   shape.num_heads, static_cast<unsigned long long>(shape.row_bytes), past);
  for (const Variant &variant : checker.variants()) {
    Placed source_now(source, from_skip), now(target, to_skip);
    const BlockArguments a = arguments(source_now.memory, source_now.data(), now.data());
    variant.kernels->copy.copy_blocks(a);
    if (!checker.same(variant, wanted.data(), now.data(), to_size)) return;
    if (!checker.same(variant, source.data(), source_now.data(), from_size)) return;
  }
}

// Where each target is written once: the copies are the same as their sources, and a changed byte is seen.
void check_sameness(Checker &checker, Random &random) {
  const RowShape shape = random_shape(random);
  std::size_t from_size = 0, to_size = 0;
  PoolRows from = random_pool(random, shape, from_size), to = random_pool(random, shape, to_size);
  std::vector<BlockCopy> copies = random_copies(random, shape, kBlocks);
  std::sort(copies.begin(), copies.end(), [](const BlockCopy &a, const BlockCopy &b) { return a.to < b.to; });
  copies.erase(std::unique(copies.begin(), copies.end(), [](auto &a, auto &b) { return a.to == b.to; }), copies.end());
  Memory source = random.bytes(from_size), target = random.bytes(to_size);
  from.data = source.data();
  to.data = target.data();
  const BlockArguments a{from, to, shape, copies.data(), copies.size(), 0, 0};
  std::size_t last = 0;
  copy_rows(a, last);
  checker.describe("bytes", layout_name(from), "to %s, %zu copies of %u tokens of %u x %llu", layout_name(to),
                   copies.size(), shape.block_tokens, shape.num_heads,
                   static_cast<unsigned long long>(shape.row_bytes));
  for (const Variant &variant : checker.variants()) {
    if (!checker.holds(variant, variant.kernels->copy.same_blocks(a), "copies are not what they were made of")) return;
    if (last == SIZE_MAX) continue;
    target[last] ^= 0x40;
    const bool seen = !variant.kernels->copy.same_blocks(a);
    target[last] ^= 0x40;
    if (!checker.holds(variant, seen, "a changed byte is not seen")) return;
  }
}

// Strides and numbers of 64 bits: blocks that are 3 GiB apart, in memory that is only there where it is touched.
void check_far_blocks(Checker &checker, Random &random) {
  constexpr std::int64_t kFar = std::int64_t{3} << 30;
  constexpr std::size_t kBytes = static_cast<std::size_t>(kFar) * 4;
  void *far = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (far == MAP_FAILED) return;  // so little address space: nobody has such a pool here
  const RowShape shape{128, 2, 4};
  const PoolRows pool{static_cast<unsigned char *>(far), kFar, 256, 128};
  const Memory content = random.bytes(1024);
  const std::int32_t block = 3;
  const BlockCopy back{3, 1, 0, 4, 0, 0};
  checker.describe("bytes", "NHD", "blocks 3 GiB apart");
  for (const Variant &variant : checker.variants()) {
    Memory now(1024);
    const TokenRows in{const_cast<unsigned char *>(content.data()), 256, 128}, out{now.data(), 256, 128};
    variant.kernels->copy.scatter({pool, in, shape, &block, 0, 4, 1, 0});
    variant.kernels->copy.copy_blocks({pool, pool, shape, &back, 1, 1, 0});
    const std::int64_t slots[4] = {4, 5, 6, 7};
    variant.kernels->copy.read_slots({pool, out, shape, slots, 4, 1, 0});
    if (!checker.same(variant, content.data(), now.data(), 1024)) break;
    std::memset(pool.data + kFar, 0, 1024);
  }
  munmap(far, kBytes);
}

void check(Checker &checker) {
  checker.shapes("write_slots", 1500, [&](Random &random) { check_tokens(checker, random, false, true); });
  checker.shapes("read_slots", 1500, [&](Random &random) { check_tokens(checker, random, false, false); });
  checker.shapes("scatter", 1500, [&](Random &random) { check_tokens(checker, random, true, true); });
  checker.shapes("gather", 1500, [&](Random &random) { check_tokens(checker, random, true, false); });
  checker.shapes("copy_blocks", 3000, [&](Random &random) { check_blocks(checker, random); });
  checker.shapes("same_blocks", 1500, [&](Random &random) { check_sameness(checker, random); });
  checker.shapes("copies far apart", 1, [&](Random &random) { check_far_blocks(checker, random); });
}

// -- timed --

constexpr Targets kLargeRows = {0.80, 0.85, 0.90}, kRows16 = {0.70, 0.80, 0.90};
constexpr Targets kRows8 = {0.60, 0.65, 0.85}, kRows4 = {0.45, 0.50, 0.85}, kZeroes = {0.95, 0.95, 0.95};

std::string size_name(std::uint64_t bytes) {
  return bytes % 1024 == 0 ? std::to_string(bytes / 1024) + " KiB" : std::to_string(bytes) + " B";
}

// A pool that takes all of a buffer: blocks in a random order.
struct Pool {
  RowShape shape;
  PoolRows rows;
  std::uint32_t num_blocks;
  std::vector<std::int32_t> order;

  Pool(unsigned char *data, std::uint64_t size, RowShape of, bool heads_outside) : shape(of) {
    const auto row = static_cast<std::int64_t>(shape.row_bytes), heads = std::int64_t{shape.num_heads};
    const std::int64_t block = row * heads * shape.block_tokens;
    rows = {data, block, heads_outside ? row : row * heads, heads_outside ? row * shape.block_tokens : row};
    num_blocks = static_cast<std::uint32_t>(size / static_cast<std::uint64_t>(block));
    order.resize(num_blocks);
    std::iota(order.begin(), order.end(), 0);
    Random random(num_blocks);
    for (std::uint32_t i = num_blocks; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  }
  std::uint64_t token_bytes() const { return shape.row_bytes * shape.num_heads; }
  std::uint64_t num_tokens() const { return std::uint64_t{num_blocks} * shape.block_tokens; }
  std::uint64_t bytes() const { return num_tokens() * token_bytes(); }
  // The caller's side of it, from a token on.
  TokenRows outside(unsigned char *data, std::uint64_t first) const {
    const auto token = static_cast<std::int64_t>(token_bytes());
    return {data + static_cast<std::int64_t>(first) * token, token, static_cast<std::int64_t>(shape.row_bytes)};
  }
};

// Tokens one by one, each to a place of its own.
void time_slots(Bench &bench, RowShape shape, Targets targets, bool write) {
  const Pool pool(write ? bench.to() : bench.from(), bench.size(), shape, false);
  std::vector<std::int64_t> slots;
  for (std::uint32_t token = 0; token < shape.block_tokens; ++token)  // no two neighbours
    for (const std::int32_t block : pool.order)
      slots.push_back(std::int64_t{block} * shape.block_tokens +
                      (token * 7 + static_cast<std::uint32_t>(block)) % shape.block_tokens);
  const std::uint64_t bytes = slots.size() * pool.token_bytes();
  bench.time({(write ? "append, tokens of " : "read slots, tokens of ") + size_name(pool.token_bytes()),
              Yardstick::copy, bytes, bytes, slots.size(),
              [&](const akv::Kernels &kernels, std::uint64_t first, std::uint64_t end) {
                (write ? kernels.copy.write_slots
                       : kernels.copy.read_slots)({pool.rows, pool.outside(write ? bench.from() : bench.to(), first),
                                                   shape, slots.data() + first, end - first, 1, 0});
              },
              targets});
}

void time_span(Bench &bench, RowShape shape, bool heads_outside, Targets targets, bool write,
               const std::string &name = "") {
  const Pool pool(write ? bench.to() : bench.from(), bench.size(), shape, heads_outside);
  const std::string what = heads_outside ? "HND, rows of " + size_name(shape.row_bytes)
                                         : "blocks of " + size_name(static_cast<std::uint64_t>(pool.rows.block_stride));
  bench.time({name.empty() ? (write ? "scatter, " : "gather, ") + what : name, Yardstick::copy, pool.bytes(),
              pool.bytes(), pool.num_blocks,
              [&](const akv::Kernels &kernels, std::uint64_t first, std::uint64_t end) {
                const std::uint64_t token = first * shape.block_tokens;
                (write ? kernels.copy.scatter
                       : kernels.copy.gather)({pool.rows, pool.outside(write ? bench.from() : bench.to(), token), shape,
                                               pool.order.data() + first, 0, (end - first) * shape.block_tokens, 1, 0});
              },
              targets});
}

// `zero`: no sources.
void time_blocks(Bench &bench, const std::string &what, const Pool &from, const Pool &to, bool zero, Targets targets) {
  std::vector<BlockCopy> copies;
  for (std::uint32_t i = 0; i < to.num_blocks; ++i)
    copies.push_back({zero ? -1 : from.order[i], to.order[to.num_blocks - 1 - i], 0,
                      static_cast<std::uint16_t>(to.shape.block_tokens), 0, 0});
  bench.time({what + size_name(static_cast<std::uint64_t>(to.rows.block_stride)),
              zero ? Yardstick::set : Yardstick::copy, zero ? 0 : to.bytes(), to.bytes(), copies.size(),
              [&](const akv::Kernels &kernels, std::uint64_t first, std::uint64_t end) {
                kernels.copy.copy_blocks({from.rows, to.rows, to.shape, copies.data() + first, end - first, 1, 0});
              },
              targets});
}

void bench(Bench &bench) {
  const RowShape llama = {256, 8, 16}, wide = {512, 8, 16};  // 8 KV heads of 128 in bf16 or f32
  for (const std::uint64_t bytes : {2048u, 4096u, 8192u, 16384u})
    time_slots(bench, {bytes / 8, 8, 16},
               bytes == 4096   ? kRows4
               : bytes == 8192 ? kRows8
               : bytes > 8192  ? kRows16
                               : Targets{},
               true);
  time_slots(bench, wide, kRows4, false);
  for (const bool write : {false, true}) {
    time_span(bench, {64, 8, 8}, false, kRows4, write);
    time_span(bench, {64, 8, 16}, false, kRows8, write);
    time_span(bench, {128, 8, 16}, false, kRows16, write);
    time_span(bench, wide, false, kLargeRows, write);
    time_span(bench, llama, true, {}, write);
  }
  for (const std::uint64_t row : {32u, 64u, 128u, 512u, 2048u}) {
    const RowShape shape = {row, 8, 16};
    const Pool from(bench.from(), bench.size(), shape, false), to(bench.to(), bench.size(), shape, false);
    time_blocks(bench, "block copy, blocks of ", from, to, false,
                row < 64    ? kRows4
                : row < 128 ? kRows8
                : row < 512 ? kRows16
                            : kLargeRows);
  }
  // Which block size? One plane of a layer of Llama-3-8B in bf16, 2 KiB a token (row B15).
  for (const std::uint32_t block_tokens : {8u, 16u, 32u, 64u, 128u}) {
    const RowShape shape = {256, 8, block_tokens};
    time_span(bench, shape, false, {}, false, "gather, " + std::to_string(block_tokens) + " tokens a block");
    time_span(bench, shape, false, {}, true, "scatter, " + std::to_string(block_tokens) + " tokens a block");
  }
  const Pool tokens(bench.from(), bench.size(), llama, false), heads(bench.to(), bench.size(), llama, true);
  time_blocks(bench, "block copy, NHD to HND, ", tokens, heads, false, {});
  time_blocks(bench, "zero, all over, blocks of ", tokens, heads, true, kZeroes);
  const RowShape wider = {2048, 8, 16};
  const Pool large(bench.to(), bench.size(), wider, false);
  time_blocks(bench, "zero, all over, blocks of ", large, large, true, kZeroes);
  Pool ordered = heads;
  std::sort(ordered.order.begin(), ordered.order.end(), std::greater<>());
  time_blocks(bench, "zero, in order, blocks of ", tokens, ordered, true, kZeroes);
}

}  // namespace

const Subject copies = {"copies", &check, &bench};

}  // namespace kernelcheck
