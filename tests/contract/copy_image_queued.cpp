// copy_image_queued.cpp: saving and loading on streams with workers: what is promised while the work is queued.
// It knows the public API only; nothing here goes by the clock: a stream is held up by a function until the test lets
// go.
#include "image_fixture.hpp"

#include <atomic>
#include <thread>

using namespace akv::test;

namespace {

struct Stream {
  explicit Stream(std::uint32_t workers = 2, std::uint32_t queue_items = 0, std::uint64_t queue_bytes = 0) {
    akv_stream_config config = AKV_STREAM_CONFIG_INIT;
    config.num_workers = workers;
    config.queue_items = queue_items;
    config.queue_bytes = queue_bytes;
    OK(akv_stream_create(&config, &handle));
  }
  ~Stream() {
    let_go();
    wait();
    CHECK(akv_stream_destroy(handle) == AKV_OK);
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  operator akv_stream *() const { return handle; }

  // What is queued from now on stays queued until let_go().
  void hold_up() {
    held = true;
    OK(akv_stream_call(
        handle,
        [](void *context) {
          while (static_cast<std::atomic<bool> *>(context)->load()) std::this_thread::yield();
        },
        &held));
  }
  void let_go() { held = false; }
  void wait() const { CHECK(akv_stream_wait(handle, AKV_POINT_ALL, std::uint64_t{60} * 1000000000u) == AKV_OK); }

  akv_stream *handle = nullptr;
  std::atomic<bool> held{false};
};

struct Filled {
  explicit Filled(std::uint32_t length = 10)
      : cache(Geometry::scaled()),
        stores(cache),
        tokens(count_up(50, length)),
        sequence(filled(cache, stores, tokens)) {}
  ImageCache cache;
  ImageStores stores;
  Tokens tokens;
  akv_sequence sequence;
};

}  // namespace

TEST_CASE("copy_image: E7 on workers the image is whole when the stream has passed it, and not before") {
  Filled source;
  const Image wanted = saved(source.cache, source.stores, source.sequence);
  Image image;
  Stream stream;
  stream.hold_up();
  OK(try_save(source.cache, source.stores, source.sequence, image, nullptr, stream));
  CHECK(akv_image_check(image.data(), image.bytes, nullptr) == AKV_ERROR_BAD_IMAGE);
  CHECK(source.cache.state().leases == 1);
  stream.let_go();
  stream.wait();
  CHECK(image == wanted);
  CHECK(source.cache.state().leases == 0);
}

TEST_CASE("copy_image: E7 D6 a sequence that is freed, evicted or written on while it is saved is saved as it was") {
  Filled source(30);
  const Image wanted = saved(source.cache, source.stores, source.sequence);
  Image image;
  Stream stream;
  stream.hold_up();
  OK(try_save(source.cache, source.stores, source.sequence, image, nullptr, stream));
  source.cache.free(source.sequence);
  OK(akv_prefix_clear(source.cache, nullptr, 0, nullptr));
  const akv_sequence other = source.cache.create(count_up(900, 90)).sequence;  // all blocks but the leased ones
  source.stores.for_each_byte(source.cache.blocks(other), 0, 90,
                              [](unsigned char &byte, unsigned char) { byte = 0xbb; });
  stream.let_go();
  stream.wait();
  CHECK(image == wanted);
}

TEST_CASE("copy_image: E7 D6 the cache may be destroyed while it is saved from and loaded into") {
  Filled source;
  const Image wanted = saved(source.cache, source.stores, source.sequence);
  Image image;
  Stream stream;
  {
    akv_stream *const held = stream;
    ImageCache cache(Geometry::scaled());
    const akv_prompt prompt = cache.prompt(source.tokens);
    static_cast<void>(prompt);
    auto stores = std::make_unique<ImageStores>(cache);
    const akv_sequence s = filled(cache, *stores, source.tokens);
    stream.hold_up();
    OK(try_save(cache, *stores, s, image, nullptr, held));
    akv_created created = AKV_CREATED_INIT;
    akv_sequence_options its = AKV_SEQUENCE_OPTIONS_INIT;
    its.flags = AKV_SEQUENCE_NO_MATCH;
    akv_load_options options = AKV_LOAD_OPTIONS_INIT;
    options.sequence = &its;
    OK(try_load(cache, *stores, wanted, created, &options, held));
    CHECK(akv_store_destroy(stores->data()[0]) == AKV_ERROR_BUSY);  // its bytes are still needed
    OK(akv_cache_destroy(cache.handle));
    cache.handle = nullptr;
    stream.let_go();
    stream.wait();
  }
  CHECK(image == wanted);
}

TEST_CASE("copy_image: E7 A22 a load on workers is committed under a ticket, which its work retires") {
  Filled source(20);
  const Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled());
  const ImageStores stores(cache);
  Stream stream;
  stream.hold_up();
  akv_created created = AKV_CREATED_INIT;
  OK(try_load(cache, stores, image, created, nullptr, stream));
  CHECK((created.wait != AKV_NONE && created.plan == AKV_NONE && created.length == 20));
  CHECK(cache.ticket_state(created.wait) == AKV_TICKET_OPEN);
  CHECK((cache.info(created.sequence).committed == 20 && cache.info(created.sequence).wait == created.wait));
  const akv_match match = cache.match(source.tokens);
  CHECK((match.cached_tokens == 16 && match.wait == created.wait));  // who finds it is told to wait
  Image too_early;
  CHECK(try_save(cache, stores, created.sequence, too_early) == AKV_ERROR_NOT_READY);
  akv_save_options ordered = AKV_SAVE_OPTIONS_INIT;  // behind it on the same stream it is fine
  ordered.flags = AKV_SAVE_ORDERED;
  Image behind;
  OK(try_save(cache, stores, created.sequence, behind, &ordered, stream));
  stream.let_go();
  stream.wait();
  CHECK(cache.ticket_state(created.wait) == AKV_TICKET_PASSED);
  CHECK((cache.info(created.sequence).wait == AKV_NONE && stores.wrong(created.sequence, 20) == 0));
  CHECK(behind == image);
  CHECK(stores.moved(AKV_MOVED_LOAD) == Geometry::scaled().token_bytes() * 20);
}

