// copy_tensor.cpp: the promises of copy_tensor.h and of typed views of tensors: bounds, counts, bytes, in flight too.
#include "delayed.hpp"
#include "pool_fixture.hpp"

#include <cstring>

using namespace akv::test;

namespace {

std::vector<unsigned char> pattern(std::size_t count, unsigned seed) {
  std::vector<unsigned char> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<unsigned char>(i * 131 + seed * 17 + i / 251);
  return bytes;
}

std::vector<unsigned char> bytes_of(const PagePool &pool, akv_tensor tensor, std::uint64_t offset,
                                    std::uint64_t count) {
  std::vector<unsigned char> bytes(count);
  OK(akv_copy_from_tensor(pool, tensor, offset, bytes.data(), count, nullptr));
  return bytes;
}

std::uint64_t moved(const PagePool &pool, std::uint32_t kind) {
  std::vector<akv_copy_stats> lines(20);
  std::uint32_t count = 0;
  OK(akv_page_pool_read_stats(pool, lines.data(), sizeof lines[0], 20, &count));
  for (std::uint32_t i = 0; i < count; ++i)
    if (lines[i].kind == kind) return lines[i].bytes;
  return 0;
}

}  // namespace

TEST_CASE("copy_tensor: A11 bytes go into a tensor, to another one and out again, each counted by its kind") {
  const std::uint32_t workers = GENERATE(0u, 1u, 3u);
  const PagePool pool([](akv_page_pool_config &config) { config.page_bytes = 1 << 20; });
  const Stream stream(workers);
  const akv_arena arena = pool.arena();
  const akv_tensor a = pool.tensor(arena, 300000), b = pool.tensor(arena, 300000);
  pool.extend(a, 300000);
  pool.extend(b, 300000);
  const auto data = pattern(300000, 1);
  OK(akv_copy_to_tensor(pool, a, 0, data.data(), data.size(), stream));
  OK(akv_copy_tensor(pool, a, 1000, b, 7, 200001, stream));
  std::vector<unsigned char> out(200001);
  OK(akv_copy_from_tensor(pool, b, 7, out.data(), out.size(), stream));
  stream.wait();
  CHECK(std::memcmp(out.data(), data.data() + 1000, out.size()) == 0);
  CHECK(bytes_of(pool, b, 0, 7) == std::vector<unsigned char>(7, 0));
  CHECK(moved(pool, AKV_MOVED_TO_TENSOR) == 300000);
  CHECK(moved(pool, AKV_MOVED_TENSOR) == 200001);
  CHECK(moved(pool, AKV_MOVED_FROM_TENSOR) == 200001 + 7);
}

TEST_CASE("copy_tensor: A11 inside one tensor stretches may overlap, both ways") {
  const std::uint32_t workers = GENERATE(0u, 3u);
  const PagePool pool([](akv_page_pool_config &config) { config.page_bytes = 1 << 20; });
  const Stream stream(workers);
  const akv_tensor tensor = pool.tensor(pool.arena(), 400000);
  pool.extend(tensor, 400000);
  auto data = pattern(400000, 2);
  OK(akv_copy_to_tensor(pool, tensor, 0, data.data(), data.size(), stream));
  OK(akv_copy_tensor(pool, tensor, 0, tensor, 100, 300000, stream));
  OK(akv_copy_tensor(pool, tensor, 50, tensor, 0, 300000, stream));
  stream.wait();
  std::memmove(data.data() + 100, data.data(), 300000);
  std::memmove(data.data(), data.data() + 50, 300000);
  CHECK(bytes_of(pool, tensor, 0, 400000) == data);
}

