// copy_image.cpp: what copy_image.h promises: K/V come back as they were, into any blocks, layouts and shards, or
// nothing happens at all. On workers' streams: copy_image_queued.cpp. It knows the public API only.
#include "image_fixture.hpp"

using namespace akv::test;

namespace {

const std::vector<Geometry> &geometries() {
  static const std::vector<Geometry> all = {Geometry::scaled(), Geometry::latent(), Geometry::nibbles(),
                                            Geometry::mixed()};
  return all;
}

const std::vector<std::vector<Shard>> &layouts() {
  static const std::vector<std::vector<Shard>> all = {
      {Shard{}},
      {Shard{{}, 0, 0, AKV_LAYOUT_LAYER_OUTER, AKV_HEADS_OUTER}},
      {Shard{{}, 0, 0, AKV_LAYOUT_BLOCK_OUTER, AKV_HEADS_INNER}},
      {Shard{{}, 0, 0, AKV_LAYOUT_BLOCK_OUTER, AKV_HEADS_OUTER}},
      {Shard{{1}}, Shard{{0}, 0, 0, AKV_LAYOUT_BLOCK_OUTER}},
  };
  return all;
}

// These shards are of two layers, and heads that share a byte are not apart.
bool fits(const Geometry &geometry, const std::vector<Shard> &shards) {
  const bool whole_heads = geometry.heads(0) == geometry.planes[0].kv_heads;
  return (shards.size() == 1 || geometry.layers == 2) && (whole_heads || shards[0].heads == AKV_HEADS_INNER);
}

struct Filled {
  explicit Filled(const Geometry &geometry = Geometry::scaled(), std::uint32_t length = 10, const Config &config = {},
                  const std::vector<Shard> &shards = {Shard{}})
      : cache(geometry, config),
        stores(cache, shards),
        tokens(count_up(50, length)),
        sequence(filled(cache, stores, tokens)) {}
  ImageCache cache;
  ImageStores stores;
  Tokens tokens;
  akv_sequence sequence;
};

// Nothing of the cache or the stores is different after what must fail.
template <class Call>
void changes_nothing(const ImageCache &cache, const ImageStores &stores, akv_status status, Call call) {
  const auto gauges = cache.gauges();
  const auto bytes = stores.everything();
  const akv_cache_state before = cache.state();
  akv_created created = AKV_CREATED_INIT;
  created.length = 77;
  const akv_status answer = call(created);
  INFO("answered " << akv_status_name(answer) << ", wanted " << akv_status_name(status) << ": " << last_error());
  CHECK(answer == status);
  CHECK((created.length == 77 && created.sequence == AKV_NONE));
  CHECK(cache.gauges() == gauges);
  CHECK(stores.everything() == bytes);
  const akv_cache_state after = cache.state();
  CHECK((after.open_tickets == before.open_tickets && after.leases == before.leases && after.plans == before.plans));
  CHECK((after.evicted_blocks == before.evicted_blocks && after.cached_tokens == before.cached_tokens));
}

akv_load_options labelled(const unsigned char *label, std::uint32_t flags = 0) {
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.label = label;
  options.flags = flags;
  return options;
}

}  // namespace

TEST_CASE("copy_image: E7 every byte comes back, from every layout and block size into every other") {
  for (const Geometry &geometry : geometries())
    for (const auto &from : layouts()) {
      if (!fits(geometry, from)) continue;
      Filled source(geometry, 21, {4, 32, nullptr}, from);
      const Image image = saved(source.cache, source.stores, source.sequence);
      CHECK(source.stores.moved(AKV_MOVED_SAVE) == geometry.token_bytes() * 21);
      for (const std::uint32_t block_tokens : {1u, 3u, 4u, 16u, 32u})
        for (const auto &to : layouts()) {
          if (!fits(geometry, to)) continue;
          ImageCache cache(geometry, {block_tokens, 40, nullptr});
          const ImageStores stores(cache, to);
          const akv_created created = loaded(cache, stores, image);
          CHECK((created.length == 21 && created.cached_tokens == 0 && created.plan == AKV_NONE &&
                 created.wait == AKV_NONE));
          CHECK(stores.wrong(created.sequence, 21) == 0);
          CHECK(cache.tokens(created.sequence) == source.tokens);
          CHECK(cache.info(created.sequence).committed == 21);
          CHECK(stores.moved(AKV_MOVED_LOAD) == geometry.token_bytes() * 21);
          CHECK(saved(cache, stores, created.sequence) == image);
        }
    }
}

