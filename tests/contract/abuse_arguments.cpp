// abuse_arguments.cpp: NULL, counts, flags and values that are wrong, given to every exported function: a status, and
// nothing written or changed. Handles and structs have files of their own.
// It knows the public API only; the table of functions is in abuse_calls.cpp.
#include "abuse_calls.hpp"

#include <fstream>
#include <set>

using namespace akv::test;

namespace {

// Run `bend` on the call of every function that takes `what`, each in a scene of its own.
template <class Bend>
void sweep(std::uint64_t what, akv_status status, Bend bend) {
  std::size_t swept = 0;
  for (const Function &function : every_function()) {
    if (!function.has(what)) continue;
    Scene scene(function);
    bend(scene);
    scene.refused(status);
    ++swept;
  }
  CHECK(swept != 0);
}

}  // namespace

TEST_CASE("abuse: the table has every exported function, and only those") {
  std::ifstream map(ARENAKV_MAP);
  REQUIRE(map.good());
  std::set<std::string> exported, listed;
  for (std::string word; map >> word;)
    if (word.rfind("akv_", 0) == 0 && word.back() == ';') exported.insert(word.substr(0, word.size() - 1));
  for (const Function &function : every_function()) CHECK(listed.insert(function.name).second);
  CHECK(exported == listed);
}

TEST_CASE("abuse: every function succeeds in the scene that it is abused in") {
  for (const Function &function : every_function()) {
    INFO(function.name);
    Scene scene(function);
    OK(scene.run());
    scene.tidy();
    if (scene.cache.handle != nullptr) OK(akv_cache_audit_all(scene.cache));
  }
}

TEST_CASE("abuse: a NULL output is INVALID_ARGUMENT, and nothing has changed") {
  sweep(kOut, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.out = nullptr; });
  sweep(kCount, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.out_count = nullptr; });
  sweep(kArray | kArrayAlways, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.array = nullptr; });
  sweep(kArrayAlways, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) {
    s.call.array = nullptr;
    s.call.capacity = 0;
  });
}

TEST_CASE("abuse: a NULL input with elements wanted is INVALID_ARGUMENT") {
  sweep(kSequences | kSequencesOneByOne, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.sequences = nullptr; });
  sweep(kLengths, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.lengths = nullptr; });
  sweep(kTokens, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.tokens = nullptr; });
  sweep(kPrompt, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.prompt = nullptr; });
  sweep(kBatch, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.batch = nullptr; });
  sweep(kTables, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.tables = nullptr; });
  sweep(kModel, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.model = nullptr; });
  sweep(kFields, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.fields = nullptr; });
  sweep(kRequest, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.request = nullptr; });
  sweep(kView, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.call.view = nullptr; });
  sweep(kPrompt | kPromptOrNone, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.prompt.tokens = nullptr; });
  sweep(kBatch, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.batch.sequences = nullptr; });
  sweep(kFirst, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.batch.first = nullptr; });
  sweep(kFirst, AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.batch.tokens = nullptr; });
}

TEST_CASE("abuse: what may be NULL is fine as NULL") {
  for (const Function &function : every_function()) {
    INFO(function.name);
    Scene scene(function);
    if (function.has(kOptions)) scene.call.options = nullptr;
    if (function.has(kPromptOrNone)) scene.call.prompt = nullptr;
    if (function.has(kTablesOrNone)) scene.call.tables = nullptr;
    if (function.has(kExtra)) scene.call.extra = nullptr;
    if (function.has(kConfig)) scene.call.config = nullptr;
    if (function.has(kStreamConfig)) scene.call.stream_config = nullptr;
    if (function.has(kStoreConfig)) scene.call.store_config = nullptr;
    if (function.has(kTicketOrNone)) scene.call.ticket = AKV_NONE;
    OK(scene.run());
    scene.tidy();
  }
}

