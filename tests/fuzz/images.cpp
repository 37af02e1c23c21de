// images.cpp: libFuzzer's bytes as images: as they are, or laid over a sound image, with its checksums made right again
// or not. What is refused changes nothing; what is accepted comes back out of the cache as it went in. It knows the
// public API, and the format well enough to sign what it has changed; fuzz.py builds and runs it.
//
// Promises: E7 (truncated, damaged, foreign and huge-count images are refused), and that no image crashes.
#include "arenakv.h"
#include "base/crc32c.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using Bytes = std::vector<std::uint8_t>;
using Words = std::vector<std::uint32_t>;  // images are loaded from multiples of 4

[[noreturn]] void broken(const char *what, akv_status status) {
  char text[300] = "";
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, "BROKEN: %s: %s (%s)\n", what, akv_status_name(status), text);
  std::abort();  // libFuzzer keeps the input
}
void ok(akv_status status, const char *what) {
  if (status != AKV_OK) broken(what, status);
}

Words aligned(const Bytes &image) {
  Words words(image.size() / 4 + 1);
  std::copy(image.begin(), image.end(), reinterpret_cast<std::uint8_t *>(words.data()));
  return words;
}
std::uint32_t read32(const Bytes &image, std::uint64_t at) {
  std::uint32_t value = 0;
  if (at + 4 <= image.size()) std::memcpy(&value, image.data() + at, 4);
  return value;
}
void write32(Bytes &image, std::uint64_t at, std::uint32_t value) {
  if (at + 4 <= image.size()) std::memcpy(image.data() + at, &value, 4);
}

// Make every checksum right for what is there, as far as it is there.
void sign(Bytes &image) {
  const std::uint64_t header = read32(image, 12), chunk_bytes = read32(image, 28), chunks = read32(image, 32);
  if (header < 4 || header > image.size()) return;
  write32(image, header - 4, akv::crc32c(0, image.data(), header - 4));
  const std::uint64_t table_end = (header + (chunks + 1) * 4 + 63) / 64 * 64;
  if (table_end > image.size() || chunk_bytes == 0) return;
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    const std::uint64_t first = table_end + chunk * chunk_bytes;
    if (first >= image.size()) break;
    const std::uint64_t length = std::min<std::uint64_t>(chunk_bytes, image.size() - first);
    const std::uint32_t named = akv::crc32c(0, &chunk, 4);
    write32(image, header + chunk * 4, akv::crc32c(named, image.data() + first, length));
  }
  write32(image, table_end - 4, akv::crc32c(read32(image, header - 4), image.data() + header, table_end - 4 - header));
}

// A cache of its own kind with a store, for ever; and an image of it.
class World {
 public:
  World() {
    static const akv_plane planes[] = {{AKV_PLANE_KEYS, AKV_DTYPE_I8, 2, 3, 2, 0},
                                       {AKV_PLANE_VALUES, AKV_DTYPE_F16, 1, 2, 0, 0}};
    static const akv_layer_group group = {AKV_RULE_FULL, 2, 2, sizeof(akv_plane), planes, 0, 0};
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 8;
    config.block_tokens = 3;
    config.max_sequences = 2;
    config.max_tokens_per_sequence = 20;
    config.groups = &group;
    config.num_groups = 1;
    config.group_size = sizeof group;
    ok(akv_cache_create(&config, &cache_), "create");
    ok(akv_store_create(cache_, nullptr, &store_), "store");
    save_a_base();
    ok(akv_cache_read_state(cache_, &idle_), "state");
  }

  const Bytes &base() const { return base_; }

  void meet(const Bytes &image) {
    const Words words = aligned(image);
    akv_image_info info = AKV_IMAGE_INFO_INIT;
    const akv_status checked = akv_image_check(words.data(), image.size(), &info);
    if (checked != AKV_OK && checked != AKV_ERROR_BAD_IMAGE && checked != AKV_ERROR_UNSUPPORTED)
      broken("check", checked);
    look(words, image.size(), checked == AKV_OK);
    akv_load_options options = AKV_LOAD_OPTIONS_INIT;
    options.flags = AKV_LOAD_ANY_LABEL;
    akv_created created = AKV_CREATED_INIT;
    const akv_status status =
        akv_copy_load(cache_, words.data(), image.size(), &options, &store_, 1, &created, nullptr);
    if (status == AKV_OK) {
      if (checked != AKV_OK) broken("loaded what is no image", checked);
      comes_back(created, info, image);
    } else if (checked == AKV_OK && status != AKV_ERROR_OTHER_GEOMETRY && status != AKV_ERROR_NO_CAPACITY) {
      broken("load of a sound image", status);
    }
    is_idle();
  }

