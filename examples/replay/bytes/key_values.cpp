// key_values.cpp: see key_values.hpp.
#include "bytes/key_values.hpp"

#include "error.hpp"

#include <algorithm>
#include <cstdio>

namespace replay {
namespace {

constexpr std::uint64_t kDomain = 0;  // a replay's prompts are all of one
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

akv_cache_config config_of(akv_cache *cache) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  check(akv_cache_read_config(cache, &config), "akv_cache_read_config");
  return config;
}

std::string text(std::uint64_t number) { return std::to_string(number); }

}  // namespace

KeyValues::KeyValues(akv_cache *cache, const Geometry &geometry, std::uint32_t workers)
    : KeyValues(cache, geometry, workers, config_of(cache)) {}

KeyValues::KeyValues(akv_cache *cache, const Geometry &geometry, std::uint32_t workers, const akv_cache_config &config)
    : cache_(cache),
      geometry_(geometry),
      pattern_(geometry),
      tally_(geometry.bytes_per_token(), config.block_tokens),
      block_tokens_(config.block_tokens),
      piece_tokens_(static_cast<std::uint32_t>(std::max<std::uint64_t>(kPieceBytes / geometry.bytes_per_token(), 1))),
      buffer_(piece_tokens_ * geometry.bytes_per_token()) {
  blocks_.create(cache, AKV_STORE_BLOCKS);
  if (config.num_swap_blocks != 0) swap_blocks_.create(cache, AKV_STORE_SWAP_BLOCKS);
  stream_.create(workers);
}

unsigned char *KeyValues::rows_of(std::uint32_t layer, std::uint32_t plane, std::size_t tokens) {
  const std::uint64_t before = layer * geometry_.bytes_per_layer() + (plane == 0 ? 0 : geometry_.row_bytes(0));
  return buffer_.data() + before * tokens;
}

// What is cached is checked before anything is written. Nothing is committed before it is written.
void KeyValues::admitted(const Request &request, Tokens prompt, const akv_created &created) {
  std::vector<std::uint64_t> &keys = keys_[request.number];
  keys.reserve(prompt.size() + request.output_tokens);
  append_keys(kDomain, prompt, keys);
  const std::uint32_t cached = created.cached_tokens, hit = cached + created.partial_tokens;
  check_tokens("at its hit", request.number, blocks_.get(), read_table(created.sequence), 0, cached);
  if (created.plan != AKV_NONE) {
    tally_.add_plan(cache_, created.plan);
    akv_store *const stores[] = {blocks_.get()};
    check(akv_copy_run(cache_, created.plan, stores, 1, 0, stream_.get()), "akv_copy_run");
    check_tokens("after its partial hit was copied", request.number, blocks_.get(), table_, cached, hit);
    check(akv_plan_finish(cache_, created.plan, AKV_NONE), "akv_plan_finish");
  }
  totals_.hits_checked_tokens += hit;

  const std::uint32_t first = hit, count = static_cast<std::uint32_t>(prompt.size()) - hit;
  slots_.resize(count);
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &created.sequence;
  batch.num_tokens = &count;
  batch.first = &first;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_mapping = slots_.data();
  tables.slot_capacity = count;
  if (count != 0) check(akv_sequence_read_tables(cache_, &batch, &tables), "akv_sequence_read_tables");
  write_tokens(Keys(keys).subspan(first), slots_);
  commit(created.sequence, keys.size());
}

void KeyValues::appended(const Request &request, akv_sequence sequence, Tokens output, Slots slots) {
  std::vector<std::uint64_t> &keys = keys_.at(request.number);
  const std::size_t first = keys.size();
  append_keys(kDomain, output, keys);
  write_tokens(Keys(keys).subspan(first), slots);
  commit(sequence, keys.size());
}

void KeyValues::commit(akv_sequence sequence, std::size_t length) {
  check(akv_sequence_commit(cache_, sequence, static_cast<std::uint32_t>(length), AKV_NONE), "akv_sequence_commit");
}

bool KeyValues::swap_out(std::uint64_t request, akv_sequence sequence) {
  akv_plan plan = AKV_NONE;
  const akv_status status = akv_sequence_swap_out(cache_, sequence, &plan);
  if (status == AKV_ERROR_NO_SWAP_BLOCKS) {
    totals_.swaps_refused += 1;
    return false;
  }
  check(status, "akv_sequence_swap_out");
  std::vector<std::int32_t> targets;  // a record for each block, in order of position
  for (const akv_plan_record &record : run_swap(plan)) targets.push_back(record.target_block);
  const auto length = static_cast<std::uint32_t>(keys_.at(request).size());
  check_tokens("in its swap blocks", request, swap_blocks_.get(), targets, 0, length);
  totals_.swaps += 1;
  return true;
}

bool KeyValues::swap_in(std::uint64_t request, akv_sequence sequence, akv_swapped_in &in) {
  const akv_status status = akv_sequence_swap_in(cache_, sequence, &in);
  if (status == AKV_ERROR_NO_BLOCKS) return false;
  check(status, "akv_sequence_swap_in");
  if (in.plan != AKV_NONE) run_swap(in.plan);
  totals_.shared_tokens += in.cached_tokens;
  const auto length = static_cast<std::uint32_t>(keys_.at(request).size());
  check_tokens("back from its swap blocks", request, blocks_.get(), read_table(sequence), 0, length);
  return true;
}

