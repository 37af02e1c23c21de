// copy_formats.cpp: K/V that become something else on the way: tokens, spans and blocks, in every format and layout.
#include "numbers.hpp"

#include <numeric>

using namespace akv::test;

namespace {

std::vector<std::int32_t> some_blocks(std::uint32_t count, std::uint32_t of, std::uint32_t seed) {
  std::vector<std::int32_t> blocks(of);
  std::iota(blocks.begin(), blocks.end(), 1);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
  blocks.resize(count);
  return blocks;
}

std::int64_t slot_of(const std::vector<std::int32_t> &blocks, std::uint32_t token, std::uint32_t block_tokens) {
  return std::int64_t{blocks[token / block_tokens]} * block_tokens + token % block_tokens;
}

// Where (layer, plane, token, head) begins in packed numbers.
std::size_t place(const NumberShape &n, std::uint32_t tokens, std::uint32_t layer, std::uint32_t plane,
                  std::uint32_t token, std::uint32_t head) {
  return (((std::size_t{layer} * 2 + plane) * tokens + token) * n.heads + head) * n.head_dim;
}

Numbers head_scales_of(const NumberShape &n, const KvShape &shape) {
  const bool static_scales = shape.planes[0].scaling == AKV_SCALING_HEAD;
  return Numbers(std::size_t{n.layers} * 2 * n.heads, static_scales ? 4.5f / 448 : 1.0f);
}

void write_tokens(akv_store *store, const NumberShape &n, const KvShape &shape, Numbers &numbers, std::uint32_t tokens,
                  const std::vector<std::int64_t> &slots, Numbers &scales, akv_stream *stream) {
  for (std::uint32_t layer = 0; layer < n.layers; ++layer) {
    akv_token_data planes[2] = {};
    for (std::uint32_t plane = 0; plane < 2; ++plane) {
      planes[plane].data = &numbers[place(n, tokens, layer, plane, 0, 0)];
      planes[plane].plane = plane;
      planes[plane].dtype = AKV_DTYPE_F32;
      if (shape.planes[plane].scaling == AKV_SCALING_HEAD)
        planes[plane].scales = &scales[(std::size_t{layer} * 2 + plane) * n.heads];
    }
    OK(akv_copy_write_tokens(store, layer, slots.data(), tokens, planes, 2, sizeof planes[0], stream));
  }
}

void check_errors(const NumberShape &n, const KvShape &shape, const Numbers &written, const Numbers &back,
                  std::uint32_t tokens, std::uint32_t shared_tokens) {
  for (std::uint32_t layer = 0; layer < n.layers; ++layer)
    for (std::uint32_t plane = 0; plane < 2; ++plane)
      for (std::uint32_t token = 0; token < tokens; ++token)
        for (std::uint32_t head = 0; head < n.heads; ++head) {
          const float *x = &written[place(n, tokens, layer, plane, token, head)];
          const float *y = &back[place(n, tokens, layer, plane, token, head)];
          const bool channel = shape.planes[plane].scaling == AKV_SCALING_CHANNEL;
          float largest = 0, low = INFINITY, high = -INFINITY;
          for (std::uint32_t e = 0; e < n.head_dim; ++e) largest = std::max(largest, std::abs(x[e]));
          for (std::uint32_t e = 0; e < n.head_dim; ++e) {
            if (channel || e % 32 == 0) low = INFINITY, high = -INFINITY;
            const auto see = [&](float number) {
              low = std::min(low, number);
              high = std::max(high, number);
            };
            if (channel) {
              const std::uint32_t first = token / shared_tokens * shared_tokens;
              for (std::uint32_t t = first; t < first + shared_tokens; ++t)
                see(written[place(n, tokens, layer, plane, t, head) + e]);
            } else {
              for (std::uint32_t k = e / 32 * 32; k < std::min(n.head_dim, e / 32 * 32 + 32); ++k) see(x[k]);
            }
            const double spread = high - low + std::abs(low) / 64.0;  // the lowest is rounded down to bfloat16
            if (std::abs(double{x[e]} - y[e]) > error_bound(shape.planes[plane], x[e], largest, spread) + 1e-12)
              FAIL("layer " << layer << " plane " << plane << " token " << token << " head " << head << " element " << e
                            << ": " << x[e] << " became " << y[e]);
          }
        }
}

}  // namespace

