// copy_counts.cpp: bytes counted are bytes planned: for every function of copy.h and copy_image.h, on every layout,
// shard and dtype, akv_store_read_stats() tells what the geometry says, worked out here with a pencil, and nothing
// else. That the bytes are right is in copy.cpp and tests/bytes.
#include "stores.hpp"

#include <map>

using namespace akv::test;

namespace {

struct Shard {
  std::vector<std::uint32_t> layers;
  std::uint32_t first_head, num_heads;  // 0: all
};

std::uint64_t element_bits(std::uint32_t dtype) {
  static const std::map<std::uint32_t, std::uint64_t> bits = {{AKV_DTYPE_F32, 32},  {AKV_DTYPE_F16, 16},
                                                              {AKV_DTYPE_BF16, 16}, {AKV_DTYPE_F8_E4M3, 8},
                                                              {AKV_DTYPE_I8, 8},    {AKV_DTYPE_I4, 4}};
  return bits.at(dtype);
}

// One token of one plane: heads x dim elements, and their part of the scales.
std::uint64_t plane_bytes(const akv_plane &plane, std::uint32_t num_heads) {
  const std::uint64_t heads = num_heads == 0 || plane.kv_heads == 1 ? plane.kv_heads : num_heads;
  return heads * plane.head_dim * element_bits(plane.dtype) / 8 + plane.scale_bytes * heads / plane.kv_heads;
}

std::uint64_t layer_bytes(const KvShape &shape, const Shard &shard) {
  std::uint64_t sum = 0;
  for (const akv_plane &plane : shape.planes) sum += plane_bytes(plane, shard.num_heads);
  return sum;
}

std::uint64_t token_bytes(const KvShape &shape, const Shard &shard) {
  return layer_bytes(shape, shard) * shard.layers.size();
}

// Everything; the last layer; and, where heads have whole bytes and scales of their own, one head of all layers.
std::vector<Shard> shards_of(const KvShape &shape) {
  std::vector<std::uint32_t> all(shape.layers);
  std::iota(all.begin(), all.end(), 0);
  std::vector<Shard> shards = {{all, 0, 0}, {{shape.layers - 1}, 0, 0}};
  bool several = false, apart = true;
  for (const akv_plane &plane : shape.planes) {
    if (plane.kv_heads == 1) continue;
    several = true;
    apart = apart && plane.head_dim * element_bits(plane.dtype) % 8 == 0 && plane.scale_bytes % plane.kv_heads == 0;
  }
  if (several && apart) {
    shards.push_back({all, 0, 1});
    shards.push_back({all, 1, 1});
  }
  return shards;
}

KvStore::Change change_to(const Shard &shard, const KvStore::Change &layout, std::uint32_t columns) {
  return [&shard, layout, columns](akv_store_config &config) {
    layout(config);
    config.columns = columns;
    config.num_layers = static_cast<std::uint32_t>(shard.layers.size());
    config.layers = shard.layers.data();
    config.first_head = shard.first_head;
    config.num_heads = shard.num_heads;
  };
}

// What one call must add to one line of one store.
struct Line {
  const KvStore *store;
  std::uint32_t kind;
  std::uint64_t items, bytes, verified;
};

// `call` adds these lines and nothing else, on any of these stores.
template <class Call>
void counts(const std::vector<const KvStore *> &stores, const KvStream &stream, const std::vector<Line> &lines,
            Call call) {
  std::map<std::pair<const KvStore *, std::uint32_t>, akv_copy_stats> before;
  for (const KvStore *store : stores)
    for (std::uint32_t kind = 1; kind <= AKV_MOVED_LOAD; ++kind) before[{store, kind}] = store->stats(kind);
  OK(call());
  stream.wait();
  for (const Line &line : lines) {
    akv_copy_stats &want = before[{line.store, line.kind}];
    ++want.calls;
    want.items += line.items;
    want.bytes += line.bytes;
    want.verified_bytes += line.verified;
  }
  for (const auto &[key, want] : before) {
    const akv_copy_stats got = key.first->stats(key.second);
    INFO("kind " << key.second);
    CHECK((got.calls == want.calls && got.items == want.items));
    CHECK((got.bytes == want.bytes && got.verified_bytes == want.verified_bytes));
  }
}

// Blocks, swap blocks of the same shard in another layout, and every call between and on them.
struct Scene {
  Scene(const KvCache &cache, const Shard &of, const KvStore::Change &layout, const KvStore::Change &other, int workers)
      : shape(cache.shape),
        shard(of),
        store(cache, change_to(of, layout, AKV_STORE_BLOCKS)),
        swap(cache, change_to(of, other, AKV_STORE_SWAP_BLOCKS)),
        stream(workers),
        buffer(1 << 16) {}

