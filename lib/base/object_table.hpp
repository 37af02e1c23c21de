// object_table.hpp: where stores, streams, page pools and their like live, and how a handle finds them.
// It knows handles and who is inside; not what the objects do.
//
// As with caches (meta/cache_home.hpp) a handle is looked up and never dereferenced, so a stale one is an answer. Who
// is inside an object is counted; destroy is refused while somebody is, and who comes later finds the handle gone.
//
// A count is one cache line that all callers write to. Calls of a few nanoseconds make a Visit instead: the thread
// writes down which handle it is inside, on a line of its own, and whoever destroys reads what all have written (the
// idea of hazard pointers, Michael 2004).
#pragma once

#include "arenakv/base.h"
#include "base/error.hpp"
#include "base/handle.hpp"
#include "base/lopsided_fence.hpp"
#include "base/process.hpp"
#include "base/shared_value.hpp"
#include "base/thread_index.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

namespace akv {

// `T` has `static constexpr ObjectType kType`, `static constexpr const char *kName` and a destructor that may be called
// in a child of fork(): there the objects of the parent are left as they are, never destroyed.
// `Handle` is the opaque type of the API. `kVisited`: there are Visits, which every destroy then looks for.
template <class T, class Handle, bool kVisited = false>
class ObjectTable {
  struct Place {
    std::atomic<std::uint64_t> handle{0};  // of the living object; 0: none
    std::atomic<std::uint32_t> inside{0};  // calls, and what else keeps it; kClosed: it is being made or destroyed
    std::uint32_t generation = 0;
    Relaxed<std::uint32_t> fork_epoch = 0;
    std::atomic<std::uint32_t> decisions{0};  // odd while destroy decides: the handle is away, and may come back
    T *object = nullptr;
  };
  static constexpr std::uint32_t kClosed = 0x80000000u;

  // What one thread is visiting: one object at a time. Threads for whom there is no seat left are counted.
  struct alignas(64) Seat {
    std::atomic<std::uint64_t> handle{0};
  };
  static constexpr std::uint32_t kSeats = 1024;

 public:
  // A stay inside an object: while this lives it is not destroyed.
  class Ref {
   public:
    Ref() noexcept = default;
    Ref(Ref &&other) noexcept : place_(std::exchange(other.place_, nullptr)) {}
    Ref &operator=(Ref &&other) noexcept {
      std::swap(place_, other.place_);
      return *this;
    }
    ~Ref() {
      if (place_ != nullptr) place_->inside.fetch_sub(1, std::memory_order_release);
    }
    explicit operator bool() const noexcept { return place_ != nullptr; }
    T *operator->() const noexcept { return place_->object; }
    T &operator*() const noexcept { return *place_->object; }

   private:
    friend class ObjectTable;
    explicit Ref(Place *place) noexcept : place_(place) {}
    Place *place_ = nullptr;
  };

  // A stay that ends with the call that makes it.
  class Visit {
    static_assert(kVisited);

   public:
    // Either who destroys, and takes the handle away first, sees it in the seat, or the thread sees that it is gone.
    explicit Visit(const Handle *handle) noexcept {
      const std::uint64_t value = reinterpret_cast<std::uintptr_t>(handle);
      const Place &place = places_[value & 0xff];
      const std::uint32_t thread = thread_index();
      if (thread < kSeats && value != 0 && seats_[thread].handle.load(std::memory_order_relaxed) == 0) [[likely]] {
        Seat &seat = seats_[thread];
        write_before_read(seat.handle, value);
        if (place.handle.load(std::memory_order_seq_cst) == value && place.fork_epoch == fork_epoch()) [[likely]] {
          seat_ = &seat;
          object_ = place.object;
          return;
        }
        seat.handle.store(0, std::memory_order_release);
      }
      enter_counted(handle);
    }
    Visit(const Visit &) = delete;
    Visit &operator=(const Visit &) = delete;
    ~Visit() {
      if (seat_ != nullptr) seat_->handle.store(0, std::memory_order_release);
    }
    Status status() const noexcept { return status_; }
    T *operator->() const noexcept { return object_; }
    T &operator*() const noexcept { return *object_; }

   private:
    // It may be inside another object already, as in a hook of the host; or the handle is wrong, and find() says how.
    [[gnu::noinline]] void enter_counted(const Handle *handle) noexcept {
      status_ = find(handle, ref_);
      if (status_ == AKV_OK) object_ = ref_.operator->();
    }
    Seat *seat_ = nullptr;
    T *object_ = nullptr;
    Ref ref_;
    Status status_ = AKV_OK;
  };

  static Status create(std::unique_ptr<T> object, Handle *&out) noexcept {
    if constexpr (kVisited) prepare_lopsided_fence();
    if (!watch_forks()) return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for one more fork handler");
    for (std::uint32_t index = 1; index <= AKV_MAX_OBJECTS; ++index) {
      Place &place = places_[index];
      std::uint32_t nobody = 0;
      if (place.handle.load(std::memory_order_relaxed) != 0 ||
          !place.inside.compare_exchange_strong(nobody, kClosed, std::memory_order_acquire))
        continue;
      if (place.handle.load(std::memory_order_relaxed) != 0) {
        place.inside.fetch_sub(kClosed, std::memory_order_release);
        continue;
      }
      place.generation = next_generation(place.generation);
      place.fork_epoch = fork_epoch();
      place.object = object.release();
      const std::uint64_t handle = encode(place.generation, index);
      place.handle.store(handle, std::memory_order_release);
      place.inside.fetch_sub(kClosed, std::memory_order_release);
      out = reinterpret_cast<Handle *>(static_cast<std::uintptr_t>(handle));
      return AKV_OK;
    }
    return fail_named(AKV_ERROR_NO_OBJECTS, "every %s that may exist in this process does: %llu (AKV_MAX_OBJECTS)",
                      T::kName, AKV_MAX_OBJECTS);
  }

