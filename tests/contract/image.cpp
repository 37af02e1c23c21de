// image.cpp: what image.h promises: an image tells what it is, and a file holds the old one or the new one, whole.
// It knows the public API and the file system. Bytes that are not sound: tests/unit/image_format.cpp.
#include "image_fixture.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace akv::test;

namespace {

Image make(std::uint32_t length = 10) {
  ImageCache cache(Geometry::scaled());
  const ImageStores stores(cache);
  return saved(cache, stores, filled(cache, stores, count_up(50, length)));
}

// A folder of its own, gone at the end.
struct Folder {
  Folder() { REQUIRE(mkdtemp(name) != nullptr); }
  ~Folder() {
    for (const std::string &file : files()) std::remove((std::string(name) + "/" + file).c_str());
    CHECK(rmdir(name) == 0);
  }
  std::string operator/(const char *file) const { return std::string(name) + "/" + file; }
  std::vector<std::string> files() const {
    std::vector<std::string> all;
    DIR *const folder = opendir(name);
    REQUIRE(folder != nullptr);
    for (const dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder))
      if (entry->d_name[0] != '.' || std::strlen(entry->d_name) > 2) all.emplace_back(entry->d_name);
    closedir(folder);
    return all;
  }
  char name[32] = "/tmp/arenakv-image-XXXXXX";
};

akv_status write(const std::string &path, const Image &image) {
  return akv_image_write_file(path.c_str(), image.data(), image.bytes);
}
Image read(const std::string &path) {
  std::uint64_t bytes = 0;
  CHECK(akv_image_read_file(path.c_str(), nullptr, 0, &bytes) == AKV_ERROR_BUFFER_TOO_SMALL);
  Image image;
  image.resize(bytes);
  bytes = 0;
  OK(akv_image_read_file(path.c_str(), image.data(), image.bytes, &bytes));
  CHECK(bytes == image.bytes);
  return image;
}
akv_status try_read(const std::string &path) {
  std::vector<unsigned char> buffer(100000);
  std::uint64_t bytes = 0;
  return akv_image_read_file(path.c_str(), buffer.data(), buffer.size(), &bytes);
}
void put(const std::string &path, const void *data, std::size_t size) {
  FILE *const file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  REQUIRE(std::fwrite(data, 1, size, file) == size);
  REQUIRE(std::fclose(file) == 0);
}
int open_files() {
  int count = 0;
  for (int number = 0; number < 256; ++number) count += fcntl(number, F_GETFD) != -1;
  return count;
}

}  // namespace

