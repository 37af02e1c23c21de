// arena.cpp: thunks of arena.h.
#include "api/arena_config.hpp"
#include "api/thunk.hpp"
#include "data/copy_tensors.hpp"
#include "data/view.hpp"

#include <algorithm>

using namespace akv;

namespace {

// A call on one pool.
using InPool = Pools::Visit;

void write_dropped(const ArenaPool &pool, const ArenaPool::Dropped &from, akv_dropped *to) noexcept {
  akv_dropped dropped = AKV_DROPPED_INIT;
  dropped.arenas = static_cast<std::uint32_t>(from.arenas);
  dropped.tensors = from.tensors;
  dropped.raw_pages = static_cast<std::uint32_t>(from.raw_pages);
  dropped.pages = static_cast<std::uint32_t>(from.pages);
  dropped.bytes = from.pages * pool.config().page_bytes;
  write_struct(dropped, to);
}

Status drop(akv_page_pool *pool, std::uint64_t owner, bool everybody, akv_dropped *out) noexcept {
  AKV_TRY(check_output(out, kOutputV1));
  ArenaPool::Dropped dropped;
  {
    const InPool in(pool);
    AKV_TRY(in.status());
    dropped = in->drop_owner(owner, everybody);
    write_dropped(*in, dropped, out);
  }
  log(AKV_LOG_INFO, "emergency: %llu arenas and %llu pages dropped%s", static_cast<unsigned long long>(dropped.arenas),
      static_cast<unsigned long long>(dropped.pages), everybody ? ", everybody's" : " of one owner");
  return AKV_OK;
}

Status end_ticket(akv_page_pool *pool, akv_ticket ticket, bool abandoned) noexcept {
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->end_ticket(ticket, abandoned);
}

akv_page_pool_state state_of(ArenaPool &pool) noexcept {
  const ArenaPool::State s = pool.state();
  const ArenaPoolConfig &config = pool.config();
  akv_page_pool_state state = AKV_PAGE_POOL_STATE_INIT;
  state.device = AKV_DEVICE_HOST;
  state.page_bytes = config.page_bytes;
  state.max_pages = config.max_pages;
  const std::uint32_t in_use = std::min(s.in_use, s.reserved);
  state.free_pages = s.reserved - in_use;
  state.quarantined_pages = std::min(s.quarantined, in_use);
  state.live_pages = in_use - state.quarantined_pages;
  state.unreserved_pages = config.max_pages - s.reserved;
  state.fresh_pages = std::min(s.fresh, state.free_pages);
  state.arena_pages = static_cast<std::uint32_t>(s.tensors.pages);
  state.arenas = s.arenas;
  state.tensors = s.tensors.tensors;
  state.capacity_bytes = s.tensors.capacity_bytes;
  state.rounding_bytes = s.tensors.rounding_bytes;
  state.closed_bytes = s.tensors.closed_bytes;
  state.handed_out = s.handed_out;
  state.recycled = std::min(s.reused, s.handed_out);
  state.recycled_bytes = state.recycled * config.page_bytes;
  if (s.handed_out != 0) state.hit_ratio = static_cast<double>(state.recycled) / static_cast<double>(s.handed_out);
  state.refused = s.refused;
  state.dropped_arenas = s.dropped_arenas;
  state.dropped_tensors = s.dropped_tensors;
  state.abandoned_tickets = s.abandoned_tickets;
  state.oldest_open = s.oldest_open;
  state.newest = s.newest;
  state.open_tickets = s.open_tickets;
  state.lock_free = PagePool::Free::is_lock_free() ? 1 : 0;
  state.bytes_per_tensor = sizeof(Arenas::Entry);
  state.table_bytes = s.table_bytes;
  return state;
}

}  // namespace

