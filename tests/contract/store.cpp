// store.cpp: the promises of store.h about where bytes lie, whose memory it is, and what is refused.
#include "stores.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

akv_status try_create(const KvCache &cache, const KvStore::Change &change) {
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  change(config);
  akv_store *const untouched = reinterpret_cast<akv_store *>(&config);
  akv_store *store = untouched;
  const akv_status status = akv_store_create(cache, &config, &store);
  if (status == AKV_OK) OK(akv_store_destroy(store));
  else CHECK(store == untouched);
  return status;
}

std::uintptr_t address(const void *at) { return reinterpret_cast<std::uintptr_t>(at); }

}  // namespace

TEST_CASE("store: E2 keys and values of all layers are distinct regions, evenly spaced, aligned to 256 bytes") {
  for (const KvShape &shape : kv_shapes()) {
    const KvCache cache(shape);
    const KvStore store(cache);
    std::vector<std::uintptr_t> starts;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      for (std::uint32_t plane = 0; plane < shape.planes.size(); ++plane) {
        const akv_region region = store.region(layer, plane);
        starts.push_back(address(region.data));
        CHECK(starts.back() % 256 == 0);
        if (region.scales != nullptr) CHECK(address(region.scales) % 256 == 0);
        if (region.scales != nullptr) CHECK(address(region.scales) >= starts.back() + region.bytes);
        if (starts.size() > 1) CHECK(starts.back() > starts[starts.size() - 2]);
      }
    const std::size_t planes = shape.planes.size();
    for (std::size_t i = 2 * planes; i < starts.size(); ++i)
      CHECK(starts[i] - starts[i - planes] == starts[i - planes] - starts[i - 2 * planes]);
  }
  const KvCache cache(kv_shapes()[0]);  // two equal planes: every region is as far from the next
  const KvStore store(cache);
  const std::uintptr_t step = address(store.region(0, 1).data) - address(store.region(0, 0).data);
  CHECK(address(store.region(1, 0).data) - address(store.region(0, 1).data) == step);
}

TEST_CASE("store: E6 A19 B13 in every layout each byte of each token has an address of its own, and strides tell it") {
  for (const KvShape &shape : kv_shapes())
    for (const KvStore::Change &layout : kv_layouts(shape)) {
      const KvCache cache(shape);
      const KvStore store(cache, layout);
      store.fill_with(1);
      const ByteString first = store.everything();
      CHECK(first.size() == store.bytes_per_token() * shape.block_tokens * (shape.blocks + 1));
      store.fill_with(1);
      CHECK(store.everything() == first);  // nothing lay over anything else
      const akv_store_info info = store.info();
      CHECK(info.bytes_per_block == store.bytes_per_token() * shape.block_tokens);
      CHECK(info.bytes == first.size() + info.alignment_waste);
      CHECK((info.num_blocks == shape.blocks && info.block_tokens == shape.block_tokens && info.callers_memory == 0));
      CHECK((info.num_layers == shape.layers && info.num_planes == shape.planes.size()));
    }
}

TEST_CASE("store: strides are those of the layout: layer-outer and block-outer, NHD and HND") {
  const KvCache cache(kv_shapes()[3]);  // 4 heads of 8 bytes, scales, blocks of 3 tokens
  const auto strides = [&cache](std::uint32_t layout, std::uint32_t heads) {
    const KvStore store(cache, [=](akv_store_config &c) { c.layout = layout, c.heads = heads; });
    return store.region(0, 0);
  };
  akv_region r = strides(AKV_LAYOUT_LAYER_OUTER, AKV_HEADS_INNER);
  CHECK((r.head_stride == 8 && r.token_stride == 32 && r.block_stride == 96 && r.bytes == 6 * 96));
  CHECK((r.scales_token_stride == 16 && r.scales_block_stride == 48 && r.scales_bytes == 6 * 48));
  r = strides(AKV_LAYOUT_LAYER_OUTER, AKV_HEADS_OUTER);
  CHECK((r.head_stride == 24 && r.token_stride == 8 && r.block_stride == 96 && r.bytes == 6 * 96));
  r = strides(AKV_LAYOUT_BLOCK_OUTER, AKV_HEADS_INNER);
  CHECK((r.head_stride == 8 && r.token_stride == 32 && r.block_stride == 2 * 4 * 256));  // layers x pieces, aligned
  CHECK((r.scales_token_stride == 16 && r.scales_block_stride == r.block_stride));
  CHECK(static_cast<std::int64_t>(r.bytes) == 5 * r.block_stride + 96);
  r = strides(AKV_LAYOUT_BLOCK_OUTER, AKV_HEADS_OUTER);
  CHECK((r.head_stride == 24 && r.token_stride == 8 && r.block_stride == 2 * 4 * 256));
}

