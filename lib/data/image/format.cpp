// format.cpp: images are planned, sealed and checked.
// It knows no cache, no store and no file.
#include "data/image/format.hpp"

#include "base/crc32c.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace akv {
namespace {

constexpr unsigned char kMagic[8] = {0x89, 'A', 'K', 'V', '\r', '\n', 0x1a, '\n'};
constexpr std::uint32_t kFixedBytes = 128;  // in front of the planes
constexpr std::uint32_t kPlaneBytes = 24;
constexpr std::uint32_t kChecksumBytes = 4;

// Offsets of the header's fields.
enum : std::uint32_t {
  kAtVersion = 8,
  kAtHeaderBytes = 12,
  kAtImageBytes = 16,
  kAtFlags = 24,
  kAtChunkBytes = 28,
  kAtChunks = 32,
  kAtTokens = 36,
  kAtLayers = 40,
  kAtPlanes = 44,
  kAtRule = 48,
  kAtUnused = 52,
  kAtLabel = 64
};

// The machine is little-endian, as the format is; images lie at any address.
template <class T>
T load(const unsigned char *from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(unsigned char *to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

// `sum` becomes the next multiple of 64 behind sum + bytes; false: that is 2^64 or more.
bool add_part(std::uint64_t &sum, std::uint64_t bytes) noexcept {
  if (__builtin_add_overflow(sum, bytes, &sum) || __builtin_add_overflow(sum, 63u, &sum)) return false;
  sum &= ~std::uint64_t{63};
  return true;
}

Status bad_field(std::uint32_t offset, unsigned long long found, unsigned long long wanted) noexcept {
  return fail(AKV_ERROR_BAD_IMAGE, "byte %llu of the image is %llu, %llu was expected", offset, found, wanted);
}

Status bad_checksum(const char *part, std::uint64_t offset, std::uint32_t found) noexcept {
  return fail_named(AKV_ERROR_BAD_IMAGE, "%s is damaged: byte %llu of the image begins its checksum, 0x%llx expected",
                    part, offset, found);
}

}  // namespace

Status ImageShape::plan(const Geometry &geometry, std::uint32_t num_tokens, std::uint32_t chunk_bytes) noexcept {
  geometry_ = geometry;
  num_tokens_ = num_tokens;
  chunk_bytes_ = chunk_bytes;
  header_bytes_ = (kFixedBytes + geometry.group.num_planes * kPlaneBytes + kChecksumBytes + 63) / 64 * 64;
  std::uint64_t content = 0, payload = 0;
  const bool fits = !__builtin_mul_overflow(geometry.bytes_per_token(), std::uint64_t{num_tokens}, &payload) &&
                    add_part(content, std::uint64_t{num_tokens} * sizeof(std::int32_t)) &&
                    !__builtin_add_overflow(content, payload, &content);
  const std::uint64_t chunks = content / chunk_bytes + (content % chunk_bytes != 0);
  tokens_offset_ = header_bytes_;
  if (!fits || chunks > UINT32_MAX || !add_part(tokens_offset_, (chunks + 1) * kChecksumBytes) ||
      __builtin_add_overflow(tokens_offset_, content, &image_bytes_))
    return fail(AKV_ERROR_OUT_OF_RANGE, "an image of %llu tokens of %llu bytes each has too many bytes", num_tokens,
                geometry.bytes_per_token());
  num_chunks_ = static_cast<std::uint32_t>(chunks);
  payload_offset_ = image_bytes_ - payload;
  return AKV_OK;
}

Status ImageShape::read(const unsigned char *image, std::uint64_t present, std::uint64_t bytes) noexcept {
  constexpr std::uint32_t kLeast = (kFixedBytes + kPlaneBytes + kChecksumBytes + 63) / 64 * 64;
  if (const std::uint64_t there = std::min<std::uint64_t>(present, sizeof kMagic);
      std::memcmp(image, kMagic, there) != 0)
    return fail(AKV_ERROR_BAD_IMAGE, "byte 0: not the image of a sequence, which begins with 0x89 A K V");
  if (present < kLeast)
    return fail(AKV_ERROR_BAD_IMAGE, "the image ends at byte %llu, its header alone has %llu and more", present,
                kLeast);
  const auto header = load<std::uint32_t>(image + kAtHeaderBytes);
  if (header < kLeast || header > kMaxHeaderBytes || header % 64 != 0)
    return fail(AKV_ERROR_BAD_IMAGE, "byte %llu: a header of %llu bytes, %llu to %llu were expected, a multiple of 64",
                kAtHeaderBytes, header, kLeast, kMaxHeaderBytes);
  if (header > present)
    return fail(AKV_ERROR_BAD_IMAGE, "the image ends at byte %llu, its header has %llu", present, header);
  const std::uint32_t end = header - kChecksumBytes, checksum = crc32c(0, image, end);
  if (checksum != load<std::uint32_t>(image + end)) return bad_checksum("the header", end, checksum);
  if (const auto version = load<std::uint32_t>(image + kAtVersion); version != kVersion)
    return fail(AKV_ERROR_UNSUPPORTED, "the image is of version %llu of the format, this release knows %llu", version,
                kVersion);
  if (const auto flags = load<std::uint32_t>(image + kAtFlags); flags != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "flags of the image are 0x%llx, this release knows none", flags);
  AKV_TRY(read_fields(image));
  if (header != header_bytes_) return bad_field(kAtHeaderBytes, header, header_bytes_);
  if (const auto told = load<std::uint64_t>(image + kAtImageBytes); told != image_bytes_)
    return bad_field(kAtImageBytes, told, image_bytes_);
  if (bytes != image_bytes_)
    return fail(AKV_ERROR_BAD_IMAGE, "the image ends at byte %llu, it has %llu", bytes, image_bytes_);
  return AKV_OK;
}

// What was counted, as the header says it, becomes this shape; its sizes follow from that.
Status ImageShape::read_fields(const unsigned char *image) noexcept {
  const auto field = [image](std::uint32_t at) { return load<std::uint32_t>(image + at); };
  const std::uint32_t header = field(kAtHeaderBytes), planes = field(kAtPlanes), tokens = field(kAtTokens);
  if (planes > (header - kFixedBytes - kChecksumBytes) / kPlaneBytes)
    return fail(AKV_ERROR_BAD_IMAGE, "byte %llu: %llu planes, a header of %llu bytes has room for %llu", kAtPlanes,
                planes, header, (header - kFixedBytes - kChecksumBytes) / kPlaneBytes);
  akv_plane read[kMaxHeaderBytes / kPlaneBytes];
  for (std::uint32_t i = 0; i < planes; ++i) {
    const std::uint32_t at = kFixedBytes + i * kPlaneBytes;
    read[i] = {field(at), field(at + 4), field(at + 8), field(at + 12), field(at + 16), field(at + 20)};
  }
  const akv_layer_group group = {field(kAtRule), field(kAtLayers), planes, sizeof(akv_plane), read, 0, 0};
  if (geometry_.read(&group, 1, sizeof group) != AKV_OK || geometry_.check_scales() != AKV_OK)
    return fail(AKV_ERROR_BAD_IMAGE, "byte %llu: no cache has such a geometry: %llu layers, %llu planes, rule %llu",
                kAtLayers, group.num_layers, planes, group.rule);
  if (tokens == 0 || tokens > AKV_MAX_SEQUENCE_TOKENS)
    return fail(AKV_ERROR_BAD_IMAGE, "byte %llu: %llu tokens, 1 to %llu were expected", kAtTokens, tokens,
                AKV_MAX_SEQUENCE_TOKENS);
  const std::uint32_t chunk = field(kAtChunkBytes);
  if (!std::has_single_bit(chunk) || chunk < 64 || chunk > 1u << 24)
    return fail(AKV_ERROR_BAD_IMAGE, "byte %llu: chunks of %llu bytes, a power of two from 64 to 2^24 was expected",
                kAtChunkBytes, chunk);
  if (field(kAtUnused) != 0) return bad_field(kAtUnused, field(kAtUnused), 0);
  if (plan(Geometry(geometry_), tokens, chunk) != AKV_OK)
    return fail(AKV_ERROR_BAD_IMAGE, "byte %llu: %llu tokens have more bytes than any image", kAtTokens, tokens);
  if (field(kAtChunks) != num_chunks_) return bad_field(kAtChunks, field(kAtChunks), num_chunks_);
  std::memcpy(label, image + kAtLabel, sizeof label);
  return AKV_OK;
}

std::uint64_t ImageShape::chunk_length(std::uint32_t chunk) const noexcept {
  const std::uint64_t first = std::uint64_t{chunk} * chunk_bytes_;
  return std::min<std::uint64_t>(chunk_bytes_, image_bytes_ - tokens_offset_ - first);
}

std::uint32_t ImageShape::chunk_checksum(const unsigned char *image, std::uint32_t chunk) const noexcept {
  const std::uint32_t named = crc32c(0, &chunk, sizeof chunk);
  return crc32c(named, image + tokens_offset_ + std::uint64_t{chunk} * chunk_bytes_, chunk_length(chunk));
}

Status ImageShape::check_content(const unsigned char *image) const noexcept {
  const unsigned char *const table = image + table_offset();
  const std::uint64_t end = tokens_offset_ - kChecksumBytes;
  const auto header = load<std::uint32_t>(table - kChecksumBytes);
  const std::uint32_t checksum = crc32c(header, table, end - table_offset());
  if (checksum != load<std::uint32_t>(image + end)) return bad_checksum("the table of checksums", end, checksum);
  for (std::uint32_t chunk = 0; chunk < num_chunks_; ++chunk) {
    const auto wanted = load<std::uint32_t>(table + std::uint64_t{chunk} * kChecksumBytes);
    if (const std::uint32_t found = chunk_checksum(image, chunk); found != wanted)
      return fail(AKV_ERROR_BAD_IMAGE,
                  "bytes %llu to %llu of the image are damaged or misplaced: checksum 0x%llx, 0x%llx was expected",
                  tokens_offset_ + std::uint64_t{chunk} * chunk_bytes_,
                  tokens_offset_ + std::uint64_t{chunk} * chunk_bytes_ + chunk_length(chunk) - 1, found, wanted);
  }
  return AKV_OK;
}

void ImageShape::write_header(unsigned char *image) const noexcept {
  std::memset(image, 0, header_bytes_);
  std::memcpy(image, kMagic, sizeof kMagic);
  const auto put = [image](std::uint32_t at, std::uint32_t value) { store(image + at, value); };
  put(kAtVersion, kVersion);
  put(kAtHeaderBytes, header_bytes_);
  store(image + kAtImageBytes, image_bytes_);
  put(kAtChunkBytes, chunk_bytes_);
  put(kAtChunks, num_chunks_);
  put(kAtTokens, num_tokens_);
  put(kAtLayers, geometry_.group.num_layers);
  put(kAtPlanes, geometry_.group.num_planes);
  put(kAtRule, geometry_.group.rule);
  std::memcpy(image + kAtLabel, label, sizeof label);
  for (std::uint32_t i = 0; i < geometry_.group.num_planes; ++i) {
    const akv_plane &plane = geometry_.planes[i];
    const std::uint32_t fields[] = {plane.role,     plane.dtype,       plane.kv_heads,
                                    plane.head_dim, plane.scale_bytes, plane.scaling};
    std::memcpy(image + kFixedBytes + i * kPlaneBytes, fields, sizeof fields);
  }
  put(header_bytes_ - kChecksumBytes, crc32c(0, image, header_bytes_ - kChecksumBytes));
}

void ImageShape::seal(unsigned char *image) const noexcept {
  write_header(image);
  const std::uint64_t tokens_end = tokens_offset_ + std::uint64_t{num_tokens_} * sizeof(std::int32_t);
  std::memset(image + tokens_end, 0, payload_offset_ - tokens_end);
  unsigned char *const table = image + table_offset();
  const std::uint64_t table_bytes = tokens_offset_ - table_offset(), used = std::uint64_t{num_chunks_} * kChecksumBytes;
  std::memset(table + used, 0, table_bytes - used);
  for (std::uint32_t chunk = 0; chunk < num_chunks_; ++chunk)
    store(table + std::uint64_t{chunk} * kChecksumBytes, chunk_checksum(image, chunk));
  const auto header = load<std::uint32_t>(table - kChecksumBytes);
  store(image + tokens_offset_ - kChecksumBytes, crc32c(header, table, table_bytes - kChecksumBytes));
}

Status ImageShape::check_geometry(const Geometry &cache) const noexcept {
  const akv_layer_group &own = geometry_.group, &other = cache.group;
  if (own.rule != other.rule || own.num_layers != other.num_layers || own.num_planes != other.num_planes)
    return fail(AKV_ERROR_OTHER_GEOMETRY, "the image has %llu layers of %llu planes, the cache %llu of %llu",
                own.num_layers, own.num_planes, other.num_layers, other.num_planes);
  for (std::uint32_t i = 0; i < own.num_planes; ++i) {
    const akv_plane &mine = geometry_.planes[i], &its = cache.planes[i];
    if (mine.role != its.role || mine.dtype != its.dtype || mine.scale_bytes != its.scale_bytes ||
        mine.scaling != its.scaling)
      return fail(AKV_ERROR_OTHER_GEOMETRY,
                  "plane %llu: the image has role %llu, dtype %llu, the cache %llu, %llu; or their scales differ", i,
                  mine.role, mine.dtype, its.role, its.dtype);
    if (mine.kv_heads != its.kv_heads || mine.head_dim != its.head_dim)
      return fail(AKV_ERROR_OTHER_GEOMETRY, "plane %llu: the image has %llu heads x %llu, the cache %llu x %llu", i,
                  mine.kv_heads, mine.head_dim, its.kv_heads, its.head_dim);
  }
  return AKV_OK;
}

std::uint64_t ImageShape::plane_offset(std::uint32_t plane) const noexcept {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < plane; ++i) bytes += plane_bytes(geometry_.planes[i]);
  return bytes * num_tokens_;
}

void ImageShape::read_tokens(const unsigned char *image, std::uint32_t first, std::uint32_t count,
                             std::int32_t *out) const noexcept {
  if (count == 0) return;
  std::memcpy(out, image + tokens_offset_ + std::uint64_t{first} * sizeof(std::int32_t),
              std::size_t{count} * sizeof(std::int32_t));
}

std::uint32_t ImageShape::known_tokens(const unsigned char *image) const noexcept {
  std::uint32_t known = 0;
  const unsigned char *at = image + tokens_offset_;
  while (known != num_tokens_ && load<std::int32_t>(at) != AKV_TOKEN_UNKNOWN) ++known, at += sizeof(std::int32_t);
  return known;
}

}  // namespace akv
