// arenakv_kv_cache.hpp: KVCache, keys and values of a fixed number of tokens in one memory: for one request that has all
// of it, or for several that each have neighbouring blocks of it. A thin layer over a cache and a store.
//
//   one request    KVCache cache(config); attention(cache.keys(layer), cache.values(layer), ...)
//   several        cache.allocate(id, prompt_tokens, max_tokens); cache.view(id, layer); cache.append(id); cache.free(id)
//
// In memory: [layer][keys, values][token][head][dim], zero at first; all planes are plane_stride() bytes apart. Nothing
// is allocated after it was made, and nothing here moves a byte of K/V (with zero_reused, allocate() zeroes some).
#ifndef ARENAKV_KV_CACHE_HPP
#define ARENAKV_KV_CACHE_HPP

#include <algorithm>
#include <string>

#include "arenakv/cpp/cache.hpp"
#include "arenakv/cpp/library.hpp"
#include "arenakv/cpp/store.hpp"

namespace arenakv {

struct KVCacheConfig {
  std::uint32_t num_layers = 0;
  std::uint32_t kv_heads = 0;  // not the query heads
  std::uint32_t head_dim = 0;
  std::uint32_t context = 0;   // tokens in all
  std::uint32_t block_tokens = 16;
  std::uint32_t max_requests = 256;
  std::uint32_t dtype = AKV_DTYPE_F16;
  bool zero_reused = false;        // blocks that another request had are zeroed for the next one
  akv_tracker *tracker = nullptr;  // records the memory as KV cache, and must live longer
};

// Keys and values of one request in one layer: [token][head][dim], in place.
template <class Errors>
struct BasicLayerView {
  BasicView<Errors> keys;
  BasicView<Errors> values;
  bool valid() const noexcept { return keys.valid() && values.valid(); }
};

struct KVCacheStats {
  std::uint32_t requests = 0;
  std::uint64_t used_tokens = 0;
  std::uint64_t allocated_bytes = 0;  // of the blocks that requests have
  std::uint64_t free_bytes = 0;
  float fragmentation = 0;            // 1 - longest free stretch / free blocks
  bool full = false;                  // no block is free
};

template <class Errors>
class BasicKVCache {
 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using LayerView = BasicLayerView<Errors>;

  // Bytes of keys and values: 2 x layers x context x KV heads x head_dim x element.
  static Result<std::uint64_t> calculate_size(const KVCacheConfig &config) {
    std::uint64_t bytes = 0;
    return Errors::give(measure(config, bytes), bytes);
  }

  BasicKVCache() noexcept = default;  // of nothing: every call answers BadHandle
  static Result<BasicKVCache> make(const KVCacheConfig &config) {
    BasicKVCache made;
    const akv_status status = made.open(config);
    if (status == AKV_OK) return made;
    const Failure failure = Failure::of(status);
    return Errors::template fail<BasicKVCache>(failure, refusal(config, made.size_bytes_).c_str());
  }
#if ARENAKV_EXCEPTIONS
  template <class E = Errors, class = std::enable_if_t<std::is_same_v<E, Throw>>>
  explicit BasicKVCache(const KVCacheConfig &config) : BasicKVCache(make(config)) {}
  template <class E = Errors, class = std::enable_if_t<std::is_same_v<E, Throw>>>
  BasicKVCache(std::uint32_t layers, std::uint32_t heads, std::uint32_t head_dim, std::uint32_t max_total_tokens,
               std::uint32_t block_size = 16)
      : BasicKVCache(shaped(layers, heads, head_dim, max_total_tokens, block_size)) {}
#endif

  const KVCacheConfig &config() const noexcept { return config_; }
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  // With the null block, and a last block that the context does not fill.
  std::uint64_t reserved_bytes() const noexcept { return reserved_bytes_; }
  // From keys(layer) to values(layer), and from there to keys(layer + 1).
  std::uint64_t plane_stride() const noexcept { return plane_stride_; }
  BasicCache<Errors> &cache() noexcept { return cache_; }
  BasicStore<Errors> &store() noexcept { return store_; }

  // The first token's, for `context` tokens: OutOfRange beyond the last layer.
  Result<void *> keys(std::uint32_t layer) const { return plane(layer, 0); }
  Result<void *> values(std::uint32_t layer) const { return plane(layer, 1); }

  // Touch all memory now, so that later writes meet no page fault.
  Result<void> warm_up() { return store_.warm_up(); }

