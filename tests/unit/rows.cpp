// rows.cpp: rows of block ids in a handful of sizes.
// It knows meta/rows.hpp only.
#include "meta/rows.hpp"

#include <vector>

#include "unit/memory.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kLongest = 5000, kRows = 7;

struct WithRows : test::WithMemory<Rows, std::uint32_t, std::uint32_t> {
  WithRows() : WithMemory(kLongest, kRows) {}
  Rows &rows() { return thing; }
};

}  // namespace

TEST_CASE("rows: a row that grows one id at a time keeps all its ids, and moves as often as its length doubles") {
  WithRows with;
  Rows::Row row = with.rows().take(1);
  std::uint32_t moves = 0;
  for (std::uint32_t count = 0; count < kLongest; ++count) {
    const std::int32_t *before = row.ids;
    with.rows().widen(row, count, count + 1);
    moves += row.ids != before;
    row.ids[count] = static_cast<std::int32_t>(count + 1);
  }
  CHECK(moves <= 9);
  for (std::uint32_t at = 0; at < kLongest; ++at) REQUIRE(row.ids[at] == static_cast<std::int32_t>(at + 1));
}

TEST_CASE("rows: there is one of each size for everybody, none lies over another, and what is given back comes again") {
  WithRows with;
  for (std::uint32_t round = 0; round < 3; ++round) {
    std::vector<Rows::Row> rows;
    for (std::uint32_t count : {1u, 17u, 100u, 2000u, kLongest})
      for (std::uint32_t i = 0; i < kRows; ++i) {
        rows.push_back(with.rows().take(count));
        REQUIRE(rows.back().capacity >= count);
        for (std::uint32_t at = 0; at < rows.back().capacity; ++at)
          rows.back().ids[at] = static_cast<std::int32_t>(rows.size());
      }
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::uint32_t at = 0; at < rows[i].capacity; ++at)
        REQUIRE(rows[i].ids[at] == static_cast<std::int32_t>(i + 1));
    const std::uint64_t used = with.rows().used_bytes();
    for (const Rows::Row &row : rows) with.rows().give_back(row);
    CHECK(with.rows().used_bytes() == used);
    CHECK(used < std::uint64_t{kRows} * (2 * kLongest + 5000) * sizeof(std::int32_t));
  }
}

TEST_CASE("rows: what is used follows what is long, not what might be") {
  WithRows with;
  for (std::uint32_t i = 0; i + 1 < kRows; ++i) CHECK(with.rows().take(1).ids != nullptr);
  CHECK(with.rows().used_bytes() == (kRows - 1) * 64);
  const Rows::Row longest = with.rows().take(kLongest);
  CHECK(with.rows().used_bytes() == (kRows - 1) * 64 + longest.capacity * sizeof(std::int32_t));
}
