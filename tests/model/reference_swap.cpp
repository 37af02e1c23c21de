// reference_swap.cpp: sequences that leave for swap blocks and come back, and neighbouring blocks, in the model.
// It knows ids and who has them. Which ids the library chose is read from it, and checked against the free ones.
#include "reference_model.hpp"

namespace reference {

// -- swap blocks --

// Whoever gives one back may have a copy under way: it waits for what is open now.
void Model::give_back_swap(const std::vector<std::int32_t> &ids) {
  for (const std::int32_t id : ids) {
    if (settled(newest)) free_swap_.insert(id);
    else swap_quarantine_.push_back({newest, id});
  }
}

akv_status Model::acquire_swap(const std::vector<std::int32_t> &got) {
  if (config.swap_blocks == 0) return AKV_ERROR_UNSUPPORTED;
  if (got.size() > free_swap_.size()) return AKV_ERROR_NO_SWAP_BLOCKS;
  for (const std::int32_t id : got) {
    if (free_swap_.erase(id) == 0) complaint = "an acquired swap block is not one of the free ones";
    acquired.insert(id);
  }
  return AKV_OK;
}

akv_status Model::release_swap(const std::vector<std::int32_t> &ids) {
  std::set<std::int32_t> rest = acquired;
  for (const std::int32_t id : ids)
    if (rest.erase(id) == 0) return AKV_ERROR_BAD_HANDLE;
  acquired = rest;
  give_back_swap(ids);
  return AKV_OK;
}

// Swap blocks that the records of a plan read or write.
std::vector<std::int32_t> Model::named_swap_blocks(const Plan &plan) const {
  std::vector<std::int32_t> named;
  for (const akv_plan_record &record : plan.records) {
    if (record.source_store == 1) named.push_back(record.source_block);
    if (record.target_store == 1) named.push_back(record.target_block);
  }
  return named;
}

// The sequence is freed. What an open plan's records name stays with the plan.
void Model::leave_swap_blocks(Sequence &s, bool in_flight) {
  if (s.plan != nullptr && !in_flight)
    for (const std::int32_t id : named_swap_blocks(*s.plan)) std::erase(s.swap_blocks, id);
  give_back_swap(s.swap_blocks);
  s.swap_blocks.clear();
}

// -- out --

akv_status Model::swap_out(Sequence &s, akv_plan got) {
  if (config.swap_blocks == 0) return AKV_ERROR_UNSUPPORTED;
  if (akv_status status = quiet(s); status != AKV_OK) return status;
  if (s.committed < s.length()) return AKV_ERROR_NOT_COMMITTED;
  publish_pending();
  const std::uint32_t size = config.block_tokens, blocks = blocks_of(s.length());
  if (blocks > free_swap_.size()) return AKV_ERROR_NO_SWAP_BLOCKS;
  if (plans.size() == config.max_plans) return AKV_ERROR_NO_PLANS;
  Plan &plan = open_plan();
  plan.handle = got;
  plan.swaps = true;
  const std::vector<akv_plan_record> records = read_records(got);
  for (std::uint32_t at = 0; at < blocks; ++at) {
    const std::int32_t to = at < records.size() ? records[at].target_block : -1;
    if (free_swap_.erase(to) == 0) complaint = "a sequence's swap block is not one of the free ones";
    s.swap_blocks.push_back(to);
    // What everybody else would read: the published block, where it has a computed twin of that.
    const std::int32_t from = at < s.path.size() ? s.path[at]->id : s.table[at];
    plan.records.push_back(
        {AKV_PLAN_SWAP_OUT, 0, 0, from, to, 0, 1, 0, std::min(size, s.length() - at * size), s.handle, wait_of(s), 0});
    plan.wait = wait_of(s);
  }
  if (!s.path.empty()) plan.leases.push_front(s.path.back());
  join(plan, s);
  s.undo_length = s.length();
  s.undo_blocks = static_cast<std::uint32_t>(s.table.size());
  s.undo_id = 0;
  s.state = AKV_SEQUENCE_SWAPPING_OUT;
  s.look_anew();
  return AKV_OK;
}

// It has nothing in the cache's blocks any more.
void Model::leave_blocks(Sequence &s) {
  drop_duplicates(s, 0);
  for (std::size_t at = s.path.size(); at < s.table.size(); ++at) give_back(s.table[at]);
  leave_end(s);
  s.path.clear();
  s.table.clear();
  s.look_anew();
  s.state = AKV_SEQUENCE_SWAPPED;
  somebody_let_go();
}

// -- in --

akv_status Model::swap_in(Sequence &s, const akv_swapped_in &got, akv_swapped_in &want) {
  if (akv_status status = quiet(s); status != AKV_ERROR_SWAPPED)
    return status == AKV_OK ? static_cast<akv_status>(AKV_ERROR_INVALID_ARGUMENT) : status;
  publish_pending();
  const std::uint32_t size = config.block_tokens;
  Match m;  // nothing, where its K/V may be others than those with the same tokens
  if (!s.contiguous && !s.no_publish) m = match(s.domain, s.tokens, std::min(s.known(), s.committed) / size * size);
  const auto shared = static_cast<std::uint32_t>(m.path.size()), out = static_cast<std::uint32_t>(s.swap_blocks.size()),
             needed = s.blocks_before - shared;
  const bool may_plan = shared < out || (needed != 0 && looking_);
  if (may_plan && plans.size() == config.max_plans) return AKV_ERROR_NO_PLANS;
  if (s.contiguous ? longest_extent({}) < needed : !secure(needed + held_by(m.path))) {
    ++counters_.refused_no_blocks;
    return AKV_ERROR_NO_BLOCKS;
  }
  s.path = m.path;
  somebody_let_go();
  for (const Node *node : s.path) s.table.push_back(node->id);
  s.contiguous ? take_extent(s, needed) : take(s, needed);
  Plan *plan = zero_new_blocks(s, shared, nullptr);
  if (plan == nullptr && shared < out) plan = &open_plan();
  for (std::uint32_t at = shared; at < out; ++at)
    plan->records.push_back({AKV_PLAN_SWAP_IN, 0, 0, s.swap_blocks[at], s.table[at], 1, 0, 0,
                             std::min(size, s.length() - at * size), s.handle, 0, 0});
  want.cached_tokens = std::min(s.length(), shared * size);
  want.copied_tokens = s.length() - want.cached_tokens;
  want.new_blocks = needed;
  want.wait = m.wait;
  s.commit_on_finish = s.committed;
  if (plan != nullptr) {
    plan->handle = want.plan = got.plan;
    plan->swaps = true;
    join(*plan, s);
    s.committed = want.cached_tokens;
    s.undo_id = 0;
    s.state = AKV_SEQUENCE_SWAPPING_IN;
  } else {
    come_back(s);
  }
  note_peak();
  return AKV_OK;
}

void Model::come_back(Sequence &s) {
  s.committed = s.commit_on_finish;
  give_back_swap(s.swap_blocks);
  s.swap_blocks.clear();
  s.state = AKV_SEQUENCE_ACTIVE;
  s.look_anew();
  ++counters_.swapped_in;
}

// -- how a plan that swaps ends --

akv_status Model::finish_swap(Plan &plan, std::uint64_t number) {
  Sequence *s = plan.sequences.empty() ? nullptr : plan.sequences.front();
  if (number != 0) return AKV_ERROR_INVALID_ARGUMENT;
  if (s != nullptr && s->lost) return AKV_ERROR_CONTENT_LOST;
  if (!settled(plan.wait)) return AKV_ERROR_NOT_READY;
  publish_pending();
  if (s == nullptr) {
    give_back_swap(named_swap_blocks(plan));
  } else {
    s->plan = nullptr;
    const bool out = s->state == AKV_SEQUENCE_SWAPPING_OUT;
    if (out) s->state = AKV_SEQUENCE_ACTIVE;
    else come_back(*s);
    if (out || publishable(*s)) publish(*s);
    if (out) {
      s->blocks_before = static_cast<std::uint32_t>(s->table.size());
      leave_blocks(*s);
      ++counters_.swapped_out;
    }
  }
  close(plan);
  return AKV_OK;
}

void Model::abandon_swap(Plan &plan) {
  Sequence *s = plan.sequences.empty() ? nullptr : plan.sequences.front();
  if (s == nullptr) {
    give_back_swap(named_swap_blocks(plan));
  } else if (s->state == AKV_SEQUENCE_SWAPPING_OUT) {
    s->plan = nullptr;
    give_back_swap(s->swap_blocks);
    s->swap_blocks.clear();
    s->state = AKV_SEQUENCE_ACTIVE;
    publish(*s);
  } else {
    s->plan = nullptr;
    s->committed = s->commit_on_finish;
    s->lost = false;  // what was lost was found in the cache; what is in the swap blocks is sound
    leave_blocks(*s);
  }
  close(plan);
}

// -- neighbouring blocks --

// The longest stretch of blocks that are free or could be evicted, if `keep` stays.
std::uint32_t Model::longest_extent(const std::vector<Node *> &keep) {
  in_magazine_ = 0;  // what threads have taken ahead is called back
  std::set<std::int32_t> ids = free_;
  for (const Node &node : nodes_)
    if (evictable(node) && std::find(keep.begin(), keep.end(), &node) == keep.end()) ids.insert(node.id);
  return longest_run(ids);
}

std::uint32_t Model::longest_run(const std::set<std::int32_t> &ids) {
  std::uint32_t longest = 0, run = 0;
  std::int32_t before = 0;
  for (const std::int32_t id : ids) {
    run = id == before + 1 ? run + 1 : 1;
    longest = std::max(longest, run);
    before = id;
  }
  return longest;
}

// Eviction goes on, a quarter of the extent or a sixteenth of the cached blocks at a time, until there is a stretch
// that is long enough.
void Model::take_extent(Sequence &s, std::uint32_t count) {
  const std::uint32_t at_once = std::max({1u, count / 4, count_evictable() / 16});
  while (longest_run(free_) < count) {
    const std::size_t before = free_.size();
    evict(at_once);
    if (free_.size() == before) {
      complaint = "an extent was promised, and there is nothing left to evict";
      return;
    }
  }
  const std::size_t first = s.table.size();
  take(s, count);
  for (std::size_t at = first + 1; at < s.table.size(); ++at)
    if (s.table[at] != s.table[at - 1] + 1) complaint = "the blocks of a contiguous sequence are not neighbours";
}

}  // namespace reference
