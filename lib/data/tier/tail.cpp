// tail.cpp: rows that are opened and closed, and the numbers of a tail.
// It moves no byte.
#include "data/tier/tail.hpp"

#include <algorithm>
#include <new>

#include "data/plane_elements.hpp"

namespace akv {
namespace {

std::atomic<std::uint32_t> tails_made{0};

constexpr std::uint32_t generation_of(std::uint64_t state) { return static_cast<std::uint32_t>(state >> 32); }
constexpr std::uint32_t stored_of(std::uint64_t state) { return static_cast<std::uint32_t>(state); }
constexpr std::uint64_t state_of(std::uint32_t generation, std::uint32_t stored) {
  return std::uint64_t{generation} << 32 | stored;
}

// Scales of all heads of a store: [stored layer][plane][head].
std::uint64_t num_head_scales(const Store &store) {
  std::uint64_t heads = 0;
  for (std::uint32_t i = 0; i < store.num_planes(); ++i) heads += store.layout().plane(i).num_heads;
  return heads * store.num_layers();
}

}  // namespace

Status TailShape::read(const akv_tail_config &config, std::uint32_t tokens) noexcept {
  const auto or_default = [](std::uint32_t value, std::uint32_t otherwise) { return value != 0 ? value : otherwise; };
  dtype = or_default(config.dtype, AKV_DTYPE_BF16);
  block_tokens = tokens;
  tail_tokens = or_default(config.tail_tokens, 256);
  slack_tokens = or_default(config.slack_tokens, tokens);
  max_rows = or_default(config.max_sequences, 64);
  if (number_bytes(dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "dtype is %llu, must be F32 (1), F16 (2) or BF16 (3)", dtype);
  if (max_rows > AKV_MAX_SEQUENCES)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_sequences is %llu, at most %llu", max_rows, AKV_MAX_SEQUENCES);
  // Behind an overflow so many tokens are left at most, and so many may come before the next one.
  const std::uint64_t most = std::uint64_t{tail_tokens} + block_tokens - 1 + slack_tokens;
  const std::uint64_t blocks = (most + block_tokens - 1) / block_tokens;
  if (blocks * max_rows >= AKV_MAX_BLOCKS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "%llu rows of %llu blocks each: a store has at most %llu", max_rows, blocks,
                AKV_MAX_BLOCKS);
  ring_blocks = static_cast<std::uint32_t>(blocks);
  return AKV_OK;
}

Status TailShape::store_shape(const Store &quantized, StoreShape &out) const noexcept {
  out = quantized.shape();
  out.num_blocks = max_rows * ring_blocks;
  for (std::uint32_t i = 0; i < quantized.num_planes(); ++i) {
    AKV_TRY(check_conversion(quantized.layout().plane(i), i, dtype));
    akv_plane &plane = out.geometry.planes[i];
    plane.dtype = dtype;
    plane.scaling = AKV_SCALING_NONE;
    plane.scale_bytes = 0;
  }
  return AKV_OK;
}

Tail::~Tail() {
  if (rings_) rings_->give_back_rings();
}

Status Tail::create(Stores::Ref quantized, Stores::Ref rings, const TailShape &shape, const float *head_scales,
                    std::unique_ptr<Tail> &out) noexcept {
  if (&*quantized == &*rings)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "one store can't be both tiers: make the other by akv_tail_create_store()");
  StoreShape wanted;
  AKV_TRY(shape.store_shape(*quantized, wanted));
  bool fits = rings->shape().same_tokens(wanted) && rings->shape().num_blocks == wanted.num_blocks &&
              rings->num_layers() == quantized->num_layers();
  for (std::uint32_t i = 0; fits && i < quantized->num_layers(); ++i)
    fits = rings->layer_at(i) == quantized->layer_at(i);
  for (std::uint32_t i = 0; fits && i < quantized->num_planes(); ++i) {
    const PlaneShape &ring = rings->layout().plane(i), &plane = quantized->layout().plane(i);
    fits = ring.first_head == plane.first_head && ring.num_heads == plane.num_heads;
  }
  if (!fits)
    return fail(AKV_ERROR_OTHER_GEOMETRY,
                "the tail's store has %llu blocks of %llu tokens, this tail of this store wants %llu of %llu, and the "
                "same layers and heads: make it by akv_tail_create_store()",
                rings->shape().num_blocks, rings->shape().block_tokens, wanted.num_blocks, wanted.block_tokens);
  std::unique_ptr<Tail> tail(new (std::nothrow) Tail);
  if (tail != nullptr) {
    tail->rows_.reset(new (std::nothrow) Row[shape.max_rows]);
    tail->free_rows_.reset(new (std::nothrow) std::uint32_t[shape.max_rows]);
    const std::uint64_t scales = num_head_scales(*quantized);
    if (head_scales != nullptr) tail->head_scales_.reset(new (std::nothrow) float[scales]);
    if (tail->head_scales_ != nullptr) std::copy_n(head_scales, scales, tail->head_scales_.get());
  }
  if (tail == nullptr || tail->rows_ == nullptr || tail->free_rows_ == nullptr ||
      (head_scales != nullptr && tail->head_scales_ == nullptr))
    return fail(AKV_ERROR_OUT_OF_MEMORY, "the host has no memory for a tail of %llu rows", shape.max_rows);
  tail->shape_ = shape;
  tail->place_ = tails_made.fetch_add(1, std::memory_order_relaxed) & 0xff;
  tail->num_free_ = shape.max_rows;
  for (std::uint32_t i = 0; i < shape.max_rows; ++i) tail->free_rows_[i] = shape.max_rows - 1 - i;
  if (!rings->claim_rings()) return fail(AKV_ERROR_BUSY, "the tail's store has a tail: its rings belong to that one");
  tail->quantized_ = std::move(quantized);
  tail->rings_ = std::move(rings);
  out = std::move(tail);
  return AKV_OK;
}

std::uint32_t Tail::open_rows() noexcept {
  const std::lock_guard lock(mutex_);
  return shape_.max_rows - num_free_;
}

Status Tail::open(std::uint32_t stored, akv_tail_row &out) noexcept {
  if (stored % shape_.block_tokens != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "%llu tokens are stored, must be whole blocks of %llu", stored,
                shape_.block_tokens);
  const std::lock_guard lock(mutex_);
  if (num_free_ == 0)
    return fail_with(AKV_ERROR_NO_SEQUENCES, 1, 0, "all %llu rows of the tail are open", shape_.max_rows);
  const std::uint32_t index = free_rows_[--num_free_];
  const std::uint32_t generation = generation_of(rows_[index].state.load(std::memory_order_relaxed)) + 1;
  rows_[index].state.store(state_of(generation, stored), std::memory_order_release);
  out = handle_of(index, generation);
  return AKV_OK;
}

Status Tail::close(akv_tail_row row) noexcept {
  const std::lock_guard lock(mutex_);
  TailRow found;
  AKV_TRY(find(row, found));
  rows_[found.index].state.store(state_of(ObjectHandle::generation(row) + 1, 0), std::memory_order_release);
  free_rows_[num_free_++] = found.index;
  return AKV_OK;
}

Status Tail::find(akv_tail_row row, TailRow &out) const noexcept {
  const std::uint32_t index = ObjectHandle::index(row);
  if (row != AKV_NONE && ObjectHandle::kind(row) != static_cast<std::uint32_t>(Kind::tail_row))
    return fail(AKV_ERROR_WRONG_TYPE, "0x%llx is not a row of a tail", row);
  if (ObjectHandle::place(row) == ObjectHandle::place(Kind::tail_row, place_) && index < shape_.max_rows) {
    const std::uint64_t state = rows_[index].state.load(std::memory_order_acquire);
    if (generation_of(state) == ObjectHandle::generation(row) && generation_of(state) % 2 != 0) {
      out = {index, stored_of(state)};
      return AKV_OK;
    }
  }
  return fail(AKV_ERROR_BAD_HANDLE, "row 0x%llx is not open in this tail", row);
}

void Tail::note_stored(akv_tail_row row, std::uint32_t stored) noexcept {
  std::atomic<std::uint64_t> &state = rows_[ObjectHandle::index(row)].state;
  std::uint64_t before = state.load(std::memory_order_relaxed);
  while (generation_of(before) == ObjectHandle::generation(row) && stored_of(before) < stored &&
         !state.compare_exchange_weak(before, state_of(generation_of(before), stored), std::memory_order_release))
    continue;
}

Status Tail::read_slots(const akv_tail_row *rows, const std::uint32_t *positions, std::uint32_t count,
                        std::int64_t *out) const noexcept {
  const std::uint32_t size = shape_.block_tokens;
  for (std::uint32_t i = 0; i < count; ++i) {
    TailRow row;
    Status status = find(rows[i], row);
    if (status == AKV_OK) status = check_position(row, positions[i]);
    if (status != AKV_OK) {
      name_row(i);
      return status;
    }
    out[i] = std::int64_t{block_of(row.index, positions[i] / size)} * size + positions[i] % size;
  }
  return AKV_OK;
}

Status Tail::read_tables(const akv_tail_row *rows, std::uint32_t count, std::int32_t *out, std::uint32_t stride,
                         std::uint32_t *out_stored) const noexcept {
  if (stride < shape_.ring_blocks)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, shape_.ring_blocks, stride,
                     "a ring has %llu blocks, table_stride is %llu", shape_.ring_blocks, stride);
  for (std::uint32_t i = 0; i < count; ++i) {
    TailRow row;
    if (const Status status = find(rows[i], row); status != AKV_OK) {
      name_row(i);
      return status;
    }
    std::int32_t *to = out + std::uint64_t{i} * stride;
    for (std::uint32_t block = 0; block < stride; ++block)
      to[block] =
          block < shape_.ring_blocks ? block_of(row.index, row.stored / shape_.block_tokens + block) : AKV_NULL_BLOCK;
    out_stored[i] = row.stored;
  }
  return AKV_OK;
}

Status Tail::check_position(const TailRow &row, std::uint64_t position) const noexcept {
  if (position >= row.stored && position < end_of(row)) return AKV_OK;
  return fail_with(AKV_ERROR_OUT_OF_RANGE, position, end_of(row),
                   position < row.stored
                       ? "position %llu is in the quantized store, the tail begins at %llu and has room up to %llu"
                       : "position %llu: the tail begins at %llu and has room up to %llu; overflow first",
                   position, row.stored, end_of(row) - 1);
}

}  // namespace akv