// The stream finishes it when the copies are complete, and the wait sees to that.
std::vector<akv_plan_record> KeyValues::run_swap(akv_plan plan) {
  std::vector<akv_plan_record> records = tally_.add_plan(cache_, plan);
  akv_store *const stores[] = {blocks_.get(), swap_blocks_.get()};
  check(akv_copy_run(cache_, plan, stores, 2, AKV_RUN_FINISH, stream_.get()), "akv_copy_run");
  stream_.wait();
  return records;
}

void KeyValues::retires(std::uint64_t request, akv_sequence sequence) {
  const auto length = static_cast<std::uint32_t>(keys_.at(request).size());
  check_tokens("before it is freed", request, blocks_.get(), read_table(sequence), 0, length);
  totals_.freed_checked_tokens += length;
  keys_.erase(request);
}

void KeyValues::check_tokens(const char *when, std::uint64_t request, akv_store *store, Blocks blocks,
                             std::uint32_t first, std::uint32_t end) {
  const Keys keys(keys_.at(request));
  if (akv_blocks_for(end, block_tokens_) > blocks.size())
    throw Refused("store: request " + text(request) + ", " + when + ": it has " + text(blocks.size()) +
                  " blocks, too few for " + text(end) + " tokens");
  for (std::uint32_t count = 0; first < end; first += count) {
    count = std::min(piece_tokens_, end - first);
    const std::uint32_t skipped = first / block_tokens_;
    const Blocks some = blocks.subspan(skipped, akv_blocks_for(first + count, block_tokens_) - skipped);
    akv_span span{};
    span.blocks = some.data();
    span.num_blocks = static_cast<std::uint32_t>(some.size());
    span.first_token = first % block_tokens_;
    span.num_tokens = count;
    span.data = buffer_.data();
    span.bytes = buffer_.size();
    check(akv_copy_gather(store, &span, 1, sizeof span, stream_.get()), "akv_copy_gather");
    stream_.wait();
    compare_piece(when, request, blocks, first, keys.subspan(first, count));
    tally_.add_tokens(AKV_MOVED_GATHER, count);
    totals_.bytes_checked += count * geometry_.bytes_per_token();
  }
}

void KeyValues::compare_piece(const char *when, std::uint64_t request, Blocks blocks, std::uint32_t first, Keys keys) {
  for (std::uint32_t layer = 0; layer < geometry_.layers; ++layer)
    for (std::uint32_t plane = 0; plane < geometry_.num_planes; ++plane) {
      const auto wrong = pattern_.compare(keys, layer, plane, rows_of(layer, plane, keys.size()));
      if (!wrong) continue;
      const std::size_t position = first + wrong->token;
      char bytes[64];
      std::snprintf(bytes, sizeof bytes, "holds 0x%02x in place of 0x%02x", wrong->holds, wrong->must);
      throw Refused("store: request " + text(request) + ", " + when + ": block " +
                    std::to_string(blocks[position / block_tokens_]) + ", token " + text(position % block_tokens_) +
                    " (position " + text(position) + "), plane " + text(plane) + " (" +
                    std::string(geometry_.plane_name(plane)) + ") of layer " + text(layer) + ": byte " +
                    text(wrong->byte) + " " + bytes);
    }
}

void KeyValues::write_tokens(Keys keys, Slots slots) {
  const auto pad = std::ranges::find_if(slots, [](std::int64_t slot) { return slot < 0; });
  if (pad != slots.end())
    throw Refused("store: a slot of a new token is " + std::to_string(*pad) + ": its block is not its own to write to");
  for (std::size_t first = 0, count = 0; first < keys.size(); first += count) {
    count = std::min<std::size_t>(piece_tokens_, keys.size() - first);
    for (std::uint32_t layer = 0; layer < geometry_.layers; ++layer) {
      akv_token_data planes[2]{};
      for (std::uint32_t plane = 0; plane < geometry_.num_planes; ++plane) {
        planes[plane].plane = plane;
        planes[plane].data = rows_of(layer, plane, count);
        pattern_.fill(keys.subspan(first, count), layer, plane, rows_of(layer, plane, count));
      }
      check(akv_copy_write_tokens(blocks_.get(), layer, slots.data() + first, static_cast<std::uint32_t>(count), planes,
                                  geometry_.num_planes, sizeof planes[0], stream_.get()),
            "akv_copy_write_tokens");
    }
    stream_.wait();  // the buffer is filled again
    tally_.add_tokens(AKV_MOVED_WRITE, count);
    totals_.bytes_written += count * geometry_.bytes_per_token();
  }
}

const std::vector<std::int32_t> &KeyValues::read_table(akv_sequence sequence) {
  std::uint32_t count = 0;
  const akv_status status = akv_sequence_read_blocks(cache_, sequence, 0, nullptr, 0, &count);
  if (status != AKV_ERROR_BUFFER_TOO_SMALL) check(status, "akv_sequence_read_blocks");  // an empty table is fine
  table_.resize(count);
  check(akv_sequence_read_blocks(cache_, sequence, 0, table_.data(), count, &count), "akv_sequence_read_blocks");
  return table_;
}

std::vector<Moved> KeyValues::finish() const {
  std::vector<akv_store *> stores{blocks_.get()};
  if (swap_blocks_.get() != nullptr) stores.push_back(swap_blocks_.get());
  return tally_.compare_with(stores);
}

std::uint64_t KeyValues::store_bytes() const {
  std::uint64_t bytes = 0;
  for (akv_store *store : {blocks_.get(), swap_blocks_.get()}) {
    if (store == nullptr) continue;
    akv_store_info info = AKV_STORE_INFO_INIT;
    check(akv_store_read_info(store, &info), "akv_store_read_info");
    bytes += info.bytes;
  }
  return bytes;
}

}  // namespace replay
