// image_files.cpp: every system call under akv_image_write_file() and akv_image_read_file() fails, at its n-th time,
// once and for ever, with each error; reads and writes are short, and interrupted. It knows the public API, the format
// to make an image, and which system calls there are; the linker puts them through here (--wrap).
//
// Promises: E7: a failure is an answer with its errno, and no output but the buffer is written; the old file or the new
// one is at the path, whole; nothing else is left in the folder, and no descriptor is open. An interruption is no
// failure.
#include "arenakv.h"
#include "data/image/format.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

// What goes wrong in this run.
struct Trouble {
  bool on = false;
  long nth = 0;           // system calls are counted from 1; 0: none fails
  bool for_ever = false;  // and all behind it
  int error = 0;
  bool small_steps = false;  // reads and writes move a few bytes at a time
  bool interrupted = false;  // every other call is interrupted first
  long made = 0, failed = 0;
};
Trouble trouble;

bool fails(bool can_be_interrupted = false) {
  if (!trouble.on) return false;
  ++trouble.made;
  if (trouble.interrupted && can_be_interrupted && trouble.made % 2 == 1) {
    errno = EINTR;
    return true;
  }
  if (trouble.nth == 0 || trouble.made < trouble.nth || (trouble.made > trouble.nth && !trouble.for_ever)) return false;
  ++trouble.failed;
  errno = trouble.error;
  return true;
}
std::size_t step(std::size_t size) { return trouble.on && trouble.small_steps && size > 7 ? 7 : size; }

[[noreturn]] void broken(const char *what) {
  trouble.on = false;
  char text[300] = "";
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, "BROKEN: %s (call %ld of %ld, errno %d%s): %s\n", what, trouble.nth, trouble.made, trouble.error,
               trouble.for_ever ? ", for ever" : "", text);
  std::exit(1);
}

}  // namespace

