// reference_growth.cpp: how the model creates sequences and lets them grow.
// It knows sequences; the tree is in reference_tree.cpp.
#include "reference_model.hpp"

namespace reference {

// -- sequences --

bool Model::is_own(const Sequence &s, std::uint32_t at) const {
  return at >= s.path.size() || s.table[at] != s.path[at]->id;
}
std::uint32_t Model::duplicates(const Sequence &s) const {
  std::uint32_t count = 0;
  for (std::uint32_t at = 0; at < s.path.size(); ++at) count += is_own(s, at);
  return count;
}
bool Model::tail_shared(const Sequence &s) const {
  return s.length() % config.block_tokens != 0 && blocks_of(s.length()) <= s.path.size();
}
std::uint32_t Model::room(const Sequence &s) const {
  const std::uint32_t used = blocks_of(s.length());
  return used > s.path.size() ? used * config.block_tokens - s.length() : 0;
}
akv_status Model::quiet(const Sequence &s) const {
  return s.lost                            ? AKV_ERROR_CONTENT_LOST
         : s.state == AKV_SEQUENCE_SWAPPED ? AKV_ERROR_SWAPPED
         : s.plan != nullptr               ? AKV_ERROR_PLAN_OPEN
                                           : AKV_OK;
}

akv_status Model::check_admission(const akv_sequence_options &options, std::uint32_t length) const {
  for (const Sequence &s : sequences)
    if (options.request_id != 0 && s.request_id == options.request_id) return AKV_ERROR_ALREADY_EXISTS;
  if (sequences.size() == config.max_sequences) return AKV_ERROR_NO_SEQUENCES;
  const bool contiguous = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0;
  if (contiguous && !config.buddy) return AKV_ERROR_UNSUPPORTED;
  if (contiguous && length == 0 && options.reserve_tokens == 0) return AKV_ERROR_INVALID_ARGUMENT;
  if (length > options.max_tokens || options.reserve_tokens > options.max_tokens) return AKV_ERROR_NO_CAPACITY;
  return AKV_OK;
}

Sequence &Model::new_sequence(akv_sequence handle, std::uint64_t domain, const akv_sequence_options &options,
                              std::uint32_t max_tokens) {
  sequences.push_back({});
  Sequence &s = sequences.back();
  s.handle = handle;
  s.domain = domain;
  s.request_id = options.request_id;
  s.owner = options.owner;
  s.max_tokens = max_tokens;
  s.no_publish = (options.flags & AKV_SEQUENCE_NO_PUBLISH) != 0;
  ++counters_.created_sequences;
  return s;
}

// What a prompt finds, as far as these options want it.
Match Model::admit(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &options) const {
  Match m;
  if ((options.flags & AKV_SEQUENCE_NO_MATCH) == 0 && prompt.size() > 1)
    m = match(domain, prompt, static_cast<std::uint32_t>(prompt.size()) - 1);
  if ((options.flags & AKV_SEQUENCE_PARTIAL) == 0) {
    m.partial = 0;
    m.source = nullptr;
  }
  m.cached = static_cast<std::uint32_t>(m.path.size()) * config.block_tokens + m.partial;
  m.shared = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0 ? 0 : static_cast<std::uint32_t>(m.path.size());
  m.touched = m.path;
  if (m.source != nullptr) m.touched.push_back(m.source);
  return m;
}

akv_status Model::can_allocate(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &given,
                               akv_room &want) {
  akv_sequence_options options = given;
  if (options.max_tokens == 0) options.max_tokens = config.max_tokens;
  publish_pending();
  const Match m = admit(prompt, domain, options);
  const std::uint32_t length =
      (options.flags & AKV_SEQUENCE_PREFIX_ONLY) != 0 ? m.cached : static_cast<std::uint32_t>(prompt.size());
  const std::uint32_t total =
      std::max(blocks_of(std::max(length, options.reserve_tokens)), static_cast<std::uint32_t>(m.path.size()));
  want.blocks_needed = total - m.shared;
  want.blocks_available = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0
                              ? longest_extent(m.touched)
                              : static_cast<std::uint32_t>(free_.size()) + count_evictable() - held_by(m.touched);
  want.tokens_available = std::uint64_t{want.blocks_available} * config.block_tokens;
  const bool will_look = looking_ || (config.scrub == AKV_SCRUB_DOMAIN && any_domain_ && domain != first_domain_);
  const bool may_plan = m.touched.size() > m.shared || (will_look && want.blocks_needed != 0);
  want.status = check_admission(options, static_cast<std::uint32_t>(prompt.size()));
  if (want.status == AKV_OK && may_plan && plans.size() == config.max_plans) want.status = AKV_ERROR_NO_PLANS;
  if (want.status == AKV_OK && want.blocks_needed > want.blocks_available) want.status = AKV_ERROR_NO_BLOCKS;
  return AKV_OK;
}

// Evictable now, and not any more when somebody holds these.
std::uint32_t Model::held_by(const std::vector<Node *> &nodes) const {
  return static_cast<std::uint32_t>(
      std::count_if(nodes.begin(), nodes.end(), [this](const Node *node) { return evictable(*node); }));
}

akv_status Model::create(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &given,
                         const akv_created &got, akv_created &want) {
  akv_sequence_options options = given;
  if (options.max_tokens == 0) options.max_tokens = config.max_tokens;
  const auto num_tokens = static_cast<std::uint32_t>(prompt.size());
  if (akv_status status = check_admission(options, num_tokens); status != AKV_OK) return status;
  akv_room asked = AKV_ROOM_INIT;
  can_allocate(prompt, domain, options, asked);
  counters_.refused_no_blocks += asked.status == AKV_ERROR_NO_BLOCKS;
  if (asked.status == AKV_ERROR_NO_BLOCKS) in_magazine_ = 0;  // called back in vain
  if (asked.status != AKV_OK) return asked.status;
  meet(domain);

  const Match m = admit(prompt, domain, options);
  const std::uint32_t cached = m.shared * config.block_tokens;
  const bool commit = (options.flags & AKV_SEQUENCE_COMMITTED) != 0,
             contiguous = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0;
  if (!contiguous) secure(asked.blocks_needed + held_by(m.touched));
  want.cached_tokens = cached;
  want.partial_tokens = m.cached - cached;
  want.length = (options.flags & AKV_SEQUENCE_PREFIX_ONLY) != 0 ? m.cached : num_tokens;
  want.shared_blocks = m.shared;
  want.new_blocks = asked.blocks_needed;
  want.wait = contiguous ? 0 : m.wait;  // of what is shared: copies have it in their records

  Sequence &s = new_sequence(got.sequence, domain, options, options.max_tokens);
  s.contiguous = contiguous;
  if (contiguous) s.max_tokens = std::min(s.max_tokens, asked.blocks_needed * config.block_tokens);
  Plan *plan = nullptr;
  if (m.touched.size() > m.shared) {
    plan = &open_plan();
    plan->leases.push_front(m.touched.back());
  }
  s.path.assign(m.path.begin(), m.path.begin() + m.shared);
  somebody_let_go();
  for (const Node *node : s.path) s.table.push_back(node->id);
  contiguous ? take_extent(s, asked.blocks_needed) : take(s, asked.blocks_needed);
  plan = zero_new_blocks(s, m.shared, plan);
  for (std::uint32_t at = m.shared; at < m.touched.size(); ++at) {
    const bool whole = at < m.path.size();
    plan->records.push_back({AKV_PLAN_PARTIAL, 0, 0, m.touched[at]->id, s.table[at], 0, 0, 0,
                             whole ? config.block_tokens : m.partial, s.handle, whole ? m.wait : m.partial_wait, 0});
  }
  s.tokens.assign(prompt.begin(), prompt.begin() + want.length);
  s.committed = cached;
  if (plan != nullptr) {
    plan->handle = got.plan;
    want.plan = got.plan;
    for (const akv_plan_record &record : plan->records) plan->wait = std::max(plan->wait, record.wait);
    join(*plan, s);
    s.created_by_plan = true;
    s.commit_on_finish = commit ? want.length : m.cached;
  }
  counters_.prompt_tokens += num_tokens;
  counters_.hit_tokens += cached;
  counters_.partial_tokens += m.cached - cached;
  note_peak();
  if (plan == nullptr && commit && want.length > cached) {
    s.committed = want.length;
    publish(s);
  }
  return AKV_OK;
}

Plan &Model::open_plan() {
  plans.push_back({});
  return plans.back();
}

// Zero what needs it of the table's blocks from `first` on; for that there may have to be a plan.
Plan *Model::zero_new_blocks(Sequence &s, std::uint32_t first, Plan *plan) {
  for (std::uint32_t at = first; at < s.table.size(); ++at) {
    if (!scrub(s.table[at], s.domain)) continue;
    if (plan == nullptr) plan = &open_plan();
    plan->records.push_back({AKV_PLAN_ZERO, 0, 0, 0, s.table[at], 0, 0, 0, config.block_tokens, s.handle, 0, 0});
  }
  return plan;
}

void Model::join(Plan &plan, Sequence &s) {
  plan.sequences.push_front(&s);
  s.plan = &plan;
  s.created_by_plan = false;
}

// -- growing --

// Is the end of its path private, never published, and nobody else's? To be written on it must also be so that nobody
// left it under a ticket that has not passed.
bool Model::absorbable(const Sequence &s, bool to_write) const {
  if (s.path.empty() || s.path.back()->linked || s.path.back()->dead || has_children(s.path.back())) return false;
  const Node *last = s.path.back();
  if (to_write && !settled(last->left)) return false;
  std::uint32_t users = 0;
  for (const Sequence &other : sequences) users += !other.path.empty() && other.path.back() == last;
  for (const Hold &hold : holds) users += hold.end == last;
  for (const Plan &plan : plans)
    users += static_cast<std::uint32_t>(std::count(plan.leases.begin(), plan.leases.end(), last));
  return users == 1;
}

// Blocks of its path, less the private ones at the end that nobody else has.
std::uint32_t Model::shared_blocks(const Sequence &s) const {
  std::size_t shared = s.path.size();
  const Node *below = nullptr;
  for (; shared != 0; --shared) {
    const Node *node = s.path[shared - 1];
    std::size_t others = 0;
    for (const Sequence &other : sequences)
      others += &other != &s && std::count(other.path.begin(), other.path.end(), node) != 0;
    for (const Hold &hold : holds) others += hold.end == node;
    for (const Plan &plan : plans)
      others += static_cast<std::size_t>(std::count(plan.leases.begin(), plan.leases.end(), node));
    for (const Node &child : nodes_) others += child.parent == node && &child != below;
    if (node->linked || node->dead || others != 0 || !settled(node->left)) break;
    below = node;
  }
  return static_cast<std::uint32_t>(shared) - duplicates(s);
}

bool Model::absorb(Sequence &s, bool to_write) {
  bool any = false;
  while (absorbable(s, to_write)) {
    Node *last = s.path.back();
    if (last->parent != nullptr) last->parent->left = std::max(last->parent->left, last->left);
    s.path.pop_back();
    nodes_.remove_if([last](const Node &other) { return &other == last; });
    any = true;
  }
  if (any) s.look_anew();
  return any;
}

void Model::share(Sequence &s, std::uint32_t blocks) {
  while (s.path.size() < blocks) {
    const auto at = static_cast<std::uint32_t>(s.path.size());
    Node *node = add(s.path.empty() ? nullptr : s.path.back(), s.domain, s.table[at]);
    const std::uint64_t before = std::uint64_t{at} * config.block_tokens;
    node->filled = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(s.length(), before, before + config.block_tokens) - before);
    s.path.push_back(node);
  }
  somebody_let_go();
}

