// planner.cpp: see planner.hpp.
// Numbers only: it makes no store; the layout it counts is the default one (a region for each layer and plane).
#include "model/planner.hpp"

#include "model/model.hpp"

#include <algorithm>
#include <bit>

namespace akv {
namespace {

Status too_large() { return fail(AKV_ERROR_OUT_OF_RANGE, "the sizes exceed 2^64 - 1 bytes"); }

// What a request comes to, with defaults filled in and limits checked.
struct Shape {
  Geometry geometry;
  std::uint32_t dtype = 0;
  std::uint32_t block_tokens = 0;
  std::uint64_t alignment = 0;
  std::uint64_t context_tokens = 0;
  std::uint64_t bytes_per_block = 0;
  std::uint64_t sequence_bytes = 0;  // in whole blocks

  [[nodiscard]] Status read(const akv_model &model, const akv_planner_request &request);
  [[nodiscard]] Status choose_format(const akv_planner_request &request);

  std::uint32_t num_planes() const { return geometry.group.num_planes; }
  std::uint64_t num_layers() const { return geometry.group.num_layers; }
  std::uint64_t blocks_per_sequence() const { return blocks_for(context_tokens, block_tokens); }

  // Of all regions, when each has so many places of block_tokens tokens. False if that is 2^64 or more.
  bool store_bytes(std::uint64_t places, std::uint64_t &to) const;
};

Status check_alignment(std::uint32_t alignment) {
  if (std::has_single_bit(alignment) && alignment <= 1u << 30) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "alignment is %llu, must be a power of two up to 2^30", alignment);
}

Status Shape::choose_format(const akv_planner_request &request) {
  if (request.format == 0) return AKV_OK;
  if (request.dtype != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "format is %llu and dtype is %llu: a format tells its dtypes",
                request.format, request.dtype);
  for (std::uint32_t i = 0; i < num_planes(); ++i)
    AKV_TRY(akv::choose_format(geometry.planes[i], i, request.format, block_tokens));
  return AKV_OK;
}

Status Shape::read(const akv_model &model, const akv_planner_request &request) {
  AKV_TRY(model_geometry(model, request.dtype, request.num_layers, geometry));
  block_tokens = request.block_tokens != 0 ? request.block_tokens : 16;
  if (block_tokens > AKV_MAX_BLOCK_TOKENS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "block_tokens is %llu, must be 1 to %llu", block_tokens,
                AKV_MAX_BLOCK_TOKENS);
  AKV_TRY(choose_format(request));
  dtype = geometry.planes[0].dtype;
  const std::uint32_t aligned = request.alignment != 0 ? request.alignment : 256;
  AKV_TRY(check_alignment(aligned));
  alignment = aligned;
  context_tokens = request.context_tokens != 0 ? request.context_tokens : model.max_context;
  if (context_tokens == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "context_tokens is 0, and the model tells no max_context");
  if (context_tokens > AKV_MAX_SEQUENCE_TOKENS)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "context_tokens is %llu, at most %llu", context_tokens,
                AKV_MAX_SEQUENCE_TOKENS);
  if (__builtin_mul_overflow(geometry.bytes_per_token(), std::uint64_t{block_tokens}, &bytes_per_block) ||
      __builtin_mul_overflow(bytes_per_block, blocks_per_sequence(), &sequence_bytes))
    return too_large();
  return AKV_OK;
}

bool align_up(std::uint64_t bytes, std::uint64_t alignment, std::uint64_t &to) {
  if (__builtin_add_overflow(bytes, alignment - 1, &to)) return false;
  to -= to % alignment;
  return true;
}

bool Shape::store_bytes(std::uint64_t places, std::uint64_t &to) const {
  to = 0;
  for (std::uint32_t i = 0; i < num_planes(); ++i) {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(plane_bytes(geometry.planes[i]) * block_tokens, places, &bytes) ||  // below 2^48
        !align_up(bytes, alignment, bytes) || __builtin_mul_overflow(bytes, num_layers(), &bytes) ||
        __builtin_add_overflow(to, bytes, &to))
      return false;
  }
  return true;
}

