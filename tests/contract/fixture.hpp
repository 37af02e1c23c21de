// fixture.hpp: a cache for one test, and calls that a test wants to succeed.
// It knows the public API only.
#pragma once

#include "arenakv.h"

#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "untouchable.hpp"

namespace akv::test {

using Tokens = std::vector<std::int32_t>;

inline Tokens count_up(std::int32_t first, std::size_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

inline std::string last_error() {
  char text[400];
  akv_last_error(text, sizeof text);
  return text;
}

// What a call answers on a thread of its own. Of an exception that ends inside the library's C++ runtime the thread's
// count of uncaught ones never hears, and Catch reads that count at the end of each SECTION.
template <class Call>
akv_status on_a_thread(Call call) {
  akv_status answer = AKV_OK;
  std::thread([&] { answer = call(); }).join();
  return answer;
}

#define OK(call)                     \
  do {                               \
    INFO(#call);                     \
    const auto ok_ = (call);         \
    INFO(::akv::test::last_error()); \
    REQUIRE(ok_ == AKV_OK);          \
  } while (0)

// The smallest cache that the defaults of a test want: 32 blocks and 16 swap blocks of 4 tokens, 8 sequences.
struct Cache {
  explicit Cache(void (*change)(akv_cache_config &) = nullptr) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 32;
    config.block_tokens = 4;
    config.max_sequences = 8;
    config.max_tokens_per_sequence = 1000;
    config.max_pinned_blocks = 32;
    config.num_swap_blocks = 16;
    if (change != nullptr) change(config);
    OK(akv_cache_create(&config, &handle));
    if (UntouchableStores::wanted()) stores = std::make_unique<UntouchableStores>(handle);
  }
  ~Cache() { CHECK(akv_cache_destroy(handle) == AKV_OK); }
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;
  operator akv_cache *() const { return handle; }

  akv_prompt prompt(const Tokens &tokens, std::uint64_t domain = 0) const {
    akv_prompt p = AKV_PROMPT_INIT;
    p.tokens = tokens.data();
    p.num_tokens = static_cast<std::uint32_t>(tokens.size());
    p.domain = domain;
    return p;
  }
  akv_status try_create(const Tokens &tokens, std::uint32_t flags, akv_created &created, std::uint64_t domain = 0,
                        std::uint64_t request_id = 0, std::uint64_t owner = 0) const {
    const akv_prompt p = prompt(tokens, domain);
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = flags;
    options.request_id = request_id;
    options.owner = owner;
    return akv_sequence_create(handle, &p, &options, &created);
  }
  akv_created create(const Tokens &tokens, std::uint32_t flags = 0, std::uint64_t domain = 0) const {
    akv_created created = AKV_CREATED_INIT;
    OK(try_create(tokens, flags, created, domain));
    return created;
  }
  akv_sequence committed(const Tokens &tokens, std::uint64_t domain = 0) const {
    return create(tokens, AKV_SEQUENCE_COMMITTED, domain).sequence;
  }
  // Publish a prompt and leave: it stays cached.
  void cache_prefix(const Tokens &tokens, std::uint64_t domain = 0) const { free(committed(tokens, domain)); }
  void free(akv_sequence sequence) const { OK(akv_sequence_free(handle, sequence)); }
  void finish(akv_plan plan, akv_ticket ticket = AKV_NONE) const { OK(akv_plan_finish(handle, plan, ticket)); }

  akv_match match(const Tokens &tokens, std::uint64_t domain = 0) const {
    const akv_prompt p = prompt(tokens, domain);
    akv_match m = AKV_MATCH_INIT;
    OK(akv_prefix_match(handle, &p, &m));
    return m;
  }
  std::uint32_t why(const Tokens &tokens, std::uint64_t domain = 0) const {
    const akv_prompt p = prompt(tokens, domain);
    akv_explanation e = AKV_EXPLANATION_INIT;
    OK(akv_prefix_explain(handle, &p, &e));
    return e.reason;
  }
  std::vector<std::int32_t> blocks(akv_sequence sequence) const {
    std::vector<std::int32_t> ids(1000);
    std::uint32_t count = 0;
    OK(akv_sequence_read_blocks(handle, sequence, 0, ids.data(), 1000, &count));
    ids.resize(count);
    return ids;
  }
  Tokens tokens(akv_sequence sequence) const {
    Tokens ids(info(sequence).length);
    OK(akv_sequence_read_tokens(handle, sequence, 0, static_cast<std::uint32_t>(ids.size()), ids.data()));
    return ids;
  }
  akv_sequence_info info(akv_sequence sequence) const {
    akv_sequence_info i = AKV_SEQUENCE_INFO_INIT;
    OK(akv_sequence_read_info(handle, sequence, &i));
    return i;
  }
  akv_cache_state state() const {
    akv_cache_state s = AKV_CACHE_STATE_INIT;
    OK(akv_cache_read_state(handle, &s));
    CHECK(s.free_blocks + s.dirty_blocks + s.reserved_blocks + s.live_blocks + s.pinned_blocks + s.cached_blocks +
              s.quarantined_blocks ==
          s.num_blocks);
    OK(akv_cache_audit(handle));
    OK(akv_cache_audit_all(handle));
    return s;
  }
  std::uint32_t free_blocks() const {
    const akv_cache_state s = state();
    return s.free_blocks + s.dirty_blocks;
  }
  akv_ticket open_ticket() const {
    akv_ticket ticket = AKV_NONE;
    OK(akv_ticket_open(handle, &ticket));
    return ticket;
  }
  std::vector<akv_plan_record> records(akv_plan plan) const {
    akv_plan_info i = AKV_PLAN_INFO_INIT;
    OK(akv_plan_read_info(handle, plan, &i));
    std::vector<akv_plan_record> all(i.num_records);
    std::uint32_t count = 0;
    OK(akv_plan_read_records(handle, plan, 0, all.data(), i.num_records, &count));
    return all;
  }
  akv_status append(akv_sequence sequence, const Tokens &more, akv_plan *plan = nullptr) const {
    return akv_sequence_append(handle, sequence, more.data(), static_cast<std::uint32_t>(more.size()), 0, plan);
  }

  akv_sequence fork(akv_sequence parent, std::uint32_t length = AKV_UNSET) const {
    akv_sequence child = AKV_NONE;
    OK(akv_sequence_fork(handle, parent, length, nullptr, &child));
    return child;
  }
  void commit(akv_sequence sequence, std::uint32_t length, akv_ticket ticket = AKV_NONE) const {
    OK(akv_sequence_commit(handle, sequence, length, ticket));
  }
  // An append that must ask for a plan.
  akv_plan planned(akv_sequence sequence, const Tokens &more) const {
    akv_plan plan = AKV_NONE;
    OK(append(sequence, more, &plan));
    REQUIRE(plan != AKV_NONE);
    return plan;
  }
  void roll_back(akv_plan plan) const { OK(akv_plan_abandon(handle, plan)); }
  akv_plan_info plan_info(akv_plan plan) const {
    akv_plan_info i = AKV_PLAN_INFO_INIT;
    OK(akv_plan_read_info(handle, plan, &i));
    return i;
  }
  void retire(akv_ticket ticket) const { OK(akv_ticket_retire(handle, ticket)); }
  // Returns how many sequences lost content.
  std::uint32_t give_up(akv_ticket ticket) const {
    std::uint32_t lost = 0;
    OK(akv_ticket_abandon(handle, ticket, &lost));
    return lost;
  }
  std::uint32_t ticket_state(akv_ticket ticket) const {
    std::uint32_t where = 0;
    OK(akv_ticket_read(handle, ticket, &where));
    return where;
  }
  akv_lease lease(akv_sequence sequence, std::uint32_t num_tokens, std::uint64_t owner = 0) const {
    akv_lease lease = AKV_NONE;
    OK(akv_lease_acquire(handle, sequence, num_tokens, owner, &lease, nullptr));
    return lease;
  }
  std::vector<std::int32_t> lease_blocks(akv_lease lease) const {
    std::vector<std::int32_t> ids(1000);
    std::uint32_t count = 0;
    OK(akv_lease_read_blocks(handle, lease, ids.data(), 1000, &count));
    ids.resize(count);
    return ids;
  }
  void release(akv_lease lease) const { OK(akv_lease_release(handle, lease)); }
  akv_room room_for(const Tokens &tokens) const {
    const akv_prompt p = prompt(tokens);
    akv_room room = AKV_ROOM_INIT;
    OK(akv_cache_can_allocate(handle, &p, nullptr, &room));
    return room;
  }

  // All that a caller can see of a sequence, but for the version of its table.
  struct Picture {
    Tokens tokens, blocks;
    std::vector<std::uint64_t> numbers;
    bool operator==(const Picture &other) const {
      return tokens == other.tokens && blocks == other.blocks && numbers == other.numbers;
    }
  };
  Picture picture(akv_sequence sequence) const {
    const akv_sequence_info i = info(sequence);
    return {tokens(sequence),
            blocks(sequence),
            {i.length, i.known, i.committed, i.published_tokens, i.sound_tokens, i.shared_blocks, i.remaining, i.plan,
             i.wait}};
  }
  // The gauges, in blocks, and how many things there are.
  std::vector<std::uint64_t> gauges() const {
    const akv_cache_state s = state();
    return {s.free_blocks + s.dirty_blocks,
            s.reserved_blocks,
            s.live_blocks,
            s.pinned_blocks,
            s.cached_blocks,
            s.quarantined_blocks,
            s.evictable_blocks,
            s.sequences,
            s.plans,
            s.leases,
            s.pins};
  }

  akv_cache *handle = nullptr;
  // Of the tests' second run: whatever these tests call, no K/V byte is touched.
  std::unique_ptr<UntouchableStores> stores;
};

}  // namespace akv::test
