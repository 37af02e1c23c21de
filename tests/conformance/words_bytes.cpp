/* words_bytes.cpp: the words of a story about stores, copies, streams and images, made as C calls; and the K/V of a
 * story, which README.md describes.
 */
#include "story.hpp"

namespace conformance {
namespace {

#define PUT(field) out[#field] = from.field

struct Shape {
  uint32_t layers, row;
};

float value(uint64_t seed, uint32_t layer, uint32_t plane, uint32_t position, uint32_t i) {
  if (seed == 0) return 0.0f;
  return static_cast<float>(seed * 4096 + layer * 1024u + plane * 512u + position) + static_cast<float>(i) / 64.0f;
}

std::vector<float> values(uint64_t seed, uint32_t layer, uint32_t plane, uint32_t first, uint32_t count, uint32_t row) {
  std::vector<float> data;
  for (uint32_t token = 0; token < count; token++)
    for (uint32_t i = 0; i < row; i++) data.push_back(value(seed, layer, plane, first + token, i));
  return data;
}

[[noreturn]] void wrong_bytes() { throw std::runtime_error("K/V differ from what was written"); }

akv_status make_store(Story &story, Step &step, json &) {
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  config.columns =
      step.word("columns", {{"blocks", AKV_STORE_BLOCKS}, {"swap_blocks", AKV_STORE_SWAP_BLOCKS}}, AKV_STORE_BLOCKS);
  config.layout =
      step.word("layout", {{"layer_outer", AKV_LAYOUT_LAYER_OUTER}, {"block_outer", AKV_LAYOUT_BLOCK_OUTER}}, 0);
  const Thing &cache = story.cache_thing(step);
  akv_store *store = nullptr;
  const std::string as = step.text("as");
  const akv_status status = akv_store_create(story.cache(step), &config, &store);
  if (status != AKV_OK) return status;
  const Thing shape = cache;
  Thing &thing = story.name(as, Kind::Store, number(store));
  thing.layers = shape.layers;
  thing.row = shape.row;
  thing.block_tokens = shape.block_tokens;
  return status;
}

struct Where {
  Thing &store;
  akv_sequence sequence;
  uint32_t first, count;
  uint64_t seed;
  Where(Story &story, Step &step)
      : store(story.on(step, "store")),
        sequence(story.handle(step)),
        first(step.count32("first")),
        count(step.count32("count")),
        seed(step.count("seed", 0)) {}
  akv_store *akv() const { return pointer<akv_store>(store); }
};

akv_status blocks_of(akv_cache *cache, akv_sequence sequence, std::vector<int32_t> &blocks) {
  blocks.resize(4096);
  uint32_t count = 0;
  const akv_status status = akv_sequence_read_blocks(cache, sequence, 0, blocks.data(), 4096, &count);
  blocks.resize(count);
  return status;
}

akv_status write_layers(const Where &where, const std::vector<int64_t> &slots) {
  for (uint32_t layer = 0; layer < where.store.layers; layer++) {
    std::vector<float> data[2];
    akv_token_data planes[2] = {};
    for (uint32_t plane = 0; plane < 2; plane++) {
      data[plane] = values(where.seed, layer, plane, where.first, where.count, where.store.row);
      planes[plane].data = data[plane].data();
      planes[plane].plane = plane;
    }
    const akv_status status =
        akv_copy_write_tokens(where.akv(), layer, slots.data(), where.count, planes, 2, sizeof planes[0], nullptr);
    if (status != AKV_OK) return status;
  }
  return AKV_OK;
}

akv_status write_kv(Story &story, Step &step, json &) {
  const Where where(story, step);
  std::vector<int64_t> slots(where.count);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &where.sequence;
  batch.first = &where.first;
  batch.num_tokens = &where.count;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slots.data();
  tables.slot_capacity = slots.size();
  const akv_status status = akv_sequence_read_tables(story.cache(step), &batch, &tables);
  return status != AKV_OK ? status : write_layers(where, slots);
}

akv_status read_kv(Story &story, Step &step, json &) {
  const Where where(story, step);
  std::vector<int32_t> blocks;
  akv_status status = blocks_of(story.cache(step), where.sequence, blocks);
  if (status != AKV_OK) return status;
  std::vector<int64_t> slots;
  const uint32_t size = where.store.block_tokens;
  for (uint32_t at = where.first; at < where.first + where.count; at++)
    slots.push_back(static_cast<int64_t>(blocks.at(at / size)) * size + at % size);
  for (uint32_t layer = 0; layer < where.store.layers; layer++)
    for (uint32_t plane = 0; plane < 2; plane++) {
      std::vector<float> data(size_t{where.count} * where.store.row, -1.0f);
      akv_token_data one = {};
      one.data = data.data();
      one.plane = plane;
      status = akv_copy_read_tokens(where.akv(), layer, slots.data(), where.count, &one, 1, sizeof one, nullptr);
      if (status != AKV_OK) return status;
      if (data != values(where.seed, layer, plane, where.first, where.count, where.store.row)) wrong_bytes();
    }
  return AKV_OK;
}

akv_status span_call(Story &story, Step &step, bool scatter) {
  const Where where(story, step);
  std::vector<int32_t> blocks;
  const akv_status status = blocks_of(story.cache(step), where.sequence, blocks);
  if (status != AKV_OK) return status;
  std::vector<float> wanted;
  for (uint32_t layer = 0; layer < where.store.layers; layer++)
    for (uint32_t plane = 0; plane < 2; plane++) {
      const auto part = values(where.seed, layer, plane, where.first, where.count, where.store.row);
      wanted.insert(wanted.end(), part.begin(), part.end());
    }
  std::vector<float> data = scatter ? wanted : std::vector<float>(wanted.size(), -1.0f);
  akv_span span = {};
  span.blocks = blocks.data();
  span.num_blocks = static_cast<uint32_t>(blocks.size());
  span.first_token = where.first;
  span.num_tokens = where.count;
  span.data = data.data();
  span.bytes = data.size() * sizeof(float);
  if (scatter) return akv_copy_scatter(where.akv(), &span, 1, sizeof span, nullptr);
  const akv_status gathered = akv_copy_gather(where.akv(), &span, 1, sizeof span, nullptr);
  if (gathered == AKV_OK && data != wanted) wrong_bytes();
  return gathered;
}

akv_status gather(Story &story, Step &step, json &) { return span_call(story, step, false); }
akv_status scatter(Story &story, Step &step, json &) { return span_call(story, step, true); }

akv_status zero(Story &story, Step &step, json &) {
  const auto blocks = step.list<int32_t>("blocks");
  return akv_copy_zero(pointer<akv_store>(story.on(step, "store")), blocks.data(), static_cast<uint32_t>(blocks.size()),
                       nullptr);
}

akv_status copy_blocks(Story &story, Step &step, json &) {
  const auto from = step.list<int32_t>("from_blocks"), to = step.list<int32_t>("to_blocks");
  return akv_copy_blocks(pointer<akv_store>(story.on(step, "from")), from.data(),
                         pointer<akv_store>(story.on(step, "to")), to.data(), static_cast<uint32_t>(to.size()),
                         step.flags({{"verify", AKV_BLOCKS_VERIFY}}), nullptr);
}

akv_stream *stream_of(Story &story, Step &step) {
  return step.has("stream") ? pointer<akv_stream>(story.on(step, "stream")) : nullptr;
}

akv_status run(Story &story, Step &step, json &) {
  const auto stores = story.stores(step);
  const uint32_t flags =
      step.flags({{"ordered", AKV_RUN_ORDERED}, {"verify", AKV_RUN_VERIFY}, {"finish", AKV_RUN_FINISH}});
  return akv_copy_run(story.cache(step), story.handle(step), stores.data(), static_cast<uint32_t>(stores.size()), flags,
                      stream_of(story, step));
}

akv_status stats(Story &story, Step &step, json &out) {
  const Thing &thing = story.on(step);
  std::vector<akv_copy_stats> lines(64);
  uint32_t count = 0;
  const akv_status status =
      thing.kind == Kind::Pool
          ? akv_page_pool_read_stats(pointer<akv_page_pool>(thing), lines.data(), sizeof lines[0], 64, &count)
          : akv_store_read_stats(pointer<akv_store>(thing), lines.data(), sizeof lines[0], 64, &count);
  lines.resize(count);
  out = stats_of(lines);
  return status;
}

akv_status make_stream(Story &story, Step &step, json &) {
  akv_stream_config config = AKV_STREAM_CONFIG_INIT;
  config.num_workers = step.count32("num_workers");
  akv_stream *stream = nullptr;
  const std::string as = step.text("as");
  const akv_status status = akv_stream_create(&config, &stream);
  if (status == AKV_OK) story.name(as, Kind::Stream, number(stream));
  return status;
}
akv_status wait(Story &story, Step &step, json &) {
  return akv_stream_wait(pointer<akv_stream>(story.on(step)), AKV_POINT_ALL, UINT64_C(60000000000));
}
akv_status record_ticket(Story &story, Step &step, json &) {
  return akv_stream_record_ticket(pointer<akv_stream>(story.on(step)), story.cache(step), story.ticket(step));
}

akv_status save(Story &story, Step &step, json &) {
  const auto stores = story.stores(step);
  const std::string as = step.text("as");
  uint64_t bytes = 0;
  akv_status status = akv_image_bytes(story.cache(step), story.handle(step), 0, &bytes);
  if (status != AKV_OK) return status;
  std::vector<uint32_t> buffer(bytes / 4 + 1);
  status = akv_copy_save(story.cache(step), story.handle(step), stores.data(), static_cast<uint32_t>(stores.size()),
                         nullptr, buffer.data(), bytes, &bytes, stream_of(story, step));
  if (status != AKV_OK) return status;
  Thing &image = story.name(as, Kind::Image, 0);
  image.image = std::move(buffer);
  image.image_bytes = bytes;
  return status;
}

akv_status load(Story &story, Step &step, json &out) {
  const auto stores = story.stores(step);
  const std::string as = step.text("as");
  const Thing &image = story.on(step, "image");
  akv_load_options options = AKV_LOAD_OPTIONS_INIT;
  options.domain = step.count("domain", 0);
  akv_created from = AKV_CREATED_INIT;
  const akv_status status =
      akv_copy_load(story.cache(step), image.image.data(), image.image_bytes, &options, stores.data(),
                    static_cast<uint32_t>(stores.size()), &from, stream_of(story, step));
  if (status != AKV_OK) return status;
  story.name(as, Kind::Sequence, from.sequence);
  PUT(length), PUT(cached_tokens), PUT(partial_tokens), PUT(shared_blocks), PUT(new_blocks);
  out["wait"] = story.called(Kind::Ticket, from.wait);
  return status;
}

akv_status image_check(Story &story, Step &step, json &out) {
  akv_image_info from = AKV_IMAGE_INFO_INIT;
  const Thing &image = story.on(step);
  const akv_status status = akv_image_check(image.image.data(), image.image_bytes, &from);
  PUT(version), PUT(num_tokens), PUT(known_tokens), PUT(image_bytes), PUT(payload_bytes);
  return status;
}

akv_status damage(Story &story, Step &step, json &) {
  Thing &image = story.on(step);
  const uint64_t at = step.count("byte", 0);
  if (at >= image.image_bytes) throw std::runtime_error("the image has no such byte");
  reinterpret_cast<uint8_t *>(image.image.data())[at] ^= 0x55u;
  return AKV_OK;
}

}  // namespace

json stats_of(const std::vector<akv_copy_stats> &lines) {
  static const char *const kKinds[] = {"",       "write",         "read",        "gather", "scatter",  "zero",
                                       "blocks", "copy_on_write", "partial",     "out",    "in",       "save",
                                       "load",   "to_tensor",     "from_tensor", "tensor", "converted"};
  json out = json::object();
  for (const akv_copy_stats &line : lines)
    out[kKinds[line.kind]] = {
        {"calls", line.calls}, {"items", line.items}, {"bytes", line.bytes}, {"verified_bytes", line.verified_bytes}};
  return out;
}

akv_status close_thing(Thing &thing) {
  akv_status status = AKV_ERROR_WRONG_TYPE;
  if (thing.kind == Kind::Cache) status = akv_cache_destroy(pointer<akv_cache>(thing));
  if (thing.kind == Kind::Store) status = akv_store_destroy(pointer<akv_store>(thing));
  if (thing.kind == Kind::Stream) status = akv_stream_destroy(pointer<akv_stream>(thing));
  if (thing.kind == Kind::Pool) status = akv_page_pool_destroy(pointer<akv_page_pool>(thing));
  if (status == AKV_OK) thing.open = false;
  return status;
}

void add_byte_words(Words &words) {
  words.insert({{"store", make_store},
                {"write", write_kv},
                {"read", read_kv},
                {"gather", gather},
                {"scatter", scatter},
                {"zero", zero},
                {"copy_blocks", copy_blocks},
                {"run", run},
                {"stats", stats},
                {"stream", make_stream},
                {"wait", wait},
                {"record_ticket", record_ticket},
                {"save", save},
                {"load", load},
                {"image_check", image_check},
                {"damage", damage}});
}

}  // namespace conformance
