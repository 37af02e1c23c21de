// arena_pool.cpp: a page pool's life, its pages and arenas, and what handles of them answer.
// It knows pages, arenas and tickets; it touches no byte of a page. Tickets are in arena_pool_order.cpp.
#include "order/arena_pool.hpp"

#include <iterator>
#include <mutex>
#include <new>

namespace akv {
namespace {

constexpr const char *kKinds[] = {"", "sequence", "plan", "pin", "lease", "arena", "tensor", "page"};

}  // namespace

// -- life --

Status ArenaPool::create(const ArenaPoolConfig &config, Trackers::Ref tracker,
                         std::unique_ptr<ArenaPool> &out) noexcept {
  std::unique_ptr<ArenaPool> pool(new (std::nothrow) ArenaPool(config));
  if (pool == nullptr) return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for a page pool");
  PagePool::begin_generations();
  if (config.memory == nullptr) pool->tracker_ = std::move(tracker);  // the caller's memory is recorded by the caller
  AKV_TRY(pool->allocate());
  out = std::move(pool);
  return AKV_OK;
}

Status ArenaPool::allocate() noexcept {
  PagePool::plan(tables_, config_.max_pages);
  Arenas::plan(tables_, config_.max_arenas, max_tensors());
  Tickets::plan(tables_, config_.max_open_tickets);
  tables_.plan<std::uint64_t>(config_.max_open_tickets);
  tables_.plan<PageChain>(config_.max_open_tickets);
  if (tables_.commit(nullptr, false) != AKV_OK)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for the tables of a pool of %llu pages",
                tables_.bytes(), config_.max_pages);
  pages_.emplace(tables_, config_.max_pages, config_.dirty);
  if (config_.memory != nullptr) pages_->memory().take(config_.memory, config_.page_bytes);
  else AKV_TRY(pages_->memory().reserve(config_.page_bytes, config_.max_pages));
  arenas_.emplace(tables_, *pages_, config_.max_arenas, config_.tensors_per_page);
  tickets_.take_memory(tables_, config_.max_open_tickets);
  abandoned_ = tables_.take<std::uint64_t>(config_.max_open_tickets);
  quarantine_ = tables_.take<PageChain>(config_.max_open_tickets);
  return grow_locked(config_.num_pages);
}

ArenaPool::~ArenaPool() {
  if (record_ != 0) static_cast<void>(tracker_->forget(&record_, 1));
}

// The tracker is asked first: it may refuse.
Status ArenaPool::grow_locked(std::uint32_t count) noexcept {
  const MemoryTracker::Allocation more{AKV_DEVICE_HOST, config_.purpose, count * config_.page_bytes};
  if (!tracker_ || count == 0) return pages_->grow(count, config_.prefault);
  AKV_TRY(tracker_->claim(more, record_ == 0));
  const Status status = pages_->grow(count, config_.prefault);
  tracker_->settle(more, status == AKV_OK, record_);
  return status;
}

Status ArenaPool::reserve(std::uint32_t num_pages) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  const std::uint32_t there = pages_->free().reserved();
  if (num_pages > config_.max_pages)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, num_pages, config_.max_pages,
                     "%llu pages are wanted, the pool may have %llu (max_pages)", num_pages, config_.max_pages);
  return num_pages <= there ? AKV_OK : grow_locked(num_pages - there);
}

Status ArenaPool::may_end() noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  if (tickets_.num_open() == 0) return AKV_OK;
  return fail(AKV_ERROR_BUSY, "%llu tickets of the page pool are open: retire or abandon them first",
              tickets_.num_open());
}

// -- handles --

Status ArenaPool::check_handle(std::uint64_t handle, Kind kind) const noexcept {
  if (ObjectHandle::place(handle) == ObjectHandle::place(kind, place_)) return AKV_OK;
  const std::uint32_t other = ObjectHandle::kind(handle);
  if (handle == AKV_NONE)
    return fail_named(AKV_ERROR_INVALID_ARGUMENT, "the %s is 0", kKinds[static_cast<std::uint32_t>(kind)]);
  if (other >= 1 && other < std::size(kKinds) && other != static_cast<std::uint32_t>(kind))
    return fail_named(AKV_ERROR_WRONG_TYPE, "a %s is wanted: handle 0x%llx is of another kind, %llu",
                      kKinds[static_cast<std::uint32_t>(kind)], handle, other);
  return gone(handle, kind);
}

Status ArenaPool::gone(std::uint64_t handle, Kind kind) const noexcept {
  return fail_named(AKV_ERROR_BAD_HANDLE, "%s 0x%llx was given back, or is not one of this pool",
                    kKinds[static_cast<std::uint32_t>(kind)], handle);
}

Status ArenaPool::find_arena(akv_arena arena, std::uint32_t &index) const noexcept {
  AKV_TRY(check_handle(arena, Kind::arena));
  index = ObjectHandle::index(arena);
  return arenas_->lives(index, ObjectHandle::generation(arena)) ? AKV_OK : gone(arena, Kind::arena);
}

// -- pages --

Status ArenaPool::acquire(std::uint64_t owner, std::uint32_t count, akv_page *out_pages,
                          std::uint32_t *out_contents) noexcept {
  PageChain chain;
  if (!pages_->take_chain(count, chain)) {
    const std::uint32_t reserved = pages_->free().reserved(), left = pages_->free().left();
    return fail_with(AKV_ERROR_NO_PAGES, count, left,
                     "%llu pages are wanted, %llu of %llu reserved ones are free, %llu wait for tickets: give some "
                     "back, or reserve more",
                     count, left, reserved, quarantined_);
  }
  std::uint32_t page = chain.first;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t generation = PagePool::next_generation(), next = pages_->next(page);
    const Content content = pages_->hold(page, generation, PageHold::raw, 0, owner);
    out_pages[i] = ObjectHandle::encode(generation, Kind::page, place_, page);
    if (out_contents != nullptr) out_contents[i] = static_cast<std::uint32_t>(content);
    page = next;
  }
  return AKV_OK;
}

