// planner.cpp: the promises of planner.h: budgets to blocks and sequences, and back; page sizes; waste.
// It knows the public API only.
#include "fixture.hpp"

#include <random>

using namespace akv::test;

namespace {

akv_model found(const char *name) {
  akv_model model = AKV_MODEL_INIT;
  OK(akv_model_find(name, &model));
  return model;
}

akv_model made(std::uint32_t layers, std::uint32_t heads, std::uint32_t dim, std::uint32_t dtype = AKV_DTYPE_F16) {
  akv_model model = AKV_MODEL_INIT;
  model.num_layers = layers;
  model.query_heads = model.kv_heads = heads;
  model.key_head_dim = dim;
  model.dtype = dtype;
  return model;
}

akv_planner_request context_of(std::uint64_t tokens) {
  akv_planner_request request = AKV_PLANNER_REQUEST_INIT;
  request.context_tokens = tokens;
  return request;
}

akv_planner_result checked(const akv_planner_result &r) {
  CHECK(r.store_bytes == r.num_blocks * r.bytes_per_block + r.null_block_bytes + r.padding_bytes);
  CHECK(r.budget_bytes == r.store_bytes + r.slack_bytes);
  CHECK(r.spare_blocks == r.num_blocks - r.num_sequences * r.blocks_per_sequence);
  CHECK((r.num_tokens == std::uint64_t{r.num_blocks} * r.block_tokens && r.null_block_bytes == r.bytes_per_block));
  CHECK((r.blocks_per_sequence == akv_blocks_for(r.context_tokens, r.block_tokens)));
  CHECK(r.sequence_block_bytes == r.blocks_per_sequence * r.bytes_per_block);
  CHECK(r.rounding_bytes == r.sequence_block_bytes - r.context_tokens * r.bytes_per_token);
  CHECK(r.bytes_per_block == r.bytes_per_token * r.block_tokens);
  return r;
}

akv_planner_result fit(const akv_model &model, const akv_planner_request &request) {
  akv_planner_result result = AKV_PLANNER_RESULT_INIT;
  OK(akv_planner_fit(&model, &request, &result));
  return checked(result);
}

akv_planner_result need(const akv_model &model, const akv_planner_request &request) {
  akv_planner_result result = AKV_PLANNER_RESULT_INIT;
  OK(akv_planner_need(&model, &request, &result));
  CHECK(result.slack_bytes == 0);
  return checked(result);
}

akv_page_size page(const akv_model &model, const akv_planner_request &request) {
  akv_page_size result = AKV_PAGE_SIZE_INIT;
  OK(akv_planner_page_size(&model, &request, &result));
  CHECK(result.page_bytes % result.alignment == 0);
  CHECK((result.page_bytes >= result.tensor_bytes && result.page_bytes - result.tensor_bytes < result.alignment));
  CHECK(result.sequence_page_bytes == result.tensors_per_sequence * result.page_bytes);
  return result;
}

template <class Result>
using Call = akv_status (*)(const akv_model *, const akv_planner_request *, Result *) AKV_NOEXCEPT;

template <class Result>
void refused(Call<Result> call, const akv_model &model, const akv_planner_request &request, akv_status status,
             const char *told) {
  Result result{};
  result.struct_size = sizeof result;
  CHECK(call(&model, &request, &result) == status);
  INFO(last_error());
  CHECK(last_error().find(told) != std::string::npos);
}

constexpr std::uint64_t kGiB = 1ull << 30;

}  // namespace

TEST_CASE("planner: B9 the document's example takes 2,048 blocks and 17.18 GB in fp32") {
  const akv_planner_result r = need(made(32, 32, 64, AKV_DTYPE_F32), context_of(32768));
  CHECK((r.num_blocks == 2048 && r.num_blocks * r.bytes_per_block == 17179869184 && r.num_sequences == 1));
  CHECK((r.bytes_per_block == 8388608 && r.null_block_bytes == 8388608 && r.padding_bytes == 0));
  CHECK((r.store_bytes == 17179869184 + 8388608 && r.rounding_bytes == 0 && r.spare_blocks == 0));
}