TEST_CASE("copy_image: E7 D5 tokens that share scales by channel are saved and loaded in whole blocks") {
  // 64 KiB of scales a block of 16 tokens: as many bytes a token as there may be in a block of one.
  Geometry geometry{{{AKV_PLANE_KEYS, 0, 128, 128, 0, 0}}, 1};
  OK(akv_planes_choose(geometry.planes.data(), 1, sizeof geometry.planes[0], AKV_FORMAT_I4, 16));
  const Filled source(geometry, 32, {16, 8, nullptr});
  const Image image = saved(source.cache, source.stores, source.sequence);
  const ImageCache cache(geometry, {16, 8, nullptr});
  const ImageStores stores(cache);
  CHECK(stores.wrong(loaded(cache, stores, image).sequence, 32) == 0);
  const Filled odd(geometry, 31, {16, 8, nullptr});
  Image none;
  CHECK(try_save(odd.cache, odd.stores, odd.sequence, none) == AKV_ERROR_UNSUPPORTED);
}

TEST_CASE("copy_image: E7 shards of heads are joined and split, with their scales and planes of one head") {
  const std::vector<Shard> halves = {Shard{{}, 1, 1}, Shard{{}, 0, 1, AKV_LAYOUT_BLOCK_OUTER, AKV_HEADS_OUTER}};
  const std::vector<Shard> quarters = {Shard{{1}, 2, 2}, Shard{{0}, 2, 2}, Shard{{}, 0, 1}, Shard{{}, 1, 1}};
  struct Case {
    Geometry geometry;
    std::vector<Shard> shards;
  };
  for (const Case &c : {Case{Geometry::scaled(), halves}, Case{Geometry::mixed(), quarters}}) {
    Filled whole(c.geometry, 11), split(c.geometry, 11, {3, 32, nullptr}, c.shards);
    const Image image = saved(whole.cache, whole.stores, whole.sequence);
    CHECK(saved(split.cache, split.stores, split.sequence) == image);
    CHECK(split.stores.moved(AKV_MOVED_SAVE) == c.geometry.token_bytes() * 11);  // what several have, once
    ImageCache cache(c.geometry);
    const ImageStores stores(cache, c.shards);
    CHECK(stores.wrong(loaded(cache, stores, image).sequence, 11) == 0);
  }
}

TEST_CASE("copy_image: E7 of the caller's memory, strided as he likes, it is the same image") {
  Filled source(Geometry::latent(), 9);
  const Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::latent());
  const std::size_t token = 80 + 24, block = 4 * token + 40;
  std::vector<unsigned char> memory(33 * block * 2, 0xcd);
  akv_region regions[2] = {};
  for (int layer = 0; layer < 2; ++layer) {
    regions[layer].data = memory.data() + layer * 33 * block;
    regions[layer].bytes = 33 * block;
    regions[layer].block_stride = static_cast<std::int64_t>(block);
    regions[layer].token_stride = static_cast<std::int64_t>(token);
    regions[layer].head_stride = 80;
  }
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  config.regions = regions;
  config.num_regions = 2;
  config.region_size = sizeof regions[0];
  akv_store *store = nullptr;
  OK(akv_store_create(cache, &config, &store));
  akv_created created = AKV_CREATED_INIT;
  OK(akv_copy_load(cache, image.data(), image.bytes, nullptr, &store, 1, &created, nullptr));
  const auto blocks = cache.blocks(created.sequence);
  std::uint64_t wrong = 0;
  for (std::uint32_t layer = 0; layer < 2; ++layer)
    for (std::uint32_t at = 0; at < 9; ++at)
      for (std::uint32_t i = 0; i < 80; ++i)
        wrong += memory[(layer * 33 + static_cast<std::size_t>(blocks[at / 4])) * block + at % 4 * token + i] !=
                 byte_of(at, layer, 0, i);
  CHECK(wrong == 0);
  Image again;
  again.resize(image.bytes);
  std::uint64_t bytes = 0;
  OK(akv_copy_save(cache, created.sequence, &store, 1, nullptr, again.data(), again.bytes, &bytes, nullptr));
  CHECK((bytes == image.bytes && again == image));
  OK(akv_store_destroy(store));
}

