// host_stream.cpp: the queue of a host stream, its workers, its points, and who waits for them.
// It knows pieces of work and who does them; not what they do, and no store.
#include "data/device/host_stream.hpp"

#include <cerrno>
#include <csignal>
#include <new>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.hpp"
#include "data/device/work.hpp"
#include "meta/cache_home.hpp"

namespace akv {
namespace {

// The stream that this thread is a worker of.
thread_local constinit const Stream *working_for = nullptr;

// A piece that waits for another stream, and keeps it.
struct Follow {
  Streams::Ref other;
  std::uint64_t point = 0;

  bool run(std::uint32_t, std::uint32_t) noexcept {
    other->wait_until_passed(point);
    return true;
  }
  void finish(bool) noexcept {}
};

struct FunctionCall {
  akv_stream_function function = nullptr;
  void *context = nullptr;
  bool *threw = nullptr;  // NULL: nobody is left to be told

  bool run(std::uint32_t, std::uint32_t) noexcept {
    try {
      function(context);
    } catch (...) {  // a callback's exception ends here
      if (threw != nullptr) *threw = true;
      else log(AKV_LOG_WARNING, "a function called by a stream threw an exception: the stream goes on");
    }
    return true;
  }
  void finish(bool) noexcept {}
};

Status check_open(akv_cache *cache, akv_ticket ticket) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  if (ticket == AKV_NONE) return fail(AKV_ERROR_INVALID_ARGUMENT, "the ticket is 0");
  std::uint32_t state = 0;
  AKV_TRY(locked->read_ticket_locked(ticket, state));
  if (state == AKV_TICKET_OPEN) return AKV_OK;
  return fail(AKV_ERROR_BAD_HANDLE, "ticket %llu has ended already", TicketHandle::number(ticket));
}

// Signals are for the host's own threads; but a fault in a worker must find the host's handler.
sigset_t signals_of_others() noexcept {
  sigset_t set;
  sigfillset(&set);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&set, fault);
  return set;
}

}  // namespace

// -- life --

Status HostStream::create(const HostStreamConfig &config, std::unique_ptr<Stream> &out) noexcept {
  std::unique_ptr<HostStream> stream(new (std::nothrow) HostStream(config));
  if (stream == nullptr)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for a stream", sizeof(HostStream));
  AKV_TRY(stream->allocate());
  AKV_TRY(stream->start_workers());  // last: those that run end with the stream
  out = std::move(stream);
  return AKV_OK;
}

Status HostStream::allocate() noexcept {
  const bool queue = config_.num_workers != 0;
  Endings::plan(memory_, config_.queue_items);
  if (queue) memory_.plan<Piece>(config_.queue_items);
  if (queue) ByteRing::plan(memory_, config_.queue_bytes);
  if (memory_.commit(nullptr, false) != AKV_OK)
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no %llu bytes for the queue of a stream", memory_.bytes());
  endings_.take_memory(memory_, config_.queue_items);
  if (queue) pieces_ = memory_.take<Piece>(config_.queue_items);
  if (queue) bytes_.take_memory(memory_, config_.queue_bytes);
  return AKV_OK;
}

Status HostStream::start_workers() noexcept {
  const sigset_t others = signals_of_others();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &others, &before);  // a thread starts with its maker's mask
  int error = 0;
  while (error == 0 && threads_ < config_.num_workers) {
    error = pthread_create(&thread_[threads_], nullptr, worker, this);
    if (error == 0) ++threads_;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) return AKV_OK;
  return fail(AKV_ERROR_OUT_OF_MEMORY, "the host started %llu of %llu workers, then errno %llu", threads_,
              config_.num_workers, static_cast<unsigned>(error));
}

HostStream::~HostStream() {
  {
    const std::lock_guard<Mutex> lock(mutex_);
    stopping_ = true;
  }
  work_waits_.notify_all();
  for (std::uint32_t i = 0; i < threads_; ++i) pthread_join(thread_[i], nullptr);
  if (fd_ != -1) close(fd_);
}

Status HostStream::may_end() noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  if (queued_ == passed_ && endings_.count() == 0) return AKV_OK;
  return fail(AKV_ERROR_BUSY,
              "%llu pieces of work are queued on the stream, %llu tickets and plans wait for akv_stream_poll()",
              queued_ - passed_, endings_.count());
}

// -- workers --

void *HostStream::worker(void *stream) noexcept {
  pthread_setname_np(pthread_self(), "akv-stream");
  working_for = static_cast<HostStream *>(stream);
  static_cast<HostStream *>(stream)->work();
  return nullptr;
}

