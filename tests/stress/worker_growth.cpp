// worker_growth.cpp: how a worker's sequences get longer and shorter, one at a time and in batches with tables.
// It knows tokens, counts and slots; what plans are made of is in worker_order.cpp.
#include "worker.hpp"

#include <algorithm>
#include <cinttypes>

namespace akv::stress {

// The arrays of one step. The block table is kept in place; the others are new each time.
struct Tables {
  Tables(std::size_t queries, std::size_t rows, std::size_t num_indices)
      : slots(queries, -9),
        positions(queries, -9),
        starts(rows + 1, -9),
        indptr(rows + 1, -9),
        indices(num_indices, -9),
        last_page(rows, -9),
        lens(kRowsOfTable, -9),
        row_of(rows) {
    tables.slot_mapping = slots.data();
    tables.positions = positions.data();
    tables.slot_capacity = queries;
    tables.query_start_loc = starts.data();
    tables.kv_indptr = indptr.data();
    tables.kv_indices = indices.data();
    tables.kv_last_page_len = last_page.data();
    tables.kv_indices_capacity = num_indices;
    tables.sequence_capacity = static_cast<std::uint32_t>(rows);
    tables.seq_lens = lens.data();
    tables.row_of = row_of.data();
    tables.num_rows = kRowsOfTable;
    tables.pad_block = -1;
  }
  akv_tables tables = AKV_TABLES_INIT;
  std::vector<std::int64_t> slots, positions;
  std::vector<std::int32_t> starts, indptr, indices, last_page, lens;
  std::vector<std::uint32_t> row_of;
};

// Was the call refused for a reason that may come up? Then something is done about it.
bool Worker::refused(akv_status status, std::size_t at) {
  switch (status) {
    case AKV_OK: return false;
    case AKV_ERROR_NO_BLOCKS: free_for_room(); return true;
    case AKV_ERROR_NO_CAPACITY:
    case AKV_ERROR_NO_PLANS: return true;
    case AKV_ERROR_NOT_COMMITTED: {
      Live &s = live_[at];
      Step step = stream_.begin(late());
      write_kv(s, step, s.length());
      stream_.end(step);
      commit_some(s, s.length());
      return true;
    }
    case AKV_ERROR_CONTENT_LOST:
      if (!live_[at].in_flight()) broken(world_, "settled content was lost");
      heal(at);
      return true;
    default: ok(status, "a call on a sequence"); return true;
  }
}

// The same for a batch: the message names the row.
void Worker::refused_row(akv_status status, const std::vector<std::size_t> &rows) {
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  ok(akv_last_error_detail(&detail), "last_error_detail");
  if (detail.row >= rows.size() && status != AKV_ERROR_NO_BLOCKS && status != AKV_ERROR_NO_PLANS)
    broken(world_, "the error of a batch of %zu names row %u", rows.size(), detail.row);
  refused(status, rows[detail.row < rows.size() ? detail.row : 0]);
}

void Worker::append() {
  const std::size_t at = some();
  const std::uint32_t count = random_.one_in(4) ? random_.below(3 * block_tokens_) : 1;
  const bool unknown = random_.one_in(5), simulated = live_[at].simulated();
  const std::vector<std::int32_t> tokens = some_tokens(count);
  Step step = stream_.begin(late());
  akv_plan plan = AKV_NONE;
  const akv_status status = patient([&] {
    return akv_sequence_append(cache_, live_[at].handle, unknown ? nullptr : tokens.data(), count,
                               simulated ? AKV_APPEND_COMMITTED : 0u, &plan);
  });
  if (status != AKV_OK) stream_.call_off(step);
  if (refused(status, at)) return;
  Live &s = live_[at];
  const PlanEnd end = take_plan(step, plan, {at});
  if (end == PlanEnd::abandoned) {
    stream_.call_off(step);
    return refresh_blocks(s, nullptr, kNoEntry);
  }
  const std::uint64_t replaced = replaced_entry(s);
  extend(s, tokens, 0);
  refresh_blocks(s, &step, replaced);
  if (!random_.one_in(8)) write_kv(s, step, s.length());
  stream_.end(step);
  if (end == PlanEnd::finished) finish_plan(plan, step, {at});
  if (simulated) s.committed = s.written = s.length();
  else if (random_.one_in(2)) commit_some(s, s.written);
}

// One step of the engine: a few sequences, a chunk or a token each, and all tables.
void Worker::append_batch() {
  std::vector<std::size_t> rows;
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> counts, used_rows;
  std::vector<std::int32_t> tokens;
  const bool one_each = random_.one_in(2), unknown = random_.one_in(6);
  std::size_t indices = 0;
  for (std::size_t at = random_.below(3); at < live_.size(); at += 1 + random_.below(3)) {
    if (std::count(used_rows.begin(), used_rows.end(), live_[at].row) != 0) continue;
    if (random_.one_in(30)) live_[at].row = (live_[at].row + 1) % kRowsOfTable;
    if (std::count(used_rows.begin(), used_rows.end(), live_[at].row) != 0) continue;
    rows.push_back(at);
    handles.push_back(live_[at].handle);
    used_rows.push_back(live_[at].row);
    counts.push_back(one_each ? 1 : random_.below(random_.one_in(6) ? 3 * block_tokens_ : 3));
    const std::vector<std::int32_t> more = some_tokens(counts.back());
    tokens.insert(tokens.end(), more.begin(), more.end());
    indices += akv_blocks_for(live_[at].length() + counts.back(), block_tokens_);
  }
  if (rows.empty()) return;
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = static_cast<std::uint32_t>(rows.size());
  batch.sequences = handles.data();
  batch.num_tokens = one_each ? nullptr : counts.data();
  batch.tokens = unknown ? nullptr : tokens.data();
  batch.tokens_count = unknown ? 0 : static_cast<std::uint32_t>(tokens.size());
  Tables arrays(tokens.size(), rows.size(), indices);
  arrays.row_of = used_rows;
  arrays.tables.row_of = arrays.row_of.data();
  arrays.tables.block_table = table_.data();
  arrays.tables.row_states = row_states_.data();
  arrays.tables.row_stride = arrays.tables.row_width = row_width_;
  Step step = stream_.begin(late());
  akv_plan plan = AKV_NONE;
  const akv_status status = patient([&] { return akv_sequence_append_batch(cache_, &batch, &arrays.tables, &plan); });
  if (status != AKV_OK) {
    stream_.call_off(step);
    return refused_row(status, rows);
  }
  const PlanEnd end = take_plan(step, plan, rows);
  if (end == PlanEnd::abandoned) {
    stream_.call_off(step);
    for (const std::size_t at : rows) refresh_blocks(live_[at], nullptr, kNoEntry);
    return;
  }
  std::uint32_t first = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Live &s = live_[rows[i]];
    const std::uint64_t replaced = replaced_entry(s);
    extend(s, {tokens.begin() + first, tokens.begin() + first + counts[i]}, 0);
    refresh_blocks(s, &step, replaced);
    first += counts[i];
  }
  check_tables(arrays, rows, counts);
  for (const std::size_t at : rows)
    if (!random_.one_in(10)) write_kv(live_[at], step, live_[at].length());
  stream_.end(step);
  if (end == PlanEnd::finished) finish_plan(plan, step, rows);
  for (const std::size_t at : rows)
    if (!live_[at].simulated() && random_.one_in(2)) commit_some(live_[at], live_[at].written);
}

