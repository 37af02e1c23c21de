// admit.cpp: create and can_allocate: what is shared, what is taken, whether it fits.
// It knows prompts, runs and blocks; not tables for kernels.
#include "meta/cache.hpp"

#include <algorithm>

namespace akv {

// What a new sequence would be made of.
struct Cache::Admission {
  Walk walk;
  std::uint32_t length = 0;  // tokens to place
  std::uint32_t needed = 0;  // blocks from the pool
  std::uint32_t held = 0;    // evictable blocks that the sequence would hold on to: they can't be taken as well
  bool contiguous = false;   // the blocks must be neighbours, and what is cached is copied into them
  bool may_plan = false;
};

Cache::Admission Cache::consider_locked(const Prompt &prompt, const akv_sequence_options &options) const noexcept {
  Admission a;
  a.contiguous = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0;
  if ((options.flags & AKV_SEQUENCE_NO_MATCH) == 0 && prompt.num_tokens > 1)
    a.walk = tree_.match(prompt.domain, prompt.tokens, prompt.num_tokens - 1);
  if ((options.flags & AKV_SEQUENCE_PARTIAL) == 0) a.walk.partial_tokens = 0;
  const std::uint32_t cached = a.walk.blocks * block_tokens_ + a.walk.partial_tokens;
  a.length = (options.flags & AKV_SEQUENCE_PREFIX_ONLY) != 0 ? cached : prompt.num_tokens;
  const std::uint32_t total = std::max(math_.blocks(std::max(a.length, options.reserve_tokens)), a.walk.blocks);
  a.needed = total - (a.contiguous ? 0 : a.walk.blocks);
  a.held = tree_.evictable_on_path(a.walk);
  if (a.walk.partial_tokens != 0) {
    const Run &source = tree_.at(a.walk.partial_run);
    a.held += tree_.evictable(source);
  }
  a.may_plan = a.walk.partial_tokens != 0 || (a.contiguous && a.walk.blocks != 0) ||
               (a.needed != 0 && scrubber_.would_look(prompt.domain));
  return a;
}

Status Cache::can_allocate_locked(const Prompt &prompt, const akv_sequence_options &options, akv_room &out) noexcept {
  publish_pending_locked();
  const Admission a = consider_locked(prompt, options);
  const std::uint32_t available = a.contiguous ? longest_extent_locked(a.walk) : supply_.available() - a.held;
  fill_room_locked(out, a.needed, available);
  out.status = check_admission_locked(options, prompt.num_tokens);
  if (out.status == AKV_OK && a.may_plan && !plans_.can_open()) out.status = AKV_ERROR_NO_PLANS;
  if (out.status == AKV_OK && a.needed > available) out.status = AKV_ERROR_NO_BLOCKS;
  return AKV_OK;
}

Status Cache::secure_admission_locked(const Admission &a) noexcept {
  if (a.may_plan && !plans_.can_open()) return no_plans();
  if (a.contiguous) return secure_extent_locked(a.needed, a.walk);
  if (supply_.secure(a.needed + a.held)) return AKV_OK;
  return no_blocks(a.length, a.needed, supply_.secured() - a.held);
}

// The cached blocks are shared, the rest is the sequence's own; one cached block more may be copied in part. Returns
// the plan, or 0.
std::uint32_t Cache::place_locked(Slot slot, const Admission &a) noexcept {
  Sequence &s = sequences_[slot];
  const std::uint32_t shared = a.walk.blocks, partial = a.walk.partial_tokens;
  RunId end = a.walk.run;
  std::uint32_t plan = 0;
  if (partial != 0) {
    // The source alone in a run of its own, so that the plan leases nothing else.
    end = tree_.ending_at(a.walk.partial_run, shared + 1);
    plan = open_plan_locked();
    tree_.hold(end, Hold::lease);
    plans_.add_lease(plan, end);
  }
  anchor_at_locked(slot, tree_.ending_at(end, shared));
  widen_row_locked(slot, shared + a.needed);
  tree_.read_path(rest_[slot].anchor, s.table);
  s.num_blocks = shared;
  append_blocks_locked(slot, a.needed);
  scrub_locked(slot, shared, plan);
  if (partial != 0) {
    const std::int32_t source = tree_.at(plans_.lease(plans_[plan].first_lease).run).first_block;
    plans_.add_record(plan, {AKV_PLAN_PARTIAL, 0, 0, source, s.table[shared], 0, 0, 0, partial, handle_of(slot),
                             ticket_of(a.walk.partial_wait), 0});
  }
  return plan;
}

Status Cache::create_sequence(std::unique_lock<Mutex> &lock, const Prompt &prompt, const akv_sequence_options &options,
                              akv_created &out) noexcept {
  if (Status status = check_admission_locked(options, prompt.num_tokens); status != AKV_OK) return status;
  publish_pending_locked();
  const Admission a = consider_locked(prompt, options);
  if (Status status = secure_admission_locked(a); status != AKV_OK) return status;

  // From here on nothing fails.
  meet_domain_locked(prompt.domain);
  const std::uint32_t max_tokens =
      a.contiguous ? std::min(options.max_tokens, a.needed * block_tokens_) : options.max_tokens;
  const Slot slot = take_slot_locked(prompt.domain, options, max_tokens);
  const std::uint32_t plan = a.contiguous ? place_in_extent_locked(slot, a.needed, a.walk) : place_locked(slot, a);
  Sequence &s = sequences_[slot];
  const std::uint32_t cached = a.walk.blocks * block_tokens_, shared = a.contiguous ? 0 : cached;
  const std::uint32_t copied = cached - shared + a.walk.partial_tokens;
  const bool commit = (options.flags & AKV_SEQUENCE_COMMITTED) != 0;
  s.known = shared;
  s.committed = shared;
  s.length = a.length;
  refresh(slot);
  if (plan != 0) {
    Undo undo{};
    undo.created = 1;
    join_plan_locked(plan, slot, undo);
    rest_[slot].commit_on_finish = commit ? a.length : shared + copied;
  }
  counters_.prompt_tokens += prompt.num_tokens;
  counters_.hit_tokens += shared;
  counters_.partial_tokens += copied;
  note_peak_locked();

  // The tokens are the sequence's own business: others wait for no copy of 100,000 of them.
  lock.unlock();
  s.known = write_tokens(slot, shared, prompt.tokens + shared, a.length - shared);
  if (plan == 0 && commit && a.length > shared) {
    lock.lock();
    publish_pending_locked();
    commit_locked(slot, a.length, 0);
    lock.unlock();
  }
  out.length = a.length;
  out.cached_tokens = shared;
  out.partial_tokens = copied;
  out.shared_blocks = shared / block_tokens_;
  out.new_blocks = a.needed;
  out.sequence = handle_of(slot);
  out.plan = plan != 0 ? plan_handle(plan) : AKV_NONE;
  out.wait = ticket_of(a.walk.wait);
  sequences_.leave(slot);
  return AKV_OK;
}

}  // namespace akv