  static Status find(const Handle *handle, Ref &out) noexcept {
    const auto value = reinterpret_cast<std::uintptr_t>(handle);
    if (value >> 56 != static_cast<std::uint64_t>(T::kType)) return not_found(value);
    Place &place = places_[value & 0xff];
    // Who meets a destroy that is being decided waits for the decision, which is short: it may be BUSY.
    for (;; std::this_thread::yield()) {
      const std::uint32_t decisions = place.decisions.load(std::memory_order_acquire);
      const bool deciding = decisions % 2 != 0;
      if (place.handle.load(std::memory_order_acquire) != value) {
        if (deciding && place.fork_epoch != fork_epoch()) return forked();
        if (deciding || place.decisions.load(std::memory_order_relaxed) != decisions) continue;
        return not_found(value);
      }
      if (place.fork_epoch != fork_epoch()) return forked();
      const std::uint32_t inside = place.inside.fetch_add(1, std::memory_order_acquire);
      Ref ref(&place);
      if ((inside & kClosed) != 0 || place.handle.load(std::memory_order_relaxed) != value) continue;
      out = std::move(ref);
      return AKV_OK;
    }
  }

  // `may_end(object)` is asked when nobody is counted inside, and again when nobody visits; its answer decides. NULL is
  // fine. In a child of fork() the object is given up without a word: its threads do not exist here.
  template <class MayEnd>
  static Status destroy(Handle *handle, MayEnd may_end) noexcept {
    if (handle == nullptr) return AKV_OK;
    Place *place = nullptr;
    {
      Ref ref;
      const Status status = find(handle, ref);
      if (status == AKV_ERROR_FORKED) return end_forked(handle);
      if (status != AKV_OK) return status;
      place = ref.place_;
    }
    std::uint32_t nobody = 0;
    if (!place->inside.compare_exchange_strong(nobody, kClosed, std::memory_order_acquire))
      return fail_named(AKV_ERROR_BUSY, "the %s is in use: %llu calls or pieces of work are inside it", T::kName,
                        nobody & ~kClosed);
    std::unique_ptr<T> object;
    const Status status = end_closed(*place, reinterpret_cast<std::uintptr_t>(handle), may_end, object);
    place->inside.fetch_sub(kClosed, std::memory_order_release);
    return status;
  }
  static Status destroy(Handle *handle) noexcept {
    return destroy(handle, [](T &) { return AKV_OK; });
  }

 private:
  // Nobody is counted inside, and nobody can enter so.
  template <class MayEnd>
  static Status end_closed(Place &place, std::uint64_t value, MayEnd may_end, std::unique_ptr<T> &ended) noexcept {
    if (place.handle.load(std::memory_order_relaxed) != value) return not_found(value);
    AKV_TRY(may_end(*place.object));  // mostly it is this that refuses; visitors need not hear of it
    const std::uint32_t decisions = place.decisions.load(std::memory_order_relaxed);
    place.decisions.store(decisions + 1, std::memory_order_relaxed);
    place.handle.store(0, std::memory_order_seq_cst);
    const Status status = may_be_visited(value)
                              ? fail_named(AKV_ERROR_BUSY, "the %s is in use: a call is inside it", T::kName)
                              : may_end(*place.object);
    if (status == AKV_OK) ended.reset(std::exchange(place.object, nullptr));
    else place.handle.store(value, std::memory_order_release);
    place.decisions.store(decisions + 2, std::memory_order_release);
    return status;
  }

  static bool may_be_visited(std::uint64_t value) noexcept {
    if constexpr (!kVisited) return false;
    if (!fence_on_rare_side()) return true;  // nobody knows: better a pool that can't be destroyed
    for (const Seat &seat : seats_)
      if (seat.handle.load(std::memory_order_seq_cst) == value) return true;
    return false;
  }

  static std::uint64_t encode(std::uint32_t generation, std::uint32_t index) noexcept {
    return static_cast<std::uint64_t>(T::kType) << 56 |
           (CacheHandle::encode(library_copy(), generation, index) & 0x00ffffffffffffffu);
  }

  static Status forked() noexcept {
    return fail_named(AKV_ERROR_FORKED, "the %s was made by the parent of this process: make one after fork()",
                      T::kName);
  }

  static Status not_found(std::uint64_t value) noexcept {
    if (value == 0) return fail_named(AKV_ERROR_INVALID_ARGUMENT, "the %s is NULL", T::kName);
    const std::uint64_t type = value >> 56;
    if (type != static_cast<std::uint64_t>(T::kType) && type >= static_cast<std::uint64_t>(ObjectType::cache) &&
        type <= static_cast<std::uint64_t>(ObjectType::pager))
      return fail_named(AKV_ERROR_WRONG_TYPE, "not a %s: handle 0x%llx is of another kind", T::kName, value);
    return fail_named(AKV_ERROR_BAD_HANDLE, "%s handle 0x%llx was destroyed, or never was one of this library",
                      T::kName, value);
  }

  static Status end_forked(const Handle *handle) noexcept {
    auto value = reinterpret_cast<std::uint64_t>(handle);
    Place &place = places_[value & 0xff];
    const std::uint64_t expected = value;
    return place.handle.compare_exchange_strong(value, 0, std::memory_order_acq_rel) ? AKV_OK : not_found(expected);
  }

  inline static constinit Place places_[AKV_MAX_OBJECTS + 1]{};
  inline static constinit Seat seats_[kSeats]{};
};

}  // namespace akv
