// pager_busy.cpp: a pager while other threads look at the sequences that it moves: a plan that can't be ended because
// somebody is inside its sequence is ended later, and no sequence stays on its way.
// It knows the public API, and that K/V and token ids are read and written by plain loads and stores: a thread is held
// inside a call by memory that it may not touch yet.
#include "paged.hpp"

#include <csignal>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace akv::test;

namespace {

// Pages that nobody may touch: who does stands still until they are opened.
struct Gate {
  unsigned char *memory = nullptr;
  std::size_t bytes = 0;
  std::atomic<bool> met{false}, opened{false};
  Gate *opens = nullptr;  // when somebody meets this one, that one is opened
};

class Gates {
 public:
  Gates() {
    struct sigaction ours{};
    ours.sa_sigaction = &meet;
    ours.sa_flags = SA_SIGINFO;
    REQUIRE(sigaction(SIGSEGV, &ours, &before_) == 0);
  }
  ~Gates() {
    for (Gate &gate : gates_) gate.opened = true;
    REQUIRE(sigaction(SIGSEGV, &before_, nullptr) == 0);
    for (Gate &gate : gates_)
      if (gate.memory != nullptr) munmap(gate.memory, gate.bytes);
    for (Gate &gate : gates_) {
      gate.memory = nullptr;
      gate.opens = nullptr;
      gate.met = gate.opened = false;
    }
  }
  Gates(const Gates &) = delete;
  Gates &operator=(const Gates &) = delete;

  // Memory of its own for each gate; nobody stands still there before it is shut.
  Gate &make(std::size_t index, std::size_t bytes) const {
    Gate &gate = gates_[index];
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    gate.bytes = (bytes + page - 1) / page * page;
    void *const memory = mmap(nullptr, gate.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    gate.memory = static_cast<unsigned char *>(memory);
    return gate;
  }
  static void shut(Gate &gate) {
    gate.met = gate.opened = false;
    REQUIRE(mprotect(gate.memory, gate.bytes, PROT_NONE) == 0);
  }

 private:
  static void meet(int, siginfo_t *info, void *) {
    const auto *const at = static_cast<unsigned char *>(info->si_addr);
    for (Gate &gate : gates_) {
      if (gate.memory == nullptr || at < gate.memory || at >= gate.memory + gate.bytes) continue;
      gate.met = true;
      if (gate.opens != nullptr) gate.opens->opened = true;
      while (!gate.opened) sched_yield();
      mprotect(gate.memory, gate.bytes, PROT_READ | PROT_WRITE);
      return;
    }
    sigaction(SIGSEGV, &before_, nullptr);  // nobody's gate: it is told as ever
  }

  inline static Gate gates_[2];
  inline static struct sigaction before_{};
};

// A pager whose swap blocks are one gate, and a buffer for token ids, which is the other. Whoever copies to or from
// swap blocks while that is shut goes on when the looker is inside the sequence that it was told to look at.
struct Watched {
  explicit Watched(bool overlapping = false)
      : swap(gates.make(0, kRegionBytes * 4)), buffer(gates.make(1, 4096)), paged(0, [&](akv_store_config &config) {
          akv_region *const region = regions;
          for (std::size_t i = 0; i < 4; ++i) {
            region[i].data = swap.memory + (overlapping ? 0 : i * kRegionBytes);
            region[i].bytes = kRegionBytes;
            region[i].head_stride = 12;
            region[i].token_stride = 24;
            region[i].block_stride = 96;
          }
          config.layout = AKV_LAYOUT_LAYER_OUTER;
          config.num_regions = 4;
          config.regions = regions;
          config.region_size = sizeof(akv_region);
        }) {}
  ~Watched() {
    let_go();
    if (looker.joinable()) looker.join();
  }

