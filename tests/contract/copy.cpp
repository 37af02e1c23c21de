// copy.cpp: the promises of copy.h about tokens, spans and blocks: every byte goes where it must, no other changes, and
// all are counted. What is refused is in copy_refusals.cpp, plans are in copy_plan.cpp.
#include "stores.hpp"

#include <algorithm>
#include <deque>
#include <map>

using namespace akv::test;

namespace {

// A store with a shadow of all its bytes and of what was moved. Operations happen in the shadow at once; the buffers
// that queued work reads and fills live until check().
class Shadowed {
 public:
  Shadowed(const KvCache &cache, const KvStore::Change &change, std::uint32_t seed)
      : store(cache, change), random(seed) {
    store.fill_with(seed);
    bytes = store.everything();
  }

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); }
  Byte *row(std::size_t layer, std::size_t plane, std::int64_t slot) {
    const std::uint32_t tokens = store.block_tokens();
    return &bytes[store.offset(layer, plane, static_cast<std::size_t>(slot) / tokens,
                               static_cast<std::size_t>(slot) % tokens)];
  }
  Byte *buffer(std::size_t size, bool random_bytes) {
    auto memory = std::make_unique<Guarded>(size);
    for (std::size_t i = 0; i < size; ++i) memory->data()[i] = random_bytes ? static_cast<Byte>(random()) : 0xee;
    buffers.push_back(std::move(memory));
    return buffers.back()->data();
  }
  void count(std::uint32_t kind, std::uint64_t items, std::uint64_t moved, std::uint64_t verified = 0) {
    akv_copy_stats &line = wanted[kind];
    ++line.calls;
    line.items += items;
    line.bytes += moved;
    line.verified_bytes += verified;
  }
  void check() {
    CHECK(store.everything() == bytes);
    for (auto &expected : expected_outputs) expected();
    expected_outputs.clear();
    buffers.clear();
    for (const auto &[kind, line] : wanted) {
      const akv_copy_stats found = store.stats(kind);
      INFO("kind " << kind);
      CHECK((found.calls == line.calls && found.items == line.items));
      CHECK((found.bytes == line.bytes && found.verified_bytes == line.verified_bytes));
    }
  }

  void write_or_read(bool write, akv_stream *stream);
  void gather_or_scatter(bool scatter, akv_stream *stream);
  void zero(akv_stream *stream);
  std::vector<std::int32_t> distinct_blocks(std::uint32_t count) {
    std::vector<std::int32_t> ids(store.columns() - 1);
    std::iota(ids.begin(), ids.end(), 1);
    std::shuffle(ids.begin(), ids.end(), random);
    ids.resize(std::min<std::size_t>(count, ids.size()));
    return ids;
  }

  KvStore store;
  std::mt19937 random;
  ByteString bytes;
  std::vector<std::unique_ptr<Guarded>> buffers;
  std::vector<std::function<void()>> expected_outputs;
  std::map<std::uint32_t, akv_copy_stats> wanted;
};

