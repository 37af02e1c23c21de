// random_steps.cpp: batches: one step of many sequences, and every table that comes out of it.
// It knows arrays; not who the sequences are.
#include "random_run.hpp"

#include <algorithm>

namespace model_test {

// The arrays of one step, and what must be in them.
struct Run::Outputs {
  Outputs(Run &of, std::size_t slots, std::size_t sequences) : run(of) {
    const std::size_t width = run.row_width();
    slot_mapping.assign(slots + 1, -9);
    positions.assign(slots + 1, -9);
    query_start.assign(sequences + 2, -9);
    indptr.assign(sequences + 2, -9);
    indices.assign(sequences * width + 1, -9);
    last_page.assign(sequences + 1, -9);
    const std::size_t rows = run.rows_.size() + 4;
    seq_lens.assign(rows, -9);
    first.assign(rows, -9);
    run.rows_.resize(rows);
    run.row_table_.resize(rows * width, -7);
    tables.pad_block = -1;
    tables.slot_mapping = slot_mapping.data();
    tables.positions = positions.data();
    tables.slot_capacity = slots;
    tables.padded_slots = slots;
    tables.query_start_loc = query_start.data();
    tables.kv_indptr = indptr.data();
    tables.kv_indices = indices.data();
    tables.kv_indices_capacity = indices.size() - 1;
    tables.kv_last_page_len = last_page.data();
    tables.sequence_capacity = static_cast<std::uint32_t>(sequences);
    tables.padded_sequences = static_cast<std::uint32_t>(sequences);
    tables.block_table = run.row_table_.data();
    tables.row_states = run.rows_.data();
    tables.first_positions = first.data();
    tables.seq_lens = seq_lens.data();
    tables.row_stride = width;
    tables.row_width = static_cast<std::uint32_t>(width);
    tables.num_rows = static_cast<std::uint32_t>(rows);
  }

  void check(const std::vector<Sequence *> &sequences, const std::vector<std::uint32_t> &counts,
             const std::vector<std::uint32_t> &ends, bool appended) {
    const std::uint32_t size = run.model_.config.block_tokens;
    std::size_t query = 0, index = 0;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const Sequence &s = *sequences[i];
      run.same(query_start[i], static_cast<std::int32_t>(query), "query_start_loc");
      run.same(indptr[i], static_cast<std::int32_t>(index), "kv_indptr");
      for (std::uint32_t p = ends[i] - counts[i]; p < ends[i]; ++p, ++query) {
        const bool there = !appended && p / size < s.path.size() && p < s.committed;
        run.same(slot_mapping[query], there ? -1 : std::int64_t{s.table[p / size]} * size + p % size, "slot_mapping");
        run.same(positions[query], std::int64_t{p}, "positions");
      }
      const std::uint32_t blocks = (ends[i] + size - 1) / size;
      const std::size_t row = tables.row_of != nullptr ? tables.row_of[i] : i;
      for (std::uint32_t b = 0; b < blocks; ++b) run.same(indices[index++], s.table[b], "kv_indices");
      for (std::size_t b = 0; b < run.row_width(); ++b)
        run.same(run.row_table_[row * run.row_width() + b], b < blocks ? s.table[b] : -1, "block_table");
      run.same(last_page[i], static_cast<std::int32_t>(blocks == 0 ? 0 : ends[i] - (blocks - 1) * size),
               "kv_last_page_len");
      run.same(seq_lens[row], static_cast<std::int32_t>(ends[i]), "seq_lens");
      run.same(first[row], 0, "first_positions");
    }
    for (std::size_t i = sequences.size(); i <= tables.padded_sequences; ++i) {
      run.same(query_start[i], static_cast<std::int32_t>(query), "padded query_start_loc");
      run.same(indptr[i], static_cast<std::int32_t>(index), "padded kv_indptr");
      if (i < tables.padded_sequences && tables.row_of == nullptr)
        for (std::size_t b = 0; b < run.row_width(); ++b)
          run.same(run.row_table_[i * run.row_width() + b], -1, "a padded row");
    }
    for (; query < tables.padded_slots; ++query) run.same(slot_mapping[query], std::int64_t{-1}, "padded slot_mapping");
    run.same(slot_mapping.back(), std::int64_t{-9}, "behind slot_mapping");
    run.same(indices.back(), -9, "behind kv_indices");
  }

  Run &run;
  akv_tables tables = AKV_TABLES_INIT;
  std::vector<std::int64_t> slot_mapping, positions;
  std::vector<std::int32_t> query_start, indptr, indices, last_page, seq_lens, first;
};

