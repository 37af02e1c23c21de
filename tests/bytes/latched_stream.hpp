// latched_stream.hpp: a stream whose work can be held up, and which knows, by what was queued and not by the clock, how
// far it can have come: so a run with worker threads is the same every time.
// It knows the public API only.
//
// A latch is a call on the stream that blocks its workers until it is opened. Nothing behind a closed latch can have
// been done; settle() waits for everything in front of the first one, and only settle() lets the library end what is
// due (akv_stream_wait() polls). Other streams' latches count through akv_stream_follow().
#pragma once

#include "arenakv.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace bytes_test {

class LatchedStream {
 public:
  // Without a stream (NULL), or with so many workers.
  LatchedStream(bool exists, std::uint32_t workers);
  ~LatchedStream();
  LatchedStream(const LatchedStream &) = delete;
  LatchedStream &operator=(const LatchedStream &) = delete;

  akv_stream *handle() const { return handle_; }
  bool queues() const { return workers_ != 0; }
  // The point behind all that was queued; 0 where work is done inside the calls.
  std::uint64_t record() const;
  // Whether everything in front of a point may be done by now.
  bool can_pass(std::uint64_t point) const;
  // All in front of this point has been waited for.
  std::uint64_t settled() const { return settled_; }

  void hold();      // queue a closed latch
  bool open_one();  // the first closed latch; false: there is none
  void open_all();
  std::size_t latches() const { return closed_.size(); }
  void follow(const LatchedStream &other, std::uint64_t point);  // only where this one queues
  // Wait for all that can be done, and end what is due.
  void settle();

 private:
  struct Latch {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    void wait();
    void release();
  };
  struct Block {  // what holds the stream up behind point `before`
    std::uint64_t before;
    const Latch *latch;
    const LatchedStream *other;
    std::uint64_t point;
    bool stands() const { return latch != nullptr ? !latch->open : !other->can_pass(point); }
  };
  static void run_latch(void *latch);

  akv_stream *handle_ = nullptr;
  std::uint32_t workers_;
  std::uint64_t settled_ = 0;
  std::deque<Block> blocks_;
  std::deque<Latch *> closed_;
  std::vector<std::unique_ptr<Latch>> latches_;
};

}  // namespace bytes_test
