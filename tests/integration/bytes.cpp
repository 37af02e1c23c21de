// bytes.cpp: tests of what --store looks with: a wrong byte is found, wherever it is planted, and is told with its
// place; patterns tell tokens, beginnings, layers and planes apart; what does not fit is refused.
// It knows the parts and the public API.
#include "bytes/key_values.hpp"
#include "bytes/price.hpp"
#include "cache.hpp"
#include "error.hpp"

#include "catch.hpp"

#include <memory>

namespace {

using namespace replay;
using List = std::vector<std::int32_t>;
using Catch::Contains;

constexpr std::uint32_t kSwapBlocks = 8;

akv_cache_config small(const LayerGroup &group) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 32;
  config.block_tokens = 4;
  config.max_sequences = 8;
  config.num_swap_blocks = kSwapBlocks;
  group.describe(config);
  return config;
}

// A cache with stores, and requests through both, as a replay would take them.
struct Bench {
  Geometry geometry = keys_and_values(2, 3, 5, AKV_DTYPE_F32);
  LayerGroup group{geometry};
  Cache cache{small(group)};
  KeyValues bytes;

  explicit Bench(std::uint32_t workers = 0) : bytes(cache.get(), geometry, workers) {}

  static Request named(std::uint64_t number) { return {number, 0, 0, {}, 0}; }

  akv_created create(const List &prompt, std::uint32_t flags = AKV_SEQUENCE_PARTIAL) {
    akv_prompt description = AKV_PROMPT_INIT;
    description.tokens = prompt.data();
    description.num_tokens = static_cast<std::uint32_t>(prompt.size());
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = flags;
    akv_created created = AKV_CREATED_INIT;
    check(akv_sequence_create(cache.get(), &description, &options, &created), "akv_sequence_create");
    return created;
  }
  akv_created admit(std::uint64_t number, const List &prompt, std::uint32_t flags = AKV_SEQUENCE_PARTIAL) {
    const akv_created created = create(prompt, flags);
    bytes.admitted(named(number), prompt, created);
    return created;
  }
  void free(std::uint64_t number, akv_sequence sequence) {
    bytes.retires(number, sequence);
    check(akv_sequence_free(cache.get(), sequence), "akv_sequence_free");
  }
  std::int32_t block_of(akv_sequence sequence, std::size_t index) {
    std::int32_t table[8];
    std::uint32_t count = 0;
    check(akv_sequence_read_blocks(cache.get(), sequence, 0, table, 8, &count), "akv_sequence_read_blocks");
    return table[index];
  }
  // The byte behind the caller's back.
  void flip(std::uint32_t layer, std::uint32_t plane, std::int32_t block, std::uint32_t token, std::uint32_t byte) {
    akv_region region{};
    check(akv_store_read_region(bytes.store(), layer, plane, &region, sizeof region), "akv_store_read_region");
    static_cast<unsigned char *>(region.data)[block * region.block_stride + token * region.token_stride + byte] ^= 0x40;
  }
};

const List kPrompt{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

std::string place(std::int32_t block, const std::string &rest) { return "block " + std::to_string(block) + rest; }

}  // namespace

TEST_CASE("bytes: right bytes pass, with hits, partial hits, outputs and swaps, and what moved is what was planned") {
  const std::uint32_t workers = GENERATE(0u, 2u);
  Bench bench(workers);
  const akv_sequence first = bench.admit(0, kPrompt).sequence;
  const List prompt{1, 2, 3, 4, 5, 6, 50, 51};
  const akv_created second = bench.admit(1, prompt);
  CHECK(second.cached_tokens == 4);
  CHECK(second.partial_tokens == 2);
  CHECK(bench.bytes.totals().hits_checked_tokens == 6);

  const List output{11, 12, 13};
  std::int64_t slots[3];
  akv_batch batch = AKV_BATCH_INIT;
  const std::uint32_t count = 3;
  batch.num_sequences = 1;
  batch.sequences = &first;
  batch.num_tokens = &count;
  batch.tokens = output.data();
  batch.tokens_count = count;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slots;
  tables.slot_capacity = count;
  check(akv_sequence_append_batch(bench.cache.get(), &batch, &tables, nullptr), "akv_sequence_append_batch");
  bench.bytes.appended(Bench::named(0), first, output, slots);

  REQUIRE(bench.bytes.swap_out(1, second.sequence));
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  REQUIRE(bench.bytes.swap_in(1, second.sequence, in));
  bench.free(0, first);
  bench.free(1, second.sequence);
  CHECK(bench.bytes.totals().freed_checked_tokens == 13 + 8);
  const auto moved = bench.bytes.finish();
  std::uint64_t written = 0;
  for (const Moved &line : moved) written += line.kind == AKV_MOVED_WRITE ? line.bytes : 0;
  CHECK(written == (10 + 2 + 3) * bench.geometry.bytes_per_token());
  CHECK(written == bench.bytes.totals().bytes_written);
}

