// reference_model.cpp: the answers, found the long way.
// It knows the contract of the headers; it copies everything and looks at everything each time.
#include "reference_model.hpp"

#include <algorithm>

namespace reference {
namespace {

constexpr std::int32_t kUnknown = AKV_TOKEN_UNKNOWN;
std::uint32_t slot_of(std::uint64_t handle) { return static_cast<std::uint32_t>(handle & 0xfffff); }

template <class Container>
auto in_order_of_slots(Container &things) {
  std::vector<decltype(&things.front())> sorted;
  for (auto &thing : things) sorted.push_back(&thing);
  std::sort(sorted.begin(), sorted.end(), [](auto a, auto b) { return slot_of(a->handle) < slot_of(b->handle); });
  return sorted;
}

}  // namespace

std::uint32_t Sequence::known() const {
  return static_cast<std::uint32_t>(std::find(tokens.begin(), tokens.end(), kUnknown) - tokens.begin());
}

Model::Model(const Config &wanted) : config(wanted) {
  for (std::uint32_t id = 1; id <= config.num_blocks; ++id) free_.insert(static_cast<std::int32_t>(id));
  used_.resize(config.num_blocks + 1);
  condemned_.resize(config.num_blocks + 1);
  last_domain_.resize(config.num_blocks + 1);
  looking_ = config.scrub == AKV_SCRUB_ALWAYS;
}

std::uint32_t Model::blocks_of(std::uint64_t tokens) const {
  return static_cast<std::uint32_t>((tokens + config.block_tokens - 1) / config.block_tokens);
}

Sequence *Model::find(akv_sequence handle) {
  for (Sequence &s : sequences)
    if (s.handle == handle) return &s;
  return nullptr;
}
Plan *Model::find_plan(akv_plan handle) {
  for (Plan &p : plans)
    if (p.handle == handle) return &p;
  return nullptr;
}
const Hold *Model::find_hold(std::uint64_t handle) const {
  for (const Hold &h : holds)
    if (h.handle == handle) return &h;
  return nullptr;
}

// -- the tree --

Node *Model::add(Node *parent, std::uint64_t domain, std::int32_t id) {
  nodes_.push_back({id, parent, parent == nullptr ? 0 : parent->index + 1, domain, {}, config.block_tokens});
  return &nodes_.back();
}

bool Model::has_children(const Node *node) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [node](const Node &other) { return other.parent == node; });
}

std::vector<Node *> Model::children(const Node *parent, std::uint64_t domain) const {
  std::vector<Node *> found;
  for (const Node &node : nodes_)
    if (node.linked && node.parent == parent && (parent != nullptr || node.domain == domain))
      found.push_back(const_cast<Node *>(&node));
  return found;
}

// The sibling that begins most like these tokens. Among equals it is the one whose further bits, read from the first
// that tells siblings apart, follow the key's, and 0 where the key has ended.
Node *Model::nearest(std::vector<Node *> siblings, const std::int32_t *tokens, std::uint32_t count) const {
  for (std::uint32_t bit = 0; siblings.size() > 1 && bit < config.block_tokens * 32; ++bit) {
    const auto bit_of = [bit](const std::int32_t *t) {
      return static_cast<std::uint32_t>(t[bit / 32]) >> (31 - bit % 32) & 1;
    };
    std::vector<Node *> sides[2];
    for (Node *node : siblings) sides[bit_of(node->tokens.data())].push_back(node);
    if (sides[0].empty() || sides[1].empty()) continue;
    siblings = sides[bit / 32 < count ? bit_of(tokens) : 0];
  }
  return siblings.empty() ? nullptr : siblings.front();
}

Node *Model::equal_child(const Node *parent, std::uint64_t domain, const std::int32_t *tokens) const {
  for (Node *node : children(parent, domain))
    if (std::equal(node->tokens.begin(), node->tokens.end(), tokens)) return node;
  return nullptr;
}

