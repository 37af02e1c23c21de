// json_file.cpp: see json_file.hpp.
#include "command/json_file.hpp"

#include "error.hpp"

#include <cerrno>
#include <cstring>

namespace replay {

JsonFile::JsonFile(std::string path) : path_(std::move(path)) {
  if (path_.empty() || path_ == "-") return;
  file_.reset(std::fopen(path_.c_str(), "we"));
  if (file_ == nullptr) throw Failure("--json: cannot write to " + quoted(path_) + ": " + std::strerror(errno));
}

void JsonFile::write(const std::string &text) {
  std::FILE *const file = file_ != nullptr ? file_.get() : stdout;
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0)
    throw Failure("--json: cannot write to " + quoted(path_) + ": " + std::strerror(errno));
}

}  // namespace replay
