// move.hpp: a row of bytes moved and zeroed, through the caches or past them, while what comes next is fetched.
// It knows bytes and the chunks of vec/; not where rows lie.
//
// Past the caches: a line that is written whole need not be read first, and nothing else has to leave the cache for it.
// That pays where a work moves more than the caches hold (who starts it says so). Fetching ahead pays where rows are
// all over a pool: the processor's own prefetchers start anew in each row, and end at each page of 4 KiB. Not into the
// first-level cache: a core has few places for lines that are on their way there (Zen 4: 0.73 of memcpy for rows of
// 4 KiB instead of 0.9).
#pragma once

#include <cstdint>

namespace akv {
namespace {

constexpr std::uint64_t kLine = 64;
constexpr std::uint64_t kStep = 4 * sizeof(Chunk);
constexpr std::uint64_t kAhead = 8192;  // so far ahead it is fetched, into the second-level cache

template <bool kStreamed>
inline void put_chunk(unsigned char *to, Chunk chunk) noexcept {
  if constexpr (kStreamed) stream_chunk(to, chunk);
  else store_chunk(to, chunk);
}

// Less than a chunk: two halves that overlap.
inline void move_few(unsigned char *to, const unsigned char *from, std::uint64_t bytes) noexcept {
  const auto halves = [&]<class Word>(Word first) {
    Word last;
    __builtin_memcpy(&first, from, sizeof first);
    __builtin_memcpy(&last, from + bytes - sizeof last, sizeof last);
    __builtin_memcpy(to, &first, sizeof first);
    __builtin_memcpy(to + bytes - sizeof last, &last, sizeof last);
  };
  struct Half {
    std::uint64_t words[4];
  };
  struct Quarter {
    std::uint64_t words[2];
  };
  if (sizeof(Chunk) > sizeof(Half) && bytes >= sizeof(Half)) halves(Half{});
  else if (bytes >= sizeof(Quarter)) halves(Quarter{});
  else if (bytes >= 8) halves(std::uint64_t{});
  else if (bytes >= 4) halves(std::uint32_t{});
  else if (bytes >= 2) halves(std::uint16_t{});
  else if (bytes == 1) *to = *from;
}

// Steps from `at` up to `end` at most, while `ahead` is fetched; where it stopped.
template <bool kStreamed>
inline std::uint64_t move_steps(unsigned char *to, const unsigned char *from, std::uint64_t at, std::uint64_t end,
                                const unsigned char *ahead) noexcept {
  for (; at + kStep <= end; at += kStep, ahead += kStep) {
    for (std::uint64_t line = 0; line < kStep; line += kLine) __builtin_prefetch(ahead + line, 0, 2);
    const Chunk a = load_chunk(from + at), b = load_chunk(from + at + sizeof(Chunk));
    const Chunk c = load_chunk(from + at + 2 * sizeof(Chunk)), d = load_chunk(from + at + 3 * sizeof(Chunk));
    put_chunk<kStreamed>(to + at, a);
    put_chunk<kStreamed>(to + at + sizeof(Chunk), b);
    put_chunk<kStreamed>(to + at + 2 * sizeof(Chunk), c);
    put_chunk<kStreamed>(to + at + 3 * sizeof(Chunk), d);
  }
  return at;
}

// `next`: what is read after this row.
template <bool kStreamed>
void move_row(unsigned char *to, const unsigned char *from, std::uint64_t bytes, const unsigned char *next) noexcept {
  if (bytes < sizeof(Chunk)) return move_few(to, from, bytes);
  std::uint64_t at = 0;
  if constexpr (kStreamed) {  // up to the first whole chunk of the target
    at = -reinterpret_cast<std::uintptr_t>(to) % sizeof(Chunk);
    if (at != 0) store_chunk(to, load_chunk(from));
  }
  if (bytes > kAhead) at = move_steps<kStreamed>(to, from, at, bytes - kAhead, from + at + kAhead);
  at = move_steps<kStreamed>(to, from, at, bytes, next);
  for (; at + sizeof(Chunk) <= bytes; at += sizeof(Chunk)) put_chunk<kStreamed>(to + at, load_chunk(from + at));
  if (at < bytes) store_chunk(to + bytes - sizeof(Chunk), load_chunk(from + bytes - sizeof(Chunk)));
}

template <bool kStreamed>
void zero_row(unsigned char *to, std::uint64_t bytes) noexcept {
  if constexpr (!kStreamed) {
    __builtin_memset(to, 0, bytes);
  } else {
    const std::uint64_t head = -reinterpret_cast<std::uintptr_t>(to) % sizeof(Chunk);
    if (bytes < head + sizeof(Chunk)) return static_cast<void>(__builtin_memset(to, 0, bytes));
    if (head != 0) store_chunk(to, zero_chunk());
    std::uint64_t at = head;
    const Chunk zeroes = zero_chunk();
    for (; at + 8 * sizeof(Chunk) <= bytes; at += 8 * sizeof(Chunk)) {
#pragma GCC unroll 8
      for (std::uint64_t i = 0; i < 8; ++i) stream_chunk(to + at + i * sizeof(Chunk), zeroes);
    }
    for (; at + sizeof(Chunk) <= bytes; at += sizeof(Chunk)) stream_chunk(to + at, zeroes);
    if (at < bytes) store_chunk(to + bytes - sizeof(Chunk), zeroes);
  }
}

}  // namespace
}  // namespace akv
