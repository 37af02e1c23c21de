// id_list.cpp: lists of block ids in chunks, against std::vector.
// It knows mem/id_list.hpp only.
#include "mem/id_list.hpp"

#include <numeric>
#include <random>
#include <vector>

#include "unit/memory.hpp"

using namespace akv;

namespace {

std::vector<std::int32_t> all(const IdLists &lists, const IdList &list) {
  std::vector<std::int32_t> ids(list.count);
  lists.read(list, ids.data());
  return ids;
}

}  // namespace

TEST_CASE("id_list: what is appended is read back in order, across chunks") {
  test::WithMemory<IdLists, int> with(1000);
  IdList list;
  std::vector<std::int32_t> ids(300);
  std::iota(ids.begin(), ids.end(), 1);
  with.thing.append(list, ids.data(), 100);
  with.thing.append(list, ids.data() + 100, 1);
  with.thing.append(list, ids.data() + 101, 199);
  CHECK(all(with.thing, list) == ids);
  CHECK(with.thing.at(list, 0) == 1);
  CHECK(with.thing.at(list, 150) == 151);
  CHECK(with.thing.at(list, 299) == 300);
}

TEST_CASE("id_list: random splits, joins, pops and ranges agree with a vector, and no chunk is lost") {
  test::WithMemory<IdLists, int> with(2000);
  IdLists &lists = with.thing;
  std::mt19937 random(7);
  std::vector<IdList> real(1);
  std::vector<std::vector<std::int32_t>> plain(1);
  std::int32_t next = 1;
  for (int step = 0; step < 20000; ++step) {
    const std::size_t i = random() % real.size();
    switch (random() % 5) {
      case 0: {  // append
        if (next > 1500) break;
        std::vector<std::int32_t> ids(random() % 40);
        std::iota(ids.begin(), ids.end(), next);
        next += static_cast<std::int32_t>(ids.size());
        lists.append(real[i], ids.data(), static_cast<std::uint32_t>(ids.size()));
        plain[i].insert(plain[i].end(), ids.begin(), ids.end());
        break;
      }
      case 1: {  // split
        if (plain[i].size() < 2) break;
        const std::size_t at = 1 + random() % (plain[i].size() - 1);
        real.push_back(lists.split(real[i], static_cast<std::uint32_t>(at)));
        plain.emplace_back(plain[i].begin() + static_cast<std::ptrdiff_t>(at), plain[i].end());
        plain[i].resize(at);
        break;
      }
      case 2: {  // join
        const std::size_t k = random() % real.size();
        if (k == i) break;
        lists.join(real[i], real[k]);
        plain[i].insert(plain[i].end(), plain[k].begin(), plain[k].end());
        plain[k].clear();
        CHECK(real[k].count == 0);
        break;
      }
      case 3: {  // pop
        const std::size_t count = plain[i].empty() ? 0 : random() % (plain[i].size() + 1);
        std::vector<std::int32_t> popped(count);
        lists.pop_back(real[i], static_cast<std::uint32_t>(count), popped.data());
        REQUIRE(popped == std::vector<std::int32_t>(plain[i].end() - static_cast<std::ptrdiff_t>(count), plain[i].end()));
        plain[i].resize(plain[i].size() - count);
        break;
      }
      default: {  // range
        if (plain[i].empty()) break;
        const std::size_t first = random() % plain[i].size(), count = random() % (plain[i].size() - first + 1);
        std::vector<std::int32_t> range(count);
        lists.read_range(real[i], static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count), range.data());
        REQUIRE(range == std::vector<std::int32_t>(plain[i].begin() + static_cast<std::ptrdiff_t>(first),
                                                   plain[i].begin() + static_cast<std::ptrdiff_t>(first + count)));
      }
    }
    REQUIRE(all(lists, real[i]) == plain[i]);
  }
  for (IdList &list : real) lists.clear(list);
  CHECK(lists.chunks_taken() == 0);
}
