// progress.hpp: a bar on the terminal's last line, if there is a terminal. It knows a number out of another.
#pragma once

#include <cstdint>

namespace replay {

class Progress {
 public:
  explicit Progress(std::uint64_t total);
  ~Progress();  // wipes the line
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  void show(std::uint64_t done) {
    if (done >= next_) draw(done);
  }

 private:
  void draw(std::uint64_t done);

  std::uint64_t total_;
  std::uint64_t step_;
  std::uint64_t next_;
};

}  // namespace replay
