// file.cpp: writing beside the old file, flushing, renaming; reading no more than a file says and has.
// It knows names and bytes; of images only where their header ends.
//
// The order is the one that survives a power cut on every usual file system: data are flushed before the new name
// points to them, and the folder behind it.
#include "data/image/file.hpp"

#include "base/process.hpp"
#include "data/image/format.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

namespace akv {
namespace {

constexpr std::uint64_t kLargestStep = std::uint64_t{1} << 30;  // the kernel does not take much more in one call

const char *errno_name(int number) noexcept {
  switch (number) {
    case EACCES: return "EACCES, permission denied";
    case EBADF: return "EBADF";
    case EDQUOT: return "EDQUOT, the quota is exhausted";
    case EEXIST: return "EEXIST, it exists";
    case EFBIG: return "EFBIG, the file is too large";
    case EINVAL: return "EINVAL";
    case EIO: return "EIO, the device failed";
    case EISDIR: return "EISDIR, it is a folder";
    case ELOOP: return "ELOOP, it is a symbolic link";
    case EMFILE: return "EMFILE, too many open files in this process";
    case ENAMETOOLONG: return "ENAMETOOLONG, the name is too long";
    case ENFILE: return "ENFILE, too many open files in the system";
    case ENOENT: return "ENOENT, there is no such file or folder";
    case ENOMEM: return "ENOMEM, the kernel has no memory";
    case ENOSPC: return "ENOSPC, the device is full";
    case ENOTDIR: return "ENOTDIR, a part of the path is no folder";
    case EPERM: return "EPERM, not permitted";
    case EROFS: return "EROFS, the file system is read-only";
    case EXDEV: return "EXDEV, another file system";
    default: return "an error";
  }
}

// `format` takes the error's name, its number, and one more number if it likes.
Status io_failed(const char *format, unsigned long long number = 0) noexcept {
  const int error = errno;
  return fail_named(AKV_ERROR_IO, format, errno_name(error), static_cast<unsigned>(error), number);
}

// Calls that a signal interrupts are made again.
template <class Call>
auto again(Call call) noexcept {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}

class File {
 public:
  explicit File(int number) noexcept : number_(number) {}
  ~File() {
    if (number_ >= 0) ::close(number_);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  bool open() const noexcept { return number_ >= 0; }
  int number() const noexcept { return number_; }
  // EINTR: it is closed all the same.
  bool close() noexcept {
    const int number = number_;
    number_ = -1;
    return ::close(number) == 0 || errno == EINTR;
  }

 private:
  int number_;
};

// A path as a folder and a name in it.
struct Place {
  char folder[PATH_MAX];
  const char *name = nullptr;

  Status read(const char *path) noexcept {
    const std::size_t length = strnlen(path, sizeof folder);
    if (length == sizeof folder)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "a path of %llu bytes or more, at most %llu", length, length - 1);
    const char *const slash = std::strrchr(path, '/');
    name = slash == nullptr ? path : slash + 1;
    if (*name == '\0' || std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "the path names no file: it is empty, or ends with /, . or ..");
    if (slash == nullptr) {
      std::memcpy(folder, ".", 2);
      return AKV_OK;
    }
    const auto end = std::max<std::size_t>(static_cast<std::size_t>(slash - path), 1);  // "/name" is in "/"
    std::memcpy(folder, path, end);
    folder[end] = '\0';
    return AKV_OK;
  }
};

// A new file beside the one that it is to replace; it goes away again unless it was given that name.
class NewFile {
 public:
  explicit NewFile(int folder) noexcept : folder_(folder), file_(create()) {}
  ~NewFile() {
    if (created_) ::unlinkat(folder_, name_, 0);
  }
  NewFile(const NewFile &) = delete;
  NewFile &operator=(const NewFile &) = delete;

  Status fill(const unsigned char *image, std::uint64_t bytes) noexcept {
    if (!file_.open()) return io_failed("%s (errno %llu): the folder takes no new file");
    if (::fchmod(file_.number(), S_IRUSR | S_IWUSR) != 0)  // the umask may have taken even the owner's rights
      return io_failed("%s (errno %llu): the new file can't be made its owner's alone");
    for (std::uint64_t at = 0; at < bytes;) {
      const auto step = std::min(bytes - at, kLargestStep);
      const ssize_t written = again([&] { return ::write(file_.number(), image + at, step); });
      if (written == 0) errno = ENOSPC;
      if (written <= 0) return io_failed("%s (errno %llu): the new file can't be written, at byte %llu", at);
      at += static_cast<std::uint64_t>(written);
    }
    if (again([&] { return ::fsync(file_.number()); }) != 0)
      return io_failed("%s (errno %llu): the new file can't be flushed");
    if (!file_.close()) return io_failed("%s (errno %llu): the new file can't be closed");
    return AKV_OK;
  }

