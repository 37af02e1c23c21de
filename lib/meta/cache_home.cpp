// cache_home.cpp: where caches live, how they are found, and how they end.
// It knows handles, gates and the mutex; not what a cache does.
#include "meta/cache_home.hpp"

namespace akv {

constinit std::atomic<CacheHome *> CacheHome::homes_[AKV_MAX_CACHES + 1]{};

Status CacheHome::gone(const akv_cache *handle) noexcept {
  if (handle == nullptr) return fail(AKV_ERROR_INVALID_ARGUMENT, "the cache is NULL");
  return fail(AKV_ERROR_BAD_HANDLE, "cache handle 0x%llx was destroyed, or never was one of this library",
              reinterpret_cast<std::uintptr_t>(handle));
}

Status CacheHome::forked() noexcept {
  return fail(AKV_ERROR_FORKED, "the cache was made by the parent of this process: make one after fork()");
}

// -- gates --

Status CacheHome::not_entered(akv_sequence sequence, Entry entry) const noexcept {
  if (sequence == AKV_NONE) return fail(AKV_ERROR_INVALID_ARGUMENT, "the sequence is 0");
  const std::uint32_t kind = ObjectHandle::kind(sequence);
  if (kind != static_cast<std::uint32_t>(Kind::sequence) && kind >= 1 && kind <= 4)
    return fail(AKV_ERROR_WRONG_TYPE, "handle 0x%llx is of kind %llu, not a sequence", sequence, kind);
  if (entry == Entry::busy) return fail(AKV_ERROR_BUSY, "sequence 0x%llx is inside another call", sequence);
  return fail(AKV_ERROR_BAD_HANDLE, "sequence 0x%llx was freed, or is not one of this cache", sequence);
}

Status CacheHome::enter_all(const akv_sequence *sequences, std::uint32_t count) noexcept {
  const std::uint32_t capacity = sequences_.capacity(), place = ObjectHandle::place(Kind::sequence, index_);
  Sequence *const slots = sequences_.data();
  for (std::uint32_t i = 0; i < count; ++i) {
    const Slot slot = ObjectHandle::index(sequences[i]);
    Entry entry = Entry::stale;
    if (AKV_LIKELY(ObjectHandle::place(sequences[i]) == place && slot < capacity))
      entry = SequenceTable::enter(slots[slot], ObjectHandle::generation(sequences[i]));
    if (AKV_LIKELY(entry == Entry::entered)) continue;
    Status status = not_entered(sequences[i], entry);
    for (std::uint32_t before = 0; status == AKV_ERROR_BUSY && before < i; ++before)
      if (sequences[before] == sequences[i])
        status =
            fail(AKV_ERROR_INVALID_ARGUMENT, "sequence 0x%llx stands in rows %llu and %llu", sequences[i], before, i);
    name_row(i);
    leave_all(sequences, i);
    return status;
  }
  return AKV_OK;
}

Locked::Locked(const akv_cache *handle) noexcept : status_(CacheHome::find(handle, home_)) {
  if (status_ != AKV_OK) return;
  lock_ = std::unique_lock<Mutex>(home_->mutex());
  if (home_->is(handle)) return;
  // It was destroyed while this call waited.
  lock_.unlock();
  status_ = CacheHome::gone(handle);
}

// -- life --

Status CacheHome::claim(CacheHome *&out) noexcept {
  for (std::uint32_t index = 1; index <= AKV_MAX_CACHES; ++index) {
    CacheHome *home = homes_[index].load(std::memory_order_acquire);
    if (home == nullptr) {
      auto *fresh = new (std::nothrow) CacheHome(index);
      if (fresh == nullptr)
        return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for a cache", sizeof(CacheHome));
      fresh->claimed_.store(true, std::memory_order_relaxed);
      if (homes_[index].compare_exchange_strong(home, fresh, std::memory_order_acq_rel)) {
        out = fresh;
        return AKV_OK;
      }
      delete fresh;  // another thread was quicker: try its home, then the next one
    }
    bool claimed = false;
    if (!home->claimed_.compare_exchange_strong(claimed, true, std::memory_order_acq_rel)) continue;
    out = home;
    return AKV_OK;
  }
  return fail_with(AKV_ERROR_NO_CACHES, 1, 0, "%llu caches (AKV_MAX_CACHES) exist in this process", AKV_MAX_CACHES);
}

// No lock is held: the allocator may call back. Nobody can find the cache before its handle is set.
Status CacheHome::move_in(const Config &config, const akv_allocator *allocator, akv_cache *&out) noexcept {
  const CacheHandle mine{library_copy(), next_generation(generation_), index_};
  auto *cache = new (storage_) Cache(config, index_, TicketHandle::tag_of(mine), mutex_, sequences_);
  Status status = cache->allocate(allocator);
  if (status == AKV_OK) status = sequences_.reserve(config.max_sequences);  // last: gates are kept for ever
  if (status != AKV_OK) {
    cache->~Cache();
    return status;
  }
  generation_ = mine.generation;
  fork_epoch_.store(fork_epoch(), std::memory_order_relaxed);
  const std::uint64_t handle = CacheHandle::encode(mine.copy, mine.generation, mine.index);
  handle_.store(handle, std::memory_order_release);
  out = reinterpret_cast<akv_cache *>(static_cast<std::uintptr_t>(handle));
  return AKV_OK;
}

Status CacheHome::create(const Config &config, const akv_allocator *allocator, akv_cache *&out) noexcept {
  if (!watch_forks()) return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for one more fork handler");
  CacheHome *home = nullptr;
  if (Status status = claim(home); status != AKV_OK) return status;
  const Status status = home->move_in(config, allocator, out);
  if (status != AKV_OK) home->claimed_.store(false, std::memory_order_release);
  return status;
}

// In a child of fork() the mutex and the gates may be shut for ever: touch neither, and don't use this home again.
Status CacheHome::end_forked(const akv_cache *handle) noexcept {
  if (handle_.exchange(0, std::memory_order_acq_rel) == 0) return gone(handle);
  cache().abandon_memory();
  cache().~Cache();
  return AKV_OK;
}

Status CacheHome::destroy(akv_cache *handle) noexcept {
  CacheHome *home = nullptr;
  Status status = find(handle, home);
  if (status == AKV_ERROR_FORKED)
    return homes_[reinterpret_cast<std::uintptr_t>(handle) & 0xff].load(std::memory_order_acquire)->end_forked(handle);
  if (status != AKV_OK) return status;
  {
    const std::lock_guard<Mutex> lock(home->mutex_);
    if (!home->is(handle)) return gone(handle);
    if (status = home->cache().enter_all_locked(); status != AKV_OK) return status;
    home->cache().bury_all_locked();
    home->handle_.store(0, std::memory_order_release);
  }
  home->cache().~Cache();
  home->claimed_.store(false, std::memory_order_release);
  return AKV_OK;
}

}  // namespace akv
