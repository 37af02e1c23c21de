// isa.cpp: the promises of host.h about instruction sets: which is in use, what can't be chosen, and that copies make
// the same bytes under each. Every kernel by itself is in tests/kernel.
// It knows the public API only.
#include "stores.hpp"

#include <set>

using namespace akv::test;

namespace {

constexpr std::uint32_t kAll[] = {AKV_ISA_PLAIN, AKV_ISA_AVX2, AKV_ISA_AVX512, AKV_ISA_NEON};

// Puts back the default, whatever a test has chosen.
struct Default {
  ~Default() { CHECK(akv_isa_choose(0) == AKV_OK); }
};

std::vector<std::uint32_t> chosen_here() {
  const Default back;
  std::vector<std::uint32_t> here;
  for (const std::uint32_t isa : kAll)
    if (akv_isa_choose(isa) == AKV_OK) here.push_back(isa);
  return here;
}

// All kinds of copies once, in a store of its own; what it holds and what was read.
ByteString copied(const KvCache &cache, std::uint32_t layout) {
  const KvStore store(cache, [layout](akv_store_config &config) { config.layout = layout; });
  store.fill_with(7);
  const std::int32_t from[] = {1, 2, 5}, to[] = {6, 7, 3}, zero[] = {4};
  OK(akv_copy_blocks(store, from, store, to, 3, 0, nullptr));
  OK(akv_copy_zero(store, zero, 1, nullptr));
  ByteString outside(2 * 7 * store.bytes_per_token());
  akv_span span{};
  span.blocks = from;
  span.num_blocks = 3;
  span.first_token = 1;
  span.num_tokens = 7;
  span.data = outside.data();
  span.bytes = outside.size();
  OK(akv_copy_gather(store, &span, 1, sizeof span, nullptr));
  std::reverse(outside.begin(), outside.begin() + static_cast<std::ptrdiff_t>(outside.size() / 2));
  OK(akv_copy_scatter(store, &span, 1, sizeof span, nullptr));
  const std::int64_t slots[] = {33, -1, 9, 10, 11, 30};
  akv_token_data plane{};
  plane.data = outside.data() + outside.size() / 2;
  ByteString scales(6 * store.planes()[0].scale_bytes + 1);
  if (store.planes()[0].scale_bytes != 0) plane.scales = scales.data();
  OK(akv_copy_read_tokens(store, 0, slots, 6, &plane, 1, sizeof plane, nullptr));
  OK(akv_copy_write_tokens(store, 1, slots, 6, &plane, 1, sizeof plane, nullptr));
  ByteString all = store.everything();
  all.insert(all.end(), outside.begin(), outside.end());
  return all;
}

}  // namespace

TEST_CASE("isa: the quickest that runs here is in use, and plain always can be") {
  const std::vector<std::uint32_t> here = chosen_here();
  CHECK(akv_isa_in_use() == here.back());  // they are numbered so that a quicker one comes later
  CHECK(here.front() == AKV_ISA_PLAIN);
  const Default back;
  for (const std::uint32_t isa : here) {
    OK(akv_isa_choose(isa));
    CHECK(akv_isa_in_use() == isa);
  }
}

TEST_CASE("isa: one that is not here is UNSUPPORTED, an unknown one INVALID_ARGUMENT, and neither changes anything") {
  const Default back;
  const std::vector<std::uint32_t> here = chosen_here();
  std::size_t absent = 0;
  for (const std::uint32_t before : here) {
    OK(akv_isa_choose(before));
    for (const std::uint32_t isa : kAll) {
      if (std::find(here.begin(), here.end(), isa) != here.end()) continue;
      CHECK(akv_isa_choose(isa) == AKV_ERROR_UNSUPPORTED);
      CHECK(last_error().find(akv_isa_name(isa)) != std::string::npos);
      ++absent;
    }
    for (const std::uint32_t isa : {5u, 1000u, 0xffffffffu}) {
      CHECK(akv_isa_choose(isa) == AKV_ERROR_INVALID_ARGUMENT);
      CHECK(last_error().find(std::to_string(isa)) != std::string::npos);
    }
    CHECK(akv_isa_in_use() == before);
  }
  CHECK(absent != 0);  // no processor is both x86 and arm
}

TEST_CASE("isa: each has a name of its own, and an unknown one has a text too") {
  std::set<std::string> names;
  for (const std::uint32_t isa : kAll) CHECK(names.insert(akv_isa_name(isa)).second);
  for (const std::uint32_t isa : {0u, 5u, 0xffffffffu}) CHECK(names.count(akv_isa_name(isa)) == 0);
  CHECK(std::string(akv_isa_name(AKV_ISA_AVX2)) == "AVX2");
}

TEST_CASE("isa: A11 every copy makes the same bytes under each") {
  for (const KvShape &shape : kv_shapes()) {
    if (shape.layers < 2) continue;
    KvShape large = shape;
    large.blocks = 8;
    large.block_tokens = 4;
    const KvCache cache(large);
    for (const std::uint32_t layout : {AKV_LAYOUT_LAYER_OUTER, AKV_LAYOUT_BLOCK_OUTER}) {
      const Default back;
      OK(akv_isa_choose(AKV_ISA_PLAIN));
      const ByteString wanted = copied(cache, layout);
      for (const std::uint32_t isa : chosen_here()) {
        INFO(akv_isa_name(isa));
        OK(akv_isa_choose(isa));
        CHECK((akv_isa_in_use() == isa && copied(cache, layout) == wanted));
      }
    }
  }
}
