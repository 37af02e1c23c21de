// random_calls.cpp: the calls on one sequence, each on the library and on the model.
// It knows no batch.
#include "random_run.hpp"

#include <algorithm>

namespace model_test {

void Run::create() {
  const Tokens tokens = some_prompt();
  const std::uint64_t domain = some_domain();
  const akv_prompt prompt = prompt_of(tokens, domain);
  const akv_sequence_options options = some_options(false);
  note("create %zu tokens, domain %" PRIu64 ", flags %u, reserve %u, max %u", tokens.size(), domain, options.flags,
       options.reserve_tokens, options.max_tokens);
  akv_room room = AKV_ROOM_INIT, want_room = AKV_ROOM_INIT;
  expect(akv_cache_can_allocate(cache_, &prompt, &options, &room), AKV_OK, "can_allocate");
  model_.can_allocate(tokens, domain, options, want_room);
  same(room.blocks_needed, want_room.blocks_needed, "room.blocks_needed");
  same(room.blocks_available, want_room.blocks_available, "room.blocks_available");
  akv_created got = AKV_CREATED_INIT, want = AKV_CREATED_INIT;
  const akv_status status = akv_sequence_create(cache_, &prompt, &options, &got);
  same(room.status, status, "can_allocate's forecast");
  expect(status, model_.create(tokens, domain, options, got, want), "create");
  if (status != AKV_OK) return;
  same(got.length, want.length, "length");
  same(got.cached_tokens, want.cached_tokens, "cached_tokens");
  same(got.partial_tokens, want.partial_tokens, "partial_tokens");
  same(got.shared_blocks, want.shared_blocks, "shared_blocks");
  same(got.new_blocks, want.new_blocks, "new_blocks");
  same(got.plan, want.plan, "plan");
  same(number(got.wait), want.wait, "wait");
  check_plan(got.plan);
}

void Run::append() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  std::uint32_t count = random_.one_in(4) ? random_.below(2 * model_.config.block_tokens + 2) : 1;
  const bool commit = random_.one_in(2), unknown = random_.one_in(6), may_plan = !random_.one_in(8);
  Tokens tokens = some_tokens(count);
  if (unknown) std::fill(tokens.begin(), tokens.end(), AKV_TOKEN_UNKNOWN);
  note("append %u%s%s to %" PRIx64, count, unknown ? " unknown" : "", commit ? " committed" : "", s->handle);
  akv_room room = AKV_ROOM_INIT, want_room = AKV_ROOM_INIT;
  expect(akv_sequence_can_extend(cache_, s->handle, count, &room), AKV_OK, "can_extend");
  model_.can_extend(*s, count, want_room);
  same(static_cast<std::uint32_t>(room.status), static_cast<std::uint32_t>(want_room.status), "room.status");
  if (s->state != AKV_SEQUENCE_SWAPPED) same(room.blocks_needed, want_room.blocks_needed, "room.blocks_needed");
  same(room.blocks_available, want_room.blocks_available, "room.blocks_available");
  akv_plan plan = 77, want = AKV_NONE;
  akv_plan *out = may_plan ? &plan : nullptr;
  akv_status status;
  if (single_appends_) {
    status = akv_sequence_append(cache_, s->handle, unknown ? nullptr : tokens.data(), count,
                                 commit ? AKV_APPEND_COMMITTED : 0u, out);
  } else {
    akv_batch batch = AKV_BATCH_INIT;
    batch.flags = commit ? AKV_APPEND_COMMITTED : 0u;
    batch.num_sequences = 1;
    batch.sequences = &s->handle;
    batch.num_tokens = &count;
    batch.tokens = unknown ? nullptr : tokens.data();
    batch.tokens_count = unknown ? 0 : count;
    status = akv_sequence_append_batch(cache_, &batch, nullptr, out);
  }
  expect(status, model_.append({{s, tokens}}, commit, may_plan, single_appends_, plan, want), "append");
  if (status != AKV_OK) same(plan, 77u, "plan of a call that failed");
  if (status == AKV_OK && may_plan) {
    same(plan, want, "plan");
    check_plan(plan);
  }
}

void Run::commit() {
  std::vector<Sequence *> chosen;
  std::vector<akv_sequence> handles;
  std::vector<std::uint32_t> lengths;
  const bool all = random_.one_in(4);
  for (Sequence &s : model_.sequences) {
    if (s.state == AKV_SEQUENCE_SWAPPED ? !random_.one_in(8) : random_.one_in(2)) continue;
    chosen.push_back(&s);
    handles.push_back(s.handle);
    lengths.push_back(all || random_.one_in(2) ? s.length() : random_.below(s.length() + 2));
  }
  if (chosen.empty()) return;
  const akv_ticket t = some_ticket();
  note("commit %zu under ticket %" PRIu64, chosen.size(), number(t));
  const akv_status want = model_.commit(chosen, lengths, number(t));
  if (chosen.size() == 1 && random_.one_in(2))
    expect(akv_sequence_commit(cache_, handles[0], lengths[0], t), want, "commit");
  else
    expect(akv_sequence_commit_batch(cache_, handles.data(), all ? nullptr : lengths.data(),
                                     static_cast<std::uint32_t>(handles.size()), t),
           want, "commit_batch");
}