void HostStream::work() noexcept {
  std::unique_lock<Mutex> lock(mutex_);
  while (!stopping_) {
    if (part_waits_locked()) do_part(lock);
    else work_waits_.wait(mutex_);
  }
}

void HostStream::do_part(std::unique_lock<Mutex> &lock) noexcept {
  const Piece piece = head_locked();
  const std::uint32_t part = next_part_++;
  lock.unlock();
  const bool well = piece.kind->run(piece.work, part, piece.parts);
  lock.lock();
  head_failed_ = head_failed_ || !well;
  if (++parts_done_ == piece.parts) pass_head(lock);
}

// All parts are done and none is left to be taken: the head is this worker's alone.
void HostStream::pass_head(std::unique_lock<Mutex> &lock) noexcept {
  const Piece piece = head_locked();
  const bool failed = head_failed_;
  lock.unlock();
  piece.kind->finish(piece.work, failed);
  lock.lock();
  if (failed && piece.ending != kNoEnding) endings_.fail(piece.ending);
  else if (failed) copy_failed_ = true;
  bytes_.give_back(piece.bytes_end);
  next_part_ = parts_done_ = 0;
  head_failed_ = false;
  ++passed_;
  if (passed_ != queued_ && head_locked().parts > 1) work_waits_.notify_all();  // its first part is this worker's
  tell_progress(lock);
}

void HostStream::tell_progress(std::unique_lock<Mutex> &lock) noexcept {
  progress_.notify_all();
  if (fd_ == -1) return;
  lock.unlock();
  const int error = errno;
  eventfd_write(fd_, 1);  // fails where it could not be more readable than it is
  errno = error;
  lock.lock();
}

// -- queueing --

Status HostStream::check_room_locked(std::size_t bytes, const PlanEnd &end, std::byte *&out_room) noexcept {
  if (queued_ - passed_ >= config_.queue_items)
    return fail_with(AKV_ERROR_QUEUE_FULL, 1, 0, "%llu pieces of work (queue_items) are queued", config_.queue_items);
  if (end.plan != AKV_NONE && endings_.full())
    return fail_with(AKV_ERROR_QUEUE_FULL, 1, 0, "%llu tickets and plans (queue_items) wait for akv_stream_poll()",
                     endings_.count());
  if (bytes > bytes_.capacity())
    return fail_with(AKV_ERROR_QUEUE_FULL, bytes, bytes_.capacity(),
                     "the work has %llu bytes of arguments, the stream room for %llu (queue_bytes), however long you "
                     "wait",
                     bytes, bytes_.capacity());
  out_room = bytes_.find(bytes);
  if (out_room != nullptr) return AKV_OK;
  return fail_with(AKV_ERROR_QUEUE_FULL, bytes, 0,
                   "no %llu bytes in a row are left for arguments in the stream's %llu (queue_bytes)", bytes,
                   bytes_.capacity());
}

Status HostStream::begin_piece(std::size_t bytes, const PlanEnd &end, std::byte *&out_room) noexcept {
  queueing_.lock();
  Status status = AKV_OK;
  {
    const std::lock_guard<Mutex> lock(mutex_);
    status = check_room_locked(bytes, end, out_room);
    if (status == AKV_OK) endings_promised_ = end.plan != AKV_NONE;
  }
  plan_ = end;
  if (status != AKV_OK) queueing_.unlock();
  return status;
}

std::uint64_t HostStream::queue_piece(const WorkKind &kind, void *work, std::uint32_t parts) noexcept {
  std::uint64_t point = 0;
  {
    const std::lock_guard<Mutex> lock(mutex_);
    Piece &piece = pieces_[queued_ % config_.queue_items];
    piece = {&kind, work, bytes_.take(), kNoEnding, parts == 0 ? 1 : parts};
    point = ++queued_;
    if (plan_.plan != AKV_NONE)
      piece.ending = endings_.add({point, plan_.cache, plan_.plan, EndingKind::plan, false, false});
    endings_promised_ = 0;
    // Behind others it is found by who finishes them.
    if (queued_ - passed_ == 1 && piece.parts == 1) work_waits_.notify_one();
    else if (queued_ - passed_ == 1) work_waits_.notify_all();
  }
  queueing_.unlock();
  return point;
}

void HostStream::drop_piece() noexcept {
  {
    const std::lock_guard<Mutex> lock(mutex_);
    endings_promised_ = 0;
  }
  queueing_.unlock();
}

std::uint64_t HostStream::note_done() noexcept {
  std::unique_lock<Mutex> lock(mutex_);
  const std::uint64_t point = passed_ = ++queued_;
  tell_progress(lock);
  return point;
}

