// tiers_world.cpp: a quantized store of some format, a tail over it, and a store to be filled in bulk, chosen at
// random; which operation is next; and how all of it ends. What the operations are is in the other files.
#include "tiers_run.hpp"

#include "reference_numbers.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace tiers_test {

Run::Run(std::uint64_t seed, bool print_all)
    : TellingRun("random_tiers", seed, print_all), random_{seed * 0x2545f4914f6cdd1du + 77} {
  choose_planes();
  make_caches();
  make_tail();
  static const std::uint32_t workers[] = {0, 1, 1, 2, 3};
  stream_ = std::make_unique<LatchedStream>(!random_.one_in(8), workers[random_.below(5)]);
}

Run::~Run() {
  stream_->open_all();
  settle();
  stream_.reset();
  must(akv_tail_destroy(tail_), "tail_destroy");
  for (akv_store *store : {rings_, quantized_, bulk_}) must(akv_store_destroy(store), "store_destroy");
  for (akv_cache *cache : {cache_, bulk_cache_}) must(akv_cache_destroy(cache), "cache_destroy");
}

void Run::choose_planes() {
  static const std::uint32_t dims[] = {2, 6, 16, 32, 34, 40, 64}, tokens[] = {2, 3, 4, 8, 16, 32, 64};
  layers_ = random_.between(1, 3);
  const std::uint32_t heads = random_.between(1, 3);
  akv_status status = AKV_ERROR_INVALID_ARGUMENT;
  while (status == AKV_ERROR_INVALID_ARGUMENT) {  // scaling by channel does not fit everywhere
    format_ = random_.between(AKV_FORMAT_F32, AKV_FORMAT_I4);
    block_tokens_ = tokens[random_.below(7)];
    planes_ = {{AKV_PLANE_KEYS, 0, heads, dims[random_.below(7)], 0, 0},
               {AKV_PLANE_VALUES, 0, heads, dims[random_.below(7)], 0, 0}};
    if (random_.one_in(5)) planes_ = {{AKV_PLANE_LATENT, 0, 1, dims[random_.below(7)], 0, 0}};
    status = akv_planes_choose(planes_.data(), static_cast<std::uint32_t>(planes_.size()), sizeof(akv_plane), format_,
                               block_tokens_);
  }
  must(status, "planes_choose");
  for (std::uint32_t layer = 0; layer < layers_; ++layer)
    if (layers_ == 1 || !random_.one_in(4)) stored_layers_.push_back(layer);
  if (stored_layers_.empty()) stored_layers_.push_back(layers_ - 1);
  heads_ = planes_[0].kv_heads;
  if (heads_ > 1 && random_.one_in(3)) {
    first_head_ = random_.below(heads_);
    heads_ = random_.between(1, heads_ - first_head_);
  }
  for (std::uint32_t index = 0; index < stored_layers_.size(); ++index)
    for (std::uint32_t plane = 0; plane < planes_.size(); ++plane) {
      units_.push_back({index, plane, heads_ * planes_[plane].head_dim, numbers_});
      numbers_ += units_.back().width;
      for (std::uint32_t head = 0; head < heads_; ++head)
        head_scales_.push_back(static_cast<float>(random_.between(1, 1000)) / 65536);
    }
}

akv_cache *Run::make_cache(std::uint32_t num_blocks) {
  const akv_layer_group group = {
      AKV_RULE_FULL, layers_, static_cast<std::uint32_t>(planes_.size()), sizeof(akv_plane), planes_.data(), 0, 0};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = num_blocks;
  config.block_tokens = block_tokens_;
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group;
  akv_cache *cache = nullptr;
  must(akv_cache_create(&config, &cache), "cache_create");
  return cache;
}

akv_store *Run::make_store(akv_cache *cache) {
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  config.flags = AKV_STORE_SMALL_PAGES;
  config.layout = random_.below(2);
  config.heads = random_.below(2);
  config.num_layers = static_cast<std::uint32_t>(stored_layers_.size());
  config.layers = stored_layers_.data();
  if (heads_ != planes_[0].kv_heads) {
    config.first_head = first_head_;
    config.num_heads = heads_;
  }
  akv_store *store = nullptr;
  must(akv_store_create(cache, &config, &store), "store_create");
  return store;
}

