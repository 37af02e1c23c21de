// number_edges.cpp: K/V as numbers at the edges: memory at any address, numbers that are none, and places so far into a
// store that 32 bits do not reach them. In bytes that are touched only where they are used.
#include "numbers.hpp"

#include <cstring>
#include <limits>

using namespace akv::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

// Slots of tokens 0 .. count - 1 in blocks from `first` on.
std::vector<std::int64_t> slots_from(std::int64_t first_block, std::uint32_t count, std::uint32_t block_tokens) {
  std::vector<std::int64_t> slots(count);
  for (std::uint32_t i = 0; i < count; ++i) slots[i] = first_block * block_tokens + i;
  return slots;
}

// All of one plane, whichever way the numbers go.
akv_token_data numbers_of(std::uint32_t plane, void *data, std::uint32_t dtype, std::int64_t token_stride = 0) {
  akv_token_data side{};
  side.data = data;
  side.token_stride = token_stride;
  side.plane = plane;
  side.dtype = dtype;
  return side;
}

Numbers read_back(const KvStore &store, std::uint32_t plane, const std::vector<std::int64_t> &slots,
                  std::uint32_t width) {
  Numbers numbers(slots.size() * width);
  akv_token_data side = numbers_of(plane, numbers.data(), AKV_DTYPE_F32);
  OK(akv_copy_read_tokens(store, 0, slots.data(), static_cast<std::uint32_t>(slots.size()), &side, 1, sizeof side,
                          nullptr));
  return numbers;
}

}  // namespace

TEST_CASE("copy: A11 E8 numbers and queries lie at any address, with any stride, and become the same bytes") {
  const NumberShape n{1, 2, 32, 6, 8};
  const std::uint32_t width = n.heads * n.head_dim, tokens = 19, kept = 3;  // odd bytes from one token to the next
  const auto slots = slots_from(2, tokens, n.block_tokens);
  for (const std::uint32_t format : kFormats) {
    if (format == AKV_FORMAT_I4) continue;  // its keys are scattered whole
    const KvCache cache(format_shape(format, n));
    const KvStore even(cache), odd(cache);
    for (const std::uint32_t dtype : {AKV_DTYPE_F32, AKV_DTYPE_F16, AKV_DTYPE_BF16})
      for (std::size_t shift = 1; shift < 4; ++shift) {
        const std::size_t row = width * (dtype == AKV_DTYPE_F32 ? 4 : 2);
        ByteString packed(row * tokens);
        std::mt19937 random(format * 16 + dtype);
        for (Byte &byte : packed) byte = static_cast<Byte>(random() & 0x3f);  // no exponent is all ones
        Guarded apart(shift + (row + kept) * tokens);
        for (std::uint32_t plane = 0; plane < 2; ++plane) {
          for (std::uint32_t t = 0; t < tokens; ++t)
            std::memcpy(apart.data() + shift + t * (row + kept), &packed[t * row], row);
          akv_token_data sides[2] = {numbers_of(plane, packed.data(), dtype),
                                     numbers_of(plane, apart.data() + shift, dtype, std::int64_t(row + kept))};
          OK(akv_copy_write_tokens(even, 0, slots.data(), tokens, &sides[0], 1, sizeof sides[0], nullptr));
          OK(akv_copy_write_tokens(odd, 0, slots.data(), tokens, &sides[1], 1, sizeof sides[0], nullptr));
          ByteString back(packed.size(), 0xee);
          sides[0].data = back.data();
          std::memset(apart.data(), 0xee, apart.size());
          OK(akv_copy_read_tokens(even, 0, slots.data(), tokens, &sides[0], 1, sizeof sides[0], nullptr));
          OK(akv_copy_read_tokens(odd, 0, slots.data(), tokens, &sides[1], 1, sizeof sides[0], nullptr));
          for (std::uint32_t t = 0; t < tokens; ++t)
            CHECK(std::memcmp(apart.data() + shift + t * (row + kept), &back[t * row], row) == 0);
        }
        INFO("format " << format << " dtype " << dtype << " shift " << shift);
        const bool same = even.everything() == odd.everything();
        CHECK(same);

        const std::int32_t table[] = {2, 3, 4};
        const akv_attention_part part = {even, table, 3, &tokens, nullptr, nullptr, nullptr};
        Guarded query(row * 2 + shift), out(row * 2 + shift);
        ByteString plain_query(row * 2, 0x3d), plain_out(row * 2);
        std::memcpy(query.data() + shift, plain_query.data(), plain_query.size());
        akv_attention call = attention_call(&part, 1, 2 * n.heads, plain_query.data(), plain_out.data());
        call.dtype = dtype;
        OK(akv_attention_decode(&call, nullptr));
        call.query = query.data() + shift, call.out = out.data() + shift;
        OK(akv_attention_decode(&call, nullptr));
        CHECK(std::memcmp(out.data() + shift, plain_out.data(), plain_out.size()) == 0);
      }
  }
}

