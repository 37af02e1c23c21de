// progress.cpp: see progress.hpp.
#include "progress.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace replay {
namespace {

constexpr std::uint64_t kWidth = 40;
constexpr std::uint64_t kSteps = 200;

}  // namespace

Progress::Progress(std::uint64_t total)
    : total_(std::max<std::uint64_t>(total, 1)),
      step_(std::max<std::uint64_t>(total / kSteps, 1)),
      next_(isatty(STDERR_FILENO) != 0 ? 0 : UINT64_MAX) {}

Progress::~Progress() {
  if (next_ != UINT64_MAX) std::fputs("\r\033[K", stderr);
}

void Progress::draw(std::uint64_t done) {
  const std::uint64_t filled = std::min(done * kWidth / total_, kWidth);
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  std::fprintf(stderr, "\r[%s] %llu of %llu requests", bar.c_str(), static_cast<unsigned long long>(done),
               static_cast<unsigned long long>(total_));
  next_ = done + step_;
}

}  // namespace replay
