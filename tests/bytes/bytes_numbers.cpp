// bytes_numbers.cpp: K/V as numbers: which dtype a call may have so that nothing is lost; and a mirror, a cache whose
// planes are float32, that whole blocks are converted into and out of.
// It knows stores, streams and exactness; what codes mean is the shape's.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>

namespace bytes_test {
namespace {

constexpr std::uint32_t kMirrorBlocks = 4;  // of each stream

}  // namespace

void Run::make_mirror() {
  const KvShape shape = shape_.as(AKV_DTYPE_F32);
  const akv_layer_group group = {AKV_RULE_FULL,
                                 shape.layers,
                                 static_cast<std::uint32_t>(shape.planes.size()),
                                 sizeof(akv_plane),
                                 shape.planes.data(),
                                 0,
                                 0};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = kMirrorBlocks * kMaxStreams;
  config.block_tokens = block_tokens_;
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group;
  must(akv_cache_create(&config, &mirror_cache_), "cache_create");
  akv_store_config store = AKV_STORE_CONFIG_INIT;
  store.flags = AKV_STORE_SMALL_PAGES;
  store.layout = random_.below(2);
  store.heads = random_.below(2);
  must(akv_store_create(mirror_cache_, &store, &mirror_.handle), "store_create");
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) mirror_.layers.push_back(layer);
  mirror_.slices = slices_of(shape, mirror_.layers, 0, 0);
  mirror_.token_bytes = shape.token_bytes();
}

// 0: as they are. Reading loses nothing in float32; what is written must come out as the same bytes.
std::uint32_t Run::some_dtype(const std::uint64_t *stamps, std::uint32_t count, bool writes) {
  if (!shape_.converts || random_.one_in(2)) return 0;
  Exact least = Exact::in_all;
  for (std::uint32_t i = 0; i < count; ++i) least = std::max(least, KvShape::exact(stamps[i]));
  if (writes && least == Exact::never) return 0;
  if (least != Exact::in_all || random_.one_in(3)) return AKV_DTYPE_F32;
  return random_.one_in(2) ? AKV_DTYPE_F16 : AKV_DTYPE_BF16;
}

// From this slice on.
const float *Run::head_scales_of(const Store &store, const Slice &slice) {
  std::size_t before = 0;
  for (const Slice &each : store.slices) {
    if (each.layer == slice.layer && each.plane == slice.plane) break;
    before += each.heads;
  }
  return store.head_scales.data() + before;
}

// For tokens: of a plane with SCALING_HEAD only.
void *Run::token_scales(const Store &store, const Slice &slice) const {
  if (shape_.planes[slice.plane].scaling != AKV_SCALING_HEAD) return nullptr;
  return const_cast<float *>(head_scales_of(store, slice));
}

// Codes of the caller's own are no numbers.
void Run::refuse_numbers(const Store &store, akv_span span) {
  span.dtype = AKV_DTYPE_F32;
  std::uint64_t bytes = 0;
  expect(akv_store_span_bytes(store.handle, span.first_layer, span.num_layers, span.num_tokens, span.dtype, &bytes),
         AKV_ERROR_UNSUPPORTED, "span_bytes of what can't be converted");
  expect(akv_copy_gather(store.handle, &span, 1, sizeof span, nullptr), AKV_ERROR_UNSUPPORTED,
         "a gather of what can't be converted");
}

// Each stream has blocks of its own there: its work is done one after the other.
std::vector<std::int32_t> Run::mirror_blocks(std::uint32_t x, std::uint32_t count) {
  std::vector<std::int32_t> blocks;
  for (std::uint32_t i = 0; i < count; ++i) blocks.push_back(static_cast<std::int32_t>(1 + x * kMirrorBlocks + i));
  if (random_.one_in(2)) std::reverse(blocks.begin(), blocks.end());
  return blocks;
}