TEST_CASE("copy: D5 what is not a number stays so or is 0, infinity is the largest, and neighbours never notice") {
  const NumberShape n{1, 2, 32, 4, 8};
  const std::uint32_t width = n.heads * n.head_dim;
  const auto slots = slots_from(1, 3, n.block_tokens);
  for (const std::uint32_t format : kFormats) {
    const KvCache cache(format_shape(format, n));
    const KvStore clean(cache), spoiled(cache);
    const Numbers good = random_numbers(std::size_t{3} * width, format);
    Numbers bad = good;
    bad[width + 5] = kNan;  // token 1, head 0
    bad[width + 40] = kInfinity;
    bad[width + 41] = -kInfinity;  // and head 1
    const std::uint32_t plane = format == AKV_FORMAT_I4 ? 1 : 0;
    for (const auto &[store, numbers] : {std::pair{&clean, good}, std::pair{&spoiled, bad}}) {
      Numbers data = numbers;
      const akv_token_data side = numbers_of(plane, data.data(), AKV_DTYPE_F32);
      OK(akv_copy_write_tokens(*store, 0, slots.data(), 3, &side, 1, sizeof side, nullptr));
    }
    const Numbers want = read_back(clean, plane, slots, width), got = read_back(spoiled, plane, slots, width);
    const std::uint32_t dtype = cache.shape.planes[plane].dtype;
    INFO("format " << format);
    for (std::size_t i = 0; i < want.size(); ++i)
      if (i < width || i >= 2 * std::size_t{width}) CHECK(got[i] == want[i]);
    if (dtype == AKV_DTYPE_I8) CHECK(got[width + 5] == 0);
    else if (dtype == AKV_DTYPE_I4) CHECK(std::isfinite(got[width + 5]));
    else CHECK(std::isnan(got[width + 5]));
    float most = 0, least = 0;
    for (std::uint32_t e = n.head_dim; e < width; ++e) {
      most = std::max(most, got[width + e]);
      least = std::min(least, got[width + e]);
    }
    CHECK((got[width + 40] == most && got[width + 41] == least));
    const bool numbers = dtype <= AKV_DTYPE_BF16;
    CHECK(std::isinf(most) == numbers);
    for (std::uint32_t e = 0; e < n.head_dim; ++e)  // its own head: within its format all the same
      if (e != 5) CHECK(std::abs(double{got[width + e]} - double{good[width + e]}) <= 0.35);
  }
}

TEST_CASE("copy: A11 E8 what lies beyond 2^31 elements and 2^32 bytes is written, copied and attended where it is") {
  const NumberShape n{1, 8, 128, 140'000, 16};  // 2.3e9 elements of each plane
  const std::uint32_t width = n.heads * n.head_dim, tokens = 20;
  const std::int32_t last = static_cast<std::int32_t>(n.blocks), table[] = {last - 1, last}, low[] = {5, 6};
  for (const std::uint32_t format : {AKV_FORMAT_BF16, AKV_FORMAT_I8})
    for (const std::uint32_t layout : {AKV_LAYOUT_LAYER_OUTER, AKV_LAYOUT_BLOCK_OUTER}) {
      const KvCache cache(format_shape(format, n));
      const KvStore store(cache, [&](akv_store_config &config) {
        config.layout = layout;
        config.flags = AKV_STORE_SMALL_PAGES;
      });
      Numbers numbers = random_numbers(std::size_t{tokens} * width, format);
      const auto high_slots = slots_from(last - 1, tokens, n.block_tokens);
      akv_token_data sides[2] = {numbers_of(0, numbers.data(), AKV_DTYPE_F32),
                                 numbers_of(1, numbers.data(), AKV_DTYPE_F32)};
      OK(akv_copy_write_tokens(store, 0, high_slots.data(), tokens, sides, 2, sizeof sides[0], nullptr));
      OK(akv_copy_blocks(store, table, store, low, 2, 0, nullptr));
      INFO("format " << format << " layout " << layout);
      const Numbers high = read_back(store, 1, high_slots, width);
      CHECK(high == read_back(store, 1, slots_from(5, tokens, n.block_tokens), width));
      for (std::size_t i = 0; i < high.size(); ++i)
        if (std::abs(high[i] - numbers[i]) > 0.05f) FAIL("number " << i << ": " << high[i] << ", not " << numbers[i]);

      Numbers query = random_numbers(width, 7), out[2] = {Numbers(width), Numbers(width)};
      for (const int which : {0, 1}) {
        const akv_attention_part part = {store, which == 0 ? table : low, 2, &tokens, nullptr, nullptr, nullptr};
        const akv_attention call = attention_call(&part, 1, n.heads, query.data(), out[which].data());
        OK(akv_attention_decode(&call, nullptr));
      }
      CHECK(out[0] == out[1]);
    }
}