Match Model::match(std::uint64_t domain, const Tokens &tokens, std::uint32_t limit) const {
  Match m;
  const std::uint32_t size = config.block_tokens;
  for (;;) {
    const Node *end = m.path.empty() ? nullptr : m.path.back();
    const std::uint32_t at = static_cast<std::uint32_t>(m.path.size()) * size, left = limit - at,
                        compared = std::min(left, size);
    Node *next = compared == size ? equal_child(end, domain, tokens.data() + at) : nullptr;
    if (next != nullptr) {
      m.path.push_back(next);
      m.wait = std::max(m.wait, unsettled(next->last_ticket));
      continue;
    }
    next = nearest(children(end, domain), tokens.data() + at, compared);
    if (next == nullptr) return m;
    while (m.partial < compared && next->tokens[m.partial] == tokens[at + m.partial]) ++m.partial;
    if (m.partial != 0) {
      m.source = next;
      m.partial_wait = unsettled(next->last_ticket);
    }
    return m;
  }
}

void Model::look_who_holds() {
  for (Node &node : nodes_) std::fill(std::begin(node.held), std::end(node.held), false);
  const auto mark = [](Node *node, int kind) {
    for (; node != nullptr; node = node->parent) node->held[kind] = true;
  };
  for (const Sequence &s : sequences)
    if (!s.path.empty()) mark(s.path.back(), 0);
  for (const Hold &hold : holds) mark(hold.end, hold.pin ? 1 : 2);
  for (const Plan &plan : plans)
    for (Node *node : plan.leases) mark(node, 2);
}

void Model::remove(Node *node) {
  give_back(node->id);
  nodes_.remove_if([node](const Node &other) { return &other == node; });
}

// After somebody has gained or lost a hold: what nobody holds any more is cached from now on, or gone.
void Model::somebody_let_go() {
  look_who_holds();
  ++clock_;
  for (bool again = true; again;) {
    again = false;
    for (Node &node : nodes_) {
      const bool held = node.held[0] || node.held[1] || node.held[2];
      if (!held && !node.linked && !has_children(&node)) {
        remove(&node);
        again = true;
        break;
      }
      const bool cached = !held && node.linked;
      if (cached && !node.cached) {
        node.stamp = clock_;
        node.epoch = newest;
      }
      node.cached = cached;
    }
  }
}

std::uint32_t Model::count_evictable() const {
  return static_cast<std::uint32_t>(
      std::count_if(nodes_.begin(), nodes_.end(), [this](const Node &n) { return evictable(n); }));
}

// Least recently used first, and of what was let go together the deepest.
void Model::evict(std::uint32_t count) {
  for (; count != 0; --count) {
    Node *victim = nullptr;
    for (Node &node : nodes_)
      if (node.cached && !has_children(&node) &&
          (victim == nullptr || node.stamp < victim->stamp ||
           (node.stamp == victim->stamp && node.index > victim->index)))
        victim = &node;
    if (victim == nullptr || !evictable(*victim)) return;
    free_.insert(victim->id);
    nodes_.remove_if([victim](const Node &other) { return &other == victim; });
    ++counters_.evicted_blocks;
  }
}

// -- blocks --

void Model::give_back(std::int32_t id) {
  if (settled(newest)) free_.insert(id);
  else quarantine_.push_back({newest, id});
}

void Model::end_ticket(std::uint64_t ticket) {
  open_tickets.erase(ticket);
  std::erase_if(quarantine_, [this](const auto &entry) {
    if (!settled(entry.first)) return false;
    free_.insert(entry.second);
    return true;
  });
}

bool Model::secure(std::uint32_t count) {
  if (pool_free() + count_evictable() < count) in_magazine_ = 0;
  return pool_free() + count_evictable() >= count;
}

// Take `count` secured blocks behind the sequence's table: the library says which.
void Model::take(Sequence &s, std::uint32_t count) {
  if (pool_free() < count) evict(count - pool_free());
  const std::vector<std::int32_t> table = read_table(s.handle);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = s.table.size();
    const std::int32_t id = at < table.size() ? table[at] : -1;
    if (free_.erase(id) == 0) complaint = "a new block is not one of the free ones";
    s.table.push_back(id);
  }
}