TEST_CASE("copy_image: E7 only what is committed is saved, or the beginning that was asked for") {
  Filled source;
  REQUIRE(source.cache.append(source.sequence, count_up(900, 5)) == AKV_OK);  // K/V of these do not exist
  Image image = saved(source.cache, source.stores, source.sequence);
  akv_image_info info = AKV_IMAGE_INFO_INIT;
  OK(akv_image_check(image.data(), image.bytes, &info));
  CHECK((info.num_tokens == 10 && info.known_tokens == 10));
  CHECK(info.payload_bytes == source.cache.geometry.token_bytes() * 10);
  akv_save_options options = AKV_SAVE_OPTIONS_INIT;
  options.num_tokens = 7;
  image = saved(source.cache, source.stores, source.sequence, &options);
  ImageCache cache(Geometry::scaled());
  const ImageStores stores(cache);
  const akv_created created = loaded(cache, stores, image);
  CHECK((created.length == 7 && stores.wrong(created.sequence, 7) == 0));
  options.num_tokens = 11;
  CHECK(try_save(source.cache, source.stores, source.sequence, image, &options) == AKV_ERROR_OUT_OF_RANGE);
  const akv_sequence empty = source.cache.create(count_up(700, 5)).sequence;
  CHECK(try_save(source.cache, source.stores, empty, image) == AKV_ERROR_NOT_COMMITTED);
}

TEST_CASE("copy_image: E7 negative ids are kept, and an unknown one stays unknown") {
  ImageCache cache(Geometry::latent());
  const ImageStores stores(cache);
  const Tokens tokens = {5, -7, INT32_MAX, -1, 0, 9, AKV_TOKEN_UNKNOWN, AKV_TOKEN_UNKNOWN};
  const akv_sequence s = filled(cache, stores, tokens);
  const Image image = saved(cache, stores, s);
  akv_image_info info = AKV_IMAGE_INFO_INIT;
  OK(akv_image_check(image.data(), image.bytes, &info));
  CHECK((info.num_tokens == 8 && info.known_tokens == 6));
  ImageCache other(Geometry::latent());
  const ImageStores its(other);
  const akv_sequence t = loaded(other, its, image).sequence;
  CHECK((other.tokens(t) == tokens && other.info(t).known == 6 && other.info(t).committed == 8));
  CHECK(its.wrong(t, 8) == 0);
}

TEST_CASE("copy_image: E7 what is cached of it is shared, and only the rest is written") {
  Filled source(Geometry::scaled(), 18);
  const Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled());
  const ImageStores stores(cache);
  const akv_sequence first = loaded(cache, stores, image).sequence;
  const std::uint64_t all = stores.moved(AKV_MOVED_LOAD);
  const akv_created second = loaded(cache, stores, image);
  CHECK((second.cached_tokens == 16 && second.shared_blocks == 4 && second.new_blocks == 1));
  CHECK(stores.moved(AKV_MOVED_LOAD) - all == Geometry::scaled().token_bytes() * 2);
  CHECK(stores.wrong(second.sequence, 18) == 0);
  cache.free(first);
  cache.free(second.sequence);
  CHECK(cache.match(source.tokens).cached_tokens == 16);  // it is a cached prefix like any other
  akv_sequence_options alone = AKV_SEQUENCE_OPTIONS_INIT;
  alone.flags = AKV_SEQUENCE_NO_MATCH | AKV_SEQUENCE_NO_PUBLISH;
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.sequence = &alone;
  const akv_created third = loaded(cache, stores, image, &options);
  CHECK((third.cached_tokens == 0 && cache.info(third.sequence).published_tokens == 0));
  CHECK(stores.wrong(third.sequence, 18) == 0);
}

