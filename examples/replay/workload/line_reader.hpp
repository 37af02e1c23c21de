// line_reader.hpp: the lines of a file one by one, with their numbers, in bounded memory.
// It knows no format: a line is what stands between two newlines.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace replay {

class LineReader {
 public:
  static constexpr std::size_t kMaxLine = std::size_t{4} << 20;

  // Fails if the file can't be opened.
  explicit LineReader(std::string path);

  // The next line that is not blank, without its end; valid until the next call. False at the end of the file.
  // Fails if the file can't be read, or the line is longer than kMaxLine.
  bool next(std::string_view &line);

  std::uint64_t line_number() const { return line_number_; }
  const std::string &path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };

  bool fill();
  bool next_raw(std::string_view &line);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string buffer_;  // what was read and not yet handed out begins at `begin_`
  std::size_t begin_ = 0;
  std::uint64_t line_number_ = 0;
};

}  // namespace replay
