// line_reader.cpp: see line_reader.hpp.
#include "workload/line_reader.hpp"

#include "error.hpp"

#include <cerrno>
#include <cstring>

namespace replay {
namespace {

constexpr std::size_t kReadAhead = std::size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

LineReader::LineReader(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "rbe")) {
  if (file_ == nullptr) throw Failure("cannot open " + quoted(path_) + ": " + std::strerror(errno));
}

// Read more behind what is there; false at the end of the file.
bool LineReader::fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kReadAhead);
  errno = 0;
  const std::size_t got = std::fread(buffer_.data() + kept, 1, kReadAhead, file_.get());
  buffer_.resize(kept + got);
  if (got == 0 && std::ferror(file_.get()) != 0)
    throw Failure("cannot read " + quoted(path_) +
                  (line_number_ != 0 ? " behind line " + std::to_string(line_number_) : "") + ": " +
                  std::strerror(errno));
  return got != 0;
}

bool LineReader::next_raw(std::string_view &line) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = buffer_.find('\n', begin_ + searched);
    if (end != std::string::npos) {
      line = std::string_view(buffer_).substr(begin_, end - begin_);
      begin_ = end + 1;
      break;
    }
    searched = buffer_.size() - begin_;
    if (searched > kMaxLine)
      throw Failure(path_ + ": line " + std::to_string(line_number_ + 1) + " is longer than " +
                    std::to_string(kMaxLine) + " bytes, the most a line of a trace may have");
    if (fill()) continue;
    if (searched == 0) return false;
    line = std::string_view(buffer_).substr(begin_);  // the last line may lack its end
    begin_ = buffer_.size();
    break;
  }
  line_number_ += 1;
  if (line_number_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

bool LineReader::next(std::string_view &line) {
  while (next_raw(line))
    if (line.find_first_not_of(" \t") != std::string_view::npos) return true;
  return false;
}

}  // namespace replay
