// copy_refusals.cpp: what the functions of copy.h refuse, before anything was moved; and what queued work keeps.
// Records are in copy_plan.cpp, handles and structs in the abuse tests.
#include "stores.hpp"

#include <atomic>

using namespace akv::test;

namespace {

constexpr akv_status kRange = AKV_ERROR_OUT_OF_RANGE, kInvalid = AKV_ERROR_INVALID_ARGUMENT;

// Two stores and calls that succeed until they are bent; each is tried without a stream and on one with workers.
struct Scene {
  Scene() : cache(kv_shapes()[3]), store(cache), other(cache), stream(2) {  // 5 blocks of 3 tokens; scales
    store.fill_with(1);
    other.fill_with(2);
    for (std::uint32_t plane = 0; plane < 2; ++plane) {
      planes[plane].data = buffer;
      planes[plane].scales = buffer;
      planes[plane].plane = plane;
    }
    span.blocks = blocks;
    span.num_blocks = 2;
    span.num_tokens = 6;
    span.data = buffer;
    span.bytes = sizeof buffer;
  }

  akv_status tokens(akv_stream *on, bool write) {
    return (write ? akv_copy_write_tokens : akv_copy_read_tokens)(store, layer, slots, num_tokens, planes, num_planes,
                                                                  data_size, on);
  }
  akv_status spans(akv_stream *on, bool scatter) {
    return (scatter ? akv_copy_scatter : akv_copy_gather)(store, &span, 1, span_size, on);
  }

  // A call that answers `status`, and leaves all bytes and counts as they were.
  template <class CallOn>
  void refused(akv_status status, CallOn call) {
    const ByteString before = store.everything(), before_other = other.everything();
    std::vector<Byte> buffer_before(buffer, buffer + sizeof buffer);
    for (akv_stream *on : {static_cast<akv_stream *>(nullptr), static_cast<akv_stream *>(stream)}) {
      CHECK(call(on) == status);
      stream.wait();
    }
    CHECK((store.everything() == before && other.everything() == before_other));
    CHECK(std::equal(buffer_before.begin(), buffer_before.end(), buffer));
    akv_copy_stats lines[16];
    std::uint32_t count = 1;
    OK(akv_store_read_stats(store, lines, sizeof lines[0], 16, &count));
    CHECK(count == 0);
  }
  static void tokens_refused(akv_status status, void (*bend)(Scene &)) {
    for (const bool write : {false, true}) {
      Scene scene;
      bend(scene);
      scene.refused(status, [&](akv_stream *on) { return scene.tokens(on, write); });
    }
  }
  static void spans_refused(akv_status status, void (*bend)(Scene &)) {
    for (const bool scatter : {false, true}) {
      Scene scene;
      bend(scene);
      scene.refused(status, [&](akv_stream *on) { return scene.spans(on, scatter); });
    }
  }

  const KvCache cache;
  const KvStore store, other;
  const KvStream stream;
  Byte buffer[4096] = {};
  std::int64_t slots[3] = {3, 17, -1};
  std::uint32_t layer = 1, num_tokens = 3, num_planes = 2, data_size = sizeof(akv_token_data);
  akv_token_data planes[2] = {};
  std::int32_t blocks[2] = {5, 1};
  akv_span span{};
  std::uint32_t span_size = sizeof(akv_span);
};

}  // namespace