Status HostStream::follow(Streams::Ref other, std::uint64_t point) noexcept {
  bool passed = false;
  AKV_TRY(other->read(point, passed));
  if (passed || &*other == this) return AKV_OK;
  if (config_.num_workers == 0)
    return fail(AKV_ERROR_NOT_READY, "the other stream has not passed point %llu, and this one has no worker to wait",
                point);
  Submission<Follow> piece(this);
  AKV_TRY(piece.status());
  piece->other = std::move(other);
  piece->point = point;
  piece.submit();
  return AKV_OK;
}

Status HostStream::call(akv_stream_function function, void *context) noexcept {
  bool threw = false;
  Submission<FunctionCall> piece(this);
  AKV_TRY(piece.status());
  piece->function = function;
  piece->context = context;
  if (!piece.queued()) piece->threw = &threw;
  piece.submit();
  return threw ? fail(AKV_ERROR_CALLBACK, "the function threw an exception") : AKV_OK;
}

// -- points --

Status HostStream::check_point_locked(std::uint64_t point) noexcept {
  if (point <= queued_) return AKV_OK;
  return fail_with(AKV_ERROR_OUT_OF_RANGE, point, queued_, "point %llu of a stream whose last one is %llu", point,
                   queued_);
}

std::uint64_t HostStream::record() noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  return queued_;
}

Status HostStream::read(std::uint64_t point, bool &out_passed) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  AKV_TRY(check_point_locked(point));
  out_passed = point <= passed_;
  return AKV_OK;
}

Status HostStream::read_fd(std::int32_t &out_fd) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  if (fd_ == -1) fd_ = eventfd(passed_ != 0 ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd_ == -1) return fail(AKV_ERROR_IO, "eventfd() failed with errno %llu", static_cast<unsigned>(errno));
  out_fd = fd_;
  return AKV_OK;
}

void HostStream::wait_until_passed(std::uint64_t point) noexcept {
  const std::lock_guard<Mutex> lock(mutex_);
  while (passed_ < point) progress_.wait(mutex_);
}

Status HostStream::wait(std::uint64_t point, std::uint64_t timeout_ns) noexcept {
  const timespec deadline = deadline_in(timeout_ns);
  {
    const std::lock_guard<Mutex> lock(mutex_);
    if (point == AKV_POINT_ALL) point = queued_;
    AKV_TRY(check_point_locked(point));
    if (passed_ < point && working_for == this)
      return fail(AKV_ERROR_BUSY, "point %llu lies behind the function of this stream that waits for it", point);
    while (passed_ < point)
      if (!progress_.wait_until(mutex_, deadline) && passed_ < point)
        return fail(AKV_ERROR_TIMEOUT, "the stream has passed point %llu and not yet %llu after %llu nanoseconds",
                    passed_, point, timeout_ns);
  }
  std::uint32_t done = 0;
  return poll(done);
}

// -- endings --

Status HostStream::record_ticket(akv_cache *cache, akv_ticket ticket) noexcept {
  AKV_TRY(check_open(cache, ticket));
  const std::lock_guard<Mutex> lock(mutex_);
  if (endings_.count() + endings_promised_ >= endings_.capacity())
    return fail_with(AKV_ERROR_QUEUE_FULL, 1, 0, "%llu tickets and plans (queue_items) wait for akv_stream_poll()",
                     endings_.count());
  endings_.add({queued_, cache, ticket, EndingKind::ticket, false, false});
  return AKV_OK;
}

Status HostStream::poll(std::uint32_t &out_done) noexcept {
  std::uint32_t done = 0, abandoned = 0;
  bool failed = false;
  {
    const std::lock_guard<Mutex> polling(polling_);
    std::unique_lock<Mutex> lock(mutex_);
    const std::uint64_t due = endings_.due(passed_);
    failed = std::exchange(copy_failed_, false);
    lock.unlock();
    for (std::uint64_t i = 0; i < due; ++i) {
      Ending &ending = endings_.at(i);
      const Ended how = ending.end();
      ending.ended = how != Ended::later;
      done += how == Ended::done;
      failed = failed || (ending.failed && ending.ended);
      abandoned += ending.failed && how == Ended::done;
    }
    lock.lock();
    endings_.remove_ended(due);
  }
  if (abandoned != 0) log(AKV_LOG_WARNING, "%u plans abandoned: copies differ from their sources", abandoned);
  out_done = done;
  if (!failed) return AKV_OK;
  return fail(AKV_ERROR_VERIFY_FAILED, "a copy differs from its source; %llu plans were abandoned for that", abandoned);
}

}  // namespace akv