TEST_CASE(
    "planner: D1 the default shape: 2 MiB a block, 256 blocks a sequence, 4,096 blocks in 8 GiB and the null block") {
  const akv_model model = made(32, 8, 128);
  akv_planner_request request = context_of(4096);
  request.budget_bytes = 8 * kGiB + (2u << 20);
  const akv_planner_result r = fit(model, request);
  CHECK((r.num_blocks == 4096 && r.bytes_per_block == 2097152 && r.blocks_per_sequence == 256));
  CHECK((r.num_sequences == 16 && r.num_tokens == 65536 && r.slack_bytes == 0 && r.block_tokens == 16));
  --request.budget_bytes;  // the null block takes its column
  const akv_planner_result less = fit(model, request);
  CHECK((less.num_blocks == 4095 && less.num_sequences == 15 && less.spare_blocks == 255));
  CHECK(less.slack_bytes == 2097151);
  request.budget_bytes = 0;
  request.num_sequences = 256;  // all of its slots, full
  CHECK(need(model, request).store_bytes == 128 * kGiB + 2097152);
}

TEST_CASE("planner: B9 weights, activations and overhead leave the rest of a device for the cache") {
  akv_planner_request request = context_of(4096);
  request.total_bytes = 24 * kGiB;
  request.weight_bytes = 14 * kGiB;
  request.activation_bytes = kGiB;
  request.overhead_bytes = kGiB;
  const akv_planner_result r = fit(found("Mistral-7B"), request);
  CHECK((r.budget_bytes == 8 * kGiB && r.num_blocks == 4095 && r.num_sequences == 15 && r.slack_bytes == 0));
  request.weight_bytes = 22 * kGiB;
  refused(akv_planner_fit, found("Mistral-7B"), request, AKV_ERROR_OUT_OF_RANGE, "leave nothing of 25769803776 bytes");
  request.weight_bytes = request.activation_bytes = UINT64_MAX;
  refused(akv_planner_fit, found("Mistral-7B"), request, AKV_ERROR_OUT_OF_RANGE, "leave nothing");
}

TEST_CASE("planner: a context that is no multiple of a block wastes the rest of the last, and that is told") {
  const akv_planner_result r = need(made(2, 1, 8), context_of(33));
  CHECK((r.blocks_per_sequence == 3 && r.bytes_per_token == 64 && r.rounding_bytes == 15 * 64));
  akv_planner_request one = context_of(33);
  one.block_tokens = 1;
  CHECK((need(made(2, 1, 8), one).rounding_bytes == 0 && need(made(2, 1, 8), one).num_blocks == 33));
}

TEST_CASE("planner: every region is padded to the alignment: one for each layer and plane") {
  const akv_model model = made(3, 1, 3);  // 6 bytes a token and plane
  akv_planner_request request = context_of(1);
  request.block_tokens = 1;
  akv_planner_result r = need(model, request);  // two places of 6 bytes in 256
  CHECK((r.num_blocks == 1 && r.store_bytes == 3 * 2 * 256 && r.padding_bytes == 3 * 2 * (256 - 12)));
  request.alignment = 1;
  r = need(model, request);
  CHECK((r.store_bytes == 3 * 2 * 12 && r.padding_bytes == 0));
  request.alignment = 1u << 30;
  CHECK(need(model, request).store_bytes == 6 * kGiB);
  akv_model uneven = made(1, 1, 192);
  uneven.value_head_dim = 128;  // 6,144 and 4,096 bytes a block
  request = context_of(16);
  request.alignment = 4096;
  CHECK((need(uneven, request).store_bytes == 12288 + 8192 && need(uneven, request).padding_bytes == 0));
  const akv_planner_result mla = need(found("DeepSeek-V3"), context_of(4096));  // one plane
  CHECK((mla.num_blocks == 256 && mla.bytes_per_block == 61 * 576 * 2 * 16));
  CHECK(mla.store_bytes == 257ull * 61 * 576 * 2 * 16);
}