  // From the next copy on.
  void look_at(akv_sequence sequence) {
    buffer.opens = &swap;
    Gates::shut(buffer);
    Gates::shut(swap);
    looker = std::thread([this, sequence] {
      while (!swap.met && !stop) sched_yield();
      if (stop) return;
      status = akv_sequence_read_tokens(paged.cache, sequence, 0, 1, reinterpret_cast<std::int32_t *>(buffer.memory));
    });
  }
  // From now on.
  void look_at_once(akv_sequence sequence) {
    buffer.opens = nullptr;
    Gates::shut(buffer);
    looker = std::thread([this, sequence] {
      status = akv_sequence_read_tokens(paged.cache, sequence, 0, 1, reinterpret_cast<std::int32_t *>(buffer.memory));
    });
    while (!buffer.met) sched_yield();
  }
  bool inside() const { return buffer.met && !buffer.opened; }
  void let_go() {
    stop = true;
    swap.opened = buffer.opened = true;
  }
  void leave() {
    let_go();
    looker.join();
    CHECK(status == AKV_OK);
    stop = false;
  }

  static constexpr std::size_t kRegionBytes = 17 * 96;  // 16 swap blocks of 4 tokens, 2 heads of 3 floats
  Gates gates;
  Gate &swap, &buffer;
  akv_region regions[4] = {};
  std::atomic<bool> stop{false};
  akv_status status = AKV_ERROR_BUSY;
  std::thread looker;
  Paged paged;
};

bool on_its_way(std::uint32_t state) { return state == AKV_SEQUENCE_SWAPPING_OUT || state == AKV_SEQUENCE_SWAPPING_IN; }

constexpr std::uint32_t kMore = 16;  // 4 blocks

}  // namespace

TEST_CASE("pager: D6 somebody is inside the victim when its copy is done: BUSY, and it goes when it is asked again") {
  Watched watched;
  const Paged &paged = watched.paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);  // 6 of 8 blocks
  watched.look_at(a);
  CHECK(paged.try_ask({b}, &kMore) == AKV_ERROR_BUSY);
  CHECK(watched.inside());
  CHECK(paged.try_ask({b}, &kMore) == AKV_ERROR_BUSY);
  watched.leave();
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPING_OUT);
  const akv_residence residence = paged.ask({b}, &kMore);
  CHECK((residence.pending == 0 && residence.started_out == 1));
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPED);
  CHECK(paged.cache.state().plans == 0);
  paged.bring({a});
  CHECK((paged.intact(a) && paged.intact(b)));
}

TEST_CASE("pager: D6 somebody is inside what comes in when its copy is done: BUSY, and it comes when asked again") {
  Watched watched;
  const Paged &paged = watched.paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);
  paged.bring({b}, &kMore);
  REQUIRE(paged.state(a) == AKV_SEQUENCE_SWAPPED);
  watched.look_at(a);
  CHECK(paged.try_ask({a}) == AKV_ERROR_BUSY);
  CHECK(watched.inside());
  watched.leave();
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPING_IN);
  CHECK(paged.ask({b}).pending == 0);  // whoever is asked for: it is swapped again
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPED);
  CHECK(paged.ask({a}).pending == 0);
  CHECK(paged.cache.state().plans == 0);
  CHECK((paged.intact(a) && paged.intact(b)));
}

TEST_CASE("pager: D6 a copy that differs while somebody is inside the victim: VERIFY_FAILED, and it stays as it was") {
  Watched watched(true);  // all planes of the swap blocks are one
  const Paged &paged = watched.paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);
  watched.look_at(a);
  CHECK(paged.try_ask({b}, &kMore) == AKV_ERROR_VERIFY_FAILED);
  CHECK(watched.inside());
  watched.leave();
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPING_OUT);
  CHECK(paged.ask({b}).pending == 0);
  CHECK(paged.state(a) == AKV_SEQUENCE_ACTIVE);
  CHECK((paged.intact(a) && paged.cache.state().plans == 0));
  CHECK(paged.try_ask({b}, &kMore) == AKV_ERROR_VERIFY_FAILED);  // with nobody inside it is taken back at once
  CHECK(paged.state(a) == AKV_SEQUENCE_ACTIVE);
}

