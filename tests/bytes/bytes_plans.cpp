// bytes_plans.cpp: plans, run on the stores and ended in every way there is; and those that swap.
// It knows what a record means for the shadow.
#include "bytes_run.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace bytes_test {

Plan *Run::plan_of(akv_plan handle) {
  for (Plan &plan : plans_)
    if (plan.handle == handle) return &plan;
  return nullptr;
}

Seq *Run::seq_of(akv_sequence handle) {
  for (Seq &seq : seqs_)
    if (seq.handle == handle) return &seq;
  fail("a sequence that is none");
}

void Run::perform(const akv_plan_record &r, Moved (&sum)[kKinds][2]) {
  static const std::uint32_t kinds[] = {
      0, AKV_MOVED_COPY_ON_WRITE, AKV_MOVED_PARTIAL, AKV_MOVED_ZERO, AKV_MOVED_OUT, AKV_MOVED_IN};
  if (r.kind < 1 || r.kind > AKV_PLAN_SWAP_IN) fail("a record of kind %u", r.kind);
  const bool zero = r.kind == AKV_PLAN_ZERO;
  const std::uint32_t first = zero ? 0 : r.first_token, count = zero ? block_tokens_ : r.num_tokens;
  Moved &line = sum[kinds[r.kind]][r.target_store];
  line.calls = 1;
  ++line.items;
  line.bytes += count;
  for (std::uint32_t i = first; i < first + count; ++i) {
    Byte *to = token(r.target_store, r.target_block, i);
    if (zero) std::memset(to, 0, token_bytes_);
    else std::memcpy(to, token(r.source_store, r.source_block, i), token_bytes_);
    owner(r.target_store, r.target_block, i) = zero ? 0 : owner(r.source_store, r.source_block, i);
  }
}

std::vector<akv_plan_record> Run::records_of(const Plan &plan, akv_ticket &wait) {
  akv_plan_info price = AKV_PLAN_INFO_INIT;
  must(akv_plan_read_info(cache_, plan.handle, &price), "plan_read_info");
  std::vector<akv_plan_record> records(price.num_records);
  std::uint32_t count = 0;
  must(akv_plan_read_records(cache_, plan.handle, 0, records.data(), price.num_records, &count), "plan_read_records");
  if (count != price.num_records) fail("records of a plan");
  std::uint64_t copied = 0, zeroed = 0;
  for (const akv_plan_record &r : records) {
    wait = std::max(wait, r.wait);
    (r.kind == AKV_PLAN_ZERO ? zeroed : copied) += r.kind == AKV_PLAN_ZERO ? 1 : r.num_tokens;
  }
  if (copied != price.copied_tokens || zeroed != price.zeroed_blocks) fail("the price of a plan is not its records'");
  return records;
}

// The stores of a run, in some order: `all`, or those of the blocks alone.
std::vector<akv_store *> Run::stores_of(bool all) {
  std::vector<akv_store *> stores;
  for (const Store &store : stores_)
    if (all || store.columns == AKV_STORE_BLOCKS) stores.push_back(store.handle);
  std::rotate(stores.begin(), stores.begin() + random_.below(static_cast<std::uint32_t>(stores.size())), stores.end());
  return stores;
}

// What a run comes to, on the shadow and in the stores' counts.
void Run::perform_all(const std::vector<akv_plan_record> &records, bool verify) {
  Moved sum[kKinds][2];
  for (const akv_plan_record &r : records) {
    note("  record of kind %u: block %d to %d, tokens %u + %u, wait %" PRIx64, r.kind, r.source_block, r.target_block,
         r.first_token, r.num_tokens, r.wait);
    perform(r, sum);
  }
  for (Store &store : stores_)
    for (std::uint32_t kind = 1; kind < kKinds; ++kind) {
      Moved &line = sum[kind][store.columns];
      if (line.calls == 0) continue;
      const std::uint64_t bytes = line.bytes * store.token_bytes;
      const bool compared = verify || kind == AKV_MOVED_OUT || kind == AKV_MOVED_IN;
      moved(store, kind, line.items, bytes, compared && kind != AKV_MOVED_ZERO ? bytes : 0);
    }
}

