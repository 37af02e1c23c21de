// kv_cache.cpp: KVCache: sizes to the byte, keys and values in place, requests that come and go, errors that say what
// was asked for.
#include "fixture.hpp"

#include <algorithm>

using namespace cpp_test;
using arenakv::KVCache;
using arenakv::KVCacheConfig;
using arenakv::Status;

namespace {

KVCacheConfig config_of(std::uint32_t layers, std::uint32_t heads, std::uint32_t dim, std::uint32_t context,
                        std::uint32_t dtype = AKV_DTYPE_F16) {
  KVCacheConfig config;
  config.num_layers = layers;
  config.kv_heads = heads;
  config.head_dim = dim;
  config.context = context;
  config.dtype = dtype;
  return config;
}

template <class Call>
std::string message_of(Call &&call) {
  try {
    call();
  } catch (const arenakv::Error &error) {
    return error.what();
  }
  return "";
}

std::uint8_t *bytes_of(void *at) { return static_cast<std::uint8_t *>(at); }

}  // namespace

TEST_CASE("cpp kv_cache: E1 the document's sizes") {
  const struct {
    std::uint32_t layers, heads, dim, context;
    std::uint64_t bytes;
  } rows[] = {{24, 2, 64, 2048, 25165824},     {24, 2, 64, 4096, 50331648},     {24, 2, 64, 32768, 402653184},
              {32, 8, 128, 2048, 268435456},   {32, 8, 128, 4096, 536870912},   {32, 8, 128, 8192, 1073741824},
              {32, 8, 128, 32768, 4294967296}, {1, 1, 1, 1, 4}};
  for (const auto &row : rows) {
    const KVCacheConfig config = config_of(row.layers, row.heads, row.dim, row.context);
    CHECK(KVCache::calculate_size(config) == row.bytes);
    const KVCache cache(config);  // address space; memory comes as it is touched
    CHECK(cache.size_bytes() == row.bytes);
    CHECK(cache.reserved_bytes() >= row.bytes);
  }
}

TEST_CASE("cpp kv_cache: E2 keys and values of every layer are apart, evenly spaced, and zero at first") {
  const KVCache cache(config_of(5, 3, 10, 37, AKV_DTYPE_F32));
  std::vector<std::uint8_t *> planes;
  for (std::uint32_t layer = 0; layer < 5; ++layer) {
    planes.push_back(bytes_of(cache.keys(layer)));
    planes.push_back(bytes_of(cache.values(layer)));
  }
  const std::size_t bytes = std::size_t{37} * 3 * 10 * sizeof(float);
  CHECK(cache.plane_stride() >= bytes);
  for (std::size_t i = 0; i < planes.size(); ++i) {
    CHECK(planes[i] == planes[0] + i * cache.plane_stride());
    CHECK(std::all_of(planes[i], planes[i] + bytes, [](std::uint8_t byte) { return byte == 0; }));
    std::memset(planes[i], static_cast<int>(i) + 1, bytes);
  }
  for (std::size_t i = 0; i < planes.size(); ++i)
    CHECK(std::all_of(planes[i], planes[i] + bytes, [&](std::uint8_t byte) { return byte == i + 1; }));
  CHECK(refused([&] { (void)cache.keys(5); }) == Status::OutOfRange);
  CHECK(refused([&] { (void)cache.values(UINT32_MAX); }) == Status::OutOfRange);
}

