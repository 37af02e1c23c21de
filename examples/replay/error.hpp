// error.hpp: what goes wrong in the command, as exceptions: main() turns them into one line of text and an exit code.
// They know no flag, no file and no cache; whoever throws says what, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace replay {

// A trace that can't be read, a cache that can't be made, a file that can't be written: exit code 1.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// --verify found an answer of the library that is wrong: exit code 1.
class Refused : public Failure {
 public:
  using Failure::Failure;
};

// A command line that makes no sense: exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A string from outside, fit to stand in a message: at most 60 characters, all of them printable.
inline std::string quoted(std::string text) {
  const bool cut = text.size() > 60;
  if (cut) text.resize(57);
  for (char &c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  return "'" + text + (cut ? "...'" : "'");
}

}  // namespace replay
