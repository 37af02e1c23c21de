// abuser.cpp: the thread that misuses handles while everybody works: stale ones, those of other kinds and of another
// cache, sequences of other threads.
// It knows which answers are allowed; a wrong one, or a worker that notices anything, is a broken promise.
#include "observers.hpp"

#include <sched.h>

#include <algorithm>
#include <cinttypes>
#include <initializer_list>
#include <vector>

namespace akv::stress {
namespace {

constexpr std::uint64_t kOneGeneration = std::uint64_t{1} << 32;

class Abuser {
 public:
  explicit Abuser(World &world) : world_(world), cache_(world.cache), random_{mix(world.seed + 815)} { make_other(); }
  ~Abuser() { stress::ok(world_, akv_cache_destroy(other_), "destroy the other cache"); }
  Abuser(const Abuser &) = delete;
  Abuser &operator=(const Abuser &) = delete;

  void misuse() {
    switch (random_.below(8)) {
      case 0: look_into_others(); break;
      case 1: stale_sequence(world_.dead_sequences.take(random_)); break;
      case 2: stale_sequence(before(world_.live_sequences.take(random_))); break;
      case 3: stale_things(); break;
      case 4: wrong_kinds(); break;
      case 5: stale_sequence(others_); break;
      case 6: stale_batches(); break;
      default:
        if (random_.one_in(20)) new_other();
    }
  }
  std::uint64_t refused() const { return refused_; }

 private:
  // Whoever was in a living sequence's slot before is dead.
  static akv_sequence before(akv_sequence live) { return live == AKV_NONE ? AKV_NONE : live - kOneGeneration; }

  void expect(akv_status status, std::initializer_list<akv_status> allowed, const char *what) {
    refused_ += status != AKV_OK;
    if (std::find(allowed.begin(), allowed.end(), status) == allowed.end())
      broken(world_, "%s: %s", what, akv_status_name(status));
  }
  void bad(akv_status status, const char *what) { expect(status, {AKV_ERROR_BAD_HANDLE}, what); }

  // Looking is allowed, and may meet the owner, or come too late.
  void look_into_others() {
    const akv_sequence s = world_.live_sequences.take(random_);
    if (s == AKV_NONE) return;
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    expect(akv_sequence_read_info(cache_, s, &info), {AKV_OK, AKV_ERROR_BUSY, AKV_ERROR_BAD_HANDLE}, "read_info");
    std::int32_t ids[256];
    std::uint32_t count = 0;
    const std::uint32_t length = std::min(info.length, 256u);
    expect(akv_sequence_read_tokens(cache_, s, 0, length, ids),
           {AKV_OK, AKV_ERROR_BUSY, AKV_ERROR_BAD_HANDLE, AKV_ERROR_OUT_OF_RANGE}, "read_tokens");
    expect(akv_sequence_read_blocks(cache_, s, 0, ids, 256, &count),
           {AKV_OK, AKV_ERROR_BUSY, AKV_ERROR_BAD_HANDLE, AKV_ERROR_SWAPPED}, "read_blocks");
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = 1;
    batch.sequences = &s;
    akv_tables tables = AKV_TABLES_INIT;
    tables.kv_indices = ids;
    tables.kv_indices_capacity = 256;
    expect(akv_sequence_read_tables(cache_, &batch, &tables),
           {AKV_OK, AKV_ERROR_BUSY, AKV_ERROR_BAD_HANDLE, AKV_ERROR_OUT_OF_RANGE, AKV_ERROR_PLAN_OPEN,
            AKV_ERROR_CONTENT_LOST, AKV_ERROR_PLAN_NEEDED, AKV_ERROR_SWAPPED},
           "read_tables");
  }

  void stale_sequence(akv_sequence s) {
    if (s == AKV_NONE) return;
    const std::int32_t token = 1;
    akv_plan plan = AKV_NONE;
    akv_sequence child = AKV_NONE;
    akv_lease lease = AKV_NONE;
    akv_room room = AKV_ROOM_INIT;
    bad(akv_sequence_append(cache_, s, &token, 1, 0, &plan), "append to a stale sequence");
    bad(akv_sequence_reserve(cache_, s, 100, &plan), "reserve for a stale sequence");
    bad(akv_sequence_set_tokens(cache_, s, 0, &token, 1), "set_tokens of a stale sequence");
    bad(akv_sequence_commit(cache_, s, 1, AKV_NONE), "commit of a stale sequence");
    bad(akv_sequence_fork(cache_, s, 0, nullptr, &child), "fork of a stale sequence");
    bad(akv_sequence_truncate(cache_, s, 0, 0), "truncate of a stale sequence");
    bad(akv_sequence_set_length(cache_, s, 0), "set_length of a stale sequence");
    bad(akv_sequence_free(cache_, s), "a second free");
    bad(akv_sequence_can_extend(cache_, s, 1, &room), "can_extend of a stale sequence");
    bad(akv_lease_acquire(cache_, s, 1, 0, &lease, nullptr), "lease of a stale sequence");
    akv_swapped_in in = AKV_SWAPPED_IN_INIT;
    bad(akv_sequence_swap_out(cache_, s, &plan), "swap out a stale sequence");
    bad(akv_sequence_swap_in(cache_, s, &in), "swap in a stale sequence");
  }

