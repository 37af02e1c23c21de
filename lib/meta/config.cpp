// config.cpp: defaults and limits of a cache's configuration.
// Numbers only: it knows no cache.
#include "meta/config.hpp"

#include "base/handle.hpp"
#include "meta/supply.hpp"

#include <algorithm>
#include <bit>

namespace akv {
namespace {

Status check(std::uint32_t value, std::uint32_t low, std::uint32_t high, const char *format) {
  if (value >= low && value <= high) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, format, value, low, high);
}

}  // namespace

Status Config::read(const akv_cache_config &from) noexcept {
  const auto or_default = [](std::uint32_t value, std::uint32_t otherwise) { return value != 0 ? value : otherwise; };
  if ((from.flags & ~AKV_CACHE_PREFAULT) != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "cache flags are 0x%llx: this release knows flags 0x%llx", from.flags,
                AKV_CACHE_PREFAULT);
  flags = from.flags;
  num_blocks = or_default(from.num_blocks, 4096);
  num_swap_blocks = from.num_swap_blocks;
  block_tokens = or_default(from.block_tokens, 16);
  max_sequences = or_default(from.max_sequences, 256);
  max_tokens_per_sequence = or_default(from.max_tokens_per_sequence, 4096);
  max_open_tickets = or_default(from.max_open_tickets, 1024);
  max_plans = or_default(from.max_plans, std::min(max_sequences, ObjectHandle::kMaxIndex - 64) + 64);
  max_holds = or_default(from.max_holds, 1024);
  max_pinned_blocks = or_default(from.max_pinned_blocks, std::max(1u, num_blocks / 4));
  magazine_blocks = or_default(from.magazine_blocks, std::clamp(num_blocks / 128, 1u, Magazine::kCapacity));
  block_allocator = from.block_allocator;
  scrub = from.scrub;

  AKV_TRY(check_limits());
  max_pinned_blocks = std::min(max_pinned_blocks, num_blocks);
  max_blocks_per_sequence = static_cast<std::uint32_t>(
      std::min(blocks_for(max_tokens_per_sequence, block_tokens), std::uint64_t{num_blocks}));
  AKV_TRY(geometry.read(from.groups, from.num_groups, from.group_size));
  return geometry.fit_scales(block_tokens);
}

Status Config::check_limits() const noexcept {
  AKV_TRY(check(num_blocks, 1, AKV_MAX_BLOCKS, "num_blocks is %llu, must be %llu to %llu"));
  if (num_swap_blocks > AKV_MAX_BLOCKS - num_blocks)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_swap_blocks is %llu, with num_blocks %llu at most %llu together",
                num_swap_blocks, num_blocks, AKV_MAX_BLOCKS);
  AKV_TRY(check(block_tokens, 1, AKV_MAX_BLOCK_TOKENS, "block_tokens is %llu, must be %llu to %llu"));
  AKV_TRY(check(max_sequences, 1, AKV_MAX_SEQUENCES, "max_sequences is %llu, must be %llu to %llu"));
  AKV_TRY(check(max_tokens_per_sequence, 1, AKV_MAX_SEQUENCE_TOKENS,
                "max_tokens_per_sequence is %llu, must be %llu to %llu"));
  AKV_TRY(check(max_open_tickets, 1, 1u << 20, "max_open_tickets is %llu, must be a power of two, %llu to %llu"));
  if (!std::has_single_bit(max_open_tickets))
    return fail(AKV_ERROR_INVALID_ARGUMENT, "max_open_tickets is %llu, must be a power of two", max_open_tickets);
  AKV_TRY(check(max_plans, 1, ObjectHandle::kMaxIndex, "max_plans is %llu, must be %llu to %llu"));
  AKV_TRY(check(max_holds, 1, ObjectHandle::kMaxIndex, "max_holds is %llu, must be %llu to %llu"));
  AKV_TRY(check(magazine_blocks, 1, Magazine::kCapacity, "magazine_blocks is %llu, must be %llu to %llu"));
  AKV_TRY(check(block_allocator, AKV_BLOCK_ALLOCATOR_STACK, AKV_BLOCK_ALLOCATOR_BUDDY,
                "block_allocator is %llu, must be %llu to %llu"));
  return check(scrub, AKV_SCRUB_DOMAIN, AKV_SCRUB_ALWAYS, "scrub is %llu, must be %llu to %llu");
}

Status Config::sizes(akv_sizes &out, std::uint64_t metadata_bytes) const noexcept {
  out.block_tokens = block_tokens;
  out.bytes_per_token = geometry.bytes_per_token();
  if (__builtin_mul_overflow(out.bytes_per_token, std::uint64_t{block_tokens}, &out.bytes_per_block) ||
      __builtin_mul_overflow(out.bytes_per_block, std::uint64_t{num_blocks}, &out.total_bytes) ||
      __builtin_mul_overflow(out.bytes_per_block, std::uint64_t{num_swap_blocks}, &out.swap_bytes))
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu blocks and %llu swap blocks of %llu tokens of %llu bytes: over 2^64 - 1",
                num_blocks, num_swap_blocks, block_tokens, out.bytes_per_token);
  out.query_head_bytes = geometry.query_head_bytes(out.total_bytes);
  out.metadata_reserved_bytes = metadata_bytes;
  return AKV_OK;
}

}  // namespace akv
