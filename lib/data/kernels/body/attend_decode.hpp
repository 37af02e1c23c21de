// attend_decode.hpp: a tile of rows as floats, element by element: for what no loop reads as it lies in memory, which
// are rows shorter than a chunk, and scales in an order that is rare.
// It knows formats.
#pragma once

#include "data/kernels/body/attend_elements.hpp"

namespace akv {
namespace {
namespace attention {

// Where the scales of a CHANNEL group lie: with the group's tokens, a share with each.
struct ChannelPlace {
  std::uint32_t tokens;  // of a group
  std::uint32_t share;   // bytes
  std::int64_t stride;   // from one token's share to the next
};

inline ChannelPlace channel_place(const PoolElements &plane, std::uint32_t block_tokens) {
  return {channel_tokens_of(block_tokens), static_cast<std::uint32_t>(plane.scales.head_stride),
          plane.scales.token_stride};
}

inline std::uint32_t channel_pair(const unsigned char *first_share, const ChannelPlace &where, std::uint32_t element) {
  std::uint32_t pair = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    const std::uint32_t at = element * 4 + i;
    const unsigned char *share = first_share + static_cast<std::int64_t>(at / where.share) * where.stride;
    pair |= std::uint32_t{share[at % where.share]} << 8 * i;
  }
  return pair;
}

struct DecodedRows {
  const unsigned char *rows[kTile + 1];
};

// What is common to the rows of one side of a part.
struct RowCode {
  RowFormat format;
  std::uint32_t dim;
  ChannelPlace channel;
};

// `group_token`: which one of its CHANNEL group the token is.
void decode_row(float *to, const unsigned char *row, const unsigned char *scales, std::uint32_t group_token,
                const RowCode &code) {
  for (std::uint32_t e = 0; e < code.dim; ++e) {
    const float x = number_at(row, code.format.dtype, e);
    std::uint32_t pair = 0x3f80;  // one, and zero
    if (code.format.scaling == AKV_SCALING_TOKEN_GROUP) pair = element_at<std::uint32_t>(scales, e / kGroup);
    if (code.format.scaling == AKV_SCALING_CHANNEL)
      pair = channel_pair(scales - static_cast<std::int64_t>(group_token) * code.channel.stride, code.channel, e);
    to[e] = x * scale_in(pair) + lowest_in(pair);
  }
  for (std::uint32_t e = code.dim; e < kChunk; ++e) to[e] = 0.0f;
}

// How many rows of a tile there is space for.
constexpr std::uint32_t decoded_tokens(std::uint32_t elements) {
  const std::uint32_t tokens = kDecodedFloats / elements;
  return tokens < kTile ? tokens : kTile;
}

}  // namespace attention
}  // namespace
}  // namespace akv
