// owner.hpp: what all owning classes share: they can be moved and not copied, and end what they own when they go.
//
// A handle is never dereferenced, here or in the library: an object that outlived what it belongs to, or was moved from,
// or closed, answers BadHandle (or InvalidArgument where NULL is not allowed), and never crashes.
#ifndef ARENAKV_CPP_OWNER_HPP
#define ARENAKV_CPP_OWNER_HPP

#include <utility>
#include <vector>

#include "arenakv/cpp/error.hpp"
#include "arenakv/cpp/span.hpp"
#include "arenakv/cpp/structs.hpp"

namespace arenakv {
namespace detail {

// An object of the library with a handle of its own: `Destroy` is its akv_..._destroy().
template <class Errors, class Object, akv_status (*Destroy)(Object *)>
class Owner {
 public:
  template <class T>
  using Result = typename Errors::template Result<T>;

  Owner() noexcept = default;
  explicit Owner(Object *object) noexcept : object_(object) {}
  Owner(Owner &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Owner &operator=(Owner &&other) noexcept {
    if (this != &other) {
      (void)!Destroy(object_);
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  Owner(const Owner &) = delete;
  Owner &operator=(const Owner &) = delete;
  ~Owner() { (void)!Destroy(object_); }

  Object *get() const noexcept { return object_; }
  // Yours to destroy from now on.
  Object *detach() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  // End it now, and learn why that does not go: then it lives on (Busy). What the destructor cannot end stays: a call
  // of another thread is inside it, or work is queued on it.
  Result<void> close() {
    const akv_status status = Destroy(object_);
    if (status == AKV_OK) object_ = nullptr;
    return Errors::done(status);
  }

 protected:
  Object *object_ = nullptr;
};

// A thing inside an object, with a handle of 64 bits: `End` gives it back. It knows its home by handle only.
template <class Errors, class Home, akv_status (*End)(Home *, std::uint64_t)>
class Part {
 public:
  template <class T>
  using Result = typename Errors::template Result<T>;

  Part() noexcept = default;
  Part(Home *home, std::uint64_t id) noexcept : home_(home), id_(id) {}
  Part(Part &&other) noexcept : home_(other.home_), id_(std::exchange(other.id_, AKV_NONE)) {}
  Part &operator=(Part &&other) noexcept {
    if (this != &other) {
      if (id_ != AKV_NONE) (void)!End(home_, id_);
      home_ = other.home_;
      id_ = std::exchange(other.id_, AKV_NONE);
    }
    return *this;
  }
  Part(const Part &) = delete;
  Part &operator=(const Part &) = delete;
  ~Part() {
    if (id_ != AKV_NONE) (void)!End(home_, id_);
  }

  std::uint64_t id() const noexcept { return id_; }
  // Yours to end from now on.
  std::uint64_t detach() noexcept { return std::exchange(id_, AKV_NONE); }
  explicit operator bool() const noexcept { return id_ != AKV_NONE; }

 protected:
  Result<void> end() {
    const akv_status status = End(home_, id_);
    if (status == AKV_OK) id_ = AKV_NONE;
    return Errors::done(status);
  }

  Home *home_ = nullptr;
  std::uint64_t id_ = AKV_NONE;
};

// Read a list whose length is told when the buffer is too small: read(data, capacity, &count).
template <class Errors, class T, class Read>
typename Errors::template Result<std::vector<T>> read_list(Read read) {
  std::vector<T> list;
  for (;;) {
    std::uint32_t count = 0;
    const akv_status status = read(list.data(), static_cast<std::uint32_t>(list.size()), &count);
    if (status != AKV_OK && status != AKV_ERROR_BUFFER_TOO_SMALL)
      return Errors::template fail<std::vector<T>>(Failure::of(status));
    list.resize(count);
    if (status == AKV_OK) return list;
  }
}

// The same for text.
template <class Errors, class Read>
typename Errors::template Result<std::string> read_text(Read read) {
  std::string text;
  for (;;) {
    std::uint64_t length = 0;
    const akv_status status = read(text.empty() ? nullptr : &text[0], text.empty() ? 0 : text.size() + 1, &length);
    if (status != AKV_OK && status != AKV_ERROR_BUFFER_TOO_SMALL)
      return Errors::template fail<std::string>(Failure::of(status));
    text.resize(static_cast<std::size_t>(length));
    if (status == AKV_OK) return text;
  }
}

}  // namespace detail
}  // namespace arenakv

#endif  // ARENAKV_CPP_OWNER_HPP
