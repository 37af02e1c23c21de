// attention.cpp: the checks of attention, and how it is shared out among a stream's workers.
// It knows stores, streams and kernels.
#include "data/attention.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/kernels/kernels.hpp"
#include "data/plane_elements.hpp"

namespace akv {
namespace {

// A split is not worth its merging below so many tokens.
constexpr std::uint32_t kTokensForASplit = 512;
// Pieces of work for each worker: sequences are of different lengths, and who is done takes the next one.
constexpr std::uint32_t kPartsForAWorker = 4;
// Of a stream's queue, that the results of splits may take.
constexpr std::uint64_t kShareOfTheQueue = 8;

// -- what is attended to --

// The planes of a layer that attention reads; one and the same for MLA.
struct Planes {
  std::uint32_t keys = 0, values = 0;
  bool latent() const noexcept { return keys == values; }
};

Status find_planes(const Store &store, Planes &out) {
  const auto role = [&store](std::uint32_t plane) { return store.layout().plane(plane).role; };
  const std::uint32_t count = store.num_planes();
  if (count == 1 && role(0) == AKV_PLANE_LATENT) return AKV_OK;
  if (count == 2 && role(0) + role(1) == AKV_PLANE_KEYS + AKV_PLANE_VALUES && role(0) != AKV_PLANE_LATENT &&
      role(1) != AKV_PLANE_LATENT) {
    out.keys = role(0) == AKV_PLANE_KEYS ? 0 : 1;
    out.values = 1 - out.keys;
    return AKV_OK;
  }
  return fail(AKV_ERROR_UNSUPPORTED, "attention wants a plane of keys and one of values, or one latent: %llu planes",
              count);
}

// Heads and dims of a call, which all parts must have.
struct AttentionShape {
  std::uint32_t num_heads = 0, key_dim = 0, value_dim = 0;
  bool operator==(const AttentionShape &) const = default;
};

Status read_shape(const akv_attention &attention, const Store &store, Planes planes, AttentionShape &out) {
  const PlaneShape &keys = store.layout().plane(planes.keys), &values = store.layout().plane(planes.values);
  AKV_TRY(check_conversion(keys, planes.keys, AKV_DTYPE_F32));
  AKV_TRY(check_conversion(values, planes.values, AKV_DTYPE_F32));
  const bool latent = planes.latent();
  if (latent ? attention.value_dim == 0 || attention.value_dim > keys.head_dim : attention.value_dim != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                latent ? "value_dim is %llu, must be 1 to the latent's %llu elements"
                       : "value_dim is %llu, must be 0: values have a plane of their own, of %llu elements",
                attention.value_dim, values.head_dim);
  if (keys.num_heads != values.num_heads)
    return fail(AKV_ERROR_UNSUPPORTED, "%llu heads of keys and %llu of values", keys.num_heads, values.num_heads);
  if (keys.head_dim > kMostAttendDim || values.head_dim > kMostAttendDim)
    return fail(AKV_ERROR_UNSUPPORTED, "heads of %llu and %llu elements: attention takes up to %llu", keys.head_dim,
                values.head_dim, kMostAttendDim);
  out = {keys.num_heads, keys.head_dim, latent ? attention.value_dim : values.head_dim};
  return AKV_OK;
}

Status check_table(const akv_attention_part &part, const Store &store, std::uint32_t num_sequences) {
  const std::uint32_t block_tokens = store.shape().block_tokens;
  std::uint64_t most = 0;
  for (std::uint32_t i = 0; i < num_sequences; ++i) {
    const std::uint64_t blocks = (std::uint64_t{part.lengths[i]} + block_tokens - 1) / block_tokens;
    const bool known = part.table_stride == 0 && blocks <= most;
    most = std::max(most, blocks);
    if (known || blocks == 0) continue;
    if (part.block_table == nullptr)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "block_table is NULL, and sequence %llu has %llu tokens", i,
                  part.lengths[i]);
    if (part.table_stride != 0 && blocks > static_cast<std::uint64_t>(part.table_stride))
      return fail(AKV_ERROR_OUT_OF_RANGE, "sequence %llu has %llu tokens in %llu blocks, table_stride is %llu", i,
                  part.lengths[i], blocks, static_cast<unsigned long long>(part.table_stride));
    const std::int32_t *row = part.block_table + i * part.table_stride;
    for (std::uint64_t block = 0; block < blocks; ++block) AKV_TRY(store.check_block(row[block], false));
  }
  return AKV_OK;
}

Status check_part(const akv_attention &attention, const akv_attention_part &part, const Store &store, bool latent) {
  if (latent && part.value_scales != nullptr && part.value_scales != part.key_scales)
    return fail(AKV_ERROR_INVALID_ARGUMENT,
                "value_scales must be NULL: a latent's values are its keys, with key_scales");
  if (part.lengths == nullptr && attention.num_sequences != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "lengths is NULL, and there are %llu sequences", attention.num_sequences);
  if (part.table_stride < 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "table_stride is %lld, must not be negative",
                static_cast<unsigned long long>(part.table_stride));
  return check_table(part, store, attention.num_sequences);
}

Status check_numbers(const akv_attention &attention, const AttentionShape &shape) {
  if (number_bytes(attention.dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "dtype is %llu, must be F32 (1), F16 (2) or BF16 (3)", attention.dtype);
  if (attention.query_heads == 0 || attention.query_heads % shape.num_heads != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "query_heads is %llu, must be a multiple of the store's %llu KV heads",
                attention.query_heads, shape.num_heads);
  if (!std::isfinite(attention.scale) || !std::isfinite(attention.soft_cap) || attention.soft_cap < 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "scale and soft_cap must be finite, soft_cap not negative");
  const std::uint64_t rows = std::uint64_t{attention.num_sequences} * std::max(attention.num_queries, 1u);
  std::uint64_t all = 0;
  if (__builtin_mul_overflow(rows, std::uint64_t{attention.query_heads}, &all) || all > UINT32_MAX)
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu queries of %llu heads: over 2^32 - 1 rows", rows, attention.query_heads);
  if (attention.num_sequences != 0 && (attention.query == nullptr || attention.out == nullptr))
    return fail(AKV_ERROR_INVALID_ARGUMENT, "query or out is NULL, and there are %llu sequences",
                attention.num_sequences);
  return AKV_OK;
}

// -- the work --

void pack(const std::int64_t (&given)[3], std::uint64_t queries, std::uint64_t heads, std::uint64_t row_bytes,
          std::int64_t (&out)[3]) {
  const bool packed = given[0] == 0 && given[1] == 0 && given[2] == 0;
  const std::uint64_t strides[3] = {queries * heads * row_bytes, heads * row_bytes, row_bytes};
  for (int i = 0; i < 3; ++i) out[i] = packed ? static_cast<std::int64_t>(strides[i]) : given[i];
}

struct AttendWork {
  Stores::Ref stores[AKV_MAX_ATTENTION_PARTS];
  AttendPart parts[AKV_MAX_ATTENTION_PARTS]{};
  AttendArguments arguments{};

  std::uint64_t num_pairs() const noexcept { return std::uint64_t{arguments.num_sequences} * arguments.num_heads; }
  bool run(std::uint32_t part, std::uint32_t num_parts) noexcept {
    AttendArguments all = arguments;
    all.parts = parts;
    // All heads of a sequence together where there are sequences enough: their rows lie together.
    const std::uint64_t groups = std::uint64_t{all.num_sequences} * all.num_splits;
    const std::uint64_t together = groups >= num_parts ? all.num_heads : 1;
    const Share share(groups * all.num_heads / together, part, num_parts);
    kernels().attend.attend(all, share.first * together, share.end * together);
    return true;
  }
  void finish(bool) noexcept {
    if (arguments.num_splits == 1) return;
    AttendArguments all = arguments;
    all.parts = parts;
    kernels().attend.merge_splits(all, 0, num_pairs());
  }
};

struct MergeWork {
  MergeArguments arguments{};

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(arguments.num_rows, part, parts);
    kernels().attend.merge(arguments, share.first, share.end);
    return true;
  }
  void finish(bool) noexcept {}
};

// How many tokens a sequence has, in all parts together, at most.
std::uint64_t most_tokens(const akv_attention &attention, const akv_attention_part *parts) {
  std::uint64_t most = 0;
  for (std::uint32_t i = 0; i < attention.num_sequences; ++i) {
    std::uint64_t sum = 0;
    for (std::uint32_t part = 0; part < attention.num_parts; ++part) sum += parts[part].lengths[i];
    most = std::max(most, sum);
  }
  return most;
}

// `split_bytes`: what the results of one split take of the stream's queue, where others want room as well.
std::uint32_t choose_splits(const Stream *stream, std::uint64_t pairs, std::uint64_t tokens,
                            std::uint64_t split_bytes) {
  if (stream == nullptr || stream->num_workers() < 2 || pairs == 0) return 1;
  const std::uint64_t wanted = (std::uint64_t{stream->num_workers()} * kPartsForAWorker + pairs - 1) / pairs;
  const std::uint64_t room = stream->queue_bytes() / kShareOfTheQueue / split_bytes;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(std::min({wanted, tokens / kTokensForASplit, room}), 1, 256));
}

}  // namespace