// Every array against the tables that read_blocks() told.
void Worker::check_tables(const Tables &t, const std::vector<std::size_t> &rows,
                          const std::vector<std::uint32_t> &counts) {
  std::size_t query = 0, index = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Live &s = live_[rows[i]];
    const std::uint32_t length = s.length();
    const auto blocks = static_cast<std::size_t>(akv_blocks_for(length, block_tokens_));
    bool same = t.starts[i] == static_cast<std::int32_t>(query) && t.indptr[i] == static_cast<std::int32_t>(index) &&
                t.lens[s.row] == static_cast<std::int32_t>(length);
    for (std::uint32_t k = 0; k < counts[i]; ++k, ++query) {
      const std::uint32_t at = length - counts[i] + k;
      same = same && t.positions[query] == at && t.slots[query] == slot_of(s, at);
    }
    const auto row = table_.begin() + static_cast<std::ptrdiff_t>(std::size_t{s.row} * row_width_);
    for (std::size_t k = 0; k < row_width_; ++k)
      same = same && row[static_cast<std::ptrdiff_t>(k)] == (k < blocks ? s.blocks[k] : -1);
    for (std::size_t k = 0; k < blocks; ++k) same = same && t.indices[index + k] == s.blocks[k];
    index += blocks;
    const std::size_t last = blocks == 0 ? 0 : length - (blocks - 1) * block_tokens_;
    if (!same || t.last_page[i] != static_cast<std::int32_t>(last))
      broken(world_, "the tables of row %zu (%u tokens, %u of them new) are not those of its sequence", i, length,
             counts[i]);
  }
}