  void tokens() {
    const std::int64_t first = shape.block_tokens;
    const std::int64_t slots[] = {first, -1, first + 1, -7, first + 2};
    std::vector<akv_token_data> planes;
    std::uint64_t bytes = 0;
    for (std::uint32_t i = 0; i < shape.planes.size(); ++i) {
      planes.push_back({buffer.data(), 0, 0, shape.planes[i].scale_bytes != 0 ? buffer.data() : nullptr, 0, i, 0});
      bytes += plane_bytes(shape.planes[i], shard.num_heads);
      const auto call = [&](bool write) {
        return (write ? akv_copy_write_tokens : akv_copy_read_tokens)(store, shard.layers[0], slots, 5, planes.data(),
                                                                      i + 1, sizeof(akv_token_data), stream);
      };
      counts(both(), stream, {{&store, AKV_MOVED_WRITE, 3, 3 * bytes, 0}}, [&] { return call(true); });
      counts(both(), stream, {{&store, AKV_MOVED_READ, 3, 3 * bytes, 0}}, [&] { return call(false); });
    }
  }
  void spans() {
    const std::int32_t blocks[] = {2, 1, 3};
    const std::uint32_t tokens = shape.block_tokens;
    akv_span spans[2] = {{blocks, 2, 0, 2 * tokens, shard.layers[0], 1, 0, buffer.data(), buffer.size(), nullptr},
                         {blocks + 2, 1, tokens - 1, 1, shard.layers[0], 0, 0, buffer.data(), buffer.size(), nullptr}};
    const std::uint64_t bytes = 2 * tokens * layer_bytes(shape, shard) + token_bytes(shape, shard);
    counts(both(), stream, {{&store, AKV_MOVED_GATHER, 2, bytes, 0}},
           [&] { return akv_copy_gather(store, spans, 2, sizeof spans[0], stream); });
    counts(both(), stream, {{&store, AKV_MOVED_SCATTER, 2, bytes, 0}},
           [&] { return akv_copy_scatter(store, spans, 2, sizeof spans[0], stream); });
    counts(both(), stream, {{&store, AKV_MOVED_GATHER, 0, 0, 0}},
           [&] { return akv_copy_gather(store, spans, 0, sizeof spans[0], stream); });
  }
  void blocks() {
    const std::int32_t some[] = {1, 3}, others[] = {2, 1};
    const std::uint64_t bytes = 2 * shape.block_tokens * token_bytes(shape, shard);
    counts(both(), stream, {{&store, AKV_MOVED_ZERO, 2, bytes, 0}},
           [&] { return akv_copy_zero(store, some, 2, stream); });
    for (const std::uint32_t flags : {0u, AKV_BLOCKS_VERIFY}) {
      const std::uint64_t verified = flags != 0 ? bytes : 0;
      counts(both(), stream, {{&swap, AKV_MOVED_BLOCKS, 2, bytes, verified}},
             [&] { return akv_copy_blocks(store, some, swap, others, 2, flags, stream); });
      counts(both(), stream, {{&store, AKV_MOVED_BLOCKS, 2, bytes, verified}},
             [&] { return akv_copy_blocks(swap, others, store, some, 2, flags, stream); });
    }
  }
  // Records of every kind, by hand.
  void records() {
    const std::uint32_t tokens = shape.block_tokens;
    const std::uint64_t token = token_bytes(shape, shard);
    const akv_plan_record some[] = {
        {AKV_PLAN_COPY_ON_WRITE, 0, 0, 1, 2, 0, 0, 0, tokens, 0, 0, 0},
        {AKV_PLAN_PARTIAL, 0, 0, 1, 3, 0, 0, tokens - 1, 1, 0, 0, 0},
        {AKV_PLAN_ZERO, 0, 0, 0, 5, 0, 0, 0, tokens, 0, 0, 0},
        {AKV_PLAN_ZERO, 0, 0, 0, 2, 1, 1, 0, tokens, 0, 0, 0},
        {AKV_PLAN_SWAP_OUT, 0, 0, 4, 1, 0, 1, 0, 1, 0, 0, 0},
        {AKV_PLAN_SWAP_IN, 0, 0, 1, 6, 1, 0, 0, 1, 0, 0, 0},
        {AKV_PLAN_SWAP_IN, 0, 0, 2, 7, 1, 0, 0, tokens, 0, 0, 0},
    };
    akv_store *const stores[] = {swap, store};
    for (const std::uint32_t flags : {0u, AKV_RUN_VERIFY}) {
      const auto verified = [flags](std::uint64_t bytes) { return flags != 0 ? bytes : 0; };
      const std::vector<Line> lines = {
          {&store, AKV_MOVED_COPY_ON_WRITE, 1, tokens * token, verified(tokens * token)},
          {&store, AKV_MOVED_PARTIAL, 1, token, verified(token)},
          {&store, AKV_MOVED_ZERO, 1, tokens * token, 0},
          {&swap, AKV_MOVED_ZERO, 1, tokens * token, 0},
          {&swap, AKV_MOVED_OUT, 1, token, token},
          {&store, AKV_MOVED_IN, 2, (1 + tokens) * token, (1 + tokens) * token},
      };
      counts(both(), stream, lines, [&] { return akv_copy_records(some, 7, stores, 2, flags, stream); });
    }
  }

