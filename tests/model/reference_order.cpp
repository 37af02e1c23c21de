// reference_order.cpp: tickets, plans and what is read out, in the model.
// It knows numbers of tickets; no time.
#include "reference_model.hpp"

namespace reference {

// -- tickets and plans --

akv_status Model::open_ticket() {
  if (newest + 1 - oldest_open() >= config.max_tickets) return AKV_ERROR_NO_TICKETS;
  open_tickets.insert(++newest);
  return AKV_OK;
}

akv_status Model::retire(std::uint64_t ticket) {
  if (open_tickets.count(ticket) == 0) return AKV_ERROR_BAD_HANDLE;
  end_ticket(ticket);
  return AKV_OK;
}

std::uint32_t Model::ticket_state(std::uint64_t ticket) const {
  if (ticket != 0 && open_tickets.count(ticket) != 0) return AKV_TICKET_OPEN;
  if (ticket != 0 && newest - ticket < config.max_tickets && abandoned.count(ticket) != 0) return AKV_TICKET_ABANDONED;
  return settled(ticket) ? AKV_TICKET_PASSED : AKV_TICKET_ENDED;
}

std::uint32_t Model::first_planned(const Sequence &s) const {
  if (s.created_by_plan || s.state == AKV_SEQUENCE_SWAPPING_IN) return s.committed;
  if (s.undo_id != 0) return s.undo_index * config.block_tokens;
  return std::min(s.undo_blocks * config.block_tokens, s.undo_length);
}

std::uint32_t Model::abandon(std::uint64_t ticket) {
  publish_pending();
  const bool zeroing = looking_;
  for (Node &node : nodes_)
    node.lost |= !settled(node.last_ticket) && node.first_ticket <= ticket && ticket <= node.last_ticket;
  for (Node &node : nodes_)
    for (const Node *above = node.parent; above != nullptr; above = above->parent) node.lost |= above->lost;
  for (Node &node : nodes_) {
    if (!node.lost) continue;
    condemn(node.id);
    node.linked = false;
    node.dead = true;
  }
  std::uint32_t lost = 0;
  for (Sequence &s : sequences) {
    std::uint32_t sound = s.length();
    for (const Node *node : s.path)
      if (node->lost) sound = std::min(sound, node->index * config.block_tokens);
    const bool touched = !settled(s.last_ticket) && s.first_ticket <= ticket && ticket <= s.last_ticket;
    if (touched) sound = static_cast<std::uint32_t>(std::min<std::uint64_t>(sound, s.ticket_from));
    if (s.plan != nullptr &&
        std::any_of(s.plan->leases.begin(), s.plan->leases.end(), [](const Node *n) { return n->lost; }))
      sound = std::min(sound, first_planned(s));
    const bool reserve = zeroing && touched && s.table.size() > blocks_of(s.length());
    if (sound == s.length() && !reserve) continue;
    for (std::size_t at = sound / config.block_tokens; at < s.table.size(); ++at) condemn(s.table[at]);
    s.sound = s.lost ? std::min(s.sound, sound) : sound;
    lost += !s.lost;
    s.lost = true;
  }
  look_who_holds();
  for (bool again = true; again;) {
    again = false;
    for (Node &node : nodes_) {
      if (node.linked || node.held[0] || node.held[1] || node.held[2] || has_children(&node)) continue;
      remove(&node);
      again = true;
      break;
    }
  }
  // What nobody will be asked about: given back since, or kept by leases and forks alone.
  for (const auto &[epoch, id] : quarantine_)
    if (epoch >= ticket) condemn(id);
  for (const Node &node : nodes_)
    if (!node.linked) condemn(node.id);
  abandoned.insert(ticket);
  end_ticket(ticket);
  return lost;
}

void Model::close(Plan &plan) {
  while (!plan.leases.empty()) {
    plan.leases.front()->left = newest;
    plan.leases.pop_front();
    somebody_let_go();
  }
  plans.remove_if([&plan](const Plan &other) { return &other == &plan; });
}

akv_status Model::finish(Plan &plan, std::uint64_t ticket) {
  std::uint64_t number = 0;
  if (akv_status status = commit_number(ticket, number); status != AKV_OK) return status;
  if (plan.swaps) return finish_swap(plan, number);
  publish_pending();
  const std::uint64_t wait = unsettled(plan.wait), last = std::max(number, wait);
  const std::uint64_t first = number != 0 && wait != 0 ? std::min(number, wait) : last;
  while (!plan.sequences.empty()) {
    Sequence &s = *plan.sequences.front();
    const std::uint32_t from = first_planned(s);
    plan.sequences.pop_front();
    s.plan = nullptr;
    if (last != 0) note_ticket(s, from, first, last);
    if (s.lost) continue;
    s.committed = std::max(s.committed, s.commit_on_finish);
    if (publishable(s)) publish(s);
  }
  close(plan);
  return AKV_OK;
}

void Model::abandon_plan(Plan &plan) {
  publish_pending();
  for (const akv_plan_record &record : plan.records)
    if (record.kind == AKV_PLAN_ZERO) condemn(record.target_block);
  if (plan.swaps) return abandon_swap(plan);
  while (!plan.sequences.empty()) {
    Sequence &s = *plan.sequences.front();
    plan.sequences.pop_front();
    s.plan = nullptr;
    if (s.created_by_plan) {
      free(s);
      continue;
    }
    while (s.table.size() > s.undo_blocks) {
      give_back(s.table.back());
      s.table.pop_back();
    }
    if (s.undo_id != 0) {
      give_back(s.table[s.undo_index]);
      s.table[s.undo_index] = s.undo_id;
      s.path.push_back(s.undo_source);
      somebody_let_go();
    }
    s.tokens.resize(s.undo_length);
    s.look_anew();
    s.sound = std::min(s.sound, s.undo_length);
  }
  close(plan);
}

// -- read-outs --

std::vector<std::uint8_t> Model::block_map() {
  look_who_holds();
  std::vector<std::uint8_t> map(config.num_blocks + 1, 0xff);
  const auto set = [&](std::int32_t id, std::uint8_t code) {
    if (id < 0 || static_cast<std::size_t>(id) >= map.size() || map[static_cast<std::size_t>(id)] != 0xff)
      complaint = "a block is in two places";
    else map[static_cast<std::size_t>(id)] = code;
  };
  set(0, AKV_BLOCK_NULL);
  for (std::int32_t id : free_) set(id, AKV_BLOCK_FREE);  // dirty ones too: the library tells which
  for (const auto &entry : quarantine_) set(entry.second, AKV_BLOCK_QUARANTINED);
  for (const Node &node : nodes_)
    set(node.id, node.held[0]   ? AKV_BLOCK_LIVE
                 : node.held[1] ? AKV_BLOCK_PINNED
                 : node.held[2] ? AKV_BLOCK_QUARANTINED
                                : AKV_BLOCK_CACHED);
  for (const Sequence &s : sequences)
    for (std::uint32_t at = 0; at < s.table.size(); ++at)
      if (is_own(s, at)) set(s.table[at], at < blocks_of(s.length()) ? AKV_BLOCK_LIVE : AKV_BLOCK_RESERVED);
  return map;
}

akv_cache_state Model::state() {
  akv_cache_state want = counters_;
  for (std::uint8_t code : block_map()) {
    want.free_blocks += code == AKV_BLOCK_FREE;
    want.reserved_blocks += code == AKV_BLOCK_RESERVED;
    want.live_blocks += code == AKV_BLOCK_LIVE;
    want.pinned_blocks += code == AKV_BLOCK_PINNED;
    want.cached_blocks += code == AKV_BLOCK_CACHED;
    want.quarantined_blocks += code == AKV_BLOCK_QUARANTINED;
  }
  want.num_blocks = config.num_blocks;
  want.block_tokens = config.block_tokens;
  want.evictable_blocks = count_evictable();
  want.peak_live_blocks = std::max(counters_.peak_live_blocks, live_and_own());
  want.sequences = static_cast<std::uint32_t>(sequences.size());
  want.max_sequences = config.max_sequences;
  for (const Sequence &s : sequences) {
    want.duplicate_blocks += duplicates(s);
    want.lost_sequences += s.lost;
    want.sequence_tokens += s.length();
    if (s.state != AKV_SEQUENCE_SWAPPED) continue;
    ++want.swapped_sequences;
    want.swapped_tokens += s.length();
  }
  want.num_swap_blocks = config.swap_blocks;
  want.free_swap_blocks = static_cast<std::uint32_t>(free_swap_.size());
  want.quarantined_swap_blocks = static_cast<std::uint32_t>(swap_quarantine_.size());
  want.acquired_swap_blocks = static_cast<std::uint32_t>(acquired.size());
  for (const Hold &hold : holds) ++(hold.pin ? want.pins : want.leases);
  want.plans = static_cast<std::uint32_t>(plans.size());
  want.open_tickets = static_cast<std::uint32_t>(open_tickets.size());
  want.oldest_open = open_tickets.empty() ? 0 : *open_tickets.begin();
  want.newest = newest;
  want.cached_tokens = std::uint64_t{want.cached_blocks + want.pinned_blocks} * config.block_tokens;
  return want;
}

akv_measures Model::measure() {
  akv_measures want = AKV_MEASURES_INIT;
  const std::vector<std::uint8_t> map = block_map();
  std::uint32_t run = 0, taken = 0, free = 0;
  for (std::uint8_t code : map) {
    free += code == AKV_BLOCK_FREE;
    run = code == AKV_BLOCK_FREE ? run + 1 : 0;
    want.largest_free_run = std::max(want.largest_free_run, run);
    taken += code == AKV_BLOCK_LIVE || code == AKV_BLOCK_RESERVED;
  }
  for (const Node &node : nodes_)
    if (node.held[0]) want.live_tokens += node.filled;
  for (const Sequence &s : sequences) {
    if (s.state == AKV_SEQUENCE_SWAPPED) continue;
    const std::uint64_t held = s.path.size() * std::uint64_t{config.block_tokens};
    want.live_tokens += s.length() > held ? s.length() - held : 0;
    want.live_tokens += duplicates(s) * std::uint64_t{config.block_tokens};
  }
  const double apart = free == 0 ? 0 : double(free - want.largest_free_run) / free;
  want.fragmentation = static_cast<float>(apart);
  want.advice = apart >= 0.5 ? AKV_ADVICE_ACT : apart >= 0.2 ? AKV_ADVICE_WATCH : AKV_ADVICE_NONE;
  const double room = double(taken) * config.block_tokens;
  want.waste = static_cast<float>(taken == 0 ? 0 : 1 - static_cast<double>(want.live_tokens) / room);
  return want;
}

std::uint32_t Model::explain(const Tokens &prompt, std::uint64_t domain) const {
  const auto num_tokens = static_cast<std::uint32_t>(prompt.size());
  const std::uint32_t limit = num_tokens == 0 ? 0 : num_tokens - 1, size = config.block_tokens;
  const Match m = match(domain, prompt, limit);
  const auto hit = static_cast<std::uint32_t>(m.path.size());
  if (match(domain, prompt, num_tokens).path.size() > hit) return AKV_MISS_LAST_TOKEN;
  if (m.wait != 0 || m.partial_wait != 0) return AKV_MISS_IN_FLIGHT;
  if (hit == limit / size) return AKV_MISS_NONE;
  for (const Sequence &s : sequences)
    if (s.state != AKV_SEQUENCE_SWAPPED && s.domain == domain && s.length() >= (hit + 1) * size &&
        s.known() > hit * size &&
        std::equal(prompt.begin(), prompt.begin() + std::min(s.known(), (hit + 1) * size), s.tokens.begin()))
      return AKV_MISS_NOT_COMMITTED;
  for (const Node &node : nodes_)
    if (node.linked && node.parent == nullptr && node.domain != domain &&
        match(node.domain, prompt, limit).path.size() > hit)
      return AKV_MISS_OTHER_DOMAIN;
  return AKV_MISS_NEVER_STORED;
}

}  // namespace reference