void Model::refill() {
  if (in_magazine_ >= config.magazine) return;
  const std::uint32_t wanted = config.magazine - in_magazine_;
  if (pool_free() < wanted) evict(wanted - pool_free());
  const std::uint32_t more = std::min(pool_free(), wanted);
  in_magazine_ += more;
  counters_.refills += more != 0;
}

bool Model::pop_from_magazine() {
  if (in_magazine_ == 0) refill();
  if (in_magazine_ == 0) return false;
  --in_magazine_;
  return true;
}

void Model::meet(std::uint64_t domain) {
  if (config.scrub != AKV_SCRUB_DOMAIN || looking_) return;
  if (!any_domain_) first_domain_ = domain;
  any_domain_ = true;
  if (domain != first_domain_) looking_ = true;
}

// Hand a block to `domain`: must it be zeroed first?
bool Model::scrub(std::int32_t id, std::uint64_t domain) {
  const auto i = static_cast<std::size_t>(id);
  const bool zero =
      looking_ && used_[i] && (config.scrub == AKV_SCRUB_ALWAYS || condemned_[i] || last_domain_[i] != domain);
  used_[i] = true;
  condemned_[i] = false;
  last_domain_[i] = domain;
  return zero;
}

void Model::condemn(std::int32_t id) {
  if (config.scrub == AKV_SCRUB_NONE) return;
  looking_ = true;
  used_[static_cast<std::size_t>(id)] = condemned_[static_cast<std::size_t>(id)] = true;
}

std::uint32_t Model::live_and_own() const {
  std::uint32_t blocks = 0;
  for (const Node &node : nodes_) blocks += node.held[0];
  for (const Sequence &s : sequences)
    for (std::uint32_t at = 0; at < s.table.size(); ++at) blocks += is_own(s, at);
  return blocks;
}
void Model::note_peak() {
  look_who_holds();
  counters_.peak_live_blocks = std::max(counters_.peak_live_blocks, live_and_own());
}

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
  return s.lost ? AKV_ERROR_CONTENT_LOST : s.plan != nullptr ? AKV_ERROR_PLAN_OPEN : AKV_OK;
}

