// byte_life.cpp: what stores, views, images, models and the planner tell, in META calls.
// It knows the public API; it allocates nothing while it lives, so that whoever counts allocations sees the library's.
#include "byte_life.hpp"

#include "calls.hpp"
#include "scenario.hpp"

namespace akv::stress {
namespace {

Calls calls;

const akv_plane kPlanes[] = {{AKV_PLANE_KEYS, AKV_DTYPE_F16, 2, 8, 0, 0},
                             {AKV_PLANE_VALUES, AKV_DTYPE_F16, 2, 8, 0, 0}};
const akv_layer_group kGroup = {AKV_RULE_FULL, 3, 2, sizeof(akv_plane), kPlanes, 0, 0};
constexpr std::uint32_t kTokens = 10;

}  // namespace

ByteLife::ByteLife() {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 16;
  config.block_tokens = 4;
  config.num_groups = 1;
  config.group_size = sizeof kGroup;
  config.groups = &kGroup;
  Trial::ok(akv_cache_create(&config, &cache_), "create a cache");
  Trial::ok(akv_store_create(cache_, nullptr, &store_), "create a store");
  std::int32_t tokens[kTokens] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = kTokens;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  options.flags = AKV_SEQUENCE_COMMITTED;
  akv_created created = AKV_CREATED_INIT;
  Trial::ok(akv_sequence_create(cache_, &prompt, &options, &created), "create a sequence");
  sequence_ = created.sequence;
  akv_tail_config tail = AKV_TAIL_CONFIG_INIT;
  tail.tail_tokens = 4;
  tail.max_sequences = 2;
  Trial::ok(akv_tail_create_store(store_, &tail, nullptr, &rings_), "create a tail's store");
  Trial::ok(akv_tail_create(store_, rings_, &tail, &tail_), "create a tail");
  std::uint64_t bytes = 0;
  Trial::ok(akv_image_bytes(cache_, sequence_, 0, &bytes), "ask for the image's size");
  image_.resize((bytes + 7) / 8);
  Trial::ok(akv_copy_save(cache_, sequence_, &store_, 1, nullptr, image_.data(), bytes, &bytes, nullptr), "save");
}

ByteLife::~ByteLife() {
  Trial::ok(akv_tail_destroy(tail_), "destroy the tail");
  Trial::ok(akv_store_destroy(rings_), "destroy the tail's store");
  Trial::ok(akv_store_destroy(store_), "destroy the store");
  Trial::ok(akv_cache_destroy(cache_), "destroy the cache");
}

int ByteLife::store() {
  akv_store_info info = AKV_STORE_INFO_INIT;
  akv_region region{};
  akv_copy_stats stats[16];
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  WANT(AKV_OK, akv_store_read_info, store_, &info);
  WANT(AKV_OK, akv_store_read_region, store_, 2, 1, &region, sizeof region);
  WANT(AKV_ERROR_OUT_OF_RANGE, akv_store_read_region, store_, 3, 1, &region, sizeof region);
  WANT(AKV_OK, akv_store_read_stats, store_, stats, sizeof stats[0], 16, &count);
  WANT(AKV_OK, akv_store_span_bytes, store_, 0, 3, kTokens, 0, &bytes);
  return bytes == 3 * 2 * 2 * 8 * 2 * kTokens ? 0 : __LINE__;
}

int ByteLife::views() {
  akv_view view = AKV_VIEW_INIT, other = AKV_VIEW_INIT;
  const std::int32_t neighbours[] = {1, 2}, apart[] = {1, 3};
  const std::int64_t shape[] = {-1, 16};
  const std::uint32_t order[] = {2, 0, 1};
  std::uint32_t contiguous = 0;
  std::uint64_t bytes = 0;
  WANT(AKV_OK, akv_store_read_view, store_, 0, 0, &view);
  WANT(AKV_OK, akv_store_check_view, store_, &view);
  WANT(AKV_ERROR_NOT_CONTIGUOUS, akv_store_read_sequence_view, store_, 0, 0, apart, 2, 8, &view);
  WANT(AKV_OK, akv_store_read_sequence_view, store_, 0, 0, neighbours, 2, 8, &view);
  WANT(AKV_OK, akv_view_slice, &view, 0, 2, 4, &other);
  WANT(AKV_ERROR_OUT_OF_RANGE, akv_view_slice, &view, 0, 2, 7, &other);
  WANT(AKV_OK, akv_view_reshape, &view, shape, 2, &other);
  WANT(AKV_OK, akv_view_permute, &view, order, &other);
  WANT(AKV_OK, akv_view_measure, &view, &contiguous, &bytes);
  return contiguous == 1 && bytes == 8 * 2 * 8 * 2 ? 0 : __LINE__;
}

int ByteLife::image() {
  std::uint64_t bytes = 0;
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  akv_plane planes[2];
  std::int32_t tokens[kTokens];
  WANT(AKV_OK, akv_image_bytes, cache_, sequence_, 0, &bytes);
  WANT(AKV_OK, akv_image_read_group, image_.data(), bytes, &group, sizeof group, planes, 2);
  WANT(AKV_OK, akv_image_read_tokens, image_.data(), bytes, 0, kTokens, tokens);
  WANT(AKV_ERROR_BAD_IMAGE, akv_image_read_tokens, image_.data(), 10, 0, kTokens, tokens);
  return tokens[9] == 10 ? 0 : __LINE__;
}

int ByteLife::tiers() {
  akv_plane planes[2] = {kPlanes[0], kPlanes[1]};
  akv_tail_info info = AKV_TAIL_INFO_INIT;
  akv_tail_row row = AKV_NONE;
  const std::uint32_t position = 3;
  std::int64_t slot = 0;
  std::int32_t table[8];
  std::uint32_t stored = 7;
  WANT(AKV_OK, akv_planes_choose, planes, 2, sizeof planes[0], AKV_FORMAT_I8, 4);
  WANT(AKV_OK, akv_tail_read_info, tail_, &info);
  WANT(AKV_ERROR_INVALID_ARGUMENT, akv_tail_open, tail_, 3, &row);
  WANT(AKV_OK, akv_tail_open, tail_, 0, &row);
  WANT(AKV_OK, akv_tail_read_slots, tail_, &row, &position, 1, &slot);
  WANT(AKV_OK, akv_tail_read_tables, tail_, &row, 1, table, 8, &stored);
  WANT(AKV_OK, akv_tail_close, tail_, row);
  WANT(AKV_ERROR_BAD_HANDLE, akv_tail_close, tail_, row);
  return stored == 0 && info.block_tokens == 4 && planes[0].scale_bytes == 8 ? 0 : __LINE__;
}

int ByteLife::models() {
  akv_model model = AKV_MODEL_INIT;
  akv_model_fields fields = AKV_MODEL_FIELDS_INIT;
  akv_model_sizes sizes = AKV_MODEL_SIZES_INIT;
  akv_planner_request request = AKV_PLANNER_REQUEST_INIT;
  akv_planner_result result = AKV_PLANNER_RESULT_INIT;
  akv_page_size page = AKV_PAGE_SIZE_INIT;
  akv_layer_group group{};
  group.plane_size = sizeof(akv_plane);
  akv_plane planes[4];
  std::uint32_t heads = 0;
  calls.note("akv_model_name");
  calls.note("akv_family_name");
  calls.note("akv_attention_name");
  if (akv_model_name(1) == nullptr || akv_family_name(99) == nullptr || akv_attention_name(99) == nullptr)
    return __LINE__;
  WANT(AKV_ERROR_NOT_FOUND, akv_model_find, "no such model", &model);
  WANT(AKV_OK, akv_model_find, "llama-3-8b", &model);
  WANT(AKV_OK, akv_model_read_group, &model, 0, &group, sizeof group, planes, 4);
  WANT(AKV_OK, akv_model_read_sizes, &model, 0, 0, 100, &sizes);
  WANT(AKV_OK, akv_model_detect_kv_heads, 1024, 128, 32, &heads);
  fields.model_type = "llama";
  fields.num_hidden_layers = 2;
  fields.num_attention_heads = 4;
  fields.hidden_size = 64;
  akv_model small = AKV_MODEL_INIT;
  WANT(AKV_OK, akv_model_from_fields, &fields, &small);
  WANT(AKV_OK, akv_planner_need, &model, &request, &result);
  WANT(AKV_OK, akv_planner_page_size, &model, &request, &page);
  request.budget_bytes = std::uint64_t{1} << 34;
  WANT(AKV_OK, akv_planner_fit, &model, &request, &result);
  return 0;
}

int ByteLife::live_once() {
  for (const auto chapter : {&ByteLife::store, &ByteLife::views, &ByteLife::image, &ByteLife::tiers, &ByteLife::models})
    if (const int line = (this->*chapter)(); line != 0) return line;
  return 0;
}

std::set<std::string> byte_functions_called() { return calls.names(); }

}  // namespace akv::stress
