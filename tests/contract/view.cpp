// view.cpp: the promises of view.h, and of the views that store.h gives out: compared with a tensor that is walked
// element by element.
#include "stores.hpp"

#include <algorithm>

using namespace akv::test;

namespace {

// The addresses of all elements, last dimension innermost, as offsets from `base`.
std::vector<std::int64_t> walk(const akv_view &view, const void *base) {
  std::vector<std::int64_t> all;
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < view.num_dimensions; ++i) elements *= view.shape[i];
  for (std::int64_t n = 0; n < elements; ++n) {
    std::int64_t left = n, offset = static_cast<Byte *>(view.data) - static_cast<const Byte *>(base);
    for (std::uint32_t i = view.num_dimensions; i-- > 0;) {
      offset += left % view.shape[i] * view.strides[i];
      left /= view.shape[i];
    }
    all.push_back(offset);
  }
  return all;
}

akv_view make(std::vector<std::int64_t> shape, std::vector<std::int64_t> strides, void *data) {
  akv_view view = AKV_VIEW_INIT;
  view.dtype = AKV_DTYPE_F16;
  view.data = data;
  view.epoch = 77;
  view.flags = AKV_VIEW_READ_ONLY;
  view.num_dimensions = static_cast<std::uint32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), view.shape);
  std::copy(strides.begin(), strides.end(), view.strides);
  return view;
}

// A view as random slices, orders and padding leave it.
akv_view random_view(std::mt19937 &random, void *data) {
  std::vector<std::int64_t> shape(1 + random() % 4), strides(shape.size());
  std::int64_t stride = 2;
  for (std::size_t i = shape.size(); i-- > 0;) {
    shape[i] = 1 + static_cast<std::int64_t>(random() % 4);
    strides[i] = random() % 12 == 0 ? 0 : random() % 12 == 0 ? -stride : stride;
    stride *= shape[i];
    if (random() % 4 == 0) stride += 2;
  }
  akv_view view = make(shape, strides, data);
  std::vector<std::uint32_t> order(shape.size());
  std::iota(order.begin(), order.end(), 0u);
  if (random() % 3 == 0) std::shuffle(order.begin(), order.end(), random);
  OK(akv_view_permute(&view, order.data(), &view));
  return view;
}

// Some shape of so many elements.
std::vector<std::int64_t> random_shape(std::mt19937 &random, std::int64_t elements) {
  std::vector<std::int64_t> shape;
  while (shape.size() < 5 && (elements != 1 || shape.empty())) {
    std::vector<std::int64_t> divisors;
    for (std::int64_t d = 1; d <= elements; ++d)
      if (elements % d == 0) divisors.push_back(d);
    shape.push_back(shape.size() == 4 ? elements : divisors[random() % divisors.size()]);
    elements /= shape.back();
  }
  if (elements != 1) shape.push_back(elements);
  return shape;
}

// Can these addresses be walked in that shape? By trying the only strides that they leave.
bool walkable(const std::vector<std::int64_t> &addresses, const std::vector<std::int64_t> &shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i])
    strides[i] = shape[i] == 1 ? 0 : addresses[static_cast<std::size_t>(step)] - addresses[0];
  for (std::size_t n = 0; n < addresses.size(); ++n) {
    std::int64_t left = static_cast<std::int64_t>(n), at = addresses[0];
    for (std::size_t i = shape.size(); i-- > 0; left /= shape[i]) at += left % shape[i] * strides[i];
    if (at != addresses[n]) return false;
  }
  return true;
}

alignas(16) Byte memory[4096];

}  // namespace

