// attention.cpp: paged decode attention through the API, against double precision over what the stores hold.
// What each instruction set makes of each shape is in tests/unit and kernelcheck; here are parts, tables and streams.
#include "numbers.hpp"

#include <cstring>
#include <limits>
#include <numeric>

using namespace akv::test;

namespace {

constexpr std::uint32_t kQueryHeads = 4;

struct Problem {
  std::uint32_t format = AKV_FORMAT_BF16;
  std::uint32_t sequences = 3, queries = 1, window = 0, sink_tokens = 0;
  float soft_cap = 0, scale = 0;
  bool sinks = false;
  int workers = -1;
};

// Sequences of different lengths in blocks all over a store, and what they hold as numbers.
class Scene {
 public:
  explicit Scene(const Problem &problem, const NumberShape &numbers = {})
      : n(numbers), problem_(problem), cache_(format_shape(problem.format, n)), store(cache_) {
    std::int32_t next = static_cast<std::int32_t>(n.blocks);
    table.assign(std::size_t{problem.sequences} * kRow, 0);
    for (std::uint32_t s = 0; s < problem.sequences; ++s) {
      lengths.push_back(s == 1 ? 0 : 7 * s + 5);
      std::vector<std::int32_t> blocks;
      for (std::uint32_t i = 0; i < (lengths[s] + n.block_tokens - 1) / n.block_tokens; ++i) blocks.push_back(next--);
      std::copy(blocks.begin(), blocks.end(), table.begin() + s * std::ptrdiff_t{kRow});
      const auto whole = static_cast<std::uint32_t>(blocks.size()) * n.block_tokens;
      if (whole != 0) scatter(store, blocks, random_numbers(std::size_t{whole} * n.layers * 2 * width(), s + 1), whole);
      kv.push_back(whole != 0 ? gathered(store, blocks, whole) : Numbers{});
      rows.push_back(whole);
    }
    query = random_numbers(std::size_t{problem.sequences} * problem.queries * kQueryHeads * n.head_dim, 99);
    sinks = random_numbers(kQueryHeads, 5);
  }
  static constexpr std::uint32_t kRow = 6;
  std::uint32_t width() const { return n.heads * n.head_dim; }

  akv_attention_part part() const { return {store, table.data(), kRow, lengths.data(), nullptr, nullptr, nullptr}; }
  akv_attention call(const akv_attention_part *parts, std::uint32_t num_parts, Numbers &out, Numbers &log_sums) const {
    akv_attention call = AKV_ATTENTION_INIT;
    call.layer = 1;
    call.num_sequences = problem_.sequences;
    call.num_queries = problem_.queries;
    call.query_heads = kQueryHeads;
    call.dtype = AKV_DTYPE_F32;
    out.assign(query.size(), -7.0f);
    log_sums.assign(query.size() / n.head_dim, -7.0f);
    call.query = query.data();
    call.out = out.data();
    call.log_sums = log_sums.data();
    call.scale = problem_.scale;
    call.soft_cap = problem_.soft_cap;
    call.window = problem_.window;
    call.sink_tokens = problem_.sink_tokens;
    call.sink_logits = problem_.sinks ? sinks.data() : nullptr;
    call.parts = parts;
    call.num_parts = num_parts;
    call.part_size = sizeof(akv_attention_part);
    return call;
  }
  // Of one query head, over tokens first .. end - 1 of its sequence.
  Attended wanted(std::uint32_t s, std::uint32_t query_index, std::uint32_t head, std::uint32_t first,
                  std::uint32_t end) const {
    const std::uint32_t kv_head = head / (kQueryHeads / n.heads);
    const float *q = &query[((std::size_t{s} * problem_.queries + query_index) * kQueryHeads + head) * n.head_dim];
    const std::size_t layer = std::size_t{rows[s]} * 2 * width();  // of layer 1
    Seen seen;
    for (std::uint32_t t = first; t < end; ++t) {
      const bool inside = problem_.window == 0 || t + problem_.window >= end || t < problem_.sink_tokens;
      if (!inside) continue;
      const float *key = &kv[s][layer + std::size_t{t} * width() + kv_head * n.head_dim];
      double score = 0;
      for (std::uint32_t e = 0; e < n.head_dim; ++e) score += double{q[e]} * key[e];
      score *= problem_.scale != 0 ? problem_.scale : 1 / std::sqrt(double(n.head_dim));
      if (problem_.soft_cap != 0) score = problem_.soft_cap * std::tanh(score / problem_.soft_cap);
      seen.scores.push_back(score);
      seen.values.push_back(key + std::size_t{rows[s]} * width());
    }
    if (problem_.sinks) seen.scores.push_back(sinks[head]), seen.values.push_back(nullptr);
    return attended(seen, n.head_dim);
  }
  void check(const Numbers &out, const Numbers &log_sums, double bound) const {
    for (std::uint32_t s = 0; s < problem_.sequences; ++s)
      for (std::uint32_t q = 0; q < problem_.queries; ++q)
        for (std::uint32_t head = 0; head < kQueryHeads; ++head) {
          const std::size_t row = (std::size_t{s} * problem_.queries + q) * kQueryHeads + head;
          const Attended result = wanted(s, q, head, 0, lengths[s]);
          INFO("sequence " << s << " query " << q << " head " << head);
          CHECK(difference(result.out, &out[row * n.head_dim]) <= bound);
          if (std::isinf(result.log_sum)) CHECK(log_sums[row] == -std::numeric_limits<float>::infinity());
          else CHECK(std::abs(result.log_sum - log_sums[row]) <= bound * 10);
        }
  }

