// telling_run.cpp: see telling_run.hpp.
#include "telling_run.hpp"

#include <cstdarg>

namespace bytes_test {

void TellingRun::expect(akv_status got, akv_status want, const char *what) {
  if (got == want) return;
  char text[400];
  akv_last_error(text, sizeof text);
  fail("%s answered %s, not %s: %s", what, akv_status_name(got), akv_status_name(want), got != AKV_OK ? text : "");
}

void TellingRun::note(const char *format, ...) {
  ++notes_;
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (print_all_) {
    std::printf("%" PRIu64 ": %s\n", operation_, text);
    std::fflush(stdout);
  }
  log_.push_back(std::to_string(operation_) + ": " + text);
  if (log_.size() > 60) log_.pop_front();
}

void TellingRun::fail(const char *format, ...) {
  std::printf("\nthe last calls of seed %" PRIu64 " (%s):\n", seed_, shape_in_words().c_str());
  for (const std::string &line : log_) std::printf("  %s\n", line.c_str());
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\nagain: %s --seed %" PRIu64 " --operations 1\n", program_, seed_);
  std::fflush(stdout);
  std::_Exit(1);
}

}  // namespace bytes_test
