// abuse_store_calls.cpp: the rows of stores, views and copies in the table of all functions. Their streams are NULL:
// work is done in the call. What only copies can be abused with is in copy_refusals.cpp. It knows the public API only,
// and no test.
#include "abuse_calls.hpp"

namespace akv::test {
namespace {

const std::int32_t kBlock = 1, kOtherBlock = 2;
const std::int64_t kSlot = 5;

// A buffer for one token of a plane of the default geometry: 8 heads of 128 x 2 bytes.
akv_token_data token_data() {
  static unsigned char bytes[2048];
  akv_token_data data{};
  data.data = bytes;
  return data;
}

akv_span empty_span() {
  akv_span span{};
  span.blocks = &kBlock;
  span.num_blocks = 1;
  return span;
}

akv_status move_tokens(const Call &c, decltype(&akv_copy_write_tokens) move) {
  const akv_token_data data = token_data();
  return move(c.store, 0, &kSlot, 1, &data, 1, sizeof data, nullptr);
}

akv_status move_span(const Call &c, decltype(&akv_copy_gather) move) {
  const akv_span span = empty_span();
  return move(c.store, &span, 1, sizeof span, nullptr);
}

std::vector<Function> view_functions() {
  return {
      {"akv_view_slice", kView | kOut, sizeof(akv_view), 0, 0,
       [](const Call &c) { return akv_view_slice(c.view, 0, 1, 2, c.out_as<akv_view>()); }},
      {"akv_view_reshape", kView | kOut, sizeof(akv_view), 0, 0,
       [](const Call &c) {
         const std::int64_t shape[] = {-1, 1024};
         return akv_view_reshape(c.view, shape, 2, c.out_as<akv_view>());
       }},
      {"akv_view_permute", kView | kOut, sizeof(akv_view), 0, 0,
       [](const Call &c) {
         const std::uint32_t order[] = {3, 2, 1, 0};
         return akv_view_permute(c.view, order, c.out_as<akv_view>());
       }},
      {"akv_view_measure", kView | kOut | kExtra, 0, 0, 0,
       [](const Call &c) { return akv_view_measure(c.view, c.out_as<std::uint32_t>(), c.extra_as<std::uint64_t>()); }},
  };
}

std::vector<Function> copy_functions() {
  return {
      {"akv_copy_write_tokens", kStore, 0, 0, 0, [](const Call &c) { return move_tokens(c, akv_copy_write_tokens); }},
      {"akv_copy_read_tokens", kStore, 0, 0, 0, [](const Call &c) { return move_tokens(c, akv_copy_read_tokens); }},
      {"akv_copy_gather", kStore, 0, 0, 0, [](const Call &c) { return move_span(c, akv_copy_gather); }},
      {"akv_copy_scatter", kStore, 0, 0, 0, [](const Call &c) { return move_span(c, akv_copy_scatter); }},
      {"akv_copy_zero", kStore, 0, 0, 0, [](const Call &c) { return akv_copy_zero(c.store, &kBlock, 1, nullptr); }},
      {"akv_copy_blocks", kStore | kFlags, 0, AKV_BLOCKS_VERIFY, 0,
       [](const Call &c) { return akv_copy_blocks(c.store, &kBlock, c.store, &kOtherBlock, 1, c.flags, nullptr); }},
      {"akv_copy_run", kCache | kPlan | kStore | kFlags, 0, AKV_RUN_ORDERED | AKV_RUN_VERIFY | AKV_RUN_FINISH, 0,
       [](const Call &c) { return akv_copy_run(c.cache, c.plan, &c.store, 1, c.flags, nullptr); }},
      {"akv_copy_records", kStore | kFlags, 0, AKV_RUN_ORDERED | AKV_RUN_VERIFY, 0,
       [](const Call &c) {
         akv_plan_record record{};
         record.kind = AKV_PLAN_COPY_ON_WRITE;
         record.source_block = kBlock;
         record.target_block = kOtherBlock;
         record.num_tokens = 1;
         return akv_copy_records(&record, 1, &c.store, 1, c.flags, nullptr);
       }},
  };
}

}  // namespace

std::vector<Function> store_functions() {
  std::vector<Function> all = {
      {"akv_store_create", kCache | kOut | kStoreConfig | kOnce, 0, 0, 0,
       [](const Call &c) { return akv_store_create(c.cache, c.store_config, c.out_as<akv_store *>()); }},
      {"akv_store_destroy", kStore | kOnce, 0, 0, 0, [](const Call &c) { return akv_store_destroy(c.store); }},
      {"akv_store_warm_up", kStore, 0, 0, 0,
       [](const Call &c) { return akv_store_warm_up(c.store, nullptr, nullptr); }},
      {"akv_store_read_info", kStore | kOut, sizeof(akv_store_info), 0, 0,
       [](const Call &c) { return akv_store_read_info(c.store, c.out_as<akv_store_info>()); }},
      {"akv_store_read_region", kStore | kArray | kArrayAlways | kElement, 0, 0, sizeof(akv_region),
       [](const Call &c) {
         const akv_status status = akv_store_read_region(c.store, 0, 0, c.array_as<akv_region>(), c.element_size);
         if (status == AKV_OK) *c.out_count = 1;
         return status;
       }},
      {"akv_store_read_view", kStore | kOut, sizeof(akv_view), 0, 0,
       [](const Call &c) { return akv_store_read_view(c.store, 0, 0, c.out_as<akv_view>()); }},
      {"akv_store_read_sequence_view", kStore | kOut, sizeof(akv_view), 0, 0,
       [](const Call &c) { return akv_store_read_sequence_view(c.store, 0, 0, &kBlock, 1, 3, c.out_as<akv_view>()); }},
      {"akv_store_check_view", kStore | kView, 0, 0, 0,
       [](const Call &c) { return akv_store_check_view(c.store, c.view); }},
      {"akv_store_span_bytes", kStore | kOut, 0, 0, 0,
       [](const Call &c) { return akv_store_span_bytes(c.store, 0, 0, 1, 0, c.out_as<std::uint64_t>()); }},
      {"akv_store_read_stats", kStore | kArray | kCount | kElement, 0, 0, sizeof(akv_copy_stats),
       [](const Call &c) {
         return akv_store_read_stats(c.store, c.array_as<akv_copy_stats>(), c.element_size, c.capacity, c.out_count);
       }},
  };
  for (const auto &part : {view_functions(), copy_functions()}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace akv::test
