// meta_life.cpp: a whole life of a cache in META calls.
// It knows the public API; it allocates nothing, so that whoever counts allocations sees the library's alone.
#include "meta_life.hpp"

#include "calls.hpp"

namespace akv::stress {
namespace {

Calls calls;

constexpr std::uint32_t kBlockTokens = 4;

struct Life {
  akv_cache *cache;
  std::int32_t tokens[64];
  akv_prompt prompt = AKV_PROMPT_INIT;
  akv_created created = AKV_CREATED_INIT;
  akv_plan plan = AKV_NONE;
  akv_ticket ticket = AKV_NONE;
  akv_sequence first = AKV_NONE, child = AKV_NONE;

  explicit Life(akv_cache *the_cache) : cache(the_cache) {
    for (int i = 0; i < 64; ++i) tokens[i] = i;
    prompt.tokens = tokens;
    prompt.num_tokens = 10;
  }
};

int look_around(Life &l) {
  char text[200];
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  akv_sizes sizes = AKV_SIZES_INIT;
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  akv_plane planes[2];
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  akv_sequence_line lines[8];
  akv_hold_line holds[8];
  std::uint32_t count = 0;
  calls.note("akv_version");
  calls.note("akv_version_string");
  calls.note("akv_status_name");
  calls.note("akv_last_error");
  calls.note("akv_has");
  calls.note("akv_isa_in_use");
  calls.note("akv_isa_name");
  if (akv_version() == 0 || akv_version_string()[0] == 0 || akv_status_name(AKV_OK)[0] != 'A') return __LINE__;
  if (akv_isa_name(akv_isa_in_use())[0] == 0) return __LINE__;
  if (akv_has(AKV_FEATURE_BUDDY) != 1 || akv_last_error(text, sizeof text) > 1000) return __LINE__;
  WANT(AKV_OK, akv_last_error_detail, &detail);
  WANT(3u, akv_blocks_for, 9, kBlockTokens);
  WANT(AKV_OK, akv_cache_config_sizes, nullptr, &sizes);
  WANT(AKV_OK, akv_cache_read_config, l.cache, &config);
  WANT(AKV_OK, akv_cache_read_group, l.cache, 0, &group, sizeof group, planes, 2);
  WANT(AKV_OK, akv_cache_read_state, l.cache, &state);
  WANT(AKV_OK, akv_cache_read_sequences, l.cache, lines, sizeof lines[0], 8, &count);
  WANT(AKV_OK, akv_cache_read_holds, l.cache, holds, sizeof holds[0], 8, &count);
  WANT(AKV_OK, akv_cache_audit, l.cache);
  return 0;
}

int grow(Life &l) {
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.request_id = 5;
  options.owner = 9;
  akv_room room = AKV_ROOM_INIT;
  akv_match match = AKV_MATCH_INIT;
  akv_sequence found = AKV_NONE;
  WANT(AKV_OK, akv_cache_can_allocate, l.cache, &l.prompt, &options, &room);
  WANT(AKV_OK, akv_prefix_match, l.cache, &l.prompt, &match);
  WANT(AKV_OK, akv_sequence_create, l.cache, &l.prompt, &options, &l.created);
  l.first = l.created.sequence;
  WANT(AKV_OK, akv_sequence_find, l.cache, 5, &found);
  WANT(AKV_OK, akv_sequence_can_extend, l.cache, l.first, 3, &room);
  WANT(AKV_OK, akv_sequence_append, l.cache, l.first, l.tokens + 10, 3, 0, &l.plan);
  WANT(AKV_OK, akv_sequence_append, l.cache, l.first, nullptr, 1, 0, &l.plan);
  WANT(AKV_OK, akv_sequence_set_tokens, l.cache, l.first, 13, l.tokens + 13, 1);
  WANT(AKV_OK, akv_sequence_reserve, l.cache, l.first, 20, &l.plan);
  WANT(AKV_OK, akv_sequence_set_length, l.cache, l.first, 15);
  WANT(AKV_OK, akv_sequence_truncate, l.cache, l.first, 14, AKV_TRUNCATE_KEEP_BLOCKS);
  WANT(AKV_OK, akv_sequence_commit, l.cache, l.first, 13, AKV_NONE);
  return 0;
}

// Steps of two sequences with every table, through many blocks.
int step(Life &l) {
  akv_created other = AKV_CREATED_INIT;
  WANT(AKV_OK, akv_sequence_create, l.cache, nullptr, nullptr, &other);
  const akv_sequence both[] = {l.first, other.sequence};
  std::int64_t slots[8], positions[8];
  std::int32_t starts[4], indptr[4], indices[64], last_page[4], lens[4], firsts[4], table[4 * 16];
  akv_row_state rows[4] = {};
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slots;
  tables.positions = positions;
  tables.slot_capacity = 8;
  tables.query_start_loc = starts;
  tables.kv_indptr = indptr;
  tables.kv_indices = indices;
  tables.kv_last_page_len = last_page;
  tables.kv_indices_capacity = 64;
  tables.sequence_capacity = 3;
  tables.padded_sequences = 3;
  tables.block_table = table;
  tables.row_states = rows;
  tables.first_positions = firsts;
  tables.seq_lens = lens;
  tables.row_stride = tables.row_width = 16;
  tables.num_rows = 4;
  const std::int32_t tokens[] = {50, 51};
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 2;
  batch.sequences = both;
  for (std::uint32_t i = 0; i < 20; ++i) {
    batch.tokens = i % 4 == 3 ? nullptr : tokens;
    batch.tokens_count = i % 4 == 3 ? 0 : 2;
    WANT(AKV_OK, akv_sequence_append_batch, l.cache, &batch, &tables, &l.plan);
    if (i % 4 == 3) {
      const std::uint32_t at[] = {14 + i, i};
      batch.first = at;
      batch.tokens = tokens;
      batch.tokens_count = 2;
      WANT(AKV_OK, akv_sequence_set_tokens_batch, l.cache, &batch);
      batch.first = nullptr;
    }
    WANT(AKV_OK, akv_sequence_commit_batch, l.cache, both, nullptr, 2, AKV_NONE);
  }
  batch.tokens = nullptr;
  batch.tokens_count = 0;
  WANT(AKV_OK, akv_sequence_read_tables, l.cache, &batch, &tables);
  const std::uint32_t lengths[] = {30, 18};
  WANT(AKV_OK, akv_sequence_truncate_batch, l.cache, both, lengths, 2, 0);
  std::uint32_t freed = 0, stale = 0;
  WANT(AKV_OK, akv_sequence_free_batch, l.cache, both + 1, 1, &freed, &stale, nullptr);
  return 0;
}

// A fork, its copy-on-write, and plans that end both ways.
int plan(Life &l) {
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  akv_plan_info about = AKV_PLAN_INFO_INIT;
  akv_plan_record records[8];
  std::int32_t ids[64];
  std::uint32_t count = 0;
  WANT(AKV_OK, akv_sequence_commit, l.cache, l.first, 30, AKV_NONE);
  WANT(AKV_OK, akv_sequence_fork, l.cache, l.first, AKV_UNSET, nullptr, &l.child);
  for (int i = 0; i < 2; ++i) {
    WANT(AKV_OK, akv_sequence_append, l.cache, l.child, l.tokens, 1, 0, &l.plan);
    WANT(AKV_OK, akv_plan_read_info, l.cache, l.plan, &about);
    WANT(AKV_OK, akv_plan_read_records, l.cache, l.plan, 0, records, 8, &count);
    if (i == 0) WANT(AKV_OK, akv_plan_abandon, l.cache, l.plan);
    else WANT(AKV_OK, akv_plan_finish, l.cache, l.plan, AKV_NONE);
  }
  WANT(AKV_OK, akv_sequence_read_info, l.cache, l.child, &info);
  WANT(AKV_OK, akv_sequence_read_tokens, l.cache, l.child, 0, info.length, ids);
  WANT(AKV_OK, akv_sequence_read_blocks, l.cache, l.child, 0, ids, 64, &count);
  return 0;
}

int order(Life &l) {
  akv_lease lease = AKV_NONE;
  akv_pin pin = AKV_NONE;
  std::uint32_t state = 0, count = 0;
  std::int32_t ids[64];
  WANT(AKV_OK, akv_ticket_open, l.cache, &l.ticket);
  WANT(AKV_OK, akv_ticket_read, l.cache, l.ticket, &state);
  WANT(AKV_OK, akv_lease_acquire, l.cache, l.child, 9, 3, &lease, nullptr);
  WANT(AKV_OK, akv_lease_read_blocks, l.cache, lease, ids, 64, &count);
  WANT(AKV_OK, akv_prefix_pin, l.cache, &l.prompt, 3, &pin, nullptr);
  WANT(AKV_OK, akv_sequence_commit, l.cache, l.child, 31, l.ticket);
  WANT(AKV_OK, akv_sequence_free, l.cache, l.child);
  WANT(AKV_OK, akv_lease_release, l.cache, lease);
  WANT(AKV_OK, akv_ticket_retire, l.cache, l.ticket);
  WANT(AKV_OK, akv_prefix_unpin, l.cache, pin);
  return 0;
}

// Out to swap blocks and back; swap blocks for the caller's own use.
int swap(Life &l) {
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  std::int32_t ids[4];
  WANT(AKV_OK, akv_sequence_swap_out, l.cache, l.first, &l.plan);
  WANT(AKV_OK, akv_plan_abandon, l.cache, l.plan);
  WANT(AKV_OK, akv_sequence_swap_out, l.cache, l.first, &l.plan);
  WANT(AKV_OK, akv_plan_finish, l.cache, l.plan, AKV_NONE);
  WANT(AKV_ERROR_SWAPPED, akv_sequence_swap_out, l.cache, l.first, &l.plan);
  WANT(AKV_OK, akv_sequence_swap_in, l.cache, l.first, &in);
  if (in.plan == AKV_NONE) return __LINE__;
  WANT(AKV_OK, akv_plan_finish, l.cache, in.plan, AKV_NONE);
  WANT(AKV_OK, akv_swap_acquire, l.cache, 4, ids);
  WANT(AKV_OK, akv_swap_release, l.cache, ids, 4);
  WANT(AKV_ERROR_BAD_HANDLE, akv_swap_release, l.cache, ids, 4);
  WANT(AKV_ERROR_NO_SWAP_BLOCKS, akv_swap_acquire, l.cache, 1000, ids);
  return 0;
}

// A pool that is full, so that blocks are evicted, and refused.
int fill(Life &l) {
  akv_created created = AKV_CREATED_INIT;
  for (std::int32_t i = 0; i < 40; ++i) {
    l.tokens[0] = 1000 + i;
    l.prompt.num_tokens = 60;
    WANT(AKV_OK, akv_sequence_create, l.cache, &l.prompt, nullptr, &created);
    WANT(AKV_OK, akv_sequence_commit, l.cache, created.sequence, 60, AKV_NONE);
    WANT(AKV_OK, akv_sequence_free, l.cache, created.sequence);
  }
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.reserve_tokens = 200;
  WANT(AKV_OK, akv_sequence_create, l.cache, nullptr, &options, &created);
  WANT(AKV_ERROR_NO_BLOCKS, akv_sequence_create, l.cache, &l.prompt, nullptr, &l.created);
  WANT(AKV_ERROR_NO_BLOCKS, akv_sequence_reserve, l.cache, created.sequence, 1000, &l.plan);
  WANT(AKV_OK, akv_sequence_free, l.cache, created.sequence);
  return 0;
}

int refuse(Life &l) {
  std::uint32_t released = 0, count = 0;
  std::int32_t id = 0;
  akv_pin pin = AKV_NONE;
  akv_sequence found = AKV_NONE;
  WANT(AKV_OK, akv_cache_drop_owner, l.cache, 9, AKV_DROP_IN_FLIGHT, &released);
  WANT(AKV_ERROR_BAD_HANDLE, akv_sequence_free, l.cache, l.first);
  WANT(AKV_ERROR_BAD_HANDLE, akv_sequence_append, l.cache, l.first, l.tokens, 1, 0, &l.plan);
  WANT(AKV_ERROR_INVALID_ARGUMENT, akv_sequence_create, l.cache, &l.prompt, nullptr, nullptr);
  WANT(AKV_ERROR_INVALID_ARGUMENT, akv_sequence_free, nullptr, l.first);
  WANT(AKV_ERROR_NOT_FOUND, akv_sequence_find, l.cache, 99, &found);
  WANT(AKV_ERROR_BAD_HANDLE, akv_plan_finish, l.cache, l.plan, AKV_NONE);
  WANT(AKV_ERROR_BAD_HANDLE, akv_ticket_retire, l.cache, l.ticket);
  WANT(AKV_ERROR_BAD_HANDLE, akv_lease_read_blocks, l.cache, (l.plan & ~(15ull << 28)) | 4ull << 28, &id, 1, &count);
  l.prompt.domain = 77;
  WANT(AKV_ERROR_NOT_FOUND, akv_prefix_pin, l.cache, &l.prompt, 0, &pin, nullptr);
  char text[400];
  if (akv_last_error(text, sizeof text) == 0) return __LINE__;
  return 0;
}

}  // namespace

akv_cache_config config_of_a_life() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 60;
  config.block_tokens = 4;
  config.max_sequences = 8;
  config.max_tokens_per_sequence = 2000;
  config.num_swap_blocks = 20;
  return config;
}

int live_once(akv_cache *cache) {
  Life life(cache);
  int (*const chapters[])(Life &) = {look_around, grow, step, plan, swap, order, fill, look_around, refuse};
  for (const auto chapter : chapters)
    if (const int line = chapter(life); line != 0) return line;
  return 0;
}

std::set<std::string> functions_called() { return calls.names(); }

}  // namespace akv::stress
