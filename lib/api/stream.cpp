// stream.cpp: thunks of stream.h.
#include "api/thunk.hpp"
#include "data/device/host_stream.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kStreamConfigV1 = 32;
static_assert(sizeof(akv_stream_config) == kStreamConfigV1);

constexpr std::uint64_t kDefaultItems = 1024, kMaxItems = 65536;
constexpr std::uint64_t kDefaultBytes = std::uint64_t{4} << 20, kMinBytes = 4096, kMaxBytes = std::uint64_t{1} << 32;

Status in_range(const char *name, std::uint64_t value, std::uint64_t smallest, std::uint64_t largest) noexcept {
  if (value >= smallest && value <= largest) return AKV_OK;
  return value < smallest
             ? fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is %llu, the least is %llu", name, value, smallest)
             : fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is %llu, the most is %llu", name, value, largest);
}

Status read_config(const akv_stream_config *from, HostStreamConfig &to) noexcept {
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, config, kStreamConfigV1));
  AKV_TRY(check_flags(config.flags, 0));
  if (config.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "unused is %llu, must be 0", config.unused);
  if (config.device != AKV_DEVICE_HOST)
    return fail(AKV_ERROR_UNSUPPORTED, "device %llu: this build has streams of the host (0) only", config.device);
  if (config.queue_items == 0) config.queue_items = kDefaultItems;
  if (config.queue_bytes == 0) config.queue_bytes = kDefaultBytes;
  AKV_TRY(in_range("num_workers", config.num_workers, 0, HostStream::kMaxWorkers));
  AKV_TRY(in_range("queue_items", config.queue_items, 1, kMaxItems));
  AKV_TRY(in_range("queue_bytes", config.queue_bytes, kMinBytes, kMaxBytes));
  to = {config.num_workers, config.queue_items, (config.queue_bytes + ByteRing::kLine - 1) & ~(ByteRing::kLine - 1)};
  return AKV_OK;
}

}  // namespace

extern "C" {

akv_status akv_stream_create(const akv_stream_config *config, akv_stream **out_stream) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_stream, "out_stream"));
  HostStreamConfig host;
  AKV_TRY(read_config(config, host));
  std::unique_ptr<Stream> stream;
  AKV_TRY(HostStream::create(host, stream));
  return Streams::create(std::move(stream), *out_stream);
}

akv_status akv_stream_destroy(akv_stream *stream) noexcept {
  const KeepErrno keep;
  return Streams::destroy(stream, [](Stream &ending) { return ending.may_end(); });
}

akv_status akv_stream_record(akv_stream *stream, uint64_t *out_point) noexcept {
  AKV_TRY(check_pointer(out_point, "out_point"));
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  *out_point = ref->record();
  return AKV_OK;
}

akv_status akv_stream_read(akv_stream *stream, uint64_t point, uint32_t *out_passed) noexcept {
  AKV_TRY(check_pointer(out_passed, "out_passed"));
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  bool passed = false;
  AKV_TRY(ref->read(point, passed));
  *out_passed = passed ? 1 : 0;
  return AKV_OK;
}

akv_status akv_stream_follow(akv_stream *stream, akv_stream *other, uint64_t point) noexcept {
  Streams::Ref ref, followed;
  AKV_TRY(Streams::find(stream, ref));
  AKV_TRY(Streams::find(other, followed));
  return ref->follow(std::move(followed), point);
}

akv_status akv_stream_call(akv_stream *stream, akv_stream_function function, void *context) noexcept {
  if (function == nullptr) return fail(AKV_ERROR_INVALID_ARGUMENT, "function is NULL");
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  return ref->call(function, context);
}

akv_status akv_stream_read_fd(akv_stream *stream, int32_t *out_fd) noexcept {
  const KeepErrno keep;
  AKV_TRY(check_pointer(out_fd, "out_fd"));
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  return ref->read_fd(*out_fd);
}

akv_status akv_stream_record_ticket(akv_stream *stream, akv_cache *cache, akv_ticket ticket) noexcept {
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  return ref->record_ticket(cache, ticket);
}

akv_status akv_stream_poll(akv_stream *stream, uint32_t *out_done) noexcept {
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  std::uint32_t done = 0;
  const Status status = ref->poll(done);
  if (out_done != nullptr) *out_done = done;
  return status;
}

akv_status akv_stream_wait(akv_stream *stream, uint64_t point, uint64_t timeout_ns) noexcept {
  Streams::Ref ref;
  AKV_TRY(Streams::find(stream, ref));
  return ref->wait(point, timeout_ns);
}

}  // extern "C"