TEST_CASE("view: A11 slices are the part that was asked for, and share memory, dtype, epoch and flags") {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    const akv_view view = random_view(random, memory + 2048);
    const std::uint32_t dimension = static_cast<std::uint32_t>(random() % view.num_dimensions);
    const auto size = static_cast<std::uint64_t>(view.shape[dimension]);
    const std::uint64_t first = random() % (size + 1), count = random() % (size - first + 1);
    akv_view slice = AKV_VIEW_INIT;
    OK(akv_view_slice(&view, dimension, first, count, &slice));
    std::int64_t inner = 1;
    for (std::uint32_t i = dimension + 1; i < view.num_dimensions; ++i) inner *= view.shape[i];
    const auto all = walk(view, memory);
    std::vector<std::int64_t> wanted;
    for (std::size_t n = 0; n < all.size(); ++n) {
      const std::uint64_t at = n / static_cast<std::size_t>(inner) % size;
      if (at >= first && at < first + count) wanted.push_back(all[n]);
    }
    REQUIRE(walk(slice, memory) == wanted);
    REQUIRE((slice.dtype == view.dtype && slice.epoch == 77 && slice.flags == AKV_VIEW_READ_ONLY));
    CHECK(akv_view_slice(&view, dimension, size + 1, 0, &slice) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_view_slice(&view, dimension, 0, size + 1, &slice) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_view_slice(&view, dimension, 1, UINT64_MAX, &slice) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(akv_view_slice(&view, view.num_dimensions, 0, 0, &slice) == AKV_ERROR_OUT_OF_RANGE);
  }
}

TEST_CASE("view: A11 a reshape walks the same elements in the same order, and what would take a copy is refused") {
  std::mt19937 random(2);
  int refused = 0, done = 0;
  for (int round = 0; round < 6000; ++round) {
    const akv_view view = random_view(random, memory + 2048);
    const auto all = walk(view, memory);
    auto shape = random_shape(random, static_cast<std::int64_t>(all.size()));
    auto asked = shape;
    if (random() % 3 == 0) asked[random() % asked.size()] = -1;
    akv_view reshaped = AKV_VIEW_INIT;
    const akv_status status =
        akv_view_reshape(&view, asked.data(), static_cast<std::uint32_t>(asked.size()), &reshaped);
    REQUIRE(status == (walkable(all, shape) ? AKV_OK : AKV_ERROR_NOT_CONTIGUOUS));
    (status == AKV_OK ? done : refused)++;
    if (status != AKV_OK) continue;
    REQUIRE(walk(reshaped, memory) == all);
    REQUIRE(std::equal(shape.begin(), shape.end(), reshaped.shape));
    for (std::size_t i = shape.size(); i < AKV_MAX_DIMENSIONS; ++i)
      REQUIRE((reshaped.shape[i] == 0 && reshaped.strides[i] == 0));
  }
  CHECK((refused > 500 && done > 500));
}