  // Neighbouring blocks for a request, up to max_tokens (default: what its prompt's blocks hold): all or nothing, at once.
  // AlreadyExists if the id lives; NoBlocks tells what is needed and available.
  Result<void> allocate(std::uint64_t request_id, std::uint32_t prompt_tokens, std::uint32_t max_tokens = 0) {
    // By default up to the end of its last block; where that is beyond the context, the library says what there is.
    const std::uint64_t rounded = blocks_for(prompt_tokens, config_.block_tokens) * config_.block_tokens;
    const std::uint64_t room = std::max<std::uint64_t>(prompt_tokens, std::min<std::uint64_t>(rounded, config_.context));
    const std::uint32_t wanted = max_tokens != 0 ? max_tokens : static_cast<std::uint32_t>(room);
    if (request_id == 0 || wanted == 0 || prompt_tokens > wanted)
      return Errors::template fail<void>(Failure::plain(Status::InvalidArgument),
                                         "a request has an id that is not 0, at least one token, and no longer prompt than that");
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_CONTIGUOUS | AKV_SEQUENCE_NO_MATCH | AKV_SEQUENCE_NO_PUBLISH;
    options.request_id = request_id;
    options.reserve_tokens = wanted;
    options.max_tokens = std::min(wanted, config_.context);
    akv_created created = AKV_CREATED_INIT;
    akv_status status = akv_sequence_create(cache_.get(), nullptr, &options, &created);
    if (status != AKV_OK) return Errors::done(status);
    BasicCreated<Errors> ours(cache_.get(), created);  // takes all of it back if what follows fails
    akv_store *const stores[] = {store_.get()};
    if (ours.plan) {
      status = akv_copy_run(cache_.get(), ours.plan.id(), stores, 1, AKV_RUN_FINISH, nullptr);
      if (status == AKV_OK) ours.plan.detach();
    }
    if (status == AKV_OK) status = akv_sequence_set_length(cache_.get(), created.sequence, prompt_tokens);
    if (status == AKV_OK) ours.sequence.detach();
    return Errors::done(status);
  }

  // Make room for `count` more tokens; the position of the first. NoCapacity beyond what was allocated.
  Result<std::uint32_t> append(std::uint64_t request_id, std::uint32_t count = 1) {
    akv_sequence sequence = AKV_NONE;
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    akv_status status = look(request_id, sequence, info);
    if (status == AKV_OK) status = akv_sequence_append(cache_.get(), sequence, nullptr, count, 0, nullptr);
    return Errors::give(status, info.length);
  }

  // Where the request's keys and values of a layer are: NotFound for an id that does not live.
  Result<LayerView> view(std::uint64_t request_id, std::uint32_t layer) const {
    LayerView out;
    return Errors::give(read_view(request_id, layer, out), out);
  }
  // The same, as a flag: valid() or not.
  LayerView try_view(std::uint64_t request_id, std::uint32_t layer) const noexcept {
    LayerView out;
    return read_view(request_id, layer, out) == AKV_OK ? out : LayerView();
  }
  Result<std::uint32_t> length(std::uint64_t request_id) const {
    akv_sequence sequence = AKV_NONE;
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    return Errors::give(look(request_id, sequence, info), info.length);
  }

  // Its blocks can be had at once. false: there is no such request, and nothing has changed.
  Result<bool> free(std::uint64_t request_id) {
    akv_sequence sequence = AKV_NONE;
    akv_status status = akv_sequence_find(cache_.get(), request_id, &sequence);
    if (status == AKV_OK) status = akv_sequence_free(cache_.get(), sequence);
    bool lived = status == AKV_OK;
    return Errors::give(status == AKV_ERROR_NOT_FOUND || request_id == 0 ? AKV_OK : status, lived);
  }

  Result<KVCacheStats> stats() const {
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    akv_measures measures = AKV_MEASURES_INIT;
    akv_status status = akv_cache_read_state(cache_.get(), &state);
    if (status == AKV_OK) status = akv_cache_measure(cache_.get(), &measures);
    const std::uint64_t free_blocks = std::uint64_t{state.free_blocks} + state.dirty_blocks;
    KVCacheStats out;
    out.requests = state.sequences;
    out.used_tokens = state.sequence_tokens;
    out.free_bytes = free_blocks * state.bytes_per_block;
    out.allocated_bytes = (state.num_blocks - free_blocks) * state.bytes_per_block;
    out.fragmentation = measures.fragmentation;
    out.full = free_blocks == 0;
    return Errors::give(status, out);
  }

