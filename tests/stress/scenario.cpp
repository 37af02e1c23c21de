// scenario.cpp: a call while memory fails, and what must hold when it was refused.
// It knows no scenario.
#include "scenario.hpp"

#include <unistd.h>

#include <cstdarg>
#include <cstring>

namespace akv::stress {

void Trial::fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  char text[300] = "";
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, " (last error: %s)\n", text);
  std::fflush(stderr);
  _exit(1);
}

void Trial::ok(akv_status status, const char *what) {
  if (status != AKV_OK) fail("%s: %s", what, akv_status_name(status));
}

akv_cache_state Trial::state() const {
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  if (watched_ == nullptr) return state;
  ok(akv_cache_read_state(watched_, &state), "read_state");
  ok(akv_cache_audit_all(watched_), "audit_all");
  return state;
}

void Trial::check_unchanged(const Outstanding &before, const akv_cache_state &state_before) const {
  const Outstanding now = outstanding();
  if (!(now == before))
    fail("a call that failed again has leaked %lld allocations and %lld mappings (%lld bytes)",
         static_cast<long long>(now.allocations - before.allocations),
         static_cast<long long>(now.mappings - before.mappings),
         static_cast<long long>(now.mapped_bytes - before.mapped_bytes));
  const akv_cache_state state_now = state();
  if (std::memcmp(&state_now, &state_before, sizeof state_now) != 0) fail("a call that failed has changed a cache");
}

akv_status Trial::try_once(const std::function<akv_status()> &call) {
  arm(failure_.nth, failure_.for_ever);
  const akv_status status = call();
  const Attempts attempts = disarm();
  outcome.made += attempts.made;
  outcome.failed += attempts.failed;
  outcome.refused |= status == AKV_ERROR_OUT_OF_MEMORY;
  return status;
}

void Trial::try_call(const std::function<akv_status()> &call, akv_status wanted) {
  const akv_cache_state state_before = state();
  akv_status status = try_once(call);
  if (status == wanted) return;
  if (status != AKV_ERROR_OUT_OF_MEMORY || outcome.failed == 0)
    fail("allocation %llu failed: %s", static_cast<unsigned long long>(failure_.nth), akv_status_name(status));
  char text[300];
  if (akv_last_error(text, sizeof text) == 0 || std::strstr(text, "memory") == nullptr)
    if (std::strstr(text, "no ") == nullptr) fail("the message does not tell of memory");
  // The library keeps a little for the life of the process, and may get that far before it fails; but failing again and
  // again adds nothing.
  Outstanding before = outstanding();
  for (int again = 0; again < 6; ++again) {
    if (again < 3) before = outstanding();
    arm(failure_.nth, true);
    status = call();
    disarm();
    if (status == wanted) return;  // what failed before is there now, and the rest did not need so many
    if (status != AKV_ERROR_OUT_OF_MEMORY) fail("memory fails still: %s", akv_status_name(status));
    if (again >= 3) check_unchanged(before, state_before);
  }
  status = call();
  if (status != wanted) fail("with memory again: %s", akv_status_name(status));
}

}  // namespace akv::stress
