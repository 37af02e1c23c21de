// kernels.cpp: the kernels of every instruction set that this processor runs against loops that know nothing of
// neighbours, for random strides; and touching pages.
// It knows data/kernels and data/host_memory only.
#include "data/kernels/kernels.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "arenakv/host.h"
#include "catch.hpp"
#include "data/host_memory.hpp"

using namespace akv;

namespace {

using Memory = std::vector<unsigned char>;
constexpr std::uint32_t kBlocks = 6;

struct Random {
  std::mt19937 engine;
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine() % limit); }
  Memory bytes(std::size_t size) {
    Memory all(size);
    for (auto &byte : all) byte = static_cast<unsigned char>(engine());
    return all;
  }
};

// Strides in a random order of the dimensions, packed or padded.
PoolRows random_pool(Random &random, const RowShape &shape, unsigned char *data, std::size_t &size) {
  std::uint64_t step = shape.row_bytes + random.below(2) * 3;
  PoolRows pool{data, 0, 0, 0};
  const auto take = [&](std::int64_t &stride, std::uint64_t count) {
    stride = static_cast<std::int64_t>(step);
    step = step * count + random.below(3) / 2 * 5;
  };
  const bool outer = random.below(2) == 0;
  if (outer) take(pool.token_stride, shape.block_tokens);
  take(pool.head_stride, shape.num_heads);
  if (!outer) take(pool.token_stride, shape.block_tokens);
  take(pool.block_stride, kBlocks);
  size = step;
  return pool;
}

std::int64_t at(const PoolRows &pool, std::int64_t block, std::int64_t token, std::int64_t head) {
  return block * pool.block_stride + token * pool.token_stride + head * pool.head_stride;
}

template <class What>
void for_each_isa(What what) {
  for (std::uint32_t isa = AKV_ISA_PLAIN; isa <= AKV_ISA_NEON; ++isa)
    if (const Kernels *kernels = kernels_for(isa); kernels != nullptr) what(kernels->copy);
}

}  // namespace

TEST_CASE("kernels: A11 slots and spans move every row that a plain loop moves, and no other byte") {
  Random random{std::mt19937(1)};
  for (int round = 0; round < 4000; ++round) {
    const RowShape shape{1 + random.below(9), 1 + random.below(3), 1 + random.below(4)};
    std::size_t pool_size = 0;
    const PoolRows layout = random_pool(random, shape, nullptr, pool_size);
    const std::uint32_t tokens = random.below(kBlocks * shape.block_tokens + 1);
    const auto head_stride = static_cast<std::int64_t>(shape.row_bytes + random.below(2) * 2);
    const std::int64_t token_stride = head_stride * shape.num_heads + random.below(2) * 3;
    const Memory pool = random.bytes(pool_size),
                 outside = random.bytes(static_cast<std::size_t>(token_stride) * tokens + 1);
    const bool span = random.below(2) == 0, write = random.below(2) == 0;
    std::vector<std::int32_t> blocks(kBlocks);
    std::iota(blocks.begin(), blocks.end(), 0);
    if (random.below(2) == 0) std::shuffle(blocks.begin(), blocks.end(), random.engine);
    const std::uint32_t first = random.below(kBlocks * shape.block_tokens - tokens + 1);
    std::vector<std::int64_t> slots(tokens);
    for (std::uint32_t i = 0; i < tokens; ++i) {
      slots[i] = std::int64_t{blocks[(first + i) / shape.block_tokens]} * shape.block_tokens +
                 (first + i) % shape.block_tokens;
      if (!span && random.below(5) == 0) slots[i] = -1;
    }
    Memory pool_wanted = pool, outside_wanted = outside, pool_now = pool, outside_now = outside;
    for (std::uint32_t i = 0; i < tokens; ++i)
      for (std::uint32_t head = 0; slots[i] >= 0 && head < shape.num_heads; ++head) {
        unsigned char *inside = &pool_wanted[static_cast<std::size_t>(
            at(layout, slots[i] / shape.block_tokens, slots[i] % shape.block_tokens, head))];
        unsigned char *out = &outside_wanted[static_cast<std::size_t>(i * token_stride + head * head_stride)];
        if (write) std::memcpy(inside, out, shape.row_bytes);
        else std::memcpy(out, inside, shape.row_bytes);
      }
    PoolRows rows = layout;
    rows.data = pool_now.data();
    const TokenRows other{outside_now.data(), token_stride, head_stride};
    for_each_isa([&](const CopyKernels &copy) {
      std::copy(pool.begin(), pool.end(), pool_now.begin());
      std::copy(outside.begin(), outside.end(), outside_now.begin());
      if (span) (write ? copy.scatter : copy.gather)({rows, other, shape, blocks.data(), first, tokens});
      else (write ? copy.write_slots : copy.read_slots)({rows, other, shape, slots.data(), tokens});
      REQUIRE(pool_now == pool_wanted);
      REQUIRE(outside_now == outside_wanted);
    });
  }
}

