// image_copy.hpp: a sequence becomes an image and an image a sequence, as one piece of work each.
// It knows caches, stores, streams and images; not the structs of the API.
#pragma once

#include "arenakv/sequence.h"
#include "data/device/stream.hpp"
#include "data/image/format.hpp"
#include "data/store_set.hpp"

namespace akv {

// The stores of a call, as its caller names them.
struct StoreList {
  akv_store *const *stores = nullptr;
  std::uint32_t count = 0;
};

struct SaveRequest {
  std::uint32_t num_tokens = 0;  // 0: all that are committed
  std::uint64_t owner = 0;       // of the lease
  bool ordered = false;          // what the K/V wait for comes before this
  unsigned char label[ImageShape::kLabelBytes]{};
  unsigned char *buffer = nullptr;
  std::uint64_t capacity = 0;
};

// `out_bytes` is written as well where the buffer is too small.
[[nodiscard]] Status save_image(akv_cache *cache, akv_sequence sequence, const StoreList &list,
                                const SaveRequest &request, Stream *stream, std::uint64_t &out_bytes) noexcept;

struct LoadRequest {
  const unsigned char *image = nullptr;
  std::uint64_t bytes = 0;
  std::uint64_t domain = 0;
  bool any_label = false;
  unsigned char label[ImageShape::kLabelBytes]{};
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;  // as given: max_tokens may be 0, and is then filled in
};

[[nodiscard]] Status load_image(akv_cache *cache, LoadRequest &request, const StoreList &list, Stream *stream,
                                akv_created &out) noexcept;

}  // namespace akv