akv_status Model::check_admission(const akv_sequence_options &options, std::uint32_t length) const {
  for (const Sequence &s : sequences)
    if (options.request_id != 0 && s.request_id == options.request_id) return AKV_ERROR_ALREADY_EXISTS;
  if (sequences.size() == config.max_sequences) return AKV_ERROR_NO_SEQUENCES;
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

akv_status Model::can_allocate(const Tokens &prompt, std::uint64_t domain, const akv_sequence_options &given,
                               akv_room &want) {
  akv_sequence_options options = given;
  if (options.max_tokens == 0) options.max_tokens = config.max_tokens;
  publish_pending();
  Match m;
  if ((options.flags & AKV_SEQUENCE_NO_MATCH) == 0 && prompt.size() > 1)
    m = match(domain, prompt, static_cast<std::uint32_t>(prompt.size()) - 1);
  if ((options.flags & AKV_SEQUENCE_PARTIAL) == 0) m.partial = 0;
  const auto shared = static_cast<std::uint32_t>(m.path.size());
  const std::uint32_t cached = shared * config.block_tokens + m.partial;
  const std::uint32_t length =
      (options.flags & AKV_SEQUENCE_PREFIX_ONLY) != 0 ? cached : static_cast<std::uint32_t>(prompt.size());
  std::uint32_t held = m.partial != 0 && evictable(*m.source);
  for (const Node *node : m.path) held += evictable(*node);
  want.blocks_needed = std::max(blocks_of(std::max(length, options.reserve_tokens)), shared) - shared;
  want.blocks_available = static_cast<std::uint32_t>(free_.size()) + count_evictable() - held;
  want.tokens_available = std::uint64_t{want.blocks_available} * config.block_tokens;
  const bool will_look = looking_ || (config.scrub == AKV_SCRUB_DOMAIN && any_domain_ && domain != first_domain_);
  const bool may_plan = m.partial != 0 || (will_look && want.blocks_needed != 0);
  want.status = check_admission(options, static_cast<std::uint32_t>(prompt.size()));
  if (want.status == AKV_OK && may_plan && plans.size() == config.max_plans) want.status = AKV_ERROR_NO_PLANS;
  if (want.status == AKV_OK && want.blocks_needed > want.blocks_available) want.status = AKV_ERROR_NO_BLOCKS;
  return AKV_OK;
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

  Match m;
  if ((options.flags & AKV_SEQUENCE_NO_MATCH) == 0 && num_tokens > 1) m = match(domain, prompt, num_tokens - 1);
  if ((options.flags & AKV_SEQUENCE_PARTIAL) == 0) m.partial = 0;
  const std::uint32_t shared = static_cast<std::uint32_t>(m.path.size()), cached = shared * config.block_tokens;
  std::uint32_t held = m.partial != 0 && evictable(*m.source);
  for (const Node *node : m.path) held += evictable(*node);
  secure(asked.blocks_needed + held);
  const bool commit = (options.flags & AKV_SEQUENCE_COMMITTED) != 0;
  want.cached_tokens = cached;
  want.partial_tokens = m.partial;
  want.length = (options.flags & AKV_SEQUENCE_PREFIX_ONLY) != 0 ? cached + m.partial : num_tokens;
  want.shared_blocks = shared;
  want.new_blocks = asked.blocks_needed;
  want.wait = m.wait;

  Sequence &s = new_sequence(got.sequence, domain, options, options.max_tokens);
  Plan *plan = nullptr;
  if (m.partial != 0) {
    plan = &open_plan();
    plan->leases.push_front(m.source);
  }
  s.path = m.path;
  somebody_let_go();
  for (const Node *node : s.path) s.table.push_back(node->id);
  take(s, asked.blocks_needed);
  for (std::uint32_t at = shared; at < s.table.size(); ++at) {
    if (!scrub(s.table[at], domain)) continue;
    if (plan == nullptr) plan = &open_plan();
    plan->records.push_back({AKV_PLAN_ZERO, 0, 0, 0, s.table[at], 0, 0, 0, config.block_tokens, s.handle, 0, 0});
  }
  if (m.partial != 0)
    plan->records.push_back(
        {AKV_PLAN_PARTIAL, 0, 0, m.source->id, s.table[shared], 0, 0, 0, m.partial, s.handle, m.partial_wait, 0});
  s.tokens.assign(prompt.begin(), prompt.begin() + want.length);
  s.committed = cached;
  if (plan != nullptr) {
    plan->handle = got.plan;
    want.plan = got.plan;
    for (const akv_plan_record &record : plan->records) plan->wait = std::max(plan->wait, record.wait);
    join(*plan, s);
    s.created_by_plan = true;
    s.commit_on_finish = commit ? want.length : cached + m.partial;
  }
  counters_.prompt_tokens += num_tokens;
  counters_.hit_tokens += cached;
  counters_.partial_tokens += m.partial;
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

void Model::join(Plan &plan, Sequence &s) {
  plan.sequences.push_front(&s);
  s.plan = &plan;
  s.created_by_plan = false;
}

// -- growing --

// Is the end of its path private, never published, and nobody else's?
bool Model::absorbable(const Sequence &s) const {
  if (s.path.empty() || s.path.back()->linked || s.path.back()->dead || has_children(s.path.back())) return false;
  const Node *last = s.path.back();
  std::uint32_t users = 0;
  for (const Sequence &other : sequences) users += !other.path.empty() && other.path.back() == last;
  for (const Hold &hold : holds) users += hold.end == last;
  for (const Plan &plan : plans)
    users += static_cast<std::uint32_t>(std::count(plan.leases.begin(), plan.leases.end(), last));
  return users == 1;
}

bool Model::absorb(Sequence &s) {
  bool any = false;
  while (absorbable(s)) {
    Node *last = s.path.back();
    s.path.pop_back();
    nodes_.remove_if([last](const Node &other) { return &other == last; });
    any = true;
  }
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
    if (absorb(*row.sequence)) continue;
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
    for (std::uint32_t at = before; at < blocks; ++at) {
      if (!scrub(s.table[at], s.domain)) continue;
      if (plan == nullptr) plan = &open_plan();
      plan->records.push_back({AKV_PLAN_ZERO, 0, 0, 0, s.table[at], 0, 0, 0, config.block_tokens, s.handle, 0, 0});
    }
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
  if (tail_shared(s) && !absorb(s)) {
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
  for (std::uint32_t at = before; at < s.table.size(); ++at) {
    if (!scrub(s.table[at], s.domain)) continue;
    if (plan == nullptr) plan = &open_plan();
    plan->records.push_back({AKV_PLAN_ZERO, 0, 0, 0, s.table[at], 0, 0, 0, config.block_tokens, s.handle, 0, 0});
  }
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
  const bool shared = count != 0 && tail_shared(s) && !absorbable(s), too_long = count > s.max_tokens - s.length();
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

// -- tokens, commit, publishing --

akv_status Model::set_tokens(Sequence &s, std::uint32_t first, const Tokens &tokens) {
  if (s.lost) return AKV_ERROR_CONTENT_LOST;
  if (first > s.length() || tokens.size() > s.length() - first) return AKV_ERROR_OUT_OF_RANGE;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] == kUnknown || (s.tokens[first + i] != kUnknown && s.tokens[first + i] != tokens[i]))
      return AKV_ERROR_INVALID_ARGUMENT;
  std::copy(tokens.begin(), tokens.end(), s.tokens.begin() + first);
  publish_later(s);
  return AKV_OK;
}

akv_status Model::commit_number(std::uint64_t ticket, std::uint64_t &number) const {
  number = 0;
  if (ticket == 0) return AKV_OK;
  if (open_tickets.count(ticket) != 0) {
    number = ticket;
    return AKV_OK;
  }
  if (newest - ticket >= config.max_tickets) return AKV_ERROR_BAD_HANDLE;
  return abandoned.count(ticket) != 0 ? AKV_ERROR_CONTENT_LOST : AKV_OK;
}

void Model::note_ticket(Sequence &s, std::uint64_t from, std::uint64_t first, std::uint64_t last) {
  if (settled(last)) return;
  if (settled(s.last_ticket)) {
    s.ticket_from = from;
    s.first_ticket = first;
    s.last_ticket = last;
    return;
  }
  s.ticket_from = std::min(s.ticket_from, from);
  s.first_ticket = std::min(s.first_ticket, first);
  s.last_ticket = std::max(s.last_ticket, last);
}

akv_status Model::commit(const std::vector<Sequence *> &batch, const std::vector<std::uint32_t> &lengths,
                         std::uint64_t ticket) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (akv_status status = quiet(*batch[i]); status != AKV_OK) return status;
    if (lengths[i] > batch[i]->length()) return AKV_ERROR_OUT_OF_RANGE;
  }
  std::uint64_t number = 0;
  if (akv_status status = commit_number(ticket, number); status != AKV_OK) return status;
  if (ticket != 0) publish_pending();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Sequence &s = *batch[i];
    const bool more = lengths[i] > s.committed;
    if (more && number != 0) note_ticket(s, s.committed, number, number);
    s.committed = std::max(s.committed, lengths[i]);
    if (ticket == 0) publish_later(s);
    else if (more) publish(s);
  }
  return AKV_OK;
}