TEST_CASE("copy_image: E7 A11 it belongs to the domain, request and owner that its loader names") {
  Filled source;
  const Image image = saved(source.cache, source.stores, source.sequence);
  akv_sequence_options its = AKV_SEQUENCE_OPTIONS_INIT;
  its.request_id = 99;
  its.owner = 5;
  its.reserve_tokens = 20;
  its.max_tokens = 30;
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.domain = 3;
  options.sequence = &its;
  const akv_created created = loaded(source.cache, source.stores, image, &options);
  CHECK(created.cached_tokens == 0);  // equal tokens in another domain share nothing
  const akv_sequence_info info = source.cache.info(created.sequence);
  CHECK((info.domain == 3 && info.request_id == 99 && info.owner == 5 && info.max_tokens == 30));
  CHECK(info.capacity == 20);
  CHECK(source.cache.match(source.tokens, 3).cached_tokens == 8);
  CHECK(source.cache.match(source.tokens, 4).cached_tokens == 0);
  CHECK(source.stores.wrong(created.sequence, 10) == 0);
}

TEST_CASE("copy_image: A11 blocks of another domain are zeroed before, so the unwritten rest shows nobody's bytes") {
  ImageCache cache(Geometry::scaled(), {4, 8, nullptr});
  const ImageStores stores(cache);
  const akv_sequence s = filled(cache, stores, count_up(0, 31), 1);
  akv_save_options part = AKV_SAVE_OPTIONS_INIT;
  part.num_tokens = 10;
  const Image image = saved(cache, stores, s, &part);
  cache.free(s);
  OK(akv_prefix_clear(cache, nullptr, 0, nullptr));
  akv_sequence_options room = AKV_SEQUENCE_OPTIONS_INIT;
  room.reserve_tokens = 32;
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.domain = 2;
  options.sequence = &room;
  const akv_created created = loaded(cache, stores, image, &options);
  CHECK((created.plan == AKV_NONE && cache.info(created.sequence).plan == AKV_NONE));
  CHECK(stores.moved(AKV_MOVED_ZERO) == Geometry::scaled().token_bytes() * 4 * 8);
  CHECK(stores.wrong(created.sequence, 10) == 0);
  std::uint64_t foreign = 0;
  stores.for_each_byte(cache.blocks(created.sequence), 10, 32,
                       [&foreign](unsigned char byte, unsigned char) { foreign += byte != 0; });
  CHECK(foreign == 0);
}

TEST_CASE("copy_image: E7 another label is OTHER_GEOMETRY, none is one of its own, ANY_LABEL looks at none") {
  unsigned char ours[AKV_LABEL_BYTES], theirs[AKV_LABEL_BYTES];
  std::fill_n(ours, AKV_LABEL_BYTES, std::uint8_t{7});
  std::copy_n(ours, AKV_LABEL_BYTES, theirs);
  theirs[63] = 8;
  Filled source;
  akv_save_options save = AKV_SAVE_OPTIONS_INIT;
  save.label = ours;
  const Image image = saved(source.cache, source.stores, source.sequence, &save);
  akv_image_info info = AKV_IMAGE_INFO_INIT;
  OK(akv_image_check(image.data(), image.bytes, &info));
  CHECK(std::equal(ours, ours + AKV_LABEL_BYTES, info.label));
  const akv_load_options wrong = labelled(theirs), right = labelled(ours), any = labelled(theirs, AKV_LOAD_ANY_LABEL);
  ImageCache cache(Geometry::scaled());
  const ImageStores stores(cache);
  for (const akv_load_options *refused : {&wrong, static_cast<const akv_load_options *>(nullptr)})
    changes_nothing(cache, stores, AKV_ERROR_OTHER_GEOMETRY,
                    [&](akv_created &created) { return try_load(cache, stores, image, created, refused); });
  const Image without = saved(source.cache, source.stores, source.sequence);
  changes_nothing(cache, stores, AKV_ERROR_OTHER_GEOMETRY,
                  [&](akv_created &created) { return try_load(cache, stores, without, created, &right); });
  CHECK(loaded(cache, stores, image, &right).length == 10);
  CHECK(loaded(cache, stores, image, &any).length == 10);
}

