// id_list.cpp: lists of block ids in chunks.
// It knows ids, not what the blocks hold.
#include "mem/id_list.hpp"

#include <algorithm>
#include <cstring>

namespace akv {
namespace {

std::size_t id_bytes(std::uint32_t count) { return count * sizeof(std::int32_t); }

}  // namespace

void IdLists::append(IdList &list, const std::int32_t *ids, std::uint32_t count) noexcept {
  list.count += count;
  if (list.last != 0 && count != 0) {
    IdChunk &chunk = chunks_[list.last];
    const std::uint32_t part = std::min(count, IdChunk::kCapacity - chunk.count);
    std::memcpy(chunk.ids + chunk.count, ids, id_bytes(part));
    chunk.count += part;
    ids += part;
    count -= part;
  }
  while (count != 0) {
    const std::uint32_t index = chunks_.take();
    IdChunk &chunk = chunks_[index];
    const std::uint32_t part = std::min(count, IdChunk::kCapacity);
    std::memcpy(chunk.ids, ids, id_bytes(part));
    chunk.count = part;
    chunk.next = 0;
    chunk.previous = list.last;
    (list.last != 0 ? chunks_[list.last].next : list.first) = index;
    list.last = index;
    ids += part;
    count -= part;
  }
}

void IdLists::join(IdList &list, IdList &tail) noexcept {
  if (tail.count == 0) return;
  if (list.count == 0) {
    list = tail;
  } else {
    chunks_[list.last].next = tail.first;
    chunks_[tail.first].previous = list.last;
    list.last = tail.last;
    list.count += tail.count;
  }
  tail = IdList{};
}

IdLists::Place IdLists::find(const IdList &list, std::uint32_t position) const noexcept {
  if (position <= list.count / 2) {
    std::uint32_t index = list.first, before = 0;
    while (position >= before + chunks_[index].count) {
      before += chunks_[index].count;
      index = chunks_[index].next;
    }
    return {index, position - before};
  }
  std::uint32_t index = list.last, behind = list.count - chunks_[index].count;
  while (position < behind) {
    index = chunks_[index].previous;
    behind -= chunks_[index].count;
  }
  return {index, position - behind};
}

IdList IdLists::split(IdList &list, std::uint32_t at) noexcept {
  const Place place = find(list, at);
  IdList tail{place.chunk, list.last, list.count - at};
  IdChunk &chunk = chunks_[place.chunk];
  if (place.offset != 0) {
    // The cut is inside a chunk: what is behind it moves to a chunk of its own.
    const std::uint32_t index = chunks_.take();
    IdChunk &behind = chunks_[index];
    behind.count = chunk.count - place.offset;
    std::memcpy(behind.ids, chunk.ids + place.offset, id_bytes(behind.count));
    behind.next = chunk.next;
    behind.previous = 0;
    if (chunk.next != 0) chunks_[chunk.next].previous = index;
    chunk.count = place.offset;
    chunk.next = 0;
    tail.first = index;
    if (tail.last == place.chunk) tail.last = index;
    list.last = place.chunk;
  } else {
    list.last = chunk.previous;
    chunks_[list.last].next = 0;
    chunk.previous = 0;
  }
  list.count = at;
  return tail;
}

void IdLists::pop_back(IdList &list, std::uint32_t count, std::int32_t *out) noexcept {
  std::uint32_t left = count;
  while (left != 0) {
    const std::uint32_t index = list.last;
    IdChunk &chunk = chunks_[index];
    const std::uint32_t part = std::min(left, chunk.count);
    std::memcpy(out + left - part, chunk.ids + chunk.count - part, id_bytes(part));
    chunk.count -= part;
    left -= part;
    if (chunk.count != 0) break;
    list.last = chunk.previous;
    (list.last != 0 ? chunks_[list.last].next : list.first) = 0;
    chunks_.give_back(index);
  }
  list.count -= count;
}

void IdLists::read(const IdList &list, std::int32_t *out) const noexcept {
  for (std::uint32_t index = list.first; index != 0; index = chunks_[index].next) {
    const IdChunk &chunk = chunks_[index];
    std::memcpy(out, chunk.ids, id_bytes(chunk.count));
    out += chunk.count;
  }
}

void IdLists::read_range(const IdList &list, std::uint32_t first, std::uint32_t count,
                         std::int32_t *out) const noexcept {
  if (count == 0) return;
  Place place = find(list, first);
  for (;;) {
    const IdChunk &chunk = chunks_[place.chunk];
    const std::uint32_t part = std::min(count, chunk.count - place.offset);
    std::memcpy(out, chunk.ids + place.offset, id_bytes(part));
    count -= part;
    if (count == 0) return;
    out += part;
    place = {chunk.next, 0};
  }
}

std::int32_t IdLists::at(const IdList &list, std::uint32_t position) const noexcept {
  const Place place = find(list, position);
  return chunks_[place.chunk].ids[place.offset];
}

void IdLists::clear(IdList &list) noexcept {
  for (std::uint32_t index = list.first; index != 0;) {
    const std::uint32_t next = chunks_[index].next;
    chunks_.give_back(index);
    index = next;
  }
  list = IdList{};
}

}  // namespace akv