TEST_CASE("copy: A11 tokens: slots, layers and planes that do not exist are refused, and nothing was moved") {
  for (const bool write : {false, true}) {
    Scene scene;
    OK(scene.tokens(nullptr, write));
    OK(scene.tokens(scene.stream, write));
    scene.stream.wait();
  }
  Scene::tokens_refused(kRange, [](Scene &s) { s.slots[1] = 18; });  // behind the last block
  CHECK(last_error() == "slots[1] is 18, slots are 3 to 17");
  Scene::tokens_refused(kRange, [](Scene &s) { s.slots[1] = 2; });  // of the null block
  CHECK(last_error() == "slots[1] is 2, in the null block: the first slot is 3");
  Scene::tokens_refused(kRange, [](Scene &s) { s.slots[1] = 0; });
  Scene::tokens_refused(kRange, [](Scene &s) { s.slots[2] = INT64_MAX; });
  Scene::tokens_refused(kRange, [](Scene &s) { s.layer = 2; });
  Scene::tokens_refused(kRange, [](Scene &s) { s.layer = UINT32_MAX; });
  Scene::tokens_refused(kRange, [](Scene &s) { s.planes[1].plane = 2; });
  Scene::tokens_refused(kRange, [](Scene &s) { s.planes[1].plane = UINT32_MAX; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.planes[1].plane = 0; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.planes[1].data = nullptr; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.planes[1].scales = nullptr; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.num_planes = 65; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.num_planes = UINT32_MAX; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.data_size = 0; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.data_size = sizeof(akv_token_data) - 1; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.data_size = 4097; });
  Scene::tokens_refused(kInvalid, [](Scene &s) { s.planes[1].dtype = 7; });
  Scene scene;
  scene.refused(kInvalid, [&](akv_stream *on) {
    return akv_copy_write_tokens(scene.store, 0, nullptr, 1, scene.planes, 1, scene.data_size, on);
  });
  scene.refused(kInvalid, [&](akv_stream *on) {
    return akv_copy_write_tokens(scene.store, 0, scene.slots, 1, nullptr, 1, scene.data_size, on);
  });
  const KvCache plain(kv_shapes()[0]);
  const KvStore without(plain);
  CHECK(akv_copy_write_tokens(without, 0, scene.slots, 1, scene.planes, 1, scene.data_size, nullptr) == kInvalid);
  CHECK(last_error() == "planes[0].scales must be NULL: plane 0 has none");
}

TEST_CASE("copy: A11 spans: blocks, layers, tokens and memory that are not there are refused, and nothing was moved") {
  for (const bool scatter : {false, true}) {
    Scene scene;
    OK(scene.spans(nullptr, scatter));
    OK(scene.spans(scene.stream, scatter));
    scene.stream.wait();
  }
  Scene::spans_refused(kRange, [](Scene &s) { s.blocks[1] = 6; });
  Scene::spans_refused(kRange, [](Scene &s) { s.blocks[1] = -1; });
  Scene::spans_refused(kRange, [](Scene &s) { s.num_tokens = 7, s.span.num_tokens = 7; });
  CHECK(last_error() == "row 0 of the batch: tokens up to 7 are meant, 2 blocks hold 6");
  Scene::spans_refused(kRange, [](Scene &s) { s.span.first_token = 1; });
  Scene::spans_refused(kRange, [](Scene &s) { s.span.first_token = UINT32_MAX; });
  Scene::spans_refused(kRange, [](Scene &s) { s.span.num_tokens = UINT32_MAX; });
  Scene::spans_refused(kRange, [](Scene &s) { s.span.first_layer = 2; });
  Scene::spans_refused(kRange, [](Scene &s) { s.span.first_layer = 1, s.span.num_layers = 2; });
  Scene::spans_refused(kRange, [](Scene &s) { s.span.num_layers = UINT32_MAX; });
  Scene::spans_refused(AKV_ERROR_BUFFER_TOO_SMALL, [](Scene &s) { s.span.bytes = 2 * 6 * (32 + 16 + 32 + 3) - 1; });
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.row == 0 && detail.needed == 996 && detail.available == 995));
  Scene::spans_refused(kInvalid, [](Scene &s) { s.span.data = nullptr; });
  Scene::spans_refused(kInvalid, [](Scene &s) { s.span.blocks = nullptr; });
  Scene::spans_refused(kInvalid, [](Scene &s) { s.span_size = sizeof(akv_span) - 1; });
  Scene::spans_refused(kInvalid, [](Scene &s) { s.span_size = 4097; });
  Scene::spans_refused(kInvalid, [](Scene &s) { s.span.dtype = AKV_DTYPE_I8; });
  Scene scene;
  scene.blocks[0] = 0;
  scene.refused(kRange, [&scene](akv_stream *on) { return scene.spans(on, true); });
  OK(scene.spans(nullptr, false));  // the null block may be read
  CHECK(akv_copy_gather(scene.store, nullptr, 1, sizeof(akv_span), nullptr) == kInvalid);
}