TEST_CASE("copy: D5 E7 numbers come back within their format's error, by tokens and by spans, with the same bytes") {
  const NumberShape n;
  for (const std::uint32_t format : kFormats) {
    const KvShape shape = format_shape(format, n);
    for (const KvStore::Change &layout : kv_layouts(shape))
      for (const int workers : {-1, 2}) {
        INFO("format " << format << ", " << workers << " workers");
        const KvCache cache(shape);
        const KvStore store(cache, layout), other(cache, layout);
        const KvStream stream(workers);
        const std::uint32_t tokens = 5 * n.block_tokens;
        const std::vector<std::int32_t> blocks = some_blocks(5, n.blocks, format);
        Numbers numbers = random_numbers(std::size_t{n.layers} * 2 * tokens * n.heads * n.head_dim, format);
        Numbers scales = head_scales_of(n, shape);
        scatter(store, blocks, numbers, tokens, stream, scales.data());
        check_errors(n, shape, numbers, gathered(store, blocks, tokens, scales.data()), tokens,
                     std::min(32u, n.block_tokens));
        CHECK(store.stats(AKV_MOVED_SCATTER).bytes == store.bytes_per_token() * tokens);
        CHECK(store.stats(AKV_MOVED_GATHER).bytes == numbers.size() * sizeof(float));

        std::vector<std::int64_t> slots(tokens);
        for (std::uint32_t i = 0; i < tokens; ++i) slots[i] = slot_of(blocks, i, n.block_tokens);
        if (by_channel(shape)) {
          akv_token_data keys = {numbers.data(), 0, 0, nullptr, 0, 0, AKV_DTYPE_F32};
          CHECK(akv_copy_write_tokens(other, 0, slots.data(), 1, &keys, 1, sizeof keys, stream) ==
                AKV_ERROR_UNSUPPORTED);
          continue;
        }
        write_tokens(other, n, shape, numbers, tokens, slots, scales, stream);
        stream.wait();
        CHECK(other.everything() == store.everything());
        CHECK(other.stats(AKV_MOVED_WRITE).bytes == other.bytes_per_token() * tokens);
      }
  }
}

TEST_CASE("copy: D5 tokens are read back as numbers, and a negative slot leaves its place alone") {
  const NumberShape n;
  for (const std::uint32_t format : kFormats) {
    INFO("format " << format);
    const KvShape shape = format_shape(format, n);
    const KvCache cache(shape);
    const KvStore store(cache);
    const std::uint32_t tokens = 2 * n.block_tokens;
    const std::vector<std::int32_t> blocks = some_blocks(2, n.blocks, 3);
    Numbers scales = head_scales_of(n, shape);
    scatter(store, blocks, random_numbers(std::size_t{n.layers} * 2 * tokens * n.heads * n.head_dim, 7), tokens,
            nullptr, scales.data());
    const Numbers all = gathered(store, blocks, tokens, scales.data());
    std::vector<std::int64_t> slots(tokens);
    for (std::uint32_t i = 0; i < tokens; ++i) slots[i] = i % 3 == 1 ? -1 : slot_of(blocks, i, n.block_tokens);
    Numbers out(std::size_t{tokens} * n.heads * n.head_dim, -77.0f);
    akv_token_data values = {out.data(), 0, 0, nullptr, 0, 1, AKV_DTYPE_F32};
    if (shape.planes[1].scaling == AKV_SCALING_HEAD) values.scales = &scales[n.heads];
    OK(akv_copy_read_tokens(store, 0, slots.data(), tokens, &values, 1, sizeof values, nullptr));
    for (std::uint32_t i = 0; i < tokens; ++i)
      for (std::uint32_t k = 0; k < n.heads * n.head_dim; ++k)
        REQUIRE(out[std::size_t{i} * n.heads * n.head_dim + k] ==
                (slots[i] < 0 ? -77.0f : all[place(n, tokens, 0, 1, i, 0) + k]));
  }
}

TEST_CASE("copy: D5 E7 blocks become another format's, as if their numbers had been written there") {
  const NumberShape n;
  for (const std::uint32_t from_format : kFormats)
    for (const std::uint32_t to_format : kFormats) {
      INFO("from format " << from_format << " to " << to_format);
      const KvShape from_shape = format_shape(from_format, n), to_shape = format_shape(to_format, n);
      const KvCache from_cache(from_shape), to_cache(to_shape);
      const KvStore from(from_cache),
          to(to_cache, [](akv_store_config &c) { c.layout = AKV_LAYOUT_BLOCK_OUTER, c.heads = AKV_HEADS_OUTER; }),
          wanted(to_cache, [](akv_store_config &c) { c.layout = AKV_LAYOUT_BLOCK_OUTER, c.heads = AKV_HEADS_OUTER; });
      const KvStream stream((from_format + to_format) % 2 == 0 ? -1 : 2);
      const std::uint32_t tokens = 3 * n.block_tokens;
      const std::vector<std::int32_t> there = some_blocks(3, n.blocks, 1), here = some_blocks(3, n.blocks, 2);
      Numbers from_scales = head_scales_of(n, from_shape), to_scales = head_scales_of(n, to_shape);
      scatter(from, there, random_numbers(std::size_t{n.layers} * 2 * tokens * n.heads * n.head_dim, 5), tokens,
              nullptr, from_scales.data());
      OK(akv_copy_converted(from, there.data(), from_scales.data(), to, here.data(), to_scales.data(), 3, stream));
      stream.wait();
      scatter(wanted, here, gathered(from, there, tokens, from_scales.data()), tokens, nullptr, to_scales.data());
      CHECK(to.everything() == wanted.everything());
      CHECK(to.stats(AKV_MOVED_CONVERTED).bytes == to.bytes_per_token() * tokens);
      CHECK(to.stats(AKV_MOVED_CONVERTED).items == 3);
    }
}

