/* words_cache.cpp: the words of a story about a cache as a whole: opening, state, prefixes, plans, tickets, leases and
 * swap blocks, made as C calls. It knows no K/V byte.
 */
#include "story.hpp"

namespace conformance {
namespace {

#define PUT(field) out[#field] = from.field

const std::map<std::string, uint32_t> kDtypes = {{"f32", AKV_DTYPE_F32}, {"f16", AKV_DTYPE_F16}};

akv_prompt prompt_of(Step &step, const std::vector<int32_t> &tokens) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = static_cast<uint32_t>(tokens.size());
  prompt.domain = step.count("domain", 0);
  return prompt;
}

akv_status open_other(Story &story, Step &step, json &) { return open_cache(story, step.text("as"), step.at("cache")); }
akv_status close_one(Story &story, Step &step, json &) { return close_thing(story.on(step)); }
akv_status audit(Story &story, Step &step, json &) { return akv_cache_audit_all(story.cache(step)); }

akv_status read_state(Story &story, Step &step, json &out) {
  akv_cache_state from = AKV_CACHE_STATE_INIT;
  const akv_status status = akv_cache_read_state(story.cache(step), &from);
  PUT(num_blocks), PUT(free_blocks), PUT(dirty_blocks), PUT(reserved_blocks), PUT(live_blocks), PUT(pinned_blocks);
  PUT(cached_blocks), PUT(quarantined_blocks), PUT(evictable_blocks), PUT(duplicate_blocks), PUT(sequences);
  PUT(lost_sequences), PUT(pins), PUT(leases), PUT(plans), PUT(open_tickets), PUT(swapped_sequences);
  PUT(sequence_tokens), PUT(cached_tokens), PUT(created_sequences), PUT(freed_sequences), PUT(prompt_tokens);
  PUT(hit_tokens), PUT(partial_tokens), PUT(evicted_blocks), PUT(copy_on_writes), PUT(refused_no_blocks);
  PUT(num_swap_blocks), PUT(free_swap_blocks), PUT(acquired_swap_blocks), PUT(swapped_tokens), PUT(swapped_out);
  PUT(swapped_in);
  out["oldest_open"] = story.called(Kind::Ticket, from.oldest_open);
  out["newest"] = story.called(Kind::Ticket, from.newest);
  return status;
}

akv_status match(Story &story, Step &step, json &out) {
  const std::vector<int32_t> tokens = step.tokens();
  const akv_prompt prompt = prompt_of(step, tokens);
  akv_match from = AKV_MATCH_INIT;
  const akv_status status = akv_prefix_match(story.cache(step), &prompt, &from);
  PUT(cached_tokens), PUT(partial_tokens), PUT(cached_blocks);
  out["wait"] = story.called(Kind::Ticket, from.wait);
  return status;
}

akv_status explain(Story &story, Step &step, json &out) {
  const std::vector<int32_t> tokens = step.tokens();
  const akv_prompt prompt = prompt_of(step, tokens);
  akv_explanation from = AKV_EXPLANATION_INIT;
  const akv_status status = akv_prefix_explain(story.cache(step), &prompt, &from);
  static const char *const kReasons[] = {"none",          "never_stored", "other_domain",
                                         "not_committed", "in_flight",    "last_token"};
  out["reason"] = kReasons[from.reason];
  PUT(cached_tokens), PUT(partial_tokens), PUT(first_missed);
  out["wait"] = story.called(Kind::Ticket, from.wait);
  out["sequence"] = story.called(Kind::Sequence, from.sequence);
  return status;
}

akv_status pin(Story &story, Step &step, json &out) {
  const std::vector<int32_t> ids = step.tokens();
  const akv_prompt prompt = prompt_of(step, ids);
  akv_pin pin = 0;
  uint32_t tokens = 0;
  const std::string as = step.text("as");
  const akv_status status = akv_prefix_pin(story.cache(step), &prompt, step.count("owner", 0), &pin, &tokens);
  if (status == AKV_OK) story.name(as, Kind::Pin, pin);
  out["tokens"] = tokens;
  return status;
}

akv_status unpin(Story &story, Step &step, json &) { return akv_prefix_unpin(story.cache(step), story.handle(step)); }

akv_status clear(Story &story, Step &step, json &out) {
  const uint64_t domain = step.count("domain", 0);
  uint32_t blocks = 0;
  const akv_status status = akv_prefix_clear(story.cache(step), step.has("domain") ? &domain : nullptr,
                                             step.flags({{"keep_pinned", AKV_CLEAR_KEEP_PINNED}}), &blocks);
  out["blocks"] = blocks;
  return status;
}

akv_status drop_owner(Story &story, Step &step, json &out) {
  uint32_t released = 0;
  const akv_status status = akv_cache_drop_owner(story.cache(step), step.count("owner", 0),
                                                 step.flags({{"in_flight", AKV_DROP_IN_FLIGHT}}), &released);
  out["released"] = released;
  return status;
}

akv_status plan_info(Story &story, Step &step, json &out) {
  akv_plan_info from = AKV_PLAN_INFO_INIT;
  const akv_status status = akv_plan_read_info(story.cache(step), story.handle(step), &from);
  PUT(num_records), PUT(num_sequences), PUT(copied_tokens), PUT(zeroed_blocks);
  return status;
}

akv_status plan_records(Story &story, Step &step, json &out) {
  std::vector<akv_plan_record> records(256);
  uint32_t count = 0;
  const akv_status status = akv_plan_read_records(story.cache(step), story.handle(step), 0, records.data(),
                                                  static_cast<uint32_t>(records.size()), &count);
  static const char *const kKinds[] = {"", "copy_on_write", "partial", "zero", "swap_out", "swap_in"};
  json list = json::array();
  for (uint32_t i = 0; i < count; i++) {
    const akv_plan_record &one = records[i];
    list.push_back({{"kind", kKinds[one.kind]},
                    {"source_block", one.source_block},
                    {"target_block", one.target_block},
                    {"source_store", one.source_store},
                    {"target_store", one.target_store},
                    {"first_token", one.first_token},
                    {"num_tokens", one.num_tokens},
                    {"wait", story.called(Kind::Ticket, one.wait)}});
  }
  out["records"] = list;
  return status;
}

akv_status finish(Story &story, Step &step, json &) {
  return akv_plan_finish(story.cache(step), story.handle(step), story.ticket(step));
}
akv_status abandon(Story &story, Step &step, json &) { return akv_plan_abandon(story.cache(step), story.handle(step)); }

akv_status ticket_open(Story &story, Step &step, json &) {
  akv_ticket ticket = 0;
  const std::string as = step.text("as");
  const akv_status status = akv_ticket_open(story.cache(step), &ticket);
  if (status == AKV_OK) story.name(as, Kind::Ticket, ticket);
  return status;
}
akv_status ticket_retire(Story &story, Step &step, json &) {
  return akv_ticket_retire(story.cache(step), story.handle(step));
}
akv_status ticket_abandon(Story &story, Step &step, json &out) {
  uint32_t sequences = 0;
  const akv_status status = akv_ticket_abandon(story.cache(step), story.handle(step), &sequences);
  out["sequences"] = sequences;
  return status;
}
akv_status ticket_read(Story &story, Step &step, json &out) {
  uint32_t state = 0;
  const akv_status status = akv_ticket_read(story.cache(step), story.handle(step), &state);
  static const char *const kStates[] = {"", "open", "ended", "passed", "abandoned"};
  out["state"] = kStates[state];
  return status;
}

akv_status lease_acquire(Story &story, Step &step, json &out) {
  akv_lease lease = 0;
  akv_ticket wait = 0;
  const std::string as = step.text("as");
  const akv_status status = akv_lease_acquire(story.cache(step), story.handle(step), step.count32("num_tokens"),
                                              step.count("owner", 0), &lease, &wait);
  if (status == AKV_OK) story.name(as, Kind::Lease, lease);
  out["wait"] = story.called(Kind::Ticket, wait);
  return status;
}
akv_status lease_blocks(Story &story, Step &step, json &out) {
  std::vector<int32_t> blocks(4096);
  uint32_t count = 0;
  const akv_status status = akv_lease_read_blocks(story.cache(step), story.handle(step), blocks.data(), 4096, &count);
  blocks.resize(count);
  out["blocks"] = blocks;
  return status;
}
akv_status lease_release(Story &story, Step &step, json &) {
  return akv_lease_release(story.cache(step), story.handle(step));
}

akv_status swap_acquire(Story &story, Step &step, json &out) {
  std::vector<int32_t> blocks(step.count("count", 0));
  const akv_status status = akv_swap_acquire(story.cache(step), static_cast<uint32_t>(blocks.size()), blocks.data());
  out["blocks"] = blocks;
  return status;
}
akv_status swap_release(Story &story, Step &step, json &) {
  const auto blocks = step.list<int32_t>("blocks");
  return akv_swap_release(story.cache(step), blocks.data(), static_cast<uint32_t>(blocks.size()));
}

}  // namespace

