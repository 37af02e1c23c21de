// annotations.hpp: words for the compiler that sanitizer builds understand and others skip.
// It knows no type of the library.
#pragma once

// AKV_BLOCKING_SCOPE marks the one place where a growing sequence may wait for the cache's lock. clang's
// RealtimeSanitizer (-fsanitize=realtime) reports every other lock, allocation or system call of a decode step.
#if defined(__clang__) && defined(__has_feature)
#if __has_feature(realtime_sanitizer)
#include <sanitizer/rtsan_interface.h>
#define AKV_BLOCKING_SCOPE const __rtsan::ScopedDisabler akv_blocking_scope
#endif
#endif
#ifndef AKV_BLOCKING_SCOPE
#define AKV_BLOCKING_SCOPE static_cast<void>(0)
#endif

#define AKV_LIKELY(condition) __builtin_expect(static_cast<bool>(condition), true)
#define AKV_UNLIKELY(condition) __builtin_expect(static_cast<bool>(condition), false)