TEST_CASE(
    "copy: D5 codes under one head's scale become codes under another's, and a shard has the scales of its heads") {
  const NumberShape n;
  const KvShape shape = format_shape(AKV_FORMAT_F8, n);
  const KvCache cache(shape);
  const KvStore whole(cache), second(cache, [](akv_store_config &c) { c.first_head = c.num_heads = 1; }), same(cache);
  const std::uint32_t width = n.heads * n.head_dim;
  Numbers from_scales, to_scales, one_scale;  // of [layer][plane][head]
  for (std::uint32_t i = 0; i < n.layers * 2 * n.heads; ++i) {
    from_scales.push_back(i % 2 == 0 ? 0.01f : 0.02f);
    to_scales.push_back(i % 2 == 0 ? 0.03f : 0.015f);
    if (i % 2 != 0) one_scale.push_back(0.025f);
  }
  const std::int32_t block = 1;
  scatter(whole, {block}, Numbers(std::size_t{n.layers} * 2 * n.block_tokens * width, 1.0f), n.block_tokens, nullptr,
          from_scales.data());
  OK(akv_copy_converted(whole, &block, from_scales.data(), same, &block, to_scales.data(), 1, nullptr));
  OK(akv_copy_converted(whole, &block, from_scales.data(), second, &block, one_scale.data(), 1, nullptr));
  for (const float x : gathered(same, {block}, n.block_tokens, to_scales.data())) REQUIRE(std::abs(x - 1) < 0.13f);
  for (const float x : gathered(second, {block}, n.block_tokens, one_scale.data())) REQUIRE(std::abs(x - 1) < 0.13f);
}

