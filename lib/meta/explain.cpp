// explain.cpp: why a prompt hits as far as it does, and no further.
// It changes nothing. For diagnosis: it looks at every run below the root and at every live sequence.
#include "meta/cache.hpp"

#include <algorithm>

namespace akv {

// Does the live sequence in `slot` begin with these tokens, as far as they are known: at least one of the last block?
// Its gate must be shut.
bool Cache::begins_with(Slot slot, const std::int32_t *tokens, std::uint32_t count) const noexcept {
  const Sequence &s = sequences_[slot];
  const std::uint32_t known = std::min<std::uint32_t>(count, s.known);
  if ((s.flags & kSwapped) != 0 || s.length < count || known + block_tokens_ <= count) return false;
  for (std::uint32_t at = 0; at < known; at += block_tokens_) {
    const std::uint32_t part = std::min(known - at, block_tokens_);
    if (tokens_.common_prefix(s.table[math_.whole_blocks(at)], tokens + at, part) != part) return false;
  }
  return true;
}

// A live sequence of the domain that has the first `count` tokens of the prompt, unpublished; 0 if none.
akv_sequence Cache::holder_of(const Prompt &prompt, std::uint32_t count) noexcept {
  for (Slot slot = 0; slot < touched_slots_; ++slot) {
    if (!sequences_.live(slot) || rest_[slot].domain != prompt.domain) continue;
    if (sequences_.enter(slot, sequences_.generation(slot)) != Entry::entered) continue;
    const bool found = begins_with(slot, prompt.tokens, count);
    sequences_.leave(slot);
    if (found) return handle_of(slot);
  }
  return AKV_NONE;
}

bool Cache::other_domain_has(const Prompt &prompt, std::uint32_t limit, std::uint32_t blocks) const noexcept {
  for (RunId id = kRoot + 1; id <= tree_.highest_run(); ++id) {
    const Run &run = tree_.at(id);
    if (run.alive == 0 || run.linked == 0 || run.parent != kRoot || run.domain == prompt.domain) continue;
    if (tree_.match(run.domain, prompt.tokens, limit).blocks > blocks) return true;
  }
  return false;
}

void Cache::explain_locked(const Prompt &prompt, akv_explanation &out) noexcept {
  publish_pending_locked();
  const std::uint32_t limit = prompt.num_tokens == 0 ? 0 : prompt.num_tokens - 1;
  const Walk walk = tree_.match(prompt.domain, prompt.tokens, limit);
  out.cached_tokens = walk.blocks * block_tokens_;
  out.partial_tokens = walk.partial_tokens;
  out.first_missed = out.cached_tokens + out.partial_tokens;
  const std::uint64_t wait = std::max(walk.wait, walk.partial_wait);
  if (tree_.match(prompt.domain, prompt.tokens, prompt.num_tokens).blocks > walk.blocks) {
    out.reason = AKV_MISS_LAST_TOKEN;
  } else if (wait != 0) {
    out.reason = AKV_MISS_IN_FLIGHT;
    out.wait = ticket_of(wait);
  } else if (walk.blocks == math_.whole_blocks(limit)) {
    out.reason = AKV_MISS_NONE;
  } else if (out.sequence = holder_of(prompt, out.cached_tokens + block_tokens_); out.sequence != AKV_NONE) {
    out.reason = AKV_MISS_NOT_COMMITTED;
  } else {
    out.reason = other_domain_has(prompt, limit, walk.blocks) ? AKV_MISS_OTHER_DOMAIN : AKV_MISS_NEVER_STORED;
  }
}

}  // namespace akv