TEST_CASE("abuse: NULL with a count of 0 is fine, or says how many there are") {
  Scene batches(function_named("akv_sequence_commit_batch"));
  OK(akv_sequence_commit_batch(batches.cache, nullptr, nullptr, 0, AKV_NONE));
  OK(akv_sequence_truncate_batch(batches.cache, nullptr, nullptr, 0, 0));
  OK(akv_sequence_free_batch(batches.cache, nullptr, 0, nullptr, nullptr, nullptr));
  OK(akv_sequence_append(batches.cache, batches.sequence, nullptr, 0, 0, nullptr));
  OK(akv_sequence_set_tokens(batches.cache, batches.sequence, 10, nullptr, 0));
  OK(akv_sequence_read_tokens(batches.cache, batches.sequence, 10, 0, nullptr));
  akv_prompt nothing = AKV_PROMPT_INIT;
  akv_match match = AKV_MATCH_INIT;
  OK(akv_prefix_match(batches.cache, &nothing, &match));
  for (const Function &function : every_function()) {
    if (!function.has(kCount)) continue;
    INFO(function.name);
    Scene scene(function);
    OK(scene.run());
    const std::uint32_t there = scene.outputs.count;
    CHECK(there != 0);
    scene.outputs.count = 12345;
    scene.call.array = nullptr;
    scene.call.capacity = 0;
    CHECK(scene.run() == AKV_ERROR_BUFFER_TOO_SMALL);
    CHECK(scene.outputs.count == there);
  }
}

TEST_CASE("abuse: a buffer with one element too few is BUFFER_TOO_SMALL, names the size, and is not overrun") {
  for (const Function &function : every_function()) {
    if (!function.has(kCount)) continue;
    INFO(function.name);
    Scene scene(function);
    OK(scene.run());
    const std::uint32_t there = scene.outputs.count;
    std::memset(scene.outputs.array, kCanary, sizeof scene.outputs.array);
    scene.call.capacity = there - 1;
    CHECK(scene.run() == AKV_ERROR_BUFFER_TOO_SMALL);
    CHECK(scene.outputs.count == there);
    akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
    OK(akv_last_error_detail(&detail));
    CHECK((detail.needed == there && detail.available == there - 1));
    std::memset(scene.outputs.array, kCanary, sizeof scene.outputs.array);
    scene.call.capacity = there;
    OK(scene.run());
    const std::size_t largest =
        sizeof(akv_plan_record) > sizeof(akv_sequence_line) ? sizeof(akv_plan_record) : sizeof(akv_sequence_line);
    for (std::size_t i = there * largest; i < sizeof scene.outputs.array; ++i)
      REQUIRE(scene.outputs.array[i] == kCanary);
  }
}

TEST_CASE("abuse: unknown flags are UNSUPPORTED, each bit of them, and known ones are not") {
  for (std::uint32_t bit = 1; bit != 0; bit <<= 1) {
    for (const Function &function : every_function()) {
      if (!function.has(kFlags)) continue;
      INFO(function.name << " with flag " << bit);
      Scene scene(function);
      scene.call.flags = bit;
      if ((function.known_flags & bit) != 0) CHECK(scene.run() == AKV_OK);
      else scene.refused(AKV_ERROR_UNSUPPORTED);
    }
  }
}

