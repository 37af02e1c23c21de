// reference_commit.cpp: token ids, commit and publishing, in the model.
// It knows when something may be found; not who looks for it.
#include "reference_model.hpp"

namespace reference {

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
    else if (more && publishable(s)) publish(s);
  }
  return AKV_OK;
}

bool Model::publishable(const Sequence &s) const {
  std::uint32_t first = 0;
  while (first < s.looks_at && first < s.path.size() && s.path[first]->linked) ++first;
  return !s.no_publish && s.state == AKV_SEQUENCE_ACTIVE &&
         std::min(s.known(), s.committed) / config.block_tokens > first;
}

void Model::publish_later(Sequence &s) {
  if (s.pending || !publishable(s)) return;
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
  s.look_anew();
  if (s.no_publish || s.lost || s.state != AKV_SEQUENCE_ACTIVE) return;
  const auto link = [&](Node *node, std::uint32_t at) {
    node->linked = true;
    node->filled = size;
    node->tokens.assign(s.tokens.begin() + at * size, s.tokens.begin() + (at + 1) * size);
    if (!settled(s.last_ticket) && (at + 1) * std::uint64_t{size} > s.ticket_from / size * size) {
      node->first_ticket = s.first_ticket;
      node->last_ticket = s.last_ticket;
    }
    for (Sequence &other : sequences)
      if (&other != &s && at < other.path.size() && other.path[at] == node)
        other.looks_at = std::min(other.looks_at, at);
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

}  // namespace reference
