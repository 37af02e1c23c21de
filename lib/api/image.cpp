// image.cpp: thunks of image.h.
#include "api/write_group.hpp"
#include "data/image/file.hpp"
#include "data/image/measure.hpp"

using namespace akv;

namespace {

Status read_shape(const void *image, std::uint64_t bytes, ImageShape &shape) {
  AKV_TRY(check_pointer(image, "image"));
  return shape.read(static_cast<const unsigned char *>(image), bytes);
}

Status check_image(const void *image, std::uint64_t bytes, ImageShape &shape) {
  AKV_TRY(read_shape(image, bytes, shape));
  return shape.check_content(static_cast<const unsigned char *>(image));
}

akv_image_info info_of(const ImageShape &shape, const void *image) {
  akv_image_info info{};
  info.version = ImageShape::kVersion;
  info.num_tokens = shape.num_tokens();
  info.known_tokens = shape.known_tokens(static_cast<const unsigned char *>(image));
  info.image_bytes = shape.image_bytes();
  info.payload_offset = shape.payload_offset();
  info.payload_bytes = shape.payload_bytes();
  std::memcpy(info.label, shape.label, sizeof info.label);
  return info;
}

}  // namespace

extern "C" {

akv_status akv_image_bytes(akv_cache *cache, akv_sequence sequence, uint32_t num_tokens, uint64_t *out_bytes) noexcept {
  AKV_TRY(check_pointer(out_bytes, "out_bytes"));
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gate gate(*home, sequence);
  AKV_TRY(gate.status());
  ImageShape shape;
  AKV_TRY(measure_image(home->cache(), gate.slot(), num_tokens, shape));
  *out_bytes = shape.image_bytes();
  return AKV_OK;
}

akv_status akv_image_check(const void *image, uint64_t bytes, akv_image_info *out_info) noexcept {
  if (out_info != nullptr) AKV_TRY(check_output(out_info, kOutputV1));
  ImageShape shape;
  AKV_TRY(check_image(image, bytes, shape));
  if (out_info != nullptr) write_struct(info_of(shape, image), out_info);
  return AKV_OK;
}

akv_status akv_image_read_group(const void *image, uint64_t bytes, akv_layer_group *out_group, uint32_t group_size,
                                akv_plane *out_planes, uint32_t capacity) noexcept {
  AKV_TRY(check_group(out_group, group_size, out_planes, capacity));
  ImageShape shape;
  AKV_TRY(read_shape(image, bytes, shape));
  return write_group(shape.geometry(), out_group, group_size, out_planes, capacity);
}

akv_status akv_image_read_tokens(const void *image, uint64_t bytes, uint32_t first, uint32_t num_tokens,
                                 int32_t *out_tokens) noexcept {
  AKV_TRY(check_array(out_tokens, num_tokens, "out_tokens"));
  ImageShape shape;
  AKV_TRY(read_shape(image, bytes, shape));
  if (first > shape.num_tokens() || num_tokens > shape.num_tokens() - first)
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu tokens from %llu on, the image has %llu", num_tokens, first,
                shape.num_tokens());
  shape.read_tokens(static_cast<const unsigned char *>(image), first, num_tokens, out_tokens);
  return AKV_OK;
}

akv_status akv_image_write_file(const char *path, const void *image, uint64_t bytes) noexcept {
  const KeepErrno keep_errno;
  AKV_TRY(check_pointer(path, "path"));
  ImageShape shape;
  AKV_TRY(check_image(image, bytes, shape));
  return write_image_file(path, static_cast<const unsigned char *>(image), bytes);
}

akv_status akv_image_read_file(const char *path, void *buffer, uint64_t capacity, uint64_t *out_bytes) noexcept {
  const KeepErrno keep_errno;
  AKV_TRY(check_pointer(path, "path"));
  AKV_TRY(check_array(buffer, capacity, "buffer"));
  AKV_TRY(check_pointer(out_bytes, "out_bytes"));
  return read_image_file(path, static_cast<unsigned char *>(buffer), capacity, *out_bytes);
}

}  // extern "C"
