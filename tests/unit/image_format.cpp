// image_format.cpp: the bytes of an image by themselves: planned, sealed, read back, and refused when they are not
// sound. It knows lib/data/image/format.hpp; no cache, no store and no file.
#include "base/crc32c.hpp"
#include "data/image/format.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"

using akv::Geometry;
using akv::ImageShape;

namespace {

using Bytes = std::vector<unsigned char>;

std::string last_error() {
  char text[400];
  akv_last_error(text, sizeof text);
  return text;
}

Geometry geometry(std::vector<akv_plane> planes, std::uint32_t layers) {
  Geometry result;
  const akv_layer_group group = {
      AKV_RULE_FULL, layers, static_cast<std::uint32_t>(planes.size()), sizeof(akv_plane), planes.data(), 0, 0};
  REQUIRE(result.read(&group, 1, sizeof group) == AKV_OK);
  return result;
}
// Keys in 8 bits with scales, values in 16: 2 x (2 x 3 + 4 + 2 x 3 x 2) = 44 bytes a token.
Geometry small_geometry() {
  return geometry({{AKV_PLANE_KEYS, AKV_DTYPE_I8, 2, 3, 4, 0}, {AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 3, 0, 0}}, 2);
}

// An image with chunks of 64 bytes, so that a small one has many.
Bytes make(const Geometry &its_geometry, std::uint32_t num_tokens, std::uint32_t chunk_bytes = 64) {
  ImageShape shape;
  REQUIRE(shape.plan(its_geometry, num_tokens, chunk_bytes) == AKV_OK);
  for (std::uint32_t i = 0; i < sizeof shape.label; ++i) shape.label[i] = static_cast<unsigned char>(i * 7);
  Bytes image(shape.image_bytes(), 0xee);
  for (std::uint32_t i = 0; i < num_tokens; ++i) {
    const auto token = static_cast<std::int32_t>(1000 + i);
    std::memcpy(image.data() + shape.tokens_offset() + 4 * i, &token, 4);
  }
  for (std::uint64_t i = shape.payload_offset(); i < shape.image_bytes(); ++i)
    image[i] = static_cast<unsigned char>(i * 31);
  shape.seal(image.data());
  return image;
}

akv_status check(const Bytes &image, ImageShape &shape) {
  const akv_status status = shape.read(image.data(), image.size());
  return status != AKV_OK ? status : shape.check_content(image.data());
}
akv_status check(const Bytes &image) {
  ImageShape shape;
  return check(image, shape);
}

std::uint32_t read32(const Bytes &image, std::size_t at) {
  std::uint32_t value;
  std::memcpy(&value, image.data() + at, 4);
  return value;
}
void write32(Bytes &image, std::size_t at, std::uint32_t value) { std::memcpy(image.data() + at, &value, 4); }
// As somebody who knows the format would forge a header.
void sign_header(Bytes &image) {
  const std::uint32_t end = read32(image, 12) - 4;
  write32(image, end, akv::crc32c(0, image.data(), end));
}

}  // namespace

TEST_CASE("image format: E7 what was sealed reads back, for one token and many, one plane and many") {
  for (const std::uint32_t tokens : {1u, 2u, 15u, 16u, 17u, 300u})
    for (const Geometry &its : {small_geometry(), geometry({{AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, 576, 0, 0}}, 3),
                                geometry({{AKV_PLANE_KEYS, AKV_DTYPE_I4, 2, 7, 3, 0}}, 1)}) {
      const Bytes image = make(its, tokens);
      ImageShape shape;
      REQUIRE(check(image, shape) == AKV_OK);
      CHECK((shape.num_tokens() == tokens && shape.image_bytes() == image.size()));
      CHECK(shape.payload_bytes() == its.bytes_per_token() * tokens);
      CHECK((shape.payload_offset() % 64 == 0 && shape.tokens_offset() % 64 == 0));
      CHECK(shape.check_geometry(its) == AKV_OK);
      CHECK(shape.known_tokens(image.data()) == tokens);
      std::vector<std::int32_t> ids(tokens);
      shape.read_tokens(image.data(), 0, tokens, ids.data());
      CHECK((ids.front() == 1000 && ids.back() == static_cast<std::int32_t>(999 + tokens)));
      CHECK(shape.label[9] == 63);
    }
}

TEST_CASE("image format: E7 equal contents make equal images, whatever the buffer held") {
  const Bytes image = make(small_geometry(), 5);
  ImageShape shape;
  REQUIRE(shape.read(image.data(), image.size()) == AKV_OK);
  Bytes again(image.size(), 0x11);
  std::memcpy(again.data() + shape.tokens_offset(), image.data() + shape.tokens_offset(), 5 * 4);
  std::memcpy(again.data() + shape.payload_offset(), image.data() + shape.payload_offset(), shape.payload_bytes());
  shape.seal(again.data());
  CHECK(again == image);
}

