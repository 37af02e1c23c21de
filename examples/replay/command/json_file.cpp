// json_file.cpp: see json_file.hpp.
#include "command/json_file.hpp"

#include "error.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace replay {

JsonFile::JsonFile(std::string path) : path_(std::move(path)) {
  if (path_.empty() || path_ == "-") return;
  file_.reset(std::fopen(path_.c_str(), "ae"));
  if (file_ == nullptr) throw Failure("--json: cannot write to " + quoted(path_) + ": " + std::strerror(errno));
}

void JsonFile::write(const std::string &text) {
  std::FILE *const file = file_ != nullptr ? file_.get() : stdout;
  errno = 0;
  if (file_ != nullptr && ftruncate(fileno(file), 0) != 0 && errno != EINVAL)  // a pipe or a device has no end to move
    throw Failure("--json: cannot write to " + quoted(path_) + ": " + std::strerror(errno));
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0)
    throw Failure("--json: cannot write to " + quoted(path_) + ": " + std::strerror(errno));
}

}  // namespace replay
