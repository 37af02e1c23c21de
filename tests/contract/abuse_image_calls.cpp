// abuse_image_calls.cpp: the rows of images, of the scene's own one, in the table of all functions.
// It knows the public API only, and no test.
#include "abuse_calls.hpp"

namespace akv::test {
namespace {

constexpr std::uint64_t kRead = kCache | kOut;

}  // namespace

std::vector<Function> image_functions() {
  return {
      {"akv_image_bytes", kRead | kSequence, 0, 0, 0,
       [](const Call &c) { return akv_image_bytes(c.cache, c.sequence, 0, c.out_as<std::uint64_t>()); }},
      {"akv_image_check", 0, 0, 0, 0, [](const Call &c) { return akv_image_check(c.image, c.image_bytes, nullptr); }},
      {"akv_image_read_group", kOut | kArray | kElement | kGroup, 0, 0, sizeof(akv_layer_group),
       [](const Call &c) {
         return akv_image_read_group(c.image, c.image_bytes, c.out_as<akv_layer_group>(), c.element_size,
                                     c.array_as<akv_plane>(), c.capacity);
       }},
      {"akv_image_read_tokens", kArray, 0, 0, 0,
       [](const Call &c) {
         return akv_image_read_tokens(c.image, c.image_bytes, 0, c.capacity < 10 ? c.capacity : 10,
                                      c.array_as<std::int32_t>());
       }},
      {"akv_image_write_file", 0, 0, 0, 0,
       [](const Call &c) { return akv_image_write_file(c.path, c.image, c.image_bytes); }},
      {"akv_image_read_file", kOut, 0, 0, 0,
       [](const Call &c) { return akv_image_read_file(c.path, c.image, c.image_bytes, c.out_as<std::uint64_t>()); }},
      {"akv_copy_save", kRead | kSequence, 0, 0, 0,
       [](const Call &c) {
         return akv_copy_save(c.cache, c.sequence, &c.store, 1, nullptr, c.image, c.image_bytes,
                              c.out_as<std::uint64_t>(), nullptr);
       }},
      {"akv_copy_load", kRead | kOnce, sizeof(akv_created), 0, 0,
       [](const Call &c) {
         return akv_copy_load(c.cache, c.image, c.image_bytes, nullptr, &c.store, 1, c.out_as<akv_created>(), nullptr);
       }},
  };
}

}  // namespace akv::test
