// bytes_world.cpp: a cache, its stores and streams, chosen at random; which operation is next; and how all of it ends.
// What the operations are is in the other files.
#include "bytes_run.hpp"

#include <algorithm>
#include <cstring>

namespace bytes_test {
namespace {

constexpr Byte kOutside = 0xa5;  // what is between the rows of the caller's memory

}  // namespace

Run::Run(std::uint64_t seed, bool print_all)
    : TellingRun("random_bytes", seed, print_all), random_{seed * 0x2545f4914f6cdd1du + 1}, shape_(random_) {
  token_bytes_ = shape_.token_bytes();
  make_cache();
  make_stores(AKV_STORE_BLOCKS);
  if (num_swap_blocks_ != 0) make_stores(AKV_STORE_SWAP_BLOCKS);
  make_pool();
  if (shape_.converts) make_mirror();
  num_streams_ = random_.between(1, kMaxStreams);
  for (std::uint32_t i = 0; i < num_streams_; ++i) {
    static const std::uint32_t workers[] = {0, 1, 1, 1, 2, 3};
    streams_.push_back(std::make_unique<LatchedStream>(!random_.one_in(8), workers[random_.below(6)]));
  }
}

Run::~Run() {
  for (auto &each : streams_) each->open_all();
  for (auto &each : streams_) each->settle();
  streams_.clear();
  for (Store &store : stores_) {
    check_outside(store);
    must(akv_store_destroy(store.handle), "store_destroy");
  }
  must(akv_page_pool_destroy(pool_), "page_pool_destroy");
  must(akv_store_destroy(mirror_.handle), "store_destroy");
  must(akv_cache_destroy(mirror_cache_), "cache_destroy");
  must(akv_cache_destroy(cache_), "cache_destroy");
}

void Run::make_cache() {
  static const std::uint32_t tokens[] = {1, 4, 4, 4, 16, 3};
  block_tokens_ = tokens[random_.below(6)];
  num_blocks_ = random_.between(6, block_tokens_ == 16 ? 16 : 40);
  num_swap_blocks_ = random_.one_in(4) ? 0 : random_.between(3, 24);
  max_tokens_ = std::min(block_tokens_ * 16, 96u);
  buddy_ = random_.one_in(2);
  scrub_ = random_.below(3);
  letters_ = random_.between(1, 3);
  domains_ = random_.between(1, 3);
  const akv_layer_group group = {AKV_RULE_FULL,
                                 shape_.layers,
                                 static_cast<std::uint32_t>(shape_.planes.size()),
                                 sizeof(akv_plane),
                                 shape_.planes.data(),
                                 0,
                                 0};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = num_blocks_;
  config.block_tokens = block_tokens_;
  config.num_swap_blocks = num_swap_blocks_;
  config.max_sequences = random_.between(2, 10);
  config.max_tokens_per_sequence = max_tokens_;
  config.max_open_tickets = 1u << random_.between(3, 7);
  config.max_plans = random_.between(2, 10);
  config.max_holds = random_.between(2, 10);
  config.magazine_blocks = random_.between(1, 4);
  config.block_allocator = buddy_ ? AKV_BLOCK_ALLOCATOR_BUDDY : AKV_BLOCK_ALLOCATOR_STACK;
  config.scrub = scrub_;
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group;
  must(akv_cache_create(&config, &cache_), "cache_create");
}

// The cache's layers and heads, divided among one to three stores.
void Run::make_stores(std::uint32_t columns) {
  const std::uint32_t all = (columns == AKV_STORE_BLOCKS ? num_blocks_ : num_swap_blocks_) + 1;
  columns_[columns].bytes.assign(std::size_t{all} * block_tokens_ * token_bytes_, 0);
  columns_[columns].owners.assign(std::size_t{all} * block_tokens_, 0);
  std::vector<std::uint32_t> parts[2];
  const bool in_two = shape_.layers > 1 && random_.one_in(2), by_turns = random_.one_in(2);
  const std::uint32_t border = random_.between(1, shape_.layers);
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer)
    parts[in_two && (by_turns ? layer % 2 == 1 : layer >= border) ? 1 : 0].push_back(layer);
  bool split = shape_.shard_heads > 1 && random_.one_in(2);
  for (const auto &layers : parts) {
    if (layers.empty()) continue;
    if (!split) {
      make_store(columns, layers, 0, 0);
      continue;
    }
    const std::uint32_t heads = random_.between(1, shape_.shard_heads - 1);
    make_store(columns, layers, 0, heads);
    make_store(columns, layers, heads, shape_.shard_heads - heads);
    split = false;  // three stores are enough
  }
}