TEST_CASE("image format: E7 truncated at every length, and extended, it is BAD_IMAGE") {
  Bytes image = make(small_geometry(), 20);
  for (std::size_t length = 0; length < image.size(); ++length) {
    const Bytes cut(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(length));
    Bytes padded = cut;  // a file whose length was kept, and its end lost
    padded.resize(image.size());
    ImageShape shape;
    unsigned char none = 0;
    REQUIRE(shape.read(length == 0 ? &none : cut.data(), length) == AKV_ERROR_BAD_IMAGE);
    if (padded != image) REQUIRE(check(padded) == AKV_ERROR_BAD_IMAGE);
  }
  image.push_back(0);
  CHECK(check(image) == AKV_ERROR_BAD_IMAGE);
  CHECK(last_error().find("the image ends at byte") != std::string::npos);
}

TEST_CASE("image format: E7 every single bit matters: each one flipped is BAD_IMAGE") {
  Bytes image = make(small_geometry(), 20);
  REQUIRE(check(image) == AKV_OK);
  for (std::size_t bit = 0; bit < image.size() * 8; ++bit) {
    image[bit / 8] = static_cast<unsigned char>(image[bit / 8] ^ 1u << bit % 8);
    INFO("bit " << bit % 8 << " of byte " << bit / 8);
    REQUIRE(check(image) == AKV_ERROR_BAD_IMAGE);
    image[bit / 8] = static_cast<unsigned char>(image[bit / 8] ^ 1u << bit % 8);
  }
  CHECK(check(image) == AKV_OK);
}

TEST_CASE("image format: E7 sound chunks in another's place, or another image's, are BAD_IMAGE") {
  const Bytes image = make(small_geometry(), 20);
  ImageShape shape;
  REQUIRE(check(image, shape) == AKV_OK);
  const std::size_t table = read32(image, 12), chunks = read32(image, 32), first = shape.tokens_offset();
  REQUIRE(chunks > 4);
  const auto put = [&](Bytes &to, std::size_t at, const Bytes &from, std::size_t from_at, bool with_checksum) {
    std::memcpy(to.data() + first + at * 64, from.data() + first + from_at * 64, 64);
    if (with_checksum) write32(to, table + at * 4, read32(from, table + from_at * 4));
  };
  const auto sign_table = [&](Bytes &to) {
    write32(to, first - 4, akv::crc32c(read32(to, table - 4), to.data() + table, first - 4 - table));
  };
  Bytes other = make(small_geometry(), 20);
  for (std::uint64_t i = shape.payload_offset(); i < other.size(); ++i) other[i] = static_cast<unsigned char>(i * 17);
  shape.seal(other.data());
  for (std::size_t a = 0; a + 1 < chunks - 1; ++a) {
    Bytes swapped = image;
    put(swapped, a, image, a + 1, true);
    put(swapped, a + 1, image, a, true);
    CHECK(check(swapped) == AKV_ERROR_BAD_IMAGE);
    sign_table(swapped);  // even with a table that says so: a chunk knows its number
    CHECK(check(swapped) == AKV_ERROR_BAD_IMAGE);
    Bytes mixed = image;
    put(mixed, a + 1, other, a + 1, true);
    if (mixed != image) CHECK(check(mixed) == AKV_ERROR_BAD_IMAGE);
  }
  // A header that is sound, of the same size, and another one's: the table knows its header.
  Bytes relabelled = image;
  relabelled[64] ^= 1;
  sign_header(relabelled);
  CHECK(check(relabelled) == AKV_ERROR_BAD_IMAGE);
  CHECK(last_error().find("the table of checksums is damaged: byte") != std::string::npos);
}