TEST_CASE("cpp kv_cache: E3 E4 E8 its memory goes with it, wherever it was moved, and the tracker knows") {
  auto tracker = arenakv::Tracker::make();
  const auto used = [&] { return tracker.totals(AKV_DEVICE_HOST, AKV_PURPOSE_KV_CACHE).bytes; };
  KVCacheConfig config = config_of(4, 2, 16, 64);
  config.tracker = tracker.get();
  {
    KVCache first(config);
    CHECK(used() == first.reserved_bytes());
    void *const keys = first.keys(0);
    KVCache second = std::move(first);
    CHECK((second.keys(0) == keys && used() == second.reserved_bytes()));
    CHECK(refused([&] { (void)first.keys(0); }) == Status::InvalidArgument);
    KVCache third(config);
    CHECK(used() == 2 * second.reserved_bytes());
    third = std::move(second);
    CHECK((third.keys(0) == keys && used() == third.reserved_bytes()));
    CHECK((third.config().context == 64 && third.config().kv_heads == 2));
    third.warm_up();
  }
  CHECK(used() == 0);
  CHECK(tracker.totals().allocations == tracker.totals().frees);
}

TEST_CASE("cpp kv_cache: E5 E8 a refusal says what was asked for, and leaves nothing behind") {
  auto tracker = arenakv::Tracker::make();
  tracker.set_limit(AKV_DEVICE_HOST, 1000000);
  KVCacheConfig config = config_of(32, 8, 128, 4096);
  config.tracker = tracker.get();
  const std::string said = message_of([&] { KVCache cache(config); });
  CHECK(said.find("failed to allocate KV cache (536 MB, 4096 tokens, 32 layers): ") != std::string::npos);
  CHECK(said.find("1000000") != std::string::npos);
  CHECK(tracker.totals().records == 0);
  const auto expected = arenakv::expected::KVCache::make(config);
  CHECK(expected.status() == Status::NoCapacity);
}

TEST_CASE("cpp kv_cache: E6 the smallest shapes work, and those that make no sense are refused") {
  for (const auto &config : {config_of(1, 4, 8, 64), config_of(4, 1, 8, 64), config_of(2, 2, 1, 1), config_of(1, 1, 2, 17)}) {
    KVCache cache(config);
    cache.allocate(1, config.context);
    const auto view = cache.view(1, config.num_layers - 1);
    CHECK(view.keys.sizes()[0] == config.context);
    CHECK((view.keys.data == cache.keys(config.num_layers - 1) && view.values.data == cache.values(config.num_layers - 1)));
  }
  for (const auto &config : {config_of(0, 4, 8, 64), config_of(4, 0, 8, 64), config_of(4, 4, 0, 64), config_of(4, 4, 8, 0),
                             config_of(4, 4, 8, 64, 99), config_of(70000, 4, 8, 64)})
    CHECK(message_of([&] { KVCache cache(config); }).find("failed to allocate KV cache (") != std::string::npos);
  KVCacheConfig config = config_of(4, 4, 8, 64);
  config.block_tokens = 0;
  CHECK(refused([&] { KVCache cache(config); }) == Status::InvalidArgument);
}

TEST_CASE("cpp kv_cache: B1 B3 B4 a request has neighbouring blocks, and its K/V are one tensor a layer, in place") {
  KVCache cache(3, 2, 8, 64, 4);
  cache.allocate(11, 10, 20);
  cache.allocate(22, 8);
  const auto a = cache.view(11, 1), b = cache.view(22, 1);
  REQUIRE((a.valid() && b.valid()));
  CHECK((a.keys.sizes()[0] == 10 && a.keys.sizes()[1] == 2 && a.keys.sizes()[2] == 8));
  CHECK(a.keys.contiguous());
  const auto span = a.keys.span<std::uint16_t>();
  CHECK(bytes_of(span.data()) >= bytes_of(cache.keys(1)));
  CHECK(bytes_of(span.data() + span.size()) <= bytes_of(cache.keys(1)) + std::size_t{64} * 2 * 8 * 2);
  *a.keys.at<std::uint16_t>(9, 1, 7) = 77;
  CHECK(*cache.view(11, 1).keys.at<std::uint16_t>(9, 1, 7) == 77);
  const auto values = cache.view(11, 1).values.span<std::uint16_t>();
  CHECK(std::count(values.begin(), values.end(), 0) == static_cast<std::ptrdiff_t>(values.size()));
  CHECK(bytes_of(b.keys.data) >= bytes_of(a.keys.data) + std::size_t{20} * 2 * 8 * 2);
  CHECK(refused([&] { (void)cache.view(33, 0); }) == Status::NotFound);
  CHECK(refused([&] { (void)cache.view(11, 3); }) == Status::OutOfRange);
  CHECK((!cache.try_view(33, 0).valid() && !cache.try_view(11, 3).valid() && cache.try_view(22, 0).valid()));
}