Status attend(const akv_attention &attention, const akv_attention_part *parts, Stores::Ref *stores,
              Stream *stream) noexcept {
  AttentionShape shape;
  Planes planes[AKV_MAX_ATTENTION_PARTS];
  std::uint32_t layers[AKV_MAX_ATTENTION_PARTS];
  for (std::uint32_t i = 0; i < attention.num_parts; ++i) {
    AttentionShape its;
    AKV_TRY(stores[i]->find_layer(attention.layer, layers[i]));
    AKV_TRY(find_planes(*stores[i], planes[i]));
    AKV_TRY(read_shape(attention, *stores[i], planes[i], its));
    if (i == 0) shape = its;
    if (!(its == shape))
      return fail(AKV_ERROR_OTHER_GEOMETRY,
                  "part %llu has %llu heads of %llu elements, the first one %llu of %llu; or their values differ", i,
                  its.num_heads, its.key_dim, shape.num_heads, shape.key_dim);
  }
  AKV_TRY(check_numbers(attention, shape));
  for (std::uint32_t i = 0; i < attention.num_parts; ++i)
    if (const Status status = check_part(attention, parts[i], *stores[i], planes[i].latent()); status != AKV_OK) {
      name_row(i);
      return status;
    }

  const std::uint32_t count = attention.num_sequences, queries = std::max(attention.num_queries, 1u);
  const std::uint32_t group = attention.query_heads / shape.num_heads;
  const std::uint64_t pairs = std::uint64_t{count} * shape.num_heads;
  const std::uint64_t partial = pairs * queries * group * (std::uint64_t{shape.value_dim} + 2);  // floats, below 2^43
  const std::uint32_t splits = choose_splits(stream, pairs, most_tokens(attention, parts), partial * sizeof(float));
  const std::uint64_t partials = splits == 1 ? 0 : partial * splits;
  Submission<AttendWork> work(stream, kept_bytes<float>(partials));
  AKV_TRY(work.status());
  AttendArguments &to = work->arguments;
  to.query = static_cast<const unsigned char *>(attention.query);
  to.out = static_cast<unsigned char *>(attention.out);
  to.log_sums = attention.log_sums;
  const std::uint32_t bytes = number_bytes(attention.dtype);
  pack(attention.query_strides, queries, attention.query_heads, std::uint64_t{shape.key_dim} * bytes, to.query_strides);
  pack(attention.out_strides, queries, attention.query_heads, std::uint64_t{shape.value_dim} * bytes, to.out_strides);
  to.query_dtype = to.out_dtype = attention.dtype;
  to.num_sequences = count;
  to.num_queries = queries;
  to.num_heads = shape.num_heads;
  to.group = group;
  to.key_dim = shape.key_dim;
  to.value_dim = shape.value_dim;
  to.scale = attention.scale != 0 ? attention.scale : 1.0f / std::sqrt(static_cast<float>(shape.key_dim));
  to.soft_cap = attention.soft_cap;
  to.sink_logits = attention.sink_logits;
  to.positions = attention.positions;
  to.window = attention.window;
  to.sink_tokens = attention.sink_tokens;
  to.num_parts = attention.num_parts;
  to.num_splits = splits;
  for (std::uint32_t i = 0; i < attention.num_parts; ++i) {
    const Store &store = *stores[i];
    AttendPart &part = work->parts[i];
    part.keys = pool_elements(store.region(layers[i], planes[i].keys), store.layout().plane(planes[i].keys),
                              parts[i].key_scales);
    part.values = pool_elements(store.region(layers[i], planes[i].values), store.layout().plane(planes[i].values),
                                planes[i].latent() ? parts[i].key_scales : parts[i].value_scales);
    part.block_table = parts[i].block_table;
    part.table_stride = parts[i].table_stride;
    part.num_tokens = parts[i].lengths;
    part.first_positions = parts[i].first_positions;
    part.block_tokens = store.shape().block_tokens;
    work->stores[i] = std::move(stores[i]);
  }
  if (partials != 0) to.partials = work.room<float>(partials);
  const std::uint64_t most = std::uint64_t{stream != nullptr ? stream->num_workers() : 0} * kPartsForAWorker;
  work.submit(
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(pairs * splits, 1, std::max<std::uint64_t>(most, 1))));
  return AKV_OK;
}

Status merge_attention(const MergeArguments &arguments, Stream *stream) noexcept {
  if (number_bytes(arguments.dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "dtype is %llu, must be F32 (1), F16 (2) or BF16 (3)", arguments.dtype);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(arguments.num_rows, std::uint64_t{arguments.dim} * number_bytes(arguments.dtype), &bytes))
    return fail(AKV_ERROR_OUT_OF_RANGE, "%llu rows of %llu elements exceed 2^64 - 1 bytes", arguments.num_rows,
                arguments.dim);
  Submission<MergeWork> work(stream);
  AKV_TRY(work.status());
  work->arguments = arguments;
  work.submit(parts_for(stream, bytes));
  return AKV_OK;
}

}  // namespace akv