TEST_CASE(
    "image format: E7 huge and absurd counts under a right checksum are BAD_IMAGE before anything is looped over") {
  const Bytes image = make(small_geometry(), 20);
  struct Field {
    std::size_t at;
    std::uint32_t bad[6];
  };
  const Field fields[] = {
      {16, {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}},  // bytes of the image, lower half
      {20, {1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}},  // upper half
      {28, {0, 1, 63, 65, 0x2000000, 0xffffffff}},                   // chunk bytes
      {32, {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}},  // chunks
      {36, {0, 1, 21, 0x7fffffff, 0x80000000, 0xffffffff}},          // tokens
      {40, {0, 1, 3, 65535, 65536, 0xffffffff}},                     // layers
      {44, {0, 1, 3, 64, 65, 0xffffffff}},                           // planes
      {48, {0, 2, 3, 4, 0x80000000, 0xffffffff}},                    // rule
      {52, {1, 2, 3, 4, 0x80000000, 0xffffffff}},                    // unused
      {128, {0, 4, 5, 64, 0x80000000, 0xffffffff}},                  // role
      {132, {0, 7, 8, 64, 0x80000000, 0xffffffff}},                  // dtype
      {136, {0, 1, 3, 65535, 65536, 0xffffffff}},                    // heads
      {140, {0, 1, 4, 65535, 65536, 0xffffffff}},                    // dim
      {144, {0, 1, 5, 65535, 65536, 0xffffffff}},                    // scale bytes
      {148, {1, 2, 3, 4, 0x80000000, 0xffffffff}},                   // unused
  };
  for (const Field &field : fields)
    for (const std::uint32_t value : field.bad) {
      Bytes forged = image;
      write32(forged, field.at, value);
      sign_header(forged);
      INFO("byte " << field.at << " is " << value << ": " << last_error());
      ImageShape shape;
      CHECK(shape.read(forged.data(), forged.size()) == AKV_ERROR_BAD_IMAGE);
    }
}

TEST_CASE("image format: E7 a header of any size is BAD_IMAGE or holds what it says, also under a right checksum") {
  const Bytes image = make(small_geometry(), 200);
  for (std::uint32_t header = 0; header < 5000; header += 4) {
    Bytes forged = image;
    write32(forged, 12, header);
    if (header >= 132 && header <= forged.size()) sign_header(forged);
    if (header != read32(image, 12)) CHECK(check(forged) == AKV_ERROR_BAD_IMAGE);
  }
}

TEST_CASE("image format: E7 a newer version, and flags of one, are UNSUPPORTED and not damage") {
  for (const std::size_t at : {8u, 24u}) {
    Bytes newer = make(small_geometry(), 20);
    write32(newer, at, 2);
    CHECK(check(newer) == AKV_ERROR_BAD_IMAGE);
    sign_header(newer);
    CHECK(check(newer) == AKV_ERROR_UNSUPPORTED);
  }
}

TEST_CASE("image format: E7 foreign files are BAD_IMAGE, and the message says what was expected") {
  for (const char *text : {"", "GGUF\3\0\0\0", "{\"model\": \"x\"}", "\x89PNG\r\n\x1a\n",
                           "\x89"
                           "AKV\n\x1a\n"}) {
    Bytes file(text, text + std::strlen(text));
    file.resize(5000, 0x20);
    CHECK(check(file) == AKV_ERROR_BAD_IMAGE);
    CHECK(last_error() == "byte 0: not the image of a sequence, which begins with 0x89 A K V");
  }
  const Bytes zeroes(100000);
  CHECK(check(zeroes) == AKV_ERROR_BAD_IMAGE);
}

TEST_CASE("image format: E7 an image of 2^64 bytes and more is OUT_OF_RANGE") {
  ImageShape shape;
  std::vector<akv_plane> planes(64, {AKV_PLANE_KEYS, AKV_DTYPE_F32, 65535, 65535, 65535, 0});
  CHECK(shape.plan(geometry(planes, 65535), AKV_MAX_SEQUENCE_TOKENS) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(shape.plan(geometry(planes, 65535), 64) == AKV_ERROR_OUT_OF_RANGE);  // chunks beyond 2^32
  CHECK(shape.plan(small_geometry(), AKV_MAX_SEQUENCE_TOKENS) == AKV_OK);
}

TEST_CASE("image format: E7 another geometry is told from its own, whatever differs") {
  const Bytes image = make(small_geometry(), 3);
  ImageShape shape;
  REQUIRE(check(image, shape) == AKV_OK);
  for (int change = 0; change < 7; ++change) {
    std::vector<akv_plane> planes = {{AKV_PLANE_KEYS, AKV_DTYPE_I8, 2, 3, 4, 0},
                                     {AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 3, 0, 0}};
    std::uint32_t layers = 2;
    if (change == 0) layers = 3;
    if (change == 1) planes.pop_back();
    if (change == 2) planes[1].role = AKV_PLANE_LATENT;
    if (change == 3) planes[1].dtype = AKV_DTYPE_BF16;
    if (change == 4) planes[0].scale_bytes = 2;
    if (change == 5) planes[1].kv_heads = 1;
    if (change == 6) planes[1].head_dim = 4;
    CHECK(shape.check_geometry(geometry(planes, layers)) == AKV_ERROR_OTHER_GEOMETRY);
  }
}
