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
  admit(request);
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
  if (created.plan != AKV_NONE) check(akv_plan_finish(cache_, created.plan, AKV_NONE), "akv_plan_finish");
  totals_.admit_ns += thread_cpu_ns() - begin - (set_aside_ns_ - aside);
  totals_.cached_tokens += created.cached_tokens;
  totals_.partial_tokens += created.partial_tokens;
  live_.push_back({request.number, created.sequence});
}

// A partial hit holds on to the block that it is copied from. So a request that fits just so may find no room with it
// when nobody else is alive, and then does without.
akv_created Replayer::create(const akv_prompt &prompt) {
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_COMMITTED | AKV_SEQUENCE_PARTIAL;
  akv_created created = AKV_CREATED_INIT;
  for (;;) {
    const akv_status status = akv_sequence_create(cache_, &prompt, &options, &created);
    if (status == AKV_OK) return created;
    if (status == AKV_ERROR_NO_BLOCKS && !live_.empty()) {
      retire_oldest();
      totals_.retired_early += 1;
    } else if (status == AKV_ERROR_NO_BLOCKS && (options.flags & AKV_SEQUENCE_PARTIAL) != 0) {
      options.flags = AKV_SEQUENCE_COMMITTED;
    } else {
      fail_with_library_error("akv_sequence_create", status);
    }
  }
}

void Replayer::append_output(const Request &request) {
  const akv_sequence sequence = live_.back().sequence;
  const std::uint64_t aside = set_aside_ns_, begin = thread_cpu_ns();
  std::size_t appended = 0;
  while (appended < output_.size()) {
    const akv_status status =
        akv_sequence_append(cache_, sequence, &output_[appended], 1, AKV_APPEND_COMMITTED, nullptr);
    if (status == AKV_OK) [[likely]]
      ++appended;
    else if (!make_room(status)) break;
  }
  totals_.append_ns += thread_cpu_ns() - begin - (set_aside_ns_ - aside);
  totals_.output_tokens += appended;
  if (observer_ != nullptr) observer_->appended(request, sequence, Tokens(output_).first(appended));
}

// A block that was computed twice keeps its twin in the index from being evicted. So a request that fits just so may
// find no room even when nobody else is alive, and then it ends early itself.
bool Replayer::make_room(akv_status status) {
  if (status != AKV_ERROR_NO_BLOCKS) fail_with_library_error("akv_sequence_append", status);
  totals_.retired_early += 1;
  if (live_.size() == 1) return false;
  retire_oldest();
  return true;
}

void Replayer::retire_oldest() {
  const std::uint64_t arrived = thread_cpu_ns();
  if (observer_ != nullptr) observer_->retires(live_.front().request);
  const std::uint64_t begin = observer_ != nullptr ? thread_cpu_ns() : arrived;
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