TEST_CASE(
    "planner: B9 B13 what it counts is what a store reserves, to a page of the system, for every preset and odd "
    "shapes") {
  for (std::uint32_t i = 1; akv_model_name(i) != nullptr; ++i)
    for (const std::uint32_t layers : {0u, 3u})
      for (const std::uint32_t block_tokens : {1u, 7u, 16u}) {
        INFO(akv_model_name(i) << ", " << layers << " layers, blocks of " << block_tokens);
        akv_model model = found(akv_model_name(i));
        akv_planner_request request = context_of(50);
        request.num_layers = layers;
        request.block_tokens = block_tokens;
        const akv_planner_result wanted = need(model, request);
        if (layers != 0) model.num_layers = layers;
        for (std::uint64_t &word : model.window_layers) word = 0;  // of the other layers
        akv_plane planes[2] = {};
        akv_layer_group group{};
        group.plane_size = sizeof(akv_plane);
        OK(akv_model_read_group(&model, 0, &group, sizeof group, planes, 2));
        akv_cache_config config = AKV_CACHE_CONFIG_INIT;
        config.num_blocks = wanted.num_blocks;
        config.block_tokens = block_tokens;
        config.num_groups = 1;
        config.group_size = sizeof group;
        config.groups = &group;
        akv_cache *cache = nullptr;
        akv_store *store = nullptr;
        OK(akv_cache_create(&config, &cache));
        akv_store_config small = AKV_STORE_CONFIG_INIT;
        small.flags = AKV_STORE_SMALL_PAGES;
        OK(akv_store_create(cache, &small, &store));
        akv_store_info info = AKV_STORE_INFO_INIT;
        OK(akv_store_read_info(store, &info));
        CHECK((info.num_blocks == wanted.num_blocks && info.bytes_per_block == wanted.bytes_per_block));
        CHECK((info.bytes >= wanted.store_bytes && info.bytes - wanted.store_bytes < 65536));
        CHECK(info.alignment_waste - wanted.padding_bytes == info.bytes - wanted.store_bytes);
        OK(akv_store_destroy(store));
        OK(akv_cache_destroy(cache));
      }
}

TEST_CASE("planner: fit takes the most blocks there is room for, and need is its inverse") {
  std::mt19937_64 random(5);
  const auto pick = [&random](std::uint64_t most) { return static_cast<std::uint32_t>(1 + random() % most); };
  for (int round = 0; round < 2000; ++round) {
    akv_model model = made(pick(40), pick(9), pick(130), pick(5));
    model.value_head_dim = pick(130);
    akv_planner_request request = context_of(pick(5000));
    request.block_tokens = pick(40);
    request.alignment = 1u << random() % 16;
    request.num_layers = pick(model.num_layers);
    request.num_sequences = pick(50);
    const akv_planner_result wanted = need(model, request);
    CHECK(wanted.num_blocks == request.num_sequences * wanted.blocks_per_sequence);
    akv_planner_request budget = request;
    budget.num_sequences = 0;
    budget.budget_bytes = wanted.store_bytes;
    const akv_planner_result same = fit(model, budget);
    CHECK((same.num_blocks >= wanted.num_blocks && same.num_sequences >= wanted.num_sequences));
    budget.budget_bytes = wanted.store_bytes + random() % 1'000'000;
    const akv_planner_result r = fit(model, budget);
    request.context_tokens = std::uint64_t{r.num_blocks} * request.block_tokens;  // what one block more would take
    request.num_sequences = 1;
    CHECK(need(model, request).store_bytes == r.store_bytes);
    request.context_tokens += 1;
    CHECK(need(model, request).store_bytes > r.budget_bytes);
  }
}

TEST_CASE("planner: B13 a part of the layers takes its part of the bytes") {
  akv_planner_request request = context_of(4096);
  const akv_planner_result all = need(found("Llama-3-8B"), request);
  request.num_layers = 8;
  const akv_planner_result part = need(found("Llama-3-8B"), request);
  CHECK((part.num_layers == 8 && all.num_layers == 32 && part.store_bytes * 4 == all.store_bytes));
  request.num_layers = 33;
  refused(akv_planner_need, found("Llama-3-8B"), request, AKV_ERROR_INVALID_ARGUMENT, "33 layers, the model has 32");
}

TEST_CASE("planner: a budget without room for one block beside the null block says what it would take") {
  akv_planner_request request = context_of(4096);
  request.budget_bytes = 2 * 2097152 - 1;
  refused(akv_planner_fit, found("Mistral-7B"), request, AKV_ERROR_OUT_OF_RANGE, "hold no block");
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK((detail.needed == 2 * 2097152 && detail.available == 2 * 2097152 - 1));
  ++request.budget_bytes;
  const akv_planner_result r = fit(found("Mistral-7B"), request);
  CHECK((r.num_blocks == 1 && r.num_sequences == 0 && r.spare_blocks == 1));  // no sequence of that length
}