// A batch of tokens: some are padding, some planes are left out, some strides are those of a fused tensor.
void Shadowed::write_or_read(bool write, akv_stream *stream) {
  const std::uint32_t tokens = store.block_tokens(), all = (store.columns() - 1) * tokens;
  std::vector<std::int64_t> slots(all);
  std::iota(slots.begin(), slots.end(), tokens);
  if (below(2) == 0) std::shuffle(slots.begin(), slots.end(), random);
  slots.resize(below(all + 1));
  for (std::int64_t &slot : slots)
    if (below(6) == 0) slot = -1 - static_cast<std::int64_t>(below(3));
  const std::size_t layer = below(static_cast<std::uint32_t>(store.layers().size()));
  std::vector<akv_token_data> planes;
  std::uint64_t moved = 0;
  const auto items = static_cast<std::uint64_t>(
      std::count_if(slots.begin(), slots.end(), [](std::int64_t slot) { return slot >= 0; }));
  for (std::uint32_t p = static_cast<std::uint32_t>(store.planes().size()); p-- > 0;) {
    if (below(5) == 0) continue;
    const PlaneFacts &facts = store.planes()[p];
    const std::size_t head = facts.dim_bytes + below(2) * 3, token = head * facts.heads + below(2) * 5;
    const std::size_t scale = facts.scale_bytes + below(2) * 2;
    Byte *data = buffer(slots.size() * token, write), *scales = buffer(slots.size() * scale, write);
    akv_token_data from{};
    from.data = data;
    from.token_stride = token == std::size_t{facts.heads} * facts.dim_bytes ? 0 : static_cast<std::int64_t>(token);
    from.head_stride = head == facts.dim_bytes ? 0 : static_cast<std::int64_t>(head);
    from.scales = facts.scale_bytes != 0 ? scales : nullptr;
    from.scale_stride = scale == facts.scale_bytes ? 0 : static_cast<std::int64_t>(scale);
    from.plane = p;
    planes.push_back(from);
    moved += items * facts.token_bytes();
    ByteString after(data, data + slots.size() * token), scales_after(scales, scales + slots.size() * scale);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (slots[i] < 0) continue;
      Byte *inside = row(layer, p, slots[i]);
      const auto move = [write](Byte *in_store, Byte *outside, std::size_t size) {
        if (write) std::memcpy(in_store, outside, size);
        else std::memcpy(outside, in_store, size);
      };
      for (std::size_t h = 0; h < facts.heads; ++h)
        move(inside + h * facts.dim_bytes, &after[i * token + h * head], facts.dim_bytes);
      if (facts.scale_bytes != 0)
        move(inside + std::size_t{facts.heads} * facts.dim_bytes, &scales_after[i * scale], facts.scale_bytes);
    }
    expected_outputs.push_back([=] {
      CHECK(std::equal(after.begin(), after.end(), data));
      CHECK(std::equal(scales_after.begin(), scales_after.end(), scales));
    });
  }
  const auto num_tokens = static_cast<std::uint32_t>(slots.size());
  const auto num_planes = static_cast<std::uint32_t>(planes.size());
  OK((write ? akv_copy_write_tokens : akv_copy_read_tokens)(store, store.layers()[layer], slots.data(), num_tokens,
                                                            planes.data(), num_planes, sizeof(akv_token_data), stream));
  count(write ? AKV_MOVED_WRITE : AKV_MOVED_READ, items, moved);
}

void Shadowed::gather_or_scatter(bool scatter, akv_stream *stream) {
  const std::uint32_t tokens = store.block_tokens(), layers = static_cast<std::uint32_t>(store.layers().size());
  std::deque<std::vector<std::int32_t>> blocks;
  std::vector<akv_span> spans;
  std::uint64_t moved = 0;
  auto left = distinct_blocks(store.columns());
  if (below(2) == 0) std::sort(left.begin(), left.end());
  for (std::uint32_t n = below(4); n-- > 0;) {
    const std::size_t taken = below(static_cast<std::uint32_t>(left.size()) + 1);
    blocks.emplace_back(left.end() - static_cast<std::ptrdiff_t>(taken), left.end());
    left.resize(left.size() - taken);
    const auto room = static_cast<std::uint32_t>(taken * tokens);
    akv_span span{};
    span.blocks = blocks.back().data();
    span.num_blocks = static_cast<std::uint32_t>(taken);
    span.first_token = below(room + 1);
    span.num_tokens = below(room - span.first_token + 1);
    const std::uint32_t first = below(layers), last = first + below(layers - first);
    span.first_layer = store.layers()[first];
    span.num_layers = last - first + 1;
    const bool neighbours = store.layers()[last] - store.layers()[first] == last - first;
    const bool rest = !neighbours || below(4) == 0;
    if (rest) span.num_layers = 0;
    const std::uint32_t end = rest ? layers : last + 1;
    OK(akv_store_span_bytes(store, span.first_layer, span.num_layers, span.num_tokens, span.dtype, &span.bytes));
    Byte *data = buffer(span.bytes, scatter);
    span.data = data;
    spans.push_back(span);
    moved += span.bytes;
    ByteString after(data, data + span.bytes);
    std::size_t at = 0;
    const auto move = [&](Byte *inside, std::size_t size) {
      if (scatter) std::memcpy(inside, &after[at], size);
      else std::memcpy(&after[at], inside, size);
      at += size;
    };
    for (std::uint32_t layer = first; layer < end; ++layer)
      for (std::size_t p = 0; p < store.planes().size(); ++p) {
        const PlaneFacts &facts = store.planes()[p];
        const auto of_token = [&](std::uint32_t i) {
          const std::uint32_t position = span.first_token + i;
          return row(layer, p, std::int64_t{span.blocks[position / tokens]} * tokens + position % tokens);
        };
        const std::size_t elements = std::size_t{facts.heads} * facts.dim_bytes;
        for (std::uint32_t i = 0; i < span.num_tokens; ++i) move(of_token(i), elements);
        for (std::uint32_t i = 0; i < span.num_tokens && facts.scale_bytes != 0; ++i)
          move(of_token(i) + elements, facts.scale_bytes);
      }
    CHECK(at == span.bytes);
    expected_outputs.push_back([=] { CHECK(std::equal(after.begin(), after.end(), data)); });
  }
  OK((scatter ? akv_copy_scatter : akv_copy_gather)(store, spans.data(), static_cast<std::uint32_t>(spans.size()),
                                                    sizeof(akv_span), stream));
  count(scatter ? AKV_MOVED_SCATTER : AKV_MOVED_GATHER, spans.size(), moved);
}