TEST_CASE("copy_image: E7 A22 blocks of a loading sequence that is freed stay in quarantine until the work is done") {
  Filled source(20);
  const Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled());
  const ImageStores stores(cache);
  Stream stream;
  stream.hold_up();
  akv_created created = AKV_CREATED_INIT;
  akv_sequence_options its = AKV_SEQUENCE_OPTIONS_INIT;
  its.flags = AKV_SEQUENCE_NO_PUBLISH;
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.sequence = &its;
  OK(try_load(cache, stores, image, created, &options, stream));
  cache.free(created.sequence);
  CHECK(cache.state().quarantined_blocks == 5);
  stream.let_go();
  stream.wait();
  CHECK((cache.state().quarantined_blocks == 0 && cache.free_blocks() == 32));
}

TEST_CASE("copy_image: A11 on workers blocks are zeroed by the same work, before they are written") {
  ImageCache cache(Geometry::scaled(), {4, 8, nullptr});
  const ImageStores stores(cache);
  const akv_sequence s = filled(cache, stores, count_up(0, 31), 1);
  akv_save_options part = AKV_SAVE_OPTIONS_INIT;
  part.num_tokens = 10;
  const Image image = saved(cache, stores, s, &part);
  cache.free(s);
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  Stream stream;
  stream.hold_up();
  akv_sequence_options room = AKV_SEQUENCE_OPTIONS_INIT;
  room.reserve_tokens = 32;
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.domain = 2;
  options.sequence = &room;
  akv_created created = AKV_CREATED_INIT;
  OK(try_load(cache, stores, image, created, &options, stream));
  CHECK((created.plan == AKV_NONE && cache.state().plans == 0));
  stream.let_go();
  stream.wait();
  CHECK(stores.moved(AKV_MOVED_ZERO) == Geometry::scaled().token_bytes() * 4 * 8);
  CHECK(stores.wrong(created.sequence, 10) == 0);
  std::uint64_t foreign = 0;
  stores.for_each_byte(cache.blocks(created.sequence), 10, 32,
                       [&foreign](unsigned char byte, unsigned char) { foreign += byte != 0; });
  CHECK(foreign == 0);
}