TEST_CASE("copy: D5 a conversion that can't be is refused before anything has moved") {
  const NumberShape n;
  const KvCache plain(format_shape(AKV_FORMAT_BF16, n)), channel(format_shape(AKV_FORMAT_I4, n));
  KvShape opaque_shape = format_shape(AKV_FORMAT_I8, n);
  for (akv_plane &plane : opaque_shape.planes) plane.scaling = AKV_SCALING_NONE;  // codes of the caller's own
  const KvCache opaque(opaque_shape);
  NumberShape other_dim = n;
  other_dim.head_dim = 64;
  const KvCache wide(format_shape(AKV_FORMAT_BF16, other_dim));
  const KvStore from(plain), to(channel), codes(opaque), broad(wide);
  const std::int32_t one = 1, none = 0, far = 99, both[2] = {1, 1};
  const auto convert = [](akv_store *a, const std::int32_t *from_block, akv_store *b, const std::int32_t *to_block,
                          std::uint32_t count = 1) {
    return akv_copy_converted(a, from_block, nullptr, b, to_block, nullptr, count, nullptr);
  };
  CHECK(convert(from, &one, to, &one) == AKV_OK);
  const ByteString before = to.everything();
  CHECK(convert(from, &one, from, &one) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(convert(from, &one, codes, &one) == AKV_ERROR_UNSUPPORTED);
  CHECK(convert(codes, &one, to, &one) == AKV_ERROR_UNSUPPORTED);
  CHECK(convert(broad, &one, to, &one) == AKV_ERROR_OTHER_GEOMETRY);
  CHECK(convert(from, &one, to, &none) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(convert(from, &far, to, &one) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(convert(from, both, to, both, 2) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(to.everything() == before);

  Numbers numbers(std::size_t{n.layers} * 2 * n.block_tokens * n.heads * n.head_dim);
  akv_span span{};
  span.blocks = &one;
  span.num_blocks = 1;
  span.num_tokens = n.block_tokens - 1;
  span.dtype = AKV_DTYPE_F32;
  span.data = numbers.data();
  span.bytes = numbers.size() * sizeof(float);
  CHECK(akv_copy_scatter(to, &span, 1, sizeof span, nullptr) == AKV_ERROR_UNSUPPORTED);  // not a whole block
  CHECK(akv_copy_gather(to, &span, 1, sizeof span, nullptr) == AKV_OK);
  CHECK(akv_copy_gather(codes, &span, 1, sizeof span, nullptr) == AKV_ERROR_UNSUPPORTED);
  span.dtype = AKV_DTYPE_I8;
  CHECK(akv_copy_gather(from, &span, 1, sizeof span, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  const std::int64_t slot = n.block_tokens;
  akv_token_data keys = {numbers.data(), 0, 0, numbers.data(), 0, 0, AKV_DTYPE_F16};
  CHECK(akv_copy_write_tokens(from, 0, &slot, 1, &keys, 1, sizeof keys, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(to.everything() == before);
}

TEST_CASE("copy: D5 tokens that share their scales are never copied apart") {
  const NumberShape n;
  KvShape shape = format_shape(AKV_FORMAT_I4, n);
  const KvCache cache(shape);
  const KvStore store(cache);
  akv_store *const stores[] = {store};
  akv_plan_record record{};
  record.kind = AKV_PLAN_PARTIAL;
  record.source_block = 1;
  record.target_block = 2;
  record.num_tokens = n.block_tokens - 1;
  CHECK(akv_copy_records(&record, 1, stores, 1, 0, nullptr) == AKV_ERROR_UNSUPPORTED);
  record.num_tokens = n.block_tokens;
  store.fill_with(4);
  CHECK(akv_copy_records(&record, 1, stores, 1, 0, nullptr) == AKV_OK);

  // As they are, too: codes without the scales of their block are other numbers.
  const ByteString before = store.everything();
  const std::int32_t blocks[] = {1, 2};
  ByteString bytes(n.layers * 2 * store.bytes_per_token() * n.block_tokens);
  akv_span span{};
  span.blocks = blocks;
  span.num_blocks = 2;
  span.data = bytes.data();
  span.bytes = bytes.size();
  for (const auto &[first, count] : {std::pair{0u, 1u}, {1u, n.block_tokens}, {0u, n.block_tokens + 1}}) {
    span.first_token = first, span.num_tokens = count;
    CHECK(akv_copy_scatter(store, &span, 1, sizeof span, nullptr) == AKV_ERROR_UNSUPPORTED);
    OK(akv_copy_gather(store, &span, 1, sizeof span, nullptr));
  }
  const std::int64_t slot = n.block_tokens;
  akv_token_data keys = {bytes.data(), 0, 0, bytes.data(), 0, 0, 0};
  CHECK(akv_copy_write_tokens(store, 0, &slot, 1, &keys, 1, sizeof keys, nullptr) == AKV_ERROR_UNSUPPORTED);
  OK(akv_copy_read_tokens(store, 0, &slot, 1, &keys, 1, sizeof keys, nullptr));
  CHECK(store.everything() == before);
  span.first_token = 0, span.num_tokens = 2 * n.block_tokens;
  OK(akv_copy_scatter(store, &span, 1, sizeof span, nullptr));
}

TEST_CASE("geometry: D5 a format fills in what its planes need, and a scaling that does not fit is refused") {
  akv_plane planes[2] = {{AKV_PLANE_KEYS, 0, 8, 128, 0, 0}, {AKV_PLANE_VALUES, 0, 8, 128, 0, 0}};
  const auto bytes = [&](std::uint32_t format) {
    OK(akv_planes_choose(planes, 2, sizeof planes[0], format, 16));
    return std::vector<std::uint32_t>{planes[0].scale_bytes, planes[1].scale_bytes};
  };
  using Two = std::vector<std::uint32_t>;
  CHECK(bytes(AKV_FORMAT_F32) == Two{0, 0});
  CHECK(bytes(AKV_FORMAT_BF16) == Two{0, 0});
  CHECK(bytes(AKV_FORMAT_F8) == Two{0, 0});
  CHECK(bytes(AKV_FORMAT_F8_TOKEN) == Two{32, 32});
  CHECK(bytes(AKV_FORMAT_I8) == Two{32, 32});
  CHECK(bytes(AKV_FORMAT_K8V4) == Two{32, 128});  // 4 groups of 32 elements, 4 bytes each, 8 heads
  CHECK(bytes(AKV_FORMAT_I4) == Two{256, 128});   // 128 pairs of 4 bytes for 16 tokens, 8 heads
  CHECK(planes[0].scaling == AKV_SCALING_CHANNEL);
  CHECK(akv_planes_choose(planes, 2, sizeof planes[0], 9, 16) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_planes_choose(planes, 2, sizeof planes[0], AKV_FORMAT_I4, 48) == AKV_ERROR_INVALID_ARGUMENT);
  planes[1].head_dim = 7;
  CHECK(akv_planes_choose(planes, 2, sizeof planes[0], AKV_FORMAT_K8V4, 16) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(planes[0].scaling == AKV_SCALING_CHANNEL);  // as before
}