void Shadowed::zero(akv_stream *stream) {
  auto blocks = distinct_blocks(below(4));
  if (below(3) == 0) blocks.push_back(0);  // the null block, too
  for (const std::int32_t block : blocks)
    for (std::size_t layer = 0; layer < store.layers().size(); ++layer)
      for (std::size_t p = 0; p < store.planes().size(); ++p)
        std::fill_n(row(layer, p, std::int64_t{block} * store.block_tokens()),
                    store.planes()[p].token_bytes() * store.block_tokens(), Byte{0});
  OK(akv_copy_zero(store, blocks.data(), static_cast<std::uint32_t>(blocks.size()), stream));
  count(AKV_MOVED_ZERO, blocks.size(), blocks.size() * store.block_tokens() * store.bytes_per_token());
}

// Blocks from one store to another, or inside one, in the shadow and for real.
void move_blocks(Shadowed &from, Shadowed &to, std::uint32_t flags, akv_stream *stream) {
  auto targets = to.distinct_blocks(to.below(to.store.columns()));
  std::vector<std::int32_t> sources(targets.size());
  for (std::int32_t &source : sources) do
      source = static_cast<std::int32_t>(from.below(from.store.columns()));
    while (&from == &to && std::find(targets.begin(), targets.end(), source) != targets.end() && source != 0);
  for (std::int32_t &source : sources)  // the null block is never a target
    if (&from == &to && std::find(targets.begin(), targets.end(), source) != targets.end()) source = 0;
  const std::uint32_t tokens = to.store.block_tokens();
  std::uint64_t moved = 0;
  for (std::size_t i = 0; i < targets.size(); ++i)
    for (std::size_t layer = 0; layer < to.store.layers().size(); ++layer) {
      const auto &there = from.store.layers();
      const auto found = std::find(there.begin(), there.end(), to.store.layers()[layer]);
      if (found == there.end()) continue;
      for (std::size_t p = 0; p < to.store.planes().size(); ++p) {
        const PlaneFacts &a = from.store.planes()[p], &b = to.store.planes()[p];
        const std::uint32_t first = std::max(a.first_head, b.first_head);
        const std::uint32_t end = std::min(a.first_head + a.heads, b.first_head + b.heads);
        if (first >= end) continue;
        const std::size_t scale = end - first == b.heads ? b.scale_bytes : b.scale_bytes / b.heads * (end - first);
        for (std::uint32_t t = 0; t < tokens; ++t) {
          const Byte *source =
              from.row(static_cast<std::size_t>(found - there.begin()), p, std::int64_t{sources[i]} * tokens + t);
          Byte *target = to.row(layer, p, std::int64_t{targets[i]} * tokens + t);
          std::memmove(target + (first - b.first_head) * std::size_t{b.dim_bytes},
                       source + (first - a.first_head) * std::size_t{a.dim_bytes},
                       (end - first) * std::size_t{a.dim_bytes});
          std::memmove(target + std::size_t{b.heads} * b.dim_bytes + (first - b.first_head) * (b.scale_bytes / b.heads),
                       source + std::size_t{a.heads} * a.dim_bytes + (first - a.first_head) * (a.scale_bytes / a.heads),
                       scale);
          moved += (end - first) * std::size_t{a.dim_bytes} + scale;
        }
      }
    }
  OK(akv_copy_blocks(from.store, sources.data(), to.store, targets.data(), static_cast<std::uint32_t>(targets.size()),
                     flags, stream));
  to.count(AKV_MOVED_BLOCKS, targets.size(), moved, (flags & AKV_BLOCKS_VERIFY) != 0 ? moved : 0);
}

