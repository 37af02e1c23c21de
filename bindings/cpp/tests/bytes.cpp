// bytes.cpp: stores, views, streams, swap, images, arenas, two tiers, the tracker: bytes from C++, every one counted.
#include "fixture.hpp"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

using namespace cpp_test;
using arenakv::Status;
using std::chrono::seconds;

TEST_CASE("cpp store: S3 B4 K/V are written, read back and counted; views show them in place") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto sequence = cache.create(count_up(0, 6)).sequence;
  const auto slots = slots_of(sequence);
  write_all(store, slots);
  CHECK(reads_back(store, slots));
  CHECK(store.moved(AKV_MOVED_WRITE) == 6 * kLayers * 2 * kRow * sizeof(float));
  CHECK(store.stats().size() == 2);

  const auto view = store.view(1, 0);
  CHECK((view.sizes().size() == 4 && view.sizes()[1] == kBlockTokens && view.num_elements() == 33 * kBlockTokens * kRow));
  store.check_view(view);
  CHECK(*view.at<float>(sequence.blocks()[1], 1, 1, 2) == key_values(1, 0, 6)[5 * kRow + kDim + 2]);
  CHECK(refused([&] { (void)view.at<float>(33, 0, 0, 0); }) == Status::OutOfRange);
  CHECK(refused([&] { (void)view.at<float>(0, 0); }) == Status::OutOfRange);
  CHECK(refused([&] { (void)view.at<double>(0, 0, 0, 0); }) == Status::InvalidArgument);
  const auto tokens = view.reshape({-1, kRow}).slice(0, static_cast<std::uint64_t>(slots[0]), 1);
  CHECK(tokens.span<const float>()[3] == key_values(1, 0, 6)[3]);
  const auto turned = view.permute({2, 0, 1, 3});
  CHECK((turned.sizes()[0] == kHeads && !turned.contiguous() && view.contiguous()));
  CHECK(refused([&] { (void)turned.span<float>(); }) == Status::NotContiguous);
  CHECK(refused([&] { (void)view.permute({0, 1}); }) == Status::InvalidArgument);
  CHECK(view.bytes() == view.num_elements() * sizeof(float));
  CHECK(refused([&] { (void)store.view(9, 0); }) == Status::OutOfRange);
  CHECK(refused([] { (void)arenakv::View().at<float>(0); }) == Status::InvalidArgument);
  std::uint64_t steps = 0;
  store.warm_up([&](std::uint64_t, std::uint64_t) { return ++steps != 0; });
  CHECK(steps != 0);
  CHECK(refused([&] { store.warm_up([](std::uint64_t, std::uint64_t) { return false; }); }) == Status::Callback);
}

TEST_CASE("cpp store: S3 spans, blocks and conversions move what they say") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache), other(cache);
  auto sequence = cache.create(count_up(0, 8)).sequence;
  write_all(store, slots_of(sequence));
  const auto blocks = sequence.blocks();
  other.copy_blocks(store, blocks, blocks);
  CHECK(reads_back(other, slots_of(sequence)));
  other.copy_zero(blocks);
  CHECK(!reads_back(other, slots_of(sequence)));
  std::vector<float> packed(store.span_bytes(0, 0, 8) / sizeof(float));
  arenakv::TokenSpan span{};
  span.blocks = blocks.data();
  span.num_blocks = 2;
  span.num_tokens = 8;
  span.data = packed.data();
  span.bytes = packed.size() * sizeof(float);
  store.copy_gather({span});
  other.copy_scatter({span});
  CHECK(reads_back(other, slots_of(sequence)));
  CHECK(refused([&] { other.copy_blocks(store, blocks, {1}); }) == Status::InvalidArgument);
  const arenakv::KeysAndValues planes(AKV_DTYPE_BF16, kHeads, kDim);
  const arenakv::LayerGroup group = planes.group(kLayers);
  arenakv::CacheConfig config;
  config.num_blocks = 32;
  config.block_tokens = kBlockTokens;
  config.num_groups = 1;
  config.groups = &group;
  config.group_size = sizeof group;
  arenakv::Cache halves(config);
  arenakv::Store small(halves);
  small.copy_converted(store, blocks, blocks);
  CHECK(small.moved(AKV_MOVED_CONVERTED) == 8 * kLayers * 2 * kRow * 2);
}