void Run::run(Plan &plan, std::uint32_t x, bool finish) {
  for (const Plan::Of &each : plan.of) order(x, *seq_of(each.sequence));
  akv_ticket wait = 0;
  const std::vector<akv_plan_record> records = records_of(plan, wait);
  cover(x);
  const bool swaps = plan.kind == PlanKind::out || plan.kind == PlanKind::in;
  const std::vector<akv_store *> stores = stores_of(swaps || random_.one_in(2));
  const std::uint32_t verify = random_.one_in(3) ? AKV_RUN_VERIFY : 0u;
  const std::uint32_t flags = verify | (finish ? AKV_RUN_FINISH : 0u);
  const auto call = [&](std::uint32_t more) {
    return retry([&] {
      return akv_copy_run(cache_, plan.handle, stores.data(), static_cast<std::uint32_t>(stores.size()), flags | more,
                          stream(x).handle());
    });
  };
  const bool passed = wait == 0 || ticket_state(wait) == AKV_TICKET_PASSED;
  if (!passed && random_.one_in(2)) expect(call(0), AKV_ERROR_NOT_READY, "a record that waits, run without ORDERED");
  follow_ticket(x, wait);
  const bool ordered = (wait != 0 && ticket_state(wait) != AKV_TICKET_PASSED) || random_.one_in(2);
  note("run plan %" PRIx64 " of %zu records on stream %u, flags %u, ordered %d", plan.handle, records.size(), x, flags,
       ordered);
  must(call(ordered ? AKV_RUN_ORDERED : 0u), "copy_run");
  perform_all(records, verify != 0);
  plan.ran = true;
  plan.stream = x;
  plan.point = stream(x).record();
  for (const Plan::Of &each : plan.of) seq_of(each.sequence)->last[x] = plan.point;
  if (!finish) return;
  plan.finishing = true;
  if (!stream(x).queues()) look_at_finishing();
}

void Run::run_plan() {
  if (plans_.empty()) return;
  Plan &plan = *std::next(plans_.begin(), random_.below(static_cast<std::uint32_t>(plans_.size())));
  if (plan.ran) return;
  const std::uint32_t x = some_stream();
  // Without workers a plan whose source's writer has not finished can't be finished at once.
  run(plan, x, stream(x).queues() && random_.one_in(2));
}

void Run::end_plan() {
  if (plans_.empty()) return;
  Plan &plan = *std::next(plans_.begin(), random_.below(static_cast<std::uint32_t>(plans_.size())));
  if (plan.finishing) return;
  if (!plan.ran) {
    if (random_.one_in(5)) abandon(plan);
    return;
  }
  if (random_.one_in(8)) {
    cover(plan.stream);
    return abandon(plan);
  }
  const bool swaps = plan.kind == PlanKind::out || plan.kind == PlanKind::in;
  const bool done = !stream(plan.stream).queues() || stream(plan.stream).settled() >= plan.point;
  if (done && (swaps || random_.one_in(2))) return finish(plan, 0);
  if (!stream(plan.stream).queues()) return;
  cover(plan.stream);
  if (!swaps) return finish(plan, current_[plan.stream]);
  expect(akv_plan_finish(cache_, plan.handle, current_[plan.stream]), AKV_ERROR_INVALID_ARGUMENT,
         "a plan that swaps, finished under an open ticket");
}

void Run::finish(Plan &plan, akv_ticket ticket) {
  const akv_status status = akv_plan_finish(cache_, plan.handle, ticket);
  note("finish plan %" PRIx64 " under ticket %" PRIx64 ": %s", plan.handle, ticket, akv_status_name(status));
  if (status == AKV_ERROR_NOT_READY && plan.kind == PlanKind::out) return;
  must(status, "plan_finish");
  finished(plan);
}

// Whatever it takes.
void Run::complete(Plan &plan) {
  const akv_plan handle = plan.handle;
  if (!plan.ran) run(plan, some_stream(), false);
  flush_all();
  open_and_settle_all();
  if (Plan *still = plan_of(handle); still != nullptr) finish(*still, 0);
}