extern "C" {

// -- pools --

akv_status akv_page_pool_create(const akv_page_pool_config *config, akv_page_pool **out_pool) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_pool, "out_pool"));
  akv_page_pool_config raw = AKV_PAGE_POOL_CONFIG_INIT;
  ArenaPoolConfig wanted{};
  AKV_TRY(read_pool_config(config, raw, wanted));
  Trackers::Ref tracker;
  if (raw.tracker != nullptr) AKV_TRY(Trackers::find(raw.tracker, tracker));
  std::unique_ptr<ArenaPool> pool;
  AKV_TRY(ArenaPool::create(wanted, std::move(tracker), pool));
  akv_page_pool *made = nullptr;
  ArenaPool *const itself = pool.get();
  AKV_TRY(Pools::create(std::move(pool), made));
  itself->set_handle(CacheHandle::decode(reinterpret_cast<std::uintptr_t>(made)));
  *out_pool = made;
  log(AKV_LOG_INFO, "page pool created: %u of %u pages of %llu bytes", wanted.num_pages, wanted.max_pages,
      static_cast<unsigned long long>(wanted.page_bytes));
  return AKV_OK;
}

akv_status akv_page_pool_destroy(akv_page_pool *pool) noexcept {
  const KeepErrno keep;
  return Pools::destroy(pool, [](ArenaPool &one) { return one.may_end(); });
}

akv_status akv_page_pool_read_config(akv_page_pool *pool, akv_page_pool_config *out_config) noexcept {
  AKV_TRY(check_output(out_config, kOutputV1));
  const InPool in(pool);
  AKV_TRY(in.status());
  write_struct(raw_pool_config(in->config(), in->first_page()), out_config);
  return AKV_OK;
}

akv_status akv_page_pool_reserve(akv_page_pool *pool, uint32_t num_pages) noexcept {
  const KeepErrno keep;
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->reserve(num_pages);
}

akv_status akv_page_pool_read_state(akv_page_pool *pool, akv_page_pool_state *out_state) noexcept {
  AKV_TRY(check_output(out_state, kOutputV1));
  const InPool in(pool);
  AKV_TRY(in.status());
  write_struct(state_of(*in), out_state);
  return AKV_OK;
}

akv_status akv_page_pool_drop_owner(akv_page_pool *pool, uint64_t owner, akv_dropped *out_dropped) noexcept {
  return drop(pool, owner, false, out_dropped);
}

akv_status akv_page_pool_drop_all(akv_page_pool *pool, akv_dropped *out_dropped) noexcept {
  return drop(pool, 0, true, out_dropped);
}

// -- pages --

akv_status akv_page_acquire(akv_page_pool *pool, uint64_t owner, akv_page *out_pages, uint32_t *out_contents,
                            uint32_t count) noexcept {
  AKV_TRY(check_array(out_pages, count, "out_pages"));
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->acquire(owner, count, out_pages, out_contents);
}

akv_status akv_page_release(akv_page_pool *pool, const akv_page *pages, uint32_t count) noexcept {
  AKV_TRY(check_array(pages, count, "pages"));
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->release(pages, count);
}

akv_status akv_page_read_view(akv_page_pool *pool, akv_page page, akv_memory_view *out_view) noexcept {
  AKV_TRY(check_output(out_view, kOutputV1));
  const InPool in(pool);
  AKV_TRY(in.status());
  ArenaPool::PageView at{};
  AKV_TRY(in->read_page(page, at));
  const std::uint64_t bytes = in->config().page_bytes;
  const akv_memory_view view{sizeof(akv_memory_view),
                             AKV_DEVICE_HOST,
                             at.data,
                             bytes,
                             bytes,
                             ObjectHandle::generation(page),
                             at.owner,
                             static_cast<std::uint32_t>(at.content),
                             ObjectHandle::index(page)};
  write_struct(view, out_view);
  return AKV_OK;
}

// -- arenas --

akv_status akv_arena_create(akv_page_pool *pool, uint64_t owner, akv_arena *out_arena) noexcept {
  AKV_TRY(check_pointer(out_arena, "out_arena"));
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->create_arena(owner, *out_arena);
}

akv_status akv_arena_drop(akv_page_pool *pool, akv_arena arena) noexcept {
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->drop_arena(arena);
}

akv_status akv_arena_read_info(akv_page_pool *pool, akv_arena arena, akv_arena_info *out_info) noexcept {
  AKV_TRY(check_output(out_info, kOutputV1));
  const InPool in(pool);
  AKV_TRY(in.status());
  std::uint64_t owner = 0;
  ArenaCounts counts;
  AKV_TRY(in->read_arena(arena, owner, counts));
  const std::uint64_t all = counts.pages * in->config().page_bytes;
  const akv_arena_info info{sizeof(akv_arena_info),
                            static_cast<std::uint32_t>(counts.pages),
                            owner,
                            counts.tensors,
                            counts.capacity_bytes,
                            counts.rounding_bytes,
                            counts.closed_bytes,
                            all - std::min(all, counts.capacity_bytes + counts.closed_bytes)};
  write_struct(info, out_info);
  return AKV_OK;
}