TEST_CASE("bytes: a wrong byte is told with block, token and plane when its sequence is freed") {
  Bench bench;
  const akv_sequence sequence = bench.admit(0, kPrompt).sequence;
  const std::int32_t block = bench.block_of(sequence, 1);
  const std::uint32_t plane = GENERATE(0u, 1u);
  bench.flip(1, plane, block, 2, 59);  // the last byte of the token
  CHECK_THROWS_WITH(bench.free(0, sequence),
                    Contains("request 0, before it is freed") && Contains(place(block, ", token 2 (position 6)")) &&
                        Contains(plane == 0 ? "plane 0 (keys) of layer 1" : "plane 1 (values) of layer 1") &&
                        Contains("byte 59 holds 0x"));
}

TEST_CASE("bytes: a wrong byte in a cached prefix is found at the hit, whoever wrote it") {
  Bench bench;
  const akv_sequence sequence = bench.admit(0, kPrompt).sequence;
  bench.free(0, sequence);
  const akv_created created = bench.create(kPrompt);
  REQUIRE(created.cached_tokens == 8);
  const std::int32_t block = bench.block_of(created.sequence, 0);
  bench.flip(0, 0, block, 3, 0);
  CHECK_THROWS_WITH(
      bench.bytes.admitted(Bench::named(1), kPrompt, created),
      Contains("request 1, at its hit") && Contains(place(block, ", token 3 (position 3), plane 0 (keys) of layer 0")));
}

TEST_CASE("bytes: a wrong byte that a plan copies is found behind the copy, in its target") {
  Bench bench;
  const akv_sequence sequence = bench.admit(0, kPrompt).sequence;
  const List prompt{1, 2, 3, 4, 5, 6, 50, 51};
  const akv_created created = bench.create(prompt);
  REQUIRE(created.partial_tokens == 2);
  bench.flip(1, 1, bench.block_of(sequence, 1), 1, 7);
  const std::int32_t target = bench.block_of(created.sequence, 1);
  CHECK_THROWS_WITH(
      bench.bytes.admitted(Bench::named(1), prompt, created),
      Contains("after its partial hit") && Contains(place(target, ", token 1 (position 5), plane 1 (values)")));
}

TEST_CASE("bytes: a wrong byte that goes to the swap blocks is found there") {
  Bench bench;
  const akv_sequence sequence = bench.admit(0, kPrompt, AKV_SEQUENCE_NO_PUBLISH).sequence;
  bench.flip(0, 1, bench.block_of(sequence, 2), 0, 0);
  CHECK_THROWS_WITH(bench.bytes.swap_out(0, sequence),
                    Contains("in its swap blocks") && Contains(", token 0 (position 8), plane 1 (values) of layer 0"));
}

TEST_CASE("bytes: a wrong byte that is shared again after a swap is found when the request is back") {
  Bench bench;
  const akv_sequence sequence = bench.admit(0, kPrompt).sequence;
  const std::int32_t block = bench.block_of(sequence, 0);
  REQUIRE(bench.bytes.swap_out(0, sequence));
  bench.flip(0, 0, block, 0, 1);
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  CHECK_THROWS_WITH(bench.bytes.swap_in(0, sequence, in),
                    Contains("back from its swap blocks") && Contains(place(block, ", token 0 (position 0)")));
}

