// abuse_calls.cpp: the table of all functions, and the scene.
// It knows the public API only, and no test.
#include "abuse_calls.hpp"

#include <cstdio>
#include <unistd.h>

namespace akv::test {
namespace {

constexpr std::uint64_t kRead = kCache | kOut, kLines = kCache | kArray | kCount;

std::vector<Function> cache_functions() {
  return {
      {"akv_cache_config_sizes", kConfig | kOut, sizeof(akv_sizes), 0, 0,
       [](const Call &c) { return akv_cache_config_sizes(c.config, c.out_as<akv_sizes>()); }},
      {"akv_cache_create", kConfig | kOut | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_cache_create(c.config, c.out_as<akv_cache *>()); }},
      {"akv_cache_destroy", kCache | kOnce, 0, 0, 0, [](const Call &c) { return akv_cache_destroy(c.cache); }},
      {"akv_cache_read_config", kRead, sizeof(akv_cache_config), 0, 0,
       [](const Call &c) { return akv_cache_read_config(c.cache, c.out_as<akv_cache_config>()); }},
      {"akv_cache_read_group", kRead | kArray | kElement | kGroup, 0, 0, sizeof(akv_layer_group),
       [](const Call &c) {
         return akv_cache_read_group(c.cache, 0, c.out_as<akv_layer_group>(), c.element_size, c.array_as<akv_plane>(),
                                     c.capacity);
       }},
      {"akv_cache_read_state", kRead, sizeof(akv_cache_state), 0, 0,
       [](const Call &c) { return akv_cache_read_state(c.cache, c.out_as<akv_cache_state>()); }},
      {"akv_cache_measure", kRead, sizeof(akv_measures), 0, 0,
       [](const Call &c) { return akv_cache_measure(c.cache, c.out_as<akv_measures>()); }},
      {"akv_cache_read_sequences", kLines | kElement, 0, 0, sizeof(akv_sequence_line),
       [](const Call &c) {
         return akv_cache_read_sequences(c.cache, c.array_as<akv_sequence_line>(), c.element_size, c.capacity,
                                         c.out_count);
       }},
      {"akv_cache_read_holds", kLines | kElement, 0, 0, sizeof(akv_hold_line),
       [](const Call &c) {
         return akv_cache_read_holds(c.cache, c.array_as<akv_hold_line>(), c.element_size, c.capacity, c.out_count);
       }},
      {"akv_cache_read_block_map", kCache | kArray | kArrayAlways, 0, 0, 0,
       [](const Call &c) { return akv_cache_read_block_map(c.cache, c.array, c.capacity); }},
      {"akv_cache_audit", kCache, 0, 0, 0, [](const Call &c) { return akv_cache_audit(c.cache); }},
      {"akv_cache_audit_all", kCache, 0, 0, 0, [](const Call &c) { return akv_cache_audit_all(c.cache); }},
      {"akv_cache_drop_owner", kCache | kFlags | kExtra | kOnce, 0, AKV_DROP_IN_FLIGHT, 0,
       [](const Call &c) { return akv_cache_drop_owner(c.cache, 5, c.flags, c.extra_as<std::uint32_t>()); }},
      {"akv_cache_can_allocate", kRead | kPromptOrNone | kOptions, sizeof(akv_room), 0, 0,
       [](const Call &c) { return akv_cache_can_allocate(c.cache, c.prompt, c.options, c.out_as<akv_room>()); }},
      {"akv_report_dump", kCache | kArray | kExtra, 0, 0, 0,
       [](const Call &c) {
         return akv_report_dump(c.cache, c.array_as<char>(), c.capacity * 64u, c.extra_as<std::uint64_t>());
       }},
      {"akv_report_block_map", kCache | kArray | kExtra, 0, 0, 0,
       [](const Call &c) {
         return akv_report_block_map(c.cache, 0, c.array_as<char>(), c.capacity * 64u, c.extra_as<std::uint64_t>());
       }},
  };
}

std::vector<Function> sequence_functions() {
  return {
      {"akv_sequence_create", kRead | kPromptOrNone | kOptions | kOnce, sizeof(akv_created), 0, 0,
       [](const Call &c) { return akv_sequence_create(c.cache, c.prompt, c.options, c.out_as<akv_created>()); }},
      {"akv_sequence_can_extend", kRead | kSequence, sizeof(akv_room), 0, 0,
       [](const Call &c) { return akv_sequence_can_extend(c.cache, c.sequence, 1, c.out_as<akv_room>()); }},
      {"akv_sequence_append", kCache | kSequence | kFlags | kExtra | kOnce, 0, AKV_APPEND_COMMITTED, 0,
       [](const Call &c) {
         return akv_sequence_append(c.cache, c.sequence, c.tokens, 1, c.flags, c.extra_as<akv_plan>());
       }},
      {"akv_sequence_reserve", kCache | kSequence | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_sequence_reserve(c.cache, c.sequence, 20, c.extra_as<akv_plan>()); }},
      {"akv_sequence_set_tokens", kCache | kSequence | kTokens, 0, 0, 0,
       [](const Call &c) { return akv_sequence_set_tokens(c.cache, c.sequence, 0, c.tokens, 1); }},
      {"akv_sequence_commit", kCache | kSequence | kTicketOrNone, 0, 0, 0,
       [](const Call &c) { return akv_sequence_commit(c.cache, c.sequence, 10, c.ticket); }},
      {"akv_sequence_fork", kRead | kSequence | kOptions | kOnce, 0, 0, 0,
       [](const Call &c) {
         return akv_sequence_fork(c.cache, c.sequence, AKV_UNSET, c.options, c.out_as<akv_sequence>());
       }},
      {"akv_sequence_truncate", kCache | kSequence | kFlags | kOnce, 0, AKV_TRUNCATE_KEEP_BLOCKS, 0,
       [](const Call &c) { return akv_sequence_truncate(c.cache, c.sequence, 5, c.flags); }},
      {"akv_sequence_set_length", kCache | kSequence | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_sequence_set_length(c.cache, c.sequence, 5); }},
      {"akv_sequence_free", kCache | kSequence | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_sequence_free(c.cache, c.sequence); }},
      {"akv_sequence_free_batch", kCache | kSequencesOneByOne | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) {
         return akv_sequence_free_batch(c.cache, c.sequences, c.count, c.extra_as<std::uint32_t>(0),
                                        c.extra_as<std::uint32_t>(1), c.extra_as<akv_status>(2));
       }},
      {"akv_sequence_find", kRead, 0, 0, 0,
       [](const Call &c) { return akv_sequence_find(c.cache, 7, c.out_as<akv_sequence>()); }},
      {"akv_sequence_read_info", kRead | kSequence, sizeof(akv_sequence_info), 0, 0,
       [](const Call &c) { return akv_sequence_read_info(c.cache, c.sequence, c.out_as<akv_sequence_info>()); }},
      {"akv_sequence_read_tokens", kCache | kSequence | kArray, 0, 0, 0,
       [](const Call &c) {
         return akv_sequence_read_tokens(c.cache, c.sequence, 0, c.capacity < 10 ? c.capacity : 10,
                                         c.array_as<std::int32_t>());
       }},
      {"akv_sequence_read_blocks", kLines | kSequence, 0, 0, 0,
       [](const Call &c) {
         return akv_sequence_read_blocks(c.cache, c.sequence, 0, c.array_as<std::int32_t>(), c.capacity, c.out_count);
       }},
      {"akv_sequence_append_batch", kCache | kBatch | kTablesOrNone | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_sequence_append_batch(c.cache, c.batch, c.tables, c.extra_as<akv_plan>()); }},
      {"akv_sequence_read_tables", kCache | kBatch | kTables, 0, 0, 0,
       [](const Call &c) { return akv_sequence_read_tables(c.cache, c.batch, c.tables); }},
      {"akv_sequence_commit_batch", kCache | kSequences | kTicketOrNone, 0, 0, 0,
       [](const Call &c) { return akv_sequence_commit_batch(c.cache, c.sequences, c.lengths, c.count, c.ticket); }},
      {"akv_sequence_set_tokens_batch", kCache | kBatch | kFirst, 0, 0, 0,
       [](const Call &c) { return akv_sequence_set_tokens_batch(c.cache, c.batch); }},
      {"akv_sequence_truncate_batch", kCache | kSequences | kLengths | kFlags, 0, AKV_TRUNCATE_KEEP_BLOCKS, 0,
       [](const Call &c) { return akv_sequence_truncate_batch(c.cache, c.sequences, c.lengths, c.count, c.flags); }},
  };
}

