// bytes_replay.cpp: tests of a replay with a Memory: what it is told, in which order, and that --verify goes along.
// It knows the Replayer and its listeners; the workload is a handful of requests.
#include "bytes/key_values.hpp"
#include "cache.hpp"
#include "replayer.hpp"
#include "verify/verifier.hpp"

#include "catch.hpp"

namespace {

using namespace replay;

akv_cache_config config_of(const LayerGroup &group, std::uint32_t num_blocks) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = num_blocks;
  config.block_tokens = 4;
  config.max_sequences = 8;
  config.num_swap_blocks = num_blocks;
  group.describe(config);
  return config;
}

// Requests that share `shared` tokens, and have some of their own.
Request request_of(std::uint64_t number, std::uint32_t shared, std::uint32_t own, std::uint32_t output) {
  return {number, shared + own, output, {{1, shared}, {1000 * (number + 1), own}}, output_base_of(number)};
}

}  // namespace

TEST_CASE("bytes: a replay with and without bytes finds the same tokens, and every one of them is checked") {
  const Geometry geometry;
  const LayerGroup group(geometry);
  const std::uint32_t num_blocks = GENERATE(16u, 64u);  // with and without requests that end early
  const auto replay_all = [&](bool with_bytes, std::uint64_t &checked) {
    const Cache cache(config_of(group, num_blocks));
    Verifier verifier(cache.get(), 4);
    Replayer replayer(cache.get(), 4, &verifier);
    KeyValues bytes(cache.get(), geometry, 0);
    if (with_bytes) replayer.use(&bytes, 0);
    for (std::uint64_t i = 0; i < 40; ++i) replayer.run(request_of(i, 18, static_cast<std::uint32_t>(i % 7), 9));
    replayer.drain();
    verifier.finish();
    bytes.finish();
    checked = bytes.totals().hits_checked_tokens;
    return replayer.totals();
  };
  std::uint64_t checked = 0;
  const Totals plain = replay_all(false, checked);
  const Totals real = replay_all(true, checked);
  CHECK(plain.cached_tokens == real.cached_tokens);
  CHECK(plain.partial_tokens == real.partial_tokens);
  CHECK(plain.retired_early == real.retired_early);
  CHECK(plain.output_tokens == real.output_tokens);
  CHECK(real.partial_tokens != 0);
  CHECK(checked == real.cached_tokens + real.partial_tokens);
}

TEST_CASE("bytes: every N-th request is swapped between prompt and output, and the shadow map follows it") {
  const Geometry geometry;
  const LayerGroup group(geometry);
  const std::uint32_t num_blocks = GENERATE(10u, 64u);  // with and without others that make room for it
  const Cache cache(config_of(group, num_blocks));
  Verifier verifier(cache.get(), 4);
  Replayer replayer(cache.get(), 4, &verifier);
  KeyValues bytes(cache.get(), geometry, 0);
  replayer.use(&bytes, 3);
  for (std::uint64_t i = 0; i < 60; ++i) replayer.run(request_of(i, 18, static_cast<std::uint32_t>(i % 7), 9));
  replayer.run(request_of(60, 0, 0, 0));
  replayer.drain();
  verifier.finish();
  CHECK(bytes.totals().swaps == 20);
  CHECK(bytes.totals().shared_tokens != 0);
  std::uint64_t in = 0, out = 0;
  for (const Moved &moved : bytes.finish()) {
    in += moved.kind == AKV_MOVED_IN ? moved.bytes : 0;
    out += moved.kind == AKV_MOVED_OUT ? moved.bytes : 0;
  }
  CHECK(out == in + bytes.totals().shared_tokens * geometry.bytes_per_token());
}

TEST_CASE("bytes: the shadow map refuses a swap that says more is cached than was") {
  const Geometry geometry;
  const LayerGroup group(geometry);
  ShadowMap shadow(8, 4);
  const std::vector<std::int32_t> tokens{1, 2, 3, 4, 5, 6}, before{1, 2}, after{1, 3}, other{4, 5};
  shadow.admit(0, tokens, before, 0, {});
  CHECK_NOTHROW(shadow.swap(0, tokens, after, 4));
  CHECK_THROWS(shadow.swap(0, tokens, other, 4));  // block 4 holds nothing
  ShadowMap again(8, 4);
  again.admit(0, tokens, before, 0, {});
  CHECK_THROWS(again.swap(0, tokens, after, 3));  // no whole block
  CHECK_THROWS(again.swap(0, std::span(tokens).first(5), after, 0));
}