akv_status akv_tensor_create(akv_page_pool *pool, akv_arena arena, uint64_t capacity_bytes, akv_tensor *out_tensor,
                             uint32_t *out_content) noexcept {
  AKV_TRY(check_pointer(out_tensor, "out_tensor"));
  return akv_tensor_create_batch(pool, arena, &capacity_bytes, 1, out_tensor, out_content);
}

akv_status akv_tensor_create_batch(akv_page_pool *pool, akv_arena arena, const uint64_t *capacity_bytes, uint32_t count,
                                   akv_tensor *out_tensors, uint32_t *out_contents) noexcept {
  AKV_TRY(check_array(capacity_bytes, count, "capacity_bytes"));
  AKV_TRY(check_array(out_tensors, count, "out_tensors"));
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->add_tensors(arena, capacity_bytes, count, out_tensors, out_contents);
}

akv_status akv_tensor_extend(akv_page_pool *pool, akv_tensor tensor, uint64_t bytes, uint64_t *out_offset) noexcept {
  const InPool in(pool);
  AKV_TRY(in.status());
  std::uint64_t before = 0;
  AKV_TRY(in->extend(tensor, bytes, before));
  if (out_offset != nullptr) *out_offset = before;
  return AKV_OK;
}

akv_status akv_tensor_read_view(akv_page_pool *pool, akv_tensor tensor, akv_memory_view *out_view) noexcept {
  AKV_TRY(check_output(out_view, kOutputV1));
  const InPool in(pool);
  AKV_TRY(in.status());
  unsigned char *data = nullptr;
  Arenas::View at{};
  AKV_TRY(in->read_tensor(tensor, data, at));
  const akv_memory_view view{sizeof(akv_memory_view),
                             AKV_DEVICE_HOST,
                             data,
                             at.at.length,
                             at.at.capacity,
                             ObjectHandle::generation(tensor),
                             at.at.owner,
                             static_cast<std::uint32_t>(at.content),
                             at.page};
  write_struct(view, out_view);
  return AKV_OK;
}

akv_status akv_tensor_read_shape(akv_page_pool *pool, akv_tensor tensor, uint64_t offset, uint32_t dtype,
                                 const int64_t *shape, uint32_t num_dimensions, akv_view *out_view) noexcept {
  AKV_TRY(check_pointer(shape, "shape"));
  AKV_TRY(check_output(out_view, kOutputV1));
  const InPool in(pool);
  AKV_TRY(in.status());
  unsigned char *data = nullptr;
  AKV_TRY(find_tensor_bytes(*in, tensor, offset, 0, data));
  Arenas::View at{};
  unsigned char *start = nullptr;
  AKV_TRY(in->read_tensor(tensor, start, at));
  akv_view view{};
  AKV_TRY(view_of_bytes(data, at.at.length - offset, dtype, shape, num_dimensions, view));
  view.epoch = ObjectHandle::generation(tensor);
  write_struct(view, out_view);
  return AKV_OK;
}

// -- tickets --

akv_status akv_page_pool_ticket_open(akv_page_pool *pool, akv_ticket *out_ticket) noexcept {
  AKV_TRY(check_pointer(out_ticket, "out_ticket"));
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->open_ticket(*out_ticket);
}

akv_status akv_page_pool_ticket_retire(akv_page_pool *pool, akv_ticket ticket) noexcept {
  return end_ticket(pool, ticket, false);
}

akv_status akv_page_pool_ticket_abandon(akv_page_pool *pool, akv_ticket ticket) noexcept {
  return end_ticket(pool, ticket, true);
}

akv_status akv_page_pool_ticket_read(akv_page_pool *pool, akv_ticket ticket, uint32_t *out_state) noexcept {
  AKV_TRY(check_pointer(out_state, "out_state"));
  const InPool in(pool);
  AKV_TRY(in.status());
  return in->read_ticket(ticket, *out_state);
}

}  // extern "C"
