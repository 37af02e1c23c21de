// verifier.cpp: see verifier.hpp.
#include "verify/verifier.hpp"

#include "cache.hpp"
#include "error.hpp"

namespace replay {
namespace {

constexpr std::uint64_t kFullAuditEvery = 256;  // requests; it looks at every block

std::string name_of(const Request &request) { return "request " + std::to_string(request.number); }

akv_cache_config config_of(akv_cache *cache) {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  check(akv_cache_read_config(cache, &config), "akv_cache_read_config");
  return config;
}

}  // namespace

Verifier::Verifier(akv_cache *cache, std::uint32_t max_live) : Verifier(cache, max_live, config_of(cache)) {}

Verifier::Verifier(akv_cache *cache, std::uint32_t max_live, const akv_cache_config &config)
    : cache_(cache),
      shadow_(config.num_blocks, config.block_tokens),
      block_lru_(config.num_blocks, config.block_tokens, max_live) {}

void Verifier::arrives(const Request &, Tokens prompt, Tokens output) { block_lru_.replay(prompt, output); }

void Verifier::admitted(const Request &request, Tokens prompt, const akv_created &created) {
  compare_with_match(request, prompt, created);
  shadow_.admit(request.number, prompt, read_table(created.sequence), created.cached_tokens,
                read_partial_hit(request, created));
  sequences_[request.number] = created.sequence;
  expected_.prompt_tokens += prompt.size();
  expected_.hit_tokens += created.cached_tokens;
  expected_.partial_tokens += created.partial_tokens;
}

// The prompt is published by now, so a match finds at least what was shared, up to all of its whole blocks.
void Verifier::compare_with_match(const Request &request, Tokens prompt, const akv_created &created) {
  akv_prompt description = AKV_PROMPT_INIT;
  description.tokens = prompt.data();
  description.num_tokens = static_cast<std::uint32_t>(prompt.size());
  akv_match match = AKV_MATCH_INIT;
  check(akv_prefix_match(cache_, &description, &match), "akv_prefix_match");
  if (match.cached_tokens < created.cached_tokens || match.wait != AKV_NONE || created.wait != AKV_NONE)
    throw Refused("verify: " + name_of(request) + ": it shares " + std::to_string(created.cached_tokens) +
                  " tokens, and a match finds " + std::to_string(match.cached_tokens) +
                  " of them (or a ticket, though none "
                  "was opened)");
}

PartialHit Verifier::read_partial_hit(const Request &request, const akv_created &created) {
  if ((created.plan != AKV_NONE) != (created.partial_tokens != 0))
    throw Refused("verify: " + name_of(request) + ": " + std::to_string(created.partial_tokens) +
                  " partial tokens and " + (created.plan != AKV_NONE ? "a" : "no") +
                  " plan: a plan is there to copy them, and for nothing else");
  if (created.plan == AKV_NONE) return {};
  akv_plan_record record;
  std::uint32_t count = 0;
  check(akv_plan_read_records(cache_, created.plan, 0, &record, 1, &count), "akv_plan_read_records");
  if (count != 1 || record.kind != AKV_PLAN_PARTIAL || record.first_token != 0 || record.wait != AKV_NONE ||
      record.num_tokens != created.partial_tokens || record.sequence != created.sequence)
    throw Refused("verify: " + name_of(request) + ": its plan is not one copy of its " +
                  std::to_string(created.partial_tokens) + " partial tokens");
  return {record.source_block, record.target_block, record.num_tokens};
}

void Verifier::appended(const Request &request, akv_sequence sequence, Tokens output) {
  shadow_.append(request.number, output, read_table(sequence));
}

void Verifier::swapped(const Request &request, Tokens prompt, akv_sequence sequence, const akv_swapped_in &in) {
  shadow_.swap(request.number, prompt, read_table(sequence), in.cached_tokens);
}

void Verifier::retires(std::uint64_t request) {
  const akv_sequence sequence = sequences_.at(request);
  shadow_.release(request, read_table(sequence));
  sequences_.erase(request);
}

void Verifier::settled(const Request &request) {
  check_sums("after " + name_of(request));
  if (++settled_ % kFullAuditEvery == 0) audit_all("after " + name_of(request));
}

void Verifier::finish() {
  check_sums("after the last request has left");
  audit_all("after the last request has left");
}

void Verifier::check_sums(const std::string &when) {
  expected_.held_blocks = shadow_.held_blocks();
  expected_.sequences = shadow_.sequences();
  expected_.sequence_tokens = shadow_.sequence_tokens();
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  check(akv_cache_read_state(cache_, &state), "akv_cache_read_state");
  if (const auto wrong = find_wrong_gauge(state, expected_)) throw Refused("verify: " + when + ": " + *wrong);
  check(akv_cache_audit(cache_), "akv_cache_audit");
}

void Verifier::audit_all(const std::string &when) {
  const akv_status status = akv_cache_audit_all(cache_);
  if (status == AKV_OK) return;
  char text[512];
  akv_last_error(text, sizeof text);
  throw Refused("verify: " + when + ": akv_cache_audit_all() answered " + akv_status_name(status) + ": " + text);
}

const std::vector<std::int32_t> &Verifier::read_table(akv_sequence sequence) {
  std::uint32_t count = 0;
  const akv_status status = akv_sequence_read_blocks(cache_, sequence, 0, nullptr, 0, &count);
  if (status != AKV_ERROR_BUFFER_TOO_SMALL) check(status, "akv_sequence_read_blocks");  // an empty table is fine
  table_.resize(count);
  check(akv_sequence_read_blocks(cache_, sequence, 0, table_.data(), count, &count), "akv_sequence_read_blocks");
  return table_;
}

}  // namespace replay
