// overflow.cpp: whole blocks out of the rings of rows into the quantized store, and both tiers read back.
// It knows tails, stores and streams.
#include "data/tier/overflow.hpp"

#include <algorithm>

#include "base/sized_struct.hpp"
#include "data/converted_blocks.hpp"
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"
#include "data/kernels/kernels.hpp"
#include "data/plane_elements.hpp"

namespace akv {
namespace {

constexpr std::uint64_t kChunk = 256;  // blocks that are made into a list for the kernels at a time

// Blocks first .. first + count - 1 of a row's sequence.
struct Moved {
  std::uint32_t row = 0, first = 0, count = 0;
  const std::int32_t *blocks = nullptr;  // of the quantized store, from `first` on
};

Status check_length(const Tail &tail, const akv_overflow &asked, const TailRow &row) {
  if (asked.unused != 0) return fail(AKV_ERROR_UNSUPPORTED, "unused is %llu, must be 0", asked.unused);
  if (asked.length < row.stored || asked.length > tail.end_of(row))
    return fail_with(AKV_ERROR_OUT_OF_RANGE, asked.length, tail.end_of(row),
                     "length is %llu: %llu tokens are stored, and the ring has room up to %llu", asked.length,
                     row.stored, tail.end_of(row));
  if (asked.blocks == nullptr && asked.num_blocks != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "blocks is NULL, and num_blocks is %llu", asked.num_blocks);
  return AKV_OK;
}

Moved moved_blocks(const Tail &tail, const akv_overflow &asked, const TailRow &row) {
  const std::uint32_t size = tail.shape().block_tokens;
  const std::uint32_t keep = asked.keep_tokens == AKV_UNSET ? tail.shape().tail_tokens : asked.keep_tokens;
  const std::uint32_t whole = asked.length > keep ? (asked.length - keep) / size : 0, first = row.stored / size;
  if (whole <= first) return {row.index, first, 0, nullptr};  // none need be named
  return {row.index, first, whole - first, asked.blocks + first};
}

Status check_row(Tail &tail, const akv_overflow &asked, std::uint64_t ring_mark, std::uint64_t block_mark,
                 Moved &moved) {
  TailRow row;
  AKV_TRY(tail.find(asked.row, row));
  if (!tail.mark(row, ring_mark)) return fail(AKV_ERROR_INVALID_ARGUMENT, "row 0x%llx is there twice", asked.row);
  AKV_TRY(check_length(tail, asked, row));
  moved = moved_blocks(tail, asked, row);
  if (std::uint64_t{moved.first} + moved.count > asked.num_blocks && moved.count != 0)
    return fail(AKV_ERROR_OUT_OF_RANGE, "blocks %llu to %llu of the sequence are to be written, %llu are named",
                moved.first, moved.first + moved.count - 1, asked.num_blocks);
  return check_targets(tail.quantized(), moved.blocks, moved.count, false, block_mark);
}

struct OverflowWork {
  Tails::Ref kept_tail;  // where it is queued
  Tail *tail = nullptr;
  const Moved *items = nullptr;  // kept in the queue; else they are worked out again from `rows`
  OverflowList rows;
  std::uint64_t blocks = 0;  // of all rows
  std::uint64_t bytes = 0;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const KeepLastError keep;
    const Share share(blocks, part, parts);
    std::uint64_t at = 0;
    for (std::uint32_t i = 0; i < rows.count && at < share.end; ++i) {
      const Moved moved = item(i);
      const std::uint64_t first = std::max(share.first, at), end = std::min(share.end, at + moved.count);
      if (first < end) move(moved, static_cast<std::uint32_t>(first - at), static_cast<std::uint32_t>(end - at));
      at += moved.count;
    }
    return true;
  }
  void finish(bool) noexcept {
    tail->quantized().stats().count_call(AKV_MOVED_CONVERTED, blocks);
    tail->quantized().stats().count_bytes(AKV_MOVED_CONVERTED, bytes);
  }