// Everything but the budget; `num_blocks` blocks are known to be countable.
void write_result(const Shape &shape, std::uint32_t num_blocks, std::uint32_t num_sequences, akv_planner_result &to) {
  to.dtype = shape.dtype;
  to.num_layers = shape.geometry.group.num_layers;
  to.block_tokens = shape.block_tokens;
  to.num_blocks = num_blocks;
  to.num_sequences = num_sequences;
  to.num_tokens = std::uint64_t{num_blocks} * shape.block_tokens;
  to.context_tokens = shape.context_tokens;
  to.blocks_per_sequence = shape.blocks_per_sequence();
  to.spare_blocks = num_blocks - num_sequences * to.blocks_per_sequence;
  to.bytes_per_token = shape.geometry.bytes_per_token();
  to.bytes_per_block = shape.bytes_per_block;
  to.null_block_bytes = shape.bytes_per_block;
  to.sequence_block_bytes = shape.sequence_bytes;
  to.rounding_bytes =
      (to.blocks_per_sequence * shape.block_tokens - shape.context_tokens) * to.bytes_per_token;  // less than a block
  static_cast<void>(shape.store_bytes(std::uint64_t{num_blocks} + 1, to.store_bytes));
  to.padding_bytes = to.store_bytes - (std::uint64_t{num_blocks} + 1) * to.bytes_per_block;
}

Status refuse(std::uint64_t value, const char *name) {
  if (value == 0) return AKV_OK;
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is %llu, and this call has no use for it: must be 0", name, value);
}

Status refuse_budget(const akv_planner_request &request) {
  AKV_TRY(refuse(request.budget_bytes, "budget_bytes"));
  AKV_TRY(refuse(request.total_bytes, "total_bytes"));
  AKV_TRY(refuse(request.weight_bytes, "weight_bytes"));
  AKV_TRY(refuse(request.activation_bytes, "activation_bytes"));
  return refuse(request.overhead_bytes, "overhead_bytes");
}

Status find_budget(const akv_planner_request &request, std::uint64_t &to) {
  to = request.budget_bytes;
  if (request.total_bytes == 0) {
    if (to == 0) return fail(AKV_ERROR_INVALID_ARGUMENT, "budget_bytes and total_bytes are 0: one of them is needed");
    AKV_TRY(refuse(request.weight_bytes, "weight_bytes without total_bytes"));
    AKV_TRY(refuse(request.activation_bytes, "activation_bytes without total_bytes"));
    return refuse(request.overhead_bytes, "overhead_bytes without total_bytes");
  }
  if (to != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "budget_bytes is %llu and total_bytes %llu: one of them only", to,
                request.total_bytes);
  std::uint64_t parts = 0;
  if (__builtin_add_overflow(request.weight_bytes, request.activation_bytes, &parts) ||
      __builtin_add_overflow(parts, request.overhead_bytes, &parts) || parts >= request.total_bytes)
    return fail(AKV_ERROR_OUT_OF_RANGE,
                "weights %llu, activations %llu and overhead %llu leave nothing of %llu bytes for the cache",
                request.weight_bytes, request.activation_bytes, request.overhead_bytes, request.total_bytes);
  to = request.total_bytes - parts;
  return AKV_OK;
}

// The largest number of blocks whose store keeps to the budget, by bisection: padding makes it not quite a quotient.
std::uint64_t most_blocks(const Shape &shape, std::uint64_t budget) {
  const auto fits = [&](std::uint64_t blocks) {
    std::uint64_t bytes = 0;
    return shape.store_bytes(blocks + 1, bytes) && bytes <= budget;
  };
  std::uint64_t low = 0, high = std::min<std::uint64_t>(budget / shape.bytes_per_block, AKV_MAX_BLOCKS);
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

}  // namespace

