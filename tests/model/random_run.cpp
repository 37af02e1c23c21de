// random_run.cpp: the life of one run: a cache and a model alike, calls, and everything given back in the end.
// What the calls are is in the other files.
#include "random_run.hpp"

namespace model_test {

Run::Run(std::uint64_t seed, bool print_all)
    : seed_(seed), print_all_(print_all), random_{seed * 0x2545f4914f6cdd1du + 1}, model_(make_config()) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  const reference::Config &c = model_.config;
  config.num_blocks = c.num_blocks;
  config.block_tokens = c.block_tokens;
  config.max_sequences = c.max_sequences;
  config.max_tokens_per_sequence = c.max_tokens;
  config.max_plans = c.max_plans;
  config.max_holds = c.max_holds;
  config.max_pinned_blocks = c.max_pinned;
  config.magazine_blocks = c.magazine;
  config.max_open_tickets = c.max_tickets;
  config.scrub = c.scrub;
  config.num_swap_blocks = c.swap_blocks;
  config.block_allocator = c.buddy ? AKV_BLOCK_ALLOCATOR_BUDDY : AKV_BLOCK_ALLOCATOR_STACK;
  expect(akv_cache_create(&config, &cache_), AKV_OK, "create cache");
  if (akv::test::UntouchableStores::wanted()) stores_ = std::make_unique<akv::test::UntouchableStores>(cache_);
  model_.read_table = [this](akv_sequence s) { return read_table(s); };
  model_.read_records = [this](akv_plan p) { return read_records(p); };
  if (c.scrub == AKV_SCRUB_DOMAIN) {
    // Blocks are looked at from the start: which ones a thread has taken ahead by then the model can't know.
    for (std::uint64_t domain : {1, 2}) {
      const akv_prompt prompt = prompt_of({}, domain);
      akv_created created = AKV_CREATED_INIT, want = AKV_CREATED_INIT;
      expect(akv_sequence_create(cache_, &prompt, nullptr, &created), AKV_OK, "create");
      model_.create({}, domain, AKV_SEQUENCE_OPTIONS_INIT, created, want);
      expect(akv_sequence_free(cache_, created.sequence), AKV_OK, "free");
      model_.free(model_.sequences.front());
    }
  }
  rows_.resize(c.max_sequences);
  row_table_.assign(std::size_t{c.max_sequences} * row_width(), -7);
}

Run::~Run() {
  if (akv_cache_destroy(cache_) != AKV_OK) fail("destroy");
}

void Run::run(std::uint32_t operations) {
  for (std::uint32_t i = 0; i < operations; ++i) {
    one_operation();
    // Not always: to look is to publish what is pending, and what piles up is to be seen as well.
    if (print_all_ || random_.one_in(look_often_)) compare(print_all_ || random_.one_in(8));
  }
  wind_down();
}

void Run::wind_down() {
  note("wind down");
  while (!model_.plans.empty()) {
    expect(akv_plan_abandon(cache_, model_.plans.front().handle), AKV_OK, "plan_abandon");
    model_.abandon_plan(model_.plans.front());
  }
  while (!model_.sequences.empty()) {
    expect(akv_sequence_free(cache_, model_.sequences.front().handle), AKV_OK, "free");
    model_.free(model_.sequences.front());
  }
  while (!model_.holds.empty()) {
    const Hold hold = model_.holds.front();
    expect(hold.pin ? akv_prefix_unpin(cache_, hold.handle) : akv_lease_release(cache_, hold.handle), AKV_OK,
           "release");
    model_.release(hold.handle);
  }
  if (!model_.acquired.empty()) {
    const std::vector<std::int32_t> blocks(model_.acquired.begin(), model_.acquired.end());
    expect(akv_swap_release(cache_, blocks.data(), static_cast<std::uint32_t>(blocks.size())),
           model_.release_swap(blocks), "swap_release");
  }
  while (!model_.open_tickets.empty()) {
    const std::uint64_t n = *model_.open_tickets.begin();
    expect(akv_ticket_retire(cache_, ticket(n)), model_.retire(n), "ticket_retire");
  }
  expect(akv_prefix_clear(cache_, nullptr, 0, nullptr), AKV_OK, "clear");
  model_.clear(nullptr, false);
  compare(true);
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  expect(akv_cache_read_state(cache_, &state), AKV_OK, "read_state");
  same(state.free_blocks + state.dirty_blocks, state.num_blocks, "free blocks when all is over");
  same(state.free_swap_blocks, state.num_swap_blocks, "free swap blocks when all is over");
  same(state.runs, 0, "runs when all is over");
}

}  // namespace model_test
