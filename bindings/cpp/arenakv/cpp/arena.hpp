// arena.hpp: page pools, arenas of tensors that grow in place, single pages. What moves bytes is called copy_...
// An arena is dropped, with all its tensors, when it goes; a pool with everything in it.
#ifndef ARENAKV_CPP_ARENA_HPP
#define ARENAKV_CPP_ARENA_HPP

#include <vector>

#include "arenakv/cpp/owner.hpp"
#include "arenakv/cpp/view.hpp"

namespace arenakv {

// A tensor of an arena: a number, which ends with its arena. It can be copied; a stale one is BadHandle.
template <class Errors>
class BasicTensor {
 public:
  template <class T>
  using Result = typename Errors::template Result<T>;

  BasicTensor() noexcept = default;
  BasicTensor(akv_page_pool *pool, akv_tensor id, std::uint32_t content) noexcept
      : pool_(pool), id_(id), content_(content) {}
  akv_tensor id() const noexcept { return id_; }
  // AKV_CONTENT_*: what its memory held when it was placed.
  std::uint32_t content() const noexcept { return content_; }

  // One atomic update; the length before, where the new bytes begin.
  Result<std::uint64_t> extend(std::uint64_t bytes) {
    std::uint64_t offset = 0;
    return Errors::give(akv_tensor_extend(pool_, id_, bytes, &offset), offset);
  }
  Result<MemoryView> memory() const {
    MemoryView out;
    return Errors::give(akv_tensor_read_view(pool_, id_, &out), out);
  }
  // Its bytes from `offset` on, as a packed tensor; one of the sizes may be -1.
  Result<BasicView<Errors>> view(std::uint32_t dtype, Span<const std::int64_t> shape, std::uint64_t offset = 0) const {
    BasicView<Errors> out;
    return Errors::give(akv_tensor_read_shape(pool_, id_, offset, dtype, data32(shape), count32(shape), &out), out);
  }

  Result<void> copy_from(Span<const std::uint8_t> source, std::uint64_t offset = 0, akv_stream *stream = nullptr) {
    return Errors::done(akv_copy_to_tensor(pool_, id_, offset, source.data(), source.size(), stream));
  }
  Result<void> copy_to(Span<std::uint8_t> target, std::uint64_t offset = 0, akv_stream *stream = nullptr) const {
    return Errors::done(akv_copy_from_tensor(pool_, id_, offset, target.data(), target.size(), stream));
  }
  Result<void> copy_tensor(const BasicTensor &from, std::uint64_t from_offset, std::uint64_t offset, std::uint64_t bytes,
                           akv_stream *stream = nullptr) {
    return Errors::done(akv_copy_tensor(pool_, from.id_, from_offset, id_, offset, bytes, stream));
  }
  Result<void> copy_zero(akv_stream *stream = nullptr) { return Errors::done(akv_copy_zero_tensor(pool_, id_, stream)); }

 private:
  akv_page_pool *pool_ = nullptr;
  akv_tensor id_ = AKV_NONE;
  std::uint32_t content_ = AKV_CONTENT_ZERO;
};

template <class Errors>
class [[nodiscard]] BasicArena : public detail::Part<Errors, akv_page_pool, akv_arena_drop> {
  using Base = detail::Part<Errors, akv_page_pool, akv_arena_drop>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Tensor = BasicTensor<Errors>;
  using Base::Base;

  // It holds nothing yet, and may hold so many bytes.
  Result<Tensor> tensor(std::uint64_t capacity_bytes) {
    akv_tensor id = AKV_NONE;
    std::uint32_t content = 0;
    const akv_status status = akv_tensor_create(this->home_, this->id_, capacity_bytes, &id, &content);
    Tensor out(this->home_, id, content);
    return Errors::give(status, out);
  }
  // All or none.
  Result<std::vector<Tensor>> tensors(Span<const std::uint64_t> capacity_bytes) {
    std::vector<akv_tensor> ids(capacity_bytes.size());
    std::vector<std::uint32_t> contents(capacity_bytes.size());
    std::vector<Tensor> out(capacity_bytes.size());
    const akv_status status = akv_tensor_create_batch(this->home_, this->id_, data32(capacity_bytes),
                                                      count32(capacity_bytes), ids.data(), contents.data());
    for (std::size_t i = 0; status == AKV_OK && i < out.size(); ++i) out[i] = Tensor(this->home_, ids[i], contents[i]);
    return Errors::give(status, out);
  }
  Result<ArenaInfo> info() const {
    ArenaInfo out;
    return Errors::give(akv_arena_read_info(this->home_, this->id_, &out), out);
  }
  Result<void> drop() { return this->end(); }
};

template <class Errors>
class BasicPagePool : public detail::Owner<Errors, akv_page_pool, akv_page_pool_destroy> {
  using Base = detail::Owner<Errors, akv_page_pool, akv_page_pool_destroy>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Arena = BasicArena<Errors>;