akv_status open_cache(Story &story, const std::string &name, const json &told) {
  Step keys(told);
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = keys.count32("num_blocks");
  config.block_tokens = keys.count32("block_tokens");
  config.max_sequences = keys.count32("max_sequences");
  config.max_tokens_per_sequence = keys.count32("max_tokens_per_sequence");
  config.max_open_tickets = keys.count32("max_open_tickets");
  config.max_plans = keys.count32("max_plans");
  config.max_holds = keys.count32("max_holds");
  config.max_pinned_blocks = keys.count32("max_pinned_blocks");
  config.magazine_blocks = keys.count32("magazine_blocks");
  config.num_swap_blocks = keys.count32("num_swap_blocks");
  config.block_allocator =
      keys.word("block_allocator", {{"stack", AKV_BLOCK_ALLOCATOR_STACK}, {"buddy", AKV_BLOCK_ALLOCATOR_BUDDY}}, 0);
  config.scrub =
      keys.word("scrub", {{"domain", AKV_SCRUB_DOMAIN}, {"none", AKV_SCRUB_NONE}, {"always", AKV_SCRUB_ALWAYS}}, 0);
  akv_plane planes[2] = {};
  akv_layer_group group = {AKV_RULE_FULL, 0, 2, sizeof planes[0], planes, 0, 0};
  if (keys.has("geometry")) {
    Step shape(keys.at("geometry"));
    group.num_layers = shape.count32("layers");
    for (uint32_t i = 0; i < 2; i++)
      planes[i] = {i == 0 ? AKV_PLANE_KEYS + 0u : AKV_PLANE_VALUES + 0u,
                   shape.word("dtype", kDtypes, 0),
                   shape.count32("kv_heads"),
                   shape.count32("head_dim"),
                   0,
                   0};
    shape.all_were_used();
    config.groups = &group;
    config.num_groups = 1;
    config.group_size = sizeof group;
  }
  keys.all_were_used();
  akv_cache *cache = nullptr;
  const akv_status status = akv_cache_create(&config, &cache);
  if (status != AKV_OK) return status;
  Thing &thing = story.name(name, Kind::Cache, number(cache));
  thing.layers = group.num_layers;
  thing.row = planes[0].kv_heads * planes[0].head_dim;
  thing.block_tokens = config.block_tokens != 0 ? config.block_tokens : 16;
  return AKV_OK;
}

void add_cache_words(Words &words) {
  words.insert({{"open", open_other},
                {"close", close_one},
                {"audit", audit},
                {"state", read_state},
                {"match", match},
                {"explain", explain},
                {"pin", pin},
                {"unpin", unpin},
                {"clear", clear},
                {"drop_owner", drop_owner},
                {"plan_info", plan_info},
                {"plan_records", plan_records},
                {"finish", finish},
                {"abandon", abandon},
                {"ticket_open", ticket_open},
                {"ticket_retire", ticket_retire},
                {"ticket_abandon", ticket_abandon},
                {"ticket_read", ticket_read},
                {"lease_acquire", lease_acquire},
                {"lease_blocks", lease_blocks},
                {"lease_release", lease_release},
                {"swap_acquire", swap_acquire},
                {"swap_release", swap_release}});
}

}  // namespace conformance