TEST_CASE("copy: elements of a newer header are fine while what is new is zero, else UNSUPPORTED") {
  Scene scene;
  struct NewData {
    akv_token_data data;
    std::uint64_t news;
  } data[2] = {{scene.planes[0], 0}, {scene.planes[1], 0}};
  struct NewSpan {
    akv_span span;
    std::uint64_t news;
  } spans[2] = {{scene.span, 0}, {scene.span, 0}};
  spans[1].span.num_tokens = 3;
  for (akv_stream *on : {static_cast<akv_stream *>(nullptr), static_cast<akv_stream *>(scene.stream)}) {
    OK(akv_copy_read_tokens(scene.store, 0, scene.slots, 3, &data[0].data, 2, sizeof data[0], on));
    OK(akv_copy_gather(scene.store, &spans[0].span, 2, sizeof spans[0], on));
    scene.stream.wait();
  }
  data[1].news = spans[1].news = 1;
  CHECK(akv_copy_read_tokens(scene.store, 0, scene.slots, 3, &data[0].data, 2, sizeof data[0], nullptr) ==
        AKV_ERROR_UNSUPPORTED);
  CHECK(akv_copy_gather(scene.store, &spans[0].span, 2, sizeof spans[0], nullptr) == AKV_ERROR_UNSUPPORTED);
}

TEST_CASE("copy: blocks that are no blocks, named twice or both source and target are refused") {
  Scene scene;
  const auto refuse = [&scene](akv_status status, akv_store *to, std::vector<std::int32_t> a,
                               std::vector<std::int32_t> b) {
    scene.refused(status, [&](akv_stream *on) {
      return akv_copy_blocks(scene.store, a.data(), to, b.data(), static_cast<std::uint32_t>(a.size()), 0, on);
    });
  };
  refuse(kRange, scene.other, {1, 6}, {2, 3});
  refuse(kRange, scene.other, {1, -1}, {2, 3});
  refuse(kRange, scene.other, {1, 2}, {2, 6});
  refuse(kRange, scene.other, {1, 2}, {2, 0});
  CHECK(last_error() == "row 1 of the batch: block 0 is the null block, which is never written");
  refuse(kInvalid, scene.other, {1, 2}, {3, 3});
  refuse(kInvalid, scene.store, {1, 2}, {3, 3});
  refuse(kInvalid, scene.store, {1, 2}, {3, 1});  // in whatever order: which bytes would 3 get?
  refuse(kInvalid, scene.store, {1, 2}, {2, 3});
  refuse(kInvalid, scene.store, {4}, {4});
  OK(akv_copy_blocks(scene.store, scene.blocks, scene.other, scene.blocks, 2, 0, nullptr));
  const auto zero = [&scene](akv_status status, std::vector<std::int32_t> blocks) {
    scene.refused(status, [&](akv_stream *on) {
      return akv_copy_zero(scene.store, blocks.data(), static_cast<std::uint32_t>(blocks.size()), on);
    });
  };
  zero(kRange, {1, 6});
  zero(kRange, {1, INT32_MIN});
  zero(kInvalid, {1, 2, 1});
  CHECK(last_error() == "row 2 of the batch: block 1 is written to twice");
  CHECK(akv_copy_zero(scene.store, nullptr, 1, nullptr) == kInvalid);
  CHECK(akv_copy_blocks(scene.store, nullptr, scene.other, scene.blocks, 1, 0, nullptr) == kInvalid);
  CHECK(akv_copy_blocks(scene.store, scene.blocks, scene.other, nullptr, 1, 0, nullptr) == kInvalid);
  CHECK(akv_copy_blocks(nullptr, scene.blocks, scene.other, scene.blocks, 1, 0, nullptr) == kInvalid);
  CHECK(akv_copy_blocks(scene.store, scene.blocks, nullptr, scene.blocks, 1, 0, nullptr) == kInvalid);
}