void Run::finished(Plan &plan) {
  for (const Plan::Of &each : plan.of) {
    Seq &seq = *seq_of(each.sequence);
    seq.plan = nullptr;
    if (plan.kind == PlanKind::out) seq.swapped = true;
    if (plan.kind == PlanKind::in) seq.swapped = false;
    const akv_sequence_info now = info(seq.handle);
    if (now.state != (seq.swapped ? std::uint32_t{AKV_SEQUENCE_SWAPPED} : std::uint32_t{AKV_SEQUENCE_ACTIVE}))
      fail("the state of a sequence is %u", now.state);
    if (now.committed > seq.written) fail("%u tokens are committed, %u were written", now.committed, seq.written);
    seq.committed = now.committed;
  }
  const Plan *gone = &plan;
  plans_.remove_if([gone](const Plan &each) { return &each == gone; });
}

void Run::abandon(Plan &plan) {
  note("abandon plan %" PRIx64, plan.handle);
  must(akv_plan_abandon(cache_, plan.handle), "plan_abandon");
  rolled_back(plan);
}

void Run::rolled_back(Plan &plan) {
  for (const Plan::Of &each : plan.of) {
    Seq &seq = *seq_of(each.sequence);
    seq.plan = nullptr;
    if (plan.kind == PlanKind::create) {
      seqs_.remove_if([&seq](const Seq &other) { return &other == &seq; });
      continue;
    }
    seq.tokens.resize(each.length);
    seq.stamps.resize(each.length);
    seq.written = each.written;
    const akv_sequence_info now = info(seq.handle);
    if (now.length != each.length) fail("a sequence rolled back to %u tokens, not %u", now.length, each.length);
    seq.known = now.known;
  }
  const Plan *gone = &plan;
  plans_.remove_if([gone](const Plan &each) { return &each == gone; });
}

// Plans run with AKV_RUN_FINISH end in akv_stream_poll().
void Run::look_at_finishing() {
  for (auto it = plans_.begin(); it != plans_.end();) {
    Plan &plan = *it++;
    if (!plan.finishing) continue;
    akv_plan_info price = AKV_PLAN_INFO_INIT;
    if (akv_plan_read_info(cache_, plan.handle, &price) != AKV_ERROR_BAD_HANDLE) continue;
    if (stream(plan.stream).queues() && stream(plan.stream).settled() < plan.point)
      fail("a plan was finished before its copies were done");
    note("plan %" PRIx64 " was finished", plan.handle);
    finished(plan);
  }
}

void Run::swap_out() {
  Seq *seq = some_seq();
  if (seq == nullptr || num_swap_blocks_ == 0) return;
  akv_plan plan = 0;
  const akv_status status = akv_sequence_swap_out(cache_, seq->handle, &plan);
  note("swap out %" PRIx64 ": %s, plan %" PRIx64, seq->handle, akv_status_name(status), plan);
  if (status == AKV_ERROR_NO_SWAP_BLOCKS || status == AKV_ERROR_NO_PLANS) return;
  if (status == AKV_ERROR_NOT_COMMITTED && seq->committed < seq->length()) return;
  must(status, "swap_out");
  add_plan(plan, PlanKind::out, {{seq->handle, seq->length(), seq->written}});
}

void Run::swap_in() {
  Seq *seq = nullptr;
  for (Seq &each : seqs_)
    if (each.swapped && each.plan == nullptr && (seq == nullptr || random_.one_in(2))) seq = &each;
  if (seq == nullptr) return;
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  const akv_status status = akv_sequence_swap_in(cache_, seq->handle, &in);
  note("swap in %" PRIx64 ": %s, cached %u, copied %u, plan %" PRIx64, seq->handle, akv_status_name(status),
       in.cached_tokens, in.copied_tokens, in.plan);
  if (status == AKV_ERROR_NO_BLOCKS || status == AKV_ERROR_NO_PLANS) return;
  must(status, "swap_in");
  if (in.plan != 0) add_plan(in.plan, PlanKind::in, {{seq->handle, seq->length(), seq->written}});
  else seq->swapped = false;
}

}  // namespace bytes_test
