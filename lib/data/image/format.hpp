// format.hpp: the bytes of an image, version 1: where everything is, and whether it is as it should be.
// It knows no cache, no store and no file.
//
//   0    header     "\x89AKV\r\n\x1a\n"; u32 version, u32 bytes of the header; u64 bytes of the image; u32 flags (0),
//                   chunk bytes, chunks, tokens, layers, planes, rule, unused (0); 64 bytes of label;
//                   for each plane u32 role, dtype, heads, dim, scale bytes, unused (0); zeroes; u32 checksum
//        checksums  u32 of each chunk; zeroes; u32 checksum of these
//        tokens     i32 each; zeroes
//        payload    [layer][plane][token][head][dim], a plane's scales [token][scale_bytes] behind its elements
//
// Little-endian, all four parts start at multiples of 64. Chunks are stretches of equal length of tokens and payload
// together. The checksums hang together: a chunk's begins with its number, the table's with the header's, so parts that
// are sound by themselves do not pass in another place or another image. The header's end is found, and its checksum
// right, in every version: so a newer one is told from a damaged one.
#pragma once

#include "base/error.hpp"
#include "model/geometry.hpp"

#include <cstddef>
#include <cstdint>

namespace akv {

class ImageShape {
 public:
  static constexpr std::uint32_t kVersion = 1;
  static constexpr std::uint32_t kLabelBytes = 64;
  static constexpr std::uint32_t kChunkBytes = 65536;  // as written; read are powers of two from 64 to 2^24
  static constexpr std::uint32_t kMaxHeaderBytes = 4096;

  // An image of so many tokens. OUT_OF_RANGE: it would have 2^64 bytes or more.
  [[nodiscard]] Status plan(const Geometry &geometry, std::uint32_t num_tokens,
                            std::uint32_t chunk_bytes = kChunkBytes) noexcept;

  // The header of an image of which the first `present` of `bytes` bytes are there. All it says is held against
  // `bytes`.
  [[nodiscard]] Status read(const unsigned char *image, std::uint64_t present, std::uint64_t bytes) noexcept;
  [[nodiscard]] Status read(const unsigned char *image, std::uint64_t bytes) noexcept {
    return read(image, bytes, bytes);
  }

  // The whole image, whose header this was read from.
  [[nodiscard]] Status check_content(const unsigned char *image) const noexcept;

  // Make an image of a buffer that has its tokens and payload: header, zeroes and checksums.
  void seal(unsigned char *image) const noexcept;

  // Is this the geometry of the cache that it was to meet? OTHER_GEOMETRY names what differs.
  [[nodiscard]] Status check_geometry(const Geometry &cache) const noexcept;

  const Geometry &geometry() const noexcept { return geometry_; }
  std::uint32_t num_tokens() const noexcept { return num_tokens_; }
  std::uint64_t tokens_offset() const noexcept { return tokens_offset_; }
  std::uint64_t payload_offset() const noexcept { return payload_offset_; }
  std::uint64_t payload_bytes() const noexcept { return image_bytes_ - payload_offset_; }
  std::uint64_t image_bytes() const noexcept { return image_bytes_; }
  // Bytes of one layer in the payload.
  std::uint64_t layer_bytes() const noexcept { return payload_bytes() / geometry_.group.num_layers; }

  // Where a plane begins in its layer.
  std::uint64_t plane_offset(std::uint32_t plane) const noexcept;

  void read_tokens(const unsigned char *image, std::uint32_t first, std::uint32_t count,
                   std::int32_t *out) const noexcept;
  // How many ids stand in front of the first unknown one.
  std::uint32_t known_tokens(const unsigned char *image) const noexcept;

  unsigned char label[kLabelBytes]{};

 private:
  std::uint32_t table_offset() const noexcept { return header_bytes_; }
  std::uint64_t chunk_length(std::uint32_t chunk) const noexcept;
  std::uint32_t chunk_checksum(const unsigned char *image, std::uint32_t chunk) const noexcept;
  Status read_fields(const unsigned char *image) noexcept;
  void write_header(unsigned char *image) const noexcept;

  Geometry geometry_;
  std::uint32_t num_tokens_ = 0;
  std::uint32_t chunk_bytes_ = 0;
  std::uint32_t num_chunks_ = 0;
  std::uint32_t header_bytes_ = 0;
  std::uint64_t tokens_offset_ = 0;
  std::uint64_t payload_offset_ = 0;
  std::uint64_t image_bytes_ = 0;
};

}  // namespace akv