TEST_CASE("pager: D6 a pager that ends leaves open what it could not take back, and takes back what it can") {
  const bool leave_first = GENERATE(true, false);
  Watched watched;
  const Paged &paged = watched.paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);
  akv_pager_config config = AKV_PAGER_CONFIG_INIT;
  config.stores = paged.stores;
  config.num_stores = 2;
  akv_pager *pager = nullptr;
  OK(akv_pager_create(paged.cache, &config, &pager));
  watched.look_at(a);
  akv_residence residence = AKV_RESIDENCE_INIT;
  CHECK(akv_copy_make_resident(pager, &b, &kMore, 1, &residence, nullptr) == AKV_ERROR_BUSY);
  if (leave_first) watched.leave();
  OK(akv_pager_destroy(pager));
  if (!leave_first) {
    CHECK(watched.inside());
    watched.leave();
    const akv_plan plan = paged.cache.info(a).plan;
    REQUIRE(plan != AKV_NONE);
    OK(akv_plan_abandon(paged.cache, plan));
  }
  CHECK(paged.state(a) == AKV_SEQUENCE_ACTIVE);
  CHECK((paged.intact(a) && paged.cache.state().plans == 0));
}

TEST_CASE("pager: D6 somebody is inside the only one that could go: BUSY, which is not NO_BLOCKS") {
  Watched watched;
  const Paged &paged = watched.paged;
  const akv_sequence a = paged.create(0, 12), b = paged.create(100, 12);
  watched.look_at_once(a);
  CHECK(paged.try_ask({b}, &kMore) == AKV_ERROR_BUSY);
  watched.leave();
  CHECK(paged.ask({b}, &kMore).pending == 0);
  CHECK(paged.state(a) == AKV_SEQUENCE_SWAPPED);
}

TEST_CASE("pager: D6 threads that look at all sequences, again and again: in the end none is on its way") {
  const std::uint32_t workers = GENERATE(0u, 1u);
  const Paged paged(workers);
  const akv_sequence all[] = {paged.create(0, 12), paged.create(100, 12)};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> looks{0};
  std::vector<std::thread> lookers;
  for (int i = 0; i < 2; ++i)
    lookers.emplace_back([&] {
      while (!stop)
        for (const akv_sequence sequence : all) {
          akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
          looks += akv_sequence_read_info(paged.cache, sequence, &info) == AKV_OK;
        }
    });
  std::uint32_t done = 0, wrong = 0;
  for (std::uint32_t round = 0; round < 20000 || (done < 10 && round < 4'000'000); ++round) {
    akv_residence residence = AKV_RESIDENCE_INIT;
    const akv_status status =
        akv_copy_make_resident(paged.pager, &all[round / 8 % 2], &kMore, 1, &residence, paged.stream);
    // (With workers the other one may still be on its way in: then there is nobody who could go.)
    wrong += status != AKV_OK && status != AKV_ERROR_BUSY && (status != AKV_ERROR_NO_BLOCKS || workers == 0);
    done += status == AKV_OK && residence.pending == 0;
    if (workers != 0) wrong += akv_stream_wait(paged.stream, AKV_POINT_ALL, kLong) != AKV_OK;
  }
  stop = true;
  for (std::thread &looker : lookers) looker.join();
  CAPTURE(workers, wrong, done, looks.load());
  CHECK((wrong == 0 && done >= 10 && looks != 0));
  for (const akv_sequence sequence : all) {
    paged.bring({sequence}, &kMore);
    CHECK(paged.intact(sequence));
  }
  for (const akv_sequence sequence : all) CHECK(!on_its_way(paged.state(sequence)));
  CHECK(paged.cache.state().plans == 0);
}
