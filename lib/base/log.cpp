// log.cpp: the process-wide log hook of this copy of the library.
// It knows no object of the library and holds no lock while the hook runs.
#include "base/log.hpp"

#include <time.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>

namespace akv {
namespace {

// A reader must see function, context and level of the same set_log() call, and set_log() must know who is still inside
// the old function: both by one word that counts readers, in its lower half, of the hook whose number is in its upper
// half. Log lines are rare, so a shared word is good enough.
struct Hook {
  akv_log_function function;
  void *context;
  std::uint32_t max_level;
};

constinit Hook hooks[2]{};
constinit std::atomic<std::uint32_t> current{0};  // which of the two
constinit std::atomic<std::uint32_t> inside[2]{};
constinit std::atomic<bool> setting{false};
thread_local constinit bool this_thread_inside = false;

void sleep_a_moment() {
  const timespec moment{0, 100000};
  nanosleep(&moment, nullptr);
}

// Enter the current hook: after counting oneself in, make sure that it still is the current one.
std::uint32_t enter() {
  for (;;) {
    const std::uint32_t which = current.load(std::memory_order_seq_cst);
    inside[which].fetch_add(1, std::memory_order_seq_cst);
    if (current.load(std::memory_order_seq_cst) == which) return which;
    inside[which].fetch_sub(1, std::memory_order_release);
  }
}

// Up to a second.
bool wait_until_left(std::uint32_t which) {
  for (int tries = 0; inside[which].load(std::memory_order_acquire) != 0; ++tries) {
    if (tries == 10000) return false;
    sleep_a_moment();
  }
  return true;
}

}  // namespace

Status set_log(akv_log_function function, void *context, std::uint32_t max_level) noexcept {
  if (max_level > AKV_LOG_INFO)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "log level is %llu, the highest is %llu", max_level, AKV_LOG_INFO);
  for (int tries = 0; setting.exchange(true, std::memory_order_acquire); ++tries) {
    if (tries == 10000) return fail(AKV_ERROR_BUSY, "another thread is inside akv_set_log()");
    sleep_a_moment();
  }
  const std::uint32_t old = current.load(std::memory_order_relaxed), fresh = old ^ 1;
  // Nobody is in the one before the old: whoever set the old one has waited for that.
  const bool free = wait_until_left(fresh);
  if (free) {
    hooks[fresh] = {function, context, max_level};
    current.store(fresh, std::memory_order_seq_cst);
  }
  const bool left = free && (this_thread_inside || wait_until_left(old));
  setting.store(false, std::memory_order_release);
  if (left) return AKV_OK;
  return fail(AKV_ERROR_BUSY, free ? "a thread is still inside the old log function: keep it and its context alive"
                                   : "a thread is still inside the log function before the last: nothing was changed");
}

void log(std::uint32_t level, const char *format, ...) noexcept {
  if (this_thread_inside) return;  // what a hook causes is not logged: no recursion
  const std::uint32_t which = enter();
  const Hook hook = hooks[which];
  if (hook.function != nullptr && level <= hook.max_level) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    this_thread_inside = true;
    try {
      hook.function(hook.context, level, text);
    } catch (...) {  // a hook's exception ends here
    }
    this_thread_inside = false;
  }
  inside[which].fetch_sub(1, std::memory_order_release);
}

}  // namespace akv
