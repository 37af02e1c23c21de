// abuse_pools.cpp: page pools, pages, arenas, tensors, tickets and trackers that are NULL, stale, random, of another
// kind or of another pool, configurations that make no sense, and children of fork().
// It knows the public API only; NULLs and structs of other headers are swept with all functions in abuse_*.cpp.
#include "child.hpp"
#include "pool_fixture.hpp"

#include <functional>
#include <random>

using namespace akv::test;

namespace {

akv_page_pool *as_pool(std::uint64_t value) {
  return reinterpret_cast<akv_page_pool *>(static_cast<std::uintptr_t>(value));
}
template <class T>
std::uint64_t number_of(T *handle) {
  return reinterpret_cast<std::uintptr_t>(handle);
}

// One of everything in one pool.
struct Things {
  Things()
      : page(pool.acquire(1)[0]), arena(pool.arena()), tensor(pool.tensor(arena, 1000)), ticket(pool.open_ticket()) {}
  ~Things() { ended = akv_page_pool_ticket_retire(pool, ticket); }  // or it has ended already
  PagePool pool;
  akv_page page;
  akv_arena arena;
  akv_tensor tensor;
  akv_ticket ticket;
  akv_status ended = AKV_OK;
};

// Every call on a pool that names nothing in it, with this pool.
std::vector<akv_status> calls_on(akv_page_pool *pool, const Things &t) {
  akv_page_pool_state state = AKV_PAGE_POOL_STATE_INIT;
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  akv_arena_info info = AKV_ARENA_INFO_INIT;
  akv_dropped dropped = AKV_DROPPED_INIT;
  std::uint64_t out = 0;
  std::uint32_t where = 0;
  return {akv_page_pool_read_state(pool, &state),
          akv_page_pool_read_config(pool, &config),
          akv_page_pool_reserve(pool, 1),
          akv_page_pool_drop_owner(pool, 77, &dropped),
          akv_page_acquire(pool, 1, &out, nullptr, 1),
          akv_page_release(pool, &t.page, 1),
          akv_page_read_view(pool, t.page, &view),
          akv_arena_create(pool, 1, &out),
          akv_arena_drop(pool, t.arena),
          akv_arena_read_info(pool, t.arena, &info),
          akv_tensor_create(pool, t.arena, 10, &out, nullptr),
          akv_tensor_extend(pool, t.tensor, 10, &out),
          akv_tensor_read_view(pool, t.tensor, &view),
          akv_page_pool_ticket_open(pool, &out),
          akv_page_pool_ticket_retire(pool, t.ticket),
          akv_page_pool_ticket_abandon(pool, t.ticket),
          akv_page_pool_ticket_read(pool, t.ticket, &where)};
}

void all_answer(const std::vector<akv_status> &answers, akv_status wanted) {
  for (std::size_t i = 0; i < answers.size(); ++i) {
    INFO("call " << i);
    CHECK(answers[i] == wanted);
  }
}

// Every call that takes a thing of this kind.
std::vector<akv_status> on_page(const Things &t, akv_page page) {
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  return {akv_page_release(t.pool, &page, 1), akv_page_read_view(t.pool, page, &view)};
}
std::vector<akv_status> on_arena(const Things &t, akv_arena arena) {
  akv_arena_info info = AKV_ARENA_INFO_INIT;
  akv_tensor tensor = AKV_NONE;
  return {akv_tensor_create(t.pool, arena, 10, &tensor, nullptr), akv_arena_read_info(t.pool, arena, &info),
          akv_arena_drop(t.pool, arena)};
}
std::vector<akv_status> on_tensor(const Things &t, akv_tensor tensor) {
  akv_memory_view view = AKV_MEMORY_VIEW_INIT;
  return {akv_tensor_extend(t.pool, tensor, 1, nullptr), akv_tensor_read_view(t.pool, tensor, &view)};
}

struct Kind {
  const char *name;
  std::uint64_t (*of)(const Things &);
  std::vector<akv_status> (*calls)(const Things &, std::uint64_t);
};
const Kind kKinds[] = {
    {"page", [](const Things &t) { return std::uint64_t{t.page}; }, on_page},
    {"arena", [](const Things &t) { return std::uint64_t{t.arena}; }, on_arena},
    {"tensor", [](const Things &t) { return std::uint64_t{t.tensor}; }, on_tensor},
};

std::string bytes_of(const akv_page_pool_state &state) {
  return std::string(reinterpret_cast<const char *>(&state), sizeof state);
}

}  // namespace

