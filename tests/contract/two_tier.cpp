// two_tier.cpp: the last tokens in full precision, all before them quantized: rows, overflow, reading back, attention.
#include "numbers.hpp"

#include <numeric>

using namespace akv::test;

namespace {

constexpr std::uint32_t kTail = 20, kSlack = 9, kRows = 3;

// A quantized store with a tail over it. NumberShape: 2 layers, 2 heads of 32, blocks of 8 tokens.
class Tiers {
 public:
  explicit Tiers(std::uint32_t format, std::uint32_t dtype = AKV_DTYPE_F32, std::uint32_t blocks = 60)
      : cache_((n.blocks = blocks, format_shape(format, n))), quantized(cache_) {
    config.dtype = dtype;
    config.tail_tokens = kTail;
    config.slack_tokens = kSlack;
    config.max_sequences = kRows;
    OK(akv_tail_create_store(quantized, &config, nullptr, &rings));
    OK(akv_tail_create(quantized, rings, &config, &tail));
  }
  ~Tiers() {
    CHECK(akv_store_destroy(rings) == AKV_ERROR_BUSY);  // the tail keeps it
    CHECK(akv_tail_destroy(tail) == AKV_OK);
    CHECK(akv_store_destroy(rings) == AKV_OK);
  }
  std::size_t width() const { return std::size_t{n.heads} * n.head_dim; }
  // A token of all layers and planes: [layer][plane][head][dim].
  Numbers token(std::uint32_t sequence, std::uint32_t position) const {
    return random_numbers(n.layers * 2 * width(), 1000 * sequence + position);
  }
  akv_tail_info info() const {
    akv_tail_info info = AKV_TAIL_INFO_INIT;
    OK(akv_tail_read_info(tail, &info));
    return info;
  }

  NumberShape n;

 private:
  const KvCache cache_;

