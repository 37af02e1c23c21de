// calls.cpp: libFuzzer's bytes as calls of the public API: a small cache, right and wrong arguments, stale and invented
// handles. After every call the books must balance, and at the end every block must be there.
// It knows the public API; fuzz.py builds and runs it. Addresses and undefined behaviour are watched by the sanitizers.
//
// Promises: D6 (no order of calls loses or doubles a block), and that no argument crashes.
#include "arenakv.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

// Bytes until there are no more, then zeroes.
class Input {
 public:
  Input(const std::uint8_t *data, std::size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  std::uint32_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::uint32_t below(std::uint32_t limit) { return byte() % limit; }
  std::uint64_t word() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }

 private:
  const std::uint8_t *data_;
  std::size_t left_;
};

[[noreturn]] void broken(const char *what, akv_status status) {
  char text[300] = "";
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, "BROKEN: %s: %s (%s)\n", what, akv_status_name(status), text);
  std::abort();  // libFuzzer keeps the input
}

void ok(akv_status status, const char *what) {
  if (status != AKV_OK) broken(what, status);
}

// Handles that were given out, living or not; now and then one that never was.
class Handles {
 public:
  void add(std::uint64_t handle) {
    if (handle == 0) return;
    if (handles_.size() == 24) handles_.erase(handles_.begin());
    handles_.push_back(handle);
  }
  void forget(std::uint64_t handle) { std::erase(handles_, handle); }
  std::uint64_t pick(Input &input) const {
    const std::uint32_t which = input.byte();
    if (which == 255) return input.word();
    if (handles_.empty()) return which;
    // The newest most of all: the others may have ended.
    return handles_[which < 128 ? handles_.size() - 1 - which % std::min<std::size_t>(handles_.size(), 4)
                                : which % handles_.size()];
  }

 private:
  std::vector<std::uint64_t> handles_;
};