void Model::publish_later(Sequence &s) {
  std::uint32_t first = 0;
  while (first < s.path.size() && s.path[first]->linked) ++first;
  if (s.pending || s.no_publish || std::min(s.known(), s.committed) / config.block_tokens <= first) return;
  s.pending = true;
  pending_.push_back(&s);
}

void Model::publish_pending() {
  for (Sequence *s : pending_) {
    publish(*s);
    s->pending = false;
  }
  pending_.clear();
}

void Model::publish(Sequence &s) {
  const std::uint32_t size = config.block_tokens, target = std::min(s.known(), s.committed) / size;
  if (s.no_publish || s.lost) return;
  const auto link = [&](Node *node, std::uint32_t at) {
    node->linked = true;
    node->filled = size;
    node->tokens.assign(s.tokens.begin() + at * size, s.tokens.begin() + (at + 1) * size);
    if (!settled(s.last_ticket) && (at + 1) * std::uint64_t{size} > s.ticket_from / size * size) {
      node->first_ticket = s.first_ticket;
      node->last_ticket = s.last_ticket;
    }
    ++counters_.published_blocks;
  };
  for (std::uint32_t at = 0; at < s.path.size(); ++at) {
    Node *node = s.path[at];
    if (node->linked) continue;
    if (node->dead || at >= target) return;
    if (equal_child(node->parent, s.domain, s.tokens.data() + at * size) != nullptr) return;
    link(node, at);
  }
  while (s.path.size() < target) {
    const auto at = static_cast<std::uint32_t>(s.path.size());
    Node *end = s.path.empty() ? nullptr : s.path.back();
    Node *equal = equal_child(end, s.domain, s.tokens.data() + at * size);
    if (equal != nullptr && unsettled(equal->last_ticket) != 0) break;  // never rest on what another is still writing
    if (equal == nullptr) {
      equal = add(end, s.domain, s.table[at]);
      link(equal, at);
    }
    s.path.push_back(equal);
  }
  somebody_let_go();
}

