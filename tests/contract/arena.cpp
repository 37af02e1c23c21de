// arena.cpp: the promises of arena.h: pages, arenas, tensors, tickets and what is counted.
// It knows the public API only; threads are in arena_threads.cpp, misuse in abuse_pools.cpp.
#include "pool_fixture.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <set>

using namespace akv::test;

namespace {

bool all_bytes(const void *data, std::size_t count, unsigned char value) {
  const auto *bytes = static_cast<const unsigned char *>(data);
  for (std::size_t i = 0; i < count; ++i)
    if (bytes[i] != value) return false;
  return true;
}

}  // namespace

TEST_CASE("arena: A2 a page given back is the next one handed out, and the reuse is counted") {
  PagePool pool;
  const auto first = pool.acquire(1);
  const void *data = pool.page_view(first[0]).data;
  pool.release(first);
  const auto again = pool.acquire(1);
  CHECK(again[0] != first[0]);
  CHECK(pool.page_view(again[0]).data == data);
  const akv_page_pool_state s = pool.state();
  CHECK((s.handed_out == 2 && s.recycled == 1 && s.recycled_bytes == 4096 && s.hit_ratio == 0.5));
}

TEST_CASE("arena: A2 recycling is real memory: what the last user wrote is there, and told by its content") {
  PagePool pool;
  akv_page page = AKV_NONE;
  std::uint32_t content = 99;
  OK(akv_page_acquire(pool, 7, &page, &content, 1));
  CHECK((content == AKV_CONTENT_ZERO && all_bytes(pool.page_view(page).data, 4096, 0)));
  std::memset(pool.page_view(page).data, 0x5a, 4096);
  pool.release({page});
  OK(akv_page_acquire(pool, 7, &page, &content, 1));
  CHECK((content == AKV_CONTENT_OWN && all_bytes(pool.page_view(page).data, 4096, 0x5a)));
  pool.release({page});
  OK(akv_page_acquire(pool, 8, &page, &content, 1));
  CHECK((content == AKV_CONTENT_FOREIGN && pool.page_view(page).content == AKV_CONTENT_FOREIGN));
  CHECK(pool.page_view(page).owner == 8);
}

TEST_CASE("arena: A2 NO_PAGES never grows the pool: only reserve does, up to max_pages") {
  PagePool pool;
  const auto all = pool.acquire(8);
  akv_page page = AKV_NONE;
  CHECK(akv_page_acquire(pool, 1, &page, nullptr, 1) == AKV_ERROR_NO_PAGES);
  CHECK(last_error() ==
        "1 pages are wanted, 0 of 8 reserved ones are free, 0 wait for tickets: give some back, or "
        "reserve more");
  CHECK((pool.state().unreserved_pages == 8 && pool.state().refused == 1));
  OK(akv_page_pool_reserve(pool, 10));
  OK(akv_page_pool_reserve(pool, 3));  // they are there
  CHECK(pool.state().free_pages == 2);
  const auto more = pool.acquire(2);
  CHECK(all_bytes(pool.page_view(more[1]).data, 4096, 0));
  CHECK(akv_page_pool_reserve(pool, 17) == AKV_ERROR_OUT_OF_RANGE);
  OK(akv_page_pool_reserve(pool, 16));
  CHECK(pool.state().unreserved_pages == 0);
}

TEST_CASE("arena: A13 a batch of pages is all or none, of pages apart from each other") {
  PagePool pool;
  akv_page pages[9] = {};
  CHECK(akv_page_acquire(pool, 1, pages, nullptr, 9) == AKV_ERROR_NO_PAGES);
  CHECK((pages[0] == AKV_NONE && pool.state().free_pages == 8));
  OK(akv_page_acquire(pool, 1, pages, nullptr, 8));
  std::set<void *> places;
  for (std::uint32_t i = 0; i < 8; ++i) places.insert(pool.page_view(pages[i]).data);
  CHECK(places.size() == 8);
  OK(akv_page_release(pool, pages, 8));
  CHECK(pool.state().free_pages == 8);
  OK(akv_page_acquire(pool, 1, nullptr, nullptr, 0));
  OK(akv_page_release(pool, nullptr, 0));
}