std::vector<Function> prefix_and_order_functions() {
  return {
      {"akv_prefix_match", kRead | kPrompt, sizeof(akv_match), 0, 0,
       [](const Call &c) { return akv_prefix_match(c.cache, c.prompt, c.out_as<akv_match>()); }},
      {"akv_prefix_explain", kRead | kPrompt, sizeof(akv_explanation), 0, 0,
       [](const Call &c) { return akv_prefix_explain(c.cache, c.prompt, c.out_as<akv_explanation>()); }},
      {"akv_prefix_pin", kRead | kPrompt | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) {
         return akv_prefix_pin(c.cache, c.prompt, 5, c.out_as<akv_pin>(), c.extra_as<std::uint32_t>());
       }},
      {"akv_prefix_unpin", kCache | kPin | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_prefix_unpin(c.cache, c.pin); }},
      {"akv_prefix_clear", kCache | kFlags | kExtra | kOnce, 0, AKV_CLEAR_KEEP_PINNED, 0,
       [](const Call &c) { return akv_prefix_clear(c.cache, nullptr, c.flags, c.extra_as<std::uint32_t>()); }},
      {"akv_plan_read_info", kRead | kPlan, sizeof(akv_plan_info), 0, 0,
       [](const Call &c) { return akv_plan_read_info(c.cache, c.plan, c.out_as<akv_plan_info>()); }},
      {"akv_plan_read_records", kLines | kPlan, 0, 0, 0,
       [](const Call &c) {
         return akv_plan_read_records(c.cache, c.plan, 0, c.array_as<akv_plan_record>(), c.capacity, c.out_count);
       }},
      {"akv_plan_finish", kCache | kPlan | kTicketOrNone | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_plan_finish(c.cache, c.plan, c.ticket); }},
      {"akv_plan_abandon", kCache | kPlan | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_plan_abandon(c.cache, c.plan); }},
      {"akv_ticket_open", kRead | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_ticket_open(c.cache, c.out_as<akv_ticket>()); }},
      {"akv_ticket_retire", kCache | kTicket | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_ticket_retire(c.cache, c.ticket); }},
      {"akv_ticket_abandon", kCache | kTicket | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_ticket_abandon(c.cache, c.ticket, c.extra_as<std::uint32_t>()); }},
      {"akv_ticket_read", kRead | kTicketOrNone, 0, 0, 0,
       [](const Call &c) { return akv_ticket_read(c.cache, c.ticket, c.out_as<std::uint32_t>()); }},
      {"akv_lease_acquire", kRead | kSequence | kExtra | kOnce, 0, 0, 0,
       [](const Call &c) {
         return akv_lease_acquire(c.cache, c.sequence, 8, 5, c.out_as<akv_lease>(), c.extra_as<akv_ticket>());
       }},
      {"akv_lease_read_blocks", kLines | kLease, 0, 0, 0,
       [](const Call &c) {
         return akv_lease_read_blocks(c.cache, c.lease, c.array_as<std::int32_t>(), c.capacity, c.out_count);
       }},
      {"akv_lease_release", kCache | kLease | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_lease_release(c.cache, c.lease); }},
      {"akv_sequence_swap_out", kRead | kSequence | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_sequence_swap_out(c.cache, c.sequence, c.out_as<akv_plan>()); }},
      {"akv_sequence_swap_in", kRead | kSequence | kOnce, sizeof(akv_swapped_in), 0, 0,
       [](const Call &c) { return akv_sequence_swap_in(c.cache, c.sequence, c.out_as<akv_swapped_in>()); }},
      {"akv_swap_acquire", kRead | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_swap_acquire(c.cache, 1, c.out_as<std::int32_t>()); }},
      {"akv_swap_release", kCache, 0, 0, 0, [](const Call &c) { return akv_swap_release(c.cache, nullptr, 0); }},
  };
}

