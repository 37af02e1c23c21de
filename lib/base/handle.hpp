// handle.hpp: how handles are encoded. A handle is never a pointer: it is looked up, so a stale one is an answer.
// It knows no object of the library.
//
//   cache    type 8 | copy of the library 16 | generation 32 | index 8   (carried in an akv_cache *)
//   others   the same, each with a type of its own: stores, streams, page pools ... (object_table.hpp)
//   object   generation 32 | kind 4 | cache index 8 | index 20           (sequence, plan, pin, lease; arena ...)
//   ticket   tag 16 of its cache or page pool (its index, and the low bits of its generation) | number 48
//
// Generations grow by one each time a place is given back, and are never 0.
#pragma once

#include <cstdint>

namespace akv {

// Types of what opaque pointer types carry. No pointer of user space has such a top byte.
enum class ObjectType : std::uint64_t {
  cache = 0xA7,
  store = 0xA8,
  stream = 0xA9,
  page_pool = 0xAA,
  tracker = 0xAB,
  pager = 0xAC,
  tail = 0xAD
};

struct CacheHandle {
  static constexpr std::uint64_t kType = static_cast<std::uint64_t>(ObjectType::cache);
  std::uint32_t copy;
  std::uint32_t generation;
  std::uint32_t index;

  static constexpr std::uint64_t encode(std::uint32_t copy, std::uint32_t generation, std::uint32_t index) {
    return kType << 56 | std::uint64_t{copy & 0xffff} << 40 | std::uint64_t{generation} << 8 | index;
  }
  static constexpr bool has_type(std::uint64_t value) { return value >> 56 == kType; }
  static constexpr CacheHandle decode(std::uint64_t value) {
    return {static_cast<std::uint32_t>(value >> 40 & 0xffff), static_cast<std::uint32_t>(value >> 8),
            static_cast<std::uint32_t>(value & 0xff)};
  }
};

// Arenas, tensors and pages live in page pools, whose index stands where a cache's does; rows in tails, by number.
enum class Kind : std::uint32_t { sequence = 1, plan, pin, lease, arena, tensor, page, tail_row };

struct ObjectHandle {
  static constexpr std::uint32_t kIndexBits = 20;
  static constexpr std::uint32_t kMaxIndex = (1u << kIndexBits) - 1;

  static constexpr std::uint64_t encode(std::uint32_t generation, Kind kind, std::uint32_t cache, std::uint32_t index) {
    return std::uint64_t{generation} << 32 | place(kind, cache) | index;
  }
  // Kind and cache as they stand in the lower half of a handle: one comparison checks both.
  static constexpr std::uint32_t place(Kind kind, std::uint32_t cache) {
    return static_cast<std::uint32_t>(kind) << 28 | cache << kIndexBits;
  }
  static constexpr std::uint32_t generation(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
  static constexpr std::uint32_t place(std::uint64_t value) { return static_cast<std::uint32_t>(value) & ~kMaxIndex; }
  static constexpr std::uint32_t kind(std::uint64_t value) { return static_cast<std::uint32_t>(value) >> 28; }
  static constexpr std::uint32_t index(std::uint64_t value) { return static_cast<std::uint32_t>(value) & kMaxIndex; }
};

// The generation after this one, where 0 means none yet.
constexpr std::uint32_t next_generation(std::uint32_t before, std::uint32_t first = 1) {
  return before == 0 ? first : before + 1 == 0 ? 1 : before + 1;
}

struct TicketHandle {
  static constexpr std::uint32_t kNumberBits = 48;
  static constexpr std::uint64_t kMaxNumber = (std::uint64_t{1} << kNumberBits) - 1;

  static constexpr std::uint64_t encode(std::uint32_t tag, std::uint64_t number) {
    return number == 0 ? 0 : std::uint64_t{tag} << kNumberBits | number;
  }
  // Of whoever has this handle: what has its place next has another tag, and so 255 times; another copy of the library
  // has others by chance.
  static constexpr std::uint32_t tag_of(const CacheHandle &handle) {
    return handle.index << 8 | ((handle.generation + handle.copy) & 0xff);
  }
  static constexpr std::uint32_t tag(std::uint64_t value) { return static_cast<std::uint32_t>(value >> kNumberBits); }
  static constexpr std::uint64_t number(std::uint64_t value) { return value & kMaxNumber; }
};

}  // namespace akv