  std::vector<const KvStore *> both() const { return {&store, &swap}; }

  const KvShape &shape;
  const Shard &shard;
  KvStore store, swap;
  KvStream stream;
  ByteString buffer;
};

KvShape with_room(KvShape shape) {
  shape.blocks = std::max(shape.blocks, 16u);
  shape.swap_blocks = 12;
  shape.block_tokens = std::max(shape.block_tokens, 3u);
  return shape;
}

// A plan's bytes on each store: its price times the bytes of a token there.
void run_counts(const KvCache &cache, const std::vector<const KvStore *> &stores,
                const std::vector<std::uint64_t> &token, akv_plan plan, std::uint32_t kind, const KvStream &stream) {
  REQUIRE(plan != AKV_NONE);
  const akv_plan_info price = cache.plan_info(plan);
  const std::uint32_t side = kind == AKV_MOVED_OUT ? AKV_STORE_SWAP_BLOCKS : AKV_STORE_BLOCKS;
  std::vector<Line> lines;
  std::vector<akv_store *> handles;
  for (std::size_t i = 0; i < stores.size(); ++i) {
    handles.push_back(*stores[i]);
    if (stores[i]->info().columns != side) continue;
    const bool zero = kind == AKV_MOVED_ZERO, swaps = kind == AKV_MOVED_OUT || kind == AKV_MOVED_IN;
    const std::uint64_t bytes =
        zero ? price.zeroed_blocks * cache.shape.block_tokens * token[i] : price.copied_tokens * token[i];
    REQUIRE(bytes != 0);
    lines.push_back({stores[i], kind, price.num_records, bytes, swaps ? bytes : 0});
  }
  counts(stores, stream, lines, [&] {
    const akv_status status =
        akv_copy_run(cache, plan, handles.data(), static_cast<std::uint32_t>(handles.size()), AKV_RUN_FINISH, stream);
    return status;
  });
}

}  // namespace

TEST_CASE("counts: A11 what each call moves is counted to the byte, on every layout, shard and dtype") {
  for (const KvShape &each : kv_shapes()) {
    const KvCache cache(with_room(each));
    const auto layouts = kv_layouts(cache.shape);
    for (const Shard &shard : shards_of(cache.shape))
      for (std::size_t i = 0; i < layouts.size(); ++i)
        for (const int workers : {-1, 2}) {
          INFO(cache.shape.layers << " layers, shard of " << shard.layers.size() << " layers and " << shard.num_heads
                                  << " heads, layout " << i << ", workers " << workers);
          Scene scene(cache, shard, layouts[i], layouts[(i + 1) % layouts.size()], workers);
          CHECK(scene.store.info().bytes_per_block == cache.shape.block_tokens * token_bytes(cache.shape, shard));
          scene.tokens();
          scene.spans();
          scene.blocks();
          scene.records();
        }
  }
}

