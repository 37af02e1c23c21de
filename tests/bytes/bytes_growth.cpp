// bytes_growth.cpp: sequences from create to free. It moves no bytes; it keeps what each token's K/V must be.
// It knows no stream but for what a commit has to wait for.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>

namespace bytes_test {

Tokens Run::some_tokens(std::uint32_t count) {
  Tokens tokens(count);
  for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(random_.below(letters_)) - 1;
  return tokens;
}

// Something new, or a beginning of something that is there, so that prompts meet.
Tokens Run::some_prompt() {
  Tokens tokens;
  if (const Seq *seq = some_seq(true); seq != nullptr && random_.one_in(2)) tokens = seq->tokens;
  else if (!history_.empty() && !random_.one_in(4))
    tokens = history_[random_.below(static_cast<std::uint32_t>(history_.size()))];
  if (!tokens.empty() && random_.one_in(2)) tokens.resize(random_.below(static_cast<std::uint32_t>(tokens.size()) + 1));
  const std::uint32_t most = std::min(3 * block_tokens_ + 2, max_tokens_ - static_cast<std::uint32_t>(tokens.size()));
  if (random_.one_in(2)) {
    const Tokens more = some_tokens(random_.below(most + 1));
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  if (history_.size() > 12) history_.pop_front();
  history_.push_back(tokens);
  return tokens;
}

// K/V of a domain depend on its weights, and those change when it is cleared.
std::uint64_t Run::root_of(std::uint64_t domain) const {
  const auto era = eras_.find(domain);
  return Random::mix(domain * 1000003 + (era != eras_.end() ? era->second : 0) + 0x51ed2701);
}

void Run::stamp(Seq &seq) {
  while (seq.stamps.size() < seq.tokens.size()) {
    const std::uint64_t before = seq.stamps.empty() ? seq.root : seq.stamps.back();
    const auto token = static_cast<std::uint32_t>(seq.tokens[seq.stamps.size()]);
    seq.stamps.push_back(Random::mix(before * 0x9e3779b97f4a7c15u + token) | 1);
  }
}

Seq *Run::some_seq(bool with_plan) {
  if (seqs_.empty()) return nullptr;
  auto seq = std::next(seqs_.begin(), random_.below(static_cast<std::uint32_t>(seqs_.size())));
  if (!with_plan && (seq->plan != nullptr || seq->swapped)) return nullptr;
  return &*seq;
}

Seq *Run::create_from(const Tokens &tokens, std::uint64_t domain, std::uint32_t flags, std::uint32_t reserve) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = static_cast<std::uint32_t>(tokens.size());
  prompt.domain = domain;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = flags;
  options.reserve_tokens = reserve;
  akv_created created = AKV_CREATED_INIT;
  const akv_status status = akv_sequence_create(cache_, &prompt, &options, &created);
  note("create %zu tokens of domain %" PRIu64 ", flags %u: %s %" PRIx64 ", cached %u + %u, plan %" PRIx64,
       tokens.size(), domain, flags, akv_status_name(status), created.sequence, created.cached_tokens,
       created.partial_tokens, created.plan);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_SEQUENCES || status == AKV_ERROR_NO_PLANS) return nullptr;
  must(status, "create");
  seqs_.emplace_back();
  Seq &seq = seqs_.back();
  seq.handle = created.sequence;
  seq.domain = domain;
  seq.root = root_of(domain);
  seq.tokens = tokens;
  seq.tokens.resize(created.length);
  stamp(seq);
  seq.known = created.length;
  seq.written = created.cached_tokens + created.partial_tokens;
  seq.committed = created.cached_tokens;
  if (created.plan != 0) add_plan(created.plan, PlanKind::create, {{seq.handle, 0, 0}});
  else if (created.partial_tokens != 0) fail("partial tokens without a plan");
  return &seq;
}

