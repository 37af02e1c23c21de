// object_table.hpp: where stores, streams, page pools and their like live, and how a handle finds them.
// It knows handles and who is inside; not what the objects do.
//
// As with caches (meta/cache_home.hpp) a handle is looked up and never dereferenced, so a stale one is an answer. Who
// is inside an object is counted; destroy is refused while somebody is, and who comes later finds the handle gone.
#pragma once

#include "arenakv/base.h"
#include "base/error.hpp"
#include "base/handle.hpp"
#include "base/process.hpp"

#include <atomic>
#include <memory>
#include <utility>

namespace akv {

// `T` has `static constexpr ObjectType kType`, `static constexpr const char *kName` and a destructor that may be called
// in a child of fork(): there the objects of the parent are left as they are, never destroyed.
// `Handle` is the opaque type of the API.
template <class T, class Handle>
class ObjectTable {
  struct Place {
    std::atomic<std::uint64_t> handle{0};  // of the living object; 0: none
    std::atomic<std::uint32_t> inside{0};  // calls, and what else keeps it; kClosed: it is being made or destroyed
    std::uint32_t generation = 0;
    std::uint32_t fork_epoch = 0;
    T *object = nullptr;
  };
  static constexpr std::uint32_t kClosed = 0x80000000u;

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

  static Status create(std::unique_ptr<T> object, Handle *&out) noexcept {
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
      place.handle.store(handle, std::memory_order_relaxed);
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
    if (place.handle.load(std::memory_order_relaxed) != value) return not_found(value);
    const std::uint32_t inside = place.inside.fetch_add(1, std::memory_order_acquire);
    Ref ref(&place);
    if ((inside & kClosed) != 0 || place.handle.load(std::memory_order_relaxed) != value) return not_found(value);
    if (place.fork_epoch != fork_epoch())
      return fail_named(AKV_ERROR_FORKED, "the %s was made by the parent of this process: make one after fork()",
                        T::kName);
    out = std::move(ref);
    return AKV_OK;
  }

  // `may_end(object)` is asked once nobody else is inside; its answer decides. NULL is fine. In a child of fork() the
  // object is given up without a word: its threads do not exist here.
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
    const auto value = reinterpret_cast<std::uintptr_t>(handle);
    Status status = place->handle.load(std::memory_order_relaxed) == value ? may_end(*place->object) : not_found(value);
    std::unique_ptr<T> object;
    if (status == AKV_OK) {
      object.reset(std::exchange(place->object, nullptr));
      place->handle.store(0, std::memory_order_relaxed);
    }
    place->inside.fetch_sub(kClosed, std::memory_order_release);
    return status;
  }
  static Status destroy(Handle *handle) noexcept {
    return destroy(handle, [](T &) { return AKV_OK; });
  }

 private:
  static std::uint64_t encode(std::uint32_t generation, std::uint32_t index) noexcept {
    return static_cast<std::uint64_t>(T::kType) << 56 |
           (CacheHandle::encode(library_copy(), generation, index) & 0x00ffffffffffffffu);
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
};

}  // namespace akv
