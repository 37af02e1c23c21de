// abuse_number_calls.cpp: the rows of conversions, attention and the two tiers in the table of all functions. What a
// call needs beside the scene's store it makes itself. It knows the public API only, and no test.
#include "abuse_calls.hpp"

namespace akv::test {
namespace {

constexpr std::int32_t kBlock = 1;

akv_status convert(const Call &c) {
  akv_store *other = nullptr;
  akv_status status = akv_tail_create_store(c.store, nullptr, nullptr, &other);
  if (status != AKV_OK) return status;
  status = akv_copy_converted(c.store, &kBlock, nullptr, other, &kBlock, nullptr, 1, nullptr);
  CHECK(akv_store_destroy(other) == AKV_OK);
  return status;
}

akv_status attend(const Call &c) {
  float query[1024] = {}, out[1024] = {};
  const std::uint32_t length = 1;
  const akv_attention_part part = {c.store, &kBlock, 1, &length, nullptr, nullptr, nullptr};
  akv_attention call = AKV_ATTENTION_INIT;
  call.flags = c.flags;
  call.num_sequences = 1;
  call.query_heads = 8;  // the scene's KV heads, of 128 elements
  call.dtype = AKV_DTYPE_F32;
  call.query = query;
  call.out = out;
  call.parts = &part;
  call.num_parts = 1;
  call.part_size = sizeof(akv_attention_part);
  return akv_attention_decode(&call, nullptr);
}

akv_status merge(const Call &) {
  float rows[4] = {1, 2, 3, 4}, sums[2] = {0, 0};
  return akv_attention_merge(rows, sums, rows, sums, rows, sums, 2, 2, AKV_DTYPE_F32, nullptr);
}

akv_status choose(const Call &) {
  akv_plane plane = {AKV_PLANE_KEYS, 0, 2, 4, 0, 0};
  return akv_planes_choose(&plane, 1, sizeof plane, AKV_FORMAT_I8, 16);
}

// A tail over the scene's store, for one call.
class WithTail {
 public:
  explicit WithTail(const Call &c) {
    config_.tail_tokens = 4;
    config_.max_sequences = 2;
    status_ = akv_tail_create_store(c.store, &config_, nullptr, &rings_);
    if (status_ == AKV_OK) status_ = akv_tail_create(c.store, rings_, &config_, &tail_);
    if (status_ == AKV_OK) status_ = akv_tail_open(tail_, 0, &row_);
  }
  ~WithTail() {
    CHECK(akv_tail_destroy(tail_) == AKV_OK);
    CHECK(akv_store_destroy(rings_) == AKV_OK);
  }
  template <class What>
  akv_status then(What what) const {
    return status_ == AKV_OK ? what(tail_, row_) : status_;
  }

 private:
  akv_tail_config config_ = AKV_TAIL_CONFIG_INIT;
  akv_store *rings_ = nullptr;
  akv_tail *tail_ = nullptr;
  akv_tail_row row_ = AKV_NONE;
  akv_status status_;
};

std::vector<Function> tail_functions() {
  return {
      {"akv_tail_create_store", kStore | kOut | kOnce, 0, 0, 0,
       [](const Call &c) {
         auto *const out = c.out_as<akv_store *>();
         const akv_status status = akv_tail_create_store(c.store, nullptr, nullptr, out);
         if (status == AKV_OK) CHECK(akv_store_destroy(*out) == AKV_OK);
         return status;
       }},
      {"akv_tail_create", kStore | kOut | kOnce, 0, 0, 0,
       [](const Call &c) {
         akv_store *rings = nullptr;
         const akv_status status = akv_tail_create_store(c.store, nullptr, nullptr, &rings);
         if (status != AKV_OK) return status;
         auto *const out = c.out_as<akv_tail *>();
         const akv_status made = akv_tail_create(c.store, rings, nullptr, out);
         if (made == AKV_OK) CHECK(akv_tail_destroy(*out) == AKV_OK);
         CHECK(akv_store_destroy(rings) == AKV_OK);
         return made;
       }},
      {"akv_tail_destroy", 0, 0, 0, 0, [](const Call &) { return akv_tail_destroy(nullptr); }},
      {"akv_tail_read_info", kStore | kOut, sizeof(akv_tail_info), 0, 0,
       [](const Call &c) {
         return WithTail(c).then(
             [&](akv_tail *tail, akv_tail_row) { return akv_tail_read_info(tail, c.out_as<akv_tail_info>()); });
       }},
      {"akv_tail_open", kStore | kOut, 0, 0, 0,
       [](const Call &c) {
         return WithTail(c).then(
             [&](akv_tail *tail, akv_tail_row) { return akv_tail_open(tail, 0, c.out_as<akv_tail_row>()); });
       }},
      {"akv_tail_close", kStore, 0, 0, 0,
       [](const Call &c) {
         return WithTail(c).then([](akv_tail *tail, akv_tail_row row) { return akv_tail_close(tail, row); });
       }},
      {"akv_tail_read_slots", kStore | kOut, 0, 0, 0,
       [](const Call &c) {
         const std::uint32_t position = 0;
         return WithTail(c).then([&](akv_tail *tail, akv_tail_row row) {
           return akv_tail_read_slots(tail, &row, &position, 1, c.out_as<std::int64_t>());
         });
       }},
      {"akv_tail_read_tables", kStore | kOut, 0, 0, 0,
       [](const Call &c) {
         std::int32_t table[64];
         return WithTail(c).then([&](akv_tail *tail, akv_tail_row row) {
           return akv_tail_read_tables(tail, &row, 1, table, 64, c.out_as<std::uint32_t>());
         });
       }},
      {"akv_copy_overflow", kStore, 0, 0, 0,
       [](const Call &c) {
         return WithTail(c).then([&](akv_tail *tail, akv_tail_row row) {
           const akv_overflow asked = {row, nullptr, 0, 0, AKV_UNSET, 0};
           return akv_copy_overflow(tail, &asked, 1, sizeof asked, nullptr, nullptr);
         });
       }},
      {"akv_copy_read_tiers", kStore, 0, 0, 0,
       [](const Call &c) {
         return WithTail(c).then([&](akv_tail *tail, akv_tail_row row) {
           const akv_overflow asked = {row, nullptr, 0, 0, AKV_UNSET, 0};
           return akv_copy_read_tiers(tail, &asked, sizeof asked, AKV_DTYPE_F32, nullptr, 0, nullptr);
         });
       }},
  };
}

}  // namespace

std::vector<Function> number_functions() {
  std::vector<Function> all = {
      {"akv_copy_converted", kStore, 0, 0, 0, convert},
      {"akv_attention_decode", kStore | kFlags, 0, 0, 0, attend},
      {"akv_attention_merge", 0, 0, 0, 0, merge},
      {"akv_planes_choose", 0, 0, 0, 0, choose},
  };
  const std::vector<Function> tails = tail_functions();
  all.insert(all.end(), tails.begin(), tails.end());
  return all;
}

}  // namespace akv::test
