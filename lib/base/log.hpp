// log.hpp: one line of text to the host's log hook, if it set one.
// Call it with no lock held: the hook may call back into the library.
#pragma once

#include "arenakv/host.h"
#include "base/error.hpp"

namespace akv {

Status set_log(akv_log_function function, void *context, std::uint32_t max_level) noexcept;

[[gnu::format(printf, 2, 3)]] void log(std::uint32_t level, const char *format, ...) noexcept;

}  // namespace akv