  const NumberShape n;
  std::vector<std::uint32_t> lengths, rows;
  std::vector<std::int32_t> table;
  std::vector<Numbers> kv;
  Numbers query, sinks;

 private:
  const Problem problem_;
  const KvCache cache_;

 public:
  const KvStore store;
};

}  // namespace

TEST_CASE("attention: E7 D5 every format is attended to where it lies, as double precision over its numbers") {
  for (const std::uint32_t format : kFormats)
    for (const int workers : {-1, 2}) {
      INFO("format " << format << ", " << workers << " workers");
      Problem problem;
      problem.format = format;
      problem.queries = 2;
      const Scene scene(problem);
      const KvStream stream(workers);
      Numbers out, log_sums;
      const akv_attention_part part = scene.part();
      const akv_attention call = scene.call(&part, 1, out, log_sums);
      OK(akv_attention_decode(&call, stream));
      stream.wait();
      scene.check(out, log_sums, 1e-5);
    }
}

TEST_CASE("attention: E7 windows, sink tokens, sink logits, soft caps and scales") {
  for (int which = 0; which < 32; ++which) {
    INFO("variant " << which);
    Problem problem;
    problem.format = AKV_FORMAT_F32;
    problem.window = (which & 1) != 0 ? 6 : 0;
    problem.sink_tokens = (which & 2) != 0 ? 2 : 0;
    problem.sinks = (which & 4) != 0;
    problem.soft_cap = (which & 8) != 0 ? 1.5f : 0;
    problem.scale = (which & 16) != 0 ? 0.4f : 0;
    const Scene scene(problem);
    Numbers out, log_sums;
    const akv_attention_part part = scene.part();
    const akv_attention call = scene.call(&part, 1, out, log_sums);
    OK(akv_attention_decode(&call, nullptr));
    scene.check(out, log_sums, 1e-5);
  }
}

TEST_CASE("attention: E7 a long sequence is shared out among workers by its tokens, and they make one softmax") {
  const NumberShape n;
  const KvCache cache(format_shape(AKV_FORMAT_I8, n));
  const KvStore store(cache);
  std::vector<std::int32_t> blocks(n.blocks), table;
  std::iota(blocks.begin(), blocks.end(), 1);
  const std::uint32_t tokens = n.blocks * n.block_tokens, length = 1517, width = n.heads * n.head_dim;
  scatter(store, blocks, random_numbers(std::size_t{n.layers} * 2 * tokens * width, 3), tokens);
  const Numbers kv = gathered(store, blocks, tokens);
  // Blocks may stand in a table many times; the halves have none in common.
  for (std::uint32_t i = 0; i < 190; ++i) table.push_back(static_cast<std::int32_t>(i < 95 ? 1 + i % 6 : 7 + i % 6));
  const Numbers query = random_numbers(std::size_t{kQueryHeads} * n.head_dim, 9),
                sinks = random_numbers(kQueryHeads, 5);
  const akv_attention_part part = {store, table.data(), 190, &length, nullptr, nullptr, nullptr};
  for (const int workers : {-1, 1, 2, 4})
    for (const std::uint32_t window : {0u, 1200u}) {
      INFO(workers << " workers, window " << window);
      const KvStream stream(workers);
      Numbers out(query.size()), log_sums(kQueryHeads);
      akv_attention call = attention_call(&part, 1, kQueryHeads, query.data(), out.data());
      call.log_sums = log_sums.data();
      call.window = window;
      call.sink_logits = sinks.data();
      OK(akv_attention_decode(&call, stream));
      stream.wait();
      for (std::uint32_t head = 0; head < kQueryHeads; ++head) {
        Seen seen{{double{sinks[head]}}, {nullptr}};
        for (std::uint32_t t = window == 0 ? 0 : length - window; t < length; ++t) {
          const std::size_t row = static_cast<std::size_t>(table[t / 8] - 1) * 8 + t % 8;
          const float *key = &kv[row * width + head / (kQueryHeads / n.heads) * n.head_dim];
          double score = 0;
          for (std::uint32_t e = 0; e < n.head_dim; ++e) score += double{query[head * n.head_dim + e]} * key[e];
          seen.scores.push_back(score / std::sqrt(double(n.head_dim)));
          seen.values.push_back(key + std::size_t{tokens} * width);
        }
        const Attended wanted = attended(seen, n.head_dim);
        CHECK(difference(wanted.out, &out[head * n.head_dim]) <= 1e-5);
        CHECK(std::abs(wanted.log_sum - log_sums[head]) <= 1e-4);
      }
    }
}