extern "C" {

int __real_open64(const char *, int, ...);
int __real_openat64(int, const char *, int, ...);
int __real_fstat64(int, struct stat64 *);
int __real_fstatat64(int, const char *, struct stat64 *, int);
int __real_fchmod(int, mode_t);
ssize_t __real_write(int, const void *, size_t);
ssize_t __real_pread64(int, void *, size_t, off64_t);
int __real_fsync(int);
int __real_close(int);
int __real_renameat(int, const char *, int, const char *);
int __real_unlinkat(int, const char *, int);

int __wrap_open64(const char *path, int flags, ...) { return fails(true) ? -1 : __real_open64(path, flags); }
int __wrap_openat64(int folder, const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>((flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0);
  va_end(arguments);
  return fails(true) ? -1 : __real_openat64(folder, path, flags, mode);
}
int __wrap_fstat64(int file, struct stat64 *out) { return fails() ? -1 : __real_fstat64(file, out); }
int __wrap_fstatat64(int folder, const char *path, struct stat64 *out, int flags) {
  return fails() ? -1 : __real_fstatat64(folder, path, out, flags);
}
int __wrap_fchmod(int file, mode_t mode) { return fails() ? -1 : __real_fchmod(file, mode); }
ssize_t __wrap_write(int file, const void *data, size_t size) {
  return fails(true) ? -1 : __real_write(file, data, step(size));
}
ssize_t __wrap_pread64(int file, void *data, size_t size, off64_t at) {
  return fails(true) ? -1 : __real_pread64(file, data, step(size), at);
}
int __wrap_fsync(int file) { return fails(true) ? -1 : __real_fsync(file); }
// A close that fails has closed all the same.
int __wrap_close(int file) {
  const bool failed = fails(true);
  const int error = errno;
  const int result = __real_close(file);
  if (!failed) return result;
  errno = error;
  return -1;
}
int __wrap_renameat(int from, const char *name, int to, const char *new_name) {
  return fails() ? -1 : __real_renameat(from, name, to, new_name);
}
// What tidies up works: else nothing could.
int __wrap_unlinkat(int folder, const char *name, int flags) { return __real_unlinkat(folder, name, flags); }

}  // extern "C"

namespace {

using Bytes = std::vector<unsigned char>;

Bytes make(std::uint32_t num_tokens) {
  akv::Geometry geometry;
  const akv_plane plane = {AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 4, 0, 0};
  const akv_layer_group group = {AKV_RULE_FULL, 2, 1, sizeof plane, &plane, 0, 0};
  akv::ImageShape shape;
  if (geometry.read(&group, 1, sizeof group) != AKV_OK || shape.plan(geometry, num_tokens) != AKV_OK) broken("make");
  Bytes image(shape.image_bytes(), 3);
  shape.seal(image.data());
  return image;
}

class Folder {
 public:
  Folder() {
    if (mkdtemp(name_) == nullptr) broken("mkdtemp");
  }
  ~Folder() {
    std::remove(path().c_str());
    rmdir(name_);
  }
  std::string path() const { return std::string(name_) + "/image"; }
  int entries() const {
    int count = 0;
    DIR *const folder = opendir(name_);
    while (const dirent *entry = readdir(folder))
      count += std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
  }
  Bytes content() const {
    Bytes all;
    FILE *const file = std::fopen(path().c_str(), "rb");
    if (file == nullptr) return all;
    for (int byte = std::fgetc(file); byte != EOF; byte = std::fgetc(file))
      all.push_back(static_cast<unsigned char>(byte));
    std::fclose(file);
    return all;
  }

 private:
  char name_[40] = "/tmp/arenakv-image-files-XXXXXX";
};

int open_files() {
  int count = 0;
  for (int number = 0; number < 64; ++number) count += fcntl(number, F_GETFD) != -1;
  return count;
}

akv_status write(const Folder &folder, const Bytes &image) {
  trouble.on = true;
  const akv_status status = akv_image_write_file(folder.path().c_str(), image.data(), image.size());
  trouble.on = false;
  return status;
}
akv_status read(const Folder &folder, Bytes &buffer) {
  constexpr std::uint64_t untold = 12345;
  std::uint64_t bytes = untold;
  trouble.on = true;
  const akv_status status = akv_image_read_file(folder.path().c_str(), buffer.data(), buffer.size(), &bytes);
  trouble.on = false;
  if (bytes != (status == AKV_OK ? buffer.size() : untold)) broken("a size was told with a failure, or a wrong one");
  return status;
}

// One write over `old` (empty: none) under this trouble.
void try_write(const Bytes &old, const Bytes &image, const Trouble &wanted) {
  const Folder folder;
  trouble = {};
  if (!old.empty() && write(folder, old) != AKV_OK) broken("the first write");
  const int before = open_files();
  trouble = wanted;
  const akv_status status = write(folder, image);
  const Bytes now = folder.content();
  if (open_files() != before) broken("a descriptor is open");
  if (now != old && now != image) broken("neither the old nor the new file is there");
  if (folder.entries() != (now.empty() ? 0 : 1)) broken("something was left in the folder");
  if (status == AKV_OK && now != image) broken("it said that the new file is there");
  if (status != AKV_OK && status != AKV_ERROR_IO) broken("it answered something else");
  if (trouble.failed == 0 && status != AKV_OK) broken("it failed of its own");
  char text[300] = "";
  akv_last_error(text, sizeof text);
  const bool flushed_no_folder = std::strstr(text, "the new file is in its place") != nullptr;
  if (status != AKV_OK && now == image && !flushed_no_folder && old != image) broken("it did not say that it is there");
  const std::string number = "(errno " + std::to_string(wanted.error) + ")";
  if (status != AKV_OK && std::strstr(text, number.c_str()) == nullptr) broken("the errno is not told");
}

void try_read(const Bytes &image, const Trouble &wanted) {
  const Folder folder;
  trouble = {};
  if (write(folder, image) != AKV_OK) broken("the write to read from");
  const int before = open_files();
  Bytes buffer(image.size());
  trouble = wanted;
  const akv_status status = read(folder, buffer);
  if (open_files() != before) broken("a descriptor is open");
  if (status == AKV_OK && buffer != image) broken("other bytes were read");
  if (status != AKV_OK && (status != AKV_ERROR_IO || trouble.failed == 0)) broken("it answered something else");
}

// Each call of `run` in turn, once and for ever, with each error; returns how many runs that were.
template <class Run>
long every_failure(Run run) {
  static constexpr int errors[] = {EIO, ENOSPC, EDQUOT, EACCES, EROFS, EMFILE, ENOMEM, EPERM, 9999};
  long runs = 0;
  for (const int error : errors)
    for (const bool for_ever : {false, true})
      for (long nth = 1;; ++nth, ++runs) {
        Trouble wanted;
        wanted.nth = nth;
        wanted.for_ever = for_ever;
        wanted.error = error;
        run(wanted);
        if (trouble.failed == 0) break;  // there are no more calls than that
      }
  return runs;
}

}  // namespace

int main() {
  const Bytes old = make(3), image = make(40);
  long runs = every_failure([&](const Trouble &wanted) { try_write(old, image, wanted); });
  runs += every_failure([&](const Trouble &wanted) { try_write({}, image, wanted); });
  runs += every_failure([&](const Trouble &wanted) { try_read(image, wanted); });
  for (const bool small : {false, true}) {
    Trouble storm;
    storm.small_steps = small;
    storm.interrupted = true;
    try_write(old, image, storm);
    if (trouble.made < 8) broken("the storm has met no system call");
    try_read(image, storm);
    storm.interrupted = false;
    try_write(old, image, storm);
    try_read(image, storm);
    runs += 4;
  }
  if (runs < 100) broken("the system calls do not go through here");
  std::printf("image_files: %ld runs: a clear answer, the old file or the new one, and nothing left behind\n", runs);
  return 0;
}
