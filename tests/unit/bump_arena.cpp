// bump_arena.cpp: where tensors are placed, and what a drop leaves behind.
// It knows mem/; tickets and handles are tests/contract/arena.cpp's.
#include "mem/bump_arena.hpp"

#include <memory>
#include <vector>

#include "unit/memory.hpp"

using namespace akv;

namespace {

struct Pool {
  Pool(std::uint64_t page_bytes, std::uint32_t num_pages, std::uint32_t tensors_per_page) {
    PagePool::plan(tables, num_pages);
    Arenas::plan(tables, 4, num_pages * tensors_per_page);
    REQUIRE(tables.commit(nullptr, false) == AKV_OK);
    pages = std::make_unique<PagePool>(tables, num_pages, false);
    REQUIRE(pages->memory().reserve(page_bytes, num_pages) == AKV_OK);
    REQUIRE(pages->grow(num_pages, false) == AKV_OK);
    arenas = std::make_unique<Arenas>(tables, *pages, 4, tensors_per_page);
  }
  std::uint32_t create(std::uint64_t owner = 1) const {
    const std::uint32_t arena = arenas->create_locked(owner);
    REQUIRE(arena != 0);
    return arena;
  }
  Status add(std::uint32_t arena, const std::vector<std::uint64_t> &bytes) {
    placed.clear();
    return arenas->add(arena, arenas->generation(arena), bytes.data(), static_cast<std::uint32_t>(bytes.size()),
                       [this](std::uint32_t, std::uint32_t tensor, Content content) {
                         placed.push_back(tensor);
                         contents.push_back(content);
                       });
  }
  Arenas::View view(std::uint32_t tensor, std::uint32_t generation) const {
    Arenas::View view{};
    REQUIRE(arenas->read(tensor, generation, view));
    return view;
  }
  Reservation tables;
  std::unique_ptr<PagePool> pages;
  std::unique_ptr<Arenas> arenas;
  std::vector<std::uint32_t> placed;
  std::vector<Content> contents;
};

}  // namespace

TEST_CASE("bump_arena: A1 offset += align(size, 256), each tensor inside one page") {
  Pool pool(1024, 8, 8);
  const std::uint32_t arena = pool.create(), generation = pool.arenas->generation(arena);
  REQUIRE(pool.add(arena, {1, 256, 257, 100, 1024, 1}) == AKV_OK);
  const std::uint32_t pages[] = {1, 1, 1, 2, 3, 4};
  const std::uint64_t offsets[] = {0, 256, 512, 0, 0, 0}, capacities[] = {256, 256, 512, 256, 1024, 256};
  for (std::uint32_t i = 0; i < 6; ++i) {
    const Arenas::View view = pool.view(pool.placed[i], generation);
    CHECK(view.page == pages[i]);
    CHECK(view.at.offset == offsets[i]);
    CHECK(view.at.capacity == capacities[i]);
    CHECK(view.at.length == 0);
  }
  const ArenaCounts counts = pool.arenas->counts(arena);
  CHECK((counts.tensors == 6 && counts.pages == 4 && counts.capacity_bytes == 2560));
  CHECK(counts.rounding_bytes == 255 + 255 + 156 + 255);
  CHECK(counts.closed_bytes == 768);  // behind the fourth
}

TEST_CASE("bump_arena: A1 a page has room for tensors_per_page tensors; the next one goes on in a page of its own") {
  Pool pool(4096, 2, 4);
  const std::uint32_t arena = pool.create();
  REQUIRE(pool.add(arena, {1, 1, 1, 1, 1}) == AKV_OK);
  CHECK(pool.arenas->counts(arena).pages == 2);
  REQUIRE(pool.add(arena, {1, 1, 1}) == AKV_OK);
  CHECK(pool.add(arena, {1}) == AKV_ERROR_NO_TENSORS);
  CHECK(pool.add(arena, {4096}) == AKV_ERROR_NO_PAGES);
}

TEST_CASE("bump_arena: A1 tensors of a batch are placed all or none") {
  Pool pool(1024, 4, 8);
  const std::uint32_t arena = pool.create();
  REQUIRE(pool.add(arena, {512}) == AKV_OK);
  const ArenaCounts before = pool.arenas->counts(arena);
  CHECK(pool.add(arena, {512, 1024, 1024, 1024, 1}) == AKV_ERROR_NO_PAGES);
  const ArenaCounts after = pool.arenas->counts(arena);
  CHECK((after.tensors == before.tensors && after.pages == before.pages && pool.pages->free().in_use() == 1));
  REQUIRE(pool.add(arena, {512, 1024, 1024, 1024}) == AKV_OK);
  CHECK(pool.pages->free().left() == 0);
}

TEST_CASE("bump_arena: A2 a drop ends all tensors at once, hands over the pages, and the place is another's") {
  Pool pool(1024, 4, 2);
  const std::uint32_t arena = pool.create(), generation = pool.arenas->generation(arena);
  REQUIRE(pool.add(arena, {700, 700, 100}) == AKV_OK);
  const std::vector<std::uint32_t> old = pool.placed;
  std::uint64_t before = 0, capacity = 0;
  CHECK(pool.arenas->extend(old[0], generation, 700, before, capacity) == Extended::done);
  PageChain pages;
  ArenaCounts counts;
  pool.arenas->drop_locked(arena, pages, counts);
  CHECK((pages.count == 2 && counts.tensors == 3 && !pool.arenas->lives(arena, generation)));
  Arenas::View view{};
  for (const std::uint32_t tensor : old) {
    CHECK(!pool.arenas->read(tensor, generation, view));
    CHECK(pool.arenas->extend(tensor, generation, 1, before, capacity) == Extended::stale);
  }
  pool.pages->give_back(pages);
  const std::uint32_t next = pool.create(2);
  CHECK((next == arena && pool.arenas->generation(next) != generation));
  REQUIRE(pool.add(next, {700, 700, 100, 900, 900}) == AKV_OK);
  for (const std::uint32_t tensor : old) CHECK(!pool.arenas->read(tensor, generation, view));
  CHECK(pool.contents.back() == Content::zero);
  CHECK(pool.contents[3] == Content::foreign);
}

TEST_CASE("bump_arena: A3 a tensor of a page that is somebody else's, or of none, is stale and never touched") {
  Pool pool(1024, 4, 2);
  std::uint64_t before = 0, capacity = 0;
  Arenas::View view{};
  for (const std::uint32_t tensor : {0u, 7u, 8u, 1000u, 0xfffffu}) {
    CHECK(pool.arenas->extend(tensor, 1, 1, before, capacity) == Extended::stale);
    CHECK(!pool.arenas->read(tensor, 1, view));
  }
}