// All stores' layers and heads of these blocks into the mirror and gathered there, or scattered there and out of it.
void Run::move_mirrored(bool into_mirror, ByteString numbers, const std::vector<std::int32_t> &blocks,
                        std::uint32_t x) {
  const auto count = static_cast<std::uint32_t>(blocks.size());
  const std::vector<std::int32_t> there = mirror_blocks(x, count);
  ByteString want = into_mirror ? std::move(numbers) : ByteString(), data = into_mirror ? want : std::move(numbers);
  if (into_mirror) std::fill(data.begin(), data.end(), 0xee);
  akv_span span{};
  span.blocks = there.data();
  span.num_blocks = count;
  span.num_tokens = count * block_tokens_;
  span.data = data.data();
  span.bytes = data.size();
  const auto move_span = [&] {
    must(retry([&] {
           return (into_mirror ? akv_copy_gather : akv_copy_scatter)(mirror_.handle, &span, 1, sizeof span,
                                                                     stream(x).handle());
         }),
         "the mirror's numbers");
    moved(mirror_, into_mirror ? AKV_MOVED_GATHER : AKV_MOVED_SCATTER, 1, data.size());
  };
  if (!into_mirror) move_span();
  for (Store &store : stores_) {
    if (store.columns != AKV_STORE_BLOCKS) continue;
    const float *scales = store.head_scales.data();
    must(retry([&] {
           return into_mirror ? akv_copy_converted(store.handle, blocks.data(), scales, mirror_.handle, there.data(),
                                                   nullptr, count, stream(x).handle())
                              : akv_copy_converted(mirror_.handle, there.data(), nullptr, store.handle, blocks.data(),
                                                   scales, count, stream(x).handle());
         }),
         "copy_converted");
    std::uint64_t numbers_of_a_token = 0;
    for (const Slice &slice : store.slices)
      numbers_of_a_token += std::uint64_t{slice.heads} * shape_.planes[slice.plane].head_dim;
    moved(into_mirror ? mirror_ : store, AKV_MOVED_CONVERTED, count,
          std::uint64_t{count} * block_tokens_ * (into_mirror ? numbers_of_a_token * 4 : store.token_bytes));
  }
  if (into_mirror) move_span();
  pend(x, std::move(data), std::move(want), "the mirror", AKV_DTYPE_F32);
}

// Whole blocks: what lies behind in the last one may still be written by others.
void Run::read_mirrored() {
  Seq *seq = some_seq();
  if (seq == nullptr || !shape_.converts || seq->written < block_tokens_) return;
  const std::uint32_t whole = seq->written / block_tokens_, first = random_.below(whole), x = some_stream();
  const std::uint32_t count = random_.between(1, std::min(kMirrorBlocks, whole - first));
  order(x, *seq);
  cover(x);
  note("mirror blocks %u + %u of %" PRIx64 " on stream %u", first, count, seq->handle, x);
  const auto all = blocks_of(seq->handle);
  const std::vector<std::int32_t> blocks(all.begin() + first, all.begin() + first + count);
  std::vector<const Byte *> tokens;
  for (const std::int32_t block : blocks)
    for (std::uint32_t i = 0; i < block_tokens_; ++i) tokens.push_back(token(AKV_STORE_BLOCKS, block, i));
  const std::vector<Slice> slices = slices_of(shape_, mirror_.layers, 0, 0);
  move_mirrored(true, numbers_of(shape_, slices, tokens, AKV_DTYPE_F32), blocks, x);
  seq->last[x] = stream(x).record();
}

// Whole blocks that nothing of has been written, out of numbers.
void Run::write_mirrored() {
  Seq *seq = some_seq();
  if (seq == nullptr || !shape_.converts || seq->written % block_tokens_ != 0) return;
  const std::uint32_t first = seq->written;
  std::uint32_t count = std::min(kMirrorBlocks, (seq->length() - first) / block_tokens_);
  for (std::uint32_t i = 0; i < count * block_tokens_; ++i)
    if (KvShape::exact(seq->stamps[first + i]) == Exact::never) count = i / block_tokens_;
  if (count == 0) return;
  const std::uint32_t x = some_stream(), tokens = count * block_tokens_;
  order(x, *seq);
  cover(x);
  note("write %u blocks of %" PRIx64 " at %u out of the mirror on stream %u", count, seq->handle, first, x);
  const auto all = blocks_of(seq->handle);
  const auto begin = all.begin() + first / block_tokens_;
  const std::vector<Slice> slices = slices_of(shape_, mirror_.layers, 0, 0);
  move_mirrored(false, packed(slices, &seq->stamps[first], tokens, AKV_DTYPE_F32), {begin, begin + count}, x);
  for (std::uint32_t i = first; i < first + tokens; ++i)
    put(AKV_STORE_BLOCKS, all[i / block_tokens_], i % block_tokens_, seq->stamps[i], seq->domain + 1);
  seq->written += tokens;
  seq->last[x] = stream(x).record();
}

}  // namespace bytes_test