class Run {
 public:
  explicit Run(Input input) : input_(input) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 2 + input_.below(40);
    config.block_tokens = 1 + input_.below(6);
    config.max_sequences = 2 + input_.below(6);
    config.max_tokens_per_sequence = 20 + input_.below(180);
    config.max_open_tickets = 2u << input_.below(4);
    config.max_plans = 1 + input_.below(4);
    config.max_holds = 1 + input_.below(4);
    config.magazine_blocks = 1 + input_.below(5);
    config.block_allocator = input_.below(2);
    config.scrub = input_.below(3);
    config.num_swap_blocks = input_.below(3) == 0 ? 0 : input_.below(40);
    num_blocks_ = config.num_blocks;
    ok(akv_cache_create(&config, &cache_), "create");
  }

  void run() {
    while (!input_.empty()) {
      check(one_call());
      ok(akv_cache_audit(cache_), "audit");
    }
    ok(akv_cache_audit_all(cache_), "audit_all");
    end_all();
    ok(akv_cache_destroy(cache_), "destroy");
  }

 private:
  // Any refusal is fine but these.
  static void check(akv_status status) {
    if (status > 0 || status == AKV_ERROR_DAMAGED || status == AKV_ERROR_OUT_OF_MEMORY || status == AKV_ERROR_BUSY ||
        status == AKV_ERROR_FORKED || akv_status_name(status)[0] != 'A')
      broken("a call", status);
  }

  akv_status one_call() {
    switch (input_.below(33)) {
      case 0:
      case 1:
      case 2: return create();
      case 3:
      case 4: return append();
      case 5:
      case 6:
      case 7: return append_batch();
      case 8: return reserve();
      case 9:
        return with_length(
            [this](akv_sequence s, std::uint32_t n) { return akv_sequence_commit(cache_, s, n, ticket()); });
      case 10: return commit_batch();
      case 11: return fork();
      case 12:
        return with_length([this](akv_sequence s, std::uint32_t n) {
          return akv_sequence_truncate(cache_, s, n, input_.below(8) % 3);
        });
      case 13: return truncate_batch();
      case 14:
        return with_length([this](akv_sequence s, std::uint32_t n) { return akv_sequence_set_length(cache_, s, n); });
      case 15: return free();
      case 16: return input_.below(6) == 0 ? free_batch() : append_batch();
      case 17:
        return input_.below(6) == 0 ? akv_cache_drop_owner(cache_, input_.below(4), input_.below(3), nullptr)
                                    : append();
      case 18: return set_tokens();
      case 19: return open_ticket();
      case 20: return akv_ticket_retire(cache_, ticket());
      case 21: return akv_ticket_abandon(cache_, ticket(), nullptr);
      case 22: return lease();
      case 23:
        return input_.below(2) == 0 ? akv_lease_release(cache_, leases_.pick(input_))
                                    : akv_prefix_unpin(cache_, pins_.pick(input_));
      case 24: return pin();
      case 25: return akv_plan_finish(cache_, plans_.pick(input_), ticket());
      case 26: return akv_plan_abandon(cache_, plans_.pick(input_));
      case 27:
      case 28: return swap_out();
      case 29:
      case 30: return swap_in();
      case 31: return borrowed_.empty() ? acquire_swap() : release_swap();
      default: return look();
    }
  }

  // A length that the sequence has, mostly.
  template <class Call>
  akv_status with_length(Call call) {
    const akv_sequence s = sequence();
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    check(akv_sequence_read_info(cache_, s, &info));
    return call(s, input_.byte() % (info.length + 2));
  }
  akv_sequence sequence() { return sequences_.pick(input_); }
  akv_ticket ticket() { return input_.below(2) == 0 ? AKV_NONE : tickets_.pick(input_); }

  // Few different tokens, so that prompts meet.
  const std::vector<std::int32_t> &tokens(std::uint32_t count) {
    tokens_.resize(count);
    const std::uint32_t seed = input_.byte();
    for (std::uint32_t i = 0; i < count; ++i) tokens_[i] = static_cast<std::int32_t>(seed * (i / 5) % 3) - 1;
    if (seed > 250 && count != 0) tokens_[count / 2] = AKV_TOKEN_UNKNOWN;
    return tokens_;
  }
  akv_prompt prompt() {
    akv_prompt p = AKV_PROMPT_INIT;
    p.num_tokens = input_.below(70);
    p.tokens = tokens(p.num_tokens).data();
    p.domain = input_.below(3);
    return p;
  }
  akv_plan *plan_or_null() {
    plan_ = AKV_NONE;
    return input_.below(5) == 0 ? nullptr : &plan_;
  }
  akv_status remember_plan(akv_status status) {
    if (status == AKV_OK) take_plan(plan_);
    return status;
  }
  // Ended at once or left open.
  void take_plan(akv_plan plan) {
    if (plan == AKV_NONE) return;
    plans_.add(plan);
    const std::uint32_t what = input_.below(8);
    if (what < 4) check(akv_plan_finish(cache_, plan, ticket()));
    else if (what < 6) ok(akv_plan_abandon(cache_, plan), "abandon a plan");
  }
  akv_sequence_options options() {
    akv_sequence_options o = AKV_SEQUENCE_OPTIONS_INIT;
    static const std::uint32_t sensible[] = {0, 0, 1, 1, 2, 2, 3, 4, 6, 8, 16, 32, 33, 35, 65};
    o.flags = sensible[input_.below(15)];
    o.request_id = input_.below(4) == 0 ? input_.below(4) : 0;
    o.owner = input_.below(4);
    o.reserve_tokens = input_.below(4) == 0 ? input_.byte() : 0;
    o.max_tokens = input_.below(8) == 0 ? input_.byte() : 0;
    return o;
  }

  akv_status create() {
    const akv_prompt p = prompt();
    const akv_sequence_options o = options();
    akv_room room = AKV_ROOM_INIT;
    akv_created created = AKV_CREATED_INIT;
    const akv_status forecast = akv_cache_can_allocate(cache_, &p, &o, &room);
    const akv_status status = akv_sequence_create(cache_, &p, &o, &created);
    if (forecast == AKV_OK && room.status != status) broken("can_allocate said otherwise", room.status);
    if (status != AKV_OK) return status;
    sequences_.add(created.sequence);
    take_plan(created.plan);
    return status;
  }
  akv_status append() {
    const std::uint32_t count = input_.below(20), flags = input_.below(3);
    const bool unknown = input_.below(4) == 0;
    const std::int32_t *ids = unknown ? nullptr : tokens(count).data();
    const akv_sequence s = sequence();
    return remember_plan(akv_sequence_append(cache_, s, ids, count, flags, plan_or_null()));
  }
  akv_status reserve() {
    const std::uint32_t count = input_.byte();
    const akv_sequence s = sequence();
    return remember_plan(akv_sequence_reserve(cache_, s, count, plan_or_null()));
  }
  void some_sequences() {
    some_.clear();
    for (std::uint32_t count = input_.below(5); count != 0; --count)
      if (const akv_sequence s = sequence(); input_.below(16) == 0 || std::count(some_.begin(), some_.end(), s) == 0)
        some_.push_back(s);
    numbers_.assign(some_.size(), 0);
    for (std::uint32_t &number : numbers_) number = input_.below(40);
  }
  akv_status append_batch() {
    some_sequences();
    std::uint32_t total = 0;
    for (std::uint32_t &number : numbers_) total += number %= 9;
    std::int64_t slots[64];
    std::int32_t table[8 * 64], indices[256];
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = slots;
    tables.slot_capacity = input_.below(65);
    tables.kv_indices = indices;
    tables.kv_indices_capacity = 256;
    tables.block_table = table;
    tables.row_states = row_states_;
    tables.row_stride = tables.row_width = 64;
    tables.num_rows = input_.below(9);
    akv_batch batch = AKV_BATCH_INIT;
    batch.flags = input_.below(3);
    batch.num_sequences = static_cast<std::uint32_t>(some_.size());
    batch.sequences = some_.data();
    batch.num_tokens = input_.below(3) == 0 ? nullptr : numbers_.data();
    batch.tokens_count = batch.num_tokens != nullptr ? total : batch.num_sequences;
    batch.tokens = tokens(batch.tokens_count).data();
    return remember_plan(
        akv_sequence_append_batch(cache_, &batch, input_.below(2) == 0 ? nullptr : &tables, plan_or_null()));
  }
  akv_status commit_batch() {
    some_sequences();
    return akv_sequence_commit_batch(cache_, some_.data(), input_.below(2) == 0 ? nullptr : numbers_.data(),
                                     static_cast<std::uint32_t>(some_.size()), ticket());
  }
  akv_status truncate_batch() {
    some_sequences();
    return akv_sequence_truncate_batch(cache_, some_.data(), numbers_.data(), static_cast<std::uint32_t>(some_.size()),
                                       input_.below(3));
  }
  // Dead handles are remembered now and then.
  akv_status free() {
    const akv_sequence s = sequence();
    const akv_status status = akv_sequence_free(cache_, s);
    if (input_.below(4) != 0) sequences_.forget(s);
    return status;
  }
  akv_status free_batch() {
    some_sequences();
    return akv_sequence_free_batch(cache_, some_.data(), static_cast<std::uint32_t>(some_.size()), nullptr, nullptr,
                                   nullptr);
  }
  akv_status fork() {
    const akv_sequence_options o = options();
    const std::uint32_t length = input_.below(2) == 0 ? AKV_UNSET : input_.byte();
    akv_sequence child = AKV_NONE;
    const akv_status status = akv_sequence_fork(cache_, sequence(), length, &o, &child);
    if (status == AKV_OK) sequences_.add(child);
    return status;
  }
  // Mostly those that came late: what is known may not change.
  akv_status set_tokens() {
    const akv_sequence s = sequence();
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    check(akv_sequence_read_info(cache_, s, &info));
    const std::uint32_t first = input_.below(4) == 0 ? input_.byte() : info.known;
    const std::uint32_t count = std::min(input_.below(12), info.length - info.known + input_.below(8) / 7);
    return akv_sequence_set_tokens(cache_, s, first, tokens(count).data(), count);
  }
  akv_status open_ticket() {
    akv_ticket opened = AKV_NONE;
    const akv_status status = akv_ticket_open(cache_, &opened);
    if (status == AKV_OK) tickets_.add(opened);
    return status;
  }
  akv_status lease() {
    akv_lease got = AKV_NONE;
    const akv_status status = with_length([&](akv_sequence s, std::uint32_t n) {
      return akv_lease_acquire(cache_, s, n, input_.below(4), &got, nullptr);
    });
    if (status == AKV_OK) leases_.add(got);
    return status;
  }
  akv_status pin() {
    const akv_prompt p = prompt();
    akv_pin got = AKV_NONE;
    const akv_status status = akv_prefix_pin(cache_, &p, input_.below(4), &got, nullptr);
    if (status == AKV_OK) pins_.add(got);
    return status;
  }
  akv_status swap_out() {
    akv_plan plan = AKV_NONE;
    const akv_sequence s = sequence();
    if (input_.below(2) == 0) check(akv_sequence_commit_batch(cache_, &s, nullptr, 1, AKV_NONE));
    const akv_status status = akv_sequence_swap_out(cache_, s, &plan);
    if (status == AKV_OK) take_plan(plan);
    return status;
  }
  akv_status swap_in() {
    akv_swapped_in in = AKV_SWAPPED_IN_INIT;
    const akv_status status = akv_sequence_swap_in(cache_, sequence(), &in);
    if (status == AKV_OK) take_plan(in.plan);
    return status;
  }
  akv_status acquire_swap() {
    borrowed_.resize(input_.below(20));
    const akv_status status = akv_swap_acquire(cache_, static_cast<std::uint32_t>(borrowed_.size()), borrowed_.data());
    if (status != AKV_OK) borrowed_.clear();
    return status;
  }
  // Sometimes one of them twice, or one that is no such block.
  akv_status release_swap() {
    std::vector<std::int32_t> blocks = borrowed_;
    if (input_.below(3) == 0) blocks.push_back(static_cast<std::int32_t>(input_.byte()) - 2);
    const akv_status status = akv_swap_release(cache_, blocks.data(), static_cast<std::uint32_t>(blocks.size()));
    if (status == AKV_OK) borrowed_.clear();
    return status;
  }
  akv_status look() {
    const akv_prompt p = prompt();
    akv_explanation why = AKV_EXPLANATION_INIT;
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    akv_plan_record records[4];
    std::int32_t ids[64];
    std::uint32_t count = 0;
    check(akv_prefix_explain(cache_, &p, &why));
    check(akv_sequence_read_info(cache_, sequence(), &info));
    check(akv_sequence_read_tokens(cache_, sequence(), input_.byte(), input_.below(64), ids));
    check(akv_plan_read_records(cache_, plans_.pick(input_), input_.below(4), records, 4, &count));
    check(akv_lease_read_blocks(cache_, leases_.pick(input_), ids, 64, &count));
    if (input_.below(8) == 0)
      check(akv_prefix_clear(cache_, input_.below(2) == 0 ? nullptr : &p.domain, input_.below(3), nullptr));
    return akv_cache_audit_all(cache_);
  }

  // Whatever is open ends: what it was is told by the cache itself.
  void end_all() {
    akv_sequence_line lines[8];
    akv_hold_line holds[16];
    std::uint32_t count = 0;
    ok(akv_cache_read_sequences(cache_, lines, sizeof lines[0], 8, &count), "read_sequences");
    for (std::uint32_t i = 0; i < count; ++i) ok(akv_sequence_free(cache_, lines[i].sequence), "free what is left");
    ok(akv_cache_read_holds(cache_, holds, sizeof holds[0], 16, &count), "read_holds");
    for (std::uint32_t i = 0; i < count; ++i)
      ok(holds[i].kind == AKV_HOLD_PIN     ? akv_prefix_unpin(cache_, holds[i].handle)
         : holds[i].kind == AKV_HOLD_LEASE ? akv_lease_release(cache_, holds[i].handle)
                                           : akv_plan_abandon(cache_, holds[i].handle),
         "end a hold");
    ok(akv_swap_release(cache_, borrowed_.data(), static_cast<std::uint32_t>(borrowed_.size())), "release swap blocks");
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    for (;;) {
      ok(akv_cache_read_state(cache_, &state), "read_state");
      if (state.open_tickets == 0) break;
      ok(akv_ticket_retire(cache_, state.oldest_open), "retire the oldest");
    }
    ok(akv_cache_audit_all(cache_), "audit_all at the end");
    if (state.free_swap_blocks != state.num_swap_blocks) broken("swap blocks are lost", AKV_OK);
    if (state.free_blocks + state.dirty_blocks + state.cached_blocks != num_blocks_ ||
        state.evictable_blocks != state.cached_blocks)
      broken("blocks are lost", AKV_OK);
  }

  Input input_;
  akv_cache *cache_ = nullptr;
  std::uint32_t num_blocks_ = 0;
  Handles sequences_, plans_, tickets_, leases_, pins_;
  std::vector<std::int32_t> tokens_;
  std::vector<akv_sequence> some_;
  std::vector<std::int32_t> borrowed_;  // swap blocks
  std::vector<std::uint32_t> numbers_;
  akv_row_state row_states_[8] = {};
  akv_plan plan_ = AKV_NONE;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  Run(Input(data, size)).run();
  return 0;
}
