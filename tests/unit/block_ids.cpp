// block_ids.cpp: one contract for everybody who hands out block ids: the stack and the buddy system.
// It knows mem/block_ids.hpp and its two users.
#include "mem/block_ids.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "mem/buddy.hpp"
#include "mem/id_stack.hpp"
#include "unit/memory.hpp"

using namespace akv;

namespace {

struct Allocator {
  Allocator(bool buddy, std::uint32_t num_blocks) {
    buddy ? Buddy::plan(memory, num_blocks) : IdStack::plan(memory, num_blocks);
    REQUIRE(memory.commit(nullptr, false) == AKV_OK);
    if (buddy)
      ids = std::make_unique<Buddy>(memory, num_blocks);
    else
      ids = std::make_unique<IdStack>(memory, num_blocks);
  }
  std::vector<std::int32_t> take(std::uint32_t count) {
    std::vector<std::int32_t> out(count);
    ids->take(count, out.data());
    return out;
  }
  void give_back(const std::vector<std::int32_t> &blocks) {
    ids->give_back(blocks.data(), static_cast<std::uint32_t>(blocks.size()));
  }
  Reservation memory;
  std::unique_ptr<BlockIds> ids;
};

}  // namespace

TEST_CASE("block_ids: B11 ids 1 to num_blocks are handed out once each, come back, and the books always balance") {
  const bool buddy = GENERATE(false, true);
  const std::uint32_t num_blocks = GENERATE(1u, 2u, 5u, 64u, 100u, 1000u);
  Allocator allocator(buddy, num_blocks);
  std::set<std::int32_t> taken, ever;
  std::mt19937 random(num_blocks);
  for (int step = 0; step < 3000; ++step) {
    if (random() % 2 == 0) {
      const auto count = static_cast<std::uint32_t>(random() % (allocator.ids->free() + 1));
      for (const std::int32_t id : allocator.take(count)) {
        REQUIRE((id >= 1 && id <= static_cast<std::int32_t>(num_blocks)));
        REQUIRE(taken.insert(id).second);
        ever.insert(id);
      }
    } else {
      std::vector<std::int32_t> back;
      for (const std::int32_t id : taken)
        if (random() % 3 == 0) back.push_back(id);
      if (random() % 2 == 0) std::reverse(back.begin(), back.end());
      for (const std::int32_t id : back) taken.erase(id);
      allocator.give_back(back);
    }
    REQUIRE(allocator.ids->free() == num_blocks - taken.size());
    REQUIRE(allocator.ids->never_used() == num_blocks - ever.size());
    std::vector<std::uint8_t> map(num_blocks + 1, 0);
    allocator.ids->mark_free(map.data(), 1, 2);
    for (std::uint32_t id = 1; id <= num_blocks; ++id) {
      const auto block = static_cast<std::int32_t>(id);
      REQUIRE(map[id] == (taken.count(block) != 0 ? 0 : ever.count(block) != 0 ? 1 : 2));
    }
  }
}

TEST_CASE("block_ids: B11 a buddy system that is given everything back is one extent again") {
  Allocator allocator(true, 1024);
  auto &buddy = static_cast<Buddy &>(*allocator.ids);
  CHECK(buddy.largest_extent() == 1024);
  std::vector<std::int32_t> all = allocator.take(1024);
  CHECK(buddy.largest_extent() == 0);
  std::mt19937 random(5);
  std::shuffle(all.begin(), all.end(), random);
  for (const std::int32_t id : all) allocator.give_back({id});
  CHECK(buddy.largest_extent() == 1024);
}

TEST_CASE("block_ids: B11 the buddy system hands out long stretches of neighbours") {
  Allocator allocator(true, 1024);
  const std::vector<std::int32_t> ids = allocator.take(100);  // 64 + 32 + 4
  std::uint32_t breaks = 0;
  for (std::size_t i = 1; i < ids.size(); ++i) breaks += ids[i] != ids[i - 1] + 1;
  CHECK(breaks <= 2);
}

TEST_CASE("block_ids: B3 B11 the buddy system hands out extents of any size, wherever there are so many neighbours") {
  constexpr std::uint32_t kBlocks = 300;  // no power of two
  Allocator allocator(true, kBlocks);
  auto &buddy = static_cast<Buddy &>(*allocator.ids);
  std::vector<std::pair<std::int32_t, std::uint32_t>> extents;
  std::vector<std::uint8_t> taken(kBlocks + 1, 0);
  std::mt19937 random(17);
  for (int step = 0; step < 20000; ++step) {
    if (random() % 5 < 3) {
      const auto count = static_cast<std::uint32_t>(1 + random() % (step % 100 == 0 ? kBlocks : 40));
      const bool there = longest_run(taken.data(), kBlocks, 0, 0) >= count;
      REQUIRE(buddy.has_extent(count) == there);
      std::int32_t first = 0;
      REQUIRE(buddy.take_extent(count, first) == there);
      if (!there) continue;
      for (std::uint32_t i = 0; i < count; ++i) REQUIRE(taken[static_cast<std::uint32_t>(first) + i]++ == 0);
      extents.emplace_back(first, count);
    } else if (!extents.empty()) {
      std::swap(extents[random() % extents.size()], extents.back());
      const auto [first, count] = extents.back();
      extents.pop_back();
      std::fill_n(taken.begin() + first, count, std::uint8_t{0});
      buddy.give_back_extent(first, count);
    }
    REQUIRE(buddy.free() == static_cast<std::uint32_t>(std::count(taken.begin() + 1, taken.end(), 0)));
  }
  for (const auto &[first, count] : extents) buddy.give_back_extent(first, count);
  std::int32_t first = 0;
  REQUIRE(buddy.take_extent(kBlocks, first));
  CHECK(first == 1);
}

TEST_CASE("block_ids: B18 the longest run of free ids is found") {
  const std::vector<std::uint8_t> map = {7, 0, 0, 3, 0, 1, 0, 3};
  CHECK(longest_run(map.data(), 7, 0, 1) == 3);
  CHECK(longest_run(map.data(), 2, 0, 1) == 2);
  CHECK(longest_run(map.data(), 7, 9, 9) == 0);
}