// Each hold is ended before a page goes anywhere, so one that stands in two rows is found.
Status ArenaPool::release(const akv_page *pages, std::uint32_t count) noexcept {
  PageChain chain;
  std::uint32_t good = 0;
  if (count == 1) {
    good = pages_->let_go(named(pages[0])) ? 1 : 0;
  } else {
    good = pages_->let_go_of_all(
        count, [&](std::uint32_t i) { return named(pages[i]); },
        [&](std::uint32_t page) { pages_->append(chain, page); });
  }
  if (good < count) {
    give_back(chain);  // what drop_owner() met while it seemed to leave
    return not_a_page(pages[good], good);
  }
  for (std::uint32_t i = 0; i < count; ++i) pages_->append(chain, ObjectHandle::index(pages[i]));
  give_back(chain);
  return AKV_OK;
}

NamedPage ArenaPool::named(akv_page handle) const noexcept {
  if (ObjectHandle::place(handle) != ObjectHandle::place(Kind::page, place_)) return {};
  return {ObjectHandle::index(handle), ObjectHandle::generation(handle)};
}

Status ArenaPool::not_a_page(akv_page handle, std::uint32_t row) const noexcept {
  const Status status = check_handle(handle, Kind::page);
  const Status answer = status != AKV_OK ? status : gone(handle, Kind::page);
  name_row(row);
  return answer;
}

Status ArenaPool::read_page(akv_page handle, PageView &out) const noexcept {
  AKV_TRY(check_handle(handle, Kind::page));
  out.data = pages_->memory().page(ObjectHandle::index(handle));
  return pages_->read(named(handle), out.owner, out.content) ? AKV_OK : gone(handle, Kind::page);
}

// -- arenas --

Status ArenaPool::create_arena(std::uint64_t owner, akv_arena &out) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  const std::uint32_t index = arenas_->create_locked(owner);
  if (index == 0)
    return fail_with(AKV_ERROR_NO_ARENAS, 1, 0, "%llu arenas (max_arenas) live in the page pool", config_.max_arenas);
  out = ObjectHandle::encode(arenas_->generation(index), Kind::arena, place_, index);
  return AKV_OK;
}

Status ArenaPool::drop_arena(akv_arena arena) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  std::uint32_t index = 0;
  AKV_TRY(find_arena(arena, index));
  Dropped dropped;
  drop_arena_locked(index, dropped);
  return AKV_OK;
}

Status ArenaPool::add_tensors(akv_arena arena, const std::uint64_t *bytes, std::uint32_t count, akv_tensor *out_tensors,
                              std::uint32_t *out_contents) noexcept {
  std::uint32_t index = 0;
  AKV_TRY(find_arena(arena, index));
  const std::uint32_t generation = ObjectHandle::generation(arena);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (bytes[i] != 0 && bytes[i] <= config_.page_bytes) continue;
    const Status status = bytes[i] == 0 ? fail(AKV_ERROR_INVALID_ARGUMENT, "a tensor of 0 bytes")
                                        : fail_with(AKV_ERROR_NO_CAPACITY, bytes[i], config_.page_bytes,
                                                    "a tensor of %llu bytes: it lies in one page, and that has %llu",
                                                    bytes[i], config_.page_bytes);
    name_row(i);
    return status;
  }
  const std::uint32_t place = place_;
  const Status status =
      arenas_->add(index, generation, bytes, count, [&](std::uint32_t i, std::uint32_t tensor, Content content) {
        out_tensors[i] = ObjectHandle::encode(generation, Kind::tensor, place, tensor);
        if (out_contents != nullptr) out_contents[i] = static_cast<std::uint32_t>(content);
      });
  return status == AKV_ERROR_BAD_HANDLE ? gone(arena, Kind::arena) : status;
}

Status ArenaPool::not_extended(akv_tensor tensor, Extended answer, std::uint64_t bytes, std::uint64_t before,
                               std::uint64_t capacity) const noexcept {
  if (answer == Extended::full)
    return fail_with(AKV_ERROR_NO_CAPACITY, bytes, capacity - before,
                     "%llu bytes more for a tensor that holds %llu of the %llu it may", bytes, before, capacity);
  const Status status = check_handle(tensor, Kind::tensor);
  return status != AKV_OK ? status : gone(tensor, Kind::tensor);
}

Status ArenaPool::read_tensor(akv_tensor tensor, unsigned char *&data, Arenas::View &out) const noexcept {
  AKV_TRY(check_handle(tensor, Kind::tensor));
  const std::uint32_t index = ObjectHandle::index(tensor);
  if (index >= max_tensors() || !arenas_->read(index, ObjectHandle::generation(tensor), out))
    return gone(tensor, Kind::tensor);
  data = pages_->memory().page(out.page) + out.at.offset;
  return AKV_OK;
}

Status ArenaPool::read_arena(akv_arena arena, std::uint64_t &owner, ArenaCounts &out) const noexcept {
  std::uint32_t index = 0;
  AKV_TRY(find_arena(arena, index));
  owner = arenas_->owner(index);
  out = arenas_->counts(index);
  return arenas_->lives(index, ObjectHandle::generation(arena)) ? AKV_OK : gone(arena, Kind::arena);
}

}  // namespace akv