TEST_CASE("image: E7 it tells its tokens, planes, sizes and label") {
  const Image image = make();
  akv_image_info info = AKV_IMAGE_INFO_INIT;
  OK(akv_image_check(image.data(), image.bytes, &info));
  CHECK((info.version == 1 && info.num_tokens == 10 && info.known_tokens == 10 && info.image_bytes == image.bytes));
  CHECK(info.payload_offset + info.payload_bytes == image.bytes);
  CHECK(image.data()[info.payload_offset] == byte_of(0, 0, 0, 0));
  akv_layer_group group = {};
  group.plane_size = sizeof(akv_plane);
  akv_plane planes[3] = {};
  CHECK(akv_image_read_group(image.data(), image.bytes, &group, sizeof group, planes, 1) == AKV_ERROR_BUFFER_TOO_SMALL);
  OK(akv_image_read_group(image.data(), image.bytes, &group, sizeof group, planes, 3));
  CHECK((group.num_layers == 3 && group.num_planes == 2 && group.rule == AKV_RULE_FULL && group.planes == nullptr));
  CHECK((planes[0].dtype == AKV_DTYPE_I8 && planes[0].scale_bytes == 4 && planes[1].head_dim == 3));
  std::int32_t tokens[4] = {};
  OK(akv_image_read_tokens(image.data(), image.bytes, 3, 4, tokens));
  CHECK((tokens[0] == 53 && tokens[3] == 56));
  OK(akv_image_read_tokens(image.data(), image.bytes, 10, 0, nullptr));
  CHECK(akv_image_read_tokens(image.data(), image.bytes, 7, 4, tokens) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_image_read_tokens(image.data(), image.bytes, UINT32_MAX, UINT32_MAX, tokens) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_image_read_tokens(image.data(), image.bytes - 1, 0, 1, tokens) == AKV_ERROR_BAD_IMAGE);
  CHECK(akv_image_check(nullptr, 5, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("image: E7 a cache made of what an image says takes it") {
  const Image image = make();
  akv_plane planes[64] = {};
  akv_layer_group group = {};
  group.plane_size = sizeof planes[0];
  OK(akv_image_read_group(image.data(), image.bytes, &group, sizeof group, planes, 64));
  Geometry geometry{{planes, planes + group.num_planes}, group.num_layers};
  ImageCache cache(geometry);
  const ImageStores stores(cache);
  CHECK(stores.wrong(loaded(cache, stores, image).sequence, 10) == 0);
}

TEST_CASE("image: E7 a file is its owner's alone whatever the umask, and comes back as it was") {
  const Folder folder;
  const Image image = make();
  for (const mode_t mask : {mode_t{0}, mode_t{022}, mode_t{0777}}) {
    const mode_t before = umask(mask);
    const akv_status status = write(folder / "a", image);
    umask(before);
    OK(status);
    struct stat its{};
    REQUIRE(stat((folder / "a").c_str(), &its) == 0);
    CHECK((its.st_mode & 07777) == 0600);
    CHECK(read(folder / "a") == image);
    CHECK(folder.files() == std::vector<std::string>{"a"});
  }
}

TEST_CASE("image: E7 a new image takes the place of the old one; who has that open keeps it") {
  const Folder folder;
  const Image first = make(10), second = make(20);
  OK(write(folder / "a", first));
  const int old = open((folder / "a").c_str(), O_RDONLY);
  OK(write(folder / "a", second));
  CHECK(read(folder / "a") == second);
  Image still;
  still.resize(first.bytes);
  CHECK(::read(old, still.data(), still.bytes) == static_cast<ssize_t>(still.bytes));
  CHECK(still == first);
  close(old);
}

TEST_CASE("image: E7 relative names and such in the root's way work like any path") {
  const Folder folder;
  const Image image = make();
  char before[4096];
  REQUIRE(getcwd(before, sizeof before) != nullptr);
  REQUIRE(chdir(folder.name) == 0);
  const akv_status plain = write("plain", image), dotted = write("./dotted", image);
  CHECK(chdir(before) == 0);
  CHECK((plain == AKV_OK && dotted == AKV_OK));
  CHECK(read(folder / "plain") == read(folder / "./dotted"));
  CHECK(write("/proc/arenakv", image) == AKV_ERROR_IO);
}

TEST_CASE("image: E7 what is no regular file is refused, and stays as it is") {
  const Folder folder;
  const Image image = make();
  OK(write(folder / "real", image));
  REQUIRE(symlink("real", (folder / "link").c_str()) == 0);
  REQUIRE(symlink("nowhere", (folder / "dangling").c_str()) == 0);
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  REQUIRE(mkdir((folder / "folder").c_str(), 0700) == 0);
  // A device would be one more; but a library that fails here would replace it, and these are the machine's.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder / "socket").c_str(), sizeof address.sun_path - 1);
  const int socket_file = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(bind(socket_file, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0);
  close(socket_file);
  for (const char *name : {"link", "dangling", "pipe", "folder", "socket"}) {
    INFO(name);
    CHECK(try_read(folder / name) == AKV_ERROR_IO);  // a pipe without a writer: at once
    CHECK(write(folder / name, image) == AKV_ERROR_IO);
    CHECK(last_error().find("no regular file") != std::string::npos);
  }
  CHECK(try_read("/dev/zero") == AKV_ERROR_IO);
  CHECK(folder.files().size() == 6);
  char target[16] = {};
  CHECK((readlink((folder / "link").c_str(), target, 15) == 4 && std::string(target) == "real"));
  CHECK(rmdir((folder / "folder").c_str()) == 0);
}

TEST_CASE("image: E7 paths that lead nowhere say so, with the errno") {
  const Folder folder;
  const Image image = make();
  CHECK(write(folder / "none/a", image) == AKV_ERROR_IO);
  CHECK(last_error().find("ENOENT, there is no such file or folder (errno 2)") == 0);
  CHECK(try_read(folder / "none") == AKV_ERROR_IO);
  CHECK(last_error() == "ENOENT, there is no such file or folder (errno 2): the image can't be opened");
  for (const char *path : {"", "/", ".", "..", "/tmp/", "/tmp/.", "/tmp/.."})
    CHECK(write(path, image) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(write(folder / std::string(300, 'x').c_str(), image) == AKV_ERROR_IO);
  CHECK(last_error().find("ENAMETOOLONG") == 0);
  CHECK(write(std::string(5000, 'x'), image) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(try_read(std::string(5000, 'x')) == AKV_ERROR_IO);
  CHECK(akv_image_write_file(nullptr, image.data(), image.bytes) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(folder.files().empty());
}

TEST_CASE("image: E7 what is no sound image gets into no file, and the old one stays") {
  const Folder folder;
  Image image = make();
  OK(write(folder / "a", image));
  const Image good = image;
  image.data()[image.bytes - 1] ^= 1;
  CHECK(write(folder / "a", image) == AKV_ERROR_BAD_IMAGE);
  CHECK(akv_image_write_file((folder / "a").c_str(), good.data(), good.bytes - 1) == AKV_ERROR_BAD_IMAGE);
  CHECK(read(folder / "a") == good);
  CHECK(folder.files().size() == 1);
}

TEST_CASE("image: E7 truncated, extended, empty, foreign and sparse files are BAD_IMAGE before they are read") {
  const Folder folder;
  const Image image = make();
  for (std::uint64_t bytes = 0; bytes < image.bytes; bytes += bytes < 400 ? 1 : 37) {
    put(folder / "a", image.data(), bytes);
    REQUIRE(try_read(folder / "a") == AKV_ERROR_BAD_IMAGE);
  }
  OK(write(folder / "a", image));
  for (const off_t size : {static_cast<off_t>(image.bytes + 1), off_t{1} << 42}) {
    REQUIRE(truncate((folder / "a").c_str(), size) == 0);
    CHECK(try_read(folder / "a") == AKV_ERROR_BAD_IMAGE);
  }
  put(folder / "a", "GGUF", 4);
  CHECK(try_read(folder / "a") == AKV_ERROR_BAD_IMAGE);
  CHECK(try_read("/proc/self/maps") == AKV_ERROR_BAD_IMAGE);  // a regular file without a size
}

TEST_CASE("image: E7 neither leaves a file open, and errno is the caller's") {
  const Folder folder;
  const Image image = make();
  const int before = open_files();
  errno = 99;
  OK(write(folder / "a", image));
  CHECK(errno == 99);
  CHECK(write(folder / "none/a", image) == AKV_ERROR_IO);
  CHECK(errno == 99);
  CHECK(
      (try_read(folder / "a") == AKV_OK && try_read(folder / "b") == AKV_ERROR_IO && try_read("/tmp") == AKV_ERROR_IO));
  CHECK(errno == 99);
  CHECK(open_files() == before);
}