void Model::copy_tail(Sequence &s, Plan &plan) {
  const auto index = static_cast<std::uint32_t>(s.path.size()) - 1;
  Node *source = s.path.back();
  s.look_anew();
  const std::int32_t from = s.table[index];
  if (pool_free() < 1) evict(1);
  const std::vector<std::int32_t> table = read_table(s.handle);
  const std::int32_t to = index < table.size() ? table[index] : -1;
  if (free_.erase(to) == 0) complaint = "the copy of a shared block is not one of the free ones";
  if (scrub(to, s.domain))
    plan.records.push_back({AKV_PLAN_ZERO, 0, 0, 0, to, 0, 0, 0, config.block_tokens, s.handle, 0, 0});
  const std::uint64_t own = s.length() > s.ticket_from ? unsettled(s.last_ticket) : 0;
  const std::uint64_t wait = std::max(own, unsettled(source->last_ticket));
  plan.records.push_back(
      {AKV_PLAN_COPY_ON_WRITE, 0, 0, from, to, 0, 0, 0, s.length() % config.block_tokens, s.handle, wait, 0});
  plan.leases.push_front(source);
  s.undo_id = from;
  s.undo_index = index;
  s.undo_source = source;
  leave_end(s);
  s.path.pop_back();
  somebody_let_go();
  s.table[index] = to;
  ++counters_.copy_on_writes;
}

