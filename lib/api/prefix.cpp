// prefix.cpp: thunks of prefix.h.
#include "api/thunk.hpp"

using namespace akv;

extern "C" {

akv_status akv_prefix_match(akv_cache *cache, const akv_prompt *prompt, akv_match *out_match) noexcept {
  Prompt checked;
  AKV_TRY(read_prompt(prompt, checked));
  AKV_TRY(check_output(out_match, kOutputV1));
  Locked locked(cache);
  AKV_TRY(locked.status());
  akv_match match{};
  locked->match_locked(checked, match);
  write_struct(match, out_match);
  return AKV_OK;
}

akv_status akv_prefix_explain(akv_cache *cache, const akv_prompt *prompt, akv_explanation *out_explanation) noexcept {
  Prompt checked;
  AKV_TRY(read_prompt(prompt, checked));
  AKV_TRY(check_output(out_explanation, kOutputV1));
  Locked locked(cache);
  AKV_TRY(locked.status());
  akv_explanation explanation{};
  locked->explain_locked(checked, explanation);
  write_struct(explanation, out_explanation);
  return AKV_OK;
}

akv_status akv_prefix_pin(akv_cache *cache, const akv_prompt *prompt, uint64_t owner, akv_pin *out_pin,
                          uint32_t *out_tokens) noexcept {
  Prompt checked;
  AKV_TRY(read_prompt(prompt, checked));
  AKV_TRY(check_pointer(out_pin, "out_pin"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  std::uint32_t tokens = 0;
  AKV_TRY(locked->pin_locked(checked, owner, *out_pin, tokens));
  if (out_tokens != nullptr) *out_tokens = tokens;
  return AKV_OK;
}

akv_status akv_prefix_unpin(akv_cache *cache, akv_pin pin) noexcept {
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->unpin_locked(pin);
}

akv_status akv_prefix_clear(akv_cache *cache, const uint64_t *domain, uint32_t flags, uint32_t *out_blocks) noexcept {
  AKV_TRY(check_flags(flags, AKV_CLEAR_KEEP_PINNED));
  std::uint32_t blocks = 0;
  {
    Locked locked(cache);
    AKV_TRY(locked.status());
    blocks = locked->clear_locked(domain, (flags & AKV_CLEAR_KEEP_PINNED) != 0);
  }
  if (out_blocks != nullptr) *out_blocks = blocks;
  log(AKV_LOG_INFO, "prefix index cleared: %u blocks left it", blocks);
  return AKV_OK;
}

}  // extern "C"