TEST_CASE("copy_image: E7 an image of another model is OTHER_GEOMETRY, and nothing has changed") {
  Filled source;
  const Image image = saved(source.cache, source.stores, source.sequence);
  for (int change = 0; change < 6; ++change) {
    Geometry other = Geometry::scaled();
    if (change == 0) other.layers = 2;
    if (change == 1) other.planes.pop_back();
    if (change == 2) other.planes[0].kv_heads = 4;
    if (change == 3) other.planes[1].head_dim = 4;
    if (change == 4) other.planes[1].dtype = AKV_DTYPE_BF16;
    if (change == 5) other.planes[0].scale_bytes = 8;
    ImageCache cache(other);
    const ImageStores stores(cache);
    changes_nothing(cache, stores, AKV_ERROR_OTHER_GEOMETRY,
                    [&](akv_created &created) { return try_load(cache, stores, image, created); });
  }
}

TEST_CASE("copy_image: E7 a damaged, truncated or extended image is BAD_IMAGE, and nothing has changed") {
  Filled source(Geometry::latent(), 6);
  Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::latent());
  const ImageStores stores(cache);
  cache.cache_prefix(count_up(0, 9));
  const auto load = [&](akv_created &created) { return try_load(cache, stores, image, created); };
  for (std::uint64_t bit = 0; bit < image.bytes * 8; bit += 13) {
    image.data()[bit / 8] = static_cast<unsigned char>(image.data()[bit / 8] ^ 1u << bit % 8);
    akv_created created = AKV_CREATED_INIT;
    REQUIRE(load(created) == AKV_ERROR_BAD_IMAGE);
    image.data()[bit / 8] = static_cast<unsigned char>(image.data()[bit / 8] ^ 1u << bit % 8);
  }
  const std::uint64_t whole = image.bytes;
  image.data()[whole - 1] ^= 1;
  changes_nothing(cache, stores, AKV_ERROR_BAD_IMAGE, load);
  image.data()[whole - 1] ^= 1;
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{100}, whole - 1, whole + 1}) {
    Image cut = image;
    cut.resize(bytes);
    cut.words.resize(whole / 8 + 2);
    changes_nothing(cache, stores, AKV_ERROR_BAD_IMAGE,
                    [&](akv_created &created) { return try_load(cache, stores, cut, created); });
  }
  CHECK(loaded(cache, stores, image).length == 6);
}

TEST_CASE("copy_image: E7 what create would refuse is refused, and nothing has changed") {
  Filled source(Geometry::scaled(), 30);
  const Image image = saved(source.cache, source.stores, source.sequence);
  struct Case {
    akv_status status;
    void (*change)(akv_cache_config &);
    std::uint64_t request_id;
  };
  const Case cases[] = {
      {AKV_ERROR_NO_BLOCKS, [](akv_cache_config &c) { c.num_blocks = 10; }, 0},
      {AKV_ERROR_NO_SEQUENCES, [](akv_cache_config &c) { c.max_sequences = 1; }, 0},
      {AKV_ERROR_NO_CAPACITY, [](akv_cache_config &c) { c.max_tokens_per_sequence = 29; }, 0},
      {AKV_ERROR_ALREADY_EXISTS, nullptr, 4},
  };
  for (const Case &c : cases) {
    ImageCache cache(Geometry::scaled(), {4, 32, c.change});
    const ImageStores stores(cache);
    akv_created there = AKV_CREATED_INIT;
    OK(cache.try_create(count_up(500, 12), 0, there, 0, 4));
    akv_sequence_options its = AKV_SEQUENCE_OPTIONS_INIT;
    its.request_id = c.request_id;
    akv_load_options options = AKV_LOAD_OPTIONS_INIT;
    options.sequence = &its;
    changes_nothing(cache, stores, c.status,
                    [&](akv_created &created) { return try_load(cache, stores, image, created, &options); });
  }
}