// Look-ahead: blocks before their tokens, and sometimes the tokens right behind, unknown as yet.
void Worker::reserve() {
  const std::size_t at = some();
  const std::uint32_t tokens = std::min(kMaxTokens, live_[at].length() + random_.below(4 * block_tokens_));
  Step step = stream_.begin(late());
  akv_plan plan = AKV_NONE;
  const akv_status status = patient([&] { return akv_sequence_reserve(cache_, live_[at].handle, tokens, &plan); });
  if (status != AKV_OK) stream_.call_off(step);
  if (refused(status, at)) return;
  Live &s = live_[at];
  const PlanEnd end = take_plan(step, plan, {at});
  if (end == PlanEnd::abandoned) {
    stream_.call_off(step);
    return refresh_blocks(s, nullptr, kNoEntry);
  }
  refresh_blocks(s, &step, replaced_entry(s));
  stream_.end(step);
  if (end == PlanEnd::finished) finish_plan(plan, step, {at});
  if (random_.one_in(2)) return;
  const akv_status longer = patient([&] { return akv_sequence_set_length(cache_, s.handle, tokens); });
  if (longer == AKV_ERROR_PLAN_NEEDED || refused(longer, at)) return;
  if (tokens > s.length()) extend(s, some_tokens(tokens - s.length()), 0);
  else cut(s, tokens);
  refresh_blocks(s, nullptr, kNoEntry);
}

void Worker::truncate() {
  const std::size_t at = some();
  Live &s = live_[at];
  const std::uint32_t length =
      random_.one_in(2) ? s.length() - std::min(s.length(), random_.below(4)) : random_.below(s.length() + 1);
  const std::uint32_t what = random_.below(3);
  const akv_status status = patient([&] {
    return what == 0 ? akv_sequence_set_length(cache_, s.handle, length)
                     : akv_sequence_truncate(cache_, s.handle, length, what == 1 ? AKV_TRUNCATE_KEEP_BLOCKS : 0u);
  });
  if (refused(status, at)) return;
  cut(s, length);
  refresh_blocks(s, nullptr, kNoEntry);
}

void Worker::truncate_batch() {
  std::vector<std::size_t> rows;
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> lengths;
  for (std::size_t at = 0; at < live_.size(); at += 1 + random_.below(4)) {
    rows.push_back(at);
    handles.push_back(live_[at].handle);
    lengths.push_back(live_[at].length() - std::min(live_[at].length(), random_.below(3)));
  }
  const akv_status status = patient([&] {
    return akv_sequence_truncate_batch(cache_, handles.data(), lengths.data(),
                                       static_cast<std::uint32_t>(handles.size()), 0);
  });
  if (status != AKV_OK) return refused_row(status, rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    cut(live_[rows[i]], lengths[i]);
    refresh_blocks(live_[rows[i]], nullptr, kNoEntry);
  }
}

// The tokens that came late, all or some of them.
void Worker::set_tokens() {
  const std::size_t at = some();
  Live &s = live_[at];
  if (s.length() == 0) return;
  akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
  ok(patient([&] { return akv_sequence_read_info(cache_, s.handle, &info); }), "read_info");
  if (info.length != s.length()) broken(world_, "a sequence has %u tokens, it had %u", info.length, s.length());
  const std::uint32_t first = std::min(info.known, s.length() - 1), count = random_.between(1, s.length() - first);
  akv_status status;
  if (random_.one_in(2)) {
    status = patient([&] { return akv_sequence_set_tokens(cache_, s.handle, first, s.tokens.data() + first, count); });
  } else {
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = 1;
    batch.sequences = &s.handle;
    batch.num_tokens = &count;
    batch.first = &first;
    batch.tokens = s.tokens.data() + first;
    batch.tokens_count = count;
    status = patient([&] { return akv_sequence_set_tokens_batch(cache_, &batch); });
  }
  refused(status, at);
}

void Worker::commit_batch() {
  std::vector<std::size_t> rows;
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> lengths;
  Step step = stream_.begin(late());
  for (std::size_t at = 0; at < live_.size(); at += 1 + random_.below(3)) {
    Live &s = live_[at];
    if (s.wait != AKV_NONE || s.simulated()) continue;
    refresh_blocks(s, nullptr, kNoEntry);
    write_kv(s, step, s.length());
    rows.push_back(at);
    handles.push_back(s.handle);
    lengths.push_back(s.length());
  }
  stream_.end(step);
  const bool all = random_.one_in(2);
  const akv_status status = patient([&] {
    return akv_sequence_commit_batch(cache_, handles.data(), all ? nullptr : lengths.data(),
                                     static_cast<std::uint32_t>(handles.size()), stream_.newest());
  });
  if (status != AKV_OK) return refused_row(status, rows);
  for (const std::size_t at : rows) {
    live_[at].committed = live_[at].length();
    note_under(live_[at], stream_.newest());
  }
}

}  // namespace akv::stress
