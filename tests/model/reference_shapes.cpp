// reference_shapes.cpp: forks, cuts, ends, pins and leases, in the model.
// It knows who holds what.
#include "reference_model.hpp"

namespace reference {

// -- fork, truncate, free --

akv_status Model::fork(Sequence &parent, std::uint32_t length, const akv_sequence_options &given, akv_sequence got) {
  if (akv_status status = quiet(parent); status != AKV_OK) return status;
  if (length == AKV_UNSET) length = parent.length();
  if (length > parent.known()) return AKV_ERROR_OUT_OF_RANGE;
  akv_sequence_options options = given;
  options.reserve_tokens = 0;
  if (options.max_tokens == 0) options.max_tokens = parent.max_tokens;
  if (akv_status status = check_admission(options, length); status != AKV_OK) return status;
  publish_pending();
  const std::uint32_t blocks = blocks_of(length);
  share(parent, blocks);
  parent.look_anew();
  Sequence &child = new_sequence(got, parent.domain, options, options.max_tokens);
  child.path.assign(parent.path.begin(), parent.path.begin() + blocks);
  for (const Node *node : child.path) child.table.push_back(node->id);
  child.tokens.assign(parent.tokens.begin(), parent.tokens.begin() + length);
  child.committed = std::min(parent.committed, length);
  child.no_publish |= parent.no_publish;
  if (length > parent.ticket_from) {  // else nothing of the child is written under them
    child.ticket_from = parent.ticket_from;
    child.first_ticket = parent.first_ticket;
    child.last_ticket = parent.last_ticket;
  }
  look_who_holds();
  return AKV_OK;
}

void Model::drop_duplicates(Sequence &s, std::uint32_t from) {
  for (std::uint32_t at = from; at < s.path.size(); ++at)
    if (is_own(s, at)) give_back(s.table[at]);
}

// The path ends before block `blocks`; where the cut is inside a duplicate, that one is the sequence's own from now on.
void Model::truncate_path(Sequence &s, std::uint32_t blocks, bool inside) {
  const bool keep_duplicate = inside && is_own(s, blocks - 1);
  drop_duplicates(s, blocks);
  std::vector<std::int32_t> own(s.table.begin() + static_cast<std::ptrdiff_t>(s.path.size()), s.table.end());
  s.table.resize(blocks);
  s.table.insert(s.table.end(), own.begin(), own.end());
  if (const std::size_t end = keep_duplicate ? blocks - 1 : blocks; end < s.path.size()) {
    leave_end(s);
    s.path.resize(end);
  }
  somebody_let_go();
}

akv_status Model::truncate(Sequence &s, std::uint32_t length, bool keep) {
  if (s.state == AKV_SEQUENCE_SWAPPED) return AKV_ERROR_SWAPPED;
  if (s.plan != nullptr) return AKV_ERROR_PLAN_OPEN;
  if (length > s.length()) return AKV_ERROR_OUT_OF_RANGE;
  if (s.lost && length > s.sound) return AKV_ERROR_CONTENT_LOST;
  keep = keep && !s.lost;
  const std::uint32_t blocks = blocks_of(length);
  if (s.pending || s.lost || blocks <= s.path.size() || (!keep && blocks != s.table.size())) publish_pending();
  if (s.lost || blocks <= s.path.size() || (!keep && blocks != s.table.size())) s.look_anew();
  const bool inside = length % config.block_tokens != 0;
  if (blocks < s.path.size() || (blocks == s.path.size() && inside)) truncate_path(s, blocks, inside);
  if (!keep)
    while (s.table.size() > blocks) {
      give_back(s.table.back());
      s.table.pop_back();
    }
  s.tokens.resize(length);
  s.committed = std::min(s.committed, length);
  // What was written under them is cut off; but blocks that stay behind the end may be zeroed under them now.
  if (length <= s.ticket_from && s.table.size() == blocks) s.first_ticket = s.last_ticket = 0;
  s.lost = false;
  return AKV_OK;
}

akv_status Model::set_length(Sequence &s, std::uint32_t length) {
  if (length <= s.length()) return truncate(s, length, true);
  if (akv_status status = quiet(s); status != AKV_OK) return status;
  if (length > s.max_tokens) return AKV_ERROR_NO_CAPACITY;
  if (blocks_of(length) > s.table.size()) return AKV_ERROR_OUT_OF_RANGE;
  if (tail_shared(s)) {
    publish_pending();
    if (!absorb(s, true)) return AKV_ERROR_PLAN_NEEDED;
  }
  s.tokens.resize(length, kUnknown);
  return AKV_OK;
}

void Model::free(Sequence &s, bool in_flight) {
  publish_pending();
  leave_swap_blocks(s, in_flight);
  if (s.plan == nullptr && publishable(s) && absorb(s, false)) publish(s);  // what was in the way has gone
  drop_duplicates(s, 0);
  Plan *plan = s.plan;
  if (plan != nullptr) {
    if (!in_flight && s.table.size() > s.path.size()) {
      share(s, static_cast<std::uint32_t>(s.table.size()));
      plan->leases.push_front(s.path.back());
    } else if (in_flight) {
      std::erase_if(plan->records, [&](const akv_plan_record &record) {
        if (record.sequence != s.handle) return false;
        if (record.kind == AKV_PLAN_ZERO) condemn(record.target_block);
        return true;
      });
    }
    plan->sequences.remove(&s);
    s.plan = nullptr;
    if (in_flight && plan->sequences.empty() && plan->records.empty()) close(*plan);
  }
  for (std::size_t at = s.path.size(); at < s.table.size(); ++at) give_back(s.table[at]);
  leave_end(s);
  sequences.remove_if([&s](const Sequence &other) { return &other == &s; });
  ++counters_.freed_sequences;
  somebody_let_go();
}

std::uint32_t Model::drop_owner(std::uint64_t owner, bool in_flight) {
  std::uint32_t released = 0;
  publish_pending();
  for (Sequence *s : in_order_of_slots(sequences)) {
    if (s->owner != owner) continue;
    free(*s, in_flight);
    ++released;
  }
  for (const Hold *hold : in_order_of_slots(holds)) {
    if (hold->owner != owner || (!hold->pin && !in_flight)) continue;
    release(hold->handle);
    ++released;
  }
  return released;
}

// -- pins, leases, clear --

akv_status Model::pin(const Tokens &prompt, std::uint64_t domain, std::uint64_t owner, akv_pin got,
                      std::uint32_t &tokens) {
  publish_pending();
  const Match m = match(domain, prompt, static_cast<std::uint32_t>(prompt.size()));
  if (m.path.empty()) return AKV_ERROR_NOT_FOUND;
  if (holds.size() == config.max_holds) return AKV_ERROR_NO_HOLDS;
  look_who_holds();
  std::uint32_t pinned = 0;
  for (const Node &node : nodes_) pinned += node.held[1] || std::count(m.path.begin(), m.path.end(), &node) != 0;
  if (pinned > config.max_pinned) return AKV_ERROR_PIN_BUDGET;
  holds.push_back({got, owner, true, m.path.back()});
  tokens = static_cast<std::uint32_t>(m.path.size()) * config.block_tokens;
  somebody_let_go();
  return AKV_OK;
}

akv_status Model::lease(Sequence &s, std::uint32_t num_tokens, std::uint64_t owner, akv_lease got,
                        std::uint64_t &wait) {
  if (akv_status status = quiet(s); status != AKV_OK) return status;
  if (num_tokens == 0 || num_tokens > s.length()) return AKV_ERROR_OUT_OF_RANGE;
  if (holds.size() == config.max_holds) return AKV_ERROR_NO_HOLDS;
  publish_pending();
  const std::uint32_t blocks = blocks_of(num_tokens);
  share(s, blocks);
  s.look_anew();
  holds.push_back({got, owner, false, s.path[blocks - 1]});
  wait = num_tokens > s.ticket_from ? unsettled(s.last_ticket) : 0;
  for (std::uint32_t at = 0; at < blocks; ++at) wait = std::max(wait, unsettled(s.path[at]->last_ticket));
  somebody_let_go();
  return AKV_OK;
}

void Model::release(std::uint64_t handle) {
  if (const Hold *hold = find_hold(handle); hold != nullptr) hold->end->left = newest;
  holds.remove_if([handle](const Hold &hold) { return hold.handle == handle; });
  somebody_let_go();
}

std::uint32_t Model::clear(const std::uint64_t *domain, bool keep_pinned) {
  publish_pending();
  look_who_holds();
  std::uint32_t blocks = 0;
  for (Sequence &s : sequences) s.no_publish |= domain == nullptr || s.domain == *domain;
  for (Node &node : nodes_) {
    if ((domain != nullptr && node.domain != *domain) || (keep_pinned && node.held[1])) continue;
    blocks += node.linked;
    node.linked = false;
    node.dead = true;
  }
  somebody_let_go();
  return blocks;
}

}  // namespace reference