 private:
  void save_a_base() {
    std::int32_t tokens[10];
    for (int i = 0; i < 10; ++i) tokens[i] = 1000 + i * i;
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens;
    prompt.num_tokens = 10;
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_COMMITTED | AKV_SEQUENCE_NO_PUBLISH;
    akv_created created = AKV_CREATED_INIT;
    ok(akv_sequence_create(cache_, &prompt, &options, &created), "create a sequence");
    std::uint64_t bytes = 0;
    ok(akv_image_bytes(cache_, created.sequence, 0, &bytes), "image_bytes");
    Words words(bytes / 4 + 1);
    ok(akv_copy_save(cache_, created.sequence, &store_, 1, nullptr, words.data(), bytes, &bytes, nullptr), "save");
    const auto *const first = reinterpret_cast<const std::uint8_t *>(words.data());
    base_.assign(first, first + bytes);
    ok(akv_sequence_free(cache_, created.sequence), "free");
  }

  // Read-outs answer for any bytes; for a sound image they succeed.
  static void look(const Words &words, std::uint64_t bytes, bool sound) {
    akv_layer_group group = {};
    group.plane_size = sizeof(akv_plane);
    akv_plane planes[64];
    std::int32_t token = 0;
    const akv_status a = akv_image_read_group(words.data(), bytes, &group, sizeof group, planes, 64);
    const akv_status b = akv_image_read_tokens(words.data(), bytes, 0, 1, &token);
    if (sound && (a != AKV_OK || b != AKV_OK)) broken("reading a sound image", a);
  }

  // Saved again it has the same tokens and payload, and it leaves without a trace.
  void comes_back(const akv_created &created, const akv_image_info &info, const Bytes &image) {
    std::uint64_t bytes = 0;
    ok(akv_image_bytes(cache_, created.sequence, 0, &bytes), "image_bytes of what was loaded");
    Words words(bytes / 4 + 1);
    ok(akv_copy_save(cache_, created.sequence, &store_, 1, nullptr, words.data(), bytes, &bytes, nullptr),
       "save again");
    akv_image_info again = AKV_IMAGE_INFO_INIT;
    ok(akv_image_check(words.data(), bytes, &again), "check again");
    const auto *const own = reinterpret_cast<const std::uint8_t *>(words.data());
    const Words original = aligned(image);
    std::int32_t before[20], after[20];
    ok(akv_image_read_tokens(original.data(), image.size(), 0, info.num_tokens, before), "tokens");
    ok(akv_image_read_tokens(words.data(), bytes, 0, info.num_tokens, after), "tokens again");
    if (again.num_tokens != info.num_tokens || again.payload_bytes != info.payload_bytes ||
        std::memcmp(own + again.payload_offset, image.data() + info.payload_offset, info.payload_bytes) != 0)
      broken("other bytes came back", AKV_OK);
    // Behind an unknown id nothing is known, whatever the image says.
    if (std::memcmp(before, after, info.known_tokens * sizeof before[0]) != 0) broken("other tokens came back", AKV_OK);
    ok(akv_sequence_free(cache_, created.sequence), "free");
    ok(akv_prefix_clear(cache_, nullptr, 0, nullptr), "clear");
  }

  void is_idle() {
    ok(akv_cache_audit_all(cache_), "audit_all");
    akv_cache_state now = AKV_CACHE_STATE_INIT;
    ok(akv_cache_read_state(cache_, &now), "state");
    if (now.sequences != 0 || now.leases != 0 || now.plans != 0 || now.open_tickets != 0 || now.cached_blocks != 0 ||
        now.free_blocks + now.dirty_blocks != idle_.free_blocks + idle_.dirty_blocks)
      broken("something was left behind", AKV_OK);
  }

  akv_cache *cache_ = nullptr;
  akv_store *store_ = nullptr;
  Bytes base_;
  akv_cache_state idle_ = AKV_CACHE_STATE_INIT;
};

// The input as changes of a sound image: a place of two bytes, how many, and what is put there; at the end its size.
Bytes changed(const Bytes &base, const std::uint8_t *data, std::size_t size) {
  Bytes image = base;
  const std::uint8_t how = *data;
  for (++data, --size; size >= 4;) {
    const std::size_t at = (data[0] | static_cast<std::size_t>(data[1]) << 8) % (image.size() + 64);
    const std::size_t count = std::min<std::size_t>(1 + data[2] % 8, size - 3);
    if (at + count > image.size()) image.resize(at + count);
    std::memcpy(image.data() + at, data + 3, count);
    data += 3 + count;
    size -= 3 + count;
  }
  if (size == 3) image.resize(std::min<std::size_t>(image.size(), data[0] | static_cast<std::size_t>(data[1]) << 8));
  if ((how & 1) != 0) sign(image);
  return image;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  static World world;
  if (size == 0) return 0;
  world.meet(*data < 32 ? Bytes(data + 1, data + size) : changed(world.base(), data, size));
  return 0;
}