TEST_CASE("attention: D5 tokens in two parts are one softmax, and two results are merged into it") {
  Problem problem;
  problem.format = AKV_FORMAT_I8;
  const Scene scene(problem);
  const std::uint32_t block_tokens = scene.n.block_tokens;
  // The first whole block of each sequence, and the rest.
  std::vector<std::uint32_t> first(3), rest(3), positions(3);
  for (std::uint32_t s = 0; s < 3; ++s) {
    first[s] = std::min(scene.lengths[s], block_tokens);
    rest[s] = scene.lengths[s] - first[s];
    positions[s] = first[s];
  }
  akv_attention_part parts[2] = {scene.part(), scene.part()};
  parts[0].lengths = first.data();
  parts[1].lengths = rest.data();
  parts[1].block_table = scene.table.data() + 1;
  parts[1].table_stride = Scene::kRow;
  Numbers out, log_sums;
  const akv_attention together = scene.call(parts, 2, out, log_sums);
  OK(akv_attention_decode(&together, nullptr));
  scene.check(out, log_sums, 1e-5);

  Numbers a, a_sums, b, b_sums;
  const akv_attention one = scene.call(&parts[0], 1, a, a_sums), two = scene.call(&parts[1], 1, b, b_sums);
  OK(akv_attention_decode(&one, nullptr));
  OK(akv_attention_decode(&two, nullptr));
  for (const int workers : {-1, 2}) {
    const KvStream stream(workers);
    Numbers merged(out.size()), sums(log_sums.size());
    OK(akv_attention_merge(a.data(), a_sums.data(), b.data(), b_sums.data(), merged.data(), sums.data(), sums.size(),
                           scene.n.head_dim, AKV_DTYPE_F32, stream));
    stream.wait();
    scene.check(merged, sums, 1e-5);
  }
}

TEST_CASE("attention: B7 a prefix that sequences share is attended to once, with all their queries") {
  Problem problem;
  problem.sequences = 1;
  problem.queries = 5;
  problem.format = AKV_FORMAT_F16;
  const Scene scene(problem);
  Numbers out, log_sums;
  akv_attention_part part = scene.part();
  part.table_stride = 0;
  const akv_attention call = scene.call(&part, 1, out, log_sums);
  OK(akv_attention_decode(&call, nullptr));
  scene.check(out, log_sums, 1e-5);
}

