// geometry.cpp: checked sums over planes and layers.
// Numbers only: it knows no memory and no cache.
#include "model/geometry.hpp"

#include "base/sized_struct.hpp"

namespace akv {
namespace {

constexpr std::uint32_t kGroupSizeV1 = sizeof(akv_layer_group);
constexpr std::uint32_t kPlaneSizeV1 = sizeof(akv_plane);

Status check_plane(const akv_plane &plane, std::uint32_t index) {
  if (plane.role < AKV_PLANE_KEYS || plane.role > AKV_PLANE_LATENT)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: role is %llu, must be 1 to 3", index, plane.role);
  if (dtype_bits(plane.dtype) == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: dtype is %llu, must be 1 to 6", index, plane.dtype);
  if (plane.kv_heads == 0 || plane.kv_heads > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: kv_heads is %llu, must be 1 to 65535", index, plane.kv_heads);
  if (plane.head_dim == 0 || plane.head_dim > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: head_dim is %llu, must be 1 to 65535", index, plane.head_dim);
  if (plane.scale_bytes > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: scale_bytes is %llu, at most 65535", index, plane.scale_bytes);
  if (plane.dtype == AKV_DTYPE_I4 && plane.kv_heads % 2 != 0 && plane.head_dim % 2 != 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: %llu heads x %llu is odd, two 4-bit elements share a byte",
                index, plane.kv_heads, plane.head_dim);
  if (plane.scaling > AKV_SCALING_CHANNEL)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: scaling is %llu, must be 0 to 4", index, plane.scaling);
  return AKV_OK;
}

Status check_scaling_dtype(const akv_plane &plane, std::uint32_t index) {
  const bool of_bytes = plane.scaling <= AKV_SCALING_TOKEN_HEAD;
  const bool fits = of_bytes ? plane.dtype == AKV_DTYPE_F8_E4M3 || plane.dtype == AKV_DTYPE_I8
                             : plane.dtype == AKV_DTYPE_I4 && plane.head_dim % 2 == 0;
  if (fits) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT,
              of_bytes ? "plane %llu: scaling %llu is for F8_E4M3 and I8, dtype is %llu"
                       : "plane %llu: scaling %llu is for I4 and an even head_dim, dtype is %llu, head_dim %llu",
              index, plane.scaling, plane.dtype, plane.head_dim);
}

}  // namespace

std::uint32_t channel_tokens(std::uint32_t block_tokens) noexcept { return block_tokens < 32 ? block_tokens : 32; }

Status scale_bytes_of(const akv_plane &plane, std::uint32_t index, std::uint32_t block_tokens,
                      std::uint32_t &out) noexcept {
  out = plane.scale_bytes;
  if (plane.scaling == AKV_SCALING_NONE) return AKV_OK;
  AKV_TRY(check_scaling_dtype(plane, index));
  std::uint64_t bytes = 0;
  if (plane.scaling == AKV_SCALING_TOKEN_HEAD) bytes = std::uint64_t{plane.kv_heads} * 4;
  if (plane.scaling == AKV_SCALING_TOKEN_GROUP)
    bytes = std::uint64_t{plane.kv_heads} * ((plane.head_dim + 31u) / 32) * 4;
  if (plane.scaling == AKV_SCALING_CHANNEL) {
    if (block_tokens == 0) return AKV_OK;
    const std::uint32_t tokens = channel_tokens(block_tokens);
    if (tokens == 0 || block_tokens % tokens != 0 || plane.head_dim * 4 % tokens != 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT,
                  "plane %llu: scaling by channel wants blocks of at most 32 tokens or a multiple of that, and 4 x "
                  "head_dim a multiple of those: block_tokens is %llu, head_dim %llu",
                  index, block_tokens, plane.head_dim);
    bytes = std::uint64_t{plane.kv_heads} * (plane.head_dim * 4 / tokens);
  }
  if (bytes > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: %llu bytes of scales a token, at most 65535", index, bytes);
  out = static_cast<std::uint32_t>(bytes);
  return AKV_OK;
}

Status choose_format(akv_plane &plane, std::uint32_t index, std::uint32_t format, std::uint32_t block_tokens) noexcept {
  const bool values = plane.role == AKV_PLANE_VALUES;
  const auto of = [&](std::uint32_t dtype, std::uint32_t scaling) {
    plane.dtype = dtype;
    plane.scaling = scaling;
  };
  switch (format) {
    case AKV_FORMAT_F32: of(AKV_DTYPE_F32, AKV_SCALING_NONE); break;
    case AKV_FORMAT_F16: of(AKV_DTYPE_F16, AKV_SCALING_NONE); break;
    case AKV_FORMAT_BF16: of(AKV_DTYPE_BF16, AKV_SCALING_NONE); break;
    case AKV_FORMAT_F8: of(AKV_DTYPE_F8_E4M3, AKV_SCALING_HEAD); break;
    case AKV_FORMAT_F8_TOKEN: of(AKV_DTYPE_F8_E4M3, AKV_SCALING_TOKEN_HEAD); break;
    case AKV_FORMAT_I8: of(AKV_DTYPE_I8, AKV_SCALING_TOKEN_HEAD); break;
    case AKV_FORMAT_K8V4:
      if (values) of(AKV_DTYPE_I4, AKV_SCALING_TOKEN_GROUP);
      else of(AKV_DTYPE_F8_E4M3, AKV_SCALING_TOKEN_HEAD);
      break;
    case AKV_FORMAT_I4: of(AKV_DTYPE_I4, values ? AKV_SCALING_TOKEN_GROUP : AKV_SCALING_CHANNEL); break;
    default: return fail(AKV_ERROR_INVALID_ARGUMENT, "format is %llu, must be 1 to 8", format);
  }
  plane.scale_bytes = 0;
  AKV_TRY(check_plane(plane, index));
  return scale_bytes_of(plane, index, block_tokens, plane.scale_bytes);
}

std::uint32_t dtype_bits(std::uint32_t dtype) noexcept {
  switch (dtype) {
    case AKV_DTYPE_F32: return 32;
    case AKV_DTYPE_F16:
    case AKV_DTYPE_BF16: return 16;
    case AKV_DTYPE_F8_E4M3:
    case AKV_DTYPE_I8: return 8;
    case AKV_DTYPE_I4: return 4;
    default: return 0;
  }
}

std::uint64_t plane_bytes(const akv_plane &plane) noexcept {
  return std::uint64_t{plane.kv_heads} * plane.head_dim * dtype_bits(plane.dtype) / 8 + plane.scale_bytes;
}

Status Geometry::read(const akv_layer_group *groups, std::uint32_t num_groups, std::uint32_t group_size) noexcept {
  if (num_groups == 0 && groups == nullptr) {
    group = {AKV_RULE_FULL, 32, 2, sizeof(akv_plane), nullptr, 0, 0};
    planes[0] = {AKV_PLANE_KEYS, AKV_DTYPE_F16, 8, 128, 0, 0};
    planes[1] = {AKV_PLANE_VALUES, AKV_DTYPE_F16, 8, 128, 0, 0};
    return AKV_OK;
  }
  if (num_groups == 0 || groups == nullptr)
    return fail_named(AKV_ERROR_INVALID_ARGUMENT, "groups is %s and num_groups is %llu",
                      groups == nullptr ? "NULL" : "not NULL", num_groups);
  if (num_groups > 1) return fail(AKV_ERROR_UNSUPPORTED, "%llu layer groups: this release takes one", num_groups);
  if (group_size < kGroupSizeV1 || group_size > kLargestStruct)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "group_size is %llu, must be sizeof(akv_layer_group) = %llu", group_size,
                kGroupSizeV1);
  if (Status status = read_element(groups, group_size, group); status != AKV_OK) return status;
  if (group.rule != AKV_RULE_FULL)
    return fail(AKV_ERROR_UNSUPPORTED, "layer rule is %llu: this release takes AKV_RULE_FULL", group.rule);
  if (group.num_layers == 0 || group.num_layers > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_layers is %llu, must be 1 to 65535", group.num_layers);
  if (group.num_planes == 0 || group.num_planes > kMaxPlanes || group.planes == nullptr)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "num_planes is %llu, must be 1 to %llu with an array", group.num_planes,
                kMaxPlanes);
  if (group.plane_size < kPlaneSizeV1 || group.plane_size > kLargestStruct)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane_size is %llu, must be sizeof(akv_plane) = %llu", group.plane_size,
                kPlaneSizeV1);
  if (group.unused != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "the unused field of the layer group is %llu, must be 0", group.unused);
  if (group.query_heads > 65535)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "query_heads is %llu, at most 65535", group.query_heads);
  const auto *bytes = reinterpret_cast<const unsigned char *>(group.planes);
  for (std::uint32_t i = 0; i < group.num_planes; ++i) {
    if (Status status = read_element(bytes + std::size_t{i} * group.plane_size, group.plane_size, planes[i]);
        status != AKV_OK)
      return status;
    if (Status status = check_plane(planes[i], i); status != AKV_OK) return status;
    if (group.query_heads != 0 && group.query_heads % planes[i].kv_heads != 0)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: %llu KV heads do not divide %llu query heads", i,
                  planes[i].kv_heads, group.query_heads);
  }
  group.planes = nullptr;  // `planes` has the copies
  group.plane_size = sizeof(akv_plane);
  return AKV_OK;
}

Status Geometry::check_scales() const noexcept {
  for (std::uint32_t i = 0; i < group.num_planes; ++i) {
    std::uint32_t wanted = 0;
    AKV_TRY(scale_bytes_of(planes[i], i, 0, wanted));
    const bool none = planes[i].scaling == AKV_SCALING_CHANNEL && planes[i].scale_bytes == 0;
    if (planes[i].scale_bytes == wanted && !none) continue;
    return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: scale_bytes is %llu, scaling %llu wants %llu", i,
                planes[i].scale_bytes, planes[i].scaling, wanted);
  }
  return AKV_OK;
}