void Run::append_batch() {
  std::vector<Sequence *> chosen;
  for (Sequence &s : model_.sequences)
    if (s.state == AKV_SEQUENCE_SWAPPED ? random_.one_in(8) : !random_.one_in(3)) chosen.push_back(&s);
  if (chosen.empty()) return;
  if (random_.one_in(2)) std::reverse(chosen.begin(), chosen.end());
  std::vector<Model::Row> rows;
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> counts, row_of;
  Tokens all;
  const bool commit = random_.one_in(2), may_plan = !random_.one_in(8), permuted = random_.one_in(2),
             all_one = random_.one_in(2);
  for (Sequence *s : chosen) {
    Tokens tokens = some_tokens(!all_one && random_.one_in(4) ? random_.below(2 * model_.config.block_tokens + 2) : 1);
    if (random_.one_in(8)) std::fill(tokens.begin(), tokens.end(), AKV_TOKEN_UNKNOWN);
    handles.push_back(s->handle);
    counts.push_back(static_cast<std::uint32_t>(tokens.size()));
    row_of.push_back(static_cast<std::uint32_t>(s->handle & 0xfffff));
    all.insert(all.end(), tokens.begin(), tokens.end());
    rows.push_back({s, tokens});
  }
  note("append_batch of %zu, %zu tokens%s", chosen.size(), all.size(), commit ? " committed" : "");
  akv_batch batch = AKV_BATCH_INIT;
  batch.flags = commit ? AKV_APPEND_COMMITTED : 0u;
  batch.num_sequences = static_cast<std::uint32_t>(handles.size());
  batch.sequences = handles.data();
  batch.num_tokens = all_one ? nullptr : counts.data();
  batch.tokens = all.data();
  batch.tokens_count = static_cast<std::uint32_t>(all.size());
  Outputs outputs(*this, all.size() + random_.below(4), handles.size() + random_.below(3));
  outputs.tables.row_of = permuted && outputs.tables.padded_sequences <= handles.size() ? row_of.data() : nullptr;
  akv_plan plan = 77, want = AKV_NONE;
  const akv_status status = akv_sequence_append_batch(cache_, &batch, &outputs.tables, may_plan ? &plan : nullptr);
  expect(status, model_.append(rows, commit, may_plan, false, plan, want), "append_batch");
  if (status != AKV_OK) return;
  if (may_plan) same(plan, want, "plan");
  std::vector<std::uint32_t> ends;
  for (Sequence *s : chosen) ends.push_back(s->length());
  outputs.check(chosen, counts, ends, true);
  if (may_plan) check_plan(plan);
}

void Run::read_tables() {
  std::vector<Sequence *> chosen;
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> counts, first, ends;
  std::uint32_t query = 0;
  akv_status want = AKV_OK;
  const bool at_the_end = random_.one_in(4);
  for (Sequence &s : model_.sequences) {
    if (random_.one_in(2)) continue;
    if (s.state == AKV_SEQUENCE_SWAPPED && !random_.one_in(4)) continue;
    const auto room = static_cast<std::uint32_t>(s.table.size()) * model_.config.block_tokens;
    first.push_back(random_.below(room + 2));
    counts.push_back(random_.below(room + 2 > first.back() ? room + 2 - first.back() : 1));
    if (at_the_end) {  // what NULL stands for
      counts.back() = 1;
      first.back() = s.length() - 1;
      if (s.length() == 0) return;
    }
    const std::uint32_t end = first.back() + counts.back();
    chosen.push_back(&s);
    handles.push_back(s.handle);
    ends.push_back(end);
    query += counts.back();
    const std::uint32_t size = model_.config.block_tokens;
    const bool shared_tail = s.length() % size != 0 && (s.length() + size - 1) / size <= s.path.size();
    if (want == AKV_OK)
      want = s.lost                            ? AKV_ERROR_CONTENT_LOST
             : s.state == AKV_SEQUENCE_SWAPPED ? AKV_ERROR_SWAPPED
             : s.plan != nullptr               ? AKV_ERROR_PLAN_OPEN
                                               : AKV_OK;
    if (want == AKV_OK && end > room) want = AKV_ERROR_OUT_OF_RANGE;
    if (want == AKV_OK && end > s.length() && counts.back() != 0 && shared_tail) want = AKV_ERROR_PLAN_NEEDED;
  }
  if (chosen.empty()) return;
  note("read_tables of %zu", chosen.size());
  if (std::any_of(chosen.begin(), chosen.end(), [](const Sequence *s) { return s->pending; })) model_.publish_pending();
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = static_cast<std::uint32_t>(handles.size());
  batch.sequences = handles.data();
  batch.num_tokens = counts.data();
  batch.first = first.data();
  if (at_the_end) {
    batch.first = nullptr;
    if (random_.one_in(2)) batch.num_tokens = nullptr;
  }
  Outputs outputs(*this, query, handles.size());
  expect(akv_sequence_read_tables(cache_, &batch, &outputs.tables), want, "read_tables");
  if (want == AKV_OK) outputs.check(chosen, counts, ends, false);
}

}  // namespace model_test