TEST_CASE("copy_tensor: A11 a copy beyond the length is OUT_OF_RANGE, and no byte has moved") {
  const PagePool pool;
  const akv_arena arena = pool.arena();
  const akv_tensor tensor = pool.tensor(arena, 1000), other = pool.tensor(arena, 1000);
  pool.extend(tensor, 600);
  pool.extend(other, 100);
  auto data = pattern(1000, 3);
  CHECK(akv_copy_to_tensor(pool, tensor, 0, data.data(), 601, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(last_error().find("600") != std::string::npos);
  CHECK(akv_copy_to_tensor(pool, tensor, 601, data.data(), 0, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_copy_to_tensor(pool, tensor, UINT64_MAX, data.data(), 2, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_copy_from_tensor(pool, tensor, 1, data.data(), UINT64_MAX, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_copy_tensor(pool, tensor, 0, other, 0, 101, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_copy_tensor(pool, other, 0, tensor, 0, 101, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_copy_to_tensor(pool, tensor, 0, nullptr, 1, nullptr) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(bytes_of(pool, tensor, 0, 600) == std::vector<unsigned char>(600, 0));
  OK(akv_copy_to_tensor(pool, tensor, 600, nullptr, 0, nullptr));
  CHECK(moved(pool, AKV_MOVED_TO_TENSOR) == 0);
}

TEST_CASE("copy_tensor: A2 what another owner has used is zeroed on request, all of its capacity") {
  const PagePool pool([](akv_page_pool_config &config) {
    config.num_pages = 1;
    config.max_pages = 1;
  });
  const akv_arena first = pool.arena(1);
  const akv_tensor old = pool.tensor(first, 4096);
  pool.extend(old, 4096);
  const auto secret = pattern(4096, 4);
  OK(akv_copy_to_tensor(pool, old, 0, secret.data(), secret.size(), nullptr));
  pool.drop(first);
  const akv_arena second = pool.arena(2);
  akv_tensor tensor = AKV_NONE;
  std::uint32_t content = 99;
  OK(akv_tensor_create(pool, second, 4096, &tensor, &content));
  CHECK(content == AKV_CONTENT_FOREIGN);
  OK(akv_copy_zero_tensor(pool, tensor, nullptr));
  pool.extend(tensor, 4096);
  CHECK(bytes_of(pool, tensor, 0, 4096) == std::vector<unsigned char>(4096, 0));
  CHECK(moved(pool, AKV_MOVED_ZERO) == 4096);
  CHECK(akv_copy_zero_tensor(pool, old, nullptr) == AKV_ERROR_BAD_HANDLE);
  pool.drop(second);
  const auto pages = pool.acquire(1, 3);
  OK(akv_copy_zero_page(pool, pages[0], nullptr));
  CHECK(moved(pool, AKV_MOVED_ZERO) == 2 * 4096);
  pool.release(pages);
  CHECK(akv_copy_zero_page(pool, pages[0], nullptr) == AKV_ERROR_BAD_HANDLE);
}

TEST_CASE("copy_tensor: A22 an arena dropped in flight keeps its bytes until the ticket has ended") {
  const PagePool pool([](akv_page_pool_config &config) {
    config.num_pages = 1;
    config.max_pages = 1;
  });
  Stream stream(1);
  const akv_arena arena = pool.arena(1);
  const akv_tensor tensor = pool.tensor(arena, 4096);
  pool.extend(tensor, 4096);
  const auto data = pattern(4096, 5);
  OK(akv_copy_to_tensor(pool, tensor, 0, data.data(), data.size(), nullptr));
  const akv_ticket ticket = pool.open_ticket();
  stream.hold();
  std::vector<unsigned char> out(4096);
  OK(akv_copy_from_tensor(pool, tensor, 0, out.data(), out.size(), stream));
  pool.drop(arena);
  akv_page page = AKV_NONE;
  CHECK(akv_page_acquire(pool, 2, &page, nullptr, 1) == AKV_ERROR_NO_PAGES);
  stream.release();
  stream.wait();
  pool.retire(ticket);
  CHECK(out == data);
  pool.release(pool.acquire(1));
}

TEST_CASE("copy_tensor: a pool with work on it is not destroyed") {
  const PagePool pool;
  Stream stream(1);
  const akv_tensor tensor = pool.tensor(pool.arena(), 256);
  stream.hold();
  OK(akv_copy_zero_tensor(pool, tensor, stream));
  CHECK(akv_page_pool_destroy(pool) == AKV_ERROR_BUSY);
  stream.release();
  stream.wait();
}

TEST_CASE("arena: A11 a tensor's bytes as a view of a dtype and shape, with bounds") {
  const PagePool pool;
  const akv_tensor tensor = pool.tensor(pool.arena(), 4096);
  pool.extend(tensor, 4 * 6 * 8 * 2);
  const std::int64_t shape[] = {4, 6, 8};
  akv_view view = AKV_VIEW_INIT;
  OK(akv_tensor_read_shape(pool, tensor, 0, AKV_DTYPE_F16, shape, 3, &view));
  CHECK(view.data == pool.view(tensor).data);
  CHECK((view.num_dimensions == 3 && view.strides[0] == 96 && view.strides[1] == 16 && view.strides[2] == 2));
  CHECK(view.epoch == pool.view(tensor).epoch);
  const std::int64_t rest[] = {-1, 8};
  OK(akv_tensor_read_shape(pool, tensor, 32, AKV_DTYPE_F16, rest, 2, &view));
  CHECK(view.shape[0] == 22);
  CHECK(view.data == static_cast<unsigned char *>(pool.view(tensor).data) + 32);
  CHECK(akv_tensor_read_shape(pool, tensor, 2, AKV_DTYPE_F16, shape, 3, &view) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_tensor_read_shape(pool, tensor, 385, AKV_DTYPE_F16, rest, 2, &view) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_tensor_read_shape(pool, tensor, 0, AKV_DTYPE_I4, shape, 3, &view) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_tensor_read_shape(pool, tensor, 0, AKV_DTYPE_F16, shape, 0, &view) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_tensor_read_shape(pool, tensor, 0, AKV_DTYPE_F16, shape, 7, &view) == AKV_ERROR_INVALID_ARGUMENT);
}
