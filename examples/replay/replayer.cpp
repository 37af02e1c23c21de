// replayer.cpp: see replayer.hpp.
#include "replayer.hpp"

#include "cache.hpp"

namespace replay {

Replayer::Replayer(akv_cache *cache, std::uint32_t max_live, Observer *observer)
    : cache_(cache), max_live_(max_live), observer_(observer) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  check(akv_cache_read_config(cache, &config), "akv_cache_read_config");
  num_blocks_ = config.num_blocks;
  block_tokens_ = config.block_tokens;
}

void Replayer::make_tokens(const Request &request) {
  prompt_.clear();
  for (const Segment &segment : request.prompt) append_tokens(segment, prompt_);
  output_.clear();
  append_tokens({request.output_base, request.output_tokens}, output_);
}

void Replayer::run(const Request &request) {
  if (akv_blocks_for(std::uint64_t{request.input_tokens} + request.output_tokens, block_tokens_) > num_blocks_) {
    totals_.skipped += 1;
    return;
  }
  make_tokens(request);
  if (observer_ != nullptr) observer_->arrives(request, prompt_, output_);
  while (live_.size() >= max_live_) retire_oldest();
  const bool is_swapped = is_swapped_next();
  admit(request);
  if (is_swapped) swap(request);
  append_output(request);
  totals_.requests += 1;
  totals_.input_tokens += request.input_tokens;
  if (observer_ != nullptr) observer_->settled(request);
}

void Replayer::admit(const Request &request) {
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = prompt_.data();
  prompt.num_tokens = request.input_tokens;
  const std::uint64_t aside = set_aside_ns_, begin = thread_cpu_ns();
  const akv_created created = create(prompt);
  if (observer_ != nullptr) {
    const std::uint64_t away = thread_cpu_ns();
    observer_->admitted(request, prompt_, created);
    set_aside_ns_ += thread_cpu_ns() - away;
  }
  if (memory_ != nullptr) place(request, created);
  else if (created.plan != AKV_NONE) check(akv_plan_finish(cache_, created.plan, AKV_NONE), "akv_plan_finish");
  totals_.admit_ns += thread_cpu_ns() - begin - (set_aside_ns_ - aside);
  totals_.cached_tokens += created.cached_tokens;
  totals_.partial_tokens += created.partial_tokens;
  live_.push_back({request.number, created.sequence});
  admitted_ += 1;
}

void Replayer::place(const Request &request, const akv_created &created) {
  const std::uint64_t away = thread_cpu_ns();
  memory_->admitted(request, prompt_, created);
  set_aside_ns_ += thread_cpu_ns() - away;
}

// What has bytes is committed when they are written, not before. Every second of the requests that will be swapped
// publishes nothing, the first one to begin with.
std::uint32_t Replayer::flags_of_next() const {
  if (memory_ == nullptr) return AKV_SEQUENCE_COMMITTED;
  return is_swapped_next() && (admitted_ + 1) / swap_every_ % 2 == 1 ? AKV_SEQUENCE_NO_PUBLISH : 0u;
}

void Replayer::swap(const Request &request) {
  const akv_sequence sequence = live_.back().sequence;
  if (!memory_->swap_out(request.number, sequence)) return;
  akv_swapped_in in = AKV_SWAPPED_IN_INIT;
  while (!memory_->swap_in(request.number, sequence, in)) {
    if (live_.size() == 1) fail_with_library_error("akv_sequence_swap_in", AKV_ERROR_NO_BLOCKS);
    retire_oldest();
    totals_.retired_early += 1;
  }
  if (observer_ != nullptr) observer_->swapped(request, prompt_, sequence, in);
}

