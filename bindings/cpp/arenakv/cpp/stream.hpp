// stream.hpp: an order of work on a device; points, tickets and waits on it; and who is resident when blocks are short.
// A stream that ends waits for its work, ten seconds at most: buffers and stores may go right behind it.
#ifndef ARENAKV_CPP_STREAM_HPP
#define ARENAKV_CPP_STREAM_HPP

#include <chrono>
#include <memory>
#include <new>
#include <utility>

#include "arenakv/cpp/owner.hpp"

namespace arenakv {
namespace detail {

inline akv_status end_stream(akv_stream *stream) {
  constexpr std::uint64_t kTenSeconds = 10'000'000'000u;
  akv_status status = akv_stream_destroy(stream);
  if (status == AKV_ERROR_BUSY) {
    (void)!akv_stream_wait(stream, AKV_POINT_ALL, kTenSeconds);
    status = akv_stream_destroy(stream);
  }
  return status;
}

}  // namespace detail

template <class Errors>
class BasicStream : public detail::Owner<Errors, akv_stream, detail::end_stream> {
  using Base = detail::Owner<Errors, akv_stream, detail::end_stream>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;

  using Base::Base;
  static Result<BasicStream> make(const StreamConfig &config = {}) {
    akv_stream *handle = nullptr;
    const akv_status status = akv_stream_create(&config, &handle);
    BasicStream stream(handle);
    return Errors::give(status, stream);
  }
  static Result<BasicStream> make(std::uint32_t num_workers) {
    StreamConfig config;
    config.num_workers = num_workers;
    return make(config);
  }
#if ARENAKV_EXCEPTIONS
  template <class E = Errors, class = std::enable_if_t<std::is_same_v<E, Throw>>>
  explicit BasicStream(std::uint32_t num_workers) : BasicStream(make(num_workers)) {}
#endif

  // The point behind everything queued so far.
  Result<std::uint64_t> record() {
    std::uint64_t point = 0;
    return Errors::give(akv_stream_record(handle(), &point), point);
  }
  Result<bool> passed(std::uint64_t point) const {
    std::uint32_t answer = 0;
    const akv_status status = akv_stream_read(handle(), point, &answer);
    bool passed = answer != 0;
    return Errors::give(status, passed);
  }
  Result<void> follow(const BasicStream &other, std::uint64_t point) {
    return Errors::done(akv_stream_follow(handle(), other.handle(), point));
  }
  // Retire the ticket when the stream has passed all that is queued now: poll() and wait() do it.
  Result<void> record_ticket(akv_cache *cache, akv_ticket ticket) {
    return Errors::done(akv_stream_record_ticket(handle(), cache, ticket));
  }
  // How many tickets and plans were ended.
  Result<std::uint32_t> poll() {
    std::uint32_t done = 0;
    return Errors::give(akv_stream_poll(handle(), &done), done);
  }
  // Until the point or the deadline: Timeout, and nothing was given up.
  Result<void> wait(std::chrono::nanoseconds timeout, std::uint64_t point = AKV_POINT_ALL) {
    const auto count = timeout.count();
    return Errors::done(akv_stream_wait(handle(), point, count > 0 ? static_cast<std::uint64_t>(count) : 0));
  }
  // Readable while the stream has passed something since it was last read: for poll() and epoll.
  Result<std::int32_t> fd() {
    std::int32_t fd = -1;
    return Errors::give(akv_stream_read_fd(handle(), &fd), fd);
  }

  // A worker calls `function` once when all that was queued before has been done. It must not throw.
  template <class Function>
  Result<void> call(Function function) {
    std::unique_ptr<Function> context(new (std::nothrow) Function(std::move(function)));
    if (context == nullptr)
      return Errors::template fail<void>(Failure::plain(Status::OutOfMemory), "the host has no memory for a function");
    const akv_status status = akv_stream_call(handle(), [](void *of) {
      const std::unique_ptr<Function> mine(static_cast<Function *>(of));
      (*mine)();
    }, context.get());
    if (status == AKV_OK) (void)context.release();
    return Errors::done(status);
  }
  // Take over what queued work reads or writes (a vector, a shared_ptr), until it has been done.
  template <class Buffer>
  Result<void> keep(Buffer buffer) {
    return call([kept = std::move(buffer)]() noexcept { (void)kept; });
  }

 private:
  akv_stream *handle() const noexcept { return this->object_; }
};

// The coldest sequences go to the swap blocks when blocks are short, and come back on use.
template <class Errors>
class BasicPager : public detail::Owner<Errors, akv_pager, akv_pager_destroy> {
  using Base = detail::Owner<Errors, akv_pager, akv_pager_destroy>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;

  using Base::Base;
  static Result<BasicPager> make(akv_cache *cache, Span<akv_store *const> stores) {
    akv_pager_config config = AKV_PAGER_CONFIG_INIT;
    config.stores = data32(stores);
    config.num_stores = count32(stores);
    akv_pager *handle = nullptr;
    const akv_status status = akv_pager_create(cache, &config, &handle);
    BasicPager pager(handle);
    return Errors::give(status, pager);
  }
  // While the answer's `pending` is not 0, wait for the stream and ask again. `num_tokens` empty: room for none more.
  Result<Residence> copy_make_resident(Span<const akv_sequence> sequences, Span<const std::uint32_t> num_tokens = {},
                                       akv_stream *stream = nullptr) {
    if (!num_tokens.empty() && num_tokens.size() != sequences.size())
      return Errors::template fail<Residence>(Failure::plain(Status::InvalidArgument),
                                              "as many numbers of tokens as sequences are wanted");
    Residence out;
    return Errors::give(akv_copy_make_resident(this->object_, data32(sequences),
                                               num_tokens.empty() ? nullptr : num_tokens.data(), count32(sequences), &out,
                                               stream), out);
  }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_STREAM_HPP