TEST_CASE("copy_image: E7 a full queue, and no ticket left, are refused, and nothing has changed") {
  Filled source;
  Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled(), {4, 32, [](akv_cache_config &c) { c.max_open_tickets = 2; }});
  const ImageStores stores(cache);
  Stream stream(1, 2);
  stream.hold_up();
  while (akv_stream_call(stream, [](void *) {}, nullptr) == AKV_OK) continue;
  const auto before = cache.gauges();
  akv_created created = AKV_CREATED_INIT;
  CHECK(try_load(cache, stores, image, created, nullptr, stream) == AKV_ERROR_QUEUE_FULL);
  CHECK(try_save(source.cache, source.stores, source.sequence, image, nullptr, stream) == AKV_ERROR_QUEUE_FULL);
  CHECK((cache.gauges() == before && cache.state().open_tickets == 0 && source.cache.state().leases == 0));
  stream.let_go();
  stream.wait();
  const akv_ticket oldest = cache.open_ticket(), next = cache.open_ticket();
  CHECK(try_load(cache, stores, image, created, nullptr, stream) == AKV_ERROR_NO_TICKETS);
  CHECK((cache.gauges() == before && created.sequence == AKV_NONE));
  cache.retire(oldest);
  cache.retire(next);
  image = saved(source.cache, source.stores, source.sequence);
  OK(try_load(cache, stores, image, created, nullptr, stream));
  stream.wait();
  CHECK(stores.wrong(created.sequence, 10) == 0);
}

TEST_CASE("copy_image: E7 what create would refuse is refused so on workers too, however little room their queue has") {
  Filled source;
  const Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled(), {4, 32, [](akv_cache_config &c) { c.max_tokens_per_sequence = 1'000'000; }});
  const ImageStores stores(cache);
  const auto before = cache.gauges();
  const Stream streams[] = {Stream(1, 0, 8192), Stream(0)};
  struct Case {
    std::uint32_t reserve, most;
    akv_status status;
  };
  for (const Case &c : {Case{UINT32_MAX, 0, AKV_ERROR_NO_CAPACITY}, Case{21, 20, AKV_ERROR_NO_CAPACITY},
                        Case{0, 9, AKV_ERROR_NO_CAPACITY}, Case{0, 1'000'001, AKV_ERROR_INVALID_ARGUMENT},
                        Case{1'000'000, 0, AKV_ERROR_NO_BLOCKS}, Case{129, 0, AKV_ERROR_NO_BLOCKS}}) {
    akv_sequence_options its = AKV_SEQUENCE_OPTIONS_INIT;
    its.reserve_tokens = c.reserve;
    its.max_tokens = c.most;
    const akv_prompt prompt = cache.prompt(source.tokens);
    akv_created created = AKV_CREATED_INIT;
    CHECK(akv_sequence_create(cache, &prompt, &its, &created) == c.status);
    akv_load_options options = AKV_LOAD_OPTIONS_INIT;
    options.sequence = &its;
    for (const Stream &stream : streams) CHECK(try_load(cache, stores, image, created, &options, stream) == c.status);
    CHECK((cache.gauges() == before && cache.state().open_tickets == 0));
  }
  akv_sequence_options whole = AKV_SEQUENCE_OPTIONS_INIT;
  whole.reserve_tokens = 128;
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.sequence = &whole;
  akv_created created = AKV_CREATED_INIT;
  OK(try_load(cache, stores, image, created, &options, streams[0]));
  streams[0].wait();
  CHECK((stores.wrong(created.sequence, 10) == 0 && cache.info(created.sequence).num_blocks == 32));
}

TEST_CASE("copy_image: E7 many saves and loads at once, on two streams and by two threads, are all right") {
  Filled source(25);
  const Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled(), {4, 64, nullptr});
  const ImageStores stores(cache);
  const Stream streams[2];  // made here: Catch is for one thread
  const auto work = [&](std::uint64_t domain) {
    const Stream &stream = streams[domain];
    for (int round = 0; round < 40; ++round) {
      akv_load_options options = AKV_LOAD_OPTIONS_INIT;
      options.domain = domain;
      akv_created created = AKV_CREATED_INIT;
      if (try_load(cache, stores, image, created, &options, stream) != AKV_OK) std::abort();
      akv_save_options ordered = AKV_SAVE_OPTIONS_INIT;
      ordered.flags = AKV_SAVE_ORDERED;
      Image again;
      again.resize(image.bytes);
      std::uint64_t bytes = 0;
      if (akv_copy_save(cache, created.sequence, stores.data(), stores.count(), &ordered, again.data(), again.bytes,
                        &bytes, stream) != AKV_OK ||
          akv_stream_wait(stream, AKV_POINT_ALL, std::uint64_t{60} * 1000000000u) != AKV_OK || !(again == image) ||
          akv_sequence_free(cache, created.sequence) != AKV_OK)
        std::abort();
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  CHECK((cache.state().leases == 0 && cache.state().open_tickets == 0 && cache.state().sequences == 0));
}