TEST_CASE("abuse: a NULL pool is INVALID_ARGUMENT, a destroyed one BAD_HANDLE, another object's WRONG_TYPE") {
  const Things t;
  all_answer(calls_on(nullptr, t), AKV_ERROR_INVALID_ARGUMENT);
  akv_page_pool *gone = nullptr;
  OK(akv_page_pool_create(nullptr, &gone));
  OK(akv_page_pool_destroy(gone));
  all_answer(calls_on(gone, t), AKV_ERROR_BAD_HANDLE);
  PagePool in_its_place;
  CHECK(in_its_place.handle != gone);
  all_answer(calls_on(gone, t), AKV_ERROR_BAD_HANDLE);
  akv_tracker *tracker = nullptr;
  OK(akv_tracker_create(nullptr, &tracker));
  all_answer(calls_on(as_pool(number_of(tracker)), t), AKV_ERROR_WRONG_TYPE);
  CHECK(akv_page_pool_destroy(as_pool(number_of(tracker))) == AKV_ERROR_WRONG_TYPE);
  CHECK(akv_tracker_destroy(reinterpret_cast<akv_tracker *>(number_of(t.pool.handle))) == AKV_ERROR_WRONG_TYPE);
  OK(akv_tracker_destroy(tracker));
  CHECK(akv_tracker_destroy(tracker) == AKV_ERROR_BAD_HANDLE);
  OK(akv_tracker_destroy(nullptr));
  OK(akv_page_pool_destroy(nullptr));
}

TEST_CASE("abuse: things of another pool are BAD_HANDLE, of another kind WRONG_TYPE, 0 is INVALID_ARGUMENT") {
  const Things t, other;
  const std::string before = bytes_of(t.pool.state());
  for (const Kind &kind : kKinds) {
    INFO(kind.name);
    all_answer(kind.calls(t, kind.of(other)), AKV_ERROR_BAD_HANDLE);
    all_answer(kind.calls(t, AKV_NONE), AKV_ERROR_INVALID_ARGUMENT);
    for (const Kind &wrong : kKinds)
      if (&wrong != &kind) all_answer(kind.calls(t, wrong.of(t)), AKV_ERROR_WRONG_TYPE);
  }
  CHECK(bytes_of(t.pool.state()) == before);
}

TEST_CASE("abuse: random things, and good ones with one bit turned, are refused and change nothing") {
  const Things t;
  std::mt19937_64 random(4);
  const std::string before = bytes_of(t.pool.state());
  for (const Kind &kind : kKinds) {
    INFO(kind.name);
    std::vector<std::uint64_t> values;
    for (int bit = 0; bit < 64; ++bit) values.push_back(kind.of(t) ^ 1ull << bit);
    for (int i = 0; i < 2000; ++i) values.push_back(random());
    for (int i = 0; i < 2000; ++i) values.push_back((kind.of(t) & ~0xfffffull) | (random() & 0xfffff));
    for (const std::uint64_t value : values) {
      if (value == kind.of(t)) continue;
      for (const akv_status status : kind.calls(t, value)) {
        const bool refused = status == AKV_ERROR_BAD_HANDLE || status == AKV_ERROR_WRONG_TYPE;
        if (!refused) FAIL("handle " << value << " is answered " << akv_status_name(status));
      }
    }
  }
  CHECK(bytes_of(t.pool.state()) == before);
}

TEST_CASE("abuse: D6 handles of things whose place was used again thousands of times never reach what is there") {
  PagePool pool;
  std::vector<std::uint64_t> arenas, tensors, pages;
  for (int i = 0; i < 3000; ++i) {
    arenas.push_back(pool.arena());
    tensors.push_back(pool.tensor(arenas.back(), 100));
    pages.push_back(pool.acquire(1)[0]);
    pool.drop(arenas.back());
    pool.release({pages.back()});
  }
  const akv_arena living = pool.arena();
  const akv_tensor tensor = pool.tensor(living, 100);
  const akv_page page = pool.acquire(1)[0];
  for (int i = 0; i < 3000; ++i) {
    const auto at = static_cast<std::size_t>(i);
    REQUIRE((arenas[at] != living && tensors[at] != tensor && pages[at] != page));
    REQUIRE(akv_arena_drop(pool, arenas[at]) == AKV_ERROR_BAD_HANDLE);
    REQUIRE(akv_tensor_extend(pool, tensors[at], 1, nullptr) == AKV_ERROR_BAD_HANDLE);
    REQUIRE(akv_page_release(pool, &pages[at], 1) == AKV_ERROR_BAD_HANDLE);
  }
  CHECK((pool.view(tensor).bytes == 0 && pool.state().live_pages == 2));
}