TEST_CASE("copy_image: E7 stores that lack a layer or head, of swap blocks, or of another cache are refused") {
  Filled source;
  Image image = saved(source.cache, source.stores, source.sequence);
  ImageCache cache(Geometry::scaled(), {4, 32, [](akv_cache_config &c) { c.num_swap_blocks = 4; }});
  ImageCache larger(Geometry::scaled(), {4, 33, nullptr});
  Shard swap;
  swap.columns = AKV_STORE_SWAP_BLOCKS;
  const ImageStores whole(cache), no_layer(cache, {Shard{{0, 2}}}), no_head(cache, {Shard{{}, 1, 1}}),
      swap_blocks(cache, {swap}), others(larger);
  const akv_sequence s = filled(cache, whole, count_up(0, 10));
  struct Case {
    const ImageStores *stores;
    std::uint32_t count;
    akv_status status;
    const char *says;
  };
  for (const Case &c :
       {Case{&no_layer, 1, AKV_ERROR_INVALID_ARGUMENT, "layer 1, plane 0, head 0 is in none of the 1 stores"},
        Case{&no_head, 1, AKV_ERROR_INVALID_ARGUMENT, "layer 0, plane 0, head 0 is in none of the 1 stores"},
        Case{&swap_blocks, 1, AKV_ERROR_INVALID_ARGUMENT, "swap blocks"},
        Case{&others, 1, AKV_ERROR_OTHER_GEOMETRY, "33 blocks"},
        Case{&whole, 0, AKV_ERROR_INVALID_ARGUMENT, "num_stores is 0"}}) {
    changes_nothing(cache, whole, c.status, [&](akv_created &created) {
      return akv_copy_load(cache, image.data(), image.bytes, nullptr, c.stores->data(), c.count, &created, nullptr);
    });
    CHECK(last_error().find(c.says) != std::string::npos);
    std::uint64_t bytes = 5;
    CHECK(akv_copy_save(cache, s, c.stores->data(), c.count, nullptr, image.data(), image.bytes, &bytes, nullptr) ==
          c.status);
    CHECK(bytes == 5);
  }
  akv_store *const twice[] = {whole.data()[0], whole.data()[0]};
  changes_nothing(cache, whole, AKV_ERROR_INVALID_ARGUMENT, [&](akv_created &created) {
    return akv_copy_load(cache, image.data(), image.bytes, nullptr, twice, 2, &created, nullptr);
  });
}