TEST_CASE("attention: E1 a latent plane is keys and values in one (MLA)") {
  const std::uint32_t latent = 40, value_dim = 32, tokens = 11;
  KvShape shape{1, {{AKV_PLANE_LATENT, AKV_DTYPE_F32, 1, latent, 0, 0}}, 4, 4, 0};
  const KvCache cache(shape);
  const KvStore store(cache);
  const std::vector<std::int32_t> blocks = {3, 1, 4};
  scatter(store, blocks, random_numbers(12 * latent, 1), 12);
  const Numbers rows = gathered(store, blocks, 12), query = random_numbers(3 * latent, 2);
  Numbers out(3 * value_dim);
  const std::uint32_t length = tokens;
  const akv_attention_part part = {store, blocks.data(), 3, &length, nullptr, nullptr, nullptr};
  akv_attention call = attention_call(&part, 1, 3, query.data(), out.data());
  call.value_dim = value_dim;
  OK(akv_attention_decode(&call, nullptr));
  for (std::uint32_t head = 0; head < 3; ++head) {
    Seen seen;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      double score = 0;
      for (std::uint32_t e = 0; e < latent; ++e) score += double{query[head * latent + e]} * rows[t * latent + e];
      seen.scores.push_back(score / std::sqrt(double(latent)));
      seen.values.push_back(&rows[t * latent]);
    }
    CHECK(difference(attended(seen, value_dim).out, &out[head * value_dim]) <= 1e-5);
  }
  call.value_dim = 0;
  CHECK(akv_attention_decode(&call, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  call.value_dim = latent + 1;
  CHECK(akv_attention_decode(&call, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("attention: E1 D5 a latent's scale is said once, for its keys, and its values have it too") {
  const std::uint32_t latent = 32, tokens = 4;
  const KvCache cache(KvShape{1, {{AKV_PLANE_LATENT, AKV_DTYPE_F8_E4M3, 1, latent, 0, AKV_SCALING_HEAD}}, 4, 4, 0});
  const KvStore store(cache);
  const float scale = 0.5f, other = 0.25f;
  scatter(store, {1}, Numbers(tokens * latent, 3.0f), tokens, nullptr, &scale);
  const std::int32_t block = 1;
  const Numbers query(latent, 1.0f);
  Numbers out(latent, 0.0f);
  akv_attention_part part = {store, &block, 1, &tokens, nullptr, &scale, nullptr};
  akv_attention call = attention_call(&part, 1, 1, query.data(), out.data());
  call.value_dim = latent;
  OK(akv_attention_decode(&call, nullptr));
  for (const float x : out) CHECK(std::abs(x - 3.0f) < 1e-5f);
  part.value_scales = &other;
  CHECK(akv_attention_decode(&call, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  part.value_scales = &scale;
  OK(akv_attention_decode(&call, nullptr));
}

TEST_CASE("attention: E1 what one sequence is split into fits any stream's queue") {
  const std::uint32_t latent = 576, heads = 128, tokens = 8192;
  const KvCache cache(KvShape{1, {{AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, latent, 0, 0}}, 128, 64, 0});
  const KvStore store(cache, [](akv_store_config &config) { config.flags = AKV_STORE_SMALL_PAGES; });
  const KvStream stream(16);
  std::vector<std::int32_t> blocks(128);
  std::iota(blocks.begin(), blocks.end(), 1);
  const Numbers query = random_numbers(std::size_t{heads} * latent, 1);
  Numbers out(std::size_t{heads} * 512);
  const akv_attention_part part = {store, blocks.data(), 128, &tokens, nullptr, nullptr, nullptr};
  akv_attention call = attention_call(&part, 1, heads, query.data(), out.data());
  call.value_dim = 512;
  for (int i = 0; i < 4; ++i) OK(akv_attention_decode(&call, stream));  // and several of them at a time
  stream.wait();
  for (const float x : out) REQUIRE(x == 0.0f);
}

TEST_CASE("attention: E7 what does not fit is refused, and no output is touched") {
  const Scene scene(Problem{});
  Numbers out, log_sums;
  akv_attention_part part = scene.part();
  const auto refused = [&](akv_status status, auto bend) {
    part = scene.part();
    akv_attention call = scene.call(&part, 1, out, log_sums);
    bend(call, part);
    CHECK(akv_attention_decode(&call, nullptr) == status);
    for (float x : out) REQUIRE(x == -7.0f);
  };
  using Call = akv_attention;
  using Part = akv_attention_part;
  std::vector<std::int32_t> bad = scene.table;
  bad[0] = 1000;
  const KvCache keys_only(KvShape{2, {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 32, 0, 0}}, 12, 8, 0});
  const KvStore half(keys_only);
  refused(AKV_ERROR_OUT_OF_RANGE, [](Call &c, Part &) { c.layer = 2; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.query_heads = 3; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.query_heads = 0; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.dtype = AKV_DTYPE_I8; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.value_dim = 32; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.scale = NAN; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.soft_cap = -1; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.query = nullptr; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.num_parts = 0; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &c, Part &) { c.num_parts = 9; });
  refused(AKV_ERROR_UNSUPPORTED, [](Call &c, Part &) { c.flags = 1; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &, Part &p) { p.store = nullptr; });
  refused(AKV_ERROR_OUT_OF_RANGE, [&](Call &, Part &p) { p.block_table = bad.data(); });
  refused(AKV_ERROR_OUT_OF_RANGE, [](Call &, Part &p) { p.table_stride = 1; });
  refused(AKV_ERROR_OUT_OF_RANGE,
          [](Call &c, Part &) { c.num_queries = c.query_heads = 1u << 31, c.num_sequences = 4; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &, Part &p) { p.table_stride = -1; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &, Part &p) { p.lengths = nullptr; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](Call &, Part &p) { p.block_table = nullptr; });
  refused(AKV_ERROR_UNSUPPORTED, [&](Call &, Part &p) { p.store = half; });
}