  using Base::Base;
  static Result<BasicPagePool> make(const PagePoolConfig &config = {}) {
    akv_page_pool *handle = nullptr;
    const akv_status status = akv_page_pool_create(&config, &handle);
    BasicPagePool pool(handle);
    return Errors::give(status, pool);
  }
#if ARENAKV_EXCEPTIONS
  template <class E = Errors, class = std::enable_if_t<std::is_same_v<E, Throw>>>
  explicit BasicPagePool(const PagePoolConfig &config) : BasicPagePool(make(config)) {}
#endif

  Result<PagePoolConfig> config() const {
    PagePoolConfig out;
    return Errors::give(akv_page_pool_read_config(handle(), &out), out);
  }
  Result<PagePoolState> state() const {
    PagePoolState out;
    return Errors::give(akv_page_pool_read_state(handle(), &out), out);
  }
  Result<std::vector<CopyStats>> stats() const {
    return detail::read_list<Errors, CopyStats>([this](CopyStats *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_page_pool_read_stats(handle(), to, sizeof *to, capacity, count);
    });
  }
  Result<void> reserve(std::uint32_t num_pages) { return Errors::done(akv_page_pool_reserve(handle(), num_pages)); }

  Result<Arena> arena(std::uint64_t owner = 0) {
    akv_arena id = AKV_NONE;
    const akv_status status = akv_arena_create(handle(), owner, &id);
    Arena arena(handle(), id);
    return Errors::give(status, arena);
  }
  // Fill both with pages, all or none; give them back with page_release(). `out_contents` may be empty.
  Result<void> page_acquire(std::uint64_t owner, Span<akv_page> out_pages, Span<std::uint32_t> out_contents = {}) {
    if (!out_contents.empty() && out_contents.size() != out_pages.size())
      return Errors::template fail<void>(Failure::plain(Status::InvalidArgument), "as many contents as pages are wanted");
    return Errors::done(akv_page_acquire(handle(), owner, data32(out_pages),
                                         out_contents.empty() ? nullptr : out_contents.data(), count32(out_pages)));
  }
  Result<void> page_release(Span<const akv_page> pages) {
    return Errors::done(akv_page_release(handle(), data32(pages), count32(pages)));
  }
  Result<MemoryView> page_view(akv_page page) const {
    MemoryView out;
    return Errors::give(akv_page_read_view(handle(), page, &out), out);
  }
  Result<void> copy_zero_page(akv_page page, akv_stream *stream = nullptr) {
    return Errors::done(akv_copy_zero_page(handle(), page, stream));
  }

  Result<akv_ticket> ticket_open() {
    akv_ticket ticket = AKV_NONE;
    return Errors::give(akv_page_pool_ticket_open(handle(), &ticket), ticket);
  }
  Result<void> ticket_retire(akv_ticket ticket) { return Errors::done(akv_page_pool_ticket_retire(handle(), ticket)); }
  Result<void> ticket_abandon(akv_ticket ticket) { return Errors::done(akv_page_pool_ticket_abandon(handle(), ticket)); }
  Result<std::uint32_t> ticket_read(akv_ticket ticket) const {
    std::uint32_t state = 0;
    return Errors::give(akv_page_pool_ticket_read(handle(), ticket, &state), state);
  }

  // Emergency: all arenas and pages of an owner, or of everybody.
  Result<Dropped> drop_owner(std::uint64_t owner) {
    Dropped out;
    return Errors::give(akv_page_pool_drop_owner(handle(), owner, &out), out);
  }
  Result<Dropped> drop_all() {
    Dropped out;
    return Errors::give(akv_page_pool_drop_all(handle(), &out), out);
  }

 private:
  akv_page_pool *handle() const noexcept { return this->object_; }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_ARENA_HPP
