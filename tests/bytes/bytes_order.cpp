// bytes_order.cpp: what an engine does so that its work has an order: a ticket over all that it queues, streams that
// follow each other, and waiting. And how work is held up.
// It knows no bytes.
#include "bytes_run.hpp"

#include <cinttypes>

namespace bytes_test {

void Run::cover(std::uint32_t x) {
  if (!stream(x).queues() || current_[x] != 0) return;
  akv_ticket ticket = 0;
  must(retry([&] { return akv_ticket_open(cache_, &ticket); }), "ticket_open");
  current_[x] = ticket;
}

void Run::flush(std::uint32_t x) {
  if (page_current_[x] != 0) page_recorded_[page_current_[x]] = {x, stream(x).record()};
  page_current_[x] = 0;
  if (current_[x] == 0) return;
  note("record ticket %" PRIx64 " on stream %u", current_[x], x);
  must(akv_stream_record_ticket(stream(x).handle(), cache_, current_[x]), "record_ticket");
  recorded_[current_[x]] = {x, stream(x).record()};
  current_[x] = 0;
}

void Run::flush_all() {
  for (std::uint32_t x = 0; x < num_streams_; ++x) flush(x);
}

void Run::follow(std::uint32_t x, std::uint32_t y, std::uint64_t point) {
  if (x == y || !stream(y).queues() || point <= stream(y).settled()) return;
  if (stream(x).queues()) return stream(x).follow(stream(y), point);
  if (!stream(y).can_pass(point))
    for (auto &each : streams_) each->open_all();
  settle(y);
}

void Run::follow_ticket(std::uint32_t x, akv_ticket wait) {
  if (wait == 0 || ticket_state(wait) == AKV_TICKET_PASSED) return;
  for (std::uint32_t y = 0; y < num_streams_; ++y)
    if (current_[y] != 0 && current_[y] <= wait && y != x) flush(y);
  const auto open = recorded_;  // to settle is to take some away
  for (const auto &[ticket, at] : open)
    if (ticket <= wait) follow(x, at.stream, at.point);
}

void Run::order_points(std::uint32_t x, const std::uint64_t (&last)[kMaxStreams]) {
  for (std::uint32_t y = 0; y < num_streams_; ++y) follow(x, y, last[y]);
}

void Run::order(std::uint32_t x, Seq &seq) {
  order_points(x, seq.last);
  follow_ticket(x, info(seq.handle).wait);
}

void Run::settle(std::uint32_t x) {
  stream(x).settle();
  for (auto it = recorded_.begin(); it != recorded_.end();)
    it = it->second.stream == x && it->second.point <= stream(x).settled() ? recorded_.erase(it) : std::next(it);
  look_at_finishing();
  check_pending(x);
  retire_pages(x);
  end_leases();
}

void Run::settle_all() {
  for (std::uint32_t x = 0; x < num_streams_; ++x) settle(x);
}

void Run::open_and_settle_all() {
  for (auto &each : streams_) each->open_all();
  settle_all();
  settle_all();  // plans that had to wait for tickets of other streams
}

std::uint32_t Run::ticket_state(akv_ticket ticket) {
  std::uint32_t state = 0;
  must(akv_ticket_read(cache_, ticket, &state), "ticket_read");
  return state;
}

void Run::hold_or_open() {
  const std::uint32_t x = some_stream();
  switch (random_.below(5)) {
    case 0:
    case 1:
      note("hold stream %u", x);
      if (stream(x).latches() < 6) stream(x).hold();
      break;
    case 2:
      note("open a latch of stream %u, and settle", x);
      stream(x).open_one();
      settle(x);
      break;
    case 3: flush(x); break;
    default:
      note("settle stream %u", x);
      flush(x);
      settle(x);
  }
}

// The work under a ticket has ended, and the engine says that it went wrong.
void Run::give_up_ticket() {
  const std::uint32_t x = some_stream();
  if (current_[x] == 0 || !random_.one_in(2)) return;
  const akv_ticket ticket = current_[x];
  open_and_settle_all();
  if (current_[x] != ticket) return;
  while (!plans_.empty()) abandon(plans_.front());
  note("abandon ticket %" PRIx64 " of stream %u", ticket, x);
  std::uint32_t lost = 0, found = 0;
  must(akv_ticket_abandon(cache_, ticket, &lost), "ticket_abandon");
  current_[x] = 0;
  for (auto it = seqs_.begin(); it != seqs_.end();) {
    Seq &seq = *it++;
    const akv_sequence_info now = info(seq.handle);
    // It may be that no token was lost, but reserved blocks that were to be zeroed.
    const akv_status status = seq.swapped ? AKV_OK : akv_sequence_commit(cache_, seq.handle, 0, 0);
    if (status == AKV_OK && now.sound_tokens == seq.length()) continue;
    if (!seq.swapped) expect(status, AKV_ERROR_CONTENT_LOST, "a commit where content was lost");
    ++found;
    if (random_.one_in(2) || seq.swapped) {
      free(seq);
      continue;
    }
    must(akv_sequence_truncate(cache_, seq.handle, now.sound_tokens, 0), "truncate to the sound part");
    seq.tokens.resize(now.sound_tokens);
    seq.stamps.resize(now.sound_tokens);
    const akv_sequence_info then = info(seq.handle);
    seq.known = then.known;
    seq.committed = then.committed;
    seq.written = std::min(seq.written, then.committed);
  }
  if (found != lost) fail("%u sequences lost content, %u of them are known here", lost, found);
}

}  // namespace bytes_test
