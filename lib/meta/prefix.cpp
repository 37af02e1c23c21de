// prefix.cpp: match, pin and clear: what is asked of the prefix index directly.
// It knows prompts and runs; not tables.
#include "meta/cache.hpp"

namespace akv {

void Cache::match_locked(const Prompt &prompt, akv_match &out) noexcept {
  publish_pending_locked();
  Walk walk;
  if (prompt.num_tokens > 1) walk = tree_.match(prompt.domain, prompt.tokens, prompt.num_tokens - 1);
  out.cached_blocks = walk.blocks;
  out.cached_tokens = walk.blocks * block_tokens_;
  out.partial_tokens = walk.partial_tokens;
  out.wait = ticket_of(walk.wait > walk.partial_wait ? walk.wait : walk.partial_wait);
}

Status Cache::pin_locked(const Prompt &prompt, std::uint64_t owner, akv_pin &out_pin,
                         std::uint32_t &out_tokens) noexcept {
  publish_pending_locked();
  const Walk walk = tree_.match(prompt.domain, prompt.tokens, prompt.num_tokens);
  if (walk.blocks == 0) return fail(AKV_ERROR_NOT_FOUND, "nothing of this prompt is cached in its domain");
  if (!holds_.can_add())
    return fail_with(AKV_ERROR_NO_HOLDS, 1, 0, "all %llu pins and leases (max_holds) exist", config_.max_holds);
  std::uint64_t pinned = tree_.held_blocks(Hold::pin);
  for (RunId run = walk.run; run != kRoot; run = tree_.at(run).parent)
    if (tree_.at(run).holds[static_cast<std::uint32_t>(Hold::pin)] == 0)
      pinned += run == walk.run ? walk.run_blocks : tree_.at(run).blocks.count;
  if (pinned > config_.max_pinned_blocks)
    return fail_with(AKV_ERROR_PIN_BUDGET, pinned, config_.max_pinned_blocks,
                     "%llu blocks would be pinned, max_pinned_blocks is %llu", pinned, config_.max_pinned_blocks);
  const RunId run = tree_.ending_at(walk.run, walk.blocks);
  tree_.hold(run, Hold::pin);
  const std::uint32_t index = holds_.add(Kind::pin, run, walk.blocks, owner, tickets_.newest());
  out_pin = ObjectHandle::encode(holds_[index].generation, Kind::pin, index_, index);
  out_tokens = walk.blocks * block_tokens_;
  return AKV_OK;
}

Status Cache::unpin_locked(akv_pin pin) noexcept {
  std::uint32_t index = 0;
  if (Status status = find_hold(pin, Kind::pin, index); status != AKV_OK) return status;
  tree_.release(holds_[index].run, Hold::pin);
  holds_.remove(index);
  return AKV_OK;
}

std::uint32_t Cache::clear_locked(const std::uint64_t *domain, bool keep_pinned) noexcept {
  publish_pending_locked();
  for (Slot slot = 0; slot < touched_slots_; ++slot)
    if (sequences_.live(slot) && (domain == nullptr || rest_[slot].domain == *domain)) rest_[slot].no_publish = 1;
  return tree_.clear(domain, keep_pinned);
}

}  // namespace akv