void live(Shadowed &a, Shadowed &b, int workers, int steps) {
  const KvStream stream(workers);
  for (int step = 0; step < steps; ++step) {
    Shadowed &one = a.below(2) == 0 ? a : b, &other = a.below(2) == 0 ? a : b;
    switch (a.below(6)) {
      case 0: one.write_or_read(true, stream); break;
      case 1: one.write_or_read(false, stream); break;
      case 2: one.gather_or_scatter(true, stream); break;
      case 3: one.gather_or_scatter(false, stream); break;
      case 4: one.zero(stream); break;
      default: move_blocks(one, other, a.below(2) * AKV_BLOCKS_VERIFY, stream);
    }
    if (a.below(5) != 0 && step + 1 != steps) continue;
    stream.wait();
    a.check();
    b.check();
  }
}

}  // namespace

TEST_CASE("copy: A11 every byte of every layout goes where it must and is counted, with streams and without") {
  std::uint32_t seed = 1;
  for (const KvShape &shape : kv_shapes()) {
    const KvCache cache(shape);
    const auto layouts = kv_layouts(shape);
    for (std::size_t i = 0; i < layouts.size(); ++i)
      for (const int workers : {-1, 0, 1, 3}) {
        INFO("geometry of " << shape.layers << " layers, layout " << i << ", workers " << workers);
        seed += 2;
        Shadowed a(cache, layouts[i], seed), b(cache, layouts[(i + seed / 2) % layouts.size()], seed + 1);
        live(a, b, workers, 40);
      }
  }
}

TEST_CASE(
    "copy: A11 the caller's memory, padded and misaligned, is moved as exactly, and nothing around it is touched") {
  std::uint32_t seed = 1000;
  for (const KvShape &shape : kv_shapes()) {
    const KvCache cache(shape);
    const OwnRegions nhd(cache, false, 3), hnd(cache, kv_layouts(shape).size() == 4, 1);
    const bool outer = kv_layouts(shape).size() == 4;
    for (const int workers : {-1, 2}) {
      Shadowed a(cache, [&](akv_store_config &c) { nhd.put_into(c); }, ++seed);
      Shadowed b(
          cache,
          [&](akv_store_config &c) {
            hnd.put_into(c);
            c.heads = outer ? AKV_HEADS_OUTER : AKV_HEADS_INNER;
          },
          ++seed);
      live(a, b, workers, 40);
    }
  }
}

TEST_CASE("copy: B13 shards of layers and heads exchange what they have in common") {
  KvShape shape{5,
                {{AKV_PLANE_KEYS, AKV_DTYPE_I8, 4, 6, 8, 0},
                 {AKV_PLANE_VALUES, AKV_DTYPE_F16, 4, 3, 0, 0},
                 {AKV_PLANE_LATENT, AKV_DTYPE_BF16, 1, 5, 3, 0}},
                4,
                3,
                0};
  const KvCache cache(shape);
  const std::uint32_t odd[] = {1, 3, 4}, low[] = {0, 1, 3};
  std::uint32_t seed = 2000;
  for (const std::uint32_t heads : {AKV_HEADS_INNER, AKV_HEADS_OUTER})
    for (const int workers : {-1, 2}) {
      const auto change = [&](const std::uint32_t *layers, std::uint32_t first, std::uint32_t count) {
        return [=](akv_store_config &c) {
          c.heads = heads;
          c.layers = layers;
          c.num_layers = layers != nullptr ? 3 : 0;
          c.first_head = first;
          c.num_heads = count;
        };
      };
      Shadowed whole(cache, nullptr, ++seed), right(cache, change(odd, 1, 3), ++seed);
      Shadowed left(cache, change(low, 0, 2), ++seed);
      live(whole, right, workers, 60);
      live(left, right, workers, 60);
      live(left, whole, workers, 60);
    }
}

