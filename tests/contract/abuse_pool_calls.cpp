// abuse_pool_calls.cpp: the functions of arena.h and memory.h as rows of the table of abuse_calls.hpp: each makes a
// pool or a tracker with one of everything, and calls the function on it. Their handles are abused in abuse_pools.cpp.
// It knows the public API only, and no test.
#include "abuse_calls.hpp"

// Leave a row with what its first call answered, if that is an error.
#define AKV_TRY_CALL(call)                                     \
  do {                                                         \
    if (const akv_status s_ = (call); s_ != AKV_OK) return s_; \
  } while (0)

namespace akv::test {
namespace {

// Whatever a call has left there.
void end(akv_status) {}

struct Pool {
  Pool() {
    akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
    config.page_bytes = 4096;
    config.num_pages = 4;
    config.max_pages = 8;
    OK(akv_page_pool_create(&config, &pool));
    OK(akv_page_acquire(pool, 5, &page, nullptr, 1));
    OK(akv_arena_create(pool, 5, &arena));
    OK(akv_tensor_create(pool, arena, 1000, &tensor, nullptr));
    OK(akv_page_pool_ticket_open(pool, &ticket));
  }
  ~Pool() {
    end(akv_page_pool_ticket_retire(pool, ticket));
    end(akv_page_pool_destroy(pool));
  }
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;
  akv_page_pool *pool = nullptr;
  akv_page page = AKV_NONE;
  akv_arena arena = AKV_NONE;
  akv_tensor tensor = AKV_NONE;
  akv_ticket ticket = AKV_NONE;
};

struct Tracker {
  Tracker() {
    OK(akv_tracker_create(nullptr, &tracker));
    const akv_allocation one = {0, AKV_PURPOSE_SWAP, 10};
    OK(akv_tracker_record(tracker, &one, sizeof one, 1, &record));
  }
  ~Tracker() { end(akv_tracker_destroy(tracker)); }
  Tracker(const Tracker &) = delete;
  Tracker &operator=(const Tracker &) = delete;
  akv_tracker *tracker = nullptr;
  akv_memory_record record = AKV_NONE;
};

// copy_tensor.h, on an empty tensor and the pool's page.
std::vector<Function> tensor_copies() {
  return {
      {"akv_copy_to_tensor", 0, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_copy_to_tensor(p.pool, p.tensor, 0, c.array, 0, nullptr);
       }},
      {"akv_copy_from_tensor", 0, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_copy_from_tensor(p.pool, p.tensor, 0, c.array, 0, nullptr);
       }},
      {"akv_copy_tensor", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_copy_tensor(p.pool, p.tensor, 0, p.tensor, 0, 0, nullptr);
       }},
      {"akv_copy_zero_tensor", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_copy_zero_tensor(p.pool, p.tensor, nullptr);
       }},
      {"akv_copy_zero_page", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_copy_zero_page(p.pool, p.page, nullptr);
       }},
      {"akv_page_pool_read_stats", kArray | kCount | kElement, 0, 0, sizeof(akv_copy_stats),
       [](const Call &c) {
         const Pool p;
         AKV_TRY_CALL(akv_copy_zero_page(p.pool, p.page, nullptr));
         return akv_page_pool_read_stats(p.pool, c.array_as<akv_copy_stats>(), c.element_size, c.capacity, c.out_count);
       }},
      {"akv_tensor_read_shape", kOut | kOnce, sizeof(akv_view), 0, 0,
       [](const Call &c) {
         const Pool p;
         const std::int64_t shape[] = {0};
         return akv_tensor_read_shape(p.pool, p.tensor, 0, AKV_DTYPE_F16, shape, 1, c.out_as<akv_view>());
       }},
  };
}