// A partial hit holds on to the block that it is copied from. So a request that fits just so may find no room with it
// when nobody else is alive, and then does without.
akv_created Replayer::create(const akv_prompt &prompt) {
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  const std::uint32_t flags = flags_of_next();
  options.flags = flags | AKV_SEQUENCE_PARTIAL;
  akv_created created = AKV_CREATED_INIT;
  for (;;) {
    const akv_status status = akv_sequence_create(cache_, &prompt, &options, &created);
    if (status == AKV_OK) return created;
    if (status == AKV_ERROR_NO_BLOCKS && !live_.empty()) {
      retire_oldest();
      totals_.retired_early += 1;
    } else if (status == AKV_ERROR_NO_BLOCKS && (options.flags & AKV_SEQUENCE_PARTIAL) != 0) {
      options.flags = flags;
    } else {
      fail_with_library_error("akv_sequence_create", status);
    }
  }
}

void Replayer::append_output(const Request &request) {
  const akv_sequence sequence = live_.back().sequence;
  const std::uint64_t aside = set_aside_ns_, begin = thread_cpu_ns();
  const std::size_t appended = memory_ == nullptr ? append_tokens_one_by_one(sequence) : append_in_steps(sequence);
  totals_.append_ns += thread_cpu_ns() - begin - (set_aside_ns_ - aside);
  totals_.output_tokens += appended;
  const Tokens output = Tokens(output_).first(appended);
  if (memory_ != nullptr) memory_->appended(request, sequence, output, Memory::Slots(slots_).first(appended));
  if (observer_ != nullptr) observer_->appended(request, sequence, output);
}

std::size_t Replayer::append_tokens_one_by_one(akv_sequence sequence) {
  std::size_t appended = 0;
  while (appended < output_.size()) {
    const akv_status status =
        akv_sequence_append(cache_, sequence, &output_[appended], 1, AKV_APPEND_COMMITTED, nullptr);
    if (status == AKV_OK) [[likely]]
      ++appended;
    else if (!make_room(status)) break;
  }
  return appended;
}

// One step for each token, as an engine decodes. Their K/V are written afterwards, where the steps have said.
std::size_t Replayer::append_in_steps(akv_sequence sequence) {
  slots_.resize(output_.size());
  akv_batch batch = AKV_BATCH_INIT;
  batch.num_sequences = 1;
  batch.sequences = &sequence;
  batch.tokens_count = 1;
  akv_tables tables = AKV_TABLES_INIT;
  tables.slot_capacity = 1;
  std::size_t appended = 0;
  while (appended < output_.size()) {
    batch.tokens = &output_[appended];
    tables.slot_mapping = &slots_[appended];
    const akv_status status = akv_sequence_append_batch(cache_, &batch, &tables, nullptr);
    if (status == AKV_OK) ++appended;
    else if (!make_room(status)) break;
  }
  return appended;
}

// A block that was computed twice keeps its twin in the index from being evicted. So a request that fits just so may
// find no room even when nobody else is alive, and then it ends early itself.
bool Replayer::make_room(akv_status status) {
  if (status != AKV_ERROR_NO_BLOCKS)
    fail_with_library_error(memory_ == nullptr ? "akv_sequence_append" : "akv_sequence_append_batch", status);
  totals_.retired_early += 1;
  if (live_.size() == 1) return false;
  retire_oldest();
  return true;
}

void Replayer::retire_oldest() {
  const std::uint64_t arrived = thread_cpu_ns();
  if (observer_ != nullptr) observer_->retires(live_.front().request);
  if (memory_ != nullptr) memory_->retires(live_.front().request, live_.front().sequence);
  const std::uint64_t begin = observer_ != nullptr || memory_ != nullptr ? thread_cpu_ns() : arrived;
  check(akv_sequence_free(cache_, live_.front().sequence), "akv_sequence_free");
  const std::uint64_t end = thread_cpu_ns();
  live_.pop_front();
  totals_.free_ns += end - begin;
  set_aside_ns_ += end - arrived;
}

void Replayer::drain() {
  while (!live_.empty()) retire_oldest();
}

}  // namespace replay