TEST_CASE("copy: a fused QKV tensor is written through strides, without a copy in between") {
  const KvCache cache(KvShape{1, kv_shapes()[0].planes, 8, 4, 0});
  const KvStore store(cache);
  constexpr std::uint32_t kTokens = 7, kQuery = 4 * 4, kKey = 2 * 4;  // 4 query heads, 2 KV heads of 4
  std::vector<std::uint16_t> fused(kTokens * (kQuery + 2 * kKey));
  for (std::size_t i = 0; i < fused.size(); ++i) fused[i] = static_cast<std::uint16_t>(i);
  const std::int64_t slots[kTokens] = {4, 5, 6, 7, 20, -1, 21};
  akv_token_data planes[2] = {};
  planes[0].data = &fused[kQuery];
  planes[1].data = &fused[kQuery + kKey];
  planes[1].plane = 1;
  planes[0].token_stride = planes[1].token_stride = (kQuery + 2 * kKey) * 2;
  OK(akv_copy_write_tokens(store, 0, slots, kTokens, planes, 2, sizeof planes[0], nullptr));
  for (std::uint32_t plane = 0; plane < 2; ++plane) {
    const akv_region region = store.region(0, plane);
    for (std::uint32_t i = 0; i < kTokens; ++i)
      if (slots[i] >= 0)
        CHECK(std::memcmp(static_cast<Byte *>(region.data) + slots[i] * region.token_stride,
                          &fused[i * (kQuery + 2 * kKey) + kQuery + plane * kKey], kKey * 2) == 0);
  }
  CHECK(store.stats(AKV_MOVED_WRITE).bytes == 6 * 2 * 16);
}

TEST_CASE("copy: nothing at all is fine, and counts as a call of no bytes") {
  const KvCache cache(kv_shapes()[0]);
  const KvStore store(cache);
  OK(akv_copy_write_tokens(store, 0, nullptr, 0, nullptr, 0, sizeof(akv_token_data), nullptr));
  OK(akv_copy_gather(store, nullptr, 0, sizeof(akv_span), nullptr));
  OK(akv_copy_zero(store, nullptr, 0, nullptr));
  OK(akv_copy_blocks(store, nullptr, store, nullptr, 0, 0, nullptr));
  OK(akv_copy_records(nullptr, 0, nullptr, 0, 0, nullptr));
  CHECK((store.stats(AKV_MOVED_WRITE).calls == 1 && store.stats(AKV_MOVED_WRITE).bytes == 0));
}

TEST_CASE("copy: a large piece is shared by workers, and its ids are the call's own") {
  const KvCache cache(KvShape{4, {akv_plane{AKV_PLANE_KEYS, AKV_DTYPE_F32, 8, 128, 0, 0}}, 600, 16, 0});
  const KvStore a(cache), b(cache, [](akv_store_config &c) { c.layout = AKV_LAYOUT_BLOCK_OUTER; });
  const KvStream stream(4);
  ByteString pattern(600 * 16 * 4096);
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i < pattern.size(); i += 8) {
    const std::uint64_t value = random();
    std::memcpy(&pattern[i], &value, 8);
  }
  std::vector<std::int64_t> slots(600 * 16);
  for (std::uint32_t layer = 0; layer < 4; ++layer) {
    std::iota(slots.begin(), slots.end(), 16);
    akv_token_data data{};
    data.data = pattern.data();
    OK(akv_copy_write_tokens(a, layer, slots.data(), 600 * 16, &data, 1, sizeof data, stream));
    std::fill(slots.begin(), slots.end(), 1 << 30);  // copied: it may change now
  }
  std::vector<std::int32_t> from(600), to(600);
  std::iota(from.begin(), from.end(), 1);
  std::copy(from.rbegin(), from.rend(), to.begin());
  OK(akv_copy_blocks(a, from.data(), b, to.data(), 600, AKV_BLOCKS_VERIFY, stream));
  std::fill(from.begin(), from.end(), -1);
  std::fill(to.begin(), to.end(), -1);
  stream.wait();
  bool same = true;
  for (std::uint32_t layer = 0; layer < 4; ++layer) {
    const akv_region region = b.region(layer, 0);
    for (std::int64_t block = 0; block < 600; ++block)
      same = same && std::memcmp(static_cast<Byte *>(region.data) + (600 - block) * region.block_stride,
                                 &pattern[static_cast<std::size_t>(block) * 16 * 4096], 16 * 4096) == 0;
  }
  CHECK(same);
  CHECK(b.stats(AKV_MOVED_BLOCKS).verified_bytes == 4 * pattern.size());
}