std::uint32_t Model::published_tokens(const Sequence &s) const {
  std::uint32_t blocks = 0;
  for (std::uint32_t at = 0; at < s.path.size(); ++at)
    if (s.path[at]->linked) blocks = at + 1;
  return blocks * config.block_tokens;
}

std::uint64_t Model::wait_of(const Sequence &s) const {
  std::uint64_t wait = unsettled(s.last_ticket);
  for (const Node *node : s.path) wait = std::max(wait, unsettled(node->last_ticket));
  return wait;
}

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
  Sequence &child = new_sequence(got, parent.domain, options, options.max_tokens);
  child.path.assign(parent.path.begin(), parent.path.begin() + blocks);
  for (const Node *node : child.path) child.table.push_back(node->id);
  child.tokens.assign(parent.tokens.begin(), parent.tokens.begin() + length);
  child.committed = std::min(parent.committed, length);
  child.no_publish |= parent.no_publish;
  child.ticket_from = parent.ticket_from;
  child.first_ticket = parent.first_ticket;
  child.last_ticket = parent.last_ticket;
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
  s.path.resize(keep_duplicate ? blocks - 1 : blocks);
  somebody_let_go();
}

akv_status Model::truncate(Sequence &s, std::uint32_t length, bool keep) {
  if (s.plan != nullptr) return AKV_ERROR_PLAN_OPEN;
  if (length > s.length()) return AKV_ERROR_OUT_OF_RANGE;
  if (s.lost && length > s.sound) return AKV_ERROR_CONTENT_LOST;
  const std::uint32_t blocks = blocks_of(length);
  if (s.pending || s.lost || blocks <= s.path.size() || (!keep && blocks != s.table.size())) publish_pending();
  const bool inside = length % config.block_tokens != 0;
  if (blocks < s.path.size() || (blocks == s.path.size() && inside)) truncate_path(s, blocks, inside);
  if (!keep)
    while (s.table.size() > blocks) {
      give_back(s.table.back());
      s.table.pop_back();
    }
  s.tokens.resize(length);
  s.committed = std::min(s.committed, length);
  if (s.lost && length <= s.ticket_from) s.first_ticket = s.last_ticket = 0;
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
    if (!absorb(s)) return AKV_ERROR_PLAN_NEEDED;
  }
  s.tokens.resize(length, kUnknown);
  return AKV_OK;
}