void Run::make_store(std::uint32_t columns, const std::vector<std::uint32_t> &layers, std::uint32_t first_head,
                     std::uint32_t num_heads) {
  stores_.emplace_back();
  Store &store = stores_.back();
  store.columns = columns;
  store.layers = layers;
  store.slices = slices_of(shape_, layers, first_head, num_heads);
  for (const Slice &slice : store.slices) {
    store.token_bytes += slice.bytes();
    for (std::uint32_t head = 0; head < slice.heads; ++head)
      store.head_scales.push_back(shape_.head_scale(slice.layer, slice.plane, slice.first_head + head));
  }
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  config.flags = AKV_STORE_SMALL_PAGES;
  config.columns = columns;
  config.first_head = first_head;
  config.num_heads = num_heads;
  if (layers.size() != shape_.layers || random_.one_in(2)) {
    config.num_layers = static_cast<std::uint32_t>(layers.size());
    config.layers = store.layers.data();
  }
  config.layout = random_.below(2);
  config.heads = shape_.heads_outer ? random_.below(2) : std::uint32_t{AKV_HEADS_INNER};
  std::vector<akv_region> regions;
  if (random_.one_in(3)) take_own_memory(store, config, regions);
  must(akv_store_create(cache_, &config, &store.handle), "store_create");
  note("store of columns %u: %zu layers, heads %u+%u, layout %u/%u, own memory %u", columns, layers.size(), first_head,
       num_heads, config.layout, config.heads, config.num_regions);
}

// Regions of the caller's, with gaps between heads, tokens and blocks.
void Run::take_own_memory(Store &store, akv_store_config &config, std::vector<akv_region> &regions) {
  const std::size_t pad = random_.below(4), tokens = block_tokens_;
  const std::size_t all = (config.columns == AKV_STORE_BLOCKS ? num_blocks_ : num_swap_blocks_) + 1;
  for (const Slice &slice : store.slices) {
    akv_region region{};
    const bool outer = config.heads == AKV_HEADS_OUTER;
    const std::size_t inner = slice.dim_bytes + pad, middle = inner * (outer ? tokens : slice.heads) + pad;
    const std::size_t block = middle * (outer ? slice.heads : tokens) + pad;
    region.head_stride = static_cast<std::int64_t>(outer ? middle : inner);
    region.token_stride = static_cast<std::int64_t>(outer ? inner : middle);
    region.block_stride = static_cast<std::int64_t>(block);
    store.memory.emplace_back(all * block, kOutside);
    region.data = store.memory.back().data();
    region.bytes = store.memory.back().size();
    for (std::size_t b = 0; b < all; ++b)
      for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t h = 0; h < slice.heads; ++h)
          std::memset(static_cast<Byte *>(region.data) + b * block + t * static_cast<std::size_t>(region.token_stride) +
                          h * static_cast<std::size_t>(region.head_stride),
                      0, slice.dim_bytes);
    if (slice.scale_bytes != 0) {
      const std::size_t stride = slice.scale_bytes + pad;
      region.scales_token_stride = static_cast<std::int64_t>(stride);
      region.scales_block_stride = static_cast<std::int64_t>(stride * tokens);
      store.memory.emplace_back(all * tokens * stride, kOutside);
      region.scales = store.memory.back().data();
      region.scales_bytes = store.memory.back().size();
      for (std::size_t t = 0; t < all * tokens; ++t)
        std::memset(static_cast<Byte *>(region.scales) + t * stride, 0, slice.scale_bytes);
    }
    regions.push_back(region);
  }
  config.num_regions = static_cast<std::uint32_t>(regions.size());
  config.region_size = sizeof(akv_region);
  config.regions = regions.data();
}

