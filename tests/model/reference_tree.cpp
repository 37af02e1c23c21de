// reference_tree.cpp: the prefix index of the model, a node per block; and where blocks come from and go to.
// It knows blocks; not what a sequence is about to do.
#include "reference_model.hpp"

namespace reference {

std::uint32_t Sequence::known() const {
  return static_cast<std::uint32_t>(std::find(tokens.begin(), tokens.end(), kUnknown) - tokens.begin());
}

Model::Model(const Config &wanted) : config(wanted) {
  for (std::uint32_t id = 1; id <= config.num_blocks; ++id) free_.insert(static_cast<std::int32_t>(id));
  for (std::uint32_t id = 1; id <= config.swap_blocks; ++id) free_swap_.insert(static_cast<std::int32_t>(id));
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

// It stops being one of those who hold the end of its path.
void Model::leave_end(Sequence &s) {
  if (!s.path.empty()) s.path.back()->left = newest;
}

void Model::remove(Node *node) {
  // Who held it held its parent as well.
  if (node->parent != nullptr) node->parent->left = std::max(node->parent->left, node->left);
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
  const auto release = [this](auto &from, auto &to) {
    std::erase_if(from, [&](const auto &entry) {
      if (!settled(entry.first)) return false;
      to.insert(entry.second);
      return true;
    });
  };
  release(quarantine_, free_);
  release(swap_quarantine_, free_swap_);
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

}  // namespace reference