akv_status Model::append(std::vector<Row> rows, bool commit, bool may_plan, bool single, akv_plan got, akv_plan &want) {
  std::uint64_t needed = 0;
  bool shared_tails = false;
  if (single && quiet(*rows[0].sequence) == AKV_OK) {
    Sequence &s = *rows[0].sequence;
    const auto count = static_cast<std::uint32_t>(rows[0].tokens.size()), here = room(s);
    const std::uint32_t blocks = blocks_of(std::uint64_t{s.length()} + count);
    if (count <= s.max_tokens - s.length() && count > here && count - here <= config.block_tokens &&
        (here != 0 || s.length() % config.block_tokens == 0) && blocks > s.table.size() && pop_from_magazine()) {
      const std::vector<std::int32_t> table = read_table(s.handle);
      const std::int32_t id = s.table.size() < table.size() ? table[s.table.size()] : -1;
      if (free_.erase(id) == 0) complaint = "a block out of a magazine is not one of the free ones";
      scrub(id, s.domain);
      s.table.push_back(id);
    }
  }
  for (const Row &row : rows) {
    const Sequence &s = *row.sequence;
    if (akv_status status = quiet(s); status != AKV_OK) return status;
    if (row.tokens.size() > s.max_tokens - s.length()) return AKV_ERROR_NO_CAPACITY;
    const std::uint32_t blocks = blocks_of(s.length() + row.tokens.size());
    if (row.tokens.size() > room(s)) needed += std::max<std::uint64_t>(blocks, s.table.size()) - s.table.size();
    shared_tails |= !row.tokens.empty() && tail_shared(s);
  }
  std::vector<Sequence *> copies;
  // A few blocks and nothing special: out of the magazine, without the lock.
  const bool popped = !shared_tails && needed != 0 && !looking_ && needed <= in_magazine_;
  if (popped) in_magazine_ -= static_cast<std::uint32_t>(needed);
  if (shared_tails) publish_pending();
  for (const Row &row : rows) {
    if (row.tokens.empty() || !tail_shared(*row.sequence)) continue;
    if (absorb(*row.sequence, true)) continue;
    if (row.sequence->committed < row.sequence->length()) return AKV_ERROR_NOT_COMMITTED;
    copies.push_back(row.sequence);
  }
  needed += copies.size();
  const bool plan_wanted = !copies.empty() || (needed != 0 && looking_);
  if (plan_wanted && !may_plan) return AKV_ERROR_PLAN_NEEDED;
  if (plan_wanted && plans.size() == config.max_plans) return AKV_ERROR_NO_PLANS;
  if (!popped && (needed != 0 || shared_tails) && !secure(static_cast<std::uint32_t>(needed))) {
    ++counters_.refused_no_blocks;
    return AKV_ERROR_NO_BLOCKS;
  }
  if (!popped && pool_free() < needed) evict(static_cast<std::uint32_t>(needed) - pool_free());
  Plan *plan = copies.empty() ? nullptr : &open_plan();
  for (Row &row : rows) {
    Sequence &s = *row.sequence;
    s.undo_length = s.length();
    s.undo_blocks = static_cast<std::uint32_t>(s.table.size());
    s.undo_id = 0;
    if (std::count(copies.begin(), copies.end(), &s) != 0) copy_tail(s, *plan);
    const std::uint32_t blocks = blocks_of(s.length() + row.tokens.size()),
                        before = static_cast<std::uint32_t>(s.table.size());
    if (blocks <= before) continue;
    take(s, blocks - before);
    if (!popped) s.look_anew();
    plan = zero_new_blocks(s, before, plan);
  }
  if (!popped && (needed != 0 || shared_tails)) {
    note_peak();
    if (needed <= config.magazine) refill();
  }
  want = AKV_NONE;
  if (plan != nullptr) {
    plan->handle = want = got;
    for (const akv_plan_record &record : plan->records) plan->wait = std::max(plan->wait, record.wait);
  }
  for (Row &row : rows) {
    Sequence &s = *row.sequence;
    s.tokens.insert(s.tokens.end(), row.tokens.begin(), row.tokens.end());
    if (plan == nullptr) {
      if (commit) s.committed = s.length();
    } else {
      join(*plan, s);
      s.commit_on_finish = commit ? s.length() : s.committed;
    }
  }
  for (Row &row : rows)
    if (plan == nullptr && commit) publish_later(*row.sequence);
  return AKV_OK;
}

