// small_parts.cpp: request ids, handles, error messages, block arithmetic, reservations.
// It knows these small parts one by one.
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/handle.hpp"
#include "meta/request_ids.hpp"
#include "model/block_math.hpp"
#include "model/geometry.hpp"
#include "unit/memory.hpp"

using namespace akv;

TEST_CASE("request_ids: B17 what was added is found until it is removed, also where many fall into one place") {
  Reservation memory;
  RequestIds::plan(memory, 100);
  REQUIRE(memory.commit(nullptr, false) == AKV_OK);
  RequestIds ids;
  ids.take_memory(memory, 100, 12345);
  std::map<std::uint64_t, std::uint32_t> plain;
  std::mt19937_64 random(2);
  for (int step = 0; step < 50000; ++step) {
    const std::uint64_t id = 1 + random() % 150;
    std::uint32_t slot = 0;
    REQUIRE(ids.find(id, slot) == (plain.count(id) != 0));
    if (plain.count(id) != 0) {
      REQUIRE(slot == plain[id]);
      ids.remove(id);
      plain.erase(id);
    } else if (plain.size() < 100) {
      plain[id] = static_cast<std::uint32_t>(step);
      ids.add(id, plain[id]);
    }
  }
}

TEST_CASE("handles: every part comes back, and kinds and caches differ") {
  const std::uint64_t handle = ObjectHandle::encode(0xdeadbeef, Kind::lease, 0xab, 0xfffff);
  CHECK(ObjectHandle::generation(handle) == 0xdeadbeef);
  CHECK(ObjectHandle::kind(handle) == static_cast<std::uint32_t>(Kind::lease));
  CHECK(ObjectHandle::index(handle) == 0xfffff);
  CHECK(ObjectHandle::place(handle) == ObjectHandle::place(Kind::lease, 0xab));
  CHECK(ObjectHandle::place(handle) != ObjectHandle::place(Kind::lease, 0xac));
  CHECK(ObjectHandle::place(handle) != ObjectHandle::place(Kind::pin, 0xab));
  CHECK(TicketHandle::encode(7, 0) == 0);
  CHECK(TicketHandle::number(TicketHandle::encode(7, 99)) == 99);
  CHECK(TicketHandle::tag(TicketHandle::encode(7, 99)) == 7);
  CHECK(CacheHandle::encode(1, 2, 3) >> 56 == CacheHandle::kType);
}

TEST_CASE("errors: the message names values and limits, per thread, and is cut to the buffer") {
  CHECK(fail_with(AKV_ERROR_NO_BLOCKS, 32, 8, "requested %llu tokens, %llu available", 512, 128) == AKV_ERROR_NO_BLOCKS);
  char text[64];
  CHECK(last_error_text(text, sizeof text) == std::strlen("requested 512 tokens, 128 available"));
  CHECK(std::string(text) == "requested 512 tokens, 128 available");
  name_row(7);
  char shorter[12];
  CHECK(last_error_text(shorter, sizeof shorter) > sizeof shorter);
  CHECK(std::string(shorter) == "row 7 of th");
  akv_error_detail detail{};
  last_error_detail(detail);
  CHECK((detail.status == AKV_ERROR_NO_BLOCKS && detail.row == 7 && detail.needed == 32 && detail.available == 8));
  std::thread([] {
    char other[8] = "x";
    CHECK(last_error_text(other, sizeof other) == 0);
    CHECK(other[0] == '\0');
  }).join();
  CHECK(last_error_text(nullptr, 0) > 0);
}

TEST_CASE("block arithmetic: shifts and divisions agree") {
  for (const std::uint32_t size : {1u, 2u, 3u, 5u, 16u, 17u, 64u, 4096u}) {
    const BlockMath math(size);
    for (const std::uint32_t tokens : {0u, 1u, 15u, 16u, 17u, 4095u, 4096u, 1000000u, 0x7fffffffu}) {
      CHECK(math.blocks(tokens) == blocks_for(tokens, size));
      CHECK(math.whole_blocks(tokens) == tokens / size);
      CHECK(math.offset(tokens) == tokens % size);
    }
  }
  CHECK(blocks_for(std::numeric_limits<std::uint64_t>::max(), 1) == std::numeric_limits<std::uint64_t>::max());
  CHECK(blocks_for(5, 0) == 0);
}

TEST_CASE("reservation: sizes that overflow are refused before anything is asked for") {
  Reservation memory;
  memory.plan<std::uint64_t>(std::numeric_limits<std::size_t>::max() / 4);
  CHECK(memory.overflowed());
  CHECK(memory.commit(nullptr, false) == AKV_ERROR_OUT_OF_MEMORY);
  Reservation sum;
  for (int i = 0; i < 10; ++i) sum.plan<std::uint8_t>(std::size_t{1} << 45);
  CHECK(sum.commit(nullptr, false) == AKV_ERROR_OUT_OF_MEMORY);
}