TEST_CASE("planner: E6 the limits: largest model, most blocks, most sequences, and sizes beyond 2^64") {
  const akv_model largest = made(65535, 65535, 65535, AKV_DTYPE_F32);
  akv_planner_request request = context_of(AKV_MAX_SEQUENCE_TOKENS);
  refused(akv_planner_need, largest, request, AKV_ERROR_OUT_OF_RANGE, "exceed 2^64 - 1");
  request.block_tokens = AKV_MAX_BLOCK_TOKENS;
  refused(akv_planner_need, largest, request, AKV_ERROR_OUT_OF_RANGE, "exceed 2^64 - 1");
  request.block_tokens = 0;
  request.budget_bytes = UINT64_MAX;
  refused(akv_planner_fit, largest, request, AKV_ERROR_OUT_OF_RANGE, "exceed 2^64 - 1");
  request.context_tokens = 1;
  request.block_tokens = 1;
  const akv_planner_result few = fit(largest, request);
  CHECK((few.num_blocks == UINT64_MAX / few.bytes_per_block - 1 || few.padding_bytes != 0));

  const akv_model tiny = made(1, 1, 1);
  request = context_of(1);
  request.block_tokens = request.alignment = 1;
  request.budget_bytes = UINT64_MAX;
  const akv_planner_result most = fit(tiny, request);
  CHECK((most.num_blocks == AKV_MAX_BLOCKS && most.num_sequences == AKV_MAX_SEQUENCES));
  CHECK(most.slack_bytes == UINT64_MAX - 4ull * (AKV_MAX_BLOCKS + 1ull));
  request.budget_bytes = 0;
  request.num_sequences = AKV_MAX_SEQUENCES;
  request.context_tokens = AKV_MAX_BLOCKS / AKV_MAX_SEQUENCES;
  CHECK(need(tiny, request).num_blocks == request.context_tokens * AKV_MAX_SEQUENCES);
  request.context_tokens += 1;
  refused(akv_planner_need, tiny, request, AKV_ERROR_OUT_OF_RANGE, "a cache has at most 2147483646");
}

TEST_CASE("planner: E6 a request that cannot be is refused, and the message names the field") {
  const akv_model model = found("Mistral-7B");
  const auto bent = [](void (*bend)(akv_planner_request &)) {
    akv_planner_request request = context_of(4096);
    bend(request);
    return request;
  };
  using R = akv_planner_request;
  constexpr akv_status invalid = AKV_ERROR_INVALID_ARGUMENT;
  refused(akv_planner_fit, model, context_of(4096), invalid, "budget_bytes and total_bytes are 0");
  refused(akv_planner_fit, model, bent([](R &r) { r.budget_bytes = r.total_bytes = kGiB; }), invalid,
          "one of them only");
  refused(akv_planner_fit, model, bent([](R &r) { r.budget_bytes = r.weight_bytes = kGiB; }), invalid,
          "weight_bytes without total_bytes");
  refused(akv_planner_fit, model, bent([](R &r) { r.budget_bytes = r.activation_bytes = kGiB; }), invalid,
          "activation_bytes without total_bytes");
  refused(akv_planner_fit, model, bent([](R &r) { r.budget_bytes = r.overhead_bytes = kGiB; }), invalid,
          "overhead_bytes without total_bytes");
  refused(akv_planner_fit, model, bent([](R &r) { r.num_sequences = 1; }), invalid, "num_sequences is 1");
  refused(akv_planner_fit, model, bent([](R &r) { r.expected_tokens = 1; }), invalid, "expected_tokens is 1");
  void (*const budgets[])(R &) = {[](R &r) { r.budget_bytes = 1; }, [](R &r) { r.total_bytes = 1; },
                                  [](R &r) { r.weight_bytes = 1; }, [](R &r) { r.activation_bytes = 1; },
                                  [](R &r) { r.overhead_bytes = 1; }};
  for (const auto budget : budgets) {
    refused(akv_planner_need, model, bent(budget), invalid, "no use for it");
    refused(akv_planner_page_size, model, bent(budget), invalid, "no use for it");
  }
  refused(akv_planner_need, model, bent([](R &r) { r.expected_tokens = 1; }), invalid, "expected_tokens is 1");
  refused(akv_planner_page_size, model, bent([](R &r) { r.num_sequences = 1; }), invalid, "num_sequences is 1");
  refused(akv_planner_page_size, model, bent([](R &r) { r.block_tokens = 1; }), invalid, "block_tokens is 1");
  const auto everywhere = [&](void (*bend)(R &), const char *told) {
    refused(akv_planner_need, model, bent(bend), invalid, told);
    akv_planner_request request = bent(bend);
    request.budget_bytes = kGiB;
    refused(akv_planner_fit, model, request, invalid, told);
  };
  everywhere([](R &r) { r.dtype = 7; }, "dtype is 7");
  everywhere([](R &r) { r.block_tokens = 4097; }, "block_tokens is 4097");
  for (void (*bend)(R &) : {+[](R &r) { r.alignment = 3; }, +[](R &r) { r.alignment = 1u << 31; }})
    everywhere(bend, "must be a power of two");
  everywhere([](R &r) { r.context_tokens = 1ull << 31; }, "context_tokens is 2147483648");
  refused(akv_planner_need, model, bent([](R &r) { r.num_sequences = AKV_MAX_SEQUENCES + 1; }), invalid,
          "num_sequences is 1048576");
  refused(akv_planner_need, made(1, 1, 1), context_of(0), invalid, "the model tells no max_context");
  CHECK(need(model, context_of(0)).context_tokens == 32768);
}

