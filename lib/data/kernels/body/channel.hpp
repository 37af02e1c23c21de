// channel.hpp: keys of 4 bits an element, each element of a head with its own {scale, lowest} over a group of tokens.
// It knows a group of tokens of a block, one head of them. What codes mean is in vec/codes.hpp.
#pragma once

#include "data/kernels/body/groups.hpp"

namespace akv {
namespace {

constexpr std::uint32_t kMostGroupTokens = 32, kMostGroups = 1024;  // scales looked at at once

// A head's share of its block's scale rows, as if the pieces lay next to each other.
struct Share {
  unsigned char *first;
  std::int64_t token_stride;
  std::uint64_t row_bytes;
};

template <bool kWrite>
void move_share(const Share &share, std::uint64_t offset, std::uint64_t bytes, std::uint32_t *groups) noexcept {
  auto *buffer = reinterpret_cast<unsigned char *>(groups);
  std::uint64_t row = offset / share.row_bytes, inside = offset % share.row_bytes;
  for (std::uint64_t done = 0; done < bytes; ++row, inside = 0) {
    const std::uint64_t left = bytes - done, room = share.row_bytes - inside, piece = left < room ? left : room;
    unsigned char *at = share.first + static_cast<std::int64_t>(row) * share.token_stride + inside;
    if (kWrite) __builtin_memcpy(at, buffer + done, piece);
    else __builtin_memcpy(buffer + done, at, piece);
    done += piece;
  }
}

// Tokens of one group, one head of them, or some of its elements.
struct GroupTokens {
  unsigned char *codes;
  unsigned char *elements;
  std::int64_t code_stride, element_stride;
  std::uint32_t tokens, size;
  bool stream;
  const unsigned char *element_row(std::uint32_t t) const noexcept {
    return elements + static_cast<std::int64_t>(t) * element_stride;
  }
  unsigned char *code_row(std::uint32_t t) const noexcept { return codes + static_cast<std::int64_t>(t) * code_stride; }
};

// The heads beside it.
struct Heads {
  std::int64_t count, codes, elements, share;
};

// The definition, for any elements: two of them, as they share a byte.
template <class E>
[[gnu::cold, gnu::noinline]] void encode_pair_plainly(const GroupTokens &group, std::uint32_t at,
                                                      std::uint32_t *groups) noexcept {
  for (std::uint32_t side = 0; side < 2; ++side) {
    float low = float_of_bits(kLargestInI4), high = -low;
    for (std::uint32_t t = 0; t < group.tokens; ++t) {
      const float x = E::get(group.element_row(t), at + side);
      if (magnitude_of(x) > kLargestInI4) continue;
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    groups[side] = group_scale<std::uint32_t>(low, high);
    const float lowest = lowest_in(groups[side]), inverse = inverse_of(scale_in(groups[side]));
    for (std::uint32_t t = 0; t < group.tokens; ++t) {
      const std::uint32_t code = i4_of_float(E::get(group.element_row(t), at + side), lowest, inverse);
      unsigned char &both = group.code_row(t)[at / 2];
      both = static_cast<unsigned char>(side == 0 ? code : both | code << 4);
    }
  }
}

// 32 elements of all tokens, all numbers.
template <class E>
void encode_channels(const GroupTokens &group, std::uint32_t at, std::uint32_t *groups) noexcept {
  const auto unit_of_token = [&group, at](std::uint32_t t) {
    return E::load(group.element_row(t) + std::uint64_t{at} * E::kBytes);
  };
  Unit low = unit_of_token(0), high = low;
  for (std::uint32_t t = 1; t < group.tokens; ++t) {
    const Unit unit = unit_of_token(t);
#pragma GCC unroll 8
    for (std::uint32_t i = 0; i < kVectors; ++i) {
      low.part[i] = smaller(unit.part[i], low.part[i]);
      high.part[i] = larger(unit.part[i], high.part[i]);
    }
  }
  Unit inverse;
#pragma GCC unroll 8
  for (std::uint32_t i = 0; i < kVectors; ++i) {
    const Words both = group_scale<Words>(low.part[i], high.part[i]);
    __builtin_memcpy(groups + i * kLanes, &both, sizeof both);
    const Floats scale = __builtin_bit_cast(Floats, both << 16), one = splat(1.0f);
    low.part[i] = __builtin_bit_cast(Floats, both & 0xffff0000u);
    inverse.part[i] = scale >= splat(kSmallestScale) ? one / scale : one;
  }
  for (std::uint32_t t = 0; t < group.tokens; ++t) {
    const Unit unit = unit_of_token(t);
    CodeUnit codes;
#pragma GCC unroll 8
    for (std::uint32_t i = 0; i < kVectors; ++i)
      codes.part[i] = rounded((unit.part[i] - low.part[i]) * inverse.part[i]);
    store_codes_i4(group.code_row(t) + at / 2, codes, group.stream);
  }
}

template <class E>
void write_head_channels(const GroupTokens &group, const Share &share, std::uint64_t offset) noexcept {
  bool finite = group.size >= kUnit;  // and long enough
  for (std::uint32_t t = 0; finite && t < group.tokens; ++t)
    finite = largest_in<E>(group.element_row(t), group.size) <= kLargestInI4;
  std::uint32_t groups[kUnit];
  const std::uint32_t step = finite ? kUnit : 2;
  for (std::uint32_t i = 0; i < group.size; i += step) {
    const std::uint32_t at = group.size - i < step ? group.size - step : i;
    if (finite) encode_channels<E>(group, at, groups);
    else encode_pair_plainly<E>(group, at, groups);
    move_share<true>(share, offset + std::uint64_t{at} * 4, step * 4, groups);
  }
}

template <class E>
void write_channels(GroupTokens group, const Heads &heads, Share share, std::uint64_t offset) noexcept {
  for (std::int64_t head = 0; head < heads.count; ++head) {
    write_head_channels<E>(group, share, offset);
    group.codes += heads.codes;
    group.elements += heads.elements;
    share.first += heads.share;
  }
}

// Scales of heads beside each other, as they are and as floats.
struct ChannelScales {
  std::uint32_t pairs[kMostGroups];
  float scale[kMostGroups], lowest[kMostGroups];
  bool plain;  // see is_plain_group()
};

// One head of one token.
template <class E>
[[gnu::always_inline]] inline void read_channel_row(const unsigned char *from, unsigned char *to, std::uint32_t size,
                                                    const float *scale, const float *lowest, bool stream) noexcept {
  for (std::uint32_t i = 0; i < size; i += kUnit) {
    const std::uint32_t at = size - i < kUnit ? size - kUnit : i;
    Unit unit = load_unit_i4(from + at / 2);
#pragma GCC unroll 8
    for (std::uint32_t k = 0; k < kVectors; ++k)
      unit.part[k] = load(lowest + at + k * kLanes) + unit.part[k] * load(scale + at + k * kLanes);
    E::store_decoded(to + std::uint64_t{at} * E::kBytes, unit, stream);
  }
}

template <class E>
[[gnu::cold, gnu::noinline]] void read_channel_row_plainly(const unsigned char *from, unsigned char *to,
                                                           std::uint32_t size, const std::uint32_t *pairs) noexcept {
  for (std::uint32_t i = 0; i < size; ++i)
    E::set(to, i, float_of_i4(from[i / 2] >> i % 2 * 4 & 15u, scale_in(pairs[i]), lowest_in(pairs[i])));
}

inline void read_scales(ChannelScales &scales, const GroupTokens &group, const Heads &heads, const Share &share,
                        std::uint64_t offset) noexcept {
  const std::int64_t size = group.size;
  for (std::int64_t head = 0; head < heads.count; ++head) {
    Share its = share;
    its.first += head * heads.share;
    move_share<false>(its, offset, std::uint64_t{group.size} * 4, scales.pairs + head * size);
  }
  std::uint32_t odd = 0;
  for (std::int64_t i = 0; i < heads.count * size; ++i) {
    scales.scale[i] = scale_in(scales.pairs[i]);
    scales.lowest[i] = lowest_in(scales.pairs[i]);
    odd |= is_plain_group(scales.pairs[i]) ? 0u : 1u;
  }
  scales.plain = odd == 0 && group.size >= kUnit;  // and long enough
}

// As many heads as there is room for the scales of, token by token: rows follow each other.
template <class E>
void read_some_channels(const GroupTokens &group, const Heads &heads, const Share &share,
                        std::uint64_t offset) noexcept {
  ChannelScales scales;
  read_scales(scales, group, heads, share, offset);
  for (std::uint32_t t = 0; t < group.tokens; ++t)
    for (std::int64_t head = 0; head < heads.count; ++head) {
      const unsigned char *from = group.code_row(t) + head * heads.codes;
      unsigned char *to = group.elements + static_cast<std::int64_t>(t) * group.element_stride + head * heads.elements;
      const std::int64_t at = head * group.size;
      if (scales.plain) read_channel_row<E>(from, to, group.size, scales.scale + at, scales.lowest + at, group.stream);
      else read_channel_row_plainly<E>(from, to, group.size, scales.pairs + at);
    }
}

template <class E>
void read_channels(const GroupTokens &group, const Heads &heads, const Share &share, std::uint64_t offset) noexcept {
  const std::uint32_t size = group.size < kMostGroups ? group.size : kMostGroups;
  const std::int64_t together = kMostGroups / size;
  for (std::int64_t head = 0; head < heads.count; head += together)
    for (std::uint32_t at = 0; at < group.size; at += size) {
      GroupTokens some = group;
      some.codes += head * heads.codes + at / 2;
      some.elements += head * heads.elements + std::uint64_t{at} * E::kBytes;
      some.size = group.size - at < size ? group.size - at : size;
      Heads beside = heads;
      beside.count = heads.count - head < together ? heads.count - head : together;
      Share its = share;
      its.first += head * heads.share;
      read_some_channels<E>(some, beside, its, offset + std::uint64_t{at} * 4);
    }
}

}  // namespace
}  // namespace akv