TEST_CASE("counts: A11 a plan's bytes are its price times a token's bytes, on each of its shards, and so is an image") {
  for (const KvShape &each : kv_shapes()) {
    const KvShape shape = with_room(each);
    const auto layouts = kv_layouts(shape);
    const std::uint32_t tokens = shape.block_tokens;
    for (const int workers : {-1, 2}) {
      const KvCache cache(shape);
      const auto shards = shards_of(shape);
      std::vector<Shard> split = {shards[0]};
      if (shape.layers > 1) split = {{{0}, 0, 0}, {{shards[0].layers.begin() + 1, shards[0].layers.end()}, 0, 0}};
      std::vector<std::unique_ptr<KvStore>> made;
      std::vector<const KvStore *> all, blocks;
      std::vector<std::uint64_t> token;
      for (std::size_t i = 0; i < split.size(); ++i) {
        made.push_back(std::make_unique<KvStore>(cache, change_to(split[i], layouts[i % layouts.size()], 0)));
        blocks.push_back(made.back().get());
        token.push_back(token_bytes(shape, split[i]));
      }
      made.push_back(std::make_unique<KvStore>(cache, change_to(shards[0], layouts.back(), AKV_STORE_SWAP_BLOCKS)));
      token.push_back(token_bytes(shape, shards[0]));
      for (const auto &store : made) all.push_back(store.get());
      const KvStream stream(workers);

      const akv_sequence parent = cache.committed(count_up(1, 2 * tokens + 1));
      const akv_sequence child = cache.fork(parent);
      akv_plan plan = cache.planned(child, {1000});
      run_counts(cache, all, token, plan, AKV_MOVED_COPY_ON_WRITE, stream);
      plan = cache.create(count_up(1, tokens + 2), AKV_SEQUENCE_PARTIAL).plan;
      run_counts(cache, all, token, plan, AKV_MOVED_PARTIAL, stream);
      OK(akv_sequence_swap_out(cache, parent, &plan));
      run_counts(cache, all, token, plan, AKV_MOVED_OUT, stream);
      OK(akv_prefix_clear(cache, nullptr, 0, nullptr));  // nothing of it is cached: all must be copied
      akv_swapped_in in = AKV_SWAPPED_IN_INIT;
      OK(akv_sequence_swap_in(cache, parent, &in));
      run_counts(cache, all, token, in.plan, AKV_MOVED_IN, stream);
      const std::uint64_t length = cache.info(parent).length;
      std::uint64_t bytes = 0;
      OK(akv_image_bytes(cache, parent, 0, &bytes));
      std::vector<std::uint64_t> image(bytes / 8 + 1);
      std::vector<akv_store *> handles;
      for (const KvStore *store : blocks) handles.push_back(*store);
      const auto count = static_cast<std::uint32_t>(handles.size());
      OK(akv_copy_save(cache, parent, handles.data(), count, nullptr, image.data(), bytes, &bytes, stream));
      stream.wait();
      akv_load_options options = AKV_LOAD_OPTIONS_INIT;
      options.domain = 77;
      akv_created loaded = AKV_CREATED_INIT;
      cache.free(parent);
      cache.free(child);
      OK(akv_copy_load(cache, image.data(), bytes, &options, handles.data(), count, &loaded, stream));
      stream.wait();
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        CHECK(blocks[i]->stats(AKV_MOVED_SAVE).bytes == length * token[i]);
        CHECK(blocks[i]->stats(AKV_MOVED_LOAD).bytes == length * token[i]);
      }
      cache.free(loaded.sequence);
      // Every block has held K/V of other domains by now or is new; those of this one are not zeroed.
      OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
      plan = cache.create(count_up(1, 10 * tokens), 0, 99).plan;
      run_counts(cache, all, token, plan, AKV_MOVED_ZERO, stream);
    }
  }
}
