// copy_image.cpp: thunks of copy_image.h.
#include "api/stream_or_none.hpp"
#include "api/thunk.hpp"
#include "data/image/image_copy.hpp"

using namespace akv;

namespace {

constexpr std::uint32_t kSaveOptionsV1 = 32;
constexpr std::uint32_t kLoadOptionsV1 = 32;
static_assert(sizeof(akv_save_options) == kSaveOptionsV1 && sizeof(akv_load_options) == kLoadOptionsV1);
static_assert(AKV_LABEL_BYTES == ImageShape::kLabelBytes);

// Token ids are read and written in place.
Status check_buffer(const void *buffer, const char *name) {
  AKV_TRY(check_pointer(buffer, name));
  const auto address = reinterpret_cast<std::uintptr_t>(buffer);
  if (address % alignof(std::int32_t) == 0) return AKV_OK;
  return fail_named(AKV_ERROR_INVALID_ARGUMENT, "%s is at 0x%llx, must be a multiple of %llu", name, address,
                    alignof(std::int32_t));
}

void read_label(const std::uint8_t *from, unsigned char *to) {
  if (from != nullptr) std::memcpy(to, from, AKV_LABEL_BYTES);
}

Status read_save_options(const akv_save_options *from, SaveRequest &to) {
  akv_save_options options = AKV_SAVE_OPTIONS_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, options, kSaveOptionsV1));
  AKV_TRY(check_flags(options.flags, AKV_SAVE_ORDERED));
  if (options.unused != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "the unused field of akv_save_options is %llu, must be 0", options.unused);
  to.num_tokens = options.num_tokens;
  to.owner = options.owner;
  to.ordered = (options.flags & AKV_SAVE_ORDERED) != 0;
  read_label(options.label, to.label);
  return AKV_OK;
}

Status read_load_options(const akv_load_options *from, LoadRequest &to) {
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  if (from != nullptr) AKV_TRY(read_struct(from, options, kLoadOptionsV1));
  AKV_TRY(check_flags(options.flags, AKV_LOAD_ANY_LABEL));
  to.any_label = (options.flags & AKV_LOAD_ANY_LABEL) != 0;
  to.domain = options.domain;
  read_label(options.label, to.label);
  AKV_TRY(read_options(options.sequence, to.options));
  return check_flags(to.options.flags, AKV_SEQUENCE_NO_MATCH | AKV_SEQUENCE_NO_PUBLISH);
}

}  // namespace

extern "C" {

akv_status akv_copy_save(akv_cache *cache, akv_sequence sequence, akv_store *const *stores, uint32_t num_stores,
                         const akv_save_options *options, void *buffer, uint64_t capacity, uint64_t *out_bytes,
                         akv_stream *stream) noexcept {
  AKV_TRY(check_array(stores, num_stores, "stores"));
  AKV_TRY(check_pointer(out_bytes, "out_bytes"));
  SaveRequest request;
  AKV_TRY(read_save_options(options, request));
  if (capacity != 0) AKV_TRY(check_buffer(buffer, "buffer"));
  request.buffer = static_cast<unsigned char *>(buffer);
  request.capacity = capacity;
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  return save_image(cache, sequence, {stores, num_stores}, request, on.get(), *out_bytes);
}

akv_status akv_copy_load(akv_cache *cache, const void *image, uint64_t bytes, const akv_load_options *options,
                         akv_store *const *stores, uint32_t num_stores, akv_created *out_created,
                         akv_stream *stream) noexcept {
  AKV_TRY(check_array(stores, num_stores, "stores"));
  AKV_TRY(check_output(out_created, kOutputV1));
  AKV_TRY(check_buffer(image, "image"));
  LoadRequest request;
  AKV_TRY(read_load_options(options, request));
  request.image = static_cast<const unsigned char *>(image);
  request.bytes = bytes;
  const StreamOrNone on(stream);
  AKV_TRY(on.status());
  akv_created created{};
  AKV_TRY(load_image(cache, request, {stores, num_stores}, on.get(), created));
  write_struct(created, out_created);
  return AKV_OK;
}

}  // extern "C"
