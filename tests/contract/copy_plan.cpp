// copy_plan.cpp: the promises of copy.h about plans: their records run on all shards, in order, and are verified; what
// is finished or abandoned with them. Records without a cache are in copy_records.cpp.
#include "stores.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

const KvShape kShape{
    2, {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 4, 0}, {AKV_PLANE_VALUES, AKV_DTYPE_F32, 2, 3, 0, 0}}, 32, 4, 16};

// Sequences of which every token's K/V are known: they are written where the tables say.
struct Engine {
  explicit Engine(const KvShape &shape = kShape) : cache(shape), store(cache) {}

  Byte byte_of(std::int32_t token, std::size_t i) const { return static_cast<Byte>(token * 31 + static_cast<int>(i)); }
  // What a kernel would do for tokens first .. of a sequence.
  void compute(akv_sequence sequence, std::uint32_t first, const KvStore &where) const {
    const auto blocks = cache.blocks(sequence);
    const Tokens tokens = cache.tokens(sequence);
    ByteString all = where.everything();
    for_each_byte(blocks, tokens, first, where, [&](std::size_t at, Byte wanted) { all[at] = wanted; });
    where.fill(all);
  }
  bool holds(akv_sequence sequence, std::uint32_t end, const KvStore &where) const {
    Tokens tokens = cache.tokens(sequence);
    tokens.resize(end);
    return holds(cache.blocks(sequence), tokens, where);
  }
  bool holds(const std::vector<std::int32_t> &blocks, const Tokens &tokens, const KvStore &where) const {
    const ByteString all = where.everything();
    bool same = true;
    for_each_byte(blocks, tokens, 0, where, [&](std::size_t at, Byte wanted) { same = same && all[at] == wanted; });
    return same;
  }
  akv_sequence create(const Tokens &tokens) const {
    const akv_sequence sequence = cache.create(tokens).sequence;
    compute(sequence, 0, store);
    cache.commit(sequence, static_cast<std::uint32_t>(tokens.size()));
    return sequence;
  }
  akv_status run(akv_plan plan, std::vector<akv_store *> stores, std::uint32_t flags,
                 akv_stream *stream = nullptr) const {
    return akv_copy_run(cache, plan, stores.data(), static_cast<std::uint32_t>(stores.size()), flags, stream);
  }

  const KvCache cache;
  const KvStore store;

 private:
  template <class What>
  void for_each_byte(const std::vector<std::int32_t> &blocks, const Tokens &tokens, std::uint32_t first,
                     const KvStore &where, What what) const {
    const std::uint32_t size = cache.shape.block_tokens;
    for (std::size_t layer = 0; layer < where.layers().size(); ++layer)
      for (std::size_t plane = 0; plane < where.planes().size(); ++plane)
        for (std::uint32_t i = first; i < tokens.size(); ++i) {
          const std::size_t at = where.offset(layer, plane, static_cast<std::size_t>(blocks[i / size]), i % size);
          for (std::size_t k = 0; k < where.planes()[plane].token_bytes(); ++k)
            what(at + k, byte_of(tokens[i], where.layers()[layer] * 100 + plane * 50 + k));
        }
  }
};

KvStore::Change swap_columns(std::uint32_t layout = AKV_LAYOUT_BLOCK_OUTER) {
  return [layout](akv_store_config &config) {
    config.columns = AKV_STORE_SWAP_BLOCKS;
    config.layout = layout;
  };
}
KvStore::Change layer_of(const std::uint32_t &layer) {
  return [&layer](akv_store_config &config) {
    config.layers = &layer;
    config.num_layers = 1;
  };
}

std::uint32_t plan_is_open(const Cache &cache, akv_plan plan) {
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  return akv_plan_read_info(cache, plan, &info) == AKV_OK ? 1 : 0;
}