TEST_CASE("arena: A13 D6 a page is given back once, also by a batch that has it twice, and never by an old handle") {
  PagePool pool;
  const auto pages = pool.acquire(3);
  const akv_page twice[] = {pages[0], pages[1], pages[0]};
  CHECK(akv_page_release(pool, twice, 3) == AKV_ERROR_BAD_HANDLE);
  CHECK(last_error().rfind("row 2 of the batch: ", 0) == 0);
  CHECK(pool.state().live_pages == 3);
  pool.release({pages[0]});
  CHECK(akv_page_release(pool, &pages[0], 1) == AKV_ERROR_BAD_HANDLE);
  const auto next = pool.acquire(1);  // the same page is somebody else's
  CHECK(akv_page_release(pool, &pages[0], 1) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_page_release(pool, pages.data(), 3) == AKV_ERROR_BAD_HANDLE);
  CHECK(pool.state().live_pages == 3);
  pool.release({next[0], pages[1], pages[2]});
  CHECK(pool.state().free_pages == 8);
}

TEST_CASE("arena: A1 tensors lie one behind the other, aligned to 256, each inside one page") {
  PagePool pool;
  const akv_arena arena = pool.arena(42);
  const akv_tensor a = pool.tensor(arena, 1000), b = pool.tensor(arena, 3000), c = pool.tensor(arena, 100);
  const akv_memory_view first = pool.view(a), second = pool.view(b), third = pool.view(c);
  CHECK((first.capacity_bytes == 1024 && first.bytes == 0 && first.owner == 42 && first.page == 1));
  CHECK(static_cast<char *>(second.data) - static_cast<char *>(first.data) == 1024);
  CHECK(second.capacity_bytes == 3072);
  CHECK((third.page == 2 && reinterpret_cast<std::uintptr_t>(third.data) % 256 == 0));
  CHECK(first.epoch == second.epoch);
  const akv_arena_info info = pool.info(arena);
  CHECK((info.pages == 2 && info.tensors == 3 && info.owner == 42 && info.capacity_bytes == 4352));
  CHECK((info.rounding_bytes == 24 + 72 + 156 && info.closed_bytes == 0 && info.open_bytes == 3840));
  akv_tensor none = AKV_NONE;
  CHECK(akv_tensor_create(pool, arena, 4097, &none, nullptr) == AKV_ERROR_NO_CAPACITY);
  CHECK(last_error() == "row 0 of the batch: a tensor of 4097 bytes: it lies in one page, and that has 4096");
  CHECK(akv_tensor_create(pool, arena, 0, &none, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("arena: A3 extend updates the length and nothing else: the bytes stay where they are, up to the capacity") {
  PagePool pool;
  const akv_tensor tensor = pool.tensor(pool.arena(), 1024);
  const void *data = pool.view(tensor).data;
  CHECK(pool.extend(tensor, 1000) == 0);
  std::memset(pool.view(tensor).data, 7, 1000);
  CHECK(pool.extend(tensor, 24) == 1000);
  CHECK(pool.extend(tensor, 0) == 1024);
  CHECK((pool.view(tensor).data == data && pool.view(tensor).bytes == 1024 && all_bytes(data, 1000, 7)));
  std::uint64_t offset = 77;
  for (const std::uint64_t bytes : {std::uint64_t{1}, UINT64_MAX, std::uint64_t{1} << 40, UINT64_MAX - 1023}) {
    CHECK(akv_tensor_extend(pool, tensor, bytes, &offset) == AKV_ERROR_NO_CAPACITY);
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    OK(akv_last_error_detail(&detail));
    CHECK((detail.needed == bytes && detail.available == 0));
  }
  CHECK(last_error() == "18446744073709550592 bytes more for a tensor that holds 1024 of the 1024 it may");
  CHECK((offset == 77 && pool.view(tensor).bytes == 1024));
}

TEST_CASE("arena: A13 the tensors of all layers at once, all or none") {
  PagePool pool;
  const akv_arena arena = pool.arena();
  const std::vector<std::uint64_t> capacities(32, 1024);
  std::vector<akv_tensor> tensors(33);
  std::vector<std::uint32_t> contents(33, 99);
  std::vector<std::uint64_t> too_many(33, 1024);
  CHECK(akv_tensor_create_batch(pool, arena, too_many.data(), 33, tensors.data(), contents.data()) ==
        AKV_ERROR_NO_PAGES);
  CHECK((tensors[0] == AKV_NONE && contents[0] == 99 && pool.info(arena).pages == 0 && pool.state().free_pages == 8));
  OK(akv_tensor_create_batch(pool, arena, capacities.data(), 32, tensors.data(), contents.data()));
  std::set<void *> places;
  for (std::uint32_t i = 0; i < 32; ++i) {
    places.insert(pool.view(tensors[i]).data);
    CHECK(contents[i] == AKV_CONTENT_ZERO);
  }
  CHECK((places.size() == 32 && pool.state().tensors == 32 && pool.state().arena_pages == 8));
}

TEST_CASE("arena: A1 A2 a drop ends every tensor at once, and its pages are used again by the next arena") {
  PagePool pool;
  const akv_arena arena = pool.arena(1);
  std::vector<akv_tensor> tensors;
  for (int i = 0; i < 12; ++i) tensors.push_back(pool.tensor(arena, 2048));
  CHECK(pool.state().live_pages == 6);
  pool.drop(arena);
  CHECK((pool.state().free_pages == 8 && pool.state().tensors == 0 && pool.state().dropped_tensors == 12));
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  for (const akv_tensor tensor : tensors) {
    CHECK(akv_tensor_extend(pool, tensor, 1, nullptr) == AKV_ERROR_BAD_HANDLE);
    CHECK(akv_tensor_read_view(pool, tensor, &view) == AKV_ERROR_BAD_HANDLE);
  }
  CHECK(akv_arena_drop(pool, arena) == AKV_ERROR_BAD_HANDLE);
  akv_tensor fresh = AKV_NONE;
  std::uint32_t content = 99;
  OK(akv_tensor_create(pool, pool.arena(2), 100, &fresh, &content));
  CHECK(content == AKV_CONTENT_FOREIGN);
  CHECK(akv_tensor_extend(pool, tensors[0], 1, nullptr) == AKV_ERROR_BAD_HANDLE);
  CHECK((pool.view(fresh).bytes == 0 && pool.state().recycled == 1));
}

TEST_CASE("arena: A2 A4 pages of an arena dropped under a ticket are handed out only when it has ended") {
  PagePool pool;
  const akv_arena arena = pool.arena();
  for (int i = 0; i < 8; ++i) pool.tensor(arena, 4096);
  const akv_ticket a = pool.open_ticket(), b = pool.open_ticket();
  pool.drop(arena);
  CHECK((pool.state().quarantined_pages == 8 && pool.state().free_pages == 0));
  akv_page page = AKV_NONE;
  CHECK(akv_page_acquire(pool, 1, &page, nullptr, 1) == AKV_ERROR_NO_PAGES);
  const akv_ticket c = pool.open_ticket();  // opened after the drop: nobody waits for it
  pool.retire(b);
  CHECK((pool.state().quarantined_pages == 8 && pool.ticket_state(b) == AKV_TICKET_ENDED));
  pool.retire(a);
  CHECK((pool.state().quarantined_pages == 0 && pool.state().free_pages == 8));
  CHECK((pool.ticket_state(b) == AKV_TICKET_PASSED && pool.state().oldest_open == c));
  pool.retire(c);
  CHECK((pool.state().open_tickets == 0 && pool.state().oldest_open == AKV_NONE && pool.state().newest == c));
}

TEST_CASE("arena: A2 raw pages wait for tickets as well, in one quarantine with others") {
  PagePool pool;
  const auto pages = pool.acquire(3);
  const akv_arena arena = pool.arena();
  pool.tensor(arena, 4096);
  const akv_ticket ticket = pool.open_ticket();
  pool.release({pages[0], pages[1]});
  pool.drop(arena);
  pool.release({pages[2]});
  CHECK(pool.state().quarantined_pages == 4);
  OK(akv_page_pool_ticket_abandon(pool, ticket));
  CHECK((pool.state().free_pages == 8 && pool.state().abandoned_tickets == 1));
  CHECK(pool.ticket_state(ticket) == AKV_TICKET_ABANDONED);
  CHECK(pool.acquire(8).size() == 8);
}

TEST_CASE("arena: tickets end once, and NO_TICKETS names the oldest open one") {
  PagePool pool([](akv_page_pool_config &c) { c.max_open_tickets = 4; });
  PagePool other;
  const akv_ticket oldest = pool.open_ticket();
  for (int i = 0; i < 3; ++i) pool.retire(pool.open_ticket());
  akv_ticket ticket = AKV_NONE;
  CHECK(akv_page_pool_ticket_open(pool, &ticket) == AKV_ERROR_NO_TICKETS);
  CHECK(last_error() == "4 tickets (max_open_tickets) lie between the next and the oldest open one, 1");
  pool.retire(oldest);
  std::uint32_t where = 99;
  for (const akv_ticket bad : {oldest, oldest + 50, other.open_ticket()}) {
    CHECK(akv_page_pool_ticket_retire(pool, bad) == AKV_ERROR_BAD_HANDLE);
    CHECK(akv_page_pool_ticket_abandon(pool, bad) == AKV_ERROR_BAD_HANDLE);
    if (bad != oldest) CHECK(akv_page_pool_ticket_read(pool, bad, &where) == AKV_ERROR_BAD_HANDLE);
  }
  CHECK((where == 99 && pool.ticket_state(AKV_NONE) == AKV_TICKET_PASSED));
  CHECK(akv_page_pool_ticket_retire(pool, AKV_NONE) == AKV_ERROR_INVALID_ARGUMENT);
  OK(akv_page_pool_ticket_retire(other, other.state().oldest_open));
}

TEST_CASE("arena: A22 a pool with open tickets is not destroyed: work may still use its memory") {
  akv_page_pool *pool = nullptr;
  OK(akv_page_pool_create(nullptr, &pool));
  akv_ticket ticket = AKV_NONE;
  OK(akv_page_pool_ticket_open(pool, &ticket));
  CHECK(akv_page_pool_destroy(pool) == AKV_ERROR_BUSY);
  CHECK(last_error() == "1 tickets of the page pool are open: retire or abandon them first");
  OK(akv_page_pool_ticket_retire(pool, ticket));
  OK(akv_page_pool_destroy(pool));
  CHECK(akv_page_pool_destroy(pool) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_page_pool_ticket_open(pool, &ticket) == AKV_ERROR_BAD_HANDLE);
}

TEST_CASE("arena: A13 emergency: all of one owner, or of everybody, is dropped and counted, through tickets") {
  PagePool pool;
  const akv_arena mine = pool.arena(5), his = pool.arena(6);
  pool.tensor(mine, 4096);
  pool.tensor(mine, 100);
  pool.tensor(his, 100);
  const auto my_pages = pool.acquire(2, 5), his_pages = pool.acquire(1, 6);
  const akv_ticket ticket = pool.open_ticket();
  akv_dropped dropped = AKV_DROPPED_INIT;
  OK(akv_page_pool_drop_owner(pool, 5, &dropped));
  CHECK((dropped.arenas == 1 && dropped.tensors == 2 && dropped.raw_pages == 2 && dropped.pages == 4));
  CHECK(dropped.bytes == 4 * 4096);
  CHECK((pool.state().quarantined_pages == 4 && pool.state().live_pages == 2 && pool.state().arenas == 1));
  CHECK(akv_page_release(pool, my_pages.data(), 2) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_arena_drop(pool, mine) == AKV_ERROR_BAD_HANDLE);
  CHECK(pool.info(his).tensors == 1);
  OK(akv_page_pool_drop_owner(pool, 5, &dropped));
  CHECK((dropped.arenas == 0 && dropped.pages == 0));
  OK(akv_page_pool_drop_all(pool, &dropped));
  CHECK((dropped.arenas == 1 && dropped.raw_pages == 1 && dropped.pages == 2));
  CHECK(akv_page_release(pool, his_pages.data(), 1) == AKV_ERROR_BAD_HANDLE);
  pool.retire(ticket);
  CHECK((pool.state().free_pages == 8 && pool.state().dropped_arenas == 2 && pool.state().dropped_tensors == 3));
}

TEST_CASE("arena: NO_ARENAS, NO_PAGES and NO_TENSORS each say what there is too little of") {
  PagePool pool([](akv_page_pool_config &c) {
    c.num_pages = c.max_pages = 1;
    c.tensors_per_page = 2;
  });
  akv_arena arena = AKV_NONE;
  for (int i = 0; i < 4; ++i) OK(akv_arena_create(pool, 1, &arena));
  akv_arena one_more = AKV_NONE;
  CHECK(akv_arena_create(pool, 1, &one_more) == AKV_ERROR_NO_ARENAS);
  CHECK((one_more == AKV_NONE && last_error() == "4 arenas (max_arenas) live in the page pool"));
  pool.tensor(arena, 1);
  pool.tensor(arena, 1);
  akv_tensor tensor = AKV_NONE;
  CHECK(akv_tensor_create(pool, arena, 1, &tensor, nullptr) == AKV_ERROR_NO_TENSORS);
  CHECK(akv_tensor_create(pool, arena, 4096, &tensor, nullptr) == AKV_ERROR_NO_PAGES);
  CHECK(last_error() == "1 more pages are needed, 0 of the 1 reserved ones are free: drop arenas, or reserve more");
}

TEST_CASE("arena: A1 a tensor costs 16 bytes of table, which is there from the start") {
  PagePool fewer([](akv_page_pool_config &c) { c.tensors_per_page = 512; });
  PagePool many([](akv_page_pool_config &c) { c.tensors_per_page = 1024; });
  CHECK(fewer.state().bytes_per_tensor == 16);
  CHECK(many.state().table_bytes - fewer.state().table_bytes == 16 * 512 * 16);
  CHECK(fewer.state().lock_free == 1);
}

TEST_CASE("arena: A19 the caller's memory is used as it is, and is what read_config and views point at") {
  alignas(256) static unsigned char memory[4 * 4096];
  std::memset(memory, 3, sizeof memory);
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.flags = AKV_PAGE_POOL_DIRTY;
  config.page_bytes = 4096;
  config.num_pages = 2;
  config.max_pages = 4;
  config.memory = memory;
  config.memory_bytes = sizeof memory;
  akv_page_pool *pool = nullptr;
  OK(akv_page_pool_create(&config, &pool));
  OK(akv_page_pool_reserve(pool, 4));
  akv_page page = AKV_NONE;
  std::uint32_t content = 99;
  OK(akv_page_acquire(pool, 1, &page, &content, 1));
  CHECK(content == AKV_CONTENT_FOREIGN);
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  OK(akv_page_read_view(pool, page, &view));
  CHECK(view.data == memory + (view.page - 1) * 4096);
  akv_page_pool_config in_use = AKV_PAGE_POOL_CONFIG_INIT;
  OK(akv_page_pool_read_config(pool, &in_use));
  CHECK((in_use.memory == memory && in_use.memory_bytes == sizeof memory && in_use.tensors_per_page == 16));
  CHECK((in_use.max_arenas == 256 && in_use.max_open_tickets == 1024 && in_use.purpose == AKV_PURPOSE_KV_CACHE));
  OK(akv_page_pool_destroy(pool));
  CHECK(all_bytes(memory, sizeof memory, 3));
}

TEST_CASE("arena: A4 no call of arena.h touches a byte of a page: all of them over memory without access") {
  constexpr std::size_t kBytes = 16 * 4096;
  void *memory = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 4096;
  config.num_pages = 8;
  config.max_pages = 16;
  config.memory = memory;
  config.memory_bytes = kBytes;
  akv_page_pool *pool = nullptr;
  OK(akv_page_pool_create(&config, &pool));
  OK(akv_page_pool_reserve(pool, 16));
  akv_page pages[4];
  akv_arena arena = AKV_NONE;
  akv_tensor tensor = AKV_NONE;
  akv_ticket ticket = AKV_NONE;
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  akv_dropped dropped = AKV_DROPPED_INIT;
  for (int i = 0; i < 3; ++i) {
    OK(akv_page_acquire(pool, 1, pages, nullptr, 4));
    OK(akv_page_read_view(pool, pages[0], &view));
    OK(akv_arena_create(pool, 1, &arena));
    for (int k = 0; k < 12; ++k) OK(akv_tensor_create(pool, arena, 4096, &tensor, nullptr));
    OK(akv_tensor_extend(pool, tensor, 4096, nullptr));
    OK(akv_tensor_read_view(pool, tensor, &view));
    OK(akv_page_pool_ticket_open(pool, &ticket));
    OK(akv_arena_drop(pool, arena));
    OK(akv_page_release(pool, pages, 3));
    OK(akv_page_pool_ticket_retire(pool, ticket));
    OK(akv_page_pool_drop_all(pool, &dropped));
  }
  OK(akv_page_pool_destroy(pool));
  munmap(memory, kBytes);
}

TEST_CASE("arena: E4 a pool with a tracker records what it reserves, and a limit refuses before anything is there") {
  akv_tracker *tracker = nullptr;
  OK(akv_tracker_create(nullptr, &tracker));
  OK(akv_tracker_set_limit(tracker, AKV_DEVICE_HOST, 12 * 4096));
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 4096;
  config.num_pages = 8;
  config.max_pages = 16;
  config.tracker = tracker;
  config.purpose = AKV_PURPOSE_ACTIVATIONS;
  akv_page_pool *pool = nullptr;
  OK(akv_page_pool_create(&config, &pool));
  const auto bytes = [tracker] {
    akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
    OK(akv_tracker_read_totals(tracker, AKV_DEVICE_HOST, AKV_PURPOSE_ACTIVATIONS, &totals));
    return totals.bytes;
  };
  CHECK(bytes() == 8 * 4096);
  OK(akv_page_pool_reserve(pool, 12));
  CHECK(bytes() == 12 * 4096);
  CHECK(akv_page_pool_reserve(pool, 13) == AKV_ERROR_NO_CAPACITY);
  CHECK(last_error() == "4096 bytes more are wanted on device 0: 0 of its limit of 49152 are left");
  akv_page_pool_state state = AKV_PAGE_POOL_STATE_INIT;
  OK(akv_page_pool_read_state(pool, &state));
  CHECK(state.unreserved_pages == 4);
  CHECK(akv_tracker_destroy(tracker) == AKV_ERROR_BUSY);
  akv_page_pool *second = nullptr;
  CHECK(akv_page_pool_create(&config, &second) == AKV_ERROR_NO_CAPACITY);
  CHECK(second == nullptr);
  OK(akv_page_pool_destroy(pool));
  CHECK(bytes() == 0);
  OK(akv_tracker_destroy(tracker));
}

TEST_CASE("arena: E4 the caller's memory is not recorded a second time: its owner has recorded it") {
  alignas(256) static unsigned char memory[4 * 4096];
  akv_tracker *tracker = nullptr;
  OK(akv_tracker_create(nullptr, &tracker));
  const akv_allocation mine = {AKV_DEVICE_HOST, AKV_PURPOSE_KV_CACHE, sizeof memory};
  akv_memory_record record = AKV_NONE;
  OK(akv_tracker_record(tracker, &mine, sizeof mine, 1, &record));
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 4096;
  config.num_pages = 2;
  config.max_pages = 4;
  config.memory = memory;
  config.memory_bytes = sizeof memory;
  config.tracker = tracker;
  akv_page_pool *pool = nullptr;
  OK(akv_page_pool_create(&config, &pool));
  OK(akv_page_pool_reserve(pool, 4));
  akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
  OK(akv_tracker_read_totals(tracker, AKV_UNSET, AKV_UNSET, &totals));
  CHECK((totals.bytes == sizeof memory && totals.peak_bytes == sizeof memory && totals.records == 1));
  OK(akv_tracker_destroy(tracker));  // the pool has nothing to do with it
  OK(akv_page_pool_destroy(pool));
}

TEST_CASE(
    "arena: A2 with PREFAULT all memory of a page is there once it is reserved, however pages lie in the system's") {
  const auto granule = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  for (const std::uint64_t page_bytes : {std::uint64_t{3840}, std::uint64_t{256}, 3 * granule, granule + 256}) {
    akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
    config.page_bytes = page_bytes;
    config.num_pages = 1;
    config.max_pages = 64;
    config.flags = AKV_PAGE_POOL_PREFAULT;
    akv_page_pool *pool = nullptr;
    OK(akv_page_pool_create(&config, &pool));
    OK(akv_page_pool_read_config(pool, &config));
    for (std::uint32_t pages = 1; pages <= 40; ++pages) {
      OK(akv_page_pool_reserve(pool, pages));
      const std::uint64_t count = (pages * page_bytes + granule - 1) / granule;
      std::vector<unsigned char> there(count);
      REQUIRE(mincore(config.memory, count * granule, there.data()) == 0);
      std::uint64_t missing = 0;
      for (const unsigned char one : there) missing += (one & 1) == 0;
      INFO(pages << " pages of " << page_bytes << " bytes");
      REQUIRE(missing == 0);
    }
    OK(akv_page_pool_destroy(pool));
  }
}

// 500 to 32,000 tokens of 1 KiB each (the two tensors of a layer are one here), until the first refusal.
TEST_CASE("arena: A22 mixed lengths fill the pool to 0.97 in pages of 256 tokens; one tensor a sequence is measured") {
  constexpr std::uint64_t kTokenBytes = 1024;
  const auto share_at_first_refusal = [](std::uint64_t page_tokens, bool paged) {
    akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
    config.page_bytes = page_tokens * kTokenBytes;
    config.num_pages = static_cast<std::uint32_t>((std::uint64_t{2} << 20) / page_tokens);  // 2 million tokens
    config.max_arenas = 4096;
    config.tensors_per_page = paged ? 1 : 64;
    akv_page_pool *pool = nullptr;
    OK(akv_page_pool_create(&config, &pool));
    std::mt19937 random(9);
    std::uint64_t used = 0;
    for (;;) {
      const std::uint64_t tokens = 500 + random() % 31501;
      std::vector<std::uint64_t> capacities(paged ? (tokens + page_tokens - 1) / page_tokens : 1,
                                            page_tokens * kTokenBytes);
      if (!paged) capacities[0] = tokens * kTokenBytes;
      std::vector<akv_tensor> tensors(capacities.size());
      akv_arena arena = AKV_NONE;
      OK(akv_arena_create(pool, 1, &arena));
      const akv_status status = akv_tensor_create_batch(
          pool, arena, capacities.data(), static_cast<std::uint32_t>(capacities.size()), tensors.data(), nullptr);
      if (status != AKV_OK) {
        CHECK(status == AKV_ERROR_NO_PAGES);
        break;
      }
      used += tokens * kTokenBytes;
    }
    const double share = static_cast<double>(used) / static_cast<double>(config.num_pages * config.page_bytes);
    OK(akv_page_pool_destroy(pool));
    return share;
  };
  const double paged = share_at_first_refusal(256, true), whole = share_at_first_refusal(32000, false);
  WARN("usable share at the first refusal: " << paged << " in pages of 256 tokens, " << whole
                                             << " with an arena and one tensor a sequence in pages of 32,000");
  CHECK(paged >= 0.97);
  CHECK(whole > 0.3);
}