void Run::set_tokens() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  const std::uint32_t known = s->known(), first = random_.one_in(3) ? random_.below(s->length() + 2) : known;
  Tokens tokens = some_tokens(1 + random_.below(3));
  if (random_.one_in(20)) tokens[0] = AKV_TOKEN_UNKNOWN;
  note("set_tokens %zu at %u of %" PRIx64, tokens.size(), first, s->handle);
  expect(akv_sequence_set_tokens(cache_, s->handle, first, tokens.data(), static_cast<std::uint32_t>(tokens.size())),
         model_.set_tokens(*s, first, tokens), "set_tokens");
}

void Run::fork() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  const std::uint32_t length = random_.one_in(2) ? AKV_UNSET : random_.below(s->length() + 2);
  const akv_sequence_options options = some_options(true);
  note("fork %" PRIx64 " at %u", s->handle, length);
  akv_sequence child = 0;
  const akv_status status = akv_sequence_fork(cache_, s->handle, length, &options, &child);
  expect(status, model_.fork(*s, length, options, child), "fork");
}

void Run::truncate() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  std::uint32_t length = random_.below(s->length() + 2);
  if (random_.one_in(2)) length = s->length() - std::min(s->length(), random_.below(3));
  if (s->lost && random_.one_in(2)) length = random_.below(s->sound + 1);
  const bool keep = random_.one_in(3);
  note("truncate %" PRIx64 " to %u%s", s->handle, length, keep ? ", keep blocks" : "");
  expect(akv_sequence_truncate(cache_, s->handle, length, keep ? AKV_TRUNCATE_KEEP_BLOCKS : 0u),
         model_.truncate(*s, length, keep), "truncate");
}

void Run::set_length() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  const std::uint32_t length = random_.below(s->length() + 2 * model_.config.block_tokens + 2);
  note("set_length %" PRIx64 " to %u", s->handle, length);
  expect(akv_sequence_set_length(cache_, s->handle, length), model_.set_length(*s, length), "set_length");
}

void Run::reserve() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  const std::uint32_t tokens = random_.below(s->length() + 2 * model_.config.block_tokens + 3);
  const bool may_plan = !random_.one_in(6);
  note("reserve %u for %" PRIx64, tokens, s->handle);
  akv_plan plan = 77, want = AKV_NONE;
  const akv_status status = akv_sequence_reserve(cache_, s->handle, tokens, may_plan ? &plan : nullptr);
  expect(status, model_.reserve(*s, tokens, may_plan, plan, want), "reserve");
  if (status != AKV_OK) same(plan, 77u, "plan of a call that failed");
  if (status == AKV_OK && may_plan) {
    same(plan, want, "plan");
    check_plan(plan);
  }
}

void Run::free() {
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  note("free %" PRIx64, s->handle);
  const akv_sequence handle = s->handle;
  if (random_.one_in(3)) {
    const akv_sequence twice[] = {handle, handle};
    akv_status statuses[2];
    std::uint32_t freed = 0, stale = 0;
    expect(akv_sequence_free_batch(cache_, twice, 2, &freed, &stale, statuses), AKV_OK, "free_batch");
    same(freed * 10 + stale, 11, "freed and stale");
    expect(statuses[1], AKV_ERROR_BAD_HANDLE, "the second free");
  } else {
    expect(akv_sequence_free(cache_, handle), AKV_OK, "free");
    expect(akv_sequence_free(cache_, handle), AKV_ERROR_BAD_HANDLE, "the second free");
  }
  model_.free(*s);
}

void Run::drop_owner() {
  const std::uint64_t owner = 1 + random_.below(3);
  const bool in_flight = random_.one_in(2);
  note("drop_owner %" PRIu64 "%s", owner, in_flight ? ", in flight" : "");
  std::uint32_t released = 0;
  expect(akv_cache_drop_owner(cache_, owner, in_flight ? AKV_DROP_IN_FLIGHT : 0u, &released), AKV_OK, "drop_owner");
  same(released, model_.drop_owner(owner, in_flight), "released");
}

void Run::look() {
  const Tokens tokens = some_prompt();
  const std::uint64_t domain = some_domain();
  const akv_prompt prompt = prompt_of(tokens, domain);
  note("match and explain %zu tokens", tokens.size());
  model_.publish_pending();
  akv_match got = AKV_MATCH_INIT;
  expect(akv_prefix_match(cache_, &prompt, &got), AKV_OK, "match");
  const reference::Match want =
      model_.match(domain, tokens, tokens.empty() ? 0 : static_cast<std::uint32_t>(tokens.size()) - 1);
  same(got.cached_blocks, static_cast<std::uint32_t>(want.path.size()), "cached_blocks");
  same(got.partial_tokens, want.partial, "partial_tokens");
  same(number(got.wait), std::max(want.wait, want.partial_wait), "wait");
  akv_explanation why = AKV_EXPLANATION_INIT;
  expect(akv_prefix_explain(cache_, &prompt, &why), AKV_OK, "explain");
  same(why.reason, model_.explain(tokens, domain), "the reason of a miss");
}

void Run::clear() {
  const std::uint64_t domain = some_domain();
  const bool one = random_.one_in(2), keep = random_.one_in(2);
  note("clear%s%s", one ? " one domain" : "", keep ? ", keep pinned" : "");
  std::uint32_t blocks = 0;
  expect(akv_prefix_clear(cache_, one ? &domain : nullptr, keep ? AKV_CLEAR_KEEP_PINNED : 0u, &blocks), AKV_OK,
         "clear");
  same(blocks, model_.clear(one ? &domain : nullptr, keep), "cleared blocks");
}

}  // namespace model_test
