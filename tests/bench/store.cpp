// store.cpp: what making and touching 536 MB of K/V costs beside mmap and memset of as much, and moving it beside
// memcpy. It knows the public API only. Ratios are within this run: each round measures the yardstick and the library
// in turn.
#include "bench.hpp"

#include <sys/mman.h>

#include <cstring>
#include <numeric>

namespace {

// Llama-3-8B at 4,096 tokens: 32 layers, 8 KV heads of 128, f16: row E1's 536 MB.
constexpr std::uint32_t kBlocks = 255, kBlockTokens = 16, kLayers = 32;
constexpr std::size_t kRow = 8 * 128 * 2;

akv_cache *make_cache() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = kBlocks;
  akv_cache *cache = nullptr;
  BENCH_CHECK(akv_cache_create(&config, &cache));
  return cache;
}

akv_store *make_store(akv_cache *cache, std::uint32_t layout, std::uint32_t flags = 0) {
  akv_store_config config = AKV_STORE_CONFIG_INIT;
  config.layout = layout;
  config.flags = flags;
  akv_store *store = nullptr;
  BENCH_CHECK(akv_store_create(cache, &config, &store));
  return store;
}

template <class What>
double time_of(What what) {
  const double start = bench::now_ns();
  what();
  return bench::now_ns() - start;
}

struct Pair {
  std::vector<double> ours, theirs;
  void print(const char *what, double bytes) const {
    const bench::Summary a = bench::summarize(ours), b = bench::summarize(theirs);
    std::printf("%-58s %8.3f ms  yardstick %8.3f ms  ratio of bests %5.2f, of medians %5.2f  %6.2f GB/s\n", what,
                a.best / 1e6, b.best / 1e6, a.best / b.best, a.median / b.median, bytes / a.best);
  }
};

void *map(std::size_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::exit(1);
  return memory;
}

// Rounds come in threes, so that each kind of page is taken from where its last user gave it back: on a virtual machine
// a page that the host has to find first costs several times as much, whoever touches it.
void touched(akv_cache *cache, std::uint32_t flags, const char *what) {
  Pair plain, same;
  double created = 1e18, bytes = 0;
  for (int round = 0; round < 9; ++round) {
    akv_store *store = nullptr;
    created = std::min(created, time_of([&] { store = make_store(cache, AKV_LAYOUT_LAYER_OUTER, flags); }));
    akv_store_info info = AKV_STORE_INFO_INIT;
    BENCH_CHECK(akv_store_read_info(store, &info));
    bytes = static_cast<double>(info.bytes);
    plain.ours.push_back(time_of([&] { BENCH_CHECK(akv_store_warm_up(store, nullptr, nullptr)); }));
    BENCH_CHECK(akv_store_destroy(store));
    if (round % 3 != 2) continue;
    for (const bool huge : {false, true})
      for (int again = 0; again < 3; ++again) {
        void *memory = nullptr;
        const double took = time_of([&] {
          memory = map(info.bytes);
          if (huge) madvise(memory, info.bytes, flags == 0 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
          std::memset(memory, 0, info.bytes);
        });
        (huge ? same : plain).theirs.push_back(took);
        munmap(memory, info.bytes);
      }
  }
  same.ours = plain.ours;
  std::printf("created: %.3f ms for %.0f MB of addresses\n", created / 1e6, bytes / 1e6);
  plain.print((std::string(what) + " beside mmap + memset").c_str(), bytes);
  same.print((std::string(what) + " beside memset, same pages").c_str(), bytes);
}

struct Moves {
  akv_cache *cache;
  akv_store *store, *swap;
  std::vector<unsigned char> outside, copy;

  explicit Moves(akv_cache *of)
      : cache(of),
        store(make_store(of, AKV_LAYOUT_LAYER_OUTER)),
        swap(make_store(of, AKV_LAYOUT_BLOCK_OUTER)),
        outside(std::size_t{64} * kBlockTokens * kLayers * 2 * kRow),
        copy(outside.size()) {
    BENCH_CHECK(akv_store_warm_up(store, nullptr, nullptr));
    BENCH_CHECK(akv_store_warm_up(swap, nullptr, nullptr));
    std::memset(outside.data(), 1, outside.size());
    std::memset(copy.data(), 1, copy.size());
  }
  ~Moves() {
    BENCH_CHECK(akv_store_destroy(store));
    BENCH_CHECK(akv_store_destroy(swap));
  }
  Moves(const Moves &) = delete;
  Moves &operator=(const Moves &) = delete;

  // 64 blocks, every layer: as many bytes as memcpy moves in between.
  template <class What>
  void measure(const char *what, What move) {
    Pair pair;
    for (int round = 0; round < 7; ++round) {
      pair.ours.push_back(time_of(move));
      pair.theirs.push_back(time_of([&] { std::memcpy(copy.data(), outside.data(), outside.size()); }));
    }
    pair.print(what, static_cast<double>(outside.size()));
  }
};

void moved(akv_cache *cache) {
  Moves moves(cache);
  std::vector<std::int32_t> blocks(64), targets(64);
  std::iota(blocks.begin(), blocks.end(), 1);
  for (std::size_t i = 0; i < 64; ++i) targets[i] = static_cast<std::int32_t>(1 + i * 37 % 255);
  std::vector<std::int64_t> slots(64 * kBlockTokens);
  for (std::size_t i = 0; i < slots.size(); ++i)
    slots[i] = std::int64_t{targets[i / kBlockTokens]} * kBlockTokens + static_cast<std::int64_t>(i % kBlockTokens);
  moves.measure("write_tokens, 1024 tokens in blocks all over, 32 layers", [&] {
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      akv_token_data planes[2] = {};
      for (std::uint32_t plane = 0; plane < 2; ++plane) {
        planes[plane].data = moves.outside.data() + (layer * 2 + plane) * slots.size() * kRow;
        planes[plane].plane = plane;
      }
      BENCH_CHECK(akv_copy_write_tokens(moves.store, layer, slots.data(), static_cast<std::uint32_t>(slots.size()),
                                        planes, 2, sizeof planes[0], nullptr));
    }
  });
  akv_span span{};
  span.blocks = targets.data();
  span.num_blocks = 64;
  span.num_tokens = 64 * kBlockTokens;
  span.data = moves.outside.data();
  span.bytes = moves.outside.size();
  moves.measure("gather, 64 blocks all over",
                [&] { BENCH_CHECK(akv_copy_gather(moves.store, &span, 1, sizeof span, nullptr)); });
  moves.measure("scatter, 64 blocks all over",
                [&] { BENCH_CHECK(akv_copy_scatter(moves.store, &span, 1, sizeof span, nullptr)); });
  moves.measure("copy_blocks, layer-outer to block-outer, 64 blocks", [&] {
    BENCH_CHECK(akv_copy_blocks(moves.store, blocks.data(), moves.swap, targets.data(), 64, 0, nullptr));
  });
  moves.measure("copy_blocks, the same verified", [&] {
    BENCH_CHECK(
        akv_copy_blocks(moves.store, blocks.data(), moves.swap, targets.data(), 64, AKV_BLOCKS_VERIFY, nullptr));
  });
  moves.measure("zero, 64 blocks", [&] { BENCH_CHECK(akv_copy_zero(moves.store, blocks.data(), 64, nullptr)); });
}

}  // namespace

int main() {
  akv_cache *cache = make_cache();
  touched(cache, 0, "touched:");
  touched(cache, AKV_STORE_SMALL_PAGES, "touched, small pages:");
  moved(cache);
  BENCH_CHECK(akv_cache_destroy(cache));
  return 0;
}