  Status take_the_place_of(const char *name) noexcept {
    if (::renameat(folder_, name_, folder_, name) != 0)
      return io_failed("%s (errno %llu): the new file can't take the place of the old one");
    created_ = false;
    return AKV_OK;
  }

 private:
  int create() noexcept {
    for (int attempt = 0; attempt < 16; ++attempt) {
      name_it(random_number());
      const int number = again([this] {
        return ::openat(folder_, name_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
      });
      created_ = number >= 0;
      if (created_ || errno != EEXIST) return number;
    }
    return -1;
  }
  void name_it(std::uint64_t random) noexcept {
    char *to = name_ + sizeof(".arenakv-") - 1;
    for (int digit = 0; digit < 16; ++digit, random >>= 4) *to++ = "0123456789abcdef"[random & 15];
  }

  const int folder_;
  bool created_ = false;
  char name_[32] = ".arenakv-0123456789abcdef.tmp";
  File file_;
};

// Only a regular file may be there, or none.
Status check_old(int folder, const char *name) noexcept {
  struct stat old{};
  if (::fstatat(folder, name, &old, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? AKV_OK : io_failed("%s (errno %llu): what is at the path can't be looked at");
  if (S_ISREG(old.st_mode)) return AKV_OK;
  return fail(AKV_ERROR_IO, "what is at the path is no regular file (mode 0%llo): it is not replaced", old.st_mode);
}

// Read [at, end) of the file.
Status read_part(const File &file, unsigned char *buffer, std::uint64_t at, std::uint64_t end) noexcept {
  while (at < end) {
    const auto step = std::min(end - at, kLargestStep);
    const ssize_t got = again([&] { return ::pread(file.number(), buffer + at, step, static_cast<off_t>(at)); });
    if (got < 0) return io_failed("%s (errno %llu): the image can't be read, at byte %llu", at);
    if (got == 0)
      return fail(AKV_ERROR_BAD_IMAGE, "the image ends at byte %llu, it had %llu when it was opened", at, end);
    at += static_cast<std::uint64_t>(got);
  }
  return AKV_OK;
}

}  // namespace

Status write_image_file(const char *path, const unsigned char *image, std::uint64_t bytes) noexcept {
  Place place;
  AKV_TRY(place.read(path));
  const File folder(again([&] { return ::open(place.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!folder.open()) return io_failed("%s (errno %llu): the folder of the path can't be opened");
  AKV_TRY(check_old(folder.number(), place.name));
  NewFile file(folder.number());
  AKV_TRY(file.fill(image, bytes));
  AKV_TRY(file.take_the_place_of(place.name));
  // Some file systems flush no folders, and say EINVAL.
  if (again([&] { return ::fsync(folder.number()); }) != 0 && errno != EINVAL)
    return io_failed("%s (errno %llu): the new file is in its place, its folder can't be flushed");
  return AKV_OK;
}

Status read_image_file(const char *path, unsigned char *buffer, std::uint64_t capacity,
                       std::uint64_t &out_bytes) noexcept {
  // O_NONBLOCK: to open a pipe would wait for a writer.
  const File file(again([&] { return ::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }));
  if (!file.open()) return io_failed("%s (errno %llu): the image can't be opened");
  struct stat its{};
  if (::fstat(file.number(), &its) != 0) return io_failed("%s (errno %llu): the image can't be looked at");
  if (!S_ISREG(its.st_mode)) return fail(AKV_ERROR_IO, "no regular file is at the path (mode 0%llo)", its.st_mode);
  const auto bytes = static_cast<std::uint64_t>(its.st_size);
  unsigned char header[ImageShape::kMaxHeaderBytes];
  const std::uint64_t present = std::min<std::uint64_t>(bytes, sizeof header);
  AKV_TRY(read_part(file, header, 0, present));
  ImageShape shape;
  AKV_TRY(shape.read(header, present, bytes));
  if (capacity < bytes) {
    out_bytes = bytes;
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, bytes, capacity, "the image has %llu bytes, the buffer %llu", bytes,
                     capacity);
  }
  AKV_TRY(read_part(file, buffer, 0, bytes));
  out_bytes = bytes;
  return AKV_OK;
}

}  // namespace akv