 private:
  static KVCacheConfig shaped(std::uint32_t layers, std::uint32_t heads, std::uint32_t head_dim, std::uint32_t tokens,
                              std::uint32_t block_size) noexcept {
    KVCacheConfig config;
    config.num_layers = layers;
    config.kv_heads = heads;
    config.head_dim = head_dim;
    config.context = tokens;
    config.block_tokens = block_size;
    return config;
  }
  static akv_status measure(const KVCacheConfig &config, std::uint64_t &out_bytes) noexcept {
    akv_model model = AKV_MODEL_INIT;
    model.num_layers = config.num_layers;
    model.query_heads = model.kv_heads = config.kv_heads;
    model.key_head_dim = config.head_dim;
    model.dtype = config.dtype;
    akv_model_sizes sizes = AKV_MODEL_SIZES_INIT;
    const akv_status status = akv_model_read_sizes(&model, config.dtype, 0, config.context, &sizes);
    out_bytes = status == AKV_OK ? sizes.bytes : 0;
    return status;
  }
  // What was asked for, before why it was not to be had.
  static std::string refusal(const KVCacheConfig &config, std::uint64_t bytes) {
    return "failed to allocate KV cache (" + std::to_string(bytes / 1000000) + " MB, " + std::to_string(config.context) +
           " tokens, " + std::to_string(config.num_layers) + " layers): " +
           (config.context == 0 || config.block_tokens == 0 ? "context and block_tokens must be at least 1" : last_error());
  }
  akv_status open(const KVCacheConfig &config) {
    config_ = config;
    if (const akv_status status = measure(config, size_bytes_); status != AKV_OK) return status;
    if (config.context == 0 || config.block_tokens == 0) return AKV_ERROR_INVALID_ARGUMENT;  // else: the default
    const KeysAndValues planes(config.dtype, config.kv_heads, config.head_dim);
    const LayerGroup group = planes.group(config.num_layers);
    CacheConfig wanted;
    wanted.num_blocks = static_cast<std::uint32_t>(blocks_for(config.context, config.block_tokens));
    wanted.block_tokens = config.block_tokens;
    wanted.max_sequences = config.max_requests;
    wanted.max_tokens_per_sequence = config.context;
    wanted.block_allocator = AKV_BLOCK_ALLOCATOR_BUDDY;
    wanted.scrub = config.zero_reused ? AKV_SCRUB_ALWAYS : AKV_SCRUB_NONE;
    wanted.num_groups = 1;
    wanted.group_size = sizeof group;
    wanted.groups = &group;
    akv_cache *cache = nullptr;
    if (const akv_status status = akv_cache_create(&wanted, &cache); status != AKV_OK) return status;
    cache_ = BasicCache<Errors>(cache);
    return open_store();
  }
  akv_status open_store() noexcept {
    StoreConfig wanted;
    wanted.tracker = config_.tracker;
    akv_store *store = nullptr;
    akv_status status = akv_store_create(cache_.get(), &wanted, &store);
    if (status != AKV_OK) return status;
    store_ = BasicStore<Errors>(store);
    akv_region first{}, second{};
    akv_store_info info = AKV_STORE_INFO_INIT;
    status = akv_store_read_region(store, 0, 0, &first, sizeof first);
    if (status == AKV_OK) status = akv_store_read_region(store, 0, 1, &second, sizeof second);
    if (status == AKV_OK) status = akv_store_read_info(store, &info);
    plane_stride_ = static_cast<std::uint64_t>(static_cast<char *>(second.data) - static_cast<char *>(first.data));
    reserved_bytes_ = info.bytes;
    return status;
  }

  Result<void *> plane(std::uint32_t layer, std::uint32_t plane) const {
    akv_region region{};
    const akv_status status = akv_store_read_region(store_.get(), layer, plane, &region, sizeof region);
    void *first = static_cast<char *>(region.data) + region.block_stride;  // behind the null block
    return Errors::give(status, first);
  }
  akv_status look(std::uint64_t request_id, akv_sequence &sequence, akv_sequence_info &info) const noexcept {
    const akv_status status = akv_sequence_find(cache_.get(), request_id, &sequence);
    return status == AKV_OK ? akv_sequence_read_info(cache_.get(), sequence, &info) : status;
  }
  // The slot of its first token tells where it is; the rest lies behind.
  akv_status read_view(std::uint64_t request_id, std::uint32_t layer, LayerView &out) const noexcept {
    akv_sequence sequence = AKV_NONE;
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    akv_status status = look(request_id, sequence, info);
    if (status != AKV_OK) return status;
    const std::uint32_t first = 0, count = 1;
    std::int64_t slot = 0;
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = 1;
    batch.sequences = &sequence;
    batch.first = &first;
    batch.num_tokens = &count;
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = &slot;
    tables.slot_capacity = 1;
    status = akv_sequence_read_tables(cache_.get(), &batch, &tables);
    for (std::uint32_t plane = 0; plane < 2 && status == AKV_OK; ++plane) {
      akv_view all = AKV_VIEW_INIT, tokens = AKV_VIEW_INIT;
      const std::int64_t shape[] = {-1, config_.kv_heads, config_.head_dim};
      status = akv_store_read_view(store_.get(), layer, plane, &all);
      if (status == AKV_OK) status = akv_view_reshape(&all, shape, 3, &tokens);
      if (status == AKV_OK)
        status = akv_view_slice(&tokens, 0, static_cast<std::uint64_t>(slot), info.length, plane == 0 ? &out.keys : &out.values);
    }
    return status;
  }

  KVCacheConfig config_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t reserved_bytes_ = 0;
  std::uint64_t plane_stride_ = 0;
  BasicCache<Errors> cache_;
  BasicStore<Errors> store_;
};

#if ARENAKV_EXCEPTIONS
using KVCache = BasicKVCache<Throw>;
using LayerView = BasicLayerView<Throw>;
#endif
namespace expected {
using KVCache = BasicKVCache<Expect>;
using LayerView = BasicLayerView<Expect>;
}  // namespace expected

}  // namespace arenakv

#endif  // ARENAKV_KV_CACHE_HPP