TEST_CASE("view: shapes that are none are INVALID_ARGUMENT, and a view of nothing has any shape of nothing") {
  const akv_view view = make({2, 6}, {12, 2}, memory);
  akv_view out = AKV_VIEW_INIT;
  const auto answer = [&out](const akv_view &of, std::vector<std::int64_t> shape) {
    return akv_view_reshape(&of, shape.data(), static_cast<std::uint32_t>(shape.size()), &out);
  };
  for (const auto &shape : std::vector<std::vector<std::int64_t>>{
           {5, 2}, {-1, -1}, {-1, 5}, {-2, -6}, {0}, {-1, 0}, {13}, {INT64_MAX, 2}, {INT64_MAX, -1}, {INT64_MIN}})
    CHECK(answer(view, shape) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer(view, {}) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer(view, {1, 1, 1, 1, 1, 1, 12}) == AKV_ERROR_INVALID_ARGUMENT);
  OK(answer(view, {1, 3, 1, -1, 1, 2}));
  const akv_view nothing = make({2, 0}, {12, 2}, memory);
  OK(answer(nothing, {0, 7}));
  OK(answer(nothing, {-1, 7}));
  CHECK(out.shape[0] == 0);
  CHECK(answer(nothing, {-1, 0}) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(answer(nothing, {1}) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("view: A11 an order of the dimensions, and whether all is one packed run of bytes") {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    const akv_view view = random_view(random, memory + 2048);
    const auto all = walk(view, memory);
    std::uint32_t contiguous = 9;
    std::uint64_t bytes = 0;
    OK(akv_view_measure(&view, &contiguous, &bytes));
    bool packed = true;
    for (std::size_t i = 1; i < all.size(); ++i) packed = packed && all[i] == all[i - 1] + 2;
    REQUIRE((contiguous == (packed ? 1u : 0u) && bytes == all.size() * 2));
    OK(akv_view_measure(&view, &contiguous, nullptr));
  }
  const akv_view view = make({2, 3, 4}, {24, 8, 2}, memory);
  akv_view out = AKV_VIEW_INIT;
  const std::uint32_t order[] = {2, 0, 1}, twice[] = {0, 0, 1}, beyond[] = {0, 1, 3};
  OK(akv_view_permute(&view, order, &out));
  CHECK((out.shape[0] == 4 && out.strides[0] == 2 && out.shape[1] == 2 && out.strides[1] == 24 && out.shape[2] == 3));
  CHECK(akv_view_permute(&view, twice, &out) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_view_permute(&view, beyond, &out) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("view: descriptions that are none are refused by every function, and sizes beyond 2^63 - 1 as well") {
  const akv_view good = make({2, 6}, {12, 2}, memory);
  const auto refused = [&good](akv_status status, void (*bend)(akv_view &)) {
    akv_view bad = good, out = AKV_VIEW_INIT;
    bend(bad);
    const std::int64_t shape[] = {12};
    const std::uint32_t order[] = {1, 0, 2, 3, 4, 5, 6};
    std::uint32_t contiguous = 0;
    CHECK(akv_view_slice(&bad, 0, 0, 1, &out) == status);
    CHECK(akv_view_reshape(&bad, shape, 1, &out) == status);
    CHECK(akv_view_permute(&bad, order, &out) == status);
    CHECK(akv_view_measure(&bad, &contiguous, nullptr) == status);
  };
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.data = nullptr; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.num_dimensions = 0; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.num_dimensions = 7; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.dtype = 0; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.dtype = AKV_DTYPE_I4; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.dtype = 7; });
  refused(AKV_ERROR_INVALID_ARGUMENT, [](akv_view &v) { v.shape[1] = -1; });
  refused(AKV_ERROR_UNSUPPORTED, [](akv_view &v) { v.flags = 2; });
  refused(AKV_ERROR_UNSUPPORTED, [](akv_view &v) { v.unused = 1; });
  refused(AKV_ERROR_UNSUPPORTED, [](akv_view &v) { v.device = 1; });
  const akv_view huge = make({INT64_MAX, 2}, {2, 2}, memory);
  const std::int64_t shape[] = {-1};
  std::uint32_t contiguous = 0;
  akv_view out = AKV_VIEW_INIT;
  CHECK(akv_view_measure(&huge, &contiguous, nullptr) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_view_reshape(&huge, shape, 1, &out) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_view_slice(&huge, 0, INT64_MAX, 0, &out) == AKV_ERROR_OUT_OF_RANGE);
  CHECK(akv_view_reshape(&good, nullptr, 1, &out) == AKV_ERROR_INVALID_ARGUMENT);
  CHECK(akv_view_permute(&good, nullptr, &out) == AKV_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("store: B4 A19 a layer's plane is a tensor over all blocks, element for element, in every layout") {
  for (const KvShape &shape : kv_shapes())
    for (const KvStore::Change &layout : kv_layouts(shape)) {
      const KvCache cache(shape);
      const KvStore store(cache, layout);
      for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
        for (std::uint32_t plane = 0; plane < shape.planes.size(); ++plane) {
          akv_view view = AKV_VIEW_INIT;
          OK(akv_store_read_view(store, layer, plane, &view));
          const akv_region region = store.region(layer, plane);
          const PlaneFacts &facts = store.planes()[plane];
          const bool outer = store.info().heads == AKV_HEADS_OUTER;
          REQUIRE((view.num_dimensions == 4 && view.data == region.data && view.epoch == store.info().epoch));
          CHECK((view.shape[0] == shape.blocks + 1 && view.strides[0] == region.block_stride));
          CHECK((view.shape[outer ? 2 : 1] == shape.block_tokens && view.shape[outer ? 1 : 2] == facts.heads));
          CHECK((view.strides[outer ? 2 : 1] == region.token_stride &&
                 view.strides[outer ? 1 : 2] == region.head_stride));
          CHECK(view.shape[3] * view.strides[3] == facts.dim_bytes);
          CHECK(view.dtype ==
                (shape.planes[plane].dtype == AKV_DTYPE_I4 ? std::uint32_t{AKV_DTYPE_I8} : shape.planes[plane].dtype));
          OK(akv_store_check_view(store, &view));
        }
      akv_view none = AKV_VIEW_INIT;
      CHECK(akv_store_read_view(store, shape.layers, 0, &none) == AKV_ERROR_OUT_OF_RANGE);
      CHECK(akv_store_read_view(store, 0, 64, &none) == AKV_ERROR_OUT_OF_RANGE);
    }
}

TEST_CASE("store: B4 E2 neighbouring blocks are one strided tensor in layer-outer NHD, and else a tensor by block") {
  const KvCache cache(kv_shapes()[0]);  // 6 blocks of 4 tokens, 2 heads of 4 x 2 bytes
  const std::int32_t blocks[] = {2, 3, 4};
  for (const KvStore::Change &layout : kv_layouts(cache.shape)) {
    const KvStore store(cache, layout);
    const akv_region region = store.region(1, 1);
    akv_view view = AKV_VIEW_INIT;
    OK(akv_store_read_sequence_view(store, 1, 1, blocks, 3, 10, &view));
    CHECK(view.data == static_cast<Byte *>(region.data) + 2 * region.block_stride);
    const akv_store_info info = store.info();
    if (info.layout == AKV_LAYOUT_LAYER_OUTER && info.heads == AKV_HEADS_INNER) {
      REQUIRE(view.num_dimensions == 3);
      CHECK((view.shape[0] == 10 && view.shape[1] == 2 && view.shape[2] == 4 && view.shape[3] == 0));
      CHECK((view.strides[0] == 16 && view.strides[1] == 8 && view.strides[2] == 2 && view.strides[3] == 0));
      std::uint32_t contiguous = 0;
      OK(akv_view_measure(&view, &contiguous, nullptr));
      CHECK(contiguous == 1);
    } else {
      REQUIRE(view.num_dimensions == 4);
      CHECK((view.shape[0] == 3 && view.strides[0] == region.block_stride && view.shape[3] == 4));
    }
    const auto answer = [&](std::vector<std::int32_t> ids, std::uint32_t tokens) {
      return akv_store_read_sequence_view(store, 0, 0, ids.data(), static_cast<std::uint32_t>(ids.size()), tokens,
                                          &view);
    };
    CHECK(answer({2, 4}, 8) == AKV_ERROR_NOT_CONTIGUOUS);
    CHECK(last_error() == "block 4 (element 1) is not behind block 2");
    CHECK(answer({3, 2}, 8) == AKV_ERROR_NOT_CONTIGUOUS);
    CHECK(answer({5, 6, 7}, 8) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(answer({0, 1}, 8) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(answer({-1, 0}, 8) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(answer({1, 2}, 9) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(answer({}, 1) == AKV_ERROR_OUT_OF_RANGE);
    CHECK(answer({1}, 0) == AKV_ERROR_INVALID_ARGUMENT);
    CHECK(akv_store_read_sequence_view(store, 0, 0, nullptr, 1, 1, &view) == AKV_ERROR_INVALID_ARGUMENT);
  }
}

TEST_CASE("store: A4 a view is valid for its own store only, and never again once that has gone") {
  const KvCache cache(kv_shapes()[0]);
  akv_store *store = nullptr;
  akv_view view = AKV_VIEW_INIT, slice = AKV_VIEW_INIT;
  OK(akv_store_create(cache, nullptr, &store));
  OK(akv_store_read_view(store, 0, 0, &view));
  OK(akv_view_slice(&view, 0, 1, 2, &slice));
  OK(akv_store_check_view(store, &slice));
  const KvStore other(cache);
  CHECK(akv_store_check_view(other, &view) == AKV_ERROR_BAD_HANDLE);
  OK(akv_store_destroy(store));
  CHECK(akv_store_check_view(store, &view) == AKV_ERROR_BAD_HANDLE);
  akv_store *next = nullptr;
  OK(akv_store_create(cache, nullptr, &next));  // in its place
  CHECK(akv_store_check_view(next, &view) == AKV_ERROR_BAD_HANDLE);
  OK(akv_store_destroy(next));
}