TEST_CASE("abuse: D6 things of a destroyed pool never reach those of the pool that has its place") {
  std::vector<std::uint64_t> old;
  for (int i = 0; i < 50; ++i) {
    const Things t;
    for (std::size_t k = 0; k < old.size(); ++k) {
      akv_memory_view view = AKV_MEMORY_VIEW_INIT;
      REQUIRE(akv_page_release(t.pool, &old[k], 1) != AKV_OK);
      REQUIRE(akv_tensor_read_view(t.pool, old[k], &view) != AKV_OK);
      REQUIRE(akv_arena_drop(t.pool, old[k]) != AKV_OK);
    }
    for (const Kind &kind : kKinds) old.push_back(kind.of(t));
  }
}

TEST_CASE("abuse: D6 a ticket of a destroyed pool is never one of its next 200 successors") {
  std::vector<akv_ticket> old;
  for (int i = 0; i < 200; ++i) {
    const PagePool pool;
    for (const akv_ticket ticket : old) {
      std::uint32_t state = 0;
      REQUIRE(akv_page_pool_ticket_read(pool, ticket, &state) == AKV_ERROR_BAD_HANDLE);
      REQUIRE(akv_page_pool_ticket_retire(pool, ticket) == AKV_ERROR_BAD_HANDLE);
    }
    const akv_ticket mine = pool.open_ticket();
    for (const akv_ticket ticket : old) REQUIRE(akv_page_pool_ticket_retire(pool, ticket) == AKV_ERROR_BAD_HANDLE);
    pool.retire(mine);
    old.push_back(mine);
  }
}

TEST_CASE("abuse: configurations of a pool that make no sense are refused, and say why") {
  const auto refuse = [](akv_status wanted, const std::function<void(akv_page_pool_config &)> &bend) {
    akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
    bend(config);
    akv_page_pool *pool = nullptr;
    const akv_status status = akv_page_pool_create(&config, &pool);
    INFO(last_error());
    CHECK(status == wanted);
    CHECK(pool == nullptr);
    if (status == AKV_OK) OK(akv_page_pool_destroy(pool));
  };
  constexpr akv_status invalid = AKV_ERROR_INVALID_ARGUMENT, unsupported = AKV_ERROR_UNSUPPORTED;
  alignas(256) static unsigned char memory[4096];
  refuse(invalid, [](auto &c) { c.struct_size = 0; });
  refuse(invalid, [](auto &c) { c.struct_size = 71; });
  refuse(unsupported, [](auto &c) { c.flags = 4; });
  refuse(unsupported, [](auto &c) { c.device = 1; });
  refuse(unsupported, [](auto &c) { c.unused = 1; });
  refuse(invalid, [](auto &c) { c.page_bytes = 255; });
  refuse(invalid, [](auto &c) { c.page_bytes = 4096 + 128; });
  refuse(invalid, [](auto &c) { c.page_bytes = (std::uint64_t{1} << 39) + 256; });
  refuse(invalid, [](auto &c) { c.page_bytes = UINT64_MAX - 255; });
  refuse(invalid, [](auto &c) { c.max_pages = 1u << 20; });
  refuse(invalid, [](auto &c) { c.num_pages = UINT32_MAX; });
  refuse(invalid, [](auto &c) {
    c.num_pages = 9;
    c.max_pages = 8;
  });
  refuse(AKV_ERROR_OUT_OF_RANGE, [](auto &c) {
    c.page_bytes = std::uint64_t{1} << 39;
    c.max_pages = 129;
  });
  refuse(invalid, [](auto &c) { c.max_arenas = 1u << 20; });
  refuse(invalid, [](auto &c) { c.tensors_per_page = 3; });
  refuse(invalid, [](auto &c) { c.tensors_per_page = 1u << 31; });
  refuse(invalid, [](auto &c) { c.max_open_tickets = 3; });
  refuse(invalid, [](auto &c) { c.max_open_tickets = 1u << 21; });
  refuse(invalid, [](auto &c) { c.purpose = 7; });
  refuse(invalid, [](auto &c) { c.memory_bytes = 4096; });
  refuse(invalid, [](auto &c) { c.flags = AKV_PAGE_POOL_DIRTY; });
  const auto with_memory = [](akv_page_pool_config &c) {
    c.page_bytes = 1024;
    c.num_pages = 4;
    c.memory = memory;
    c.memory_bytes = sizeof memory;
  };
  refuse(invalid, [&](auto &c) {
    with_memory(c);
    c.memory_bytes = 4095;
  });
  refuse(invalid, [&](auto &c) {
    with_memory(c);
    c.memory = memory + 128;
  });
  refuse(invalid, [&](auto &c) {
    with_memory(c);
    c.flags = AKV_PAGE_POOL_PREFAULT;
  });
  refuse(AKV_ERROR_BAD_HANDLE, [](auto &c) { c.tracker = reinterpret_cast<akv_tracker *>(std::uintptr_t{1}); });
  const Things t;
  refuse(AKV_ERROR_WRONG_TYPE, [&](auto &c) { c.tracker = reinterpret_cast<akv_tracker *>(number_of(t.pool.handle)); });
}