// The streams have no workers: work is done in the call.
std::vector<Function> stream_functions() {
  return {
      {"akv_stream_create", kStreamConfig | kOut | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_stream_create(c.stream_config, c.out_as<akv_stream *>()); }},
      {"akv_stream_destroy", kStream | kOnce, 0, 0, 0, [](const Call &c) { return akv_stream_destroy(c.stream); }},
      {"akv_stream_record", kStream | kOut, 0, 0, 0,
       [](const Call &c) { return akv_stream_record(c.stream, c.out_as<std::uint64_t>()); }},
      {"akv_stream_read", kStream | kOut, 0, 0, 0,
       [](const Call &c) { return akv_stream_read(c.stream, 0, c.out_as<std::uint32_t>()); }},
      {"akv_stream_follow", kStream, 0, 0, 0,
       [](const Call &c) { return akv_stream_follow(c.stream, c.other_stream, 0); }},
      {"akv_stream_call", kStream, 0, 0, 0,
       [](const Call &c) { return akv_stream_call(c.stream, [](void *) {}, nullptr); }},
      {"akv_stream_read_fd", kStream | kOut, 0, 0, 0,
       [](const Call &c) { return akv_stream_read_fd(c.stream, c.out_as<std::int32_t>()); }},
      {"akv_stream_record_ticket", kStream | kCache | kTicket, 0, 0, 0,
       [](const Call &c) { return akv_stream_record_ticket(c.stream, c.cache, c.ticket); }},
      {"akv_stream_poll", kStream | kExtra, 0, 0, 0,
       [](const Call &c) { return akv_stream_poll(c.stream, c.extra_as<std::uint32_t>()); }},
      {"akv_stream_wait", kStream, 0, 0, 0, [](const Call &c) { return akv_stream_wait(c.stream, AKV_POINT_ALL, 0); }},
  };
}