 private:
  Moved item(std::uint32_t i) noexcept {
    if (items != nullptr) return items[i];
    akv_overflow asked{};
    TailRow row;
    const bool sound =
        read_element(rows.elements + std::uint64_t{i} * rows.element_size, rows.element_size, asked) == AKV_OK &&
        tail->find(asked.row, row) == AKV_OK;
    return sound ? moved_blocks(*tail, asked, row) : Moved{};  // it was checked
  }
  void move(const Moved &moved, std::uint32_t first, std::uint32_t end) noexcept {
    const auto tokens = static_cast<std::uint16_t>(tail->shape().block_tokens);
    BlockCopy copies[kChunk];
    for (; first < end; first += kChunk) {
      const std::uint64_t count = std::min<std::uint64_t>(kChunk, end - first);
      for (std::uint32_t i = 0; i < count; ++i)
        copies[i] = {tail->block_of(moved.row, moved.first + first + i), moved.blocks[first + i], 0, tokens, 0, 0};
      convert_blocks({tail->rings(), nullptr}, {tail->quantized(), tail->head_scales()}, copies, count,
                     past_caches(bytes));
    }
  }
};

// Both tiers of one sequence as numbers, a plane of a layer after the other.
struct ReadWork {
  Tails::Ref tail;
  TailRow row;
  const std::int32_t *blocks = nullptr;
  std::uint32_t length = 0;
  std::uint32_t dtype = 0;
  unsigned char *data = nullptr;

  std::uint32_t stored() const noexcept { return std::min(row.stored, length); }
  std::uint64_t num_units() noexcept {
    return std::uint64_t{tail->quantized().num_layers()} * tail->quantized().num_planes();
  }
  std::uint64_t bytes_per_token() noexcept {
    std::uint64_t elements = 0;
    for (std::uint32_t i = 0; i < tail->quantized().num_planes(); ++i)
      elements += row_elements(tail->quantized().layout().plane(i));
    return elements * tail->quantized().num_layers() * number_bytes(dtype);
  }
  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(num_units(), part, parts);
    const std::uint32_t planes = tail->quantized().num_planes();
    for (std::uint64_t unit = share.first; unit < share.end; ++unit)
      read(static_cast<std::uint32_t>(unit / planes), static_cast<std::uint32_t>(unit % planes));
    return true;
  }
  void finish(bool) noexcept {
    const std::uint64_t bytes = bytes_per_token();
    for (Store *store : {&tail->quantized(), &tail->rings()}) {
      const std::uint64_t tokens = store == &tail->rings() ? length - stored() : stored();
      store->stats().count_call(AKV_MOVED_GATHER, 1);
      store->stats().count_bytes(AKV_MOVED_GATHER, bytes * tokens);
    }
  }

 private:
  void read(std::uint32_t layer, std::uint32_t plane) noexcept {
    const Store &quantized = tail->quantized(), &rings = tail->rings();
    std::uint64_t elements = bytes_per_token() / number_bytes(dtype) / quantized.num_layers() * layer;
    for (std::uint32_t i = 0; i < plane; ++i) elements += row_elements(quantized.layout().plane(i));
    const PlaneShape &shape = quantized.layout().plane(plane);
    const auto head = static_cast<std::int64_t>(std::uint64_t{shape.head_dim} * number_bytes(dtype));
    const std::int64_t token = head * shape.num_heads;
    unsigned char *to = data + elements * number_bytes(dtype) * length;
    const std::uint32_t size = tail->shape().block_tokens;
    const ElementShape elements_of = elements_shape(shape, size);
    const float *scales = plane_scales({quantized, tail->head_scales()}, layer, plane);
    kernels().format.gather({pool_elements(quantized.region(layer, plane), shape, scales),
                             {{to, token, head}, dtype, 0},
                             elements_of,
                             blocks,
                             0,
                             stored()});
    const PoolElements ring = pool_elements(rings.region(layer, plane), rings.layout().plane(plane), nullptr);
    for (std::uint32_t at = stored(); at < length; at += size) {
      const std::int32_t block = tail->block_of(row.index, at / size);
      kernels().format.gather(
          {ring, {{to + at * token, token, head}, dtype, 0}, elements_of, &block, 0, std::min(size, length - at)});
    }
  }
};

}  // namespace