 public:
  const KvStore quantized;
  akv_tail_config config = AKV_TAIL_CONFIG_INIT;
  akv_store *rings = nullptr;
  akv_tail *tail = nullptr;
};

// A sequence that grows: its row, its blocks in the quantized store, and what was written.
struct Growing {
  Growing(Tiers &of, std::uint32_t number, std::uint32_t first_block) : tiers(of), id(number) {
    blocks.resize(20);
    std::iota(blocks.begin(), blocks.end(), static_cast<std::int32_t>(first_block));
    OK(akv_tail_open(tiers.tail, 0, &row));
  }
  void append(std::uint32_t count, akv_stream *stream) {
    for (; count != 0; --count, ++length) {
      std::int64_t slot = 0;
      OK(akv_tail_read_slots(tiers.tail, &row, &length, 1, &slot));
      written.push_back(tiers.token(id, length));
      for (std::uint32_t layer = 0; layer < tiers.n.layers; ++layer) {
        akv_token_data planes[2] = {};
        for (std::uint32_t plane = 0; plane < 2; ++plane) {
          planes[plane].data = &written.back()[(std::size_t{layer} * 2 + plane) * tiers.width()];
          planes[plane].plane = plane;
          planes[plane].dtype = AKV_DTYPE_F32;
        }
        OK(akv_copy_write_tokens(tiers.rings, layer, &slot, 1, planes, 2, sizeof planes[0], stream));
      }
      if (stream != nullptr) OK(akv_stream_wait(stream, AKV_POINT_ALL, 60'000'000'000u));
    }
  }
  akv_overflow overflow(std::uint32_t keep = AKV_UNSET) const {
    return {row, blocks.data(), static_cast<std::uint32_t>(blocks.size()), length, keep, 0};
  }
  // [layer][plane][token][head][dim] of tokens first .. end - 1 as they were written.
  Numbers packed(std::uint32_t first, std::uint32_t end) const {
    Numbers all;
    for (std::uint32_t unit = 0; unit < tiers.n.layers * 2; ++unit)
      for (std::uint32_t t = first; t < end; ++t)
        all.insert(all.end(), written[t].begin() + static_cast<std::ptrdiff_t>(unit * tiers.width()),
                   written[t].begin() + static_cast<std::ptrdiff_t>((unit + 1) * tiers.width()));
    return all;
  }

  Tiers &tiers;
  std::uint32_t id, length = 0;
  akv_tail_row row = 0;
  std::vector<std::int32_t> blocks;
  std::vector<Numbers> written;
};

}  // namespace

TEST_CASE("two_tier: D5 whole blocks older than the tail are quantized as a scatter would, the tail stays exact") {
  for (const std::uint32_t format : {AKV_FORMAT_I8, AKV_FORMAT_I4, AKV_FORMAT_K8V4, AKV_FORMAT_F8, AKV_FORMAT_BF16})
    for (const int workers : {-1, 2}) {
      INFO("format " << format << ", " << workers << " workers");
      Tiers tiers(format);
      const KvStream stream(workers);
      std::vector<Growing> all;
      for (std::uint32_t i = 0; i < kRows; ++i) all.emplace_back(tiers, i, 1 + 20 * i);
      std::uint64_t converted = 0;
      for (std::uint32_t step = 0; step < 14; ++step) {
        std::vector<akv_overflow> rows;
        for (Growing &one : all) {
          one.append(1 + (step + one.id) % 8, stream);
          rows.push_back(one.overflow());
        }
        std::uint32_t stored[kRows];
        OK(akv_copy_overflow(tiers.tail, rows.data(), kRows, sizeof rows[0], stored, stream));
        stream.wait();
        for (const Growing &one : all) {
          const std::uint32_t wanted = one.length > kTail ? (one.length - kTail) / 8 * 8 : 0;
          REQUIRE(stored[one.id] == wanted);
        }
        converted = stored[0] + stored[1] + stored[2];
      }
      CHECK(tiers.quantized.stats(AKV_MOVED_CONVERTED).bytes == tiers.quantized.bytes_per_token() * converted);

      // The same tokens, scattered into a store of their own.
      Tiers fresh(format);
      for (const Growing &one : all) {
        const std::uint32_t stored = (one.length - kTail) / 8 * 8;
        scatter(fresh.quantized, one.blocks, one.packed(0, stored), stored);
        Numbers both(std::size_t{one.length} * tiers.n.layers * 2 * tiers.width());
        const akv_overflow row = one.overflow();
        OK(akv_copy_read_tiers(tiers.tail, &row, sizeof row, AKV_DTYPE_F32, both.data(), both.size() * sizeof(float),
                               stream));
        stream.wait();
        const Numbers quantized = gathered(fresh.quantized, one.blocks, stored), tail = one.packed(stored, one.length);
        const std::size_t width = tiers.width(), unit = one.length * width;
        for (std::size_t u = 0; u < tiers.n.layers * 2; ++u) {
          REQUIRE(std::equal(quantized.begin() + static_cast<std::ptrdiff_t>(u * stored * width),
                             quantized.begin() + static_cast<std::ptrdiff_t>((u + 1) * stored * width),
                             both.begin() + static_cast<std::ptrdiff_t>(u * unit)));
          REQUIRE(std::equal(tail.begin() + static_cast<std::ptrdiff_t>(u * (one.length - stored) * width),
                             tail.begin() + static_cast<std::ptrdiff_t>((u + 1) * (one.length - stored) * width),
                             both.begin() + static_cast<std::ptrdiff_t>(u * unit + stored * width)));
        }
      }
      CHECK(fresh.quantized.everything() == tiers.quantized.everything());
    }
}

TEST_CASE("two_tier: D5 attention over both tiers is attention over what both hold") {
  for (const std::uint32_t format : {AKV_FORMAT_I8, AKV_FORMAT_I4}) {
    INFO("format " << format);
    Tiers tiers(format, AKV_DTYPE_BF16);
    Growing one(tiers, 0, 1);
    std::uint32_t stored = 0;
    for (int step = 0; step < 9; ++step) {
      one.append(7, nullptr);
      const akv_overflow row = one.overflow();
      OK(akv_copy_overflow(tiers.tail, &row, 1, sizeof row, &stored, nullptr));
    }
    const std::uint32_t ring = tiers.info().ring_blocks;
    std::vector<std::int32_t> table(ring + 1);
    std::uint32_t first = 0;
    OK(akv_tail_read_tables(tiers.tail, &one.row, 1, table.data(), ring + 1, &first));
    CHECK(first == stored);
    CHECK(table[ring] == AKV_NULL_BLOCK);
    const std::uint32_t in_tail = one.length - stored;
    const akv_attention_part parts[2] = {
        {tiers.quantized, one.blocks.data(), 20, &stored, nullptr, nullptr, nullptr},
        {tiers.rings, table.data(), static_cast<std::int64_t>(ring + 1), &in_tail, &first, nullptr, nullptr}};
    const Numbers query = random_numbers(2 * 32, 4);
    Numbers out(2 * 32);
    const akv_attention call = attention_call(parts, 2, 2, query.data(), out.data());
    OK(akv_attention_decode(&call, nullptr));
    Numbers both(std::size_t{one.length} * 4 * tiers.width());
    const akv_overflow row = one.overflow();
    OK(akv_copy_read_tiers(tiers.tail, &row, sizeof row, AKV_DTYPE_F32, both.data(), both.size() * sizeof(float),
                           nullptr));
    for (std::uint32_t head = 0; head < 2; ++head) {
      Seen seen;
      for (std::uint32_t t = 0; t < one.length; ++t) {
        const float *key = &both[t * tiers.width() + head * 32];
        double score = 0;
        for (std::uint32_t e = 0; e < 32; ++e) score += double{query[head * 32 + e]} * key[e];
        seen.scores.push_back(score / std::sqrt(32.0));
        seen.values.push_back(key + one.length * tiers.width());
      }
      CHECK(difference(attended(seen, 32).out, &out[head * 32]) <= 1e-5);
    }
  }
}

TEST_CASE("two_tier: D5 a row opens behind whole stored blocks, is closed once, and its ring has an end") {
  Tiers tiers(AKV_FORMAT_I8);
  const akv_tail_info info = tiers.info();
  CHECK(info.ring_blocks == (kTail + 7 + kSlack + 7) / 8);
  CHECK(info.block_tokens == 8);
  akv_tail_row row = 0, other = 0, last = 0, none = 0;
  CHECK(akv_tail_open(tiers.tail, 5, &row) == AKV_ERROR_INVALID_ARGUMENT);
  OK(akv_tail_open(tiers.tail, 16, &row));
  OK(akv_tail_open(tiers.tail, 0, &other));
  OK(akv_tail_open(tiers.tail, 0, &last));
  CHECK(akv_tail_open(tiers.tail, 0, &none) == AKV_ERROR_NO_SEQUENCES);
  CHECK(tiers.info().open_rows == 3);
  const auto slot = [&](std::uint32_t position) {
    std::int64_t out = -1;
    const akv_status status = akv_tail_read_slots(tiers.tail, &row, &position, 1, &out);
    return status == AKV_OK ? out : std::int64_t{status};
  };
  CHECK(slot(15) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(slot(16) > 0);
  CHECK(slot(16 + 8 * info.ring_blocks - 1) > 0);
  CHECK(slot(16 + 8 * info.ring_blocks) == AKV_ERROR_OUT_OF_RANGE);
  OK(akv_tail_close(tiers.tail, row));
  CHECK(akv_tail_close(tiers.tail, row) == AKV_ERROR_BAD_HANDLE);
  CHECK(slot(16) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_tail_close(tiers.tail, 0) == AKV_ERROR_BAD_HANDLE);
  akv_tail_row again = 0;
  OK(akv_tail_open(tiers.tail, 0, &again));
  CHECK(again != row);
  CHECK(tiers.info().open_rows == 3);
}

TEST_CASE("two_tier: D5 an overflow that can't be is refused, and nothing is stored") {
  Tiers tiers(AKV_FORMAT_I8);
  Growing one(tiers, 0, 1);
  one.append(30, nullptr);
  const ByteString before = tiers.quantized.everything();
  const auto refused = [&](akv_status status, auto bend) {
    akv_overflow rows[2] = {one.overflow(), one.overflow()};
    std::uint32_t count = 1, stored[2] = {77, 77};
    bend(rows, count);
    CHECK(akv_copy_overflow(tiers.tail, rows, count, sizeof rows[0], stored, nullptr) == status);
    CHECK(stored[0] == 77);
    CHECK(tiers.quantized.everything() == before);
  };
  using Rows = akv_overflow(&)[2];
  const std::int32_t bad[20] = {99}, null[20] = {};
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Rows, std::uint32_t &count) { count = 2; });  // a row twice
  refused(AKV_ERROR_OUT_OF_RANGE, [](Rows rows, std::uint32_t &) { rows[0].length = 1000; });
  refused(AKV_ERROR_OUT_OF_RANGE, [](Rows rows, std::uint32_t &) { rows[0].num_blocks = 0; });
  refused(AKV_ERROR_OUT_OF_RANGE, [&](Rows rows, std::uint32_t &) { rows[0].blocks = bad; });
  refused(AKV_ERROR_OUT_OF_RANGE, [&](Rows rows, std::uint32_t &) { rows[0].blocks = null; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Rows rows, std::uint32_t &) { rows[0].blocks = nullptr; });
  refused(AKV_ERROR_BAD_HANDLE, [](Rows rows, std::uint32_t &) { rows[0].row = 0; });
  refused(AKV_ERROR_UNSUPPORTED, [](Rows rows, std::uint32_t &) { rows[0].unused = 1; });
  std::uint32_t stored = 0;
  akv_overflow everything = one.overflow(0);
  OK(akv_copy_overflow(tiers.tail, &everything, 1, sizeof everything, &stored, nullptr));
  CHECK(stored == 24);
  everything.blocks = nullptr;  // nothing is left to be moved
  everything.num_blocks = 0;
  OK(akv_copy_overflow(tiers.tail, &everything, 1, sizeof everything, &stored, nullptr));
  CHECK(stored == 24);
  everything.length = 23;
  CHECK(akv_copy_overflow(tiers.tail, &everything, 1, sizeof everything, &stored, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  float few[4];
  everything = one.overflow();
  CHECK(akv_copy_read_tiers(tiers.tail, &everything, sizeof everything, AKV_DTYPE_F32, few, sizeof few, nullptr) ==
        AKV_ERROR_BUFFER_TOO_SMALL);
  CHECK(akv_copy_read_tiers(tiers.tail, &everything, sizeof everything, AKV_DTYPE_I8, few, sizeof few, nullptr) ==
        AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("two_tier: D5 stores that do not belong together make no tail") {
  Tiers tiers(AKV_FORMAT_I8), wide(AKV_FORMAT_I8, AKV_DTYPE_BF16);
  akv_tail *tail = nullptr;
  CHECK(akv_tail_create(tiers.quantized, wide.rings, &tiers.config, &tail) == AKV_ERROR_OTHER_GEOMETRY);
  CHECK(akv_tail_create(tiers.quantized, tiers.quantized, &tiers.config, &tail) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_tail_create(tiers.quantized, tiers.rings, &tiers.config, &tail) == AKV_ERROR_BUSY);  // has one
  akv_tail_config config = tiers.config;
  config.dtype = AKV_DTYPE_I8;
  CHECK(akv_tail_create(tiers.quantized, tiers.rings, &config, &tail) == AKV_ERROR_INVALID_ARGUMENT);
  akv_store *rings = nullptr;
  config = tiers.config;
  config.max_sequences = 0x100000;
  CHECK(akv_tail_create_store(tiers.quantized, &config, nullptr, &rings) == AKV_ERROR_INVALID_ARGUMENT);
  akv_store_config of_store = AKV_STORE_CONFIG_INIT;
  of_store.num_heads = 1;
  CHECK(akv_tail_create_store(tiers.quantized, &tiers.config, &of_store, &rings) == AKV_ERROR_INVALID_ARGUMENT);
}