TEST_CASE("abuse: counts beyond what is there are refused before anything is touched") {
  Scene scene(function_named("akv_sequence_append"));
  akv_cache *cache = scene.cache;
  const akv_sequence s = scene.sequence;
  akv_plan *plan = &scene.outputs.extra[0];
  std::int32_t out[16];
  const std::string before = scene.everything();
  for (const std::uint32_t huge : {1001u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xffffffffu}) {
    CHECK(akv_sequence_append(cache, s, nullptr, huge, 0, plan) == AKV_ERROR_NO_CAPACITY);
    CHECK(akv_sequence_reserve(cache, s, huge, plan) == AKV_ERROR_NO_CAPACITY);
    CHECK(akv_sequence_set_length(cache, s, huge) == AKV_ERROR_NO_CAPACITY);
    CHECK(akv_sequence_commit(cache, s, huge, AKV_NONE) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_sequence_truncate(cache, s, huge, 0) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_sequence_read_tokens(cache, s, huge, 1, out) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_sequence_read_tokens(cache, s, 1, huge, out) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_sequence_set_tokens(cache, s, 2, out, huge) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_sequence_set_tokens(cache, s, huge, out, 2) == AKV_ERROR_OUT_OF_RANGE);
    akv_lease *lease = &scene.outputs.extra[1];
    CHECK(akv_lease_acquire(cache, s, huge, 0, lease, nullptr) == AKV_ERROR_OUT_OF_RANGE);
    if (huge != AKV_UNSET)
      CHECK(akv_sequence_fork(cache, s, huge, nullptr, &scene.outputs.extra[2]) == AKV_ERROR_OUT_OF_RANGE);
    akv_room room = AKV_ROOM_INIT;
    OK(akv_sequence_can_extend(cache, s, huge, &room));
    CHECK(room.status == AKV_ERROR_NO_CAPACITY);
    std::uint32_t count = 0;
    CHECK(akv_plan_read_records(cache, scene.plan, huge, nullptr, 0, &count) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_sequence_read_blocks(cache, s, huge, out, 16, &count) == AKV_ERROR_OUT_OF_RANGE);
    akv_layer_group group = {0, 0, 0, sizeof(akv_plane), nullptr, 0, 0};
    CHECK(akv_cache_read_group(cache, huge, &group, sizeof group, nullptr, 0) == AKV_ERROR_OUT_OF_RANGE);
  }
  CHECK(akv_lease_acquire(cache, s, 0, 0, &scene.outputs.extra[1], nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(scene.everything() == before);
  for (const std::uint64_t extra : scene.outputs.extra) CHECK(extra == 0xa5a5a5a5a5a5a5a5u);
}

TEST_CASE("abuse: a prompt that claims more tokens than positions go is refused, and its tokens are not read") {
  for (const std::uint32_t huge : {0x80000000u, 0xffffffffu}) {
    sweep(kPrompt | kPromptOrNone, AKV_ERROR_INVALID_ARGUMENT, [huge](Scene &s) { s.prompt.num_tokens = huge; });
  }
  Scene scene(function_named("akv_sequence_create"));
  scene.prompt.num_tokens = 1001;  // over max_tokens, and only ten are there
  scene.refused(AKV_ERROR_NO_CAPACITY);
}

TEST_CASE("abuse: a batch whose counts do not add up, or whose sum overflows 32 bits, is refused") {
  const std::uint32_t counts[2] = {0xffffffffu, 2}, five = 5, far = 0xffffffffu;
  for (const char *name : {"akv_sequence_append_batch", "akv_sequence_set_tokens_batch"}) {
    Scene scene(function_named(name));
    scene.batch.num_tokens = &five;
    scene.refused(AKV_ERROR_INVALID_ARGUMENT);
  }
  Scene overflow(function_named("akv_sequence_set_tokens_batch"));
  const akv_sequence both[2] = {overflow.sequence, overflow.forked};
  const std::uint32_t firsts[2] = {0, 0};
  overflow.batch.sequences = both;
  overflow.batch.num_sequences = 2;
  overflow.batch.num_tokens = counts;  // 2^32 + 1 in all, and tokens_count is 1
  overflow.batch.first = firsts;
  overflow.refused(AKV_ERROR_INVALID_ARGUMENT);

  Scene append(function_named("akv_sequence_append_batch"));
  append.batch.num_tokens = counts;
  append.batch.tokens = nullptr;
  append.batch.tokens_count = 0;
  append.refused(AKV_ERROR_NO_CAPACITY);

  Scene tables(function_named("akv_sequence_read_tables"));
  tables.batch.first = &far;
  tables.refused(AKV_ERROR_OUT_OF_RANGE);
  tables.batch.first = nullptr;
  tables.batch.num_tokens = counts;
  tables.refused(AKV_ERROR_OUT_OF_RANGE);
}

TEST_CASE("abuse: tables with too little room anywhere are refused, and no array is written") {
  const std::uint32_t row = 8, no_row = 0xffffffffu;
  const auto refuse = [](akv_status status, auto bend) {
    for (const char *name : {"akv_sequence_append_batch", "akv_sequence_read_tables"}) {
      Scene scene(function_named(name));
      bend(scene.tables);
      scene.refused(status);
    }
  };
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.slot_capacity = 0; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.padded_slots = 9; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.padded_slots = UINT64_MAX; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.kv_indices_capacity = 2; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.row_width = 2; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.num_rows = 0; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.padded_sequences = 9; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [](akv_tables &t) { t.query_start_loc = t.kv_indices; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [&row](akv_tables &t) { t.row_of = &row; });
  refuse(AKV_ERROR_BUFFER_TOO_SMALL, [&no_row](akv_tables &t) { t.row_of = &no_row; });
  refuse(AKV_ERROR_INVALID_ARGUMENT, [](akv_tables &t) { t.row_stride = 7; });
  refuse(AKV_ERROR_OUT_OF_RANGE, [](akv_tables &t) { t.group = 1; });
  refuse(AKV_ERROR_OUT_OF_RANGE, [](akv_tables &t) { t.part = 1; });
  akv_row_state state{};
  refuse(AKV_ERROR_INVALID_ARGUMENT, [&state](akv_tables &t) {
    t.row_states = &state;
    t.block_table = nullptr;
  });
}

TEST_CASE("abuse: whatever a call fails for, no output is written and nothing has changed") {
  const auto refuse = [](const char *name, akv_status status, auto prepare,
                         void (*change)(akv_cache_config &) = nullptr) {
    Scene scene(function_named(name), change);
    prepare(scene);
    scene.refused(status);
  };
  const auto full = [](Scene &s) { s.cache.create(count_up(5000, 4 * s.cache.free_blocks())); };
  const auto no_slots = [](Scene &s) {
    while (s.cache.state().sequences < 8) s.cache.create({});
  };
  const auto one_plan = [](akv_cache_config &c) { c.max_plans = 1; };  // the scene has it
  const auto fork_it = [](Scene &s) { OK(akv_sequence_fork(s.cache, s.sequence, AKV_UNSET, nullptr, &s.forked)); };
  const auto uncommitted_fork = [](Scene &s) {
    s.call.sequence = s.sequence = s.cache.create(count_up(300, 6)).sequence;
    OK(akv_sequence_fork(s.cache, s.sequence, AKV_UNSET, nullptr, &s.forked));
  };
  const auto lost = [](Scene &s) {
    s.call.sequence = s.sequence = s.cache.create(count_up(300, 6)).sequence;
    OK(akv_sequence_commit(s.cache, s.sequence, 6, s.ticket));
    OK(akv_ticket_abandon(s.cache, s.ticket, nullptr));
    s.call.ticket = AKV_NONE;
  };
  const auto plan_open = [](Scene &s) { s.call.sequence = s.sequence = s.forked; };

  for (const char *name : {"akv_sequence_append", "akv_sequence_append_batch", "akv_sequence_reserve"}) {
    INFO(name);
    refuse(name, AKV_ERROR_NOT_COMMITTED, uncommitted_fork);
    refuse(name, AKV_ERROR_CONTENT_LOST, lost);
    refuse(name, AKV_ERROR_PLAN_OPEN, plan_open);
    refuse(name, AKV_ERROR_NO_PLANS, fork_it, one_plan);
    refuse(name, AKV_ERROR_NO_BLOCKS, [&](Scene &s) {
      OK(s.cache.append(s.sequence, {10, 11}));  // its last block is full
      full(s);
    });
    refuse(name, AKV_ERROR_PLAN_NEEDED, [&](Scene &s) {
      fork_it(s);
      s.call.extra = nullptr;
    });
  }
  refuse("akv_sequence_create", AKV_ERROR_NO_BLOCKS, full);
  refuse("akv_sequence_create", AKV_ERROR_NO_SEQUENCES, no_slots);
  refuse("akv_sequence_create", AKV_ERROR_NO_CAPACITY, [](Scene &s) { s.options.max_tokens = 9; });
  refuse("akv_sequence_create", AKV_ERROR_NO_CAPACITY, [](Scene &s) { s.options.reserve_tokens = 1001; });
  refuse("akv_sequence_create", AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.options.max_tokens = 1001; });
  refuse("akv_sequence_create", AKV_ERROR_ALREADY_EXISTS, [](Scene &s) { s.options.request_id = 7; });
  refuse(
      "akv_sequence_create", AKV_ERROR_NO_PLANS,
      [](Scene &s) {
        s.options.flags = AKV_SEQUENCE_PARTIAL;
        s.tokens[5] = 99;
      },
      one_plan);
  refuse("akv_sequence_fork", AKV_ERROR_NO_SEQUENCES, no_slots);
  refuse("akv_sequence_fork", AKV_ERROR_NO_CAPACITY, [](Scene &s) { s.options.max_tokens = 9; });
  refuse("akv_sequence_fork", AKV_ERROR_ALREADY_EXISTS, [](Scene &s) { s.options.request_id = 7; });
  refuse("akv_sequence_fork", AKV_ERROR_PLAN_OPEN, plan_open);
  refuse("akv_sequence_fork", AKV_ERROR_CONTENT_LOST, lost);
  refuse("akv_sequence_find", AKV_ERROR_NOT_FOUND, [](Scene &s) { s.cache.free(s.sequence); });
  refuse("akv_lease_acquire", AKV_ERROR_PLAN_OPEN, plan_open);
  refuse("akv_lease_acquire", AKV_ERROR_CONTENT_LOST, lost);
  refuse("akv_prefix_pin", AKV_ERROR_NOT_FOUND, [](Scene &s) { s.prompt.domain = 3; });
  refuse("akv_ticket_open", AKV_ERROR_NO_TICKETS, [](Scene &s) {
    for (int i = 1; i < 1024; ++i) s.cache.open_ticket();
  });
  for (const char *name : {"akv_sequence_commit", "akv_plan_finish"}) {
    refuse(name, AKV_ERROR_CONTENT_LOST, [](Scene &s) { OK(akv_ticket_abandon(s.cache, s.ticket, nullptr)); });
    refuse(name, AKV_ERROR_BAD_HANDLE, [](Scene &s) {  // ended so long ago that its end is forgotten
      OK(akv_ticket_retire(s.cache, s.ticket));
      for (int i = 0; i < 1024; ++i) OK(akv_ticket_retire(s.cache, s.cache.open_ticket()));
    });
  }
  refuse("akv_sequence_set_tokens", AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.tokens[0] = 1; });
  refuse("akv_sequence_set_tokens", AKV_ERROR_INVALID_ARGUMENT, [](Scene &s) { s.tokens[0] = AKV_TOKEN_UNKNOWN; });
  refuse("akv_sequence_set_tokens", AKV_ERROR_CONTENT_LOST, lost);
}

TEST_CASE("abuse: NO_HOLDS and PIN_BUDGET write nothing, and reading records from beyond a plan's end neither") {
  const auto refuse = [](const char *name, akv_status status, void (*change)(akv_cache_config &)) {
    Scene scene(function_named(name), change);
    scene.refused(status);
  };
  refuse("akv_prefix_pin", AKV_ERROR_NO_HOLDS, [](akv_cache_config &c) { c.max_holds = 2; });
  refuse("akv_lease_acquire", AKV_ERROR_NO_HOLDS, [](akv_cache_config &c) { c.max_holds = 2; });
  Scene budget(function_named("akv_prefix_pin"), [](akv_cache_config &c) { c.max_pinned_blocks = 2; });
  const Tokens other = count_up(100, 6);
  budget.prompt = budget.cache.prompt(other);
  budget.refused(AKV_ERROR_PIN_BUDGET);

  Scene records(function_named("akv_plan_read_records"));
  std::uint32_t count = 12345;
  CHECK(akv_plan_read_records(records.cache, records.plan, 2, nullptr, 0, &count) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(count == 12345);
}
