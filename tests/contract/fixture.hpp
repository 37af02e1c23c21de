// fixture.hpp: a cache for one test, and calls that a test wants to succeed.
// It knows the public API only.
#pragma once

#include "arenakv.h"

#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"

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

#define OK(call)               \
  do {                         \
    INFO(#call);               \
    const auto ok_ = (call);   \
    INFO(::akv::test::last_error()); \
    REQUIRE(ok_ == AKV_OK);    \
  } while (0)

// The smallest cache that the defaults of a test want: 32 blocks of 4 tokens, 8 sequences.
struct Cache {
  explicit Cache(void (*change)(akv_cache_config &) = nullptr) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = 32;
    config.block_tokens = 4;
    config.max_sequences = 8;
    config.max_tokens_per_sequence = 1000;
    config.max_pinned_blocks = 32;
    if (change != nullptr) change(config);
    OK(akv_cache_create(&config, &handle));
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

  akv_cache *handle = nullptr;
};

}  // namespace akv::test