TEST_CASE("cpp swap: S3 D3 a sequence leaves and comes back with its bytes") {
  arenakv::Cache cache = small_cache();
  arenakv::StoreConfig config;
  config.columns = AKV_STORE_SWAP_BLOCKS;
  arenakv::Store store(cache), swap(cache, config);
  auto sequence = cache.create(count_up(0, 7)).sequence;
  write_all(store, slots_of(sequence));
  sequence.commit();
  arenakv::Plan out;
  sequence.swap_out(out);
  cache.copy_run(out, {store.get(), swap.get()});
  CHECK(sequence.info().state == AKV_SEQUENCE_SWAPPED);
  CHECK(refused([&] { sequence.append({1}); }) == Status::Swapped);
  cache.prefix_clear();
  {
    auto dropped = sequence.swap_in();
    CHECK(dropped.copied_tokens == 7);
  }
  CHECK(sequence.info().state == AKV_SEQUENCE_SWAPPED);  // as before: its K/V are safe
  auto in = sequence.swap_in();
  cache.copy_run(in.to_run, {store.get(), swap.get()});
  CHECK(reads_back(store, slots_of(sequence)));
  std::int32_t blocks[2];
  cache.swap_acquire(blocks);
  cache.swap_release(blocks);
  CHECK(refused([&] { cache.swap_release(blocks); }) == Status::BadHandle);
}

TEST_CASE("cpp image: S3 E7 a sequence is saved to a file and comes back in another cache") {
  arenakv::Cache cache = small_cache(), another = small_cache();
  arenakv::Store store(cache), there(another);
  auto sequence = cache.create(count_up(0, 7)).sequence;
  write_all(store, slots_of(sequence));
  sequence.commit();
  std::vector<std::uint8_t> image(sequence.image_bytes());
  CHECK(cache.copy_save(sequence, {store.get()}, image) == image.size());
  CHECK(arenakv::image_check(image).num_tokens == 7);
  std::vector<arenakv::Plane> planes;
  CHECK((arenakv::image_group(image, planes).num_layers == kLayers && planes.size() == 2));
  Tokens tokens(7);
  arenakv::image_read_tokens(image, 0, tokens);
  CHECK(tokens == count_up(0, 7));
  const std::string path = "arenakv-cpp-test.image";
  arenakv::image_write_file(path, image);
  CHECK(arenakv::image_read_file(path) == image);
  std::remove(path.c_str());
  auto loaded = another.copy_load(image, {there.get()});
  CHECK(reads_back(there, slots_of(loaded.sequence)));
  ++image[image.size() / 2];
  CHECK(refused([&] { (void)another.copy_load(image, {there.get()}); }) == Status::BadImage);
}

TEST_CASE("cpp stream: S3 A10 buffers that were handed over live as long as the work that reads them") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto sequence = cache.create(count_up(0, 6)).sequence;
  const auto slots = slots_of(sequence);
  arenakv::Stream stream(1);
  std::atomic<bool> go{false};
  stream.call([&] { while (!go) std::this_thread::yield(); });
  for (std::uint32_t layer = 0; layer < kLayers; ++layer)
    for (std::uint32_t plane = 0; plane < 2; ++plane) {
      auto data = std::make_shared<std::vector<float>>(key_values(layer, plane, slots.size()));
      arenakv::TokenData tokens{};
      tokens.data = data->data();
      tokens.plane = plane;
      store.copy_write_tokens(layer, slots, {tokens}, stream.get());
      stream.keep(std::move(data));  // freed here, the copy would read what somebody else has by then
    }
  const std::uint64_t point = stream.record();
  CHECK(!stream.passed(point));
  CHECK(refused([&] { store.close(); }) == Status::Busy);
  CHECK(refused([&] { stream.wait(std::chrono::milliseconds(1)); }) == Status::Timeout);
  go = true;
  stream.wait(seconds(60), point);
  CHECK(stream.passed(point));
  CHECK(reads_back(store, slots));
  CHECK(stream.fd() >= 0);
}

TEST_CASE("cpp stream: S3 A10 a stream that goes waits for its work; tickets and plans end with it") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto parent = cache.create(count_up(0, 6)).sequence;
  write_all(store, slots_of(parent));
  parent.commit();
  auto child = parent.fork();
  const akv_ticket ticket = cache.ticket_open();
  bool called = false;
  {
    arenakv::Stream stream(2), other(1);
    arenakv::Plan plan;
    child.append({1}, plan);
    cache.copy_run(plan, {store.get()}, AKV_RUN_FINISH, stream.get());
    stream.record_ticket(cache.get(), ticket);
    other.follow(stream, stream.record());
    other.call([&] { called = true; });
    stream.wait(seconds(60));
    CHECK(cache.ticket_read(ticket) == AKV_TICKET_PASSED);
    CHECK(child.info().plan == AKV_NONE);
  }
  CHECK(called);

  std::atomic<bool> go{false};
  std::thread releaser;
  called = false;
  {
    arenakv::Stream stream(1);
    stream.call([&] { while (!go) std::this_thread::yield(); });
    stream.call([&] { called = true; });
    releaser = std::thread([&] { go = true; });
  }
  CHECK(called);
  releaser.join();
}