// Numbers only.
std::vector<Function> model_functions() {
  return {
      {"akv_model_find", kOut, sizeof(akv_model), 0, 0,
       [](const Call &c) { return akv_model_find("mistral-7b", c.out_as<akv_model>()); }},
      {"akv_model_name", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_model_name(0) == nullptr ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_family_name", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_family_name(99) != nullptr ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_attention_name", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_attention_name(99) != nullptr ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_model_from_fields", kFields | kOut, sizeof(akv_model), 0, 0,
       [](const Call &c) { return akv_model_from_fields(c.fields, c.out_as<akv_model>()); }},
      {"akv_model_detect_kv_heads", kOut, 0, 0, 0,
       [](const Call &c) { return akv_model_detect_kv_heads(1024, 128, 32, c.out_as<std::uint32_t>()); }},
      {"akv_model_read_group", kModel | kOut | kArray | kElement | kGroup, 0, 0, sizeof(akv_layer_group),
       [](const Call &c) {
         return akv_model_read_group(c.model, 0, c.out_as<akv_layer_group>(), c.element_size, c.array_as<akv_plane>(),
                                     c.capacity);
       }},
      {"akv_model_read_sizes", kModel | kOut, sizeof(akv_model_sizes), 0, 0,
       [](const Call &c) { return akv_model_read_sizes(c.model, 0, 0, 100, c.out_as<akv_model_sizes>()); }},
      {"akv_planner_fit", kModel | kRequest | kOut, sizeof(akv_planner_result), 0, 0,
       [](const Call &c) { return akv_planner_fit(c.model, c.request, c.out_as<akv_planner_result>()); }},
      {"akv_planner_need", kModel | kRequest | kOut, sizeof(akv_planner_result), 0, 0,
       [](const Call &c) { return akv_planner_need(c.model, c.request, c.out_as<akv_planner_result>()); }},
      {"akv_planner_page_size", kModel | kRequest | kOut, sizeof(akv_page_size), 0, 0,
       [](const Call &c) { return akv_planner_page_size(c.model, c.request, c.out_as<akv_page_size>()); }},
  };
}

