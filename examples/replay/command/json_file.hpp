// json_file.hpp: where the JSON goes: nowhere, to the standard output, or to a file. It knows text, not what is in it.
//
// The file is opened before the replay, so that a path that can't be written to is told at once and not after minutes;
// what it holds goes when the new results are there.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace replay {

class JsonFile {
 public:
  // `path` may be empty (nowhere) or "-" (the standard output). Fails if the file can't be opened.
  explicit JsonFile(std::string path);

  bool is_wanted() const { return !path_.empty(); }

  // Where people's words go meanwhile.
  std::FILE *report() const { return path_ == "-" ? stderr : stdout; }

  // Once, as the last thing. Fails if not all could be written.
  void write(const std::string &text);

 private:
  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace replay