TEST_CASE("cpp pager: S3 B13 sequences make room and come back") {
  arenakv::Cache cache = small_cache([](arenakv::CacheConfig &config) { config.num_blocks = 4; });
  arenakv::StoreConfig config;
  config.columns = AKV_STORE_SWAP_BLOCKS;
  arenakv::Store store(cache), swap(cache, config);
  auto pager = arenakv::Pager::make(cache.get(), {store.get(), swap.get()});
  auto a = cache.create(count_up(0, 8)).sequence, b = cache.create(count_up(100, 8)).sequence;
  a.commit(), b.commit();
  const auto answer = pager.copy_make_resident({a.id()}, {8});
  CHECK((answer.pending == 0 && answer.started_out == 1));
  CHECK(b.info().state == AKV_SEQUENCE_SWAPPED);
}

TEST_CASE("cpp arena: S3 A1 A3 tensors grow in place and go with their arena") {
  arenakv::PagePoolConfig config;
  config.page_bytes = 4096;
  config.num_pages = 4;
  arenakv::PagePool pool(config);
  {
    auto arena = pool.arena(7);
    auto tensor = arena.tensor(1024);
    CHECK((tensor.content() == AKV_CONTENT_ZERO && tensor.extend(100) == 0 && tensor.extend(28) == 100));
    const std::vector<std::uint8_t> written = {1, 2, 3, 4};
    tensor.copy_from(written, 100);
    std::vector<std::uint8_t> read(4);
    tensor.copy_to(read, 100);
    CHECK(read == written);
    CHECK(tensor.memory().bytes == 128);
    CHECK(tensor.view(AKV_DTYPE_F32, {-1, 8}).sizes()[0] == 4);
    auto more = arena.tensors({256, 512});
    more[0].extend(4);
    more[0].copy_tensor(tensor, 100, 0, 4);
    CHECK(*static_cast<std::uint8_t *>(more[0].memory().data) == 1);
    more[0].copy_zero();
    CHECK(*static_cast<std::uint8_t *>(more[0].memory().data) == 0);
    CHECK((arena.info().tensors == 3 && arena.info().owner == 7));
    CHECK(refused([&] { (void)arena.tensor(1 << 20); }) == Status::NoCapacity);
    CHECK(pool.stats().size() == 4);
    auto dropped = pool.arena();
    dropped.drop();
    arena = std::move(dropped);  // the old one is dropped, and its tensors with it
    CHECK(refused([&] { tensor.extend(1); }) == Status::BadHandle);
  }
  CHECK((pool.state().arenas == 0 && pool.state().live_pages == 0));
  akv_page pages[2];
  std::uint32_t contents[2];
  pool.page_acquire(3, pages, contents);
  CHECK(pool.page_view(pages[0]).bytes == 4096);
  pool.copy_zero_page(pages[0]);
  CHECK(refused([&] { pool.close(); }) == Status::Ok);
}