// Those without a cache. Some can't fail: for them a run proves that they come back.
std::vector<Function> process_functions() {
  return {
      {"akv_last_error_detail", kOut, sizeof(akv_error_detail), 0, 0,
       [](const Call &c) -> akv_status { return akv_last_error_detail(c.out_as<akv_error_detail>()); }},
      {"akv_set_log", kOnce, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_set_log(nullptr, nullptr, AKV_LOG_INFO); }},
      {"akv_last_error", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_last_error(nullptr, 0) < 1000 ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_status_name", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_status_name(-1000) != nullptr ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_has", 0, 0, 0, 0, [](const Call &) -> akv_status { return akv_has(0) == 0 ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_isa_choose", 0, 0, 0, 0, [](const Call &) -> akv_status { return akv_isa_choose(0); }},
      {"akv_isa_in_use", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_isa_in_use() != 0 ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_isa_name", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_isa_name(1000) != nullptr ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_blocks_for", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_blocks_for(17, 16) == 2 ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_version", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_version() == AKV_VERSION ? AKV_OK : AKV_ERROR_DAMAGED; }},
      {"akv_version_string", 0, 0, 0, 0,
       [](const Call &) -> akv_status { return akv_version_string() != nullptr ? AKV_OK : AKV_ERROR_DAMAGED; }},
  };
}

}  // namespace

const std::vector<Function> &every_function() {
  static const std::vector<Function> all = [] {
    std::vector<Function> list;
    for (const auto &part : {cache_functions(), sequence_functions(), prefix_and_order_functions(), stream_functions(),
                             model_functions(), pool_functions(), store_functions(), pager_functions(),
                             number_functions(), image_functions(), process_functions()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

const Function &function_named(const std::string &name) {
  for (const Function &function : every_function())
    if (function.name == name) return function;
  FAIL("no function " << name);
  return every_function().front();  // FAIL has thrown
}

// Ten tokens of one sequence in blocks of four, a fork of another with an open plan, a pin, a lease and a ticket.
Scene::Scene(const Function &what, void (*change)(akv_cache_config &)) : function(what), cache(change) {
  tokens = count_up(0, 10);
  akv_created created = AKV_CREATED_INIT;
  OK(cache.try_create(tokens, AKV_SEQUENCE_COMMITTED, created, 0, 7, 5));
  sequence = created.sequence;
  prompt = cache.prompt(tokens);
  OK(akv_prefix_pin(cache, &prompt, 5, &pin, nullptr));
  const akv_sequence parent = cache.committed(count_up(100, 6));
  OK(akv_lease_acquire(cache, parent, 4, 5, &lease, nullptr));
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &forked));
  OK(cache.append(forked, {200}, &plan));
  REQUIRE(plan != AKV_NONE);
  if (function.name == std::string("akv_sequence_swap_in")) {
    akv_plan out = AKV_NONE;
    OK(akv_sequence_swap_out(cache, sequence, &out));
    cache.finish(out);
  }
  ticket = cache.open_ticket();

  std::int32_t fd = 0;
  if (function.has(kStream)) {
    OK(akv_stream_create(nullptr, &stream));
    OK(akv_stream_create(nullptr, &other_stream));
    OK(akv_stream_read_fd(stream, &fd));  // made now, so that no call opens it
  }

  if (function.has(kStore | kView)) {
    OK(akv_store_create(cache, nullptr, &store));
    OK(akv_copy_zero(store, nullptr, 0, nullptr));  // two lines of statistics
    OK(akv_copy_gather(store, nullptr, 0, sizeof(akv_span), nullptr));
    OK(akv_store_read_view(store, 0, 0, &view));
  }

  make_image();
  std::memset(&outputs, kCanary, sizeof outputs);
  const std::uint32_t size = function.out_size;
  if (size != 0) std::memcpy(outputs.out, &size, sizeof size);
  if (function.has(kGroup)) {
    const akv_layer_group group = {0, 0, 0, sizeof(akv_plane), nullptr, 0, 0};
    std::memcpy(outputs.out, &group, sizeof group);
  }
  batch.num_sequences = batch.tokens_count = 1;
  batch.sequences = &sequence;
  batch.tokens = tokens.data();
  if (function.has(kFirst)) batch.first = &first;
  tables.slot_mapping = outputs.slots;
  tables.slot_capacity = 8;
  tables.block_table = outputs.rows;
  tables.row_stride = tables.row_width = tables.num_rows = 8;
  tables.seq_lens = outputs.lens;
  tables.kv_indices = outputs.indices;
  tables.kv_indices_capacity = 64;
  model.num_layers = fields.num_hidden_layers = 2;
  model.query_heads = fields.num_attention_heads = 4;
  model.kv_heads = 2;
  model.key_head_dim = fields.head_dim = 8;
  request.context_tokens = 100;
  if (function.name == std::string("akv_planner_fit")) request.budget_bytes = 1u << 20;
  call = {cache,
          sequence,
          plan,
          pin,
          lease,
          ticket,
          &sequence,
          &length,
          1,
          tokens.data(),
          &prompt,
          &options,
          &batch,
          &tables,
          &config,
          0,
          outputs.out,
          outputs.array,
          64,
          function.element_size,
          &outputs.count,
          outputs.extra,
          stream,
          other_stream,
          &stream_config,
          &model,
          &fields,
          &request,
          store,
          &store_config,
          &view,
          reinterpret_cast<unsigned char *>(image.data()),
          image.size() * sizeof image[0],
          path.c_str()};
}

// For the functions that take one: of the scene's sequence, whose K/V are zeroes.
void Scene::make_image() {
  const std::string name = function.name;
  if (name.rfind("akv_image_", 0) != 0 && name != "akv_copy_save" && name != "akv_copy_load") return;
  OK(akv_store_create(cache, nullptr, &store));
  std::uint64_t bytes = 0;
  OK(akv_image_bytes(cache, sequence, 0, &bytes));
  REQUIRE(bytes % sizeof image[0] == 0);
  image.resize(bytes / sizeof image[0]);
  OK(akv_copy_save(cache, sequence, &store, 1, nullptr, image.data(), bytes, &bytes, nullptr));
  if (name.find("_file") == std::string::npos) return;
  static int scenes = 0;
  path = "/tmp/arenakv-abuse-" + std::to_string(getpid()) + "-" + std::to_string(++scenes);
  if (name == "akv_image_read_file") OK(akv_image_write_file(path.c_str(), image.data(), bytes));
}

Scene::~Scene() {
  if (!path.empty()) std::remove(path.c_str());
  if (stream != nullptr) CHECK(akv_stream_poll(stream, nullptr) == AKV_OK);
  CHECK(akv_stream_destroy(stream) == AKV_OK);
  CHECK(akv_stream_destroy(other_stream) == AKV_OK);
  CHECK(akv_store_destroy(store) == AKV_OK);
}

void Scene::tidy() {
  const std::string name = function.name;
  if (name == "akv_cache_destroy") cache.handle = nullptr;
  if (name == "akv_stream_destroy") stream = nullptr;
  if (name == "akv_stream_create") {
    akv_stream *made = nullptr;
    std::memcpy(&made, outputs.out, sizeof made);
    CHECK(akv_stream_destroy(made) == AKV_OK);
  }
  if (name == "akv_pager_create") {
    akv_pager *made = nullptr;
    std::memcpy(&made, outputs.out, sizeof made);
    CHECK(akv_pager_destroy(made) == AKV_OK);
  }
  if (name == "akv_store_destroy") store = nullptr;
  if (name == "akv_store_create") {
    akv_store *made = nullptr;
    std::memcpy(&made, outputs.out, sizeof made);
    CHECK(akv_store_destroy(made) == AKV_OK);
  }
  if (name == "akv_cache_create") {
    akv_cache *made = nullptr;
    std::memcpy(&made, outputs.out, sizeof made);
    CHECK(akv_cache_destroy(made) == AKV_OK);
  }
}

std::string Scene::everything() const {
  akv_cache_state state = cache.state();
  state.refused_no_blocks = 0;  // a refusal may count itself
  std::string all(reinterpret_cast<const char *>(&state), sizeof state);
  const auto add = [&all](const void *data, std::size_t size) { all.append(static_cast<const char *>(data), size); };
  std::vector<std::uint8_t> map(state.num_blocks + 1);
  OK(akv_cache_read_block_map(cache, map.data(), state.num_blocks + 1));
  add(map.data(), map.size());
  std::vector<akv_sequence_line> lines(state.max_sequences);
  std::uint32_t count = 0;
  OK(akv_cache_read_sequences(cache, lines.data(), sizeof lines[0], state.max_sequences, &count));
  for (std::uint32_t i = 0; i < count; ++i) {
    const akv_sequence_info info = cache.info(lines[i].sequence);
    const auto blocks = info.state != AKV_SEQUENCE_SWAPPED ? cache.blocks(lines[i].sequence) : Tokens{};
    const Tokens ids = cache.tokens(lines[i].sequence);
    add(&lines[i], sizeof lines[i]);
    add(&info, sizeof info);
    add(blocks.data(), blocks.size() * sizeof blocks[0]);
    add(ids.data(), ids.size() * sizeof ids[0]);
  }
  std::vector<akv_hold_line> holds(state.pins + state.leases + state.plans);
  OK(akv_cache_read_holds(cache, holds.data(), sizeof(akv_hold_line), static_cast<std::uint32_t>(holds.size()),
                          &count));
  add(holds.data(), holds.size() * sizeof(akv_hold_line));
  if (store != nullptr) {
    akv_copy_stats moved[16] = {};
    OK(akv_store_read_stats(store, moved, sizeof moved[0], 16, &count));
    add(moved, sizeof moved);
  }
  if (stream != nullptr) {
    std::uint64_t point = 0;
    OK(akv_stream_record(stream, &point));
    add(&point, sizeof point);
  }
  return all;
}

void Scene::refused(akv_status status) {
  INFO(function.name);
  const Outputs before = outputs;
  const std::string state_before = everything();
  const akv_status answer = run();
  INFO("answered " << akv_status_name(answer) << ", wanted " << akv_status_name(status) << ": " << last_error());
  CHECK(answer == status);
  if (answer == AKV_OK) return tidy();
  CHECK(outputs == before);
  CHECK(everything() == state_before);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  CHECK((akv_last_error_detail(&detail) == AKV_OK && detail.status == answer));
}

}  // namespace akv::test