Status planner_fit(const akv_model &model, const akv_planner_request &request, akv_planner_result &to) noexcept {
  AKV_TRY(refuse(request.num_sequences, "num_sequences"));
  AKV_TRY(refuse(request.expected_tokens, "expected_tokens"));
  std::uint64_t budget = 0;
  AKV_TRY(find_budget(request, budget));
  Shape shape;
  AKV_TRY(shape.read(model, request));
  const std::uint64_t blocks = most_blocks(shape, budget);
  if (blocks == 0) {
    std::uint64_t needed = 0;
    if (!shape.store_bytes(2, needed)) return too_large();
    return fail_with(AKV_ERROR_OUT_OF_RANGE, needed, budget,
                     "%llu bytes hold no block: one of %llu bytes and the null block, padded, take %llu", budget,
                     shape.bytes_per_block, needed);
  }
  const std::uint64_t sequences = std::min(blocks / shape.blocks_per_sequence(), std::uint64_t{AKV_MAX_SEQUENCES});
  write_result(shape, static_cast<std::uint32_t>(blocks), static_cast<std::uint32_t>(sequences), to);
  to.budget_bytes = budget;
  to.slack_bytes = budget - to.store_bytes;
  return AKV_OK;
}

Status planner_need(const akv_model &model, const akv_planner_request &request, akv_planner_result &to) noexcept {
  AKV_TRY(refuse(request.expected_tokens, "expected_tokens"));
  AKV_TRY(refuse_budget(request));
  Shape shape;
  AKV_TRY(shape.read(model, request));
  const std::uint32_t sequences = request.num_sequences != 0 ? request.num_sequences : 1;
  if (sequences > AKV_MAX_SEQUENCES)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_sequences is %llu, at most %llu", sequences, AKV_MAX_SEQUENCES);
  const std::uint64_t blocks = sequences * shape.blocks_per_sequence();  // below 2^51
  if (blocks > AKV_MAX_BLOCKS)
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu sequences of %llu blocks are %llu blocks, a cache has at most %llu",
                sequences, shape.blocks_per_sequence(), blocks, AKV_MAX_BLOCKS);
  if (std::uint64_t bytes = 0; !shape.store_bytes(blocks + 1, bytes)) return too_large();
  write_result(shape, static_cast<std::uint32_t>(blocks), sequences, to);
  to.budget_bytes = to.store_bytes;
  to.slack_bytes = 0;
  return AKV_OK;
}

Status planner_page_size(const akv_model &model, const akv_planner_request &request, akv_page_size &to) noexcept {
  if (request.format == 0) AKV_TRY(refuse(request.block_tokens, "block_tokens"));
  AKV_TRY(refuse(request.num_sequences, "num_sequences"));
  AKV_TRY(refuse_budget(request));
  Shape shape;
  AKV_TRY(shape.read(model, request));
  const std::uint64_t expected = request.expected_tokens != 0 ? request.expected_tokens : shape.context_tokens;
  if (expected > shape.context_tokens)
    return fail(AKV_ERROR_OUT_OF_RANGE, "expected_tokens is %llu, beyond context_tokens %llu", expected,
                shape.context_tokens);
  std::uint64_t widest = 0;
  for (std::uint32_t i = 0; i < shape.num_planes(); ++i)
    widest = std::max(widest, plane_bytes(shape.geometry.planes[i]));
  const std::uint64_t token = shape.geometry.bytes_per_token(), tensors = shape.num_layers() * shape.num_planes();
  to.alignment = static_cast<std::uint32_t>(shape.alignment);
  to.tensors_per_sequence = tensors;
  if (__builtin_mul_overflow(widest, shape.context_tokens, &to.tensor_bytes) ||
      !align_up(to.tensor_bytes, shape.alignment, to.page_bytes) ||
      __builtin_mul_overflow(to.page_bytes, tensors, &to.sequence_page_bytes))
    return too_large();
  to.full_waste_bytes = to.sequence_page_bytes - token * shape.context_tokens;  // what is in pages, so no overflow
  to.expected_waste_bytes = to.sequence_page_bytes - token * expected;
  return AKV_OK;
}

}  // namespace akv