TEST_CASE("cpp kv_cache: B5 B17 tokens are appended in place up to max_tokens, and no further") {
  KVCache cache(2, 2, 8, 64, 4);
  cache.allocate(1, 3, 10);
  void *const where = cache.view(1, 0).keys.data;
  for (std::uint32_t length = 3; length < 10; ++length) CHECK(cache.append(1) == length);
  CHECK((cache.length(1) == 10 && cache.view(1, 0).keys.data == where));
  CHECK(refused([&] { (void)cache.append(1); }) == Status::NoCapacity);
  CHECK(cache.length(1) == 10);
  CHECK(refused([&] { cache.allocate(1, 4); }) == Status::AlreadyExists);
  CHECK(refused([&] { cache.allocate(2, 65); }) == Status::NoCapacity);
  CHECK(refused([&] { cache.allocate(2, 12, 10); }) == Status::InvalidArgument);
  CHECK(refused([&] { cache.allocate(0, 1); }) == Status::InvalidArgument);
  CHECK(refused([&] { cache.allocate(2, 0); }) == Status::InvalidArgument);
  CHECK(refused([&] { (void)cache.append(2); }) == Status::NotFound);
  try {
    cache.allocate(2, 60);
    FAIL("13 blocks are free");
  } catch (const arenakv::NoRoomError &error) {
    CHECK((error.needed() == 15 && error.available() == 13));
  }
  CHECK(cache.stats().requests == 1);
}

TEST_CASE("cpp kv_cache: B6 freed blocks can be had at once; a second free changes nothing") {
  KVCache cache(2, 2, 8, 64, 4);
  for (int round = 0; round < 100; ++round) {
    cache.allocate(5, 64);
    CHECK(cache.stats().full);
    CHECK(cache.free(5));
    CHECK(!cache.free(5));
  }
  CHECK((!cache.free(0) && !cache.free(99)));
  cache.cache().audit_all();
}

TEST_CASE("cpp kv_cache: E3 with zero_reused a request never sees what another one wrote") {
  for (const bool zero : {false, true}) {
    KVCacheConfig config = config_of(2, 2, 8, 32, AKV_DTYPE_F32);
    config.block_tokens = 4;
    config.zero_reused = zero;
    KVCache cache(config);
    cache.allocate(1, 32);
    for (float &value : cache.view(1, 1).values.span<float>()) value = 3.0f;
    cache.free(1);
    cache.allocate(2, 32);
    const auto values = cache.view(2, 1).values.span<const float>();
    CHECK(std::count(values.begin(), values.end(), 3.0f) == (zero ? 0 : static_cast<std::ptrdiff_t>(values.size())));
  }
}

TEST_CASE("cpp kv_cache: B2 B7 statistics: bytes, tokens, fragmentation, full") {
  KVCache cache(2, 2, 8, 64, 4);
  cache.warm_up();
  const auto empty = cache.stats();
  CHECK((empty.requests == 0 && empty.free_bytes == cache.size_bytes() && empty.allocated_bytes == 0 && !empty.full));
  for (std::uint64_t id = 1; id <= 4; ++id) cache.allocate(id, 16);
  const auto full = cache.stats();
  CHECK((full.requests == 4 && full.used_tokens == 64 && full.full && full.free_bytes == 0));
  CHECK(full.allocated_bytes == cache.size_bytes());
  cache.free(1), cache.free(3);
  CHECK(cache.stats().fragmentation == 0.5f);
}
