/* words_sequence.cpp: the words of a story about sequences, one by one and in batches, made as C calls. It knows no K/V
 * byte.
 */
#include "story.hpp"

namespace conformance {
namespace {

#define PUT(field) out[#field] = from.field

const std::map<std::string, uint32_t> kFlags = {
    {"committed", AKV_SEQUENCE_COMMITTED},     {"partial", AKV_SEQUENCE_PARTIAL},
    {"prefix_only", AKV_SEQUENCE_PREFIX_ONLY}, {"no_match", AKV_SEQUENCE_NO_MATCH},
    {"contiguous", AKV_SEQUENCE_CONTIGUOUS},   {"no_publish", AKV_SEQUENCE_NO_PUBLISH}};
const std::map<std::string, uint32_t> kAppendFlags = {{"committed", AKV_APPEND_COMMITTED}};
const std::map<std::string, uint32_t> kTruncateFlags = {{"keep_blocks", AKV_TRUNCATE_KEEP_BLOCKS}};

akv_sequence_options options_of(Step &step) {
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = step.flags(kFlags);
  options.request_id = step.count("request_id", 0);
  options.owner = step.count("owner", 0);
  options.reserve_tokens = step.count32("reserve_tokens");
  options.max_tokens = step.count32("max_tokens");
  return options;
}

void put_room(const akv_room &from, json &out) {
  const std::string name = akv_status_name(from.status);
  out["status"] = name == "AKV_OK" ? "OK" : name.substr(sizeof "AKV_ERROR_" - 1);
  PUT(blocks_needed), PUT(blocks_available), PUT(blocks_free), PUT(blocks_evictable), PUT(blocks_quarantined);
  PUT(sequences_available), PUT(tokens_available);
}

struct Prompt {
  std::vector<int32_t> tokens;
  akv_prompt prompt = AKV_PROMPT_INIT;
  explicit Prompt(Step &step) : tokens(step.tokens()) {
    prompt.tokens = tokens.data();
    prompt.num_tokens = static_cast<uint32_t>(tokens.size());
    prompt.domain = step.count("domain", 0);
  }
};

akv_status create(Story &story, Step &step, json &out) {
  const Prompt prompt(step);
  const akv_sequence_options options = options_of(step);
  const std::string as = step.text("as");
  akv_created from = AKV_CREATED_INIT;
  const akv_status status = akv_sequence_create(story.cache(step), &prompt.prompt, &options, &from);
  if (status != AKV_OK) return status;
  story.name(as, Kind::Sequence, from.sequence);
  story.plan(step, from.plan);
  PUT(length), PUT(cached_tokens), PUT(partial_tokens), PUT(shared_blocks), PUT(new_blocks);
  out["wait"] = story.called(Kind::Ticket, from.wait);
  return status;
}

akv_status can_allocate(Story &story, Step &step, json &out) {
  const Prompt prompt(step);
  const akv_sequence_options options = options_of(step);
  akv_room room = AKV_ROOM_INIT;
  const akv_status status = akv_cache_can_allocate(story.cache(step), &prompt.prompt, &options, &room);
  put_room(room, out);
  return status;
}

akv_status can_extend(Story &story, Step &step, json &out) {
  akv_room room = AKV_ROOM_INIT;
  const akv_status status =
      akv_sequence_can_extend(story.cache(step), story.handle(step), step.count32("num_tokens"), &room);
  put_room(room, out);
  return status;
}

akv_status append(Story &story, Step &step, json &) {
  const std::vector<int32_t> tokens = step.tokens();
  const uint32_t count = step.count32("unknown", static_cast<uint32_t>(tokens.size()));
  akv_plan plan = AKV_NONE;
  const akv_status status =
      akv_sequence_append(story.cache(step), story.handle(step), tokens.empty() ? nullptr : tokens.data(), count,
                          step.flags(kAppendFlags), &plan);
  if (status == AKV_OK) story.plan(step, plan);
  return status;
}

akv_status reserve(Story &story, Step &step, json &) {
  akv_plan plan = AKV_NONE;
  const akv_status status =
      akv_sequence_reserve(story.cache(step), story.handle(step), step.count32("num_tokens"), &plan);
  if (status == AKV_OK) story.plan(step, plan);
  return status;
}

akv_status set_tokens(Story &story, Step &step, json &) {
  const std::vector<int32_t> tokens = step.tokens();
  return akv_sequence_set_tokens(story.cache(step), story.handle(step), step.count32("first"), tokens.data(),
                                 static_cast<uint32_t>(tokens.size()));
}

akv_status commit(Story &story, Step &step, json &) {
  return akv_sequence_commit(story.cache(step), story.handle(step), step.count32("length"), story.ticket(step));
}

akv_status commit_batch(Story &story, Step &step, json &) {
  const auto sequences = story.many(step);
  const auto lengths = step.list<uint32_t>("lengths");
  return akv_sequence_commit_batch(story.cache(step), sequences.data(), lengths.empty() ? nullptr : lengths.data(),
                                   static_cast<uint32_t>(sequences.size()), story.ticket(step));
}

akv_status fork_one(Story &story, Step &step, json &) {
  const akv_sequence_options options = options_of(step);
  const std::string as = step.text("as");
  akv_sequence child = 0;
  const akv_status status =
      akv_sequence_fork(story.cache(step), story.handle(step), step.count32("length", AKV_UNSET), &options, &child);
  if (status == AKV_OK) story.name(as, Kind::Sequence, child);
  return status;
}

akv_status truncate_one(Story &story, Step &step, json &) {
  return akv_sequence_truncate(story.cache(step), story.handle(step), step.count32("length"),
                               step.flags(kTruncateFlags));
}
akv_status set_length(Story &story, Step &step, json &) {
  return akv_sequence_set_length(story.cache(step), story.handle(step), step.count32("length"));
}
akv_status free_one(Story &story, Step &step, json &) {
  return akv_sequence_free(story.cache(step), story.handle(step));
}

akv_status free_batch(Story &story, Step &step, json &out) {
  const auto sequences = story.many(step);
  uint32_t freed = 0, stale = 0;
  const akv_status status = akv_sequence_free_batch(story.cache(step), sequences.data(),
                                                    static_cast<uint32_t>(sequences.size()), &freed, &stale, nullptr);
  out["freed"] = freed;
  out["stale"] = stale;
  return status;
}

akv_status find(Story &story, Step &step, json &out) {
  akv_sequence sequence = 0;
  const akv_status status = akv_sequence_find(story.cache(step), step.count("request_id", 0), &sequence);
  out["sequence"] = story.called(Kind::Sequence, sequence);
  return status;
}

akv_status info(Story &story, Step &step, json &out) {
  akv_sequence_info from = AKV_SEQUENCE_INFO_INIT;
  const akv_status status = akv_sequence_read_info(story.cache(step), story.handle(step), &from);
  PUT(length), PUT(known), PUT(committed), PUT(published_tokens), PUT(sound_tokens), PUT(num_blocks);
  PUT(shared_blocks), PUT(capacity), PUT(remaining), PUT(max_tokens), PUT(request_id), PUT(owner), PUT(domain);
  PUT(swap_blocks);
  static const char *const kStates[] = {"active", "swapping_out", "swapped", "swapping_in"};
  out["state"] = kStates[from.state];
  out["wait"] = story.called(Kind::Ticket, from.wait);
  return status;
}

akv_status blocks(Story &story, Step &step, json &out) {
  std::vector<int32_t> blocks(4096);
  uint32_t count = 0;
  const akv_status status =
      akv_sequence_read_blocks(story.cache(step), story.handle(step), 0, blocks.data(), 4096, &count);
  blocks.resize(count);
  out["blocks"] = blocks;
  return status;
}

akv_status tokens(Story &story, Step &step, json &out) {
  std::vector<int32_t> ids(step.count("count", 0));
  const akv_status status = akv_sequence_read_tokens(story.cache(step), story.handle(step), step.count32("first"),
                                                     static_cast<uint32_t>(ids.size()), ids.data());
  json list = json::array();
  for (const int32_t id : ids) list.push_back(id == AKV_TOKEN_UNKNOWN ? json(nullptr) : json(id));
  out["tokens"] = list;
  return status;
}

/* The arrays of a step, all of them asked for. */
struct Tables {
  std::vector<int64_t> slot_mapping, positions;
  std::vector<int32_t> query_start_loc, kv_indptr, kv_indices, kv_last_page_len, block_table, first_positions, seq_lens;
  akv_tables tables = AKV_TABLES_INIT;
  uint32_t width;