TEST_CASE("copy: stores of other geometries, or with nothing in common, are OTHER_GEOMETRY") {
  const KvShape &shape = kv_shapes()[5];
  const KvCache cache(shape);
  const KvStore store(cache);
  const std::int32_t block = 1;
  const auto answer = [&](akv_store *from, akv_store *to) {
    return akv_copy_blocks(from, &block, to, &block, 1, 0, nullptr);
  };
  KvShape bent[4] = {shape, shape, shape, shape};
  bent[0].layers = 3;
  bent[1].block_tokens = 8;
  bent[2].planes[0].dtype = AKV_DTYPE_BF16;
  bent[3].planes.pop_back();
  for (const KvShape &other : bent) {
    const KvCache other_cache(other);
    const KvStore other_store(other_cache);
    CHECK(answer(store, other_store) == AKV_ERROR_OTHER_GEOMETRY);
    CHECK(answer(other_store, store) == AKV_ERROR_OTHER_GEOMETRY);
  }
  KvShape more = shape;
  more.blocks = 9;
  const KvCache larger(more);
  const KvStore nine(larger);
  OK(answer(nine, store));  // how many blocks there are is no geometry
  const std::uint32_t first[] = {0}, second[] = {1};
  const KvStore a(cache, [&](akv_store_config &c) { c.num_layers = 1, c.layers = first; });
  const KvStore b(cache, [&](akv_store_config &c) { c.num_layers = 1, c.layers = second; });
  CHECK(answer(a, b) == AKV_ERROR_OTHER_GEOMETRY);
  OK(answer(a, store));
}

TEST_CASE("copy: a stream that is stale or of another kind is refused by every copy, and nothing was moved") {
  Scene scene;
  akv_stream *gone = nullptr;
  OK(akv_stream_create(nullptr, &gone));
  OK(akv_stream_destroy(gone));
  const auto every = [&scene](akv_stream *on, akv_status status) {
    scene.refused(status, [&](akv_stream *) { return scene.tokens(on, true); });
    scene.refused(status, [&](akv_stream *) { return scene.tokens(on, false); });
    scene.refused(status, [&](akv_stream *) { return scene.spans(on, true); });
    scene.refused(status, [&](akv_stream *) { return scene.spans(on, false); });
    scene.refused(status, [&](akv_stream *) { return akv_copy_zero(scene.store, scene.blocks, 2, on); });
    scene.refused(status, [&](akv_stream *) {
      return akv_copy_blocks(scene.other, scene.blocks, scene.store, scene.blocks, 2, 0, on);
    });
    scene.refused(status, [&](akv_stream *) { return akv_copy_records(nullptr, 0, nullptr, 0, 0, on); });
    scene.refused(status, [&](akv_stream *) { return akv_copy_run(scene.cache, 1, nullptr, 0, 0, on); });
  };
  every(gone, AKV_ERROR_BAD_HANDLE);
  every(reinterpret_cast<akv_stream *>(scene.cache.handle), AKV_ERROR_WRONG_TYPE);
  every(reinterpret_cast<akv_stream *>(&scene), AKV_ERROR_BAD_HANDLE);
}

TEST_CASE(
    "copy: A22 a store can't be destroyed while work on it is queued, and a full queue refuses and moves nothing") {
  const KvCache cache(kv_shapes()[0]);
  akv_store *store = nullptr;
  OK(akv_store_create(cache, nullptr, &store));
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  config.num_workers = 1;
  config.queue_items = 3;
  akv_stream *stream = nullptr;
  OK(akv_stream_create(&config, &stream));
  std::atomic<bool> go{false};
  OK(akv_stream_call(
      stream,
      [](void *flag) {
        while (!static_cast<std::atomic<bool> *>(flag)->load()) usleep(100);
      },
      &go));
  const std::int32_t block = 1;
  OK(akv_copy_zero(store, &block, 1, stream));
  CHECK(akv_store_destroy(store) == AKV_ERROR_BUSY);
  OK(akv_copy_zero(store, &block, 1, stream));
  CHECK(akv_copy_zero(store, &block, 1, stream) == AKV_ERROR_QUEUE_FULL);
  akv_copy_stats line{};
  std::uint32_t count = 9;
  OK(akv_store_read_stats(store, &line, sizeof line, 1, &count));
  CHECK(count == 0);  // counted when moved
  go = true;
  OK(akv_stream_wait(stream, AKV_POINT_ALL, 60'000'000'000u));
  OK(akv_store_read_stats(store, &line, sizeof line, 1, &count));
  CHECK((count == 1 && line.kind == AKV_MOVED_ZERO && line.calls == 2 && line.items == 2));
  OK(akv_store_destroy(store));
  OK(akv_stream_destroy(stream));
}