akv_status Model::reserve(Sequence &s, std::uint32_t num_tokens, bool may_plan, akv_plan got, akv_plan &want) {
  if (akv_status status = quiet(s); status != AKV_OK) return status;
  if (num_tokens > s.max_tokens) return AKV_ERROR_NO_CAPACITY;
  want = AKV_NONE;
  if (num_tokens <= s.length()) return AKV_OK;
  publish_pending();
  bool copy = false;
  if (tail_shared(s) && !absorb(s, true)) {
    if (s.committed < s.length()) return AKV_ERROR_NOT_COMMITTED;
    copy = true;
  }
  const std::uint32_t blocks = blocks_of(num_tokens), before = static_cast<std::uint32_t>(s.table.size());
  const std::uint32_t needed = copy + std::max(blocks, before) - before;
  if (needed == 0) return AKV_OK;
  if ((copy || looking_) && !may_plan) return AKV_ERROR_PLAN_NEEDED;
  if ((copy || looking_) && plans.size() == config.max_plans) return AKV_ERROR_NO_PLANS;
  if (!secure(needed)) {
    ++counters_.refused_no_blocks;
    return AKV_ERROR_NO_BLOCKS;
  }
  Plan *plan = copy ? &open_plan() : nullptr;
  s.undo_length = s.length();
  s.undo_blocks = before;
  s.undo_id = 0;
  if (copy) copy_tail(s, *plan);
  if (blocks > before) take(s, blocks - before);
  s.look_anew();
  plan = zero_new_blocks(s, before, plan);
  note_peak();
  if (plan == nullptr) return AKV_OK;
  plan->handle = want = got;
  for (const akv_plan_record &record : plan->records) plan->wait = std::max(plan->wait, record.wait);
  join(*plan, s);
  s.commit_on_finish = s.committed;
  return AKV_OK;
}

akv_status Model::can_extend(Sequence &s, std::uint32_t count, akv_room &want) {
  publish_pending();
  const bool shared = count != 0 && tail_shared(s) && !absorbable(s, true);
  const bool too_long = count > s.max_tokens - s.length();
  const std::uint32_t blocks = too_long ? 0 : blocks_of(s.length() + count),
                      have = static_cast<std::uint32_t>(s.table.size());
  want.blocks_needed = std::max(blocks, have) - have + shared;
  want.blocks_available = static_cast<std::uint32_t>(free_.size()) + count_evictable();
  want.status = quiet(s);
  if (want.status != AKV_OK) return AKV_OK;
  if (too_long) want.status = AKV_ERROR_NO_CAPACITY;
  else if (shared && s.committed < s.length()) want.status = AKV_ERROR_NOT_COMMITTED;
  else if ((shared || (want.blocks_needed != 0 && looking_)) && plans.size() == config.max_plans)
    want.status = AKV_ERROR_NO_PLANS;
  else if (want.blocks_needed > want.blocks_available) want.status = AKV_ERROR_NO_BLOCKS;
  return AKV_OK;
}

}  // namespace reference