TEST_CASE("page size: A5 a page is the largest tensor, rounded up, and its waste is told") {
  const akv_page_size mistral = page(found("Mistral-7B"), context_of(4096));
  CHECK((mistral.page_bytes == 4096 * 8 * 128 * 2 && mistral.tensors_per_sequence == 64 && mistral.alignment == 256));
  CHECK((mistral.sequence_page_bytes == 536870912 && mistral.full_waste_bytes == 0));
  CHECK(mistral.expected_waste_bytes == 0);
  akv_planner_request request = context_of(4096);
  request.expected_tokens = 1024;
  CHECK(page(found("Mistral-7B"), request).expected_waste_bytes == 536870912 / 4 * 3);
  request.expected_tokens = 4097;
  refused(akv_planner_page_size, found("Mistral-7B"), request, AKV_ERROR_OUT_OF_RANGE, "expected_tokens is 4097");
  const akv_page_size odd = page(made(2, 1, 5), context_of(3));  // 30 bytes in 256
  CHECK((odd.tensor_bytes == 30 && odd.page_bytes == 256 && odd.full_waste_bytes == 4 * 226));
  akv_model uneven = made(1, 1, 192);
  uneven.value_head_dim = 128;  // values lie in pages that are as wide as keys
  const akv_page_size wide = page(uneven, context_of(100));
  CHECK((wide.tensor_bytes == 38400 && wide.page_bytes == 38400 && wide.full_waste_bytes == 38400 - 25600));
  request = context_of(4096);
  request.num_layers = 8;
  request.alignment = 2u << 20;
  CHECK((page(found("DeepSeek-V3"), request).page_bytes == 6u << 20 &&
         page(found("DeepSeek-V3"), request).tensors_per_sequence == 8));
  CHECK(page(made(1, 1, 1), context_of(1)).page_bytes == 256);
  refused(akv_planner_page_size, made(65535, 65535, 65535, AKV_DTYPE_F32), context_of(AKV_MAX_SEQUENCE_TOKENS),
          AKV_ERROR_OUT_OF_RANGE, "exceed 2^64 - 1");
}

TEST_CASE("planner: D5 A23 a format's scales are counted, by hand") {
  const akv_model llama = found("llama-3-8b");  // 32 layers, 8 KV heads of 128
  const auto bytes_per_token = [&](std::uint32_t format, std::uint32_t block_tokens) {
    akv_planner_request request = context_of(8192);
    request.format = format;
    request.block_tokens = block_tokens;
    return need(llama, request).bytes_per_token;
  };
  CHECK(bytes_per_token(AKV_FORMAT_BF16, 16) == 32 * 2 * 8 * 128 * 2);
  CHECK(bytes_per_token(AKV_FORMAT_F8, 16) == 32 * 2 * 8 * 128);
  CHECK(bytes_per_token(AKV_FORMAT_I8, 16) == 32 * 2 * 8 * (128 + 4));
  CHECK(bytes_per_token(AKV_FORMAT_K8V4, 16) == 32 * 8 * (128 + 4 + 64 + 4 * 4));
  CHECK(bytes_per_token(AKV_FORMAT_I4, 16) == 32 * 8 * (64 + 128 * 4 / 16 + 64 + 4 * 4));
  CHECK(bytes_per_token(AKV_FORMAT_I4, 64) == 32 * 8 * (64 + 128 * 4 / 32 + 64 + 4 * 4));
  akv_planner_request both = context_of(8192);
  both.format = AKV_FORMAT_I8;
  both.dtype = AKV_DTYPE_F16;
  refused(akv_planner_need, llama, both, AKV_ERROR_INVALID_ARGUMENT, "a format tells its dtypes");
  both.dtype = 0;
  both.format = 9;
  refused(akv_planner_need, llama, both, AKV_ERROR_INVALID_ARGUMENT, "must be 1 to 8");
}