// A region whose columns are pages, some of them the same page of memory under two addresses.
class TwicePages {
 public:
  TwicePages(std::uint32_t columns, std::uint32_t one, std::uint32_t other) : page_(4096), columns_(columns) {
    const int file = memfd_create("akv-test", MFD_CLOEXEC);
    REQUIRE((file >= 0 && ftruncate(file, static_cast<off_t>(columns * page_)) == 0));
    data = static_cast<Byte *>(mmap(nullptr, columns * page_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    REQUIRE(data != MAP_FAILED);
    REQUIRE(mmap(data + other * page_, page_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                 static_cast<off_t>(one * page_)) != MAP_FAILED);
    close(file);
  }
  ~TwicePages() { munmap(data, columns_ * page_); }
  TwicePages(const TwicePages &) = delete;
  TwicePages &operator=(const TwicePages &) = delete;
  akv_region region(std::int64_t token_stride) const {
    return {data, columns_ * page_, static_cast<std::int64_t>(page_), token_stride, token_stride, nullptr, 0, 0, 0};
  }
  Byte *data = nullptr;

 private:
  std::size_t page_;
  std::size_t columns_;
};

}  // namespace

TEST_CASE("copy_run: A11 copy-on-write copies the shared tail, bytes as the plan says, and the parent keeps its own") {
  const Engine engine;
  const akv_sequence parent = engine.create(count_up(0, 6));
  const akv_sequence child = engine.cache.fork(parent);
  const akv_plan plan = engine.cache.planned(child, {100});
  const akv_plan_info info = engine.cache.plan_info(plan);
  CHECK(info.copied_tokens == 2);
  OK(engine.run(plan, {engine.store}, AKV_RUN_VERIFY | AKV_RUN_FINISH));
  CHECK(!plan_is_open(engine.cache, plan));
  CHECK(engine.holds(child, 6, engine.store));
  engine.compute(child, 6, engine.store);
  CHECK(engine.holds(child, 7, engine.store));
  CHECK(engine.holds(parent, 6, engine.store));
  const akv_copy_stats stats = engine.store.stats(AKV_MOVED_COPY_ON_WRITE);
  CHECK((stats.calls == 1 && stats.items == 1 && stats.bytes == 2 * engine.store.bytes_per_token()));
  CHECK(stats.verified_bytes == stats.bytes);
}

TEST_CASE("copy_run: a partial hit is copied out of the cached block, and a block of another domain is zeroed first") {
  const Engine engine;
  engine.cache.free(engine.create(count_up(0, 8)));
  Tokens like = count_up(0, 7);
  like[6] = 1000;
  akv_created created = AKV_CREATED_INIT;
  OK(engine.cache.try_create(like, AKV_SEQUENCE_PARTIAL, created));
  REQUIRE(created.plan != AKV_NONE);
  const akv_plan_info info = engine.cache.plan_info(created.plan);
  OK(engine.run(created.plan, {engine.store}, 0));
  CHECK(plan_is_open(engine.cache, created.plan));
  engine.cache.finish(created.plan);
  CHECK(engine.holds(created.sequence, 6, engine.store));
  CHECK(engine.store.stats(AKV_MOVED_PARTIAL).bytes == info.copied_tokens * engine.store.bytes_per_token());
  CHECK(engine.store.stats(AKV_MOVED_PARTIAL).verified_bytes == 0);
  // Everything is taken by another domain: what was written before must be zero.
  engine.cache.free(created.sequence);
  engine.store.fill_with(9);
  akv_created all = AKV_CREATED_INIT;
  OK(engine.cache.try_create(count_up(5000, 32 * 4), 0, all, 7));
  REQUIRE(all.plan != AKV_NONE);
  const akv_plan_info zeroes = engine.cache.plan_info(all.plan);
  REQUIRE(zeroes.zeroed_blocks != 0);
  const auto records = engine.cache.records(all.plan);
  for (const int workers : {-1, 2}) {
    const KvStream stream(workers);
    engine.store.fill_with(9);
    OK(engine.run(all.plan, {engine.store}, 0, stream));
    stream.wait();
    const ByteString bytes = engine.store.everything();
    for (const akv_plan_record &record : records)
      for (std::size_t layer = 0; layer < 2; ++layer)
        for (std::size_t plane = 0; plane < 2; ++plane) {
          const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(engine.store.offset(
                                                 layer, plane, static_cast<std::size_t>(record.target_block), 0));
          const auto end = first + static_cast<std::ptrdiff_t>(4 * engine.store.planes()[plane].token_bytes());
          CHECK(std::all_of(first, end, [](Byte byte) { return byte == 0; }));
        }
  }
  CHECK(engine.store.stats(AKV_MOVED_ZERO).items == 2 * zeroes.zeroed_blocks);
  CHECK(engine.store.stats(AKV_MOVED_ZERO).bytes == 2 * zeroes.zeroed_blocks * engine.store.info().bytes_per_block);
  engine.cache.finish(all.plan);
}

TEST_CASE("copy_run: D3 D6 a sequence goes out and comes back bit for bit, on any layout, with streams and without") {
  for (const std::uint32_t layout : {AKV_LAYOUT_LAYER_OUTER, AKV_LAYOUT_BLOCK_OUTER})
    for (const int workers : {-1, 0, 1, 3}) {
      const Engine engine;
      const KvStore swap(engine.cache, swap_columns(layout));
      const KvStream stream(workers);
      const akv_sequence sequence = engine.create(count_up(0, 30));
      akv_plan plan = AKV_NONE;
      OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
      OK(engine.run(plan, {engine.store, swap}, AKV_RUN_FINISH, stream));
      stream.wait();
      CHECK(engine.cache.info(sequence).state == AKV_SEQUENCE_SWAPPED);
      CHECK(swap.stats(AKV_MOVED_OUT).bytes == 30 * engine.store.bytes_per_token());
      CHECK(swap.stats(AKV_MOVED_OUT).verified_bytes == 30 * engine.store.bytes_per_token());
      CHECK((swap.stats(AKV_MOVED_OUT).calls == 1 && swap.stats(AKV_MOVED_OUT).items == 8));
      engine.cache.free(engine.cache.create(count_up(900, 128), AKV_SEQUENCE_NO_PUBLISH).sequence);  // evict all
      engine.store.fill_with(3);
      akv_swapped_in in = AKV_SWAPPED_IN_INIT;
      OK(akv_sequence_swap_in(engine.cache, sequence, &in));
      REQUIRE(in.plan != AKV_NONE);
      OK(engine.run(in.plan, {swap, engine.store}, AKV_RUN_FINISH, stream));
      stream.wait();
      CHECK(engine.cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
      CHECK(engine.holds(sequence, 30, engine.store));
      CHECK(engine.store.stats(AKV_MOVED_IN).bytes == in.copied_tokens * engine.store.bytes_per_token());
    }
}

TEST_CASE("copy_run: B13 shards on both sides: layers here, heads there, each byte once") {
  KvShape shape = kShape;
  shape.planes.push_back({AKV_PLANE_LATENT, AKV_DTYPE_I8, 1, 5, 0, 0});  // of one head: whole in every shard
  const Engine engine(shape);
  const std::uint32_t first = 0, second = 1;
  const KvStore layer0(engine.cache, layer_of(first)), layer1(engine.cache, layer_of(second));
  const auto heads = [](std::uint32_t head) {
    return [=](akv_store_config &config) {
      config.columns = AKV_STORE_SWAP_BLOCKS;
      config.first_head = head;
      config.num_heads = 1;
      config.heads = AKV_HEADS_OUTER;
    };
  };
  const KvStore head0(engine.cache, heads(0)), head1(engine.cache, heads(1));
  const akv_sequence sequence = engine.create(count_up(0, 11));
  engine.compute(sequence, 0, layer0);
  engine.compute(sequence, 0, layer1);
  for (const int workers : {-1, 2}) {
    const KvStream stream(workers);
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
    const auto invalid = AKV_ERROR_INVALID_ARGUMENT;
    CHECK(engine.run(plan, {layer0, layer1, head0}, 0) == invalid);  // head 1 would be lost
    CHECK(last_error() == "layer 0, plane 0 of store 0 is not in the stores of swap blocks");
    CHECK(engine.run(plan, {layer0, head0, head1}, 0) == invalid);
    CHECK(last_error() == "layer 1, plane 0 of store 1 is not in the stores of blocks");
    CHECK(engine.run(plan, {layer0, layer1, engine.store, head0, head1}, 0) == invalid);
    CHECK(last_error().find("stores 0 and 2 overlap") != std::string::npos);
    CHECK(engine.run(plan, {layer0, layer1, layer1, head0, head1}, 0) == invalid);
    CHECK(engine.run(plan, {layer0, layer1}, 0) == invalid);
    CHECK(last_error() == "row 0 of the batch: none of the 2 stores has the cache's swap blocks");
    CHECK(engine.run(plan, {head0, head1}, 0) == invalid);
    CHECK(engine.run(plan, {}, 0) == invalid);
    OK(engine.run(plan, {head1, layer1, head0, layer0}, AKV_RUN_FINISH, stream));
    stream.wait();
    layer0.fill_with(1);
    layer1.fill_with(2);
    engine.cache.free(engine.cache.create(count_up(900, 128), AKV_SEQUENCE_NO_PUBLISH).sequence);
    akv_swapped_in in = AKV_SWAPPED_IN_INIT;
    OK(akv_sequence_swap_in(engine.cache, sequence, &in));
    OK(engine.run(in.plan, {layer0, layer1, head0, head1}, AKV_RUN_FINISH, stream));
    stream.wait();
    CHECK(engine.holds(sequence, 11, layer0));
    CHECK(engine.holds(sequence, 11, layer1));
  }
  CHECK(head0.stats(AKV_MOVED_OUT).bytes == 2 * 11 * head0.bytes_per_token());
  CHECK(layer1.stats(AKV_MOVED_IN).bytes == 2 * 11 * layer1.bytes_per_token());
}

TEST_CASE("copy_run: D6 a copy that differs is VERIFY_FAILED, its plan is abandoned, and the sequence has its K/V") {
  // Two swap blocks are the same page of memory: the second copy overwrites the first.
  const KvShape shape{1, {akv_plane{AKV_PLANE_KEYS, AKV_DTYPE_F16, 1, 4, 0, 0}}, 32, 4, 4};
  for (const int workers : {-1, 0, 2}) {
    const Engine engine(shape);
    const akv_sequence sequence = engine.create(count_up(0, 8));
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
    const auto records = engine.cache.records(plan);
    REQUIRE(records.size() == 2);
    const TwicePages pages(5, static_cast<std::uint32_t>(records[0].target_block),
                           static_cast<std::uint32_t>(records[1].target_block));
    const akv_region region = pages.region(8);
    const KvStore swap(engine.cache, [&region](akv_store_config &config) {
      config.columns = AKV_STORE_SWAP_BLOCKS;
      config.num_regions = 1;
      config.regions = &region;
      config.region_size = sizeof region;
    });
    const KvStream stream(workers);
    const akv_status status = engine.run(plan, {engine.store, swap}, AKV_RUN_FINISH, stream);
    if (workers > 0) OK(status);
    CHECK((workers > 0 ? stream.try_wait() : status) == AKV_ERROR_VERIFY_FAILED);
    CHECK(!plan_is_open(engine.cache, plan));
    CHECK(engine.cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
    CHECK(engine.holds(sequence, 8, engine.store));
    CHECK(swap.stats(AKV_MOVED_OUT).bytes == 8 * 8);
    CHECK(swap.stats(AKV_MOVED_OUT).verified_bytes == 0);
    // Without FINISH it stays open, and the caller abandons it.
    OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
    if (workers <= 0) {
      CHECK(engine.run(plan, {engine.store, swap}, 0, stream) == AKV_ERROR_VERIFY_FAILED);
      CHECK(plan_is_open(engine.cache, plan));
    }
    engine.cache.roll_back(plan);
    // Whole blocks, too.
    const std::int32_t from[] = {1, 2}, to[] = {records[0].target_block, records[1].target_block};
    engine.store.fill_with(5);
    const akv_status blocks = akv_copy_blocks(engine.store, from, swap, to, 2, AKV_BLOCKS_VERIFY, stream);
    CHECK((workers > 0 && blocks == AKV_OK ? stream.try_wait() : blocks) == AKV_ERROR_VERIFY_FAILED);
    OK(akv_copy_blocks(engine.store, from, swap, to, 2, 0, stream));  // who does not ask is not told
    stream.wait();
  }
}

TEST_CASE("copy_run: D6 FINISH of a plan whose content was given up meanwhile abandons it, and says so") {
  for (const int workers : {-1, 0, 2}) {
    const Engine engine;
    const KvStore swap(engine.cache, swap_columns());
    const KvStream stream(workers);
    const akv_sequence sequence = engine.cache.create(count_up(0, 8)).sequence;
    const akv_ticket ticket = engine.cache.open_ticket();
    engine.cache.commit(sequence, 8, ticket);
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
    engine.cache.give_up(ticket);
    const akv_status status = engine.run(plan, {engine.store, swap}, AKV_RUN_FINISH | AKV_RUN_ORDERED, stream);
    CHECK(status == (workers > 0 ? AKV_OK : AKV_ERROR_CONTENT_LOST));
    stream.wait();
    CHECK(!plan_is_open(engine.cache, plan));
    CHECK(engine.cache.info(sequence).state == AKV_SEQUENCE_ACTIVE);
    CHECK(engine.cache.info(sequence).sound_tokens == 0);
  }
}

TEST_CASE("copy_run: a record waits for its source's writer, unless the stream's order is vouched for") {
  const Engine engine;
  const akv_ticket ticket = engine.cache.open_ticket();
  const akv_sequence parent = engine.cache.create(count_up(0, 8)).sequence;
  engine.compute(parent, 0, engine.store);
  engine.cache.commit(parent, 8, ticket);
  Tokens like = count_up(0, 7);
  like[6] = 1000;
  akv_created created = AKV_CREATED_INIT;
  OK(engine.cache.try_create(like, AKV_SEQUENCE_PARTIAL, created));
  REQUIRE(created.plan != AKV_NONE);
  REQUIRE(engine.cache.records(created.plan)[0].wait == ticket);
  const KvStream stream(1);
  CHECK(engine.run(created.plan, {engine.store}, 0) == AKV_ERROR_NOT_READY);
  CHECK(engine.run(created.plan, {engine.store}, 0, stream) == AKV_ERROR_NOT_READY);
  CHECK(engine.store.stats(AKV_MOVED_PARTIAL).calls == 0);
  OK(engine.run(created.plan, {engine.store}, AKV_RUN_ORDERED, stream));
  stream.wait();
  engine.cache.retire(ticket);
  OK(engine.run(created.plan, {engine.store}, AKV_RUN_FINISH));
  CHECK(engine.holds(created.sequence, 6, engine.store));
  CHECK(engine.run(created.plan, {engine.store}, 0) == AKV_ERROR_BAD_HANDLE);
}

TEST_CASE("copy_run: stores of another geometry are refused, and so are plans that are none") {
  const Engine engine;
  const akv_sequence child = engine.cache.fork(engine.create(count_up(0, 6)));
  const akv_plan plan = engine.cache.planned(child, {100});
  KvShape longer = kShape, wider = kShape, more = kShape, deeper = kShape;
  longer.block_tokens = 8;
  wider.planes[1].head_dim = 4;
  more.blocks = 33;
  deeper.layers = 3;
  for (const KvShape &shape : {longer, wider, more, deeper}) {
    const KvCache other(shape);
    const KvStore store(other);
    CHECK(engine.run(plan, {store}, 0) == AKV_ERROR_OTHER_GEOMETRY);
    const KvStore swap(other, swap_columns());
    CHECK(engine.run(plan, {engine.store, swap}, 0) == (shape.blocks == 33 ? AKV_OK : AKV_ERROR_OTHER_GEOMETRY));
  }
  const KvCache same(kShape);
  const KvStore twin(same);
  OK(engine.run(plan, {twin}, 0));  // a store is of a geometry, not of a cache
  CHECK(engine.run(AKV_NONE, {engine.store}, 0) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(engine.run(child, {engine.store}, 0) == AKV_ERROR_WRONG_TYPE);
  CHECK(engine.run(plan, {nullptr}, 0) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_copy_run(nullptr, plan, nullptr, 0, 0, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  for (std::uint32_t bit = 8; bit != 0; bit <<= 1)
    CHECK(engine.run(plan, {engine.store}, bit) == AKV_ERROR_UNSUPPORTED);
  engine.cache.roll_back(plan);
}

TEST_CASE("copy_run: a plan of more records than are read at once runs them all, queued or not") {
  KvShape shape = kShape;
  shape.blocks = shape.swap_blocks = 700;
  shape.layers = 1;
  for (const int workers : {-1, 2}) {
    const Engine engine(shape);
    const KvStore swap(engine.cache, swap_columns());
    const KvStream stream(workers);
    const akv_sequence sequence = engine.create(count_up(0, 999));
    akv_plan plan = AKV_NONE;
    OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
    const auto records = engine.cache.records(plan);
    CHECK(records.size() == 250);
    const std::string error_before = last_error();
    OK(engine.run(plan, {engine.store, swap}, 0, stream));
    stream.wait();
    std::vector<std::int32_t> outside;
    for (const akv_plan_record &record : records) outside.push_back(record.target_block);
    CHECK(engine.holds(outside, count_up(0, 999), swap));
    CHECK(last_error() == error_before);  // what went well inside is no failure of anybody's
    engine.cache.finish(plan);
  }
}

TEST_CASE("copy_run: a plan that does not fit into the stream's queue is QUEUE_FULL, and nothing has moved") {
  KvShape shape = kShape;
  shape.blocks = shape.swap_blocks = 700;
  const Engine engine(shape);
  const KvStore swap(engine.cache, swap_columns());
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  config.num_workers = 1;
  config.queue_bytes = 4096;
  akv_stream *stream = nullptr;
  OK(akv_stream_create(&config, &stream));
  const akv_sequence sequence = engine.create(count_up(0, 999));
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_swap_out(engine.cache, sequence, &plan));
  CHECK(engine.run(plan, {engine.store, swap}, AKV_RUN_FINISH, stream) == AKV_ERROR_QUEUE_FULL);
  CHECK((plan_is_open(engine.cache, plan) && swap.stats(AKV_MOVED_OUT).calls == 0));
  engine.cache.roll_back(plan);
  OK(akv_stream_destroy(stream));  // nothing was left in it
}