TEST_CASE("cpp two_tier: S3 D5 rows of a tail, overflow and reading back") {
  arenakv::Plane planes[2] = {{AKV_PLANE_KEYS, 0, kHeads, kDim, 0, 0}, {AKV_PLANE_VALUES, 0, kHeads, kDim, 0, 0}};
  arenakv::planes_choose(planes, AKV_FORMAT_I8, kBlockTokens);
  arenakv::LayerGroup group = {AKV_RULE_FULL, kLayers, 2, sizeof planes[0], planes, 0, 0};
  arenakv::CacheConfig cache_config;
  cache_config.block_tokens = kBlockTokens;
  cache_config.num_groups = 1;
  cache_config.groups = &group;
  cache_config.group_size = sizeof group;
  arenakv::Cache cache(cache_config);
  arenakv::Store quantized(cache);
  arenakv::TailConfig config;
  config.dtype = AKV_DTYPE_F32;
  config.tail_tokens = 4;
  config.slack_tokens = 8;
  arenakv::Store rings = arenakv::Tail::make_store(quantized, config);
  auto tail = arenakv::Tail::make(quantized, rings, config);
  auto row = tail.open();
  auto sequence = cache.create(count_up(0, 10)).sequence;
  const std::vector<akv_tail_row> rows(10, row.id());
  std::vector<std::uint32_t> positions(10);
  std::iota(positions.begin(), positions.end(), 0u);
  std::vector<std::int64_t> slots(10);
  tail.read_slots(rows, positions, slots);
  write_all(rings, slots);
  const auto blocks = sequence.blocks();
  arenakv::Overflow overflow{row.id(), blocks.data(), 3, 10, AKV_UNSET, 0};
  std::uint32_t stored = 0;
  tail.copy_overflow({overflow}, {&stored, 1});
  CHECK(stored == 4);
  std::vector<std::int32_t> table(tail.info().ring_blocks);
  tail.read_tables({row.id()}, table, tail.info().ring_blocks, {&stored, 1});
  std::vector<float> all(kLayers * 2 * 10 * kRow);
  tail.copy_read_tiers(overflow, AKV_DTYPE_F32, all.data(), all.size() * sizeof(float));
  CHECK(all[9 * kRow] == key_values(0, 0, 10)[9 * kRow]);                        // in the tail: exact
  CHECK(std::abs(all[3 * kRow] - key_values(0, 0, 10)[3 * kRow]) < 1.0f);        // quantized: nearly
  CHECK(refused([&] { tail.read_slots(rows, {1}, slots); }) == Status::InvalidArgument);
  row.close();
  CHECK(tail.info().open_rows == 0);
}

TEST_CASE("cpp tracker: S3 E4 records are forgotten when they go, and a limit refuses") {
  auto tracker = arenakv::Tracker::make();
  {
    const auto weights = tracker.record(AKV_PURPOSE_WEIGHTS, 1000);
    auto activations = tracker.record(AKV_PURPOSE_ACTIVATIONS, 10);
    CHECK(tracker.totals().bytes == 1010);
    activations = tracker.record(AKV_PURPOSE_ACTIVATIONS, 20);
    CHECK(tracker.totals(AKV_UNSET, AKV_PURPOSE_ACTIVATIONS).bytes == 20);
    activations.forget();
    tracker.set_limit(AKV_DEVICE_HOST, 1500);
    CHECK(refused([&] { (void)tracker.record(AKV_PURPOSE_OTHER, 501); }) == Status::NoCapacity);
  }
  CHECK(tracker.totals().bytes == 0);
}

TEST_CASE("cpp attention: S3 it sees what a store holds") {
  arenakv::Cache cache = small_cache();
  arenakv::Store store(cache);
  auto sequence = cache.create(count_up(0, 1)).sequence;
  write_all(store, slots_of(sequence));
  const std::vector<float> query(kRow, 1.0f);
  std::vector<float> out(kRow);
  const auto blocks = sequence.blocks();
  const std::uint32_t length = 1;
  arenakv::AttentionPart part{};
  part.store = store.get();
  part.block_table = blocks.data();
  part.lengths = &length;
  arenakv::Attention attention;
  attention.num_sequences = 1;
  attention.query_heads = kHeads;
  attention.dtype = AKV_DTYPE_F32;
  attention.query = query.data();
  attention.out = out.data();
  attention.parts = &part;
  attention.num_parts = 1;
  attention.part_size = sizeof part;
  arenakv::attention_decode(attention);
  CHECK(out == key_values(0, 1, 1));  // of one token the values themselves
}

TEST_CASE("cpp model: S3 A6 B9 models and planners") {
  const auto model = arenakv::model_find("mistral-7b");
  CHECK((model.kv_heads == 8 && arenakv::model_sizes(model, 4096).bytes == 536870912));
  arenakv::Plane planes[2];
  CHECK(arenakv::model_group(model, planes).num_layers == 32);
  CHECK(planes[1].head_dim == 128);
  arenakv::PlannerRequest request;
  request.budget_bytes = std::uint64_t{1} << 30;
  CHECK(arenakv::planner_fit(model, request).num_blocks == 511);
  CHECK(arenakv::model_detect_kv_heads(1024, 128) == 8);
  CHECK((std::string(arenakv::version_string()) == "0.1.0" && arenakv::has(AKV_FEATURE_STORES)));
  CHECK(arenakv::Cache::config_sizes().block_tokens == 16);
}
