// view.hpp: a strided tensor described by the library: shape, strides, and elements where they lie. It moves none.
//
// A view is as good as what it was read from: Store::check_view() tells whether that still lives. Read-only ones give
// const elements only.
#ifndef ARENAKV_CPP_VIEW_HPP
#define ARENAKV_CPP_VIEW_HPP

#include "arenakv/cpp/error.hpp"
#include "arenakv/cpp/span.hpp"
#include "arenakv/cpp/structs.hpp"

namespace arenakv {

// The bytes of an element, as the type asked for must have them; elements of 4 bits are read as bytes.
constexpr std::size_t element_bytes(std::uint32_t dtype) noexcept {
  return dtype == AKV_DTYPE_F32 ? 4 : dtype == AKV_DTYPE_F16 || dtype == AKV_DTYPE_BF16 ? 2 : 1;
}

// float is F32 alone; integers, and types of your own, are whatever has their size.
template <class T>
constexpr bool holds(std::uint32_t dtype) noexcept {
  using Element = std::remove_cv_t<T>;
  return sizeof(Element) == element_bytes(dtype) && (!std::is_same_v<Element, float> || dtype == AKV_DTYPE_F32);
}

template <class Errors>
class BasicView : public akv_view {
 public:
  template <class T>
  using Result = typename Errors::template Result<T>;

  BasicView() noexcept : akv_view AKV_VIEW_INIT {}
  explicit BasicView(const akv_view &view) noexcept : akv_view(view) {}

  bool valid() const noexcept { return data != nullptr; }
  bool read_only() const noexcept { return (flags & AKV_VIEW_READ_ONLY) != 0; }
  Span<const std::int64_t> sizes() const noexcept { return {shape, num_dimensions}; }
  Span<const std::int64_t> steps() const noexcept { return {strides, num_dimensions}; }  // in bytes
  std::uint64_t num_elements() const noexcept {
    std::uint64_t count = valid() ? 1 : 0;
    for (const std::int64_t size : sizes()) count *= static_cast<std::uint64_t>(size);
    return count;
  }

  // The element at these indices, one for each dimension: OutOfRange beyond them.
  template <class T, class... Indices>
  Result<T *> at(Indices... indices) const {
    const std::int64_t list[] = {static_cast<std::int64_t>(indices)...};
    if (const char *wrong = refusal<T>()) return Errors::template fail<T *>(Failure::plain(Status::InvalidArgument), wrong);
    std::int64_t offset = 0;
    bool inside = sizeof...(indices) == num_dimensions;
    for (std::size_t i = 0; inside && i < sizeof...(indices); ++i) {
      inside = list[i] >= 0 && list[i] < shape[i];
      offset += list[i] * strides[i];
    }
    if (!inside) return Errors::template fail<T *>(Failure::plain(Status::OutOfRange), "the view has no element there");
    return static_cast<T *>(static_cast<void *>(static_cast<char *>(data) + offset));
  }

  // All elements as one stretch: NotContiguous where they are none.
  template <class T>
  Result<Span<T>> span() const {
    if (const char *wrong = refusal<T>()) return Errors::template fail<Span<T>>(Failure::plain(Status::InvalidArgument), wrong);
    std::uint32_t contiguous = 0;
    const akv_status status = akv_view_measure(this, &contiguous, nullptr);
    if (status != AKV_OK) return Errors::template fail<Span<T>>(Failure::of(status));
    if (contiguous == 0)
      return Errors::template fail<Span<T>>(Failure::plain(Status::NotContiguous), "the elements are no one stretch: take a slice");
    return Span<T>(static_cast<T *>(data), static_cast<std::size_t>(num_elements()));
  }

  Result<BasicView> slice(std::uint32_t dimension, std::uint64_t first, std::uint64_t count) const {
    BasicView out;
    return Errors::give(akv_view_slice(this, dimension, first, count, &out), out);
  }
  // One size may be -1: whatever is left.
  Result<BasicView> reshape(Span<const std::int64_t> sizes) const {
    BasicView out;
    return Errors::give(akv_view_reshape(this, data32(sizes), count32(sizes), &out), out);
  }
  // New dimension i is old dimension order[i]; as many as there are.
  Result<BasicView> permute(Span<const std::uint32_t> order) const {
    BasicView out;
    if (order.size() != num_dimensions)
      return Errors::template fail<BasicView>(Failure::plain(Status::InvalidArgument), "an order has every dimension once");
    return Errors::give(akv_view_permute(this, order.data(), &out), out);
  }
  Result<bool> contiguous() const {
    std::uint32_t answer = 0;
    const akv_status status = akv_view_measure(this, &answer, nullptr);
    bool result = answer != 0;
    return Errors::give(status, result);
  }
  Result<std::uint64_t> bytes() const {
    std::uint32_t contiguous = 0;
    std::uint64_t answer = 0;
    return Errors::give(akv_view_measure(this, &contiguous, &answer), answer);
  }

 private:
  template <class T>
  const char *refusal() const noexcept {
    if (!valid()) return "the view is of nothing";
    if (!holds<T>(dtype)) return "the view's elements are of another type";
    return read_only() && !std::is_const_v<T> ? "the view is read-only: ask for const elements" : nullptr;
  }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_VIEW_HPP
