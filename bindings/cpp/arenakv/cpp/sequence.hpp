// sequence.hpp: a sequence, and what holds its blocks for a while: plans, leases, pins. All end what they are when they
// go: a sequence is freed, a plan that was not run is abandoned, a lease or pin is released.
#ifndef ARENAKV_CPP_SEQUENCE_HPP
#define ARENAKV_CPP_SEQUENCE_HPP

#include "arenakv/cpp/owner.hpp"

namespace arenakv {

// What must be copied or zeroed before the next kernel: run it with Cache::copy_run(), or send its records elsewhere and
// say finish(). Empty where there is nothing to do. To drop one that was not run takes back the call that made it; one
// that was run and not finished stays open, because its copies may still be on their way.
template <class Errors>
class [[nodiscard]] BasicPlan : public detail::Part<Errors, akv_cache, akv_plan_abandon> {
  using Base = detail::Part<Errors, akv_cache, akv_plan_abandon>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Base::Base;
  BasicPlan() noexcept = default;
  BasicPlan(BasicPlan &&) noexcept = default;
  BasicPlan &operator=(BasicPlan &&other) noexcept {
    if (this != &other) {
      if (was_run_) this->detach();
      Base::operator=(std::move(other));
      was_run_ = other.was_run_;
    }
    return *this;
  }
  ~BasicPlan() {
    if (was_run_) this->detach();
  }
  void note_run() noexcept { was_run_ = true; }  // by somebody else than Cache::copy_run()

  Result<PlanInfo> info() const {
    PlanInfo out;
    return Errors::give(akv_plan_read_info(this->home_, this->id_, &out), out);
  }
  Result<std::vector<PlanRecord>> records() const {
    return detail::read_list<Errors, PlanRecord>([this](PlanRecord *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_plan_read_records(this->home_, this->id_, 0, to, capacity, count);
    });
  }
  // Its records have run (ticket 0), or are queued and will have when `ticket` ends well.
  Result<void> finish(akv_ticket ticket = AKV_NONE) {
    const akv_status status = akv_plan_finish(this->home_, this->id_, ticket);
    if (status == AKV_OK) this->detach();
    return Errors::done(status);
  }
  Result<void> abandon() { return this->end(); }

 private:
  bool was_run_ = false;
};

template <class Errors>
class [[nodiscard]] BasicLease : public detail::Part<Errors, akv_cache, akv_lease_release> {
  using Base = detail::Part<Errors, akv_cache, akv_lease_release>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Base::Base;
  BasicLease(akv_cache *cache, akv_lease id, akv_ticket wait) noexcept : Base(cache, id), wait_(wait) {}

  // Pass this before you read the blocks; 0: nothing to wait for.
  akv_ticket wait() const noexcept { return wait_; }
  Result<std::vector<std::int32_t>> blocks() const {
    return detail::read_list<Errors, std::int32_t>([this](std::int32_t *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_lease_read_blocks(this->home_, this->id_, to, capacity, count);
    });
  }
  // The transfer has ended.
  Result<void> release() { return this->end(); }

 private:
  akv_ticket wait_ = AKV_NONE;
};

template <class Errors>
class [[nodiscard]] BasicPin : public detail::Part<Errors, akv_cache, akv_prefix_unpin> {
  using Base = detail::Part<Errors, akv_cache, akv_prefix_unpin>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Base::Base;
  BasicPin(akv_cache *cache, akv_pin id, std::uint32_t num_tokens) noexcept : Base(cache, id), num_tokens_(num_tokens) {}

  std::uint32_t num_tokens() const noexcept { return num_tokens_; }
  Result<void> unpin() { return this->end(); }

 private:
  std::uint32_t num_tokens_ = 0;
};

// A sequence that came back: copied tokens are there when the plan has run.
template <class Errors>
struct BasicSwappedIn : SwappedIn {
  BasicPlan<Errors> to_run;
};

template <class Errors>
class [[nodiscard]] BasicSequence : public detail::Part<Errors, akv_cache, akv_sequence_free> {
  using Base = detail::Part<Errors, akv_cache, akv_sequence_free>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Plan = BasicPlan<Errors>;
  using Base::Base;

  // Append tokens where no bytes have to be moved for it: no fork, lease or truncation before. Else PlanNeeded.
  Result<void> append(Span<const std::int32_t> tokens, std::uint32_t flags = 0) {
    return Errors::done(akv_sequence_append(cache(), this->id_, data32(tokens), count32(tokens), flags, nullptr));
  }
  // Append, and be told what to copy first.
  Result<void> append(Span<const std::int32_t> tokens, Plan &out_plan, std::uint32_t flags = 0) {
    return planned(out_plan, [&](akv_plan *plan) {
      return akv_sequence_append(cache(), this->id_, data32(tokens), count32(tokens), flags, plan);
    });
  }
  // Tokens whose ids come later: set_tokens().
  Result<void> append_unknown(std::uint32_t num_tokens, Plan &out_plan) {
    return planned(out_plan, [&](akv_plan *plan) {
      return akv_sequence_append(cache(), this->id_, nullptr, num_tokens, 0, plan);
    });
  }
  Result<void> set_tokens(std::uint32_t first, Span<const std::int32_t> tokens) {
    return Errors::done(akv_sequence_set_tokens(cache(), this->id_, first, data32(tokens), count32(tokens)));
  }
  // The K/V of the first `length` tokens exist, or will when `ticket` ends well.
  Result<void> commit(std::uint32_t length, akv_ticket ticket = AKV_NONE) {
    return Errors::done(akv_sequence_commit(cache(), this->id_, length, ticket));
  }
  // Of all tokens.
  Result<void> commit() { return Errors::done(akv_sequence_commit_batch(cache(), &this->id_, nullptr, 1, AKV_NONE)); }
  Result<void> reserve(std::uint32_t num_tokens, Plan &out_plan) {
    return planned(out_plan,
                   [&](akv_plan *plan) { return akv_sequence_reserve(cache(), this->id_, num_tokens, plan); });
  }
  Result<void> set_length(std::uint32_t length) {
    return Errors::done(akv_sequence_set_length(cache(), this->id_, length));
  }
  Result<void> truncate(std::uint32_t length, std::uint32_t flags = 0) {
    return Errors::done(akv_sequence_truncate(cache(), this->id_, length, flags));
  }
  // A second one over the same blocks. `length` AKV_UNSET: all.
  Result<BasicSequence> fork(std::uint32_t length = AKV_UNSET, const SequenceOptions &options = {}) const {
    akv_sequence id = AKV_NONE;
    const akv_status status = akv_sequence_fork(cache(), this->id_, length, &options, &id);
    BasicSequence child(cache(), id);
    return Errors::give(status, child);
  }
  Result<void> free() { return this->end(); }