// Nothing was written between the rows of the caller's memory.
void Run::check_outside(Store &store) {
  if (store.memory.empty()) return;
  const std::uint32_t all = (store.columns == AKV_STORE_BLOCKS ? num_blocks_ : num_swap_blocks_) + 1;
  for (const Slice &slice : store.slices) {
    akv_region r{};
    must(akv_store_read_region(store.handle, slice.layer, slice.plane, &r, sizeof r), "read_region");
    for (std::int64_t b = 0; b < all; ++b)
      for (std::int64_t t = 0; t < block_tokens_; ++t) {
        for (std::int64_t h = 0; h < slice.heads; ++h)
          std::memset(static_cast<Byte *>(r.data) + b * r.block_stride + t * r.token_stride + h * r.head_stride,
                      kOutside, slice.dim_bytes);
        if (slice.scale_bytes != 0)
          std::memset(static_cast<Byte *>(r.scales) + b * r.scales_block_stride + t * r.scales_token_stride, kOutside,
                      slice.scale_bytes);
      }
  }
  for (const ByteString &memory : store.memory)
    for (const Byte byte : memory)
      if (byte != kOutside) fail("something was written between the rows of the caller's memory");
}

void Run::one_operation() {
  struct Choice {
    std::uint32_t weight;
    void (Run::*operation)();
  };
  static const Choice choices[] = {
      {8, &Run::create},         {10, &Run::append},    {4, &Run::append_batch},  {14, &Run::write},
      {10, &Run::commit},        {14, &Run::read},      {4, &Run::fork},          {3, &Run::truncate},
      {2, &Run::reserve},        {3, &Run::set_tokens}, {6, &Run::free_one},      {10, &Run::run_plan},
      {8, &Run::end_plan},       {5, &Run::swap_out},   {5, &Run::swap_in},       {2, &Run::zero},
      {4, &Run::save},           {4, &Run::check_save}, {4, &Run::load_save},     {2, &Run::drop_save},
      {6, &Run::use_tensor},     {3, &Run::drop_arena}, {1, &Run::clear},         {9, &Run::hold_or_open},
      {1, &Run::give_up_ticket}, {2, &Run::drain},      {8, &Run::read_mirrored}, {8, &Run::write_mirrored},
  };
  std::uint32_t sum = 0;
  for (const Choice &choice : choices) sum += choice.weight;
  // What finds nothing to do does not count.
  for (const std::uint64_t before = notes_; notes_ == before;) {
    std::uint32_t at = random_.below(sum);
    const Choice *choice = choices;
    for (; at >= choice->weight; ++choice) at -= choice->weight;
    (this->*choice->operation)();
  }
}

void Run::run(std::uint32_t operations) {
  for (std::uint32_t i = 0; i < operations; ++i) {
    ++operation_;
    one_operation();
    if (seqs_.empty()) continue;
    auto seq = seqs_.begin();
    std::advance(seq, random_.below(static_cast<std::uint32_t>(seqs_.size())));
    check_sequence(*seq);
  }
  wind_down();
}

void Run::wind_down() {
  note("wind down");
  flush_all();
  drain();
  while (!plans_.empty()) abandon(plans_.front());
  while (!seqs_.empty()) free(seqs_.front());
  while (!saves_.empty()) drop_save();
  flush_all();
  drain();
  while (!arenas_.empty()) drop_arena();
  check_pool();
  must(akv_prefix_clear(cache_, nullptr, 0, nullptr), "clear");
  must(akv_cache_audit(cache_), "audit");
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  must(akv_cache_read_state(cache_, &state), "read_state");
  if (state.free_blocks + state.dirty_blocks != state.num_blocks) fail("blocks are missing when all is over");
}

}  // namespace bytes_test
