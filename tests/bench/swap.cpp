// swap.cpp: what it takes a sequence of 1,000 blocks of 64 KiB to leave for swap blocks and to come back, beside a
// memcpy of as many bytes. It knows the public API only.
//
// Out and in are whole: the plan, its copies, its end. memcpy goes from one large buffer to another, both touched
// before.
#include "bench.hpp"

#include <cstring>
#include <memory>

namespace {

constexpr std::uint32_t kBlocks = 1000, kBlockTokens = 16, kRounds = 11;
constexpr std::size_t kBytes = std::size_t{kBlocks} * 64 * 1024;

// A block is 16 tokens x 8 heads x 128 x 2 bytes of keys, and as much of values.
akv_cache *make_cache() {
  const akv_plane planes[2] = {{AKV_PLANE_KEYS, AKV_DTYPE_BF16, 8, 128, 0, 0},
                               {AKV_PLANE_VALUES, AKV_DTYPE_BF16, 8, 128, 0, 0}};
  const akv_layer_group group = {AKV_RULE_FULL, 1, 2, sizeof planes[0], planes, 0, 0};
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = config.num_swap_blocks = kBlocks;
  config.block_tokens = kBlockTokens;
  config.max_tokens_per_sequence = kBlocks * kBlockTokens;
  config.num_groups = 1;
  config.group_size = sizeof group;
  config.groups = &group;
  akv_cache *cache = nullptr;
  BENCH_CHECK(akv_cache_create(&config, &cache));
  return cache;
}

struct World {
  akv_cache *cache = make_cache();
  akv_store *stores[2] = {make_store(AKV_STORE_BLOCKS), make_store(AKV_STORE_SWAP_BLOCKS)};
  akv_sequence sequence = AKV_NONE;

  World() {
    const std::uint32_t count = kBlocks * kBlockTokens;
    sequence = bench::create(cache, bench::tokens(1, count), 0).sequence;
    BENCH_CHECK(akv_sequence_commit(cache, sequence, count, AKV_NONE));
  }
  ~World() {
    BENCH_CHECK(akv_sequence_free(cache, sequence));
    for (akv_store *store : stores) BENCH_CHECK(akv_store_destroy(store));
    BENCH_CHECK(akv_cache_destroy(cache));
  }
  World(const World &) = delete;
  World &operator=(const World &) = delete;

  akv_store *make_store(std::uint32_t columns) const {
    akv_store_config config = AKV_STORE_CONFIG_INIT;
    config.columns = columns;
    akv_store *store = nullptr;
    BENCH_CHECK(akv_store_create(cache, &config, &store));
    BENCH_CHECK(akv_store_warm_up(store, nullptr, nullptr));
    return store;
  }
  void out() {
    akv_plan plan = AKV_NONE;
    BENCH_CHECK(akv_sequence_swap_out(cache, sequence, &plan));
    BENCH_CHECK(akv_copy_run(cache, plan, stores, 2, AKV_RUN_FINISH, nullptr));
    BENCH_CHECK(akv_prefix_clear(cache, nullptr, 0, nullptr));  // or it would find its blocks cached, and copy nothing
  }
  void in() {
    akv_swapped_in in = AKV_SWAPPED_IN_INIT;
    BENCH_CHECK(akv_sequence_swap_in(cache, sequence, &in));
    if (in.plan == AKV_NONE) std::exit(std::puts("nothing was copied back") < 0 ? 2 : 1);
    BENCH_CHECK(akv_copy_run(cache, in.plan, stores, 2, AKV_RUN_FINISH, nullptr));
  }
  std::uint64_t moved(std::uint32_t kind) const {
    std::uint64_t bytes = 0;
    for (akv_store *store : stores) {
      akv_copy_stats lines[32];
      std::uint32_t count = 0;
      BENCH_CHECK(akv_store_read_stats(store, lines, sizeof lines[0], 32, &count));
      for (std::uint32_t i = 0; i < count; ++i)
        if (lines[i].kind == kind) bytes += lines[i].bytes;
    }
    return bytes;
  }
};

template <class What>
double time_of(What what) {
  const double start = bench::now_ns();
  what();
  return bench::now_ns() - start;
}

void print(const char *what, const std::vector<double> &ours, const std::vector<double> &theirs) {
  const bench::Summary a = bench::summarize(ours), b = bench::summarize(theirs);
  std::printf("%-48s %8.3f ms  memcpy %8.3f ms  of its speed: bests %5.2f, medians %5.2f\n", what,
              a.best / 1e6, b.best / 1e6, b.best / a.best, b.median / a.median);
}

}  // namespace

int main() {
  World world;
  std::vector<unsigned char> from(kBytes, 1), to(kBytes, 2);
  std::vector<double> outs, ins, both, copies, twice;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const auto copy = [&] { std::memcpy(to.data(), from.data(), kBytes); };
    outs.push_back(time_of([&] { world.out(); }));
    copies.push_back(time_of(copy));
    ins.push_back(time_of([&] { world.in(); }));
    copies.push_back(time_of(copy));
    both.push_back(outs.back() + ins.back());
    twice.push_back(copies[copies.size() - 2] + copies.back());
  }
  const std::uint64_t wanted = std::uint64_t{kRounds} * kBytes;
  if (world.moved(AKV_MOVED_OUT) != wanted || world.moved(AKV_MOVED_IN) != wanted)
    return std::puts("the stores have not counted every block out and in") < 0 ? 2 : 1;
  print("swap out, 1,000 blocks of 64 KiB", outs, copies);
  print("swap in", ins, copies);
  print("out and in", both, twice);
  return 0;
}
