// random_holds.cpp: tickets, plans, pins and leases: what keeps blocks beyond a sequence.
// It knows no table.
#include "random_run.hpp"

namespace model_test {

void Run::pin_or_unpin() {
  if (!model_.holds.empty() && random_.one_in(2)) {
    const Hold hold = random_.pick(model_.holds);
    if (!hold.pin) return;
    note("unpin");
    expect(akv_prefix_unpin(cache_, hold.handle), AKV_OK, "unpin");
    expect(akv_prefix_unpin(cache_, hold.handle), AKV_ERROR_BAD_HANDLE, "the second unpin");
    return model_.release(hold.handle);
  }
  const Tokens tokens = some_prompt();
  const std::uint64_t domain = some_domain(), owner = random_.below(4);
  note("pin %zu tokens", tokens.size());
  const akv_prompt prompt = prompt_of(tokens, domain);
  akv_pin pin = 0;
  std::uint32_t pinned = 0, want = 0;
  const akv_status status = akv_prefix_pin(cache_, &prompt, owner, &pin, &pinned);
  expect(status, model_.pin(tokens, domain, owner, pin, want), "pin");
  if (status == AKV_OK) same(pinned, want, "pinned tokens");
}

void Run::lease_or_release() {
  if (!model_.holds.empty() && random_.one_in(2)) {
    const Hold hold = random_.pick(model_.holds);
    if (hold.pin) return;
    note("release lease");
    std::vector<std::int32_t> want, got(model_.config.num_blocks);
    for (const reference::Node *node = hold.end; node != nullptr; node = node->parent)
      want.insert(want.begin(), node->id);
    std::uint32_t count = 0;
    expect(akv_lease_read_blocks(cache_, hold.handle, got.data(), model_.config.num_blocks, &count), AKV_OK,
           "lease_read_blocks");
    got.resize(count);
    if (got != want) fail("the blocks of a lease");
    expect(akv_lease_release(cache_, hold.handle), AKV_OK, "lease_release");
    expect(akv_lease_release(cache_, hold.handle), AKV_ERROR_BAD_HANDLE, "the second release");
    return model_.release(hold.handle);
  }
  Sequence *s = some_sequence();
  if (s == nullptr) return;
  const std::uint32_t tokens = random_.below(s->length() + 2);
  const std::uint64_t owner = random_.below(4);
  note("lease %u tokens of %" PRIx64, tokens, s->handle);
  akv_lease lease = 0;
  akv_ticket wait = 0;
  std::uint64_t want = 0;
  const akv_status status = akv_lease_acquire(cache_, s->handle, tokens, owner, &lease, &wait);
  expect(status, model_.lease(*s, tokens, owner, lease, want), "lease_acquire");
  if (status == AKV_OK) same(number(wait), want, "wait");
}

void Run::open_or_end_ticket() {
  if (!tickets_) return;
  if (model_.open_tickets.empty() || random_.one_in(2)) {
    note("open ticket");
    akv_ticket opened = 0;
    const akv_status status = akv_ticket_open(cache_, &opened);
    expect(status, model_.open_ticket(), "ticket_open");
    if (status != AKV_OK) return;
    same(number(opened), model_.newest, "the ticket's number");
    ticket_base_ = opened & ~((std::uint64_t{1} << 48) - 1);
    return;
  }
  const std::uint64_t n = random_.one_in(10) ? 1 + random_.below(static_cast<std::uint32_t>(model_.newest))
                                             : random_.pick(model_.open_tickets);
  std::uint32_t state = 0;
  expect(akv_ticket_read(cache_, ticket(n), &state), AKV_OK, "ticket_read");
  same(state, model_.ticket_state(n), "the ticket's state");
  if (random_.one_in(8) && model_.open_tickets.count(n) != 0) {
    note("abandon ticket %" PRIu64, n);
    std::uint32_t lost = 0;
    expect(akv_ticket_abandon(cache_, ticket(n), &lost), AKV_OK, "ticket_abandon");
    return same(lost, model_.abandon(n), "sequences that lost content");
  }
  note("retire ticket %" PRIu64, n);
  expect(akv_ticket_retire(cache_, ticket(n)), model_.retire(n), "ticket_retire");
}

void Run::end_plan() {
  if (!model_.plans.empty()) end(random_.pick(model_.plans));
}

void Run::end(Plan &plan) {
  const akv_plan handle = plan.handle;
  check_plan(handle);
  if (random_.one_in(3)) {
    note("abandon plan %" PRIx64, handle);
    expect(akv_plan_abandon(cache_, handle), AKV_OK, "plan_abandon");
    model_.abandon_plan(plan);
    return expect(akv_plan_abandon(cache_, handle), AKV_ERROR_BAD_HANDLE, "the second abandon");
  }
  const akv_ticket t = plan.swaps && !random_.one_in(8) ? 0 : some_ticket();
  note("finish plan %" PRIx64 " under ticket %" PRIu64, handle, number(t));
  expect(akv_plan_finish(cache_, handle, t), model_.finish(plan, number(t)), "plan_finish");
}

}  // namespace model_test
