// child.hpp: a part of a test that runs in a child of fork(): for what fork() does, and for what may end the process.
// It knows no test.
#pragma once

#include "fixture.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace akv::test {

// Run `body` in a child of fork(); what it returns is what it found wrong.
template <class Body>
std::string in_child(Body body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(number, SIG_DFL);  // no word of Catch2's
    alarm(60);                                                                         // one that hangs dies
    const std::string found = body();
    const ssize_t written = write(ends[1], found.data(), found.size());
    _exit(written == static_cast<ssize_t>(found.size()) ? 0 : 9);
  }
  close(ends[1]);
  std::string found;
  char part[512];
  for (ssize_t size; (size = read(ends[0], part, sizeof part)) > 0;) found.append(part, static_cast<std::size_t>(size));
  close(ends[0]);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  return found;
}

inline std::string wrong(const char *what, akv_status answer) {
  return std::string(what) + " answered " + akv_status_name(answer) + "\n";
}

}  // namespace akv::test