TEST_CASE("abuse: sizes of tensors that are 0, huge or overflow when added up are refused, and nothing is placed") {
  const Things t;
  const std::string before = bytes_of(t.pool.state());
  const std::uint64_t huge[] = {0, 4097, std::uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 255};
  for (const std::uint64_t bytes : huge) {
    const std::uint64_t rows[] = {100, bytes};
    akv_tensor out[2] = {};
    const akv_status status = akv_tensor_create_batch(t.pool, t.arena, rows, 2, out, nullptr);
    CHECK(status == (bytes == 0 ? AKV_ERROR_INVALID_ARGUMENT : AKV_ERROR_NO_CAPACITY));
    CHECK((out[0] == AKV_NONE && last_error().rfind("row 1 of the batch: ", 0) == 0));
  }
  CHECK(akv_tensor_create_batch(t.pool, t.arena, nullptr, 1, nullptr, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  OK(akv_tensor_create_batch(t.pool, t.arena, nullptr, 0, nullptr, nullptr));
  CHECK(akv_page_release(t.pool, nullptr, 3) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(bytes_of(t.pool.state()) == before);
}

TEST_CASE("abuse: allocations of a tracker that are shorter or newer than ours") {
  akv_tracker *tracker = nullptr;
  OK(akv_tracker_create(nullptr, &tracker));
  struct Newer {
    akv_allocation allocation;
    std::uint64_t news;
  } rows[2] = {{{0, AKV_PURPOSE_SWAP, 1}, 0}, {{0, AKV_PURPOSE_SWAP, 2}, 0}};
  akv_memory_record records[2] = {};
  for (const std::uint32_t size : {0u, 15u, 4097u})
    CHECK(akv_tracker_record(tracker, &rows[0].allocation, size, 1, records) == AKV_ERROR_INVALID_ARGUMENT);
  OK(akv_tracker_record(tracker, &rows[0].allocation, sizeof(Newer), 2, records));
  OK(akv_tracker_forget(tracker, records, 2));
  rows[1].news = 1;
  CHECK(akv_tracker_record(tracker, &rows[0].allocation, sizeof(Newer), 2, records) == AKV_ERROR_UNSUPPORTED);
  OK(akv_tracker_destroy(tracker));
}

TEST_CASE("abuse: in a child of fork() calls on the parent's pool are FORKED and write nothing, destroy is fine") {
  const Things t;
  akv_tracker *tracker = nullptr;
  OK(akv_tracker_create(nullptr, &tracker));
  const std::string found = in_child([&] {
    std::string all;
    for (const akv_status answer : calls_on(t.pool, t))
      if (answer != AKV_ERROR_FORKED) all += wrong("a call", answer);
    akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
    if (const akv_status s = akv_tracker_read_totals(tracker, 0, 1, &totals); s != AKV_ERROR_FORKED)
      all += wrong("read_totals", s);
    if (const akv_status s = akv_tracker_destroy(tracker); s != AKV_OK) all += wrong("destroy of a tracker", s);
    if (const akv_status s = akv_page_pool_destroy(t.pool); s != AKV_OK) all += wrong("destroy", s);
    if (const akv_status s = akv_page_pool_destroy(t.pool); s != AKV_ERROR_BAD_HANDLE) all += wrong("again", s);
    return all;
  });
  CHECK(found == "");
  CHECK(t.pool.state().live_pages == 2);
  OK(akv_tracker_destroy(tracker));
}

TEST_CASE("abuse: NO_OBJECTS when every pool that may exist does, and one less makes room") {
  std::vector<akv_page_pool *> pools;
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = 256;
  config.num_pages = 1;
  akv_page_pool *pool = nullptr;
  akv_status status = AKV_OK;
  while ((status = akv_page_pool_create(&config, &pool)) == AKV_OK) pools.push_back(pool);
  CHECK((status == AKV_ERROR_NO_OBJECTS && pools.size() == AKV_MAX_OBJECTS));
  OK(akv_page_pool_destroy(pools.back()));
  OK(akv_page_pool_create(&config, &pools.back()));
  for (akv_page_pool *one : pools) OK(akv_page_pool_destroy(one));
}
