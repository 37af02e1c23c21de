// cache_home.hpp: the place a cache lives in: what must outlive it so that a late call is an answer and not a crash.
// It knows handles, gates and the mutex; not what a cache does.
//
// Homes are never freed. A call finds its home by the handle's index, compares the whole handle, and then either shuts
// a gate or takes the mutex and compares again. Either way the cache can't go away under it: destroy takes the mutex,
// shuts every gate, and gives up if one is shut already.
#pragma once

#include "base/process.hpp"
#include "meta/cache.hpp"

#include <atomic>
#include <new>

namespace akv {

class CacheHome {
 public:
  explicit CacheHome(std::uint32_t index) noexcept : index_(index) {}

  // The home of this handle, or why not.
  static Status find(const akv_cache *handle, CacheHome *&out) noexcept {
    CacheHome *home = homes_[reinterpret_cast<std::uintptr_t>(handle) & 0xff].load(std::memory_order_acquire);
    if (AKV_UNLIKELY(home == nullptr || handle == nullptr || !home->is(handle))) return gone(handle);
    if (AKV_UNLIKELY(home->fork_epoch_.load(std::memory_order_relaxed) != fork_epoch())) return forked();
    out = home;
    return AKV_OK;
  }

  static Status gone(const akv_cache *handle) noexcept;

  static Status create(const Config &config, const akv_allocator *allocator, akv_cache *&out) noexcept;
  static Status destroy(akv_cache *handle) noexcept;

  Cache &cache() noexcept { return *std::launder(reinterpret_cast<Cache *>(storage_)); }
  Mutex &mutex() noexcept { return mutex_; }

  // Shut the gate of this sequence.
  Status enter(akv_sequence sequence, Slot &slot) noexcept {
    slot = ObjectHandle::index(sequence);
    Entry entry = Entry::stale;
    if (AKV_LIKELY(ObjectHandle::place(sequence) == ObjectHandle::place(Kind::sequence, index_) &&
                   slot < sequences_.capacity()))
      entry = sequences_.enter(slot, ObjectHandle::generation(sequence));
    return AKV_LIKELY(entry == Entry::entered) ? AKV_OK : not_entered(sequence, entry);
  }
  void leave(Slot slot) noexcept { sequences_.leave(slot); }
  // Shut the gates of all, or of none; the message names the row.
  Status enter_all(const akv_sequence *sequences, std::uint32_t count) noexcept;
  void leave_all(const akv_sequence *sequences, std::uint32_t count) noexcept {
    Sequence *const slots = sequences_.data();
    for (std::uint32_t i = 0; i < count; ++i)
      SequenceTable::leave(slots[ObjectHandle::index(sequences[i])], ObjectHandle::generation(sequences[i]));
  }

  bool is(const akv_cache *handle) const noexcept {
    return handle_.load(std::memory_order_acquire) == reinterpret_cast<std::uintptr_t>(handle);
  }

 private:
  static Status claim(CacheHome *&out) noexcept;
  static Status forked() noexcept;
  Status not_entered(akv_sequence sequence, Entry entry) const noexcept;
  Status move_in(const Config &config, const akv_allocator *allocator, akv_cache *&out) noexcept;
  Status end_forked(const akv_cache *handle) noexcept;

  static std::atomic<CacheHome *> homes_[AKV_MAX_CACHES + 1];

  const std::uint32_t index_;
  std::atomic<std::uint64_t> handle_{0};  // of the living cache; 0: none
  std::uint32_t generation_ = 0;
  std::atomic<std::uint32_t> fork_epoch_{0};
  std::atomic<bool> claimed_{false};
  Mutex mutex_;
  SequenceTable sequences_;
  alignas(Cache) unsigned char storage_[sizeof(Cache)];
};

// A call on one sequence: its gate is shut for as long as this lives.
class Gate {
 public:
  Gate(CacheHome &home, akv_sequence sequence) noexcept : home_(home), status_(home.enter(sequence, slot_)) {}
  ~Gate() {
    if (status_ == AKV_OK && !buried_) home_.leave(slot_);
  }
  Gate(const Gate &) = delete;
  Gate &operator=(const Gate &) = delete;

  Status status() const noexcept { return status_; }
  Slot slot() const noexcept { return slot_; }
  void buried() noexcept { buried_ = true; }  // the sequence has ended: its gate is another one's by now

 private:
  CacheHome &home_;
  Slot slot_ = 0;
  Status status_;
  bool buried_ = false;
};

// A call on a batch of sequences.
class Gates {
 public:
  Gates(CacheHome &home, const akv_sequence *sequences, std::uint32_t count) noexcept
      : home_(home), sequences_(sequences), count_(count), status_(home.enter_all(sequences, count)) {}
  ~Gates() {
    if (status_ == AKV_OK) home_.leave_all(sequences_, count_);
  }
  Gates(const Gates &) = delete;
  Gates &operator=(const Gates &) = delete;

  Status status() const noexcept { return status_; }

 private:
  CacheHome &home_;
  const akv_sequence *sequences_;
  std::uint32_t count_;
  Status status_;
};

// A call that starts with the cache's mutex.
class Locked {
 public:
  explicit Locked(const akv_cache *handle) noexcept;

  Status status() const noexcept { return status_; }
  Cache *operator->() noexcept { return &home_->cache(); }
  std::unique_lock<Mutex> &lock() noexcept { return lock_; }

 private:
  CacheHome *home_ = nullptr;
  std::unique_lock<Mutex> lock_;
  Status status_;
};

}  // namespace akv