TEST_CASE("bytes: a request larger than the swap blocks stays where it is, and is counted") {
  Bench bench;
  const akv_sequence sequence = bench.admit(0, List(kSwapBlocks * 4 + 1, 3)).sequence;
  CHECK_FALSE(bench.bytes.swap_out(0, sequence));
  CHECK(bench.bytes.totals().swaps_refused == 1);
  bench.free(0, sequence);
}

TEST_CASE("bytes: bytes that no plan and no table asked for are told with their kind") {
  Bench bench;
  bench.admit(0, kPrompt);
  const std::int32_t block = 30;
  check(akv_copy_zero(bench.bytes.store(), &block, 1, nullptr), "akv_copy_zero");
  CHECK_THROWS_WITH(bench.bytes.finish(), Contains("moved by zero, 0 were planned"));
}

TEST_CASE("bytes: a pattern tells tokens, beginnings, domains, layers and planes apart, in rows of any length") {
  const Geometry geometry = keys_and_values(2, 1, GENERATE(1u, 3u, 4u, 7u, 64u), AKV_DTYPE_F16);
  const Pattern pattern(geometry);
  const auto rows_of = [&](std::uint64_t domain, const List &tokens, std::uint32_t layer, std::uint32_t plane) {
    std::vector<std::uint64_t> keys;
    append_keys(domain, tokens, keys);
    std::vector<unsigned char> rows(keys.size() * geometry.row_bytes(0));
    pattern.fill(keys, layer, plane, rows.data());
    CHECK_FALSE(pattern.compare(keys, layer, plane, rows.data()));
    const auto last = static_cast<std::ptrdiff_t>(geometry.row_bytes(0));
    return std::vector<unsigned char>(rows.end() - last, rows.end());
  };
  const auto row = rows_of(0, {1, 2, 3}, 0, 0);
  CHECK(row == rows_of(0, {1, 2, 3}, 0, 0));
  CHECK(row != rows_of(0, {1, 2, 4}, 0, 0));  // another token
  CHECK(row != rows_of(0, {5, 2, 3}, 0, 0));  // the same one behind another beginning
  CHECK(row != rows_of(0, {3}, 0, 0));        // and at another position
  CHECK(row != rows_of(1, {1, 2, 3}, 0, 0));
  CHECK(row != rows_of(0, {1, 2, 3}, 1, 0));
  CHECK(row != rows_of(0, {1, 2, 3}, 0, 1));
}

TEST_CASE("bytes: a difference is the first one, in any byte of a row") {
  const Geometry geometry = keys_and_values(1, 1, 7, AKV_DTYPE_F16);  // 14 bytes: a whole word and a part of one
  const Pattern pattern(geometry);
  std::vector<std::uint64_t> keys;
  append_keys(0, kPrompt, keys);
  std::vector<unsigned char> rows(keys.size() * geometry.row_bytes(0));
  pattern.fill(keys, 0, 0, rows.data());
  for (std::size_t at = 0; at < rows.size(); ++at) {
    rows[at] ^= 1;
    const auto difference = pattern.compare(keys, 0, 0, rows.data());
    REQUIRE(difference);
    CHECK(difference->token * geometry.row_bytes(0) + difference->byte == at);
    CHECK((difference->holds ^ difference->must) == 1);
    rows[at] ^= 1;
  }
}

TEST_CASE("bytes: the price counts blocks, swap blocks and a null block of each, and is told where it does not fit") {
  const Geometry geometry;
  const LayerGroup group(geometry);
  akv_cache_config config = small(group);
  const Price price = price_of(config);
  CHECK(price.blocks == 33 + kSwapBlocks + 1);
  CHECK(price.bytes == price.blocks * 4 * 32);
  config.num_swap_blocks = 0;
  CHECK(price_of(config).blocks == 33);
  CHECK_NOTHROW(refuse_what_does_not_fit(price, price.bytes));
  CHECK_THROWS_WITH(refuse_what_does_not_fit(price, price.bytes - 1),
                    Contains("42 blocks x 128 bytes = 5376 bytes, and 5375 are allowed by --max-store-bytes"));
  CHECK(available_memory() > 0);
  CHECK_THROWS_WITH(refuse_what_does_not_fit({1, UINT64_MAX, UINT64_MAX}, 0), Contains("are available"));
}