TEST_CASE("store: E3 new memory is zero, the null block included, also when the store before it was full") {
  const KvCache cache(kv_shapes()[5]);
  for (int round = 0; round < 3; ++round)
    for (const KvStore::Change &layout : kv_layouts(cache.shape)) {
      const KvStore store(cache, layout);
      const ByteString all = store.everything();
      CHECK(std::count(all.begin(), all.end(), 0) == static_cast<std::ptrdiff_t>(all.size()));
      store.fill_with(7);
    }
}

TEST_CASE("store: it keeps the geometry, not the cache, which may be destroyed first") {
  akv_store *store = nullptr;
  {
    const KvCache cache(kv_shapes()[0]);
    OK(akv_store_create(cache, nullptr, &store));
  }
  akv_region region{};
  OK(akv_store_read_region(store, 1, 1, &region, sizeof region));
  const std::int32_t block = 3;
  OK(akv_copy_zero(store, &block, 1, nullptr));
  OK(akv_store_destroy(store));
}

TEST_CASE("store: B13 a selection of layers and a shard of heads hold these and nothing else") {
  const KvCache cache(kv_shapes()[5]);  // 4 layers; planes of 4, 2 and 1 heads
  const std::uint32_t layers[] = {1, 3};
  const KvStore store(cache, [&layers](akv_store_config &config) {
    config.num_layers = 2;
    config.layers = layers;
    config.first_head = 1;
    config.num_heads = 1;
  });
  const akv_store_info info = store.info();
  CHECK((info.num_layers == 2 && info.first_head == 1 && info.num_heads == 1));
  CHECK(info.bytes_per_block == 2 * 16 * (2 * 2 + 5 * 4 + 7 + 1));
  CHECK(store.everything().size() == 4 * info.bytes_per_block);
  akv_region region{};
  for (const std::uint32_t layer : {0u, 2u, 4u, 0xffffffffu})
    CHECK(akv_store_read_region(store, layer, 0, &region, sizeof region) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(last_error() == "layer 4294967295 is not stored here: 2 of the cache's 4 layers are");
  for (const std::uint32_t plane : {3u, 0xffffffffu})
    CHECK(akv_store_read_region(store, 1, plane, &region, sizeof region) == AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("store: swap blocks have columns of their own, and a cache without them has no such store") {
  const KvCache cache(kv_shapes()[0]);
  const KvStore store(cache, [](akv_store_config &config) { config.columns = AKV_STORE_SWAP_BLOCKS; });
  CHECK((store.info().num_blocks == 5 && store.info().columns == AKV_STORE_SWAP_BLOCKS));
  const KvCache without(KvShape{});
  CHECK(try_create(without, [](akv_store_config &c) { c.columns = AKV_STORE_SWAP_BLOCKS; }) == AKV_ERROR_UNSUPPORTED);
}

TEST_CASE("store: E6 values outside their sets and shards that do not exist are refused") {
  const KvCache cache(kv_shapes()[5]);
  const std::uint32_t layers[] = {1, 3}, twice[] = {1, 1}, down[] = {2, 1}, beyond[] = {3, 4};
  constexpr akv_status invalid = AKV_ERROR_INVALID_ARGUMENT, unsupported = AKV_ERROR_UNSUPPORTED;
  using Config = akv_store_config;
  CHECK(try_create(cache, [](Config &c) { c.flags = 2; }) == unsupported);
  CHECK(try_create(cache, [](Config &c) { c.device = 1; }) == unsupported);
  CHECK(try_create(cache, [](Config &c) { c.unused = 1; }) == unsupported);
  CHECK(try_create(cache, [](Config &c) { c.tracker = reinterpret_cast<akv_tracker *>(&c); }) == AKV_ERROR_BAD_HANDLE);
  CHECK(try_create(cache, [](Config &c) { c.layout = 2; }) == invalid);
  CHECK(try_create(cache, [](Config &c) { c.heads = 2; }) == invalid);
  CHECK(try_create(cache, [](Config &c) { c.columns = 2; }) == invalid);
  CHECK(try_create(cache, [](Config &c) { c.first_head = 1; }) == invalid);
  CHECK(try_create(cache, [](Config &c) { c.num_heads = 3; }) == invalid);  // plane 1 has 2
  CHECK(last_error() == "heads 0 to 2 are to be stored, plane 1 has 2");
  CHECK(try_create(cache, [](Config &c) { c.first_head = 0xffffffff, c.num_heads = 2; }) == invalid);
  CHECK(try_create(cache, [](Config &c) { c.num_layers = 1; }) == invalid);
  CHECK(try_create(cache, [&](Config &c) { c.num_layers = 2, c.layers = twice; }) == invalid);
  CHECK(try_create(cache, [&](Config &c) { c.num_layers = 2, c.layers = down; }) == invalid);
  CHECK(try_create(cache, [&](Config &c) { c.num_layers = 2, c.layers = beyond; }) == invalid);
  CHECK(last_error() == "layers[1] is 4, the cache has 4 layers");
  CHECK(try_create(cache, [&](Config &c) { c.num_layers = 2, c.layers = layers; }) == AKV_OK);
  CHECK(try_create(cache, [](Config &c) { c.flags = AKV_STORE_SMALL_PAGES; }) == AKV_OK);
  const KvCache latent(kv_shapes()[2]);  // one head
  CHECK(try_create(latent, [](Config &c) { c.num_heads = 1; }) == AKV_OK);
  CHECK(try_create(latent, [](Config &c) { c.num_heads = 2; }) == invalid);
  CHECK(try_create(latent, [](Config &c) { c.first_head = 1, c.num_heads = 1; }) == invalid);
}

TEST_CASE("store: heads that can't be told apart in bytes are UNSUPPORTED where they would have to be") {
  using Config = akv_store_config;
  const KvCache odd(kv_shapes()[4]);  // 2 heads of 3 elements of 4 bits
  CHECK(try_create(odd, [](Config &c) { c.heads = AKV_HEADS_OUTER; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(try_create(odd, [](Config &c) { c.num_heads = 1; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(try_create(odd, [](Config &) {}) == AKV_OK);
  const KvCache scales(kv_shapes()[3]);  // 3 bytes of scales for 4 heads
  CHECK(try_create(scales, [](Config &c) { c.num_heads = 2; }) == AKV_ERROR_UNSUPPORTED);
  CHECK(last_error() == "plane 1: 3 bytes of scales are not equal parts for 4 heads");
  CHECK(try_create(scales, [](Config &c) { c.num_heads = 4; }) == AKV_OK);
  CHECK(try_create(scales, [](Config &c) { c.heads = AKV_HEADS_OUTER; }) == AKV_OK);
}

TEST_CASE("store: E5 what no address space holds is OUT_OF_MEMORY, and the message says what was asked") {
  for (const std::uint32_t layout : {AKV_LAYOUT_LAYER_OUTER, AKV_LAYOUT_BLOCK_OUTER}) {
    const KvCache large(KvShape{65535, {akv_plane{AKV_PLANE_KEYS, AKV_DTYPE_F32, 65535, 65535, 65535, 0}}, 4, 4096, 0});
    CHECK(try_create(large, [=](akv_store_config &c) { c.layout = layout; }) == AKV_ERROR_OUT_OF_MEMORY);
    CHECK(last_error().find("(65535 layers) exceeds") != std::string::npos);
    // 2^20 blocks of 2^24 bytes: 2^44, and the host has no such memory but may have such addresses
    const KvCache tiny(KvShape{65535, {akv_plane{AKV_PLANE_KEYS, AKV_DTYPE_I8, 1, 1, 0, 0}}, 4095, 1, 0});
    const akv_status status = try_create(tiny, [=](akv_store_config &c) { c.layout = layout; });
    CHECK(status == AKV_OK);  // 68 GB of addresses in block-outer: every byte aligned to 256
  }
}

TEST_CASE("store: the caller's memory is used as its strides say, up to its last byte and not beyond") {
  for (const KvShape &shape : kv_shapes())
    for (const std::size_t pad : {0, 3})
      for (const bool outer : {false, true}) {
        if (outer && kv_layouts(shape).size() != 4) continue;
        const KvCache cache(shape);
        const OwnRegions own(cache, outer, pad);
        const KvStore store(cache, [&](akv_store_config &config) {
          config.heads = outer ? AKV_HEADS_OUTER : AKV_HEADS_INNER;
          own.put_into(config);
        });
        CHECK(store.info().callers_memory == 1);
        store.fill_with(3);
        const ByteString all = store.everything();
        OK(akv_store_warm_up(store, nullptr, nullptr));
        CHECK(store.everything() == all);
      }
}

TEST_CASE("store: the caller's memory that is one byte too small is OUT_OF_RANGE, and the message names the bytes") {
  const KvCache cache(kv_shapes()[3]);
  const auto with = [&cache](std::size_t which, auto bend) {
    OwnRegions own(cache, false, 0);
    bend(own.regions()[which]);
    return try_create(cache, [&own](akv_store_config &config) { own.put_into(config); });
  };
  constexpr akv_status invalid = AKV_ERROR_INVALID_ARGUMENT;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(with(i, [](akv_region &) {}) == AKV_OK);
    CHECK(with(i, [](akv_region &r) { --r.bytes; }) == AKV_ERROR_OUT_OF_RANGE);
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    OK(akv_last_error_detail(&detail));
    CHECK((detail.needed == 6 * 96 && detail.available == 6 * 96 - 1));
    CHECK(with(i, [](akv_region &r) { --r.scales_bytes; }) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(with(i, [](akv_region &r) { r.bytes = 0; }) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(with(i, [](akv_region &r) { r.block_stride = INT64_MAX; }) == invalid);  // it would overflow
    CHECK(with(i, [](akv_region &r) { r.block_stride = INT64_MAX / 5; }) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(with(i, [](akv_region &r) { r.data = nullptr; }) == invalid);
    CHECK(with(i, [](akv_region &r) { r.scales = nullptr; }) == invalid);
    CHECK(with(i, [](akv_region &r) { r.token_stride = -32; }) == invalid);
    CHECK(with(i, [](akv_region &r) { r.token_stride = 31; }) == invalid);  // tokens over each other
    CHECK(with(i, [](akv_region &r) { r.head_stride = 0; }) == invalid);
    CHECK(with(i, [](akv_region &r) { r.block_stride = 0; }) == invalid);
    CHECK(with(i, [](akv_region &r) { r.scales_token_stride = 2; }) == invalid);
    CHECK(with(i, [](akv_region &r) { r.scales_block_stride = -1; }) == invalid);
  }
  OwnRegions own(cache, false, 0);
  const auto count = [&](std::uint32_t regions, std::uint32_t size, bool null) {
    return try_create(cache, [&](akv_store_config &config) {
      own.put_into(config);
      config.num_regions = regions;
      config.region_size = size;
      if (null) config.regions = nullptr;
    });
  };
  CHECK(count(4, sizeof(akv_region), false) == AKV_OK);
  CHECK(count(3, sizeof(akv_region), false) == invalid);
  CHECK(count(5, sizeof(akv_region), false) == invalid);
  CHECK(count(4, sizeof(akv_region) - 1, false) == invalid);
  CHECK(count(4, 4097, false) == invalid);
  CHECK(count(4, sizeof(akv_region), true) == invalid);
}

TEST_CASE("store: B2 a warm-up touches every byte, tells its progress, stops when told, and changes nothing") {
  struct Progress {
    std::uint64_t calls = 0, last = 0, total = 0;
    std::uint64_t stop_at = UINT64_MAX;
    static std::int32_t tell(void *context, std::uint64_t done, std::uint64_t total) {
      auto &progress = *static_cast<Progress *>(context);
      CHECK(done > progress.last);
      progress.last = done;
      progress.total = total;
      return ++progress.calls == progress.stop_at ? 1 : 0;
    }
  };
  const KvCache cache(KvShape{4, kv_shapes()[0].planes, 100000, 16, 0});
  const KvStore store(cache);  // 205 MB
  const akv_region region = store.region(3, 1);
  std::memset(region.data, 0x5a, 64);
  Progress stopped;
  stopped.stop_at = 2;
  CHECK(akv_store_warm_up(store, Progress::tell, &stopped) == AKV_ERROR_CALLBACK);
  CHECK((stopped.calls == 2 && stopped.last < stopped.total));
  Progress whole;
  OK(akv_store_warm_up(store, Progress::tell, &whole));
  CHECK((whole.calls >= 16 && whole.calls <= 128 && whole.last == whole.total && whole.total == store.info().bytes));
  CHECK(std::count(static_cast<Byte *>(region.data), static_cast<Byte *>(region.data) + 128, 0x5a) == 64);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for (std::uint32_t layer = 0; layer < 4; ++layer) {
    const akv_region r = store.region(layer, 0);
    const auto first = address(r.data) / page * page;
    std::vector<unsigned char> resident((r.bytes + page - 1) / page);
    REQUIRE(mincore(reinterpret_cast<void *>(first), resident.size() * page, resident.data()) == 0);
    CHECK(std::count_if(resident.begin(), resident.end(), [](unsigned char p) { return (p & 1) == 0; }) == 0);
  }
  const KvCache small(KvShape{1, {akv_plane{AKV_PLANE_KEYS, AKV_DTYPE_I8, 1, 1024, 0, 0}}, 319, 16, 0});
  const KvStore five(small);  // 5 MiB: told of each 2, and of the end
  Progress few;
  OK(akv_store_warm_up(five, Progress::tell, &few));
  CHECK((few.calls == five.info().bytes / (2 << 20) + (five.info().bytes % (2 << 20) != 0)));
  CHECK((few.calls == 3 && few.last == few.total));
  const auto throws = [](void *, std::uint64_t, std::uint64_t) -> std::int32_t { throw 1; };
  CHECK(on_a_thread([&] { return akv_store_warm_up(store, throws, nullptr); }) == AKV_ERROR_CALLBACK);
  OK(akv_store_warm_up(store, nullptr, nullptr));
}

TEST_CASE("store: E4 its reservation is in the tracker, as KV cache or swap, and leaves it with the store") {
  const KvCache cache(kv_shapes()[0]);
  akv_tracker *tracker = nullptr;
  OK(akv_tracker_create(nullptr, &tracker));
  const auto tracked = [tracker](std::uint32_t purpose) {
    akv_memory_totals totals = AKV_MEMORY_TOTALS_INIT;
    OK(akv_tracker_read_totals(tracker, AKV_DEVICE_HOST, purpose, &totals));
    return totals.bytes;
  };
  {
    const KvStore store(cache, [tracker](akv_store_config &c) { c.tracker = tracker; });
    const KvStore swap(cache,
                       [tracker](akv_store_config &c) { c.tracker = tracker, c.columns = AKV_STORE_SWAP_BLOCKS; });
    const OwnRegions own(cache, false, 0);
    const KvStore callers(cache, [&](akv_store_config &c) { c.tracker = tracker, own.put_into(c); });
    CHECK(tracked(AKV_PURPOSE_KV_CACHE) == 2 * 2 * 512);  // layers x planes x 7 blocks of 64 bytes, aligned
    CHECK(tracked(AKV_PURPOSE_SWAP) == 2 * 2 * 512);
    CHECK(akv_tracker_destroy(tracker) == AKV_ERROR_BUSY);
    OK(akv_tracker_set_limit(tracker, AKV_DEVICE_HOST, 5000));
    CHECK(try_create(cache, [tracker](akv_store_config &c) { c.tracker = tracker; }) == AKV_ERROR_NO_CAPACITY);
    CHECK(tracked(AKV_PURPOSE_KV_CACHE) == 2 * 2 * 512);
  }
  CHECK((tracked(AKV_PURPOSE_KV_CACHE) == 0 && tracked(AKV_PURPOSE_SWAP) == 0));
  OK(akv_tracker_destroy(tracker));
}

TEST_CASE("store: A22 E3 its memory goes with it, and a store in use can't be destroyed") {
  const KvCache cache(kv_shapes()[0]);
  akv_store *store = nullptr;
  OK(akv_store_create(cache, nullptr, &store));
  struct Context {
    akv_store *store;
    akv_status status;
  } context = {store, AKV_OK};
  OK(akv_store_warm_up(
      store,
      [](void *c, std::uint64_t, std::uint64_t) -> std::int32_t {
        auto &inside = *static_cast<Context *>(c);
        inside.status = akv_store_destroy(inside.store);
        return 0;
      },
      &context));
  CHECK(context.status == AKV_ERROR_BUSY);
  akv_region region{};
  OK(akv_store_read_region(store, 0, 0, &region, sizeof region));
  OK(akv_store_destroy(store));
  unsigned char resident = 0;
  CHECK(mincore(reinterpret_cast<void *>(address(region.data) / 4096 * 4096), 1, &resident) == -1);
  CHECK(akv_store_destroy(store) == AKV_ERROR_BAD_HANDLE);
  CHECK(akv_store_warm_up(store, nullptr, nullptr) == AKV_ERROR_BAD_HANDLE);
}