  Result<Room> can_extend(std::uint32_t num_tokens) const {
    Room out;
    return Errors::give(akv_sequence_can_extend(cache(), this->id_, num_tokens, &out), out);
  }
  Result<SequenceInfo> info() const {
    SequenceInfo out;
    return Errors::give(akv_sequence_read_info(cache(), this->id_, &out), out);
  }
  // AKV_TOKEN_UNKNOWN where an id is not known.
  Result<void> read_tokens(std::uint32_t first, Span<std::int32_t> out) const {
    return Errors::done(akv_sequence_read_tokens(cache(), this->id_, first, count32(out), data32(out)));
  }
  Result<std::vector<std::int32_t>> tokens() const {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    akv_status status = akv_sequence_read_info(cache(), this->id_, &info);
    std::vector<std::int32_t> out(info.length);
    if (status == AKV_OK) status = akv_sequence_read_tokens(cache(), this->id_, 0, info.length, out.data());
    return Errors::give(status, out);
  }
  // Into your buffer; how many there are. BufferTooSmall tells that as needed().
  Result<std::uint32_t> read_blocks(Span<std::int32_t> out, std::uint32_t group = 0) const {
    std::uint32_t count = 0;
    return Errors::give(akv_sequence_read_blocks(cache(), this->id_, group, data32(out), count32(out), &count), count);
  }
  Result<std::vector<std::int32_t>> blocks(std::uint32_t group = 0) const {
    return detail::read_list<Errors, std::int32_t>([&](std::int32_t *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_sequence_read_blocks(cache(), this->id_, group, to, capacity, count);
    });
  }

  Result<void> swap_out(Plan &out_plan) {
    return planned(out_plan, [&](akv_plan *plan) { return akv_sequence_swap_out(cache(), this->id_, plan); });
  }
  Result<BasicSwappedIn<Errors>> swap_in() {
    BasicSwappedIn<Errors> out;
    const akv_status status = akv_sequence_swap_in(cache(), this->id_, &out);
    if (status == AKV_OK) out.to_run = Plan(cache(), out.plan);
    return Errors::give(status, out);
  }
  Result<BasicLease<Errors>> lease_acquire(std::uint32_t num_tokens, std::uint64_t owner = 0) const {
    akv_lease id = AKV_NONE;
    akv_ticket wait = AKV_NONE;
    const akv_status status = akv_lease_acquire(cache(), this->id_, num_tokens, owner, &id, &wait);
    BasicLease<Errors> lease(cache(), id, wait);
    return Errors::give(status, lease);
  }
  // What copy_save() needs for these; 0: all that are committed.
  Result<std::uint64_t> image_bytes(std::uint32_t num_tokens = 0) const {
    std::uint64_t bytes = 0;
    return Errors::give(akv_image_bytes(cache(), this->id_, num_tokens, &bytes), bytes);
  }

 private:
  akv_cache *cache() const noexcept { return this->home_; }
  template <class Call>
  Result<void> planned(Plan &out_plan, Call call) {
    akv_plan id = AKV_NONE;
    const akv_status status = call(&id);
    if (status == AKV_OK) out_plan = Plan(cache(), id);
    return Errors::done(status);
  }
};

// What a new sequence got. Run the plan, if there is one, before the first kernel that reads.
template <class Errors>
struct [[nodiscard]] BasicCreated {
  BasicSequence<Errors> sequence;
  BasicPlan<Errors> plan;
  std::uint32_t length = 0;
  std::uint32_t cached_tokens = 0;   // shared in whole blocks
  std::uint32_t partial_tokens = 0;  // copied by the plan: start computing behind these
  std::uint32_t shared_blocks = 0;
  std::uint32_t new_blocks = 0;
  akv_ticket wait = AKV_NONE;

  BasicCreated() noexcept = default;
  BasicCreated(akv_cache *cache, const akv_created &created) noexcept
      : sequence(cache, created.sequence),
        plan(cache, created.plan),
        length(created.length),
        cached_tokens(created.cached_tokens),
        partial_tokens(created.partial_tokens),
        shared_blocks(created.shared_blocks),
        new_blocks(created.new_blocks),
        wait(created.wait) {}
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_SEQUENCE_HPP