Status copy_overflow(Tails::Ref tail, const OverflowList &rows, std::uint32_t *out_stored, Stream *stream) noexcept {
  std::uint64_t bytes_per_token = 0, blocks = 0;
  AKV_TRY(check_convertible(tail->rings(), tail->quantized(), bytes_per_token));
  const std::uint64_t ring_mark = tail->rings().next_mark(), block_mark = tail->quantized().next_mark();
  const auto read = [&rows](std::uint32_t i, akv_overflow &out) {
    return read_element(rows.elements + std::uint64_t{i} * rows.element_size, rows.element_size, out);
  };
  for (std::uint32_t i = 0; i < rows.count; ++i) {
    akv_overflow asked{};
    Moved moved;
    Status status = read(i, asked);
    if (status == AKV_OK) status = check_row(*tail, asked, ring_mark, block_mark, moved);
    if (status != AKV_OK) {
      name_row(i);
      return status;
    }
    blocks += moved.count;
  }
  const std::uint64_t bytes = bytes_per_token * tail->shape().block_tokens * blocks;
  Submission<OverflowWork> work(stream,
                                kept_bytes<Moved>(rows.count) + blocks * sizeof(std::int32_t) + 16 * rows.count);
  AKV_TRY(work.status());
  const auto each_row = [&](auto what) {  // they were checked
    for (std::uint32_t i = 0; i < rows.count; ++i) {
      akv_overflow asked{};
      TailRow row;
      if (read(i, asked) == AKV_OK && tail->find(asked.row, row) == AKV_OK)
        what(i, asked.row, row, moved_blocks(*tail, asked, row));
    }
  };
  const auto note = [&](std::uint32_t i, akv_tail_row handle, const TailRow &row, const Moved &moved) {
    const std::uint32_t stored =
        moved.count != 0 ? (moved.first + moved.count) * tail->shape().block_tokens : row.stored;
    if (out_stored != nullptr) out_stored[i] = stored;
    tail->note_stored(handle, stored);
  };
  work->tail = &*tail;
  work->rows = rows;
  work->blocks = blocks;
  work->bytes = bytes;
  if (!work.queued()) {
    work.submit();
    each_row(note);
    return AKV_OK;
  }
  auto *items = work.room<Moved>(rows.count);
  each_row([&](std::uint32_t i, akv_tail_row, const TailRow &, const Moved &moved) {
    items[i] = moved;
    items[i].blocks = work.keep(moved.blocks, moved.count);
  });
  each_row(note);
  work->items = items;
  work->kept_tail = std::move(tail);
  work.submit(parts_for(stream, bytes));
  return AKV_OK;
}

Status read_tiers(Tails::Ref tail, const akv_overflow &asked, std::uint32_t dtype, void *data, std::uint64_t bytes,
                  Stream *stream) noexcept {
  TailRow row;
  AKV_TRY(tail->find(asked.row, row));
  AKV_TRY(check_length(*tail, asked, row));
  if (number_bytes(dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "dtype is %llu, must be F32 (1), F16 (2) or BF16 (3)", dtype);
  const std::uint32_t size = tail->shape().block_tokens, blocks = row.stored / size;
  if (blocks > asked.num_blocks)
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu blocks are stored, %llu are named", blocks, asked.num_blocks);
  for (std::uint32_t i = 0; i < blocks; ++i) AKV_TRY(tail->quantized().check_block(asked.blocks[i], false));
  Submission<ReadWork> work(stream, kept_bytes<std::int32_t>(blocks));
  AKV_TRY(work.status());
  work->tail = std::move(tail);
  work->dtype = dtype;
  const std::uint64_t needed = work->bytes_per_token() * asked.length;
  if (bytes < needed)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, needed, bytes, "%llu bytes are needed, the buffer has %llu", needed,
                     bytes);
  if (data == nullptr && needed != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "data is NULL, and %llu bytes of it are wanted", needed);
  work->row = row;
  work->blocks = work.keep(asked.blocks, blocks);
  work->length = asked.length;
  work->data = static_cast<unsigned char *>(data);
  const auto units = static_cast<std::uint32_t>(std::min<std::uint64_t>(work->num_units(), UINT32_MAX));
  work.submit(std::min(parts_for(stream, needed), units));
  return AKV_OK;
}

}  // namespace akv