TEST_CASE("copy_image: E7 a buffer that is too small is told how large it must be, and is not written") {
  Filled source;
  std::uint64_t wanted = 0;
  OK(akv_image_bytes(source.cache, source.sequence, 0, &wanted));
  std::vector<std::uint64_t> buffer(wanted / 8 + 1, 0x5555555555555555u);
  const auto untouched = buffer;
  for (const std::uint64_t capacity : {std::uint64_t{0}, std::uint64_t{1}, wanted - 1}) {
    std::uint64_t bytes = 0;
    CHECK(akv_copy_save(source.cache, source.sequence, source.stores.data(), 1, nullptr, buffer.data(), capacity,
                        &bytes, nullptr) == AKV_ERROR_BUFFER_TOO_SMALL);
    CHECK((bytes == wanted && buffer == untouched));
  }
  CHECK(source.cache.state().leases == 0);
  std::uint64_t bytes = 0;
  auto *const odd = reinterpret_cast<unsigned char *>(buffer.data()) + 1;
  CHECK(akv_copy_save(source.cache, source.sequence, source.stores.data(), 1, nullptr, odd, wanted, &bytes, nullptr) ==
        AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("copy_image: E7 K/V that are being written are NOT_READY, unless the caller orders them") {
  Filled source;
  const akv_sequence s = source.cache.create(count_up(300, 9)).sequence;
  source.stores.write(s, 0, 9);
  const akv_ticket ticket = source.cache.open_ticket();
  source.cache.commit(s, 9, ticket);
  Image image;
  CHECK(try_save(source.cache, source.stores, s, image) == AKV_ERROR_NOT_READY);
  CHECK(source.cache.state().leases == 0);
  akv_save_options ordered = AKV_SAVE_OPTIONS_INIT;
  ordered.flags = AKV_SAVE_ORDERED;
  OK(try_save(source.cache, source.stores, s, image, &ordered));
  source.cache.retire(ticket);
  CHECK(saved(source.cache, source.stores, s) == image);
  CHECK(source.cache.state().leases == 0);
}

TEST_CASE("copy_image: E7 a sequence with an open plan, lost content, or in swap blocks is not saved") {
  ImageCache cache(Geometry::scaled(), {4, 32, [](akv_cache_config &c) { c.num_swap_blocks = 8; }});
  const ImageStores stores(cache);
  Image image;
  const akv_sequence s = filled(cache, stores, count_up(0, 10));
  const akv_sequence child = cache.fork(s);
  const akv_plan plan = cache.planned(child, {77});
  CHECK(try_save(cache, stores, child, image) == AKV_ERROR_PLAN_OPEN);
  cache.roll_back(plan);
  CHECK(try_save(cache, stores, child, image) == AKV_OK);
  const akv_ticket ticket = cache.open_ticket();
  const akv_sequence lost = cache.create(count_up(100, 6)).sequence;
  cache.commit(lost, 6, ticket);
  cache.give_up(ticket);
  CHECK(try_save(cache, stores, lost, image) == AKV_ERROR_CONTENT_LOST);
  cache.free(child);
  akv_plan out = AKV_NONE;
  OK(akv_sequence_swap_out(cache, s, &out));
  cache.finish(out);
  CHECK(try_save(cache, stores, s, image) == AKV_ERROR_SWAPPED);
  CHECK(cache.state().leases == 0);
}

TEST_CASE("copy_image: E7 saving changes nothing that can be seen, and the sequence goes on") {
  Filled source;
  const auto before = source.cache.picture(source.sequence);
  const auto gauges = source.cache.gauges();
  saved(source.cache, source.stores, source.sequence);
  CHECK(source.cache.gauges() == gauges);
  CHECK(source.cache.picture(source.sequence).tokens == before.tokens);
  OK(source.cache.append(source.sequence, {1}));  // in place: no copy-on-write is left behind
  CHECK(source.cache.blocks(source.sequence) == before.blocks);
}

TEST_CASE("copy_image: every flag that is not known, and those of create that do not fit, are UNSUPPORTED") {
  Filled source;
  Image image = saved(source.cache, source.stores, source.sequence);
  for (const std::uint32_t flags : {AKV_SEQUENCE_COMMITTED, AKV_SEQUENCE_PARTIAL, AKV_SEQUENCE_PREFIX_ONLY, 1u << 20}) {
    akv_sequence_options its = AKV_SEQUENCE_OPTIONS_INIT;
    its.flags = flags;
    akv_load_options options = AKV_LOAD_OPTIONS_INIT;
    options.sequence = &its;
    changes_nothing(source.cache, source.stores, AKV_ERROR_UNSUPPORTED, [&](akv_created &created) {
      return try_load(source.cache, source.stores, image, created, &options);
    });
  }
  akv_load_options load = AKV_LOAD_OPTIONS_INIT;
  load.flags = 2;
  akv_created created = AKV_CREATED_INIT;
  CHECK(try_load(source.cache, source.stores, image, created, &load) == AKV_ERROR_UNSUPPORTED);
  akv_save_options save = AKV_SAVE_OPTIONS_INIT;
  save.flags = 2;
  CHECK(try_save(source.cache, source.stores, source.sequence, image, &save) == AKV_ERROR_UNSUPPORTED);
  save.flags = 0;
  save.unused = 1;
  CHECK(try_save(source.cache, source.stores, source.sequence, image, &save) == AKV_ERROR_UNSUPPORTED);
}