  void stale_things() {
    if (const akv_plan plan = world_.dead_plans.take(random_); plan != AKV_NONE) {
      bad(akv_plan_finish(cache_, plan, AKV_NONE), "finish an ended plan");
      bad(akv_plan_abandon(cache_, plan), "abandon an ended plan");
    }
    if (const akv_pin pin = world_.dead_pins.take(random_); pin != AKV_NONE)
      bad(akv_prefix_unpin(cache_, pin), "a second unpin");
    if (const akv_lease lease = world_.dead_leases.take(random_); lease != AKV_NONE)
      bad(akv_lease_release(cache_, lease), "a second release");
    std::uint32_t state = 0;
    bad(akv_ticket_retire(cache_, others_ticket_), "retire another cache's ticket");
    bad(akv_ticket_read(cache_, others_ticket_ + (1u << 30), &state), "a ticket that was never opened");
  }

  void wrong_kinds() {
    const akv_sequence s = world_.dead_sequences.take(random_);
    const akv_plan plan = world_.dead_plans.take(random_);
    if (s == AKV_NONE || plan == AKV_NONE) return;
    expect(akv_sequence_free(cache_, plan), {AKV_ERROR_WRONG_TYPE}, "free a plan");
    expect(akv_plan_abandon(cache_, s), {AKV_ERROR_WRONG_TYPE}, "abandon a sequence");
    expect(akv_prefix_unpin(cache_, s), {AKV_ERROR_WRONG_TYPE}, "unpin a sequence");
    expect(akv_lease_release(cache_, plan), {AKV_ERROR_WRONG_TYPE}, "release a plan");
    expect(akv_sequence_free(cache_, random_.next() | 5ull << 28), {AKV_ERROR_BAD_HANDLE, AKV_ERROR_WRONG_TYPE},
           "free a random number");
  }

  void stale_batches() {
    const akv_sequence dead = world_.dead_sequences.take(random_);
    if (dead == AKV_NONE) return;
    const akv_sequence both[] = {dead, others_};
    const std::uint32_t lengths[] = {1, 1};
    const std::int32_t tokens[] = {1, 2};
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = 2;
    batch.sequences = both;
    batch.tokens = tokens;
    batch.tokens_count = 2;
    bad(akv_sequence_append_batch(cache_, &batch, nullptr, nullptr), "append_batch of stale sequences");
    bad(akv_sequence_commit_batch(cache_, both, lengths, 2, AKV_NONE), "commit_batch of stale sequences");
    bad(akv_sequence_truncate_batch(cache_, both, lengths, 2, 0), "truncate_batch of stale sequences");
    std::uint32_t freed = 0, stale = 0;
    stress::ok(world_, akv_sequence_free_batch(cache_, both, 2, &freed, &stale, nullptr), "free_batch");
    if (freed != 0 || stale != 2) broken(world_, "free_batch freed %u stale sequences and counted %u", freed, stale);
  }

  void make_other() {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 64;
    stress::ok(world_, akv_cache_create(&config, &other_), "create another cache");
    const std::int32_t tokens[] = {1, 2, 3};
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens;
    prompt.num_tokens = 3;
    akv_created created = AKV_CREATED_INIT;
    stress::ok(world_, akv_sequence_create(other_, &prompt, nullptr, &created), "create in the other cache");
    others_ = created.sequence;
    stress::ok(world_, akv_ticket_open(other_, &others_ticket_), "open a ticket in the other cache");
  }
  // Caches come and go beside the one that works; nothing of the old one is good for anything.
  void new_other() {
    akv_cache *const old = other_;
    stress::ok(world_, akv_cache_destroy(old), "destroy the other cache");
    make_other();
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    bad(akv_cache_read_state(old, &state), "read_state of a destroyed cache");
    bad(akv_cache_destroy(old), "a second destroy");
  }

  World &world_;
  akv_cache *const cache_;
  Random random_;
  akv_cache *other_ = nullptr;
  akv_sequence others_ = AKV_NONE;
  akv_ticket others_ticket_ = AKV_NONE;
  std::uint64_t refused_ = 0;
};

}  // namespace

std::uint64_t abuse(World &world) {
  Abuser abuser(world);
  while (!world.workers_done.load()) {
    abuser.misuse();
    sched_yield();
  }
  return abuser.refused();
}

}  // namespace akv::stress