TEST_CASE("kernels: A11 block copies and zeroes change what a plain loop changes, and a changed byte is seen") {
  Random random{std::mt19937(2)};
  for (int round = 0; round < 4000; ++round) {
    const RowShape shape{1 + random.below(9), 1 + random.below(3), 1 + random.below(4)};
    std::size_t from_size = 0, to_size = 0;
    PoolRows from = random_pool(random, shape, nullptr, from_size), to = random_pool(random, shape, nullptr, to_size);
    if (random.below(2) == 0) to = from, to_size = from_size;
    Memory source = random.bytes(from_size), wanted = random.bytes(to_size), now = wanted;
    const Memory before = now;
    std::vector<BlockCopy> copies;
    const bool in_order = random.below(2) == 0;
    for (std::int32_t block = 0; block < static_cast<std::int32_t>(kBlocks); ++block) {
      BlockCopy copy{in_order ? block : static_cast<std::int32_t>(random.below(kBlocks)),
                     block,
                     0,
                     static_cast<std::uint16_t>(shape.block_tokens),
                     0,
                     0};
      if (random.below(4) == 0) copy.from = -1;
      if (random.below(4) == 0) {
        copy.first_token = static_cast<std::uint16_t>(random.below(shape.block_tokens));
        copy.num_tokens = static_cast<std::uint16_t>(random.below(shape.block_tokens - copy.first_token + 1u));
      }
      if (random.below(8) != 0) copies.push_back(copy);
    }
    std::size_t copied = to_size;  // where some copied byte lies
    for (const BlockCopy &copy : copies)
      for (std::int64_t t = copy.first_token; t < copy.first_token + copy.num_tokens; ++t)
        for (std::uint32_t head = 0; head < shape.num_heads; ++head) {
          const auto target = static_cast<std::size_t>(at(to, copy.to, t, head));
          if (copy.from < 0) std::memset(&wanted[target], 0, shape.row_bytes);
          else
            std::memcpy(&wanted[target], &source[static_cast<std::size_t>(at(from, copy.from, t, head))],
                        shape.row_bytes);
          if (copy.from >= 0) copied = target + random.below(static_cast<std::uint32_t>(shape.row_bytes));
        }
    from.data = source.data();
    to.data = now.data();
    const BlockArguments arguments{from, to, shape, copies.data(), copies.size()};
    for_each_isa([&](const CopyKernels &copy) {
      std::copy(before.begin(), before.end(), now.begin());
      copy.copy_blocks(arguments);
      REQUIRE(now == wanted);
      REQUIRE(copy.same_blocks(arguments));
      if (copied == to_size) return;
      now[copied] ^= 1;
      REQUIRE(!copy.same_blocks(arguments));
    });
  }
}

TEST_CASE("host_memory: touching pages changes nothing, in whole pages and in parts") {
  HostMemory memory;
  REQUIRE(memory.map(3 << 20, false) == AKV_OK);
  CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % HostMemory::kHugePage == 0);
  CHECK(memory.bytes() == 4 << 20);
  std::memset(memory.data() + 5000, 0x77, 5000);
  touch_pages(memory.data() + 4999, 5002);
  CHECK(commit_pages(memory.data() + 4999, 5002) == AKV_OK);
  CHECK(commit_pages(memory.data(), memory.bytes()) == AKV_OK);
  touch_pages(memory.data(), memory.bytes());
  CHECK(std::count(memory.data(), memory.data() + memory.bytes(), 0x77) == 5000);
  CHECK(std::count(memory.data(), memory.data() + memory.bytes(), 0) == (4 << 20) - 5000);
  HostMemory small;
  REQUIRE(small.map(1, true) == AKV_OK);
  CHECK(small.data()[0] == 0);
  CHECK(small.map(std::uint64_t{1} << 60, true) == AKV_ERROR_OUT_OF_MEMORY);
}
