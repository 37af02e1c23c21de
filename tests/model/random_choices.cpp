// random_choices.cpp: what is asked next, and with what arguments.
// It calls nothing.
#include "random_run.hpp"

#include <algorithm>

namespace model_test {

reference::Config Run::make_config() {
  static const std::uint32_t block_tokens[] = {1, 2, 3, 4, 4, 5, 8, 16};
  reference::Config c;
  c.num_blocks = 3 + random_.below(random_.one_in(4) ? 60 : 24);
  c.block_tokens = block_tokens[random_.below(8)];
  c.max_sequences = 1 + random_.below(8);
  c.max_tokens = c.block_tokens * (2 + random_.below(c.num_blocks + 4));
  c.max_plans = 1 + random_.below(6);
  c.max_holds = 1 + random_.below(4);
  c.max_pinned = 1 + random_.below(c.num_blocks);
  c.magazine = 1 + random_.below(4);
  c.max_tickets = 1u << random_.below(5);
  c.scrub = random_.one_in(3) ? random_.below(3) : static_cast<std::uint32_t>(AKV_SCRUB_NONE);
  c.swap_blocks = random_.one_in(3) ? 0 : 1 + random_.below(c.num_blocks * 2);
  c.buddy = random_.one_in(2);
  // With scrubbing, which block of a magazine comes next decides about plans; the model does not know magazines'
  // order.
  single_appends_ = c.scrub == AKV_SCRUB_NONE;
  letters_ = 1 + random_.below(3);
  domains_ = 1 + random_.below(3);
  tickets_ = random_.one_in(2);
  look_often_ = 1 + random_.below(6);
  return c;
}

Tokens Run::some_tokens(std::uint32_t count) {
  Tokens tokens(count);
  for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(random_.below(letters_)) - 1;
  return tokens;
}

Tokens Run::some_prompt() {
  const std::uint32_t longest = model_.config.max_tokens + 2;
  Tokens tokens;
  if (!model_.sequences.empty() && !random_.one_in(4)) {
    const Sequence &s = random_.pick(model_.sequences);
    tokens = s.tokens;
  } else if (!history_.empty() && !random_.one_in(3)) {
    tokens = random_.pick(history_);
  }
  if (!tokens.empty() && random_.one_in(2)) tokens.resize(random_.below(static_cast<std::uint32_t>(tokens.size()) + 1));
  if (tokens.size() < longest && random_.one_in(2)) {
    const Tokens more =
        some_tokens(random_.below(static_cast<std::uint32_t>(std::min<std::size_t>(longest - tokens.size(), 24))));
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  if (!tokens.empty() && random_.one_in(30))
    tokens[random_.below(static_cast<std::uint32_t>(tokens.size()))] = AKV_TOKEN_UNKNOWN;
  if (history_.size() > 12) history_.pop_front();
  history_.push_back(tokens);
  return tokens;
}

akv_prompt Run::prompt_of(const Tokens &tokens, std::uint64_t domain) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens.data();
  prompt.num_tokens = static_cast<std::uint32_t>(tokens.size());
  prompt.domain = domain;
  return prompt;
}

akv_sequence_options Run::some_options(bool for_fork) {
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.request_id = random_.one_in(2) ? 1 + random_.below(12) : 0;
  options.owner = random_.below(4);
  options.max_tokens = random_.one_in(6) ? 1 + random_.below(model_.config.max_tokens) : 0;
  if (random_.one_in(12)) options.flags |= AKV_SEQUENCE_NO_PUBLISH;
  if (for_fork) return options;
  if (random_.one_in(6)) options.reserve_tokens = random_.below(model_.config.max_tokens + 1);
  if (random_.one_in(3)) options.flags |= AKV_SEQUENCE_COMMITTED;
  if (random_.one_in(4)) options.flags |= AKV_SEQUENCE_PREFIX_ONLY;
  if (model_.config.buddy ? random_.one_in(4) : random_.one_in(50))
    options.flags = (options.flags & ~AKV_SEQUENCE_PREFIX_ONLY) | AKV_SEQUENCE_CONTIGUOUS;
  if (random_.one_in(10)) options.flags |= AKV_SEQUENCE_NO_MATCH;
  else if (random_.one_in(2)) options.flags |= AKV_SEQUENCE_PARTIAL;
  return options;
}

akv_ticket Run::some_ticket() {
  if (!tickets_ || model_.newest == 0 || random_.one_in(3)) return 0;
  if (model_.open_tickets.empty() || random_.one_in(12))
    return ticket(1 + random_.below(static_cast<std::uint32_t>(model_.newest)));
  return ticket(random_.pick(model_.open_tickets));
}

void Run::one_operation() {
  const std::uint32_t what = random_.below(model_.config.swap_blocks != 0 ? 110 : 101);
  if (what < 14) create();
  else if (what < 34) append();
  else if (what < 44) append_batch();
  else if (what < 56) commit();
  else if (what < 60) set_tokens();
  else if (what < 66) fork();
  else if (what < 71) truncate();
  else if (what < 73) set_length();
  else if (what < 76) reserve();
  else if (what < 82) free();
  else if (what < 83) drop_owner();
  else if (what < 85) pin_or_unpin();
  else if (what < 88) lease_or_release();
  else if (what < 93) open_or_end_ticket();
  else if (what < 97) end_plan();
  else if (what < 98) look();
  else if (what < 99) read_tables();
  else if (what < 100) {
    if (random_.one_in(8)) clear();
  } else if (what < 102) acquire_or_release_swap();
  else if (what < 106) swap_out();
  else swap_in();
}

}  // namespace model_test