void Run::create() {
  std::uint32_t flags = 0;
  if (random_.one_in(2)) flags |= AKV_SEQUENCE_PARTIAL;
  else if (random_.one_in(10)) flags |= AKV_SEQUENCE_NO_MATCH;
  if (buddy_ && random_.one_in(4)) flags |= AKV_SEQUENCE_CONTIGUOUS;
  else if (random_.one_in(10)) flags |= AKV_SEQUENCE_PREFIX_ONLY;
  if (random_.one_in(12)) flags |= AKV_SEQUENCE_NO_PUBLISH;
  const Tokens tokens = some_prompt();
  std::uint32_t reserve = random_.one_in(4) ? random_.below(max_tokens_ + 1) : 0;
  if (tokens.empty() && (flags & AKV_SEQUENCE_CONTIGUOUS) != 0) reserve = std::max(reserve, 1u);
  create_from(tokens, random_.below(domains_), flags, reserve);
}

void Run::add_plan(akv_plan handle, PlanKind kind, const std::vector<Plan::Of> &of) {
  plans_.emplace_back();
  Plan &plan = plans_.back();
  plan.handle = handle;
  plan.kind = kind;
  plan.of = of;
  for (const Plan::Of &each : of) seq_of(each.sequence)->plan = &plan;
}

// After the library took the tokens.
void Run::grown(Seq &seq, const Tokens &more, bool known) {
  if (known && seq.known == seq.length()) seq.known += static_cast<std::uint32_t>(more.size());
  seq.tokens.insert(seq.tokens.end(), more.begin(), more.end());
  stamp(seq);
}

void Run::append() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  const bool known = !random_.one_in(5);
  const Tokens more = some_tokens(random_.between(1, random_.one_in(3) ? 2 * block_tokens_ + 1 : 2));
  akv_plan plan = 0;
  const std::uint32_t count = static_cast<std::uint32_t>(more.size());
  const akv_status status = akv_sequence_append(cache_, seq->handle, known ? more.data() : nullptr, count, 0, &plan);
  note("append %u to %" PRIx64 ": %s, plan %" PRIx64, count, seq->handle, akv_status_name(status), plan);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_CAPACITY || status == AKV_ERROR_NO_PLANS) return;
  if (status == AKV_ERROR_NOT_COMMITTED && seq->committed < seq->length()) return;
  must(status, "append");
  const Plan::Of before{seq->handle, seq->length(), seq->written};
  grown(*seq, more, known);
  if (plan != 0) add_plan(plan, PlanKind::grow, {before});
}

void Run::append_batch() {
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> counts;
  std::vector<Plan::Of> before;
  Tokens all;
  for (Seq &seq : seqs_) {
    if (seq.plan != nullptr || seq.swapped || random_.one_in(2)) continue;
    handles.push_back(seq.handle);
    counts.push_back(random_.below(4));
    before.push_back({seq.handle, seq.length(), seq.written});
    const Tokens more = some_tokens(counts.back());
    all.insert(all.end(), more.begin(), more.end());
  }
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = static_cast<std::uint32_t>(handles.size());
  batch.sequences = handles.data();
  batch.num_tokens = counts.data();
  batch.tokens = all.data();
  batch.tokens_count = static_cast<std::uint32_t>(all.size());
  if (handles.empty() || all.empty()) return;
  akv_plan plan = 0;
  const akv_status status = akv_sequence_append_batch(cache_, &batch, nullptr, &plan);
  note("append %zu tokens to a batch of %zu: %s, plan %" PRIx64, all.size(), handles.size(), akv_status_name(status),
       plan);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_CAPACITY || status == AKV_ERROR_NO_PLANS ||
      status == AKV_ERROR_NOT_COMMITTED)
    return;
  must(status, "append_batch");
  auto token = all.begin();
  for (std::size_t i = 0; i < handles.size(); ++i, token += counts[i - 1])
    grown(*seq_of(handles[i]), Tokens(token, token + counts[i]), true);
  if (plan != 0) add_plan(plan, PlanKind::grow, before);
}

void Run::commit_now(Seq &seq, std::uint32_t length) {
  akv_ticket ticket = 0;
  std::uint32_t busy = kMaxStreams;  // a stream on which something of it may not be done yet
  for (std::uint32_t y = 0; y < num_streams_; ++y)
    if (stream(y).queues() && seq.last[y] > stream(y).settled()) busy = y;
  if (busy != kMaxStreams) {
    order_points(busy, seq.last);
    cover(busy);
    if (seq.last[busy] > stream(busy).settled()) ticket = current_[busy];
  } else if (random_.one_in(4)) {
    ticket = current_[some_stream()];
  }
  note("commit %u of %" PRIx64 " under ticket %" PRIx64, length, seq.handle, ticket);
  must(akv_sequence_commit(cache_, seq.handle, length, ticket), "commit");
  seq.committed = std::max(seq.committed, length);
}