  Tables(size_t sequences, size_t tokens, uint32_t row_width)
      : slot_mapping(tokens),
        positions(tokens),
        query_start_loc(sequences + 1),
        kv_indptr(sequences + 1),
        kv_indices(sequences * 64),
        kv_last_page_len(sequences),
        block_table(sequences * row_width),
        first_positions(sequences),
        seq_lens(sequences),
        width(row_width) {
    tables.slot_mapping = slot_mapping.data();
    tables.positions = positions.data();
    tables.slot_capacity = tokens;
    tables.query_start_loc = query_start_loc.data();
    tables.kv_indptr = kv_indptr.data();
    tables.kv_indices = kv_indices.data();
    tables.kv_last_page_len = kv_last_page_len.data();
    tables.kv_indices_capacity = kv_indices.size();
    tables.sequence_capacity = static_cast<uint32_t>(sequences);
    tables.block_table = block_table.data();
    tables.first_positions = first_positions.data();
    tables.seq_lens = seq_lens.data();
    tables.row_stride = tables.row_width = row_width;
    tables.num_rows = static_cast<uint32_t>(sequences);
  }

  void put(json &out) {
    kv_indices.resize(static_cast<size_t>(kv_indptr.back()));
    out["slot_mapping"] = slot_mapping;
    out["positions"] = positions;
    out["query_start_loc"] = query_start_loc;
    out["kv_indptr"] = kv_indptr;
    out["kv_indices"] = kv_indices;
    out["kv_last_page_len"] = kv_last_page_len;
    out["first_positions"] = first_positions;
    out["seq_lens"] = seq_lens;
    json rows = json::array();
    for (size_t at = 0; at < block_table.size(); at += width)
      rows.push_back(std::vector<int32_t>(block_table.begin() + static_cast<std::ptrdiff_t>(at),
                                          block_table.begin() + static_cast<std::ptrdiff_t>(at + width)));
    out["block_table"] = rows;
  }
};

akv_status batch_call(Story &story, Step &step, json &out, bool grow) {
  const auto sequences = story.many(step);
  const auto counts = step.list<uint32_t>("num_tokens");
  const auto first = grow ? std::vector<uint32_t>{} : step.list<uint32_t>("first");
  const auto ids = grow ? step.tokens() : std::vector<int32_t>{};
  size_t total = counts.empty() ? sequences.size() : 0;
  for (const uint32_t count : counts) total += count;
  akv_batch batch = AKV_BATCH_INIT;
  batch.flags = grow ? step.flags(kAppendFlags) : 0;
  batch.num_sequences = static_cast<uint32_t>(sequences.size());
  batch.sequences = sequences.data();
  batch.num_tokens = counts.empty() ? nullptr : counts.data();
  batch.first = first.empty() ? nullptr : first.data();
  batch.tokens = ids.empty() ? nullptr : ids.data();
  batch.tokens_count = static_cast<uint32_t>(ids.size());
  Tables tables(sequences.size(), total, step.count32("row_width", 8));
  akv_plan plan = AKV_NONE;
  const akv_status status = grow ? akv_sequence_append_batch(story.cache(step), &batch, &tables.tables, &plan)
                                 : akv_sequence_read_tables(story.cache(step), &batch, &tables.tables);
  if (status != AKV_OK) return status;
  story.plan(step, plan);
  tables.put(out);
  return status;
}

akv_status step_all(Story &story, Step &step, json &out) { return batch_call(story, step, out, true); }
akv_status read_tables(Story &story, Step &step, json &out) { return batch_call(story, step, out, false); }

akv_status swap_out(Story &story, Step &step, json &) {
  akv_plan plan = AKV_NONE;
  const akv_status status = akv_sequence_swap_out(story.cache(step), story.handle(step), &plan);
  if (status == AKV_OK) story.plan(step, plan);
  return status;
}

akv_status swap_in(Story &story, Step &step, json &out) {
  akv_swapped_in from = AKV_SWAPPED_IN_INIT;
  const akv_status status = akv_sequence_swap_in(story.cache(step), story.handle(step), &from);
  if (status != AKV_OK) return status;
  story.plan(step, from.plan);
  PUT(cached_tokens), PUT(copied_tokens), PUT(new_blocks);
  out["wait"] = story.called(Kind::Ticket, from.wait);
  return status;
}

}  // namespace

void add_sequence_words(Words &words) {
  words.insert({{"create", create},
                {"can_allocate", can_allocate},
                {"can_extend", can_extend},
                {"append", append},
                {"reserve", reserve},
                {"set_tokens", set_tokens},
                {"commit", commit},
                {"commit_batch", commit_batch},
                {"fork", fork_one},
                {"truncate", truncate_one},
                {"set_length", set_length},
                {"free", free_one},
                {"free_batch", free_batch},
                {"find", find},
                {"info", info},
                {"blocks", blocks},
                {"tokens", tokens},
                {"step", step_all},
                {"tables", read_tables},
                {"swap_out", swap_out},
                {"swap_in", swap_in}});
}

}  // namespace conformance