void Model::free(Sequence &s, bool in_flight) {
  publish_pending();
  drop_duplicates(s, 0);
  Plan *plan = s.plan;
  if (plan != nullptr) {
    if (!in_flight && s.table.size() > s.path.size()) {
      share(s, static_cast<std::uint32_t>(s.table.size()));
      plan->leases.push_front(s.path.back());
    }
    plan->sequences.remove(&s);
    s.plan = nullptr;
    if (in_flight && plan->sequences.empty()) close(*plan);
  }
  for (std::size_t at = s.path.size(); at < s.table.size(); ++at) give_back(s.table[at]);
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
  holds.push_back({got, owner, false, s.path[blocks - 1]});
  wait = num_tokens > s.ticket_from ? unsettled(s.last_ticket) : 0;
  for (std::uint32_t at = 0; at < blocks; ++at) wait = std::max(wait, unsettled(s.path[at]->last_ticket));
  somebody_let_go();
  return AKV_OK;
}

void Model::release(std::uint64_t handle) {
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
  if (s.created_by_plan) return s.committed;
  if (s.undo_id != 0) return s.undo_index * config.block_tokens;
  return std::min(s.undo_blocks * config.block_tokens, s.undo_length);
}

std::uint32_t Model::abandon(std::uint64_t ticket) {
  publish_pending();
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
    if (!settled(s.last_ticket) && s.first_ticket <= ticket && ticket <= s.last_ticket)
      sound = static_cast<std::uint32_t>(std::min<std::uint64_t>(sound, s.ticket_from));
    if (s.plan != nullptr &&
        std::any_of(s.plan->leases.begin(), s.plan->leases.end(), [](const Node *n) { return n->lost; }))
      sound = std::min(sound, first_planned(s));
    if (sound == s.length()) continue;
    if (s.lost) {
      s.sound = std::min(s.sound, sound);
      continue;
    }
    s.lost = true;
    s.sound = sound;
    ++lost;
    for (std::size_t at = std::max<std::size_t>(s.path.size(), sound / config.block_tokens); at < s.table.size(); ++at)
      condemn(s.table[at]);
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
  abandoned.insert(ticket);
  end_ticket(ticket);
  return lost;
}

void Model::close(Plan &plan) {
  while (!plan.leases.empty()) {
    plan.leases.pop_front();
    somebody_let_go();
  }
  plans.remove_if([&plan](const Plan &other) { return &other == &plan; });
}

akv_status Model::finish(Plan &plan, std::uint64_t ticket) {
  std::uint64_t number = 0;
  if (akv_status status = commit_number(ticket, number); status != AKV_OK) return status;
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
    publish(s);
  }
  close(plan);
  return AKV_OK;
}

void Model::abandon_plan(Plan &plan) {
  publish_pending();
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
  }
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
  std::uint32_t run = 0, taken = 0;
  for (std::uint8_t code : map) {
    run = code == AKV_BLOCK_FREE ? run + 1 : 0;
    want.largest_free_run = std::max(want.largest_free_run, run);
    taken += code == AKV_BLOCK_LIVE || code == AKV_BLOCK_RESERVED;
  }
  for (const Node &node : nodes_)
    if (node.held[0]) want.live_tokens += node.filled;
  for (const Sequence &s : sequences) {
    const std::uint64_t held = s.path.size() * std::uint64_t{config.block_tokens};
    want.live_tokens += s.length() > held ? s.length() - held : 0;
    want.live_tokens += duplicates(s) * std::uint64_t{config.block_tokens};
  }
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
    if (s.domain == domain && s.length() >= (hit + 1) * size &&
        std::equal(prompt.begin(), prompt.begin() + (hit + 1) * size, s.tokens.begin()))
      return AKV_MISS_NOT_COMMITTED;
  for (const Node &node : nodes_)
    if (node.linked && node.parent == nullptr && node.domain != domain &&
        match(node.domain, prompt, limit).path.size() > hit)
      return AKV_MISS_OTHER_DOMAIN;
  return AKV_MISS_NEVER_STORED;
}

}  // namespace reference