Status Geometry::fit_scales(std::uint32_t block_tokens) noexcept {
  for (std::uint32_t i = 0; i < group.num_planes; ++i) {
    std::uint32_t wanted = 0;
    AKV_TRY(scale_bytes_of(planes[i], i, block_tokens, wanted));
    if (planes[i].scale_bytes != 0 && planes[i].scale_bytes != wanted)
      return fail(AKV_ERROR_INVALID_ARGUMENT, "plane %llu: scale_bytes is %llu, scaling %llu wants %llu or 0", i,
                  planes[i].scale_bytes, planes[i].scaling, wanted);
    planes[i].scale_bytes = wanted;
  }
  return AKV_OK;
}

std::uint32_t Geometry::tokens_together(std::uint32_t block_tokens) const noexcept {
  for (std::uint32_t i = 0; i < group.num_planes; ++i)
    if (planes[i].scaling == AKV_SCALING_CHANNEL) return channel_tokens(block_tokens);
  return 1;
}

std::uint64_t Geometry::bytes_per_token() const noexcept {
  std::uint64_t layer = 0;
  for (std::uint32_t i = 0; i < group.num_planes; ++i) layer += plane_bytes(planes[i]);
  return layer * group.num_layers;  // below 2^58: 64 planes, 2^16 layers, 2^36 bytes
}

std::uint64_t Geometry::query_head_bytes(std::uint64_t bytes) const noexcept {
  if (group.query_heads == 0) return 0;
  std::uint64_t with_kv_heads = 0;
  std::uint64_t with_query_heads = 0;
  for (std::uint32_t i = 0; i < group.num_planes; ++i) {
    with_kv_heads += plane_bytes(planes[i]);
    with_query_heads += plane_bytes(planes[i]) * (group.query_heads / planes[i].kv_heads);  // below 2^58
  }
  // bytes is a multiple of with_kv_heads: it is so many layers' and tokens' worth.
  std::uint64_t result = 0;
  return __builtin_mul_overflow(bytes / with_kv_heads, with_query_heads, &result) ? UINT64_MAX : result;
}

std::uint64_t blocks_for(std::uint64_t num_tokens, std::uint32_t block_tokens) noexcept {
  return block_tokens == 0 ? 0 : num_tokens / block_tokens + (num_tokens % block_tokens != 0);
}

}  // namespace akv