void Run::make_caches() {
  max_rows_ = random_.between(1, 6);
  max_blocks_ = random_.between(2, 8);
  const std::uint32_t num_blocks = std::max(max_blocks_, max_rows_ * max_blocks_ * 2 / 3);
  cache_ = make_cache(num_blocks);
  bulk_cache_ = make_cache(max_blocks_);
  quantized_ = make_store(cache_);
  bulk_ = make_store(bulk_cache_);
  must(akv_store_span_bytes(quantized_, stored_layers_[0], 0, 1, 0, &quantized_bytes_), "span_bytes");
  holders_.assign(num_blocks + 1, 0);
  for (std::uint32_t i = num_blocks; i > 0; --i) free_blocks_.push_back(static_cast<std::int32_t>(i));
}

void Run::make_tail() {
  static const std::uint32_t dtypes[] = {AKV_DTYPE_F32, AKV_DTYPE_F16, AKV_DTYPE_BF16};
  dtype_ = dtypes[random_.below(3)];
  wild_ = random_.one_in(4);
  tail_tokens_ = random_.between(1, 24);
  akv_tail_config config = AKV_TAIL_CONFIG_INIT;
  config.dtype = dtype_;
  config.tail_tokens = tail_tokens_;
  config.slack_tokens = random_.between(1, 12);
  config.max_sequences = max_rows_;
  config.head_scales = head_scales_.data();
  akv_store_config of_store = AKV_STORE_CONFIG_INIT;
  of_store.flags = AKV_STORE_SMALL_PAGES;
  of_store.layout = random_.below(2);
  of_store.heads = random_.below(2);
  must(akv_tail_create_store(quantized_, &config, &of_store, &rings_), "tail_create_store");
  must(akv_tail_create(quantized_, rings_, &config, &tail_), "tail_create");
  akv_tail_info info = AKV_TAIL_INFO_INIT;
  must(akv_tail_read_info(tail_, &info), "tail_read_info");
  ring_blocks_ = info.ring_blocks;
  if (ring_blocks_ * block_tokens_ < tail_tokens_ + config.slack_tokens) fail("a ring of %u blocks", ring_blocks_);
}

void Run::one_operation() {
  struct Choice {
    std::uint32_t weight;
    void (Run::*operation)();
  };
  static const Choice choices[] = {
      {4, &Run::begin},
      {3, &Run::begin_with_prompt},
      {2, &Run::fork},
      {34, &Run::append},
      {12, &Run::overflow},
      {1, &Run::refuse_overflow},
      {1, &Run::refuse_position},
      {3, &Run::truncate},
      {2, &Run::close},
      {6, &Run::read_something},
      {3, &Run::attend},
      {6, &Run::hold_or_open},
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
  }
  note("wind down");
  while (!seqs_.empty()) {
    gather_stored(seqs_.front());
    read_tiers(seqs_.front());
    close(seqs_.front());
  }
  drain();
  if (free_blocks_.size() + 1 != holders_.size()) fail("blocks are missing when all is over");
}

void Run::hold_or_open() {
  switch (random_.below(4)) {
    case 0:
      note("hold the stream");
      if (stream_->latches() < 4) stream_->hold();
      break;
    case 1:
      note("open a latch, and settle");
      stream_->open_one();
      settle();
      break;
    case 2:
      note("drain");
      drain();
      break;
    default: note("settle"); settle();
  }
}

void Run::settle() {
  stream_->settle();
  check_pending();
}

void Run::drain() {
  stream_->open_all();
  settle();
  if (!pending_.empty() || !questions_.empty()) fail("something is pending when the stream is done");
  check_stats(quantized_, quantized_moved_);
  check_stats(rings_, ring_moved_);
}

void Run::pend(ByteString data, ByteString want, std::uint32_t dtype, const char *what) {
  pending_.push_back({stream_->record(), std::move(data), std::move(want), dtype, what});
  if (!stream_->queues()) check_pending();
}

void Run::count(Moved (&moved)[AKV_MOVED_CONVERTED + 1], std::uint32_t kind, std::uint64_t items, std::uint64_t bytes) {
  ++moved[kind].calls;
  moved[kind].items += items;
  moved[kind].bytes += bytes;
}

std::string Run::shape_in_words() const {
  return "format " + std::to_string(format_) + ", blocks of " + std::to_string(block_tokens_) + " tokens, " +
         std::to_string(max_rows_) + " rows of " + std::to_string(ring_blocks_) + " blocks, tail of " +
         std::to_string(tail_tokens_) + " tokens of dtype " + std::to_string(dtype_);
}

}  // namespace tiers_test
