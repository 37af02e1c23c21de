// span.hpp: a pointer and a count, as C++20's std::span, for C++17; it converts to and from that.
// It owns nothing: what it was made of must live as long as the call it is given to.
#ifndef ARENAKV_CPP_SPAN_HPP
#define ARENAKV_CPP_SPAN_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>
#include <utility>

namespace arenakv {

template <class T>
class Span {
  template <class Container>
  using DataOf = std::remove_pointer_t<decltype(std::declval<Container &>().data())>;
  // Only what differs in const: an array of derived things is no array of their bases.
  template <class Other>
  static constexpr bool kFits = std::is_convertible_v<Other (*)[], T (*)[]>;

 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;

  constexpr Span() noexcept = default;
  constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}
  template <class Container, class = std::enable_if_t<kFits<DataOf<Container>>>>
  constexpr Span(Container &container) noexcept : data_(container.data()), size_(container.size()) {}
  template <class Container, class = std::enable_if_t<kFits<DataOf<const Container>>>, class = void>
  constexpr Span(const Container &container) noexcept : data_(container.data()), size_(container.size()) {}
  // For arguments: {1, 2, 3} lives until the call is over.
  template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
  constexpr Span(std::initializer_list<value_type> list) noexcept : size_(list.size()) {
    data_ = list.begin();
  }

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
  constexpr T &front() const noexcept { return data_[0]; }
  constexpr T &back() const noexcept { return data_[size_ - 1]; }
  constexpr Span subspan(std::size_t first, std::size_t count) const noexcept { return {data_ + first, count}; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

// What the C API counts in 32 bits. An array with more goes there as NULL with the highest count, which every call
// refuses: nothing is cut off.
template <class T>
constexpr std::uint32_t count32(const Span<T> &span) noexcept {
  return span.size() > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(span.size());
}
template <class T>
constexpr T *data32(const Span<T> &span) noexcept {
  return span.size() > UINT32_MAX ? nullptr : span.data();
}

}  // namespace arenakv

#endif  // ARENAKV_CPP_SPAN_HPP