void Run::commit() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  commit_now(*seq, random_.one_in(3) ? random_.below(seq->written + 1) : seq->written);
}

void Run::set_tokens() {
  Seq *seq = some_seq(true);
  if (seq == nullptr || seq->known == seq->length()) return;
  const std::uint32_t count = random_.between(1, seq->length() - seq->known);
  note("set %u tokens of %" PRIx64, count, seq->handle);
  must(akv_sequence_set_tokens(cache_, seq->handle, seq->known, &seq->tokens[seq->known], count), "set_tokens");
  seq->known = info(seq->handle).known;
}

void Run::fork() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  const std::uint32_t most = std::min(seq->committed, seq->known);
  const std::uint32_t length = random_.one_in(2) ? most : random_.below(most + 1);
  akv_sequence child = 0;
  const akv_status status = akv_sequence_fork(cache_, seq->handle, length, nullptr, &child);
  note("fork %u of %" PRIx64 ": %s %" PRIx64, length, seq->handle, akv_status_name(status), child);
  if (status == AKV_ERROR_NO_SEQUENCES) return;
  must(status, "fork");
  Seq copy;
  copy.handle = child;
  copy.domain = seq->domain;
  copy.root = seq->root;
  copy.tokens.assign(seq->tokens.begin(), seq->tokens.begin() + length);
  copy.stamps.assign(seq->stamps.begin(), seq->stamps.begin() + length);
  copy.known = copy.written = copy.committed = length;
  seqs_.push_back(copy);
}

void Run::truncate() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  const std::uint32_t length = random_.below(seq->length() + 1);
  const std::uint32_t flags = random_.one_in(2) ? AKV_TRUNCATE_KEEP_BLOCKS : 0u;
  note("truncate %" PRIx64 " from %u to %u, flags %u", seq->handle, seq->length(), length, flags);
  must(akv_sequence_truncate(cache_, seq->handle, length, flags), "truncate");
  seq->tokens.resize(length);
  seq->stamps.resize(length);
  seq->known = std::min(seq->known, length);
  seq->written = std::min(seq->written, length);
  seq->committed = std::min(seq->committed, length);
}

void Run::reserve() {
  Seq *seq = some_seq();
  if (seq == nullptr) return;
  akv_plan plan = 0;
  const std::uint32_t room = random_.below(max_tokens_ + 1);
  const akv_status status = akv_sequence_reserve(cache_, seq->handle, room, &plan);
  note("reserve %u for %" PRIx64 ": %s, plan %" PRIx64, room, seq->handle, akv_status_name(status), plan);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_CAPACITY || status == AKV_ERROR_NO_PLANS) return;
  if (status == AKV_ERROR_NOT_COMMITTED && seq->committed < seq->length()) return;
  must(status, "reserve");
  if (plan != 0) add_plan(plan, PlanKind::grow, {{seq->handle, seq->length(), seq->written}});
}

void Run::free_one() {
  if (Seq *seq = some_seq(true); seq != nullptr) free(*seq);
}

void Run::free(Seq &seq) {
  note("free %" PRIx64, seq.handle);
  must(akv_sequence_free(cache_, seq.handle), "free");
  if (seq.plan != nullptr) {
    auto &of = seq.plan->of;
    of.erase(std::remove_if(of.begin(), of.end(), [&](const Plan::Of &each) { return each.sequence == seq.handle; }),
             of.end());
  }
  seqs_.remove_if([&seq](const Seq &each) { return &each == &seq; });
}

// New weights: what was cached is not found any more, and what comes has other K/V.
void Run::clear() {
  const bool all = random_.one_in(2);
  const std::uint64_t domain = random_.below(domains_);
  note("clear");
  must(akv_prefix_clear(cache_, all ? nullptr : &domain, 0, nullptr), "clear");
  for (std::uint64_t d = 0; d < domains_; ++d)
    if (all || d == domain) ++eras_[d];
}

}  // namespace bytes_test