std::vector<Function> pages() {
  return {
      {"akv_page_pool_create", kOut | kOnce, 0, 0, 0,
       [](const Call &c) {
         auto *out = c.out_as<akv_page_pool *>();
         AKV_TRY_CALL(akv_page_pool_create(nullptr, out));
         return akv_page_pool_destroy(*out);
       }},
      {"akv_page_pool_destroy", 0, 0, 0, 0,
       [](const Call &) {
         Pool p;
         OK(akv_page_pool_ticket_retire(p.pool, p.ticket));
         return akv_page_pool_destroy(p.pool);
       }},
      {"akv_page_pool_read_config", kOut | kOnce, sizeof(akv_page_pool_config), 0, 0,
       [](const Call &c) { return akv_page_pool_read_config(Pool().pool, c.out_as<akv_page_pool_config>()); }},
      {"akv_page_pool_reserve", 0, 0, 0, 0, [](const Call &) { return akv_page_pool_reserve(Pool().pool, 6); }},
      {"akv_page_pool_read_state", kOut | kOnce, sizeof(akv_page_pool_state), 0, 0,
       [](const Call &c) { return akv_page_pool_read_state(Pool().pool, c.out_as<akv_page_pool_state>()); }},
      {"akv_page_pool_drop_owner", kOut, sizeof(akv_dropped), 0, 0,
       [](const Call &c) { return akv_page_pool_drop_owner(Pool().pool, 5, c.out_as<akv_dropped>()); }},
      {"akv_page_pool_drop_all", kOut, sizeof(akv_dropped), 0, 0,
       [](const Call &c) { return akv_page_pool_drop_all(Pool().pool, c.out_as<akv_dropped>()); }},
      {"akv_page_acquire", kArray | kOnce, 0, 0, 0,
       [](const Call &c) {
         return akv_page_acquire(Pool().pool, 5, c.array_as<akv_page>(), c.extra_as<std::uint32_t>(), 2);
       }},
      {"akv_page_release", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_page_release(p.pool, &p.page, 1);
       }},
      {"akv_page_read_view", kOut | kOnce, sizeof(akv_memory_view), 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_page_read_view(p.pool, p.page, c.out_as<akv_memory_view>());
       }},
      {"akv_page_pool_ticket_open", kOut | kOnce, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         AKV_TRY_CALL(akv_page_pool_ticket_open(p.pool, c.out_as<akv_ticket>()));
         return akv_page_pool_ticket_retire(p.pool, *c.out_as<akv_ticket>());
       }},
      {"akv_page_pool_ticket_retire", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_page_pool_ticket_retire(p.pool, p.ticket);
       }},
      {"akv_page_pool_ticket_abandon", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_page_pool_ticket_abandon(p.pool, p.ticket);
       }},
      {"akv_page_pool_ticket_read", kOut, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_page_pool_ticket_read(p.pool, p.ticket, c.out_as<std::uint32_t>());
       }},
  };
}

std::vector<Function> arenas() {
  return {
      {"akv_arena_create", kOut | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_arena_create(Pool().pool, 5, c.out_as<akv_arena>()); }},
      {"akv_arena_drop", 0, 0, 0, 0,
       [](const Call &) {
         const Pool p;
         return akv_arena_drop(p.pool, p.arena);
       }},
      {"akv_arena_read_info", kOut, sizeof(akv_arena_info), 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_arena_read_info(p.pool, p.arena, c.out_as<akv_arena_info>());
       }},
      {"akv_tensor_create", kOut | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_tensor_create(p.pool, p.arena, 100, c.out_as<akv_tensor>(), c.extra_as<std::uint32_t>());
       }},
      {"akv_tensor_create_batch", kArray | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         const std::uint64_t capacities[] = {100, 200};
         return akv_tensor_create_batch(p.pool, p.arena, capacities, 2, c.array_as<akv_tensor>(),
                                        c.extra_as<std::uint32_t>());
       }},
      {"akv_tensor_extend", kExtra, 0, 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_tensor_extend(p.pool, p.tensor, 10, c.extra_as<std::uint64_t>());
       }},
      {"akv_tensor_read_view", kOut | kOnce, sizeof(akv_memory_view), 0, 0,
       [](const Call &c) {
         const Pool p;
         return akv_tensor_read_view(p.pool, p.tensor, c.out_as<akv_memory_view>());
       }},
  };
}

std::vector<Function> trackers() {
  return {
      {"akv_tracker_create", kOut | kOnce, 0, 0, 0,
       [](const Call &c) {
         auto *out = c.out_as<akv_tracker *>();
         AKV_TRY_CALL(akv_tracker_create(nullptr, out));
         return akv_tracker_destroy(*out);
       }},
      {"akv_tracker_destroy", 0, 0, 0, 0, [](const Call &) { return akv_tracker_destroy(Tracker().tracker); }},
      {"akv_tracker_record", kArray | kOnce, 0, 0, 0,
       [](const Call &c) {
         const akv_allocation two[] = {{0, AKV_PURPOSE_SWAP, 10}, {1, AKV_PURPOSE_WEIGHTS, 20}};
         return akv_tracker_record(Tracker().tracker, two, sizeof two[0], 2, c.array_as<akv_memory_record>());
       }},
      {"akv_tracker_forget", 0, 0, 0, 0,
       [](const Call &) {
         const Tracker t;
         return akv_tracker_forget(t.tracker, &t.record, 1);
       }},
      {"akv_tracker_set_limit", 0, 0, 0, 0,
       [](const Call &) { return akv_tracker_set_limit(Tracker().tracker, 1, 100); }},
      {"akv_tracker_read_totals", kOut, sizeof(akv_memory_totals), 0, 0,
       [](const Call &c) {
         return akv_tracker_read_totals(Tracker().tracker, AKV_UNSET, AKV_UNSET, c.out_as<akv_memory_totals>());
       }},
  };
}

}  // namespace

std::vector<Function> pool_functions() {
  std::vector<Function> list;
  for (const auto &part : {pages(), arenas(), tensor_copies(), trackers()})
    list.insert(list.end(), part.begin(), part.end());
  return list;
}

}  // namespace akv::test
